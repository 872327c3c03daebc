"""A client without helpers of its own (requests), a clock the tests move, and records by the dozen."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Optional

import pytest
import requests

from entrawatch.emulator.records import Emitted
from entrawatch.emulator.server import Emulator

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=timezone.utc)
AUDITS, SIGN_INS, RISKS = (
    "/v1.0/auditLogs/directoryAudits",
    "/beta/auditLogs/signIns",
    "/v1.0/identityProtection/riskDetections",
)
TYPES = {
    "interactive": "interactiveUser",
    "non_interactive": "nonInteractiveUser",
    "service_principal": "servicePrincipal",
    "managed_identity": "managedIdentity",
}


class MovedClock:
    """Time that stands until it is moved."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float, until: Optional[threading.Event] = None) -> None:
        self.passed += seconds


def iso(ago: float = 0.0) -> str:
    """The time so many seconds before NOW."""
    return (NOW - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def audit(number: int, ago: float, arrives: Optional[datetime] = None, **more: Any) -> Emitted:
    record = {"id": f"Directory_{number}", "activityDateTime": iso(ago), **more}
    return Emitted("directory_audits", record, arrives or NOW - timedelta(seconds=ago))


def sign_in(stream: str, number: int, ago: float, **more: Any) -> Emitted:
    record = {"id": f"{stream}-{number}", "createdDateTime": iso(ago), "signInEventTypes": [TYPES[stream]], **more}
    return Emitted(stream, record, NOW - timedelta(seconds=ago))


class Client:
    """A signed-in requests session on one emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator, self.session = emulator, requests.Session()
        self.session.trust_env = False
        self.session.verify = str(emulator.ca_file)
        self.sign_in()

    def token(self, **form: str) -> requests.Response:
        url = f"{self.emulator.login_url}/{self.emulator.tenant_id}/oauth2/v2.0/token"
        fields = {
            "grant_type": "client_credentials",
            "client_id": self.emulator.client_id,
            "client_secret": self.emulator.client_secret,
            "scope": f"{self.emulator.url}/.default",
            **form,
        }
        return self.session.post(url, data={name: value for name, value in fields.items() if value})

    def sign_in(self) -> None:
        self.session.headers["Authorization"] = f"Bearer {self.token().json()['access_token']}"

    def get(self, path: str, headers: Optional[dict[str, str]] = None, **options: str) -> requests.Response:
        url = path if path.startswith("https:") else self.emulator.url + path
        params = {f"${name}": value for name, value in options.items()}
        return self.session.get(url, params=params, headers=headers, timeout=10, allow_redirects=False)

    def walk(self, path: str, **options: str) -> Iterator[list[dict[str, Any]]]:
        answer = self.get(path, **options)
        while True:
            assert answer.status_code == 200, answer.text
            yield answer.json()["value"]
            if "@odata.nextLink" not in answer.json():
                return
            answer = self.get(answer.json()["@odata.nextLink"])

    def ids(self, path: str, **options: str) -> list[str]:
        return [record["id"] for page in self.walk(path, **options) for record in page]


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def emulate(clock: MovedClock) -> Callable[..., Any]:
    """A function that gives a context with a client on a new emulator; without throttling unless it is asked for."""

    @contextmanager
    def start(emitted: Iterable[Emitted] = (), **options: Any) -> Iterator[Client]:
        with Emulator(emitted, **{"clock": clock, "throttle": False, **options}) as emulator:
            client = Client(emulator)
            with client.session:
                yield client
        assert not emulator.failures

    return start
