"""The picture of when: the findings over the time that the logs cover, one row a level."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Optional

from entrawatch.hunt.findings import LEVELS
from entrawatch.hunt.words import read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from entrawatch.hunt.findings import Finding
    from entrawatch.hunt.run import Hunt

#: where the picture's axis begins and ends, and a mark's height and least width, in its own units
LEFT, RIGHT, _MARK, _LEAST = 110, 940, 10, 7
#: marks of one level that stand below each other where they are at the same time; further ones overlap
_LANES = 5
#: between marks, and between rows
_GAP, _MARGIN = 2, 14
_MOST_TICKS = 7
_STEPS = [
    *(timedelta(seconds=n) for n in (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600)),
    *(timedelta(days=n) for n in (1, 2, 7, 14, 28, 91, 182, 365, 3650, 36500, 365000, 3650000)),
]
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Mark:
    """A finding on the time line.

    :param number: its place among the findings, from 1.
    """

    x: float
    width: float
    y: int
    level: str
    title: str
    number: int


@dataclass(frozen=True)
class Row:
    """A level's row: where it begins, and how high it is."""

    level: str
    y: int
    height: int


@dataclass(frozen=True)
class Timeline:
    """The picture, in its own units.

    :param ticks: place, words and alignment.
    """

    marks: tuple[Mark, ...]
    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str, str], ...]
    height: int


def covered(hunt: Hunt) -> Optional[tuple[datetime, datetime]]:
    """From when to when the hunt looked: the logs' time, of which what lies in the range that was asked for.

    :returns: None where no event has a time.
    """
    if not hunt.span or not hunt.span.first or not hunt.span.last:
        return None
    first, last = hunt.span.first, hunt.span.last
    start, end = max(hunt.since or first, first), min(hunt.until or last, last)
    return (start, end) if start <= end else (first, last)


def timeline(findings: Sequence[Finding], start: datetime, end: datetime) -> Timeline:
    """Where each finding stands between two times; what lies outside stands at their edge."""
    rows: list[Row] = []
    marks: list[Mark] = []
    y = 6
    for level in reversed(LEVELS):
        of_level = [_mark(one, number, start, end) for number, one in enumerate(findings, 1) if one.level == level]
        lanes = _lanes(of_level)
        height = max((lane for lane, _ in lanes), default=0) * (_MARK + _GAP) + _MARK
        rows.append(Row(level, y, height))
        marks += [replace(mark, y=y + lane * (_MARK + _GAP)) for lane, mark in lanes]
        y += height + _MARGIN
    return Timeline(tuple(marks), tuple(rows), tuple(_ticks(start, end)), y + 20)


def _place(time: datetime, start: datetime, end: datetime) -> float:
    share = (time - start) / max(end - start, timedelta(seconds=1))
    return round(LEFT + (RIGHT - LEFT) * min(max(share, 0), 1), 1)


def _mark(finding: Finding, number: int, start: datetime, end: datetime) -> Mark:
    first, last = (_place(time, start, end) for time in (finding.first_event, finding.last_event))
    x = min(first, RIGHT - _LEAST)
    until = "" if finding.first_event == finding.last_event else f" to {read(finding.last_event)}"
    title = f"{finding.rule.title}, {read(finding.first_event)}{until}: {finding.about()}"
    return Mark(x, round(max(last - x, _LEAST), 1), 0, finding.level, title, number)


def _lanes(marks: Sequence[Mark]) -> list[tuple[int, Mark]]:
    """Each mark in the first lane that is free there; where none is, in the one that is free soonest."""
    ends: list[float] = []
    placed = []
    for mark in sorted(marks, key=lambda one: one.x):
        free = next((lane for lane, end in enumerate(ends) if end <= mark.x), len(ends))
        lane = free if free < _LANES else ends.index(min(ends))
        ends[lane : lane + 1] = [max(mark.x + mark.width + 1, *ends[lane : lane + 1], 0)]
        placed.append((lane, mark))
    return placed


def _ticks(start: datetime, end: datetime) -> Iterator[tuple[float, str, str]]:
    """Round times, at most seven; the beginning alone where none lies between."""
    step = next(step for step in _STEPS if (end - start) / step <= _MOST_TICKS)
    first, last = -((_EPOCH - start) // step), (end - _EPOCH) // step
    for moment in [_EPOCH + n * step for n in range(first, last + 1)] or [start]:
        x = _place(moment, start, end)
        yield x, _told(moment, step), "start" if x < LEFT + 40 else "end" if x > RIGHT - 40 else "middle"


def _told(moment: datetime, step: timedelta) -> str:
    if step >= timedelta(days=28):
        return moment.strftime("%Y-%m-%d")
    if step >= timedelta(days=1):
        return moment.strftime("%b %d")
    return moment.strftime("%b %d %H:%M" if step >= timedelta(minutes=1) else "%b %d %H:%M:%S")
