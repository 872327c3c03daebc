"""The loop as a whole: sweeps, backfill beside live collection, outages of our own, ranges, stops, shards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from entrawatch.config.model import ShardConfig
from entrawatch.errors import StateError, TransientError
from entrawatch.ingest.keys import seconds
from entrawatch.ingest.runner import Runner, in_shard, stop_on_signals
from entrawatch.ingest.store import Store
from entrawatch.interfaces import Window
from entrawatch.schema.streams import default_streams

from .world import NOON, FakeSink, Rig, ago, normalise, populate, tenant

if TYPE_CHECKING:
    from pathlib import Path

FIVE = timedelta(minutes=5)
TESTS = os.path.dirname(os.path.dirname(__file__))


@pytest.mark.parametrize("stream", ["directory_audits", "risk_detections", "risky_users"])
def test_days_of_late_and_changing_records_arrive_whole_and_once(tmp_path: Path, stream: str) -> None:
    rig = Rig(tmp_path, config=tenant(start=NOON, interval=FIVE, streams=(stream,)))
    populate(rig.world, Random(1), 200, NOON, 24, stream)
    rig.run(hours=24 * 3 + 1)
    rig.expect_complete(stream)
    assert len(rig.sink.newest()) == 200


def test_each_sweep_reports_what_it_added_and_revised(tmp_path: Path) -> None:
    rig = Rig(tmp_path, config=tenant(start=ago(minutes=5), interval=FIVE))
    for number, minutes in enumerate((0, 10, 60, 10 * 60)):
        rig.world.add(f"r{number}", NOON, arrives=NOON + timedelta(minutes=minutes), v=0)
    for minutes in (8, 70, 20 * 60):
        rig.world.add("r0", NOON, arrives=NOON + timedelta(minutes=minutes), v=minutes)
    rig.run(hours=27)
    counts = rig.counts.counts
    assert [counts["events_added", sweep] for sweep in ("2m", "15m", "2h", "24h")] == [1, 1, 1, 1]
    assert [counts["events_revised", sweep] for sweep in ("2m", "15m", "2h", "24h")] == [0, 1, 1, 1]
    for sweep, least, most in (("2m", 120, 500), ("15m", 900, 1700), ("2h", 7200, 10000), ("24h", 86400, 91000)):
        (lag,) = rig.counts.seen[f"event_lag_seconds {sweep}"]
        assert least <= lag <= most, sweep


def test_a_range_is_first_read_two_minutes_after_its_end(tmp_path: Path) -> None:
    rig = Rig(tmp_path, config=tenant(start=ago(minutes=10)))
    rig.run(hours=5)
    first = {window.end: when for _, window, _, when in reversed(rig.source.requests)}
    delays = [when - end for end, when in first.items()]
    assert min(delays) == timedelta(minutes=2)
    edges = sorted(window for _, window, _, when in rig.source.requests if when - window.end < timedelta(minutes=4))
    assert all(left.end == right.start for left, right in zip(edges, edges[1:]))


def test_days_of_sweeps_cost_few_requests(tmp_path: Path) -> None:
    rig = Rig(tmp_path, config=tenant(start=NOON, interval=FIVE))
    rig.run(hours=72)
    per_hour = len(rig.source.requests) / 72
    assert per_hour <= 12 + 12 + 3 + 1


def test_an_outage_of_ours_never_starves_the_present_and_leaves_no_hole(tmp_path: Path) -> None:
    rig = Rig(tmp_path, cost=1.0, page=5, config=tenant(start=NOON, interval=FIVE))
    populate(rig.world, Random(2), 200, NOON, 60)
    rig.run(hours=2)
    back = NOON + timedelta(hours=50)
    rig.clock.advance((back - rig.clock.now()).total_seconds())
    before = len(rig.source.requests)
    rig.run(hours=60)
    after = rig.source.requests[before:]
    assert after[0][1].end > back - timedelta(minutes=3)  # the live edge is the first thing that is read
    assert after[0][1].start >= back - timedelta(hours=1, minutes=3)
    hole = [window.start for _, window, page, when in after if page == 0 and window.end < back - timedelta(hours=30)]
    assert hole == sorted(hole)  # the old end first: it is what retention takes first
    rig.expect_complete()
    read_once = sum((window.end - window.start).total_seconds() for _, window, page, when in after if page == 0)
    assert read_once < (50 + 4 * 60 + 10) * 3600  # the hole once, not once a sweep


def test_a_short_outage_makes_no_hole(tmp_path: Path) -> None:
    rig = Rig(tmp_path, config=tenant(start=NOON))
    rig.run(hours=3)
    rig.clock.advance(50 * 60)
    before = len(rig.source.requests)
    rig.run(hours=0.01)
    windows = [window for _, window, _, _ in rig.source.requests[before:]]
    assert timedelta(minutes=50) <= windows[0].end - windows[0].start < timedelta(minutes=55)


def test_the_backfill_uses_the_leftover_and_live_reads_go_on_in_time(tmp_path: Path) -> None:
    past = (ago(hours=52), ago(hours=50))
    rig = Rig(tmp_path, page=4, cost=20.0, config=tenant(start=NOON, backfill=past))
    populate(rig.world, Random(4), 400, past[0], 2)  # a window of it takes over half an hour to read
    for number in range(60):
        rig.world.add(f"live{number}", NOON + timedelta(minutes=number))
    rig.run(hours=1)
    lags = rig.counts.seen["event_lag_seconds 2m"]
    assert len(lags) >= 55
    assert max(lags) < 300  # two minutes, the interval, and a page or two of the backfill
    assert rig.counts.counts["records_read", "backfill"] > 100
    rig.source.cost = 0
    rig.run(hours=26)
    rig.expect_complete()


def test_a_backfill_resumes_where_it_stood_and_is_not_done_twice(tmp_path: Path) -> None:
    rig = Rig(tmp_path, FakeSink(deduplicates=False), config=tenant(start=ago(hours=1), backfill=(ago(days=10), NOON)))
    for number in range(240):
        rig.world.add(f"r{number}", ago(hours=number, minutes=1))
    rig.source.fault = lambda stream, window, page: (
        TransientError("down") if ago(days=5) < window.start < ago(hours=20) else None
    )
    rig.run(hours=0.05)
    half = len(rig.source.requests)
    assert rig.sink.doubled() == {}
    rig.source.fault = lambda *_: None
    rig.run()
    assert min(window.start for _, window, _, _ in rig.source.requests[half:]) >= ago(days=5, hours=1)
    rig.expect_complete()
    done = len(rig.source.requests)
    rig.clock.advance(60)
    rig.run()
    assert min(window.start for _, window, _, _ in rig.source.requests[done:]) > ago(days=2)
    assert len(rig.sink.events) == 240


def test_a_backfill_waits_until_its_records_have_stopped_changing(tmp_path: Path) -> None:
    rig = Rig(tmp_path, config=tenant(start=NOON, interval=FIVE, backfill=(ago(days=2), NOON)))
    rig.world.add("r", ago(hours=1), v=0)
    rig.world.add("r", ago(hours=1), arrives=NOON + timedelta(hours=15), v=1)
    rig.run(hours=28)
    rig.expect_complete()
    assert len(rig.sink.events) == 1


def test_windows_side_by_side_move_the_watermark_in_one_piece(tmp_path: Path) -> None:
    rig = Rig(tmp_path, config=tenant(start=ago(hours=12), parallel=4))
    for number in range(100):
        rig.world.add(f"r{number}", ago(minutes=5 + 7 * number))
    bad = ago(hours=10)
    rig.source.fault = lambda stream, window, page: TransientError("down") if window.start <= bad else None
    rig.policy = type(rig.policy)(once_failures=1)
    assert rig.run().exit_code == 3
    store = Store(rig.path)
    jobs = store.feed("acme", "directory_audits", "sink").jobs
    store.close()
    assert [(job.start, job.at) for job in jobs] == [(seconds(ago(hours=12)), seconds(ago(hours=12)))]
    rig.source.fault = lambda *_: None
    rig.run()
    rig.expect_complete()


def test_a_sweep_added_or_dropped_in_the_configuration_goes_on_from_where_all_was_read(tmp_path: Path) -> None:
    three = (timedelta(minutes=2), timedelta(minutes=15), timedelta(hours=2))
    rig = Rig(tmp_path, FakeSink(deduplicates=False), config=tenant(start=NOON, interval=FIVE, sweeps=three))
    populate(rig.world, Random(6), 100, NOON, 20)
    rig.run(hours=10)
    for sweeps in ((*three, timedelta(hours=24)), three[:1], (*three, timedelta(hours=24))):
        rig.config = tenant(start=NOON, interval=FIVE, sweeps=sweeps)
        rig.run(hours=4)
    assert rig.sink.doubled() == {}


def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    rig = Rig(tmp_path, config=tenant(start=NOON, interval=FIVE))
    for number in range(24 * 12):
        rig.world.add(f"r{number}", NOON + timedelta(minutes=10 * number))
    sizes = []
    for _ in range(4):
        rig.run(hours=12)
        store = Store(rig.path)
        sizes.append(store.size(1))
        store.close()
    assert max(sizes) <= 6 * (24 + 1 + 2.5)


def test_a_range_alone_is_read_oldest_first_and_goes_on_after_an_end(tmp_path: Path) -> None:
    rig = Rig(tmp_path, FakeSink(deduplicates=False))
    for number in range(48):
        rig.world.add(f"r{number}", ago(hours=number, minutes=30))
    rig.source.fault = lambda stream, window, page: KeyboardInterrupt() if window.start >= ago(hours=5) else None
    with pytest.raises(KeyboardInterrupt):
        rig.read_range(ago(days=1), NOON)
    rig.source.fault = lambda *_: None
    before = len(rig.source.requests)
    rig.read_range(ago(days=1), NOON + timedelta(minutes=1))
    assert min(window.start for _, window, _, _ in rig.source.requests[before:]) == ago(hours=5)
    assert [event["body"]["id"] for event in rig.sink.events] == [f"r{number}" for number in range(23, -1, -1)]
    rig.world.add("r3", ago(hours=3, minutes=30), state="changed")
    rig.world.add("late", ago(hours=4))
    rig.read_range(ago(days=1), NOON)
    assert [event["body"]["id"] for event in rig.sink.events[24:]] == ["r3", "late"]


def test_a_range_older_than_retention_is_asked_for_all_the_same(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.world.add("old", ago(days=400))
    rig.read_range(ago(days=401), ago(days=399))
    assert set(rig.sink.newest()) == {"old"}


def test_the_edges_of_a_range_reach_whole_seconds(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    start, end = NOON + timedelta(microseconds=500), NOON + timedelta(seconds=9, microseconds=1)
    rig.read_range(start, end)
    assert rig.source.windows() == [Window(NOON, NOON + timedelta(seconds=10))]


def test_a_start_in_the_future_reads_nothing_yet(tmp_path: Path) -> None:
    rig = Rig(tmp_path, config=tenant(start=NOON + timedelta(hours=5)))
    assert rig.run().exit_code == 0
    assert rig.source.requests == []


def test_a_state_that_cannot_be_written_stops_every_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, config=tenant(streams=("directory_audits", "interactive", "provisioning")))
    rig.world.add("r", ago(hours=1))
    store = Store(rig.path)
    intend = store.intend
    monkeypatch.setattr(store, "intend", lambda *_: (_ for _ in ()).throw(StateError("the disk is full")))
    with pytest.raises(StateError, match="the disk is full"):
        rig.run(hours=1, store=store)
    assert rig.sink.events == []
    assert intend is not store.intend


def test_every_stream_of_every_tenant_belongs_to_one_host() -> None:
    pairs = [(f"tenant{number}", stream.name) for number in range(40) for stream in default_streams()]
    shards = [ShardConfig(index, 3) for index in range(3)]
    homes = [[shard.index for shard in shards if in_shard(shard, *pair)] for pair in pairs]
    assert all(len(home) == 1 for home in homes)
    shares = [sum(home == [index] for home in homes) for index in range(3)]
    assert min(shares) > len(pairs) / 5


def test_a_host_reads_its_part_only(tmp_path: Path) -> None:
    configs = [tenant(f"t{number}") for number in range(8)]
    read: list[set[str]] = []
    for index in range(2):
        rig = Rig(tmp_path / str(index), FakeSink(deduplicates=False))
        rig.world.add("r", ago(hours=1))
        store = Store(rig.path)
        sources = [(config, rig.source) for config in configs]
        Runner(sources, rig.sinks, normalise, store, rig.letters, clock=rig.clock, shard=ShardConfig(index, 2)).run(
            once=True
        )
        store.close()
        read.append({event["entra"]["tenant_id"] for event in rig.sink.events})
    assert read[0] | read[1] == {config.tenant_id for config in configs}
    assert not read[0] & read[1]


def test_the_default_streams_are_read_side_by_side(tmp_path: Path) -> None:
    rig = Rig(tmp_path, config=tenant(streams=(), start=timedelta(hours=3)))
    for stream in default_streams():
        for number in range(20):
            rig.world.add(f"{stream.name}{number}", ago(minutes=5 * number + 3), stream=stream.name)
    assert rig.run().exit_code == 0
    assert len(rig.sink.newest()) == 20 * len(default_streams())


def test_signals_set_the_event_and_the_handlers_come_back() -> None:
    stop, before = threading.Event(), signal.getsignal(signal.SIGTERM)
    with stop_on_signals(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)
    assert signal.getsignal(signal.SIGTERM) is before


PROCESS = """
import sys, threading
from pathlib import Path
from entrawatch.ingest.runner import Runner, stop_on_signals
from entrawatch.ingest.store import Store
from ingest.world import *
rig = Rig(Path(sys.argv[1]), config=tenant(streams=("directory_audits", "interactive")))
stop = threading.Event()
from entrawatch.clock import SystemClock
rig.sink.after = lambda events: print("stored", flush=True)
rig.world.add("r", datetime.now(timezone.utc) - timedelta(minutes=30))
rig.clock._now = datetime.now(timezone.utc)
with stop_on_signals(stop):
    store = Store(rig.path)
    Runner([(rig.config, rig.source)], rig.sinks, normalise, store, rig.letters, clock=SystemClock(), stop=stop).run()
    store.close()
