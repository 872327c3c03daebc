"""The defects of other connectors, one case each: what loses or doubles records there must not here."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Optional

from entrawatch.errors import SinkUnavailableError, WindowTooLargeError
from entrawatch.ingest.keys import seconds

from .world import NOON, FakeSink, Rig, ago, tenant

if TYPE_CHECKING:
    from pathlib import Path

    from entrawatch.interfaces import Window

SIGN_INS = "interactive"


def test_events_of_one_second_are_all_read_at_every_edge(tmp_path: Path) -> None:
    """Splunk's add-on asks for `gt` the largest time seen: what shares its second is lost."""
    rig = Rig(tmp_path, page=5)
    edge = NOON - timedelta(minutes=2)  # the end of the first read, the start of the next
    for number in range(12):
        rig.world.add(f"edge{number}", edge)
        rig.world.add(f"before{number}", edge - timedelta(seconds=1))
    rig.run()
    rig.clock.advance(3600)
    rig.run()
    rig.expect_complete()


def test_a_record_in_the_last_tenth_of_a_microsecond_is_read(tmp_path: Path) -> None:
    """goosetool ends a day at 23:59:59.999999: Graph's seven digits go beyond it."""
    rig = Rig(tmp_path)
    rig.world.add("last", ago(hours=1))
    rig.world.records["directory_audits"]["last"][0].record["activityDateTime"] = "2026-03-02T10:59:59.9999999Z"
    rig.run()
    assert list(rig.sink.newest()) == ["last"]


def test_an_empty_window_does_not_hold_the_checkpoint(tmp_path: Path) -> None:
    """Splunk's add-on moves its checkpoint only when there were items: an empty window stalls it for ever."""
    rig = Rig(tmp_path, config=tenant(start=timedelta(days=20)))
    rig.world.add("old", ago(days=19))
    rig.world.add("new", ago(minutes=10))
    rig.run()
    rig.run()
    assert set(rig.sink.newest()) == {"old", "new"}
    assert sum(window.start < ago(days=10) for window in rig.source.windows()) <= 20 * 24


def test_an_empty_page_is_not_the_last(tmp_path: Path) -> None:
    """Splunk's add-on ends at an empty page, though Graph sends them with a nextLink."""
    rig = Rig(tmp_path)
    read = rig.source.read
    rig.source.read = lambda stream, window: iter([[], *read(stream, window), []])  # type: ignore[method-assign]
    rig.world.add("behind", ago(minutes=10))
    rig.run()
    rig.expect_complete()


def test_a_window_with_more_pages_than_allowed_is_bisected(tmp_path: Path) -> None:
    """graph2otel's cap of 1000 pages fails the same window for ever."""
    rig = Rig(tmp_path, page=2, config=tenant(start=timedelta(hours=3), window=timedelta(days=1)))
    for number in range(120):
        rig.world.add(f"r{number}", ago(minutes=3 + number))
    rig.source.fault = lambda stream, window, page: WindowTooLargeError("more than 5 pages") if page > 5 else None
    rig.run()
    rig.expect_complete()
    assert rig.sink.gaps() == []
    assert rig.counts.counts["windows_bisected", ""] > 0


def test_a_page_larger_than_any_cache_is_remembered(tmp_path: Path) -> None:
    """Sekoia remembers 500 ids, less than a page of Graph's."""
    rig = Rig(tmp_path, FakeSink(deduplicates=False), page=1000)
    for number in range(2500):
        rig.world.add(f"r{number}", ago(seconds=130 + number))
    for minutes in (0, 20, 150, 60 * 26):
        rig.clock.advance(60 * minutes)
        rig.run()
    rig.expect_complete()
    assert len(rig.sink.events) == 2500


