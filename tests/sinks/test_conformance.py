"""What every sink promises, checked on every sink (see `cases.py` for how to add one)."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from entrawatch.errors import SinkUnavailableError
from entrawatch.interfaces import SHAPES

from .cases import SinkCase, discover
from .events import event, events, hostile_events, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=[pytest.param(make, id=name) for name, make in discover()])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SinkCase]:
    made = request.param(tmp_path)
    yield made
    made.tear_down()


@pytest.fixture
def sink(case: SinkCase) -> Iterator[Any]:
    made = case.make()
    yield made
    made.close()


def names(case: SinkCase, sink: Any) -> Counter[tuple[str, int]]:
    if case.close_before_reading:
        sink.close()
    return Counter(name_of(item) for item in case.stored())


def test_it_says_what_it_is(sink: Any) -> None:
    assert sink.name
    assert sink.shape in SHAPES
    assert isinstance(sink.deduplicates, bool)


def test_what_write_returned_for_is_there_before_close(case: SinkCase, sink: Any) -> None:
    batch = [*events(20), *events(5, start=20, stream="directory_audits")]
    result = sink.write(batch)
    assert (result.stored, result.duplicates, tuple(result.rejected)) == (25, 0, ())
    assert names(case, sink) == Counter(name_of(item) for item in batch)


def test_each_event_is_stored_whole(case: SinkCase, sink: Any) -> None:
    batch = events(3)
    sink.write(batch)
    names(case, sink)
    stored = sorted(case.stored(), key=name_of)
    if "row" not in stored[0]:
        assert stored == [case.same(item) for item in batch]


def test_write_after_write_adds(case: SinkCase, sink: Any) -> None:
    for start in (0, 10, 20):
        sink.write(events(10, start=start))
    assert names(case, sink) == Counter((f"id-{number}", 1) for number in range(30))


def test_write_does_not_change_the_events(sink: Any) -> None:
    batch = events(4)
    before = copy.deepcopy(batch)
    sink.write(batch)
    assert batch == before


def test_the_same_batch_again_is_counted_as_duplicates_where_the_sink_deduplicates(case: SinkCase, sink: Any) -> None:
    sink.write(events(10))
    again = sink.write(events(12))
    found = names(case, sink)
    if sink.deduplicates:
        assert (again.stored, again.duplicates) == (2, 10)
        assert set(found.values()) == {1}
    else:
        assert (again.stored, again.duplicates) == (12, 0)
    assert set(found) == {(f"id-{number}", 1) for number in range(12)}


def test_a_batch_with_an_event_twice_stores_it(case: SinkCase, sink: Any) -> None:
    result = sink.write([event(1), event(2), event(1)])
    assert result.stored + result.duplicates == 3
    assert result.duplicates == (1 if sink.deduplicates else 0)
    assert set(names(case, sink)) == {("id-1", 1), ("id-2", 1)}


def test_a_revision_is_an_event_of_its_own(case: SinkCase, sink: Any) -> None:
    sink.write([event(1, revision=1)])
    result = sink.write([event(1, revision=2), event(1, revision=3)])
    assert result.stored == 2
    assert names(case, sink) == Counter({("id-1", 1): 1, ("id-1", 2): 1, ("id-1", 3): 1})


def test_a_rejected_event_comes_back_with_the_reason_and_the_others_are_stored(case: SinkCase, sink: Any) -> None:
    unsayable = event(500, odd={1, 2})
    bad = [(unsayable, ""), *([case.poison] if case.poison else [])]
    batch = [*events(5), *(item for item, _ in bad), *events(5, start=5)]
    result = sink.write(batch)
    assert result.stored == 10
    assert [item.event for item in result.rejected] == [item for item, _ in bad]
    for rejected, (_, reason) in zip(result.rejected, bad):
        assert rejected.reason
        assert reason in rejected.reason
        assert "\n" not in rejected.reason
    assert set(names(case, sink)) == {(f"id-{number}", 1) for number in range(10)}


def test_a_batch_of_rejected_events_only(sink: Any) -> None:
    result = sink.write([event(1, odd={1}), event(2, odd=object())])
    assert result.stored == 0
    assert len(result.rejected) == 2


def test_an_empty_batch_is_nothing(case: SinkCase, sink: Any) -> None:
    result = sink.write([])
    assert (result.stored, result.duplicates, tuple(result.rejected)) == (0, 0, ())
    sink.write(events(1))
    assert names(case, sink) == Counter({("id-0", 1): 1})


def test_when_unavailable_it_says_so_and_the_same_batch_can_come_again(case: SinkCase, sink: Any) -> None:
    sink.write(events(2))
    if not case.break_it():
        pytest.skip("tested on its own: this place cannot be broken from outside")
    for _ in range(2):
        with pytest.raises(SinkUnavailableError) as caught:
            sink.write(events(5, start=10))
        assert "\n" not in str(caught.value)
    case.mend()
    assert sink.write(events(5, start=10)).stored == 5
    assert names(case, sink) == Counter((f"id-{number}", 1) for number in (0, 1, *range(10, 15)))


def test_hostile_events_are_stored_as_they_are(case: SinkCase, sink: Any) -> None:
    batch = hostile_events()
    result = sink.write(batch)
    assert list(result.rejected) == []
    for _ in range(2):  # before close and after it
        assert names(case, sink) == Counter(name_of(item) for item in batch)
        by_name = {name_of(item): item for item in case.stored()}
        for item in batch:
            found = by_name[name_of(item)]
            if "row" not in found and "half" not in item.get("user", {}).get("name", ""):
                assert found == case.same(item)
        sink.close()


def test_close_twice_and_what_was_written_stays(case: SinkCase, sink: Any) -> None:
    sink.write(events(3))
    sink.close()
    sink.close()
    assert len(case.stored()) == 3


def test_another_handle_goes_on_where_the_first_ended(case: SinkCase, sink: Any) -> None:
    sink.write(events(3))
    sink.close()
    second = case.make()
    second.write(events(3, start=3))
    second.close()
    assert Counter(map(name_of, case.stored())) == Counter((f"id-{number}", 1) for number in range(6))


def test_close_without_a_write_leaves_nothing(case: SinkCase) -> None:
    case.make().close()
    assert [path for path in case.folder.rglob("*") if path.is_file()] == []


def test_check_of_a_place_that_is_well_is_quiet_and_stores_nothing(case: SinkCase, sink: Any) -> None:
    if not hasattr(sink, "check"):
        pytest.skip("Splunk's pipe cannot be asked")
    sink.check()
    assert names(case, sink) == Counter()
