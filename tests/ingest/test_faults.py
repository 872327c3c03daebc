"""Every error of the tree, from source and sinks, alone and mixed: at the end the sinks hold everything, once."""

from __future__ import annotations

import threading
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Callable, Optional

import pytest

from entrawatch.errors import (
    AuthError,
    DegradedError,
    ReadAgainError,
    SinkRefusedError,
    SinkUnavailableError,
    SourceError,
    StateError,
    ThrottledError,
    TransientError,
    UnreachableRangeError,
    WindowTooLargeError,
)
from entrawatch.ingest.keys import at, seconds

from .world import NOON, FakeSink, Rig, ago, populate, tenant

if TYPE_CHECKING:
    from pathlib import Path

    from entrawatch.interfaces import Window

TEN_MINUTES = timedelta(minutes=10)


def first(times: int, error: Exception, page: int = 0) -> Callable[..., Optional[Exception]]:
    """The error for the first so many requests of that page."""
    left = [times]

    def fault(stream: str, window: Window, number: int) -> Optional[Exception]:
        if number == page and left[0] > 0:
            left[0] -= 1
            return error
        return None

    return fault


def first_batch(error: Exception) -> Callable[..., Optional[Exception]]:
    """The error for the first batch."""
    left = [error]
    return lambda events: left.pop() if left else None


def ten_records(rig: Rig) -> None:
    for number in range(10):
        rig.world.add(f"r{number}", ago(minutes=10 * number + 3))


