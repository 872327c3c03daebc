"""The delivery alone, driven as a push source would drive it: no windows."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from entrawatch.errors import SinkRefusedError, SinkUnavailableError
from entrawatch.ingest.delivery import Delivery
from entrawatch.ingest.feed import Feed, Loop, Outlet, Stopped
from entrawatch.ingest.keys import prepare
from entrawatch.ingest.policy import Policy
from entrawatch.ingest.store import Store
from entrawatch.schema.streams import STREAMS

from .world import AUDITS, Counts, DeadLetters, FakeClock, FakeSink, normalise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

T = "2026-03-02T11:00:00Z"


class Push:
    """An event hub's partition and the loop's tools."""

    def __init__(self, path: Path, sink: FakeSink, stream: Any = AUDITS, tries: Any = 1) -> None:
        self.path, self.sink, self.stream, self.tries = path, sink, stream, tries
        self.letters, self.counts, self.clock, self.stop = DeadLetters(), Counts(), FakeClock(), threading.Event()
        self.open()

    def open(self) -> None:
        self.store = Store(self.path / "state.db")
        self.loop = Loop(
            self.store, self.letters, normalise, lambda record, stream, tenant: {"properties": record}, self.clock,
            self.counts, self.stop, Policy(),
        )  # fmt: skip
        position = self.store.feed("acme", self.stream.name, self.sink.name)
        self.feed = Feed("acme", "id", self.stream, Outlet(self.sink), position, batch=3, tries=self.tries)

    def give(self, *records: Any) -> None:
        delivery = Delivery(self.feed, self.loop)
        delivery.offer(prepare(records, self.stream), 1000)
        delivery.flush(1000)

    def reopen(self) -> None:
        self.store.close()
        self.open()

    @property
    def got(self) -> list[tuple[str, int, Any]]:
        return [(event["body"]["id"], event["entra"]["revision"], event["body"].get("v")) for event in self.sink.events]


@pytest.fixture
def push(tmp_path: Path) -> Iterator[Push]:
    each = Push(tmp_path, FakeSink())
    yield each
    each.store.close()


def record(name: str, v: int = 0, time: str = T, **more: Any) -> dict[str, Any]:
    return {"id": name, "activityDateTime": time, "v": v, **more}


def test_repeats_are_dropped_and_changes_are_revisions(push: Push) -> None:
    push.give(record("a"), record("b"), record("a"))
    push.give(record("a"))
    push.reopen()
    push.give(record("a", 1), record("b"))
    push.give(record("a", 0))
    assert push.got == [("a", 1, 0), ("b", 1, 0), ("a", 2, 1), ("a", 3, 0)]


def test_the_last_state_within_a_batch_is_the_one_that_goes(push: Push) -> None:
    push.give(record("a"), record("a", 1))
    push.give(record("a"), record("a", 1))  # as the same page would come again
    assert push.got == [("a", 1, 1)]


def test_a_repeat_behind_a_full_batch_of_the_same_page_is_dropped(push: Push) -> None:
    push.give(*(record(name) for name in "abcabcd"))
    assert [name for name, _, _ in push.got] == list("abcd")
    assert [len(batch) for batch in push.sink.batches] == [3, 1]


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("changed", [True, False])
def test_what_was_between_intent_and_seen_is_resolved(push: Push, stored: bool, changed: bool) -> None:
    push.give(record("a"))
    point = "after" if stored else "fault"
    setattr(push.sink, point, lambda events: KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        push.give(record("a", 1))
    setattr(push.sink, point, lambda events: None)
    push.reopen()
    push.give(record("a", 2 if changed else 1))
    expected = {
        (True, True): [(2, 1), (3, 2)],
        (True, False): [(2, 1)],
        (False, True): [(3, 2)],
        (False, False): [(2, 1)],
    }
    assert [(revision, v) for _, revision, v in push.got[1:]] == expected[stored, changed]
    assert push.sink.doubled() == {}
    push.give(record("a", 2 if changed else 1))
    assert len(push.got) == 1 + len(expected[stored, changed])


def test_a_change_back_to_what_was_there_before_the_unsure_one_is_sent(push: Push) -> None:
    push.give(record("a", 0))
    push.sink.fault = lambda events: SinkUnavailableError("down")
    with pytest.raises(SinkUnavailableError):
        push.give(record("a", 1))
    push.sink.fault = lambda events: None
    push.give(record("a", 0))
    assert push.got == [("a", 1, 0), ("a", 3, 0)]


def test_the_only_sink_is_tried_until_it_answers(tmp_path: Path) -> None:
    push = Push(tmp_path, FakeSink(), tries=None)
    left = [20]

    def busy(_: Any) -> Any:
        left[0] -= 1
        return SinkUnavailableError("429", retry_after=500.0) if left[0] > 0 else None

    push.sink.fault = busy
    push.give(record("a"))
    assert push.got == [("a", 1, 0)]
    assert push.clock.monotonic() >= 19 * 500
    push.store.close()


def test_a_stop_ends_the_tries(tmp_path: Path) -> None:
    push = Push(tmp_path, FakeSink(), tries=None)
    push.sink.fault = lambda events: push.stop.set() or SinkUnavailableError("down")  # type: ignore[func-returns-value]
    with pytest.raises(Stopped):
        push.give(record("a"))
    push.store.close()


def test_a_refused_batch_is_not_seen(push: Push) -> None:
    push.sink.fault = lambda events: SinkRefusedError("403")
    with pytest.raises(SinkRefusedError):
        push.give(record("a"))
    push.sink.fault = lambda events: None
    push.give(record("a"))
    assert push.got == [("a", 1, 0)]


def test_an_older_state_read_late_does_not_follow_a_newer_one(tmp_path: Path) -> None:
    push = Push(tmp_path, FakeSink(), stream=STREAMS["risk_detections"])
    for hour, v in ((11, 1), (13, 2), (12, 3), (13, 2), (14, 4)):
        push.give({"id": "a", "lastUpdatedDateTime": f"2026-03-02T{hour}:00:00Z", "v": v})
    assert push.got == [("a", 1, 1), ("a", 2, 2), ("a", 3, 4)]
    push.store.close()


def test_an_envelope_has_the_events_identity(tmp_path: Path) -> None:
    push = Push(tmp_path, FakeSink(shape="envelope"))
    push.give(record("a"))
    push.give(record("a", 1))
    assert push.sink.events == [
        {
            "properties": record("a", v),
            "entra": {"stream": "directory_audits", "tenant_id": "id", "id": "a", "revision": v + 1},
        }
        for v in (0, 1)
    ]
    push.store.close()


def test_a_batch_of_dead_letters_needs_no_write(push: Push) -> None:
    push.give(record("a", bad=True), "no record at all")
    push.give(record("a", bad=True), "no record at all")
    assert push.sink.batches == []
    assert [item for item, _, _ in push.letters.kept] == [record("a", bad=True), "no record at all"]


def test_a_dead_letter_that_cannot_be_kept_leaves_the_record_unread(push: Push) -> None:
    keep = push.letters.keep
    push.letters.keep = lambda *_: (_ for _ in ()).throw(OSError("disk full"))  # type: ignore[assignment, method-assign]
    with pytest.raises(OSError, match="disk full"):
        push.give(record("a", bad=True))
    push.letters.keep = keep  # type: ignore[method-assign]
    push.give(record("a", bad=True))
    assert len(push.letters.kept) == 1


def test_the_counters_say_what_came_of_each_record(push: Push) -> None:
    push.give(record("a"), record("b"), record("a"))
    push.give(record("a", 1), record("b"))
    counts = {name: count for (name, _), count in push.counts.counts.items()}
    assert counts == {
        "records_read": 5,
        "records_repeated": 2,
        "events_added": 2,
        "events_revised": 1,
        "events_stored": 3,
    }
    assert push.counts.seen["event_lag_seconds push"] == [3600.0, 3600.0]
