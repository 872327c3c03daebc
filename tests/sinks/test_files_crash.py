"""The files sink is killed at each call that touches the disk, then a new process goes on: no event is lost, none is
doubled beyond the batch that was under way, and no torn or half-made file stands under its own name."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any, Callable

import pytest

from entrawatch.config.model import SinkConfig
from entrawatch.sinks import OPTIONS, build

from .case_here import read_file
from .events import event
from .fakes import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

CALLS = ("open", "write", "fsync", "replace", "unlink", "ftruncate", "close", "lseek")
KILLED = 9
assert OPTIONS["files"], "the sink's modules are loaded before the forks, not in each"


def batch(number: int) -> list[dict[str, Any]]:
    """Two events for each of two streams."""
    return [event(10 * number + n, stream=("interactive", "directory_audits")[n % 2]) for n in range(4)]


class Killer:
    """Ends the process at the n-th call, before or after it took effect, or in its middle."""

    def __init__(self, at: int, when: str) -> None:
        self.left, self.when = at, when

    def around(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **more: Any) -> Any:
            self.left -= 1
            if self.left == 0 and self.when == "before":
                os._exit(KILLED)
            if self.left == 0 and self.when == "middle" and name == "write":
                real(given[0], bytes(given[1])[: len(given[1]) // 2])
                os._exit(KILLED)
            value = real(*given, **more)
            if self.left == 0:
                os._exit(KILLED)
            return value

        return call


def run(folder: Path, options: dict[str, Any], acknowledged: int, log: int, killer: Any = None) -> None:
    """A connector: writes the batches from `acknowledged` on and notes each that `write` returned for."""
    clock = FakeClock()
    clock.sleep(100 * acknowledged)
    config = SinkConfig("disk", "files", {"path": str(folder), **options})
    sink = build(config, state_dir=folder, clock=clock)
    # What a kill leaves does not hang on fsync but on its place among the calls: the suite need not wait for disks.
    os.fsync = lambda _: None
    if killer is not None:
        for name in CALLS:
            setattr(os, name, killer.around(name, getattr(os, name)))
    for number in range(acknowledged, 3):
        sink.write(batch(number))
        REAL_WRITE(log, b"%d" % number)
        clock.sleep(100)
    sink.close()


REAL_WRITE = os.write


def forked(folder: Path, options: dict[str, Any], acknowledged: int, killer: Any) -> tuple[int, int]:
    """Exit code of a child that runs the connector, and how many batches are acknowledged after it."""
    reading, log = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            run(folder, options, acknowledged, log, killer)
            code = 0
        finally:
            os._exit(code)
    os.close(log)
    with os.fdopen(reading, "rb") as noted:
        acknowledged += len(noted.read())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), acknowledged


def stored(folder: Path) -> Counter[str]:
    files = [path for path in folder.iterdir() if not path.name.endswith((".part", ".tmp"))]
    return Counter(item["event"]["id"] for path in files for item in read_file(path))


RUNS = {"rotating": {"rotate_seconds": 50}, "csv": {"format": "csv", "rotate_seconds": 150}, "json": {"format": "json"}}
QUICK = {("rotating", "middle"), ("json", "before"), ("json", "after")}


@pytest.mark.parametrize(
    ("options", "when"),
    [
        pytest.param(RUNS[run], when, id=f"{run}-{when}", marks=[] if (run, when) in QUICK else [pytest.mark.slow])
        for run in RUNS
        for when in ("before", "middle", "after")
    ],
)
def test_killed_at_every_call_and_started_again(tmp_path: Path, options: dict[str, Any], when: str) -> None:
    wanted = {item["event"]["id"] for number in range(3) for item in batch(number)}
    at = ends = 0
    while True:
        at += 1
        folder = tmp_path / str(at)
        code, acknowledged = forked(folder, options, 0, Killer(at, when))
        assert code in {0, KILLED}
        survived = stored(folder) if folder.exists() else Counter()
        assert survived.keys() <= wanted, "what stands under its name is whole"
        second, acknowledged = forked(folder, options, acknowledged, None)
        assert (second, acknowledged) == (0, 3)
        found = stored(folder)
        assert set(found) == wanted, f"killed {when} call {at}"
        doubled = {name for name, count in found.items() if count > 1}
        assert len(doubled) <= len(batch(0)), f"killed {when} call {at}: {doubled}"
        assert max(found.values()) <= 2
        assert [path.name for path in folder.iterdir() if path.name.endswith((".part", ".tmp"))] == []
        if code == 0:
            break
        ends += 1
    assert ends >= 25, "the killer found the calls"


@pytest.mark.slow
def test_killed_twice_in_the_recovery_itself(tmp_path: Path) -> None:
    """The second process is killed at each call while it mends what the first left; the third ends the work."""
    wanted = {item["event"]["id"] for number in range(3) for item in batch(number)}
    options = {"format": "json", "rotate_seconds": 50}
    for first in (9, 14, 21, 26, 33):
        for at in range(1, 25):
            folder = tmp_path / f"{first}-{at}"
            code, acknowledged = forked(folder, options, 0, Killer(first, "middle"))
            assert code == KILLED
            _, acknowledged = forked(folder, options, acknowledged, Killer(at, "before"))
            _, acknowledged = forked(folder, options, acknowledged, None)
            found = stored(folder)
            assert acknowledged == 3
            assert set(found) == wanted
            assert sum(found.values()) - len(wanted) <= 2 * len(batch(0))
