"""The demo's moment: late records and changes are under way, whatever day it is."""

from __future__ import annotations

import subprocess
import threading
from datetime import datetime, timedelta, timezone
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from entrawatch import sinks
from entrawatch.cli import demo, demo_summary
from entrawatch.cli.demo_moment import afternoon, first_look, forms, time_of
from entrawatch.clock import SystemClock
from entrawatch.config.model import SinkConfig
from entrawatch.emulator.records import Emitted
from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.interfaces import Silent
from entrawatch.normalize import normalize
from entrawatch.schema.streams import STREAMS

END = datetime(2026, 11, 24, 15, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-24T15:30", "2026-11-24"), ("2026-11-24T15:29", "2026-11-23"), ("2026-11-22T20:00", "2026-11-20"),
        ("2026-11-23T09:00", "2026-11-20"), ("2026-11-21T15:30", "2026-11-20"),
    ],
)  # fmt: skip
def test_the_demo_ends_on_a_working_afternoon(now: str, end: str) -> None:
    found = afternoon(datetime.fromisoformat(now).replace(tzinfo=timezone.utc))
    assert found.isoformat() == f"{end}T15:30:00+00:00"


def moved(minutes: float, arrives: float, id_: str = "a") -> Emitted:
    """An event, in minutes before the end, and when it shows."""
    when = (END - timedelta(minutes=minutes)).isoformat()
    return Emitted("interactive", {"id": id_, "createdDateTime": when}, END - timedelta(minutes=arrives))


def test_the_first_look_is_before_what_comes_late_and_rather_before_what_changes() -> None:
    late = [moved(120, 100), moved(119, 100, "b")]
    assert END - timedelta(minutes=119) < first_look(late, END, 50, 45) < END - timedelta(minutes=100)
    changes = [*late, moved(200, 198, "c"), moved(200, 170, "c")]
    assert END - timedelta(minutes=198) < first_look(changes, END, 50, 45) < END - timedelta(minutes=170)
    assert first_look([], END, 50, 45) <= END - timedelta(minutes=50)
    beyond = [*late, moved(60, 30, "d"), moved(60, 20, "d")]  # the second look could not come after it
    assert first_look(beyond, END, 50, 45) < END - timedelta(minutes=100)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_second_look_has_late_and_changed_records_to_find(seed: int) -> None:
    company = list(generate(TenantOptions(seed=seed, users=120, start=END - timedelta(hours=25), end=END)))
    first = first_look(company, END, demo.LATER, demo.SWEEP)
    again = first - timedelta(minutes=demo.SWEEP), first - timedelta(minutes=3)
    second = first + timedelta(minutes=demo.LATER)
    assert second <= END
    old = [history for history in forms(company).values() if again[0] <= time_of(history[0]) < again[1]]
    assert sum(first < history[0].arrives <= second for history in old) >= 3
    assert sum(history[0].arrives <= first < history[-1].arrives <= second for history in old) >= 1


@pytest.mark.parametrize("folder", ["demo-out", "it's $HOME"])
def test_the_command_to_look_inside_runs_in_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    out = Path(folder)
    out.mkdir()
    config = SinkConfig("duckdb", "duckdb", {"path": out / demo.DATABASE, "memory_bytes": None})
    sink = sinks.build(config, state_dir=out, observer=Silent(), clock=SystemClock(), stop=threading.Event())
    record = {"id": "a", "createdDateTime": "2026-11-24T15:00:00Z"}
    sink.write([normalize(record, STREAMS["interactive"])])
    sink.close()
    console = Console(file=StringIO(), width=100)
    demo_summary.next_steps(console, out)
    (shown,) = (line for line in console.file.getvalue().splitlines() if "look inside: " in line)  # type: ignore[attr-defined]
    command = shown.partition("look inside: ")[2]
    assert ("'\"'" in command) is (folder != "demo-out")
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "signin" in done.stdout
