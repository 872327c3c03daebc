"""Where a feed stands: its watermarks, one a sweep, and the ranges that are read beside live collection.

Everything here is arithmetic on half-open ranges of whole seconds since 1970; it does no I/O and knows no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

#: kinds of job, the most urgent first: a hole an outage left, the configured backfill, a range a command asked for
HOLE, BACKFILL, RANGE = "hole", "backfill", "range"
KINDS = (HOLE, BACKFILL, RANGE)


class Span(NamedTuple):
    """A half-open range of seconds, [start, end)."""

    start: int
    end: int


@dataclass
class Job:
    """A range that is read once, from its start to its end, by the leftover of live collection.

    :param kind: one of KINDS.
    :param at: everything before it is stored.
    """

    kind: str
    start: int
    end: int
    at: int

    @property
    def done(self) -> bool:
        """Whether nothing is left to read."""
        return self.at >= self.end

    @property
    def urgency(self) -> tuple[int, int]:
        """Sorts jobs, the most urgent first: by kind, then the oldest."""
        return KINDS.index(self.kind), self.at


@dataclass
class Position:
    """One feed's whole checkpoint: (tenant, stream, sink).

    :param feed: the feed's number in the store.
    :param begin: the first second that live collection answers for; None before it began.
    :param marks: watermarks: everything in [begin, marks[0]) was read once, in [begin, marks[k]) also by sweep k.
    :param jobs: ranges below marks[0] that are still to be read, and finished backfills, so that they stay finished.
    """

    feed: int
    begin: int | None = None
    marks: list[int] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)


def union(spans: Iterable[Span]) -> list[Span]:
    """The same seconds in as few ranges as can be, in order; empty ranges vanish."""
    merged: list[Span] = []
    for span in sorted(span for span in spans if span.start < span.end):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def outside(spans: Iterable[Span], end: int) -> list[Span]:
    """What [0, end) has beside the given ranges."""
    gaps, start = [], 0
    for span in union(spans):
        gaps.append(Span(start, min(span.start, end)))
        start = max(start, span.end)
    return [span for span in [*gaps, Span(start, end)] if span.start < span.end]


def jump(position: Position, marks: list[int]) -> None:
    """Moves watermarks forward over what was not read, and queues that as holes.

    A hole is read once, later than now. So the caller moves sweep k at most to (now - its delay): what lies before
    that will be read later than sweep k asks for, and one read does for all the sweeps.
    """
    ahead = [max(old, new) for old, new in zip(position.marks, marks)]
    skipped = [Span(old, new) for old, new in zip(position.marks, ahead)]
    holes = [Span(job.at, job.end) for job in position.jobs if job.kind == HOLE]
    others = [job for job in position.jobs if job.kind != HOLE]
    position.marks = ahead
    position.jobs = others + [Job(HOLE, span.start, span.end, span.start) for span in union([*holes, *skipped])]


class Frontier:
    """How far a range has been read without a break, when its parts are finished in any order."""

    def __init__(self, start: int) -> None:
        self.at = start
        self._ahead: dict[int, int] = {}

    def finish(self, part: Span) -> bool:
        """Notes a finished part; True when the frontier moved."""
        self._ahead[part.start] = part.end
        before = self.at
        while self.at in self._ahead:
            self.at = self._ahead.pop(self.at)
        return self.at > before
