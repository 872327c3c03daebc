"""The emulator: a Microsoft Graph and an Entra ID token endpoint on loopback, for one synthetic tenant."""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from entrawatch.clock import SystemClock
from entrawatch.emulator.answers import RefusedError, refused
from entrawatch.emulator.authority import App, Authority
from entrawatch.emulator.certificate import server_context
from entrawatch.emulator.keep import Keep
from entrawatch.emulator.mischief import Mischief
from entrawatch.emulator.reports import Reports
from entrawatch.emulator.service import Service
from entrawatch.emulator.sockets import Server
from entrawatch.emulator.throttle import Limits, Throttle
from entrawatch.emulator.tokens import SkipTokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from entrawatch.emulator.answers import Answer, Request
    from entrawatch.emulator.faults import Fault
    from entrawatch.emulator.records import Emitted
    from entrawatch.interfaces import Clock

#: what an application is granted unless the caller says otherwise
DEFAULT_ROLES = frozenset(
    {
        "AuditLog.Read.All", "Directory.Read.All", "IdentityRiskEvent.Read.All", "IdentityRiskyUser.Read.All",
        "IdentityRiskyServicePrincipal.Read.All", "Policy.Read.ConditionalAccess",
    }
)  # fmt: skip
ALL_LICENCES = frozenset({"Entra ID P1", "Entra ID P2", "Workload Identities Premium"})
_REMEMBERED = 100_000


@dataclass(frozen=True)
class Logged:
    """One request that was answered.

    :param at: the clock's monotonic seconds when it came in.
    """

    method: str
    path: str
    query: Mapping[str, str]
    status: int
    at: float


@dataclass(frozen=True)
class Options:
    """How the emulator behaves.

    :param throttle: False for none; True for the published limits, or limits of one's own.
    :param latency: seconds every answer takes.
    :param token_lifetime: seconds an access token is good for.
    :param skip_token_lifetime: seconds a nextLink is good for; None for ever.
    :param skip_token_uses: times a nextLink may be followed; None for any number.
    :param retention: how far back the reporting paths answer.
    :param shifting: whether late arrivals move the pages of a walk.
    :param roles: application permissions of the tenant's one application.
    :param licences: names as the stream table writes them.
    :param port: 0 for a free one.
    :param tenant_id: a GUID.
    :param domain: the tenant's verified domain.
    """

    throttle: Union[bool, Limits] = True
    latency: float = 0.0
    token_lifetime: int = 3599
    skip_token_lifetime: Optional[float] = 3600.0
    skip_token_uses: Optional[int] = None
    retention: timedelta = timedelta(days=90)
    shifting: bool = False
    roles: frozenset[str] = DEFAULT_ROLES
    licences: frozenset[str] = ALL_LICENCES
    port: int = 0
    tenant_id: str = "5a3e0c4e-7f0b-4d8e-9a51-0c0ffee0e7a1"
    domain: str = "contoso.example"


class Emulator:
    """A context manager: it answers from `with` to the end of it.

    :param emitted: the tenant's records.
    :param faults: what goes wrong, and when.
    :param seed: of the faults' probabilities.
    :param clock: decides which records have arrived, which tokens are over, and the budgets.
    :param options: fields of `Options`.
    """

    client_id = "3d2c1b0a-6f5e-4c8d-8b9a-e17a0a7c4001"

    def __init__(
        self,
        emitted: Iterable[Emitted] = (),
        *,
        faults: Sequence[Fault] = (),
        seed: int = 0,
        clock: Optional[Clock] = None,
        **options: Any,
    ) -> None:
        self._faults, self._seed = tuple(faults), seed
        self._emitted, self._options = emitted, Options(**options)
        self.clock: Clock = clock or SystemClock()
        self.tenant_id = self._options.tenant_id
        self.client_secret = secrets.token_urlsafe(30)
        self.requests: deque[Logged] = deque(maxlen=_REMEMBERED)
        self.failures: list[Exception] = []
        self._stopping = threading.Event()

    def __enter__(self) -> Emulator:
        self._directory = tempfile.TemporaryDirectory(prefix="entrawatch-emulator-")
        self._keep = Keep(Path(self._directory.name) / "records.sqlite")
        try:
            self._start()
        except BaseException:
            self._keep.close()
            self._directory.cleanup()
            raise
        return self

    def _start(self) -> None:
        self._keep.add(self._emitted)
        self._emitted = ()
        context, self.ca_file = server_context(Path(self._directory.name))
        self._server = Server(self._options.port, context, self._answer)
        self.url = self.login_url = f"https://localhost:{self._server.server_address[1]}"
        self._service = self._build()
        self._server.start()

    def _build(self) -> Service:
        options, clock = self._options, self.clock
        self.authority = Authority(clock, self.login_url, options.tenant_id, options.domain, options.token_lifetime)
        app = App(self.client_id, "Entrawatch", {self.client_secret}, set(options.roles))
        self.authority.apps[self.client_id] = app
        tokens = SkipTokens(clock, options.skip_token_lifetime, options.skip_token_uses)
        reports = Reports(self._keep, tokens, clock, self.url, options.retention, options.shifting)
        limits = options.throttle if isinstance(options.throttle, Limits) else Limits()
        throttle = Throttle(limits, clock) if options.throttle else None
        mischief = Mischief(self._faults, self._seed, lambda seconds: clock.sleep(seconds, self._stopping))
        return Service(self.authority, reports, clock, throttle, options.licences, mischief)

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.stop()
        self._keep.close()
        self._directory.cleanup()

    def add(self, emitted: Iterable[Emitted]) -> int:
        """Take more records in while running; the number of them."""
        return self._keep.add(emitted)

    def _answer(self, request: Request) -> Answer:
        at = self.clock.monotonic()
        if self._options.latency:
            self.clock.sleep(self._options.latency, self._stopping)
        try:
            answer = self._service.answer(request)
        except Exception as failure:  # the client never sees a traceback; the tests do
            self.failures.append(failure)
            answer = refused(RefusedError(500, "UnknownError", "An error has occurred."), request, self.clock.now())
        self.requests.append(Logged(request.method, request.path, request.query, answer.status, at))
        return answer
