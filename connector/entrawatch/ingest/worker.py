"""One stream of one tenant, from its checkpoint to the present and on."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Optional

from entrawatch.errors import AuthError, DegradedError, StateError
from entrawatch.ingest.feed import Feed, Loop, Outlet, Stopped
from entrawatch.ingest.keys import at, seconds
from entrawatch.ingest.plan import Item, Plan
from entrawatch.ingest.position import RANGE, Frontier, Span
from entrawatch.ingest.reader import Deserted, Group, Outage, Reader, tell_gap
from entrawatch.ingest.rests import Rest, Tenant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from entrawatch.config.model import TenantConfig
    from entrawatch.ingest.position import Position
    from entrawatch.interfaces import Source
    from entrawatch.schema.streams import Stream

_LOG = logging.getLogger("entrawatch.ingest")
_DAY = 86400
#: how far a checkpoint may lie ahead of the clock: what clocks differ by, seconds
_AHEAD = 3600


class Worker:
    """Reads one stream for all sinks.

    :param only: read this range and nothing else.
    """

    def __init__(
        self, config: TenantConfig, stream: Stream, source: Source, outlets: Sequence[Outlet], loop: Loop,
        tenant: Tenant, *, once: bool, only: Optional[Span] = None,
    ) -> None:  # fmt: skip
        self.name = f"{config.name}/{stream.name}"
        #: why the stream was given up; "" while it is not
        self.failed = ""
        #: why it cannot be read at present; "" while it can
        self.degraded = ""
        self._config, self._stream, self._source = config, stream, source
        self._outlets, self._loop, self._tenant = outlets, loop, tenant
        self._once, self._only = once, only
        # An update can carry a record of such a stream from one window to another while both are read.
        self._plan = Plan(config.collect, 1 if stream.moves else config.collect.parallel)
        self._feeds: list[Feed] = []
        self._lanes: dict[str, Rest] = {}
        self._rest = Rest()
        self._saving = threading.RLock()
        self._urgent = threading.Lock()

    def run(self) -> None:
        """Until the run is stopped, the present is reached (`once`), or there is nobody left to serve.

        :raises StateError: the checkpoint cannot be read or written.
        """
        try:
            self._begin()
            self._work()
        except Stopped:
            _LOG.info("%s: stopped, everything up to the last whole batch is saved", self.name)

    def _begin(self) -> None:
        collect, now = self._config.collect, self._loop.clock.now()
        start = seconds(collect.start if isinstance(collect.start, datetime) else now - collect.start)
        backfill = Span(*map(seconds, collect.backfill)) if collect.backfill else None
        for outlet in self._outlets:
            position = self._loop.store.feed(self._config.name, self._stream.name, outlet.sink.name)
            self._check_clock([position], seconds(now))
            if self._only is None:
                self._plan.begin(position, min(start, seconds(now)), backfill)
            else:
                self._plan.ask(position, self._only)
            self._feeds.append(self._feed(outlet, position))
        self._loop.store.save(feed.position for feed in self._feeds)

    def _check_clock(self, positions: Sequence[Position], now: int) -> None:
        for position in positions:
            if position.marks and position.marks[0] > now + _AHEAD:
                raise StateError(
                    f"{self.name}: the checkpoint lies in the future, {at(position.marks[0]):%Y-%m-%dT%H:%MZ}: a clock "
                    "is or was wrong; set this machine's clock, or move the state away to begin anew"
                )

    def _feed(self, outlet: Outlet, position: Position) -> Feed:
        policy = self._loop.policy
        alone = None if not self._once else policy.once_failures
        return Feed(
            self._config.name, self._config.tenant_id, self._stream, outlet, position,
            batch=self._config.collect.batch, preserve_original=self._config.preserve_original,
            tries=alone if len(self._outlets) == 1 else policy.sink_tries,
        )  # fmt: skip

    def _work(self) -> None:
        present = seconds(self._loop.clock.now())
        while not self.failed and any(not feed.outlet.refused for feed in self._feeds):
            self._loop.check()
            if self._tenant.refused:
                self.failed = self._tenant.refused
                return
            now = present if self._once else seconds(self._loop.clock.now())
            item = self._next(now)
            if item is not None:
                self._do(item, now)
                continue
            rests = self._rests()
            if self._once and not rests:
                return
            wake = [] if self._once else [self._plan.wake([feed.position for feed in self._feeds], now)]
            self._loop.pause(max(0.05, min([*rests, *wake])))

    def _rests(self) -> list[float]:
        """Seconds that anything still rests."""
        now = self._loop.clock.monotonic()
        untils = [self._rest.until, self._tenant.rest.until, *(rest.until for rest in self._lanes.values())]
        untils += [feed.rest_until for feed in self._feeds if not feed.outlet.refused]
        return [until - now for until in untils if until > now]

    def _ready(self) -> list[Feed]:
        now = self._loop.clock.monotonic()
        if max(self._rest.until, self._tenant.rest.until) > now:
            return []
        return [feed for feed in self._feeds if not feed.outlet.refused and feed.rest_until <= now]

    def _next(self, now: int) -> Optional[Item]:
        positions = [feed.position for feed in self._ready()]
        if not positions:
            return None
        if self._only is None:
            self._check_clock(positions, now)
            # Saved with the first read behind it, and not before: our clock may be wrong, and the source knows.
            self._plan.catch_up(positions, now)
        monotonic = self._loop.clock.monotonic()
        resting = {lane for lane, rest in self._lanes.items() if rest.until > monotonic}
        if self._only is not None:
            return self._plan.leftover(positions, now, resting, (RANGE,), once=True)
        return self._plan.next(positions, now, resting, once=self._once)

    def _between(self) -> None:
        """More urgent work between two pages: the live edge of this stream, then that of the tenant's others."""
        if self._only is None and not self._once:
            with self._urgent:
                now = seconds(self._loop.clock.now())
                resting = self._lanes.get("sweep-0", Rest()).until > self._loop.clock.monotonic()
                item = None if resting else self._plan.first_read([feed.position for feed in self._ready()], now)
                if item is not None:
                    self._do(item, now)
        self._tenant.give_way()

    def _do(self, item: Item, now: int) -> None:
        members = {position.feed for position in item.positions}
        feeds = [feed for feed in self._feeds if feed.position.feed in members]
        frontiers = {feed.position.feed: Frontier(item.span.start) for feed in feeds}

        def finished(span: Span, served: Sequence[Feed]) -> None:
            with self._saving:
                moved = [feed for feed in served if self._advance(item, span, feed, frontiers[feed.position.feed], now)]
                self._save(item, moved)

        group = Group(feeds, finished)
        try:
            with self._tenant.first_read() if item.sweep == 0 else nullcontext():
                self._read(item, group)
        except Deserted:
            pass
        except Outage as error:
            self._rest_lane(item.lane, str(error))
        except DegradedError as error:
            self._degrade(str(error))
        except AuthError as error:
            self._lock_out(str(error))
        else:
            self._recover(item)
        self._settle(feeds, group)

    def _advance(self, item: Item, span: Span, feed: Feed, frontier: Frontier, now: int) -> bool:
        before = frontier.at
        if not frontier.finish(span):
            return False
        self._plan.advance(item, feed.position, before, frontier.at, now)
        return True

    def _save(self, item: Item, moved: Sequence[Feed]) -> None:
        store, now = self._loop.store, seconds(self._loop.clock.now())
        if moved:
            store.save(feed.position for feed in moved)
        for feed in moved:
            position = feed.position
            behind = sum(job.end - job.at for job in position.jobs)
            self._loop.observer.gauge("backlog_seconds", behind, **feed.labels)
            if not position.marks:
                continue  # only ranges were ever asked for: they stay known, so that asking again gives what is new
            self._loop.observer.gauge("watermark_age_seconds", now - position.marks[0], **feed.labels)
            if item.sweep is None or item.sweep == len(position.marks) - 1:
                horizon = position.marks[-1] - self._loop.policy.margin
                keep = [Span(job.at, job.end) for job in position.jobs]
                store.forget(position.feed, horizon, keep, horizon - self._stream.retention_days * _DAY)

    def _read(self, item: Item, group: Group) -> None:
        lost = self._forgotten(item)
        if lost is not None:
            days = self._stream.retention_days
            return tell_gap(self._loop, group, lost, f"the range is older than the {days} days the records are kept")
        live = item.sweep is not None
        between = (lambda: None) if item.sweep == 0 else self._between
        label = _short(self._plan.delays[item.sweep]) if item.sweep is not None else item.kind
        reader = Reader(self._loop, self._source, group, label, live=live, between=between)
        edges = [*range(item.span.start, item.span.end, self._plan.window), item.span.end]
        windows = [Span(*pair) for pair in zip(edges, edges[1:])]
        if len(windows) == 1:
            return reader.read(windows[0])
        return self._side_by_side(reader, windows)

    def _forgotten(self, item: Item) -> Optional[Span]:
        """The part of the item, or of the whole job behind it, that is older than the source keeps records."""
        if item.kind == RANGE or self._stream.snapshot:  # asked for by a person; or kept as long as it is true
            return None
        oldest = seconds(self._loop.clock.now()) - self._stream.retention_days * _DAY
        end = min(oldest, item.end or item.span.end)
        return Span(item.span.start, end) if end > item.span.start else None

    def _side_by_side(self, reader: Reader, windows: Sequence[Span]) -> None:
        with ThreadPoolExecutor(self._plan.parallel, thread_name_prefix=self.name) as pool:
            reads = [pool.submit(reader.read, span) for span in windows]
        for read in reads:
            read.result()

    def _settle(self, feeds: Sequence[Feed], group: Group) -> None:
        """Those whose sink failed rest, longer each time; the others are as good as new."""
        policy, now = self._loop.policy, self._loop.clock.monotonic()
        fallen = {feed.position.feed: error for feed, error in group.fallen}
        for feed in feeds:
            error = fallen.get(feed.position.feed)
            if error is None:
                feed.failures = 0
                continue
            feed.failures += 1
            asked = getattr(error, "retry_after", None)
            feed.rest_until = now + policy.wait(feed.failures, policy.sink_limit, asked=asked)
            if self._once and feed.failures >= policy.once_failures:
                feed.outlet.refused = str(error)
            _LOG.warning("%s → %s: %s", self.name, feed.outlet.sink.name, error)

    def _recover(self, item: Item) -> None:
        self._lanes.pop(item.lane, None)
        self._rest.end()
        self._tenant.rest.end()
        if self.degraded:
            _LOG.info("%s: can be read again", self.name)
            self._tell_degraded("")

    def _rest_lane(self, lane: str, reason: str) -> None:
        policy, rest = self._loop.policy, self._lanes.setdefault(lane, Rest())
        rest.failures += 1
        rest.until = self._loop.clock.monotonic() + policy.wait(rest.failures, policy.outage_limit)
        _LOG.warning("%s: the source does not answer: %s", self.name, reason)
        if self._once and rest.failures >= policy.once_failures:
            self.failed = reason

    def _degrade(self, reason: str) -> None:
        policy, rest = self._loop.policy, self._rest
        rest.failures += 1
        first, limit = (
            (policy.pause, policy.pause_limit) if self._once else (policy.degraded_pause, policy.degraded_limit)
        )
        rest.until = self._loop.clock.monotonic() + policy.wait(rest.failures, limit, first)
        _LOG.warning("%s: cannot be read, tried again later: %s", self.name, reason)
        self._tell_degraded(reason)
        if self._once and rest.failures >= policy.once_failures:
            self.failed = reason

    def _tell_degraded(self, reason: str) -> None:
        self.degraded = reason
        names = {"tenant": self._config.name, "stream": self._stream.name}
        self._loop.observer.gauge("stream_degraded", 1 if reason else 0, **names)

    def _lock_out(self, reason: str) -> None:
        policy, rest = self._loop.policy, self._tenant.rest
        if self._once:  # before the rest is noted: a neighbour that sees the one must see the other, or it waits
            self.failed = self._tenant.refused = reason
        rest.failures += 1
        rest.until = self._loop.clock.monotonic() + policy.wait(rest.failures, policy.degraded_limit, policy.auth_pause)
        _LOG.error("%s: all streams of the tenant wait: %s", self.name, reason)


def _short(delay: int) -> str:
    """A sweep's name for the observer: "2m", "24h"."""
    for size, unit in ((3600, "h"), (60, "m")):
        if delay and delay % size == 0:
            return f"{delay // size}{unit}"
    return f"{delay}s"