def test_no_two_checkpoints_meet(tmp_path: Path) -> None:
    """Wazuh's checkpoint is md5(query), the same in every tenant; Sekoia's sign-ins read the audits' one."""
    streams = ("directory_audits", SIGN_INS)
    one, two = tenant("one", streams), tenant("two", streams)
    rig = Rig(tmp_path, FakeSink(deduplicates=False))
    rig.world.add("audit", ago(hours=1))
    rig.world.add("sign-in", ago(hours=1), stream=SIGN_INS)
    rig.run(configs=[tenant("one", ("directory_audits",))])
    rig.run(configs=[one, two])  # "audit" of tenant one is known; all the rest is not
    got = sorted((event["event"]["id"], event["entra"]["tenant_id"]) for event in rig.sink.events[1:])
    assert got == [("audit", "two.example"), ("sign-in", "one.example"), ("sign-in", "two.example")]


def test_the_watermark_waits_for_the_sink(tmp_path: Path) -> None:
    """graph2otel saves it when the exporter's queue has the records, which then dies with the process."""
    rig = Rig(tmp_path)
    rig.world.add("r", ago(hours=1))
    rig.sink.fault = lambda events: SinkUnavailableError("down")
    assert rig.run().exit_code == 3
    assert rig.sink.events == []
    rig.sink.fault = lambda events: None
    rig.run()
    rig.expect_complete()


def test_a_changed_record_goes_out_again(tmp_path: Path) -> None:
    """All peers drop by id what comes a second time, and so keep the poorest revision."""
    rig = Rig(tmp_path)
    rig.world.add("r", ago(minutes=5), risk="none")
    rig.world.add("r", ago(minutes=5), arrives=NOON + timedelta(minutes=5), risk="high")
    rig.run()
    rig.clock.advance(3600)
    rig.run()
    assert [(event["entra"]["revision"], event["body"]["risk"]) for event in rig.sink.events] == [
        (1, "none"),
        (2, "high"),
    ]


def test_a_record_that_arrives_739_seconds_late_is_read(tmp_path: Path) -> None:
    """The measured case that a back-off of 420 s loses; and one of twenty hours."""
    config = tenant(start=ago(minutes=5), interval=timedelta(minutes=10), window=timedelta(hours=6))
    rig = Rig(tmp_path, config=config)
    rig.world.add("mfa", NOON, arrives=NOON + timedelta(seconds=739))
    rig.world.add("later", NOON, arrives=NOON + timedelta(hours=20))
    rig.run(hours=26)
    rig.expect_complete()
    assert rig.counts.seen["event_lag_seconds 24h"][0] >= 86400
    assert rig.counts.counts["events_added", "24h"] == 1


def test_a_pull_that_is_throttled_half_way_goes_on_and_not_again(tmp_path: Path) -> None:
    """Graph's users lose a pull of 487,000 rows to one 429, with no way to resume."""
    from entrawatch.errors import ThrottledError

    rig = Rig(tmp_path, page=5, config=tenant(start=timedelta(hours=6), window=timedelta(hours=1)))
    for number in range(300):
        rig.world.add(f"r{number}", ago(minutes=5 + number))
    allowed = 25

    def throttle(stream: str, window: Window, page: int) -> Optional[Exception]:
        nonlocal allowed
        allowed -= 1
        return ThrottledError("slow down", retry_after=5000) if allowed < 0 else None

    rig.source.fault = throttle
    assert rig.run().exit_code == 3
    first = len(rig.sink.events)
    assert 50 < first < 200
    before = len(rig.source.requests)
    rig.source.fault = lambda stream, window, page: None
    rig.clock.advance(-rig.clock.monotonic())  # the pause is not what is tested
    rig.run()
    rig.expect_complete()
    again = [window for name, window, page, _ in rig.source.requests[before:]]
    assert len([window for window in again if seconds(window.end) <= seconds(ago(hours=5))]) == 0


def test_the_state_of_one_tenant_is_not_the_states_of_another_with_a_longer_name(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.world.add("r", ago(hours=1))
    rig.run(configs=[tenant("a", ("directory_audits",))])
    rig.run(configs=[tenant("a/directory_audits", ("directory_audits",))])
    assert len(rig.sink.batches) == 2
