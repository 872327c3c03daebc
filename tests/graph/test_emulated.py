"""GraphSource against the emulator, through msal: everything there is read, whatever goes wrong on the way."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.graph import certificates
from tests.graph.conftest import NOW, FakeClock, Notes

from entrawatch import errors
from entrawatch.config.model import AuthConfig, GraphConfig, Secret, TenantConfig
from entrawatch.emulator.faults import Fault
from entrawatch.emulator.records import Emitted
from entrawatch.emulator.server import Emulator
from entrawatch.graph.budget import UNLIMITED, Budgets
from entrawatch.graph.source import GraphSource
from entrawatch.interfaces import Window
from entrawatch.schema import times
from entrawatch.schema.streams import STREAMS, default_streams

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from entrawatch.schema.streams import Stream

DAY = Window(NOW - timedelta(days=1), NOW)


def records(count: int) -> Iterator[Emitted]:
    """`count` records of each stream over a day, some of them 100 ns apart, some in the same second."""
    for stream in default_streams():
        for number in range(count):
            moment = times.of(DAY.start) + number * (864_000_000_000 // count) // 7 * 7
            record = {"id": f"{stream.name}-{number}", stream.time_field: times.iso(moment)}
            if stream.sign_in_type:
                record["signInEventTypes"] = [stream.sign_in_type]
            yield Emitted(stream.name, record, DAY.start)


def source_of(emulator: Emulator, clock: Any, notes: Any, auth: Any = None, **budgets: Any) -> GraphSource:
    tenant = TenantConfig(
        "contoso", emulator.tenant_id, emulator.client_id, auth or AuthConfig(secret=Secret(emulator.client_secret)),
        GraphConfig(url=emulator.url, login_url=emulator.login_url, ca_bundle=emulator.ca_file, timeout=5),
    )  # fmt: skip
    return GraphSource(tenant, clock=clock, observer=notes, budgets=Budgets(clock, notes, **budgets))


def complete(source: GraphSource, stream: Stream, window: Window, patience: int = 12) -> list[str]:
    """What the loop does with the error classes, in its shortest form; the ids that came, repeats and all."""
    found: list[str] = []
    for _ in range(patience):
        try:
            for page in source.read(stream, window):
                found.extend(record["id"] for record in page)
        except (errors.ReadAgainError, errors.TransientError):
            continue
        except errors.WindowTooLargeError:
            return found + [one for half in window.halves() for one in complete(source, stream, half, patience)]
        return found
    pytest.fail(f"{stream.name}: no complete read in {patience} tries")


def test_every_stream_is_read_whole_and_no_request_is_throttled(notes: Notes) -> None:
    clock = FakeClock()
    with Emulator(records(30), clock=clock, throttle=True) as emulator:
        source = source_of(emulator, clock, notes)
        for stream in default_streams():
            for half in DAY.halves():
                complete(source, stream, half)
            found = [one for half in DAY.halves() for one in complete(source, stream, half)]
            assert sorted(found) == sorted(f"{stream.name}-{number}" for number in range(30)), stream.name
        source.close()
        assert len(emulator.requests) > 40
        assert not [seen for seen in emulator.requests if seen.status >= 400]


FAULTS = [
    Fault("status", status=503, retry_after=1.5, every=2),
    Fault("status", status=500, nth=(1, 2, 4)),
    Fault("status", status=504, times=4),
    Fault("throttle", retry_after=2.128, every=2),
    Fault("throttle", times=3),
    Fault("licence", times=2),
    Fault("unauthorized", every=2),
    Fault("gateway", times=2),
    Fault("expired_token", page="next", times=2),
    Fault("drop", every=2),
    Fault("empty_page", page="next", every=2),
    Fault("repeat_link", times=2),
    Fault("empty_token_link", times=2),
    Fault("duplicate", count=3),
    Fault("shuffle"),
    Fault("duplicate_key"),
    Fault("truncate", times=2),
    Fault("malformed", times=5),
    Fault("wrong_length", count=7, times=2),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.action)
def test_nothing_is_lost_whatever_goes_wrong(fault: Fault, notes: Notes) -> None:
    stream = STREAMS["managed_identity"]
    only = [one for one in records(2500) if one.stream == stream.name]
    clock = FakeClock()
    with Emulator(only, clock=clock, throttle=False, faults=[fault], seed=3) as emulator:
        source = source_of(emulator, clock, notes, limits=UNLIMITED)
        found = complete(source, stream, DAY)
        source.close()
        assert set(found) == {one.record["id"] for one in only}
        if fault.action in {"expired_token", "repeat_link", "empty_token_link", "duplicate"}:
            assert len(found) > len(only)
        elif fault.action not in {"empty_page", "shuffle", "duplicate_key", "wrong_length"}:
            assert notes.counts["graph_refusals"] > 0
        assert emulator.failures == []


@pytest.mark.parametrize("action", ["redirect", "foreign_link"])
def test_another_host_is_never_asked(action: str, notes: Notes) -> None:
    with Emulator(records(3), throttle=False, clock=FakeClock(), faults=[Fault(action)]) as emulator:
        source = source_of(emulator, FakeClock(), notes, limits=UNLIMITED)
        with pytest.raises(errors.DegradedError, match="another host"):
            complete(source, STREAMS["directory_audits"], DAY)
        source.close()


def test_a_range_before_retention_is_out_of_reach(notes: Notes) -> None:
    clock = FakeClock()
    with Emulator(records(1), clock=clock, throttle=False) as emulator:
        source = source_of(emulator, clock, notes, limits=UNLIMITED)
        old = Window(NOW - timedelta(days=100), NOW - timedelta(days=99))
        with pytest.raises(errors.UnreachableRangeError):
            complete(source, STREAMS["interactive"], old)
        source.close()


def test_a_token_lives_shorter_than_a_walk(notes: Notes) -> None:
    clock = FakeClock()
    with Emulator(records(10), clock=clock, throttle=False, token_lifetime=600) as emulator:
        source = source_of(emulator, clock, notes, limits=UNLIMITED)
        for _ in range(3):
            assert len(complete(source, STREAMS["directory_audits"], DAY)) == 10
            clock.sleep(700)
        source.close()
        assert [seen.status for seen in emulator.requests].count(401) == 2


@pytest.mark.parametrize("method", ["certificate", "workload_identity", "managed_identity"])
def test_every_credential_reads(method: str, notes: Notes, tmp_path: Path, monkeypatch: Any) -> None:
    from entrawatch.clock import SystemClock

    pem = certificates.make(tmp_path / "app.pem", elliptic=False)
    clock = SystemClock()
    with Emulator((), clock=clock, throttle=False) as emulator:
        emulator.register_certificate(pem.read_bytes())
        file = tmp_path / "token"
        file.write_text(emulator.federated_token("https://issuer.example", "subject"))
        monkeypatch.setenv("IDENTITY_ENDPOINT", emulator.identity_endpoint)
        monkeypatch.setenv("IDENTITY_HEADER", emulator.identity_header)
        auth = AuthConfig(method, certificate=pem, token_file=file)
        source = source_of(emulator, clock, notes, auth, limits=UNLIMITED)
        window = Window(clock.now() - timedelta(hours=1), clock.now())
        assert complete(source, STREAMS["directory_audits"], window) == []
        source.close()


def test_without_permission_or_licence_a_stream_degrades_and_says_which(notes: Notes) -> None:
    clock = FakeClock()
    with Emulator((), clock=clock, throttle=False, roles=frozenset({"IdentityRiskEvent.Read.All"})) as emulator:
        source = source_of(emulator, clock, notes, limits=UNLIMITED)
        with pytest.raises(errors.DegradedError, match=r"AuditLog\.Read\.All"):
            complete(source, STREAMS["directory_audits"], DAY)
        assert complete(source, STREAMS["risk_detections"], DAY) == []
        source.close()
    with Emulator((), clock=clock, throttle=False, licences=frozenset()) as emulator:
        source = source_of(emulator, clock, notes, limits=UNLIMITED)
        with pytest.raises(errors.DegradedError, match="Entra ID P1"):
            complete(source, STREAMS["interactive"], DAY)
        assert complete(source, STREAMS["directory_audits"], DAY) == []
        source.close()
