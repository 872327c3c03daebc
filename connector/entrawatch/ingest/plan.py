"""What a stream's worker does next: pure arithmetic on positions and the time.

Order of precedence:

1. *First reads*: the live edge, `sweeps[0]` behind the present. Of several sinks the one that is furthest goes first,
   so that one which fell behind holds nobody up.
2. *Sweeps*: the later re-reads, the shortest delay first, each saved up into ranges of a quarter of its delay (never
   longer than an hour), so that a day's re-reads cost few requests. What is read late counts for every longer sweep
   that stands at the same point, as far as that is due.
3. *Leftover*: holes, then the backfill, in slices of a few windows, with a look at 1 and 2 between slices.

Why the live edge goes first after an outage (and holes from their old end): what is happening now is what a defender
needs, and an outage of a weekend would otherwise delay every alert by as long as the catching up takes, hours at
Graph's 500 records a second. The hole loses nothing by waiting, unless the source forgets it: so it is read from its
old end, where retention bites first. A feed less than a window or an hour behind simply reads on, and no hole is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Optional

from entrawatch.ingest.position import BACKFILL, HOLE, RANGE, Job, Position, Span, jump

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from entrawatch.config.model import CollectConfig

#: the live edge is at most this long, however long the windows are: seconds
_EDGE = 3600


class Item(NamedTuple):
    """One piece of work.

    :param span: what is read, at most `parallel` windows.
    :param positions: who is served: all that stand at its start.
    :param sweep: which sweep it is; None for a job.
    :param kind: the job's kind, "" for a sweep.
    :param end: the end of the job it belongs to, with the kind its name.
    """

    span: Span
    positions: tuple[Position, ...]
    sweep: Optional[int] = None
    kind: str = ""
    end: int = 0

    @property
    def lane(self) -> str:
        """What fails and rests together: "sweep-2", "hole" …"""
        return self.kind or f"sweep-{self.sweep}"


class Plan:
    """The rules above for one stream's configuration.

    :param collect: how the stream is read.
    :param parallel: windows read side by side.
    """

    def __init__(self, collect: CollectConfig, parallel: int) -> None:
        self.delays = [int(delay.total_seconds()) for delay in collect.sweeps]
        self.window = max(1, int(collect.window.total_seconds()))
        self.edge = min(self.window, _EDGE)
        self.interval = max(1, int(collect.interval.total_seconds()))
        self.parallel = max(1, parallel)
        between = [later - sooner for sooner, later in zip(self.delays, self.delays[1:])]
        self.steps = [self.interval, *(max(self.interval, min(self.edge, gap // 4)) for gap in between)]

    def begin(self, position: Position, start: int, backfill: Optional[Span]) -> None:
        """Gives a new feed its watermarks, and an old one as many as there are sweeps now, and the backfill."""
        if position.begin is None:
            position.begin, position.marks = start, [start] * len(self.delays)
        sweeps = len(self.delays)
        position.marks = (position.marks + position.marks[-1:] * sweeps)[:sweeps]
        if backfill is not None:
            end = min(backfill.end, position.begin)
            known = any((job.kind, job.start, job.end) == (BACKFILL, backfill.start, end) for job in position.jobs)
            if backfill.start < end and not known:
                position.jobs.append(Job(BACKFILL, backfill.start, end, backfill.start))

    def ask(self, position: Position, span: Span) -> None:
        """Makes a range the feed's only one that was asked for; one begun at the same start goes on where it stood."""
        begun = [job.at for job in position.jobs if job.kind == RANGE and job.start == span.start]
        position.jobs = [job for job in position.jobs if job.kind != RANGE]
        position.jobs.append(Job(RANGE, span.start, span.end, min([*begun, span.end]) if begun else span.start))

    def catch_up(self, positions: Sequence[Position], now: int) -> list[Position]:
        """Moves those who are far behind to the live edge; gives those it moved."""
        edge = now - self.delays[0]
        late = [position for position in positions if edge - position.marks[0] > self.edge]
        leader = max(positions, key=lambda position: position.marks[0], default=None)
        if leader is None or leader in late:
            marks = [min(edge - self.edge, now - delay) for delay in self.delays]
        else:
            marks = leader.marks
        for position in late:
            jump(position, list(marks))
        return late

    def next(self, positions: Sequence[Position], now: int, resting: Collection[str], *, once: bool) -> Optional[Item]:
        """The most urgent thing there is to do.

        :param resting: lanes that are left alone for now.
        :param once: whether the run ends at the present: then everything that can be read is due.
        """
        for sweep in range(len(self.delays)):
            if f"sweep-{sweep}" not in resting:
                item = self._sweep(sweep, positions, now, once=once)
                if item is not None:
                    return item
        return self.leftover(positions, now, resting, (HOLE, BACKFILL), once=once)

    def first_read(self, positions: Sequence[Position], now: int) -> Optional[Item]:
        """The next range of the live edge, where one is due."""
        return self._sweep(0, positions, now, once=False)

    def _sweep(self, sweep: int, positions: Sequence[Position], now: int, *, once: bool) -> Optional[Item]:
        ahead: Optional[int] = None
        for start in sorted({position.marks[sweep] for position in positions}, reverse=True):
            members = tuple(position for position in positions if position.marks[sweep] == start)
            end = now - self.delays[sweep]
            end = end if sweep == 0 else min(end, *(position.marks[sweep - 1] for position in members))
            least = self.steps[sweep]
            if ahead is not None:  # to where the next one stands, and from there on together
                end = min(end, ahead)
            if once or ahead is not None:
                least = 1
            if end - start >= least:
                return Item(Span(start, min(end, start + self.parallel * self.window)), members, sweep)
            ahead = start
        return None

    def leftover(
        self, positions: Sequence[Position], now: int, resting: Collection[str], kinds: Collection[str], *, once: bool
    ) -> Optional[Item]:
        """The next slice of the most urgent job of those kinds."""
        jobs = [job for position in positions for job in position.jobs if job.kind in kinds and job.kind not in resting]
        limits = [(job, self._limit(job, now, once=once)) for job in jobs]
        ready = [(job, limit) for job, limit in limits if limit > job.at]
        if not ready:
            return None
        job, limit = min(ready, key=lambda pair: pair[0].urgency)
        members = tuple(position for position in positions if job in position.jobs)
        return Item(Span(job.at, min(limit, job.at + self.parallel * self.window)), members, None, job.kind, job.end)

    def _limit(self, job: Job, now: int, *, once: bool) -> int:
        # No sweep comes after a backfill, so it waits until its records have stopped changing. A hole ends behind the
        # live edge, but for one that a clock set back has left.
        delay = {HOLE: self.delays[0], BACKFILL: 0 if once else self.delays[-1]}.get(job.kind)
        return job.end if delay is None else min(job.end, now - delay)

    def wake(self, positions: Sequence[Position], now: int) -> int:
        """Seconds until there may be something to do, at least one."""
        due = [
            mark + delay + step
            for position in positions
            for mark, delay, step in zip(position.marks, self.delays, self.steps)
        ]
        return max(1, min([self.interval, *(moment - now for moment in due)]))

    def advance(self, item: Item, position: Position, before: int, reached: int, now: int) -> None:
        """Notes that [before, reached) of an item is stored, in the item's own watermark and in those it also serves.

        :param now: when the item was planned: no later than any of its reads.
        """
        if item.sweep is None:
            for job in position.jobs:
                if (job.kind, job.end, job.at) == (item.kind, item.end, before):
                    job.at = reached
            position.jobs = [job for job in position.jobs if job.kind == BACKFILL or not job.done]
            return
        position.marks[item.sweep] = reached
        for sweep in range(item.sweep + 1, len(self.delays)):
            if position.marks[sweep] == before:
                position.marks[sweep] = max(before, min(reached, now - self.delays[sweep]))