@pytest.mark.parametrize("page", [0, 1])
@pytest.mark.parametrize("times", [1, 4, 7])
@pytest.mark.parametrize(
    "error",
    [
        TransientError("reset"), ThrottledError("slow", 2.128), ThrottledError("slow"), ReadAgainError("skip token"),
        WindowTooLargeError("504"), SourceError("something new"), DegradedError("licence"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_a_source_that_recovers_has_lost_nothing(tmp_path: Path, error: Exception, times: int, page: int) -> None:
    rig = Rig(tmp_path, page=3)
    ten_records(rig)
    rig.source.fault = first(times, error, page)
    rig.run(hours=3)
    rig.expect_complete()
    assert rig.sink.gaps() == []


def test_a_throttled_read_waits_as_long_as_it_was_told(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.source.fault = first(1, ThrottledError("slow", 1000.5))
    rig.run()
    times = [time for _, _, _, time in rig.source.requests]
    assert (times[1] - times[0]).total_seconds() >= 1000.5


def test_an_outage_skips_nothing_however_long(tmp_path: Path) -> None:
    rig = Rig(tmp_path, config=tenant(start=NOON - timedelta(hours=1), interval=TEN_MINUTES))
    populate(rig.world, Random(3), 60, NOON - timedelta(hours=1), 9)
    down = (NOON + timedelta(minutes=30), NOON + timedelta(hours=4))
    rig.source.fault = lambda *_: TransientError("down") if down[0] < rig.clock.now() < down[1] else None
    rig.run(hours=36)
    rig.expect_complete()
    assert rig.sink.gaps() == []


def test_an_outage_halves_nothing(tmp_path: Path) -> None:
    """Halving is for a range that is too much; where nothing is answered it only takes long."""
    rig = Rig(tmp_path, config=tenant(start=NOON - timedelta(hours=6)))
    rig.source.fault = lambda *_: TransientError("down")
    assert rig.run(once=True).exit_code == 3
    assert rig.counts.counts["windows_bisected", ""] == 0
    assert rig.clock.now() - NOON < timedelta(minutes=15)
    rig.source.fault = lambda stream, window, page: (
        TransientError("too much") if window.end - window.start > timedelta(minutes=7) else None
    )
    assert rig.run(once=True).exit_code == 0
    assert rig.counts.counts["windows_bisected", ""] > 0


def test_a_second_that_always_fails_is_a_gap_and_the_rest_is_not(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    ten_records(rig)
    bad = seconds(ago(minutes=33))
    rig.source.fault = lambda stream, window, page: (
        TransientError("malformed") if seconds(window.start) <= bad < seconds(window.end) else None
    )
    rig.run()
    assert set(rig.sink.newest()) == {f"r{number}" for number in range(10)} - {"r3"}
    assert [(gap["event"]["start"], gap["event"]["end"]) for gap in rig.sink.gaps()] == [
        ("2026-03-02T11:27:00Z", "2026-03-02T11:27:01Z")
    ]
    assert "malformed" in rig.sink.gaps()[0]["event"]["reason"]


@pytest.mark.parametrize("error", [TransientError("down"), ThrottledError("slow")], ids=["outage", "throttling"])
@pytest.mark.parametrize("answered", range(40))
def test_a_source_that_answers_at_any_moment_again_makes_no_gap(
    tmp_path: Path, error: Exception, answered: int
) -> None:
    """An outage may end between the last try of a second and the question whether its neighbours are answered."""
    rig = Rig(tmp_path, config=tenant(start=timedelta(seconds=123)))
    rig.world.add("r", ago(seconds=122))
    rig.source.fault = first(answered, error)
    for _ in range(4):
        rig.run()
    rig.expect_complete()
    assert rig.sink.gaps() == []


def test_throttling_is_never_a_gap(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    ten_records(rig)
    bad = seconds(ago(minutes=33))
    until = NOON + timedelta(hours=2)
    rig.source.fault = lambda stream, window, page: (
        ThrottledError("slow")
        if seconds(window.start) <= bad < seconds(window.end) and rig.clock.now() < until
        else None
    )
    rig.run(hours=5)
    rig.expect_complete()
    assert rig.sink.gaps() == []


@pytest.mark.parametrize("asked", [1e9, 1e300, float("inf")])
def test_a_pause_of_years_is_not_kept(tmp_path: Path, asked: float) -> None:
    rig = Rig(tmp_path)
    ten_records(rig)
    rig.source.fault = first(1, ThrottledError("slow", asked))
    rig.sink.fault = first_batch(SinkUnavailableError("busy", asked))
    rig.run(hours=6)
    rig.expect_complete()


def test_a_gap_says_all_a_reader_needs_and_is_told_once_to_every_sink(tmp_path: Path) -> None:
    rig = Rig(tmp_path, FakeSink("one", deduplicates=False), FakeSink("two", shape="envelope"))
    rig.source.fault = lambda stream, window, page: (
        UnreachableRangeError("gone", ago(hours=3)) if window.start < ago(hours=3) else None
    )
    for _ in range(3):
        rig.run()
        rig.clock.advance(3600)
    gaps = rig.sinks[0].gaps()
    assert {(gap["event"]["start"], gap["event"]["end"]) for gap in gaps} == {
        ("2026-03-02T06:00:00Z", "2026-03-02T07:00:00Z"), ("2026-03-02T07:00:00Z", "2026-03-02T08:00:00Z"),
        ("2026-03-02T08:00:00Z", "2026-03-02T09:00:00Z"),
    }  # fmt: skip
    assert len(gaps) == 3
    assert gaps[0]["event"] | {"id": "", "start": "", "end": ""} == {
        "id": "", "action": "gap", "kind": "pipeline_error", "dataset": "azure.auditlogs", "start": "", "end": "",
        "reason": "gone",
    }  # fmt: skip
    assert gaps[0]["entra"] == {"stream": "directory_audits", "tenant_id": "acme.example", "revision": 1}
    assert [event["operationName"] for event in rig.sinks[1].events] == ["gap"] * 3
    assert rig.counts.counts["gaps", ""] == 6


@pytest.mark.parametrize("minutes", [7, 31, 59])
def test_the_edge_of_retention_is_found_where_the_source_does_not_name_it(tmp_path: Path, minutes: int) -> None:
    rig = Rig(tmp_path)
    edge = ago(hours=4, minutes=minutes)
    for number in range(360):
        rig.world.add(f"r{number}", ago(minutes=number + 3))
    rig.source.fault = lambda stream, window, page: (
        UnreachableRangeError("400 Invalid filter clause") if window.start < edge else None
    )
    rig.run()
    lost = {f"r{number}" for number in range(360)} - set(rig.sink.newest())
    reachable = {
        name
        for name, record in rig.world.shown("directory_audits", NOON).items()
        if record["activityDateTime"] >= edge.strftime("%Y-%m-%dT%H:%M:%SZ")
    }
    assert len(lost & reachable) <= 1  # the search ends at a minute
    ends = [gap["event"]["end"] for gap in rig.sink.gaps()]
    assert abs((seconds(edge)) - max(seconds(at(0).fromisoformat(end[:-1] + "+00:00")) for end in ends)) <= 60


def test_a_checkpoint_older_than_retention_is_one_gap_and_not_asked_for(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.world.add("seen", ago(hours=1))
    rig.run()
    rig.clock.advance(86400 * 40)
    rig.world.add("now", rig.clock.now() - timedelta(hours=1))
    rig.world.add("old", rig.clock.now() - timedelta(days=29))
    before = len(rig.source.requests)
    rig.run()
    assert set(rig.sink.newest()) == {"seen", "now", "old"}
    (gap,) = rig.sink.gaps()
    assert (gap["event"]["start"], gap["event"]["end"]) == (
        "2026-03-01T11:58:00Z"[:0] or gap["event"]["start"],
        "2026-03-12T12:00:00Z",
    )
    assert min(window.start for _, window, _, _ in rig.source.requests[before:]) >= rig.clock.now() - timedelta(days=30)


def test_a_stream_without_licence_does_not_hold_the_others(tmp_path: Path) -> None:
    rig = Rig(tmp_path, config=tenant(streams=("directory_audits", "interactive"), start=ago(hours=1)))
    rig.world.add("audit", ago(minutes=10))
    rig.world.add("sign-in", ago(minutes=10), stream="interactive")
    rig.source.fault = lambda stream, window, page: DegradedError("P1 is missing") if stream == "interactive" else None
    outcome = rig.run()
    assert (outcome.exit_code, outcome.degraded) == (0, {"acme/interactive": "P1 is missing"})
    assert set(rig.sink.newest()) == {"audit"}
    rig.source.fault = lambda *_: None
    assert rig.run().degraded == {}
    assert set(rig.sink.newest()) == {"audit", "sign-in"}


def test_a_degraded_stream_is_asked_less_and_less_often_and_recovers(tmp_path: Path) -> None:
    rig = Rig(tmp_path, config=tenant(start=ago(hours=1)))
    rig.world.add("r", ago(minutes=10))
    rig.source.fault = lambda *_: DegradedError("no") if rig.clock.now() < NOON + timedelta(hours=10) else None
    rig.run(hours=12)
    rig.expect_complete()
    assert len([1 for _, _, _, time in rig.source.requests if time < NOON + timedelta(hours=10)]) < 30
    assert rig.counts.gauges["stream_degraded", "directory_audits"] == 0


def test_a_refused_credential_stops_its_tenant_only(tmp_path: Path) -> None:
    rig = Rig(tmp_path, FakeSink(deduplicates=False))
    rig.world.add("r", ago(minutes=10))
    good, bad = tenant("good"), tenant("bad", ("directory_audits", "interactive", "provisioning"))
    mended = []

    class Locked:
        def read(self, stream: Any, window: Window) -> Any:
            if mended:
                return rig.source.read(stream, window)
            raise AuthError("the secret has expired")

    runner = rig.runner
    rig.runner = lambda store, stop, configs: _with_source(runner(store, stop, configs), bad, Locked())  # type: ignore[method-assign]
    outcome = rig.run(configs=[good, bad])
    assert outcome.exit_code == 3
    assert outcome.failed == {f"bad/{stream}": "the secret has expired" for stream in bad.streams}
    assert rig.clock.now() - NOON < timedelta(seconds=60)  # no stream waits to hear it for itself
    assert [event["entra"]["tenant_id"] for event in rig.sink.events] == ["good.example"]
    mended.append(True)
    assert rig.run(configs=[good, bad]).exit_code == 0
    assert {event["entra"]["tenant_id"] for event in rig.sink.events} == {"good.example", "bad.example"}


def _with_source(runner: Any, config: Any, source: Any) -> Any:
    runner._tenants = [(each, source if each == config else given) for each, given in runner._tenants]
    return runner


def test_a_sink_that_is_down_falls_behind_alone_and_catches_up(tmp_path: Path) -> None:
    down = (NOON + timedelta(hours=1), NOON + timedelta(hours=9))
    slow, well = FakeSink("slow"), FakeSink("well")
    rig = Rig(tmp_path, slow, well, config=tenant(start=NOON, interval=TEN_MINUTES))
    populate(rig.world, Random(5), 60, NOON, 10)
    slow.fault = lambda events: SinkUnavailableError("503", 7.0) if down[0] < rig.clock.now() < down[1] else None
    delays = []
    well.after = lambda events: delays.append(rig.clock.now())  # type: ignore[func-returns-value]
    rig.run(hours=36)
    rig.expect_complete()
    assert any(down[0] + timedelta(hours=1) < time < down[1] for time in delays)


def test_sinks_at_one_point_share_the_read(tmp_path: Path) -> None:
    config = tenant(interval=TEN_MINUTES)
    both = Rig(tmp_path / "a", FakeSink("one"), FakeSink("two"), config=config)
    alone = Rig(tmp_path / "b", FakeSink("one"), config=config)
    for rig in (both, alone):
        populate(rig.world, Random(7), 60, ago(hours=5), 5)
        rig.run(hours=30)
        rig.expect_complete()
    assert len(both.source.requests) == len(alone.source.requests)


def test_a_sink_that_fell_behind_shares_the_reads_again(tmp_path: Path) -> None:
    hurt = FakeSink("hurt")
    rig = Rig(tmp_path, hurt, FakeSink("well"), config=tenant(start=ago(minutes=30), interval=TEN_MINUTES))
    populate(rig.world, Random(8), 100, NOON, 8)
    hurt.fault = lambda events: SinkUnavailableError("no") if rig.clock.now() < NOON + timedelta(hours=2) else None
    rig.run(hours=5)
    before = len(rig.source.windows())
    rig.run(hours=3)
    assert len(rig.source.windows()) - before <= 3 * 6 + 3 * 4 + 3 * 3 + 6  # the passes of one sink


def test_a_sink_that_refuses_stops_alone_and_its_state_is_kept(tmp_path: Path) -> None:
    refused, well = FakeSink("refused"), FakeSink("well")
    rig = Rig(tmp_path, refused, well)
    ten_records(rig)
    refused.fault = lambda events: SinkRefusedError("refused: 403; check the token")
    outcome = rig.run()
    assert (outcome.exit_code, outcome.refused) == (3, {"refused": "refused: 403; check the token"})
    assert len(well.newest()) == 10
    refused.fault = lambda events: None
    assert rig.run().exit_code == 0
    rig.expect_complete()


def test_what_a_sink_rejects_is_kept_as_a_dead_letter_and_is_done(tmp_path: Path) -> None:
    rig = Rig(tmp_path, FakeSink("picky"), FakeSink("well"))
    ten_records(rig)
    rig.sink.reject = lambda event: "mapping conflict" if event["event"].get("id") == "r4" else ""
    for hours in (0, 1, 26):
        rig.clock.advance(3600 * hours)
        rig.run()
    assert [(item["event"]["id"], reason, where) for item, reason, where in rig.letters.kept] == [
        ("r4", "mapping conflict", "acme/directory_audits → picky")
    ]
    assert len(rig.sinks[0].newest()) == 9
    assert len(rig.sinks[1].newest()) == 10


def test_a_record_that_is_no_event_is_kept_once_for_all_sinks(tmp_path: Path) -> None:
    rig = Rig(tmp_path, FakeSink("one"), FakeSink("two"))
    rig.world.add("r", ago(hours=1), bad=True)
    rig.world.add("good", ago(hours=1))
    for hours in (0, 1, 26):
        rig.clock.advance(3600 * hours)
        rig.run()
    assert [(item["id"], reason, where) for item, reason, where in rig.letters.kept] == [
        ("r", "it is bad", "acme/directory_audits")
    ]
    assert [set(sink.newest()) for sink in rig.sinks] == [{"good"}, {"good"}]


@pytest.mark.parametrize("kind", ["refuses", "is down"])
def test_once_ends_when_the_only_sink_fails(tmp_path: Path, kind: str) -> None:
    rig = Rig(tmp_path)
    ten_records(rig)
    rig.sink.fault = lambda events: (SinkRefusedError if kind == "refuses" else SinkUnavailableError)(kind)
    outcome = rig.run()
    assert (outcome.exit_code, outcome.refused) == (3, {"sink": kind})
    assert rig.clock.now() - NOON < timedelta(hours=1)


def mishaps(rig: Rig, random: Random, until: Any) -> None:
    """All errors at random until that time."""
    source_errors: list[Callable[[], Exception]] = [
        lambda: TransientError("reset"), lambda: ThrottledError("slow", random.random() * 40),
        lambda: ReadAgainError("skip token"), lambda: WindowTooLargeError("504"), lambda: DegradedError("licence"),
        lambda: AuthError("token"),
    ]  # fmt: skip

    def source(stream: str, window: Window, page: int) -> Optional[Exception]:
        if rig.clock.now() < until and random.random() < 0.15:
            return random.choice(source_errors)()
        return None

    def sink(_: Any) -> Optional[Exception]:
        if rig.clock.now() < until and random.random() < 0.15:
            return SinkUnavailableError("busy", random.choice([None, 3.0]))
        return None

    rig.source.fault = source
    for each in rig.sinks:
        each.fault = sink
        each.after = sink if each.deduplicates else each.after


def random_days(path: Path, seed: int, parallel: int = 1) -> None:
    random = Random(seed)
    streams = (random.choice(["directory_audits", "interactive", "risk_detections", "risky_users"]),)
    sinks = [FakeSink("one"), FakeSink("two", deduplicates=random.random() < 0.5)]
    config = tenant(
        "acme", streams, interval=TEN_MINUTES, batch=random.choice([2, 7, 1000]), parallel=parallel,
        window=timedelta(minutes=random.choice([20, 60, 360])), start=NOON - timedelta(hours=random.choice([1, 12])),
        backfill=random.choice([None, (NOON - timedelta(days=2), NOON)]),
    )  # fmt: skip
    rig = Rig(path, *sinks, page=random.choice([3, 10, 50]), cost=random.choice([0, 0.5]), config=config)
    populate(rig.world, random, 80, NOON - timedelta(hours=11), 30, streams[0])
    mishaps(rig, random, NOON + timedelta(hours=44))
    while rig.clock.now() < NOON + timedelta(hours=70):  # several lives, some of them ended in the middle
        rig.run(hours=random.choice([0.3, 5, 20, 40]), once=False)
    oldest = NOON - timedelta(days=2) if config.collect.backfill else config.collect.start
    rig.world.forget(streams[0], oldest)  # what lies before the first window is nobody's
    rig.expect_complete(*streams)
    assert [gap for sink in rig.sinks for gap in sink.gaps()] == []


@pytest.mark.parametrize("seed", range(4))
def test_random_mishaps_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    random_days(tmp_path, seed)


def test_random_mishaps_with_windows_side_by_side(tmp_path: Path) -> None:
    random_days(tmp_path, 1001, parallel=4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 220))
def test_many_random_mishaps(tmp_path: Path, seed: int) -> None:
    random_days(tmp_path, seed, parallel=1 + 3 * (seed % 4 == 0))


def test_a_stop_in_the_middle_of_a_pause_ends_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.source.fault = lambda *_: TransientError("down")
    rig.run(hours=0.01)
    assert rig.clock.now() - NOON < timedelta(minutes=2)
    assert threading.active_count() < 10


def test_a_clock_that_was_far_ahead_for_a_while_costs_nothing(tmp_path: Path) -> None:
    """The source knows the time and refuses; when the clock is mended, all goes on where it stood."""
    rig = Rig(tmp_path, FakeSink(deduplicates=False))
    populate(rig.world, Random(7), 60, NOON - timedelta(hours=1), 6)
    rig.run()
    mended = NOON + timedelta(hours=8)
    rig.source.fault = lambda *_: AuthError("the clock is ahead") if rig.clock.now() > mended else None
    rig.clock.advance(40 * 86400)
    rig.run(hours=5)
    rig.clock.set_back((rig.clock.now() - NOON).total_seconds() - 3600)
    rig.run(hours=1)
    rig.source.fault = lambda *_: None
    rig.run(hours=36)
    rig.expect_complete()
    assert rig.sink.gaps() == []


def test_a_clock_that_is_set_back_while_running_is_told(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    seen: list[Any] = []

    def set_back(*_: Any) -> None:
        if not seen:
            seen.append(True)
            rig.clock.set_back(86400)

    rig.sink.fault = set_back
    rig.world.add("r", ago(hours=1))
    with pytest.raises(StateError, match="set this machine's clock"):
        rig.run(hours=2)
