"""Reads one range of one stream for a group of feeds, and does not rest until it is read, or told to be missing.

What the source's errors lead to:

=====================  ==============================================================================================
TransientError         the window again after a growing pause; after `read_tries` it is bisected, if the source
                       answers for other seconds nearby; else it is an outage
ThrottledError         the same, after the pause the source asked for
ReadAgainError         the window again from its start, bounded like the above; the repeats are dropped as seen
WindowTooLargeError    bisected at once
UnreachableRangeError  a gap event, and on behind it; the edge is searched for where the source does not name it
DegradedError          passed on: the stream rests
AuthError              passed on: the tenant rests
=====================  ==============================================================================================

A window of one second that still fails is a gap only when the source answers for other seconds: before that is known,
it is an outage, and an outage skips nothing. Each half of a bisected window that is done moves the watermark, so that a
range which is too large to be read in one life of the process gets done all the same.
"""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Callable, Optional

from entrawatch import errors
from entrawatch.errors import AuthError, DegradedError, SinkError, SourceError, ThrottledError, UnreachableRangeError
from entrawatch.ingest.delivery import Delivery
from entrawatch.ingest.gaps import gap
from entrawatch.ingest.keys import at, prepare, seconds, window
from entrawatch.ingest.position import Span, union

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from entrawatch.ingest.feed import Feed, Loop
    from entrawatch.ingest.keys import Prepared
    from entrawatch.interfaces import Source

_LOG = logging.getLogger("entrawatch.ingest")
#: how near to a window that fails the source is asked whether it answers at all
_NEIGHBOUR = 300
#: an edge of retention that the source does not name is searched for down to this
_EDGE = 60


class Outage(Exception):  # noqa: N818 - the reader's verdict for its worker, never shown to a caller
    """The source answers nothing at present; its message is the last error's."""


class Deserted(Exception):  # noqa: N818 - likewise
    """Every feed of the group fell behind."""


class Group:
    """The feeds that one read serves; those whose sink fails leave it.

    :param finished: called with a span and the feeds that have all of it stored.
    """

    def __init__(self, feeds: Sequence[Feed], finished: Callable[[Span, Sequence[Feed]], None]) -> None:
        self._feeds = list(feeds)
        self._finished = finished
        self._lock = threading.Lock()
        self.fallen: list[tuple[Feed, SinkError]] = []

    def feeds(self) -> list[Feed]:
        """Those still served.

        :raises Deserted: there are none.
        """
        with self._lock:
            if not self._feeds:
                raise Deserted
            return list(self._feeds)

    def drop(self, feed: Feed, error: SinkError) -> None:
        """Serves a feed no longer."""
        with self._lock:
            if feed in self._feeds:
                self._feeds.remove(feed)
                self.fallen.append((feed, error))
            if isinstance(error, errors.SinkRefusedError):
                feed.outlet.refused = str(error)

    def finish(self, span: Span, served: Sequence[Feed]) -> None:
        """The feeds have the span; those dropped meanwhile keep only what they had before."""
        with self._lock:
            standing = [feed for feed in served if feed in self._feeds]
        self._finished(span, standing)