print("saved")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_told_to_end_saves_and_ends_within_seconds(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-c", PROCESS, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=TESTS) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stored\n"
        begun = time.monotonic()
        process.send_signal(number)
        assert process.communicate(timeout=20)[0] == "saved\n"
    assert process.returncode == 0
    assert time.monotonic() - begun < 10
    store = Store(tmp_path / "state.db")
    assert store.feed("acme", "directory_audits", "sink").marks[0] > datetime.now().timestamp() - 400  # noqa: DTZ005
    store.close()


def test_what_the_observer_raises_is_not_hidden(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    rig.counts.gauge = fail  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        rig.run()


def test_a_checkpoint_in_the_future_is_an_error_and_not_a_silence(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.clock.advance(86400 * 400)
    rig.run()
    rig.clock.advance(-86400 * 400)
    with pytest.raises(StateError, match="lies in the future"):
        rig.run()


def test_the_live_edge_stays_short_where_windows_are_long(tmp_path: Path) -> None:
    rig = Rig(tmp_path, config=tenant(start=timedelta(days=3), window=timedelta(days=7)))
    rig.run()
    windows = rig.source.windows()
    assert windows == [Window(ago(hours=1, minutes=2), ago(minutes=2)), Window(ago(days=3), ago(hours=1, minutes=2))]


def test_what_is_read_late_is_not_read_again_for_each_sweep_that_is_due(tmp_path: Path) -> None:
    rig = Rig(tmp_path, config=tenant(start=ago(hours=1)))
    rig.run()
    assert len(rig.source.windows()) == 1
    rig.clock.advance(60 * 30)
    rig.run()
    again = rig.source.windows()[1:]
    assert [(window.start, window.end) for window in again] == [
        (ago(minutes=2), ago(minutes=-28)), (ago(minutes=15), ago(minutes=-15)),
    ]  # fmt: skip
