"""A run that takes too long makes room for the next, which reads what is new first and goes on in the past."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING

from splunklib.modularinput import EventWriter

from entrawatch.emulator.server import Emulator
from entrawatch.splunk.arguments import read_input, read_tenant
from entrawatch.splunk.collect import collect

from .running import events
from .test_collection import audits, ids

if TYPE_CHECKING:
    from pathlib import Path

    from entrawatch.ingest.runner import Outcome


def run(emulator: Emulator, folder: Path, patience: float) -> tuple[Outcome, bytes]:
    given = read_input("contoso", {"account": "main", "streams": "directory_audits", "start_time": "1d"})
    account = {
        "tenant_id": emulator.tenant_id, "client_id": emulator.client_id, "client_secret": emulator.client_secret,
        "graph_url": emulator.url, "login_url": emulator.login_url, "ca_bundle": str(emulator.ca_file),
    }  # fmt: skip
    tenant = read_tenant(given, account, {})
    out = io.StringIO()
    writer = EventWriter(out, io.StringIO())
    outcome = collect(given, tenant, writer, folder, threading.Event(), patience=patience)
    writer.close()
    return outcome, out.getvalue().encode()


def test_what_is_new_comes_first_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    emitted = audits(40, minutes=20 * 60)
    with Emulator(emitted, latency=0.3, throttle=False) as emulator:
        outcome, out = run(emulator, tmp_path, 0.8)
        assert (outcome.failed, outcome.refused) == ({}, {})
        found = ids(events(out))
        assert "audit-00000" in found  # the newest
        assert 0 < len(found) < 40
        outcome, out = run(emulator, tmp_path, 60.0)
        assert outcome.exit_code == 0
    assert found + ids(events(out)) == {f"audit-{number:05}": 1 for number in range(40)}