class Reader:
    """Reads spans of one item of work.

    :param sweep: the observer's name for the read.
    :param live: whether the records' age tells of the source's delay.
    :param between: called between two pages and while waiting: more urgent work is done there.
    """

    def __init__(
        self, loop: Loop, source: Source, group: Group, sweep: str, *, live: bool, between: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._source = source
        self._group = group
        self._sweep = sweep
        self._live = live
        self._between = between
        first = group.feeds()[0]
        self._tenant, self._tenant_id, self._stream = first.tenant, first.tenant_id, first.stream

    def read(self, span: Span, tries: Optional[int] = None) -> None:
        """The span is stored, or told to be missing, when this returns.

        :raises Deserted, Outage, DegradedError, AuthError, Stopped: it is not; what was finished is kept.
        """
        try:
            self._attempt(span, tries or self._loop.policy.read_tries)
        except UnreachableRangeError as error:
            self._unreachable(span, error)

    def _attempt(self, span: Span, tries: int) -> None:
        least = span.end - span.start <= self._loop.policy.least
        tries = self._loop.policy.least_tries if least else tries
        for failures in range(1, tries + 1):
            try:
                return self._walk(span)
            except (UnreachableRangeError, DegradedError, AuthError):
                raise
            except SourceError as error:
                self._note(error)
                last = error
            if isinstance(last, errors.WindowTooLargeError) and not least:
                break
            if failures < tries:
                self._wait(failures, last)
        if least:
            return self._stubborn(span, last)
        if isinstance(last, errors.TransientError) and not self._answers(span):
            # halving helps where a range is too much for the source, not where it answers nothing at all
            raise Outage(str(last)) from last
        return self._bisect(span)

    def _walk(self, span: Span) -> None:
        """Reads a span once, from its first page to its last."""
        deliveries = [Delivery(feed, self._loop, self._sweep, live=self._live) for feed in self._group.feeds()]
        with closing(_generator(self._source.read(self._stream, window(*span)))) as pages:
            for page in pages:
                deliveries = self._offer(deliveries, prepare(page, self._stream), span.end)
                if self._stream.moves:  # a record that waits here must not be overtaken by its own later state
                    deliveries = self._flush(deliveries, span.end)
                self._group.feeds()
                self._loop.check()
                self._between()
        deliveries = self._flush(deliveries, span.end)
        self._group.finish(span, [one.feed for one in deliveries])
        self._group.feeds()

    def _offer(self, deliveries: list[Delivery], records: list[Prepared], time: int) -> list[Delivery]:
        return [one for one in deliveries if self._served(one, lambda one: one.offer(records, time))]

    def _flush(self, deliveries: list[Delivery], time: int) -> list[Delivery]:
        return [one for one in deliveries if self._served(one, lambda one: one.flush(time))]

    def _served(self, delivery: Delivery, act: Callable[[Delivery], None]) -> bool:
        try:
            act(delivery)
        except SinkError as error:
            self._group.drop(delivery.feed, error)
            return False
        return True

    def _note(self, error: SourceError) -> None:
        labels = {"tenant": self._tenant, "stream": self._stream.name, "error": type(error).__name__}
        self._loop.observer.count("source_errors", 1, **labels)

    def _wait(self, failures: int, error: SourceError) -> None:
        policy = self._loop.policy
        asked = error.retry_after if isinstance(error, ThrottledError) else None
        left = policy.wait(failures, policy.pause_limit, asked=asked)
        while left > 0:  # in short pieces, so that urgent work need not wait for the longest pause
            self._loop.pause(min(left, 5.0))
            left -= 5.0
            self._between()

    def _bisect(self, span: Span) -> None:
        if span.end - span.start > 3600:  # an outage halves every window down to seconds, which is no news
            begin, end = (f"{at(moment):%Y-%m-%dT%H:%M:%SZ}" for moment in span)
            _LOG.info("%s/%s: %s to %s is read in halves", self._tenant, self._stream.name, begin, end)
        self._loop.observer.count("windows_bisected", 1, tenant=self._tenant, stream=self._stream.name)
        for half in _halves(span):
            self.read(half, self._loop.policy.half_tries)

    def _stubborn(self, span: Span, error: SourceError) -> None:
        """A window that cannot be made smaller and still fails: an outage, or a gap?"""
        # Throttling says nothing of the range. And an outage may end between the last try and the question whether the
        # source answers: only what fails once more while its neighbours are answered is a gap.
        for _ in range(self._loop.policy.half_tries):
            if isinstance(error, ThrottledError) or not self._answers(span):
                raise Outage(str(error)) from error
            try:
                return self._walk(span)
            except (UnreachableRangeError, DegradedError, AuthError):
                raise
            except SourceError as again:
                self._note(again)
                error = again
        return self._gap(span, f"the source fails for this range alone: {error}")

    def _answers(self, span: Span) -> bool:
        latest = seconds(self._loop.clock.now()) - 1
        starts = (span.start - _NEIGHBOUR, min(span.end + _NEIGHBOUR, latest))
        return any(self._probe(Span(start, start + 1)) for start in starts if not span.start <= start < span.end)

    def _probe(self, span: Span) -> bool:
        try:
            for _ in self._source.read(self._stream, window(*span)):
                self._loop.check()
        except UnreachableRangeError:
            return True
        except SourceError:
            return False
        return True

    def _unreachable(self, span: Span, error: UnreachableRangeError) -> None:
        oldest = seconds(error.oldest) if error.oldest else None
        if oldest is not None and span.start < oldest < span.end:
            self._gap(Span(span.start, oldest), str(error))
            self.read(Span(oldest, span.end))
        elif oldest is not None:
            self._gap(span, str(error))
        else:
            for missing in self._missing(span):
                self._gap(missing, str(error))

    def _missing(self, span: Span) -> list[Span]:
        """What of an unreachable span is so in parts too: the source forgets from the old end, so the new is tried."""
        if span.end - span.start <= _EDGE:
            return [span]
        older, newer = _halves(span)
        lost = self._unreached(newer)
        if lost and lost[0].start == newer.start:
            return union([older, *lost])
        return union([*self._unreached(older), *lost])

    def _unreached(self, span: Span) -> list[Span]:
        try:
            self._attempt(span, self._loop.policy.half_tries)
        except UnreachableRangeError:
            return self._missing(span)
        return []

    def _gap(self, span: Span, reason: str) -> None:
        tell_gap(self._loop, self._group, span, reason)


def tell_gap(loop: Loop, group: Group, span: Span, reason: str) -> None:
    """Tells every sink of the group, the log and the observer of a missing range, and counts it as finished.

    :raises Deserted: no sink took the news.
    """
    first = group.feeds()[0]
    told = gap(first.tenant, first.tenant_id, first.stream, span, reason, loop.clock.now())
    _LOG.warning("%s", told.shapes["event"]["message"])
    served = []
    for feed in group.feeds():
        delivery = Delivery(feed, loop, "gap", live=False)
        try:
            delivery.offer([told], span.end)
            delivery.flush(span.end)
        except SinkError as error:
            group.drop(feed, error)
            continue
        loop.observer.count("gaps", 1, **feed.labels)
        served.append(feed)
    group.finish(span, served)
    group.feeds()


def _halves(span: Span) -> tuple[Span, Span]:
    older, newer = window(*span).halves()
    return Span(span.start, seconds(older.end)), Span(seconds(newer.start), span.end)


def _generator(pages: Iterator[list[Any]]) -> Any:
    """The pages with a `close` that reaches the source's own, where it has one."""
    try:
        yield from pages
    finally:
        close = getattr(pages, "close", None)
        if close is not None:
            close()
