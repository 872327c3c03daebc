"""The room's fixtures: a scripted server, a clock that only moves when it is slept on, an observer that remembers."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Optional

import pytest
from tests.graph import certificates
from tests.graph.server import CLIENT_ID, SECRET, TENANT_ID, ScriptedServer

from entrawatch.config.model import AuthConfig, GraphConfig, Secret, TenantConfig
from entrawatch.graph.budget import UNLIMITED, Budgets
from entrawatch.graph.client import GraphClient
from entrawatch.graph.source import GraphSource

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=timezone.utc)


class FakeClock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return 1000.0 + self.passed

    def sleep(self, seconds: float, until: Optional[threading.Event] = None) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.passed += seconds


class Notes:
    """An observer that remembers the sums of what was counted."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.gauges: dict[str, float] = {}

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counts[name] += amount

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self.gauges[name] = value

    def observe(self, name: str, value: float, **labels: str) -> None:
        self.counts[name] += 1


class FixedTokens:
    """Tokens without a token endpoint; each renewal gives the next one."""

    def __init__(self) -> None:
        self.number = 1
        self.renewed: list[str] = []

    def token(self) -> str:
        return f"fixed{self.number}"

    def renew(self, rejected: str) -> str:
        self.renewed.append(rejected)
        self.number += 1
        return self.token()


@pytest.fixture(autouse=True)
def _own_files() -> Iterator[None]:
    """What tests write is for its owner only: a key that others can read is refused."""
    former = os.umask(0o077)
    yield
    os.umask(former)


@pytest.fixture(scope="session")
def _server(tmp_path_factory: Any) -> Iterator[ScriptedServer]:
    pem = certificates.make(tmp_path_factory.mktemp("server") / "server.pem")
    server = ScriptedServer(pem, pem)
    yield server
    server.close()


@pytest.fixture
def server(_server: ScriptedServer) -> ScriptedServer:
    _server.reset()
    return _server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def tokens() -> FixedTokens:
    return FixedTokens()


@pytest.fixture
def tenant(server: ScriptedServer) -> TenantConfig:
    return TenantConfig(
        name="contoso",
        tenant_id=TENANT_ID,
        client_id=CLIENT_ID,
        auth=AuthConfig(secret=Secret(SECRET)),
        graph=GraphConfig(url=server.url, login_url=server.url, ca_bundle=server.ca_file, timeout=20),
    )


def with_auth(tenant: TenantConfig, **auth: Any) -> TenantConfig:
    return dataclasses.replace(tenant, auth=AuthConfig(**auth))


def with_graph(tenant: TenantConfig, **graph: Any) -> TenantConfig:
    return dataclasses.replace(tenant, graph=dataclasses.replace(tenant.graph, **graph))


@pytest.fixture
def client(tenant: TenantConfig, tokens: FixedTokens, clock: FakeClock, notes: Notes) -> Iterator[GraphClient]:
    client = GraphClient(
        tenant, tokens, clock=clock, observer=notes, budgets=Budgets(clock, notes, UNLIMITED), chance=lambda: 0.0,
    )  # fmt: skip
    yield client
    client.close()


@pytest.fixture
def source(tenant: TenantConfig, tokens: FixedTokens, clock: FakeClock, notes: Notes) -> Iterator[GraphSource]:
    source = GraphSource(
        tenant, clock=clock, observer=notes, tokens=tokens, budgets=Budgets(clock, notes, UNLIMITED), most_pages=20,
    )  # fmt: skip
    yield source
    source.close()
