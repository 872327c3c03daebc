"""The loop is killed at every call that touches network or disk, then started again on the same state."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, Callable

import pytest

from entrawatch.ingest import opening

from .world import NOON, FakeSink, Rig, ago, tenant

BATCH = 2


class KilledError(BaseException):
    """Passes every `except Exception`, as a kill does."""


class Bomb:
    """Goes off at the n-th touch of network or disk."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.places: list[str] = []

    def touch(self, place: str) -> None:
        self.places.append(place)
        self.left -= 1
        if self.left == 0:
            raise KilledError(place)


def arm(monkeypatch: pytest.MonkeyPatch, rig: Rig, bomb: Bomb) -> None:
    """Every page asked for, every write before and after it is stored, every commit before and after it lasts."""

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> Any:
            return around(f"sql {sql}", lambda: super(Connection, self).execute(sql, *values), sql == "COMMIT")

        def executescript(self, sql: str) -> Any:
            return around("sql script", lambda: super(Connection, self).executescript(sql))

    def around(place: str, act: Callable[[], Any], touches: bool = True) -> Any:
        if not touches:
            return act()
        bomb.touch(f"before {place}")
        result = act()
        bomb.touch(f"after {place}")
        return result

    connect, link = sqlite3.connect, os.link
    monkeypatch.setattr(opening.sqlite3, "connect", lambda *a, **more: connect(*a, factory=Connection, **more))
    monkeypatch.setattr(opening.os, "link", lambda *a: around("link", lambda: link(*a)))
    rig.source.fault = lambda stream, window, number: bomb.touch("page")
    for sink in rig.sinks:
        sink.fault = lambda events: bomb.touch("before write")
        sink.after = lambda events: bomb.touch("after write")


def disarm(monkeypatch: pytest.MonkeyPatch, rig: Rig) -> None:
    monkeypatch.undo()
    rig.source.fault = lambda stream, window, number: None
    for sink in rig.sinks:
        sink.fault = sink.after = lambda events: None


def company(path: Path, sinks: list[FakeSink]) -> Rig:
    """Ten records in more than one page and batch; some change between the first runs."""
    rig = Rig(path, *sinks, page=3, config=tenant(batch=BATCH, start=timedelta(hours=2), backfill=(ago(hours=5), NOON)))
    for number in range(5):
        rig.world.add(f"live{number}", ago(minutes=5 + 10 * number))
        rig.world.add(f"old{number}", ago(hours=3, minutes=10 * number))
    for number in range(0, 5, 2):
        rig.world.add(
            f"live{number}", ago(minutes=5 + 10 * number), arrives=NOON + timedelta(seconds=30), state="changed"
        )
        rig.world.add(f"live{number}", ago(minutes=5 + 10 * number), arrives=NOON + timedelta(hours=3), state="again")
    rig.world.add("bad", ago(minutes=50), bad=True)
    return rig


def kill_everywhere(
    monkeypatch: pytest.MonkeyPatch, path: Path, make: Callable[[], list[FakeSink]], judge: Any, every: int = 1
) -> list[str]:
    """A life for every touch there is; `judge` looks at what is left after two more lives."""
    number, places, alive = 0, [], False
    while not alive:
        number += every
        (path / str(number)).mkdir()
        rig = company(path / str(number), make())
        bomb = Bomb(number)
        arm(monkeypatch, rig, bomb)
        try:
            rig.run()
            alive = True
        except KilledError as killed:
            places.append(str(killed))
        finally:
            disarm(monkeypatch, rig)
        for minutes in (1, 60 * 26):  # what changed meanwhile was changed between the two reads of one batch
            rig.clock.advance(60 * minutes)
            assert rig.run().exit_code == 0
        judge(rig)
    return places


def test_nothing_is_lost_or_doubled_wherever_the_process_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(rig: Rig) -> None:
        rig.expect_complete_but("bad")
        assert {item["id"] for item, _, _ in rig.letters.kept} == {"bad"}

    places = kill_everywhere(monkeypatch, tmp_path, lambda: [FakeSink()], judge)
    assert {"page", "before write", "after write", "before sql COMMIT", "after sql COMMIT", "after link"} <= set(places)
    assert places.count("after write") >= 4
    assert len(places) > 60


@pytest.mark.parametrize("every", [2, pytest.param(1, marks=pytest.mark.slow)])
def test_two_sinks_that_share_a_read_each_get_everything_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    def judge(rig: Rig) -> None:
        rig.expect_complete_but("bad")

    kill_everywhere(monkeypatch, tmp_path, lambda: [FakeSink("one"), FakeSink("two")], judge, every)


def test_a_sink_that_cannot_deduplicate_sees_at_most_one_batch_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubled = []

    def judge(rig: Rig) -> None:
        twice = rig.sink.doubled()
        doubled.append(len(twice))
        assert len(twice) <= BATCH
        assert set(twice.values()) <= {2}
        rig.sink.keys.clear()
        rig.expect_complete_but("bad")

    kill_everywhere(monkeypatch, tmp_path, lambda: [FakeSink(deduplicates=False)], judge)
    assert max(doubled) > 0  # a kill between stored and saved cannot go unseen, or the test would prove nothing


LIFE = """
import os, sys
from pathlib import Path
from ingest.test_crash import child
child(Path(sys.argv[1]), int(sys.argv[2]))
"""


def child(path: Path, number: int) -> None:
    """One life of a process of its own; its sink is a file that holds what was stored."""
    rig = company(path, [FakeSink()])
    stored = path / "stored.txt"
    left = number

    def touch(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os._exit(9)

    def keep(events: list[dict[str, Any]]) -> None:
        known = set(stored.read_text().splitlines()) if stored.exists() else set()
        lines = [f"{event['event']['id']} {event['entra']['revision']}" for event in events if "body" in event]
        with stored.open("a") as file:
            file.writelines(f"{line}\n" for line in lines if line not in known)
            file.flush()
        touch()

    rig.source.fault, rig.sink.fault, rig.sink.after = touch, touch, keep  # type: ignore[assignment]
    rig.run()


@pytest.mark.parametrize("number", [1, 2, 3, 6])
def test_a_killed_process_leaves_a_state_that_the_next_one_reads(tmp_path: Path, number: int) -> None:
    tests = Path(__file__).parent.parent
    command = [sys.executable, "-c", LIFE, str(tmp_path)]
    killed = subprocess.run([*command, str(number)], cwd=tests, check=False)
    again = subprocess.run([*command, "0"], cwd=tests, check=False)
    lines = (tmp_path / "stored.txt").read_text().splitlines()
    assert (killed.returncode, again.returncode) == (9, 0)
    assert sorted(lines) == sorted({f"{kind}{number} 1" for kind in ("live", "old") for number in range(5)})
