"""The connector's own Graph room against the emulator: whole tenants, every credential, registration, doctor."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Optional

import pytest
from tests.emulator.conftest import NOW, audit, iso, sign_in

from entrawatch.config.model import AuthConfig, GraphConfig, Secret, TenantConfig
from entrawatch.emulator.faults import Fault
from entrawatch.emulator.records import Emitted
from entrawatch.emulator.server import Emulator
from entrawatch.errors import (
    DegradedError,
    ReadAgainError,
    SourceError,
    TransientError,
    UnreachableRangeError,
    WindowTooLargeError,
)
from entrawatch.graph.budget import UNLIMITED, Budgets
from entrawatch.graph.client import GraphClient
from entrawatch.graph.probe import FAIL, probe
from entrawatch.graph.register import GRANT_SCOPES, SCOPES, Directory, Plan, register
from entrawatch.graph.signin import DeviceSignIn
from entrawatch.graph.source import GraphSource
from entrawatch.interfaces import Silent, Window
from entrawatch.schema.streams import STREAMS, default_streams

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WINDOW = Window(NOW - timedelta(hours=2), NOW)
AUDITS = STREAMS["directory_audits"]


class Clock:
    """Time that passes while somebody sleeps, for both sides."""

    def __init__(self) -> None:
        self.passed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float, until: Optional[threading.Event] = None) -> None:
        with self._lock:
            self.passed += seconds


def tenant(emulator: Emulator, auth: Optional[AuthConfig] = None) -> TenantConfig:
    graph = GraphConfig(url=emulator.url, login_url=emulator.login_url, ca_bundle=emulator.ca_file, timeout=5)
    auth = auth or AuthConfig(secret=Secret(emulator.client_secret))
    return TenantConfig("t", emulator.tenant_id, emulator.client_id, auth, graph)


def records(count: int = 30) -> Iterator[Emitted]:
    for stream in default_streams():
        for number in range(count):
            ago, record = number * 60.0 + 1, {"id": f"{stream.name}-{number}"}
            record[stream.time_field] = iso(ago)
            yield Emitted(stream.name, record, NOW - timedelta(seconds=ago))


def read(source: GraphSource, stream: str) -> list[str]:
    return [record["id"] for page in source.read(STREAMS[stream], WINDOW) for record in page]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize("stream", [stream.name for stream in default_streams()])
def test_every_stream_is_read_whole(clock: Clock, stream: str) -> None:
    with Emulator(records(), clock=clock) as emulator:
        source = GraphSource(tenant(emulator), clock=clock, observer=Silent())
        found = read(source, stream)
        source.close()
        assert {logged.status for logged in emulator.requests} == {200}
    assert sorted(found) == sorted(f"{stream}-{number}" for number in range(30))


def test_throttling_is_never_met_by_one_who_keeps_the_budget(clock: Clock) -> None:
    many = [audit(number, number + 1) for number in range(6500)]
    with Emulator(many, clock=clock) as emulator:
        source = GraphSource(tenant(emulator), clock=clock, observer=Silent())
        found = read(source, "directory_audits")
        source.close()
        statuses = [logged.status for logged in emulator.requests]
    assert len(found) == len(set(found)) == 6500
    assert 429 not in statuses
    assert clock.passed > 10


def test_and_is_waited_out_by_one_who_does_not(clock: Clock) -> None:
    many = [audit(number, number + 1) for number in range(6500)]
    with Emulator(many, clock=clock) as emulator:
        unlimited = Budgets(clock, Silent(), UNLIMITED)
        source = GraphSource(tenant(emulator), clock=clock, observer=Silent(), budgets=unlimited)
        found = read(source, "directory_audits")
        source.close()
        statuses = [logged.status for logged in emulator.requests]
    assert len(found) == len(set(found)) == 6500
    assert 429 in statuses


RECOVERED = [
    Fault("status", status=503, retry_after=1, page="next", times=2),
    Fault("status", status=500, page="next", times=2),
    Fault("status", status=504, times=1),
    Fault("throttle", retry_after=2.128, times=2),
    Fault("throttle", times=2),
    Fault("throttle", retry_after="Tue, 10 Mar 2026 12:00:09 GMT", times=1),
    Fault("unauthorized", page="next", times=1),
    Fault("licence", times=1),
    Fault("gateway", times=1),
    Fault("drop", times=2),
    Fault("truncate", times=1),
    Fault("malformed", times=1),
    Fault("wrong_length", count=7, times=1),
    Fault("empty_page", every=2),
    Fault("duplicate", count=3, nth=(1,)),
    Fault("shuffle"),
    Fault("duplicate_key"),
]


@pytest.mark.parametrize("fault", RECOVERED, ids=[f"{fault.action}-{fault.status}-{fault.page}" for fault in RECOVERED])
def test_a_read_gets_over_it(clock: Clock, fault: Fault) -> None:
    many = [audit(number, number + 1) for number in range(2500)]
    with Emulator(many, clock=clock, faults=[fault], throttle=False) as emulator:
        source = GraphSource(tenant(emulator), clock=clock, observer=Silent())
        found = read(source, "directory_audits")
        source.close()
    assert set(found) == {f"Directory_{number}" for number in range(2500)}
    assert not emulator.failures


ENDED = [
    (Fault("expired_token", page="next"), ReadAgainError),
    (Fault("empty_token_link"), ReadAgainError),
    (Fault("repeat_link", page="next"), ReadAgainError),
    (Fault("foreign_link"), DegradedError),
    (Fault("redirect"), DegradedError),
    (Fault("malformed"), WindowTooLargeError),
    (Fault("status", status=504), WindowTooLargeError),
    (Fault("licence"), DegradedError),
    (Fault("status", status=503), TransientError),
    (Fault("status", status=503, path="*/oauth2/*"), TransientError),
]


@pytest.mark.parametrize(("fault", "error"), ENDED, ids=[f"{f.action}-{f.status}" for f, _ in ENDED])
def test_a_read_that_cannot_go_on_says_how_to_go_on(clock: Clock, fault: Fault, error: type[SourceError]) -> None:
    many = [audit(number, number + 1) for number in range(2500)]
    with Emulator(many, clock=clock, faults=[fault], throttle=False) as emulator:
        source = GraphSource(tenant(emulator), clock=clock, observer=Silent())
        with pytest.raises(error) as caught:
            read(source, "directory_audits")
        source.close()
    assert "\n" not in str(caught.value)
    assert emulator.client_secret not in str(caught.value)


def test_a_range_beyond_retention(clock: Clock) -> None:
    with Emulator(records(), clock=clock, throttle=False) as emulator:
        source = GraphSource(tenant(emulator), clock=clock, observer=Silent())
        old = Window(NOW - timedelta(days=120), NOW - timedelta(days=119))
        with pytest.raises(UnreachableRangeError):
            list(source.read(STREAMS["non_interactive"], old))
        source.close()


def test_a_walk_longer_than_a_token(clock: Clock) -> None:
    many = [audit(number, number + 1) for number in range(6500)]
    with Emulator(many, clock=clock, token_lifetime=2, latency=1.0, throttle=False) as emulator:
        source = GraphSource(tenant(emulator), clock=clock, observer=Silent())
        assert len(set(read(source, "directory_audits"))) == 6500
        source.close()


def test_a_cloud_without_beta_sign_ins(clock: Clock) -> None:
    fault = Fault("status", path="/beta/*", status=400, message="Resource not found for the segment 'signIns'.")
    with Emulator([sign_in("interactive", 1, 60)], clock=clock, faults=[fault], throttle=False) as emulator:
        source = GraphSource(tenant(emulator), clock=clock, observer=Silent())
        assert read(source, "interactive") == ["interactive-1"]
        with pytest.raises(DegradedError):
            read(source, "non_interactive")
        source.close()


def test_workload_identity(clock: Clock, tmp_path: Path) -> None:
    with Emulator(records(3), clock=clock, throttle=False) as emulator:
        token = tmp_path / "token"
        token.write_text(emulator.federated_token("https://cluster.example", "system:serviceaccount:logs:entrawatch"))
        auth = AuthConfig("workload_identity", token_file=token)
        source = GraphSource(tenant(emulator, auth), clock=clock, observer=Silent())
        assert len(read(source, "directory_audits")) == 3
        source.close()


@pytest.mark.parametrize("grant", [True, False])
def test_register_app(clock: Clock, grant: bool) -> None:
    with Emulator(records(3), clock=clock, device_interval=0) as emulator:
        graph = tenant(emulator).graph
        shown: list[str] = []
        scopes = SCOPES + GRANT_SCOPES if grant else SCOPES
        signed_in = DeviceSignIn(graph, emulator.tenant_id, scopes, shown.append)
        client = GraphClient(
            signed_in.tenant(), signed_in, clock=clock, observer=Silent(), budgets=Budgets(clock, Silent())
        )
        plan = Plan("Log reader", ["AuditLog.Read.All"], grant=grant)
        made = register(Directory(client, clock), plan)
        again = register(Directory(client, clock), plan)
        client.close()
        assert made.secret is not None
        auth = AuthConfig(secret=made.secret)
        config = TenantConfig("t", emulator.tenant_id, made.app_id, auth, graph)
        source = GraphSource(config, clock=clock, observer=Silent())
        if grant:
            assert len(read(source, "directory_audits")) == 3
        else:
            with pytest.raises(DegradedError, match=r"AuditLog\.Read\.All"):
                read(source, "directory_audits")
        source.close()
    assert "to sign in, use a web browser" in shown[0].lower()
    assert (made.created, again.created, again.app_id) == (True, False, made.app_id)
    assert made.granted == again.granted == (("AuditLog.Read.All",) if grant else ())


def test_doctor_finds_nothing_wrong() -> None:
    with Emulator(records(3), throttle=False) as emulator:
        unlimited = Budgets(emulator.clock, Silent(), UNLIMITED)
        checks = list(probe(tenant(emulator), clock=emulator.clock, observer=Silent(), budgets=unlimited))
    assert [check for check in checks if check.status == FAIL] == []
    assert len(checks) > 8


def test_doctor_says_what_is_missing() -> None:
    with Emulator(
        records(3), roles=frozenset({"AuditLog.Read.All"}), licences=frozenset({"Entra ID P1"}), throttle=False
    ) as emulator:
        unlimited = Budgets(emulator.clock, Silent(), UNLIMITED)
        checks = list(probe(tenant(emulator), clock=emulator.clock, observer=Silent(), budgets=unlimited))
    failed = {check.name for check in checks if check.status == FAIL}
    assert "stream risk_detections" in failed
    assert "stream non_interactive" not in failed
