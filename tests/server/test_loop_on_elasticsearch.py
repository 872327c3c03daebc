"""The whole connector into a real Elasticsearch: emulated Graph over HTTPS, source, loop, normaliser, sink."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("elasticsearch")

from entrawatch.clock import SystemClock
from entrawatch.config.model import AuthConfig, CollectConfig, GraphConfig, Secret, TenantConfig
from entrawatch.emulator.records import Emitted
from entrawatch.emulator.server import Emulator
from entrawatch.graph.source import GraphSource
from entrawatch.ingest.policy import Policy
from entrawatch.ingest.runner import Runner
from entrawatch.ingest.store import Store
from entrawatch.interfaces import Silent
from entrawatch.normalize import normalize
from entrawatch.sinks.dead_letter import DeadLetter
from entrawatch.sinks.elasticsearch_setup import setup

if TYPE_CHECKING:
    from pathlib import Path

    from entrawatch.interfaces import Event, WriteResult

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

COUNT = 1500
BEGIN = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=4)


def records() -> list[Emitted]:
    """Two streams' records, spread over three hours that are past."""
    made = []
    for number in range(COUNT):
        when = BEGIN + timedelta(seconds=7 * number)
        text = when.strftime("%Y-%m-%dT%H:%M:%SZ")
        audit = {"id": f"audit-{number}", "activityDateTime": text, "activityDisplayName": "Update user"}
        sign_in = {"id": f"sign-in-{number}", "createdDateTime": text, "signInEventTypes": ["nonInteractiveUser"]}
        made += [Emitted("directory_audits", audit, when), Emitted("non_interactive", sign_in, when)]
    return made


class Dying:
    """The sink, before whose fifth batch the server is killed; it is back some failures later."""

    def __init__(self, sink: Any, server: Any) -> None:
        self._sink, self._server, self.batches, self.failures = sink, server, 0, 0
        self.name, self.deduplicates, self.shape = sink.name, sink.deduplicates, sink.shape

    def write(self, events: list[Event]) -> WriteResult:
        self.batches += 1
        if self.batches == 5:
            threading.Timer(0.01, self._server.kill).start()
        try:
            return self._sink.write(events)  # type: ignore[no-any-return]
        except Exception:
            self.failures += 1
            if self.failures % 3 == 0 and not self._server.running:
                self._server.start()
            raise

    def close(self) -> None:
        self._sink.close()


def run(folder: Path, emulator: Emulator, sink: Any) -> int:
    """One run to the present; what it kept in the dead letter."""
    graph = GraphConfig(url=emulator.url, login_url=emulator.login_url, ca_bundle=emulator.ca_file, timeout=20)
    collect = CollectConfig(start=BEGIN - timedelta(minutes=1), window=timedelta(hours=6), batch=100)
    auth = AuthConfig(secret=Secret(emulator.client_secret))
    streams = ("directory_audits", "non_interactive")
    tenant = TenantConfig("t", emulator.tenant_id, emulator.client_id, auth, graph, collect, streams)
    clock = SystemClock()
    source = GraphSource(tenant, clock=clock, observer=Silent())
    store, letters = Store(folder / "state.db"), DeadLetter(folder / "dead.jsonl", clock=clock)
    try:
        runner = Runner([(tenant, source)], [sink], normalize, store, letters, policy=Policy(sink_limit=0.3))
        assert runner.run(once=True).exit_code == 0
    finally:
        for part in (source, store, letters):
            part.close()
    return letters.kept


def ids(client: Any, namespace: str) -> list[str]:
    pattern = f"logs-azure.*-{namespace}"
    client.indices.refresh(index=pattern)
    return sorted(hit["_id"] for hit in client.search(index=pattern, size=10_000)["hits"]["hits"])


def test_nothing_is_lost_or_doubled_by_a_dead_server_a_rollover_and_a_lost_state(
    make: Any, client: Any, config: Any, server: Any, tmp_path: Path
) -> None:
    namespace, wanted = config.options["namespace"], sorted(record.record["id"] for record in records())
    setup(config)
    with Emulator(records()) as emulator:
        dying = Dying(make(timeout_seconds=10.0), server)
        try:
            assert run(tmp_path / "first", emulator, dying) == 0
        finally:
            if not server.running:
                server.start()
        assert dying.failures > 0
        assert ids(client, namespace) == wanted
        for dataset in ("azure.signinlogs", "azure.auditlogs"):
            client.indices.rollover(alias=f"logs-{dataset}-{namespace}")
        assert run(tmp_path / "second", emulator, make()) == 0
    assert ids(client, namespace) == wanted
