"""A run that takes too long makes room for the next, which reads what is new first and goes on in the past."""

from __future__ import annotations

import io
import threading
import time
from typing import TYPE_CHECKING

from splunklib.modularinput import EventWriter

from entrawatch.emulator.server import Emulator
from entrawatch.splunk.arguments import read_input, read_tenant
from entrawatch.splunk.collect import collect

from .running import events
from .test_collection import audits, ids

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from entrawatch.ingest.runner import Outcome


class Pipe(io.StringIO):
    """Splunk's end of the pipe; it asks for an end at the first event that comes."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop

    def write(self, text: str) -> int:
        if "</event>" in text:
            self._stop.set()
        return super().write(text)


def run(emulator: Emulator, folder: Path, *, patience: float, impatient: bool = False) -> tuple[Outcome, bytes]:
    given = read_input("contoso", {"account": "main", "streams": "directory_audits", "start_time": "1d"})
    account = {
        "tenant_id": emulator.tenant_id, "client_id": emulator.client_id, "client_secret": emulator.client_secret,
        "graph_url": emulator.url, "login_url": emulator.login_url, "ca_bundle": str(emulator.ca_file),
    }  # fmt: skip
    tenant = read_tenant(given, account, {})
    stop = threading.Event()
    out = Pipe(stop if impatient else threading.Event())
    writer = EventWriter(out, io.StringIO())
    outcome = collect(given, tenant, writer, folder, stop, patience=patience)
    writer.close()
    return outcome, out.getvalue().encode()


def test_what_is_new_comes_first_and_the_next_run_reads_on(tmp_path: Path) -> None:
    with Emulator(audits(40, minutes=20 * 60), throttle=False) as emulator:
        outcome, out = run(emulator, tmp_path, patience=60, impatient=True)
        assert (outcome.failed, outcome.refused) == ({}, {})
        found = ids(events(out))
        assert "audit-00000" in found  # the newest
        assert 0 < len(found) < 40
        outcome, out = run(emulator, tmp_path, patience=60)
        assert outcome.exit_code == 0
    assert found + ids(events(out)) == {f"audit-{number:05}": 1 for number in range(40)}


def test_a_run_s_time_is_over_when_its_patience_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with Emulator(audits(40, minutes=20 * 60), latency=1, throttle=False) as emulator:
        begun = time.monotonic()
        outcome, out = run(emulator, tmp_path, patience=0.1)
    assert (outcome.exit_code, out) == (0, b"")
    assert time.monotonic() - begun < 30
    assert "not at the present yet; the next run reads on" in caplog.messages
