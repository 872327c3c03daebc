"""The picture of when: over the time of the logs, every mark on its line, and marks that crowd told apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any, Optional

import pytest

from entrawatch.hunt.report import report
from entrawatch.hunt.timeline import LEFT, RIGHT, Mark, Timeline, covered, timeline

from .test_times import at, hunted, sign_in, spray, success

BEGUN, HOUR = datetime(2026, 1, 7, 9, tzinfo=timezone.utc), timedelta(hours=1)


def drawn(*times: tuple[float, float], hours: float = 10) -> Timeline:
    """Findings from and to these hours, over so many."""
    (one, *_) = hunted(spray(0)).findings
    made = [replace(one, first_event=BEGUN + HOUR * a, last_event=BEGUN + HOUR * b) for a, b in times]
    return timeline(made, BEGUN, BEGUN + HOUR * hours)


def test_a_mark_reaches_from_the_first_event_to_the_last_over_the_time_of_all_logs() -> None:
    result = hunted([*spray(0), success(200), sign_in(-100), sign_in(400)])
    assert covered(result) == (at(-100), at(400))
    spray_alone = [one for one in result.findings if "spray" in one.rule.slug]
    marks = {mark.level: mark for mark in timeline(spray_alone, at(-100), at(400)).marks}
    assert (marks["critical"].x, marks["critical"].width) == pytest.approx((LEFT + 830 / 5, 830 * 2 / 5))
    assert (marks["high"].x, marks["high"].width) == pytest.approx((LEFT + 830 / 5, 7))
    assert "2026-01-07 09:02:00 to 2026-01-07 12:22:00" in marks["critical"].title


@pytest.mark.parametrize(
    ("since", "until", "wanted"),
    [(None, None, (-100, 400)), (-50, None, (-50, 400)), (None, 100, (-100, 100)), (-50, 100, (-50, 100)),
     (-900, 900, (-100, 400)), (500, None, (-100, 400)), (None, -200, (-100, 400))],
)  # fmt: skip
def test_a_range_that_was_asked_for_is_what_is_drawn(
    since: Optional[float], until: Optional[float], wanted: Any
) -> None:
    chosen = {"since": None if since is None else at(since), "until": None if until is None else at(until)}
    result = hunted([*spray(0), sign_in(-100), sign_in(400)], **chosen)
    assert covered(result) == tuple(map(at, wanted))


@pytest.mark.parametrize(
    "times", [(0, 0), (10, 10), (9.99, 10), (0, 10), (-5, -4), (12, 14), (-9, 99), (-500_000, 0), (0, 9_000_000)]
)
def test_every_mark_lies_on_the_line(times: tuple[float, float]) -> None:
    (mark,) = drawn(times).marks
    assert mark.x >= LEFT
    assert mark.width > 0
    assert mark.x + mark.width <= RIGHT


def apart(one: Mark, other: Mark) -> bool:
    beside = one.x + one.width <= other.x or other.x + other.width <= one.x
    return beside or abs(one.y - other.y) >= 10


def test_marks_that_crowd_stand_below_each_other() -> None:
    picture = drawn((1, 1), (1, 3), (1.01, 1.01), (2, 2), (5, 5))
    assert len({(mark.x, mark.y) for mark in picture.marks}) == 5
    assert all(apart(one, other) for one in picture.marks for other in picture.marks if one is not other)
    rows = {row.level: row for row in picture.rows}
    assert all(0 <= mark.y - rows["high"].y <= rows["high"].height - 10 for mark in picture.marks)
    assert all(above.y + above.height < below.y for above, below in pairwise(picture.rows))


def test_very_many_at_once_make_the_picture_no_higher_than_five() -> None:
    assert drawn(*[(1, 1)] * 5).height == drawn(*[(1, 1)] * 500).height
    assert len(drawn(*[(1, 1)] * 500).marks) == 500


@pytest.mark.parametrize(
    ("hours", "ticks"),
    [
        (0, ["Jan 07 09:00:00"]),
        (0.01, [f"Jan 07 09:00:{second:02}" for second in range(0, 37, 15)]),
        (2, ["Jan 07 09:00", "Jan 07 09:30", "Jan 07 10:00", "Jan 07 10:30", "Jan 07 11:00"]),
        (24, ["Jan 07 12:00", "Jan 07 18:00", "Jan 08 00:00", "Jan 08 06:00"]),
        (24 * 5, ["Jan 08", "Jan 09", "Jan 10", "Jan 11", "Jan 12"]),
        (24 * 365 * 7000, None),
    ],
)
def test_the_line_is_marked_at_round_times(hours: float, ticks: Optional[list[str]]) -> None:
    told = [tick[1] for tick in drawn((0, 0), hours=hours).ticks]
    assert told == ticks or (ticks is None and 1 < len(told) < 9)


def test_records_without_a_time_do_not_stretch_the_line() -> None:
    timeless = {**sign_in(0), "id": "x", "createdDateTime": "soon"}
    result = hunted([*spray(0), timeless])
    assert covered(result) == (at(0), at(4))
    assert covered(hunted([timeless])) is None
    assert "<h2>When</h2>" not in report(hunted([timeless]))
