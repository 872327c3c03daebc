"""The shapes that cross rooms: records, events, windows, and what a source and a sink promise.

A room depends on these and not on its neighbour, so a push source (Event Hubs) or a new sink is a new class and
nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional, Protocol

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from entrawatch.schema.streams import Stream

#: A record as the source gave it (a Graph resource). Never changed after it was read.
Record = dict[str, Any]
#: What a sink can ask to be given; see `Sink.shape`.
SHAPES = ("event", "envelope")
#: A common event: nested ECS, JSON-ready (str, int, float, bool, list, dict; times as ISO 8601 UTC text).
Event = dict[str, Any]


@dataclass(frozen=True, order=True)
class Window:
    """A half-open range of event time, [start, end), both aware and in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a window's edges carry a time zone")
        if self.start >= self.end:
            raise ValueError(f"a window ends after it starts: {self.start} .. {self.end}")

    def halves(self) -> tuple[Window, Window]:
        """The window cut in two at its middle, whole seconds where it is longer than two."""
        middle = self.start + (self.end - self.start) / 2
        if (self.end - self.start).total_seconds() > 2:
            middle = middle.replace(microsecond=0)
        return Window(self.start, middle), Window(middle, self.end)


class Source(Protocol):
    """Where records come from."""

    def read(self, stream: Stream, window: Window) -> Iterator[list[Record]]:
        """Pages of the records whose time lies in `window`, in any order; one page in memory at a time.

        The iterator that ends normally has given every record the source had at that moment. A record with no
        readable time is given, never dropped. A page may be empty.

        :raises SourceError: see the tree in errors.py; whatever was given before it stays valid.
        """
        ...


@dataclass(frozen=True)
class Rejected:
    """One event that the sink will never take, and why."""

    event: Event
    reason: str


@dataclass(frozen=True)
class WriteResult:
    """What became of a batch: every event of it is counted once.

    :param stored: events newly stored.
    :param duplicates: events the sink already had (no harm, and no error).
    :param rejected: events the sink will never take; the caller keeps them in the dead letter.
    """

    stored: int
    duplicates: int = 0
    rejected: Sequence[Rejected] = field(default_factory=tuple)


class Sink(Protocol):
    """Where events go."""

    #: the name in the configuration; with the stream it names a checkpoint.
    name: str
    #: whether the same event written twice leaves one (so that the loop need not promise it).
    deduplicates: bool
    #: what the sink is given, one of SHAPES. "event": the common event. "envelope": the record in the diagnostic
    #: settings shape (`normalize.envelope.wrap`) with the event's own `entra` block and nothing else added,
    #: `{…envelope…, "entra": {"stream", "revision", "id", "tenant_id"}}`, where `id` is the event's `event.id`.
    #: The loop renders it, so that a sink never needs the record behind an event.
    shape: str

    def write(self, events: Sequence[Event]) -> WriteResult:
        """Store a batch; return only when it is stored as safely as this sink can.

        :raises SinkUnavailableError: nothing of the batch counts as stored; the same batch may come again.
        :raises SinkRefusedError: sending again will not help.
        """
        ...

    def close(self) -> None:
        """Let go of connections and files; what was written stays. Safe to call twice."""
        ...


class Observer(Protocol):
    """What the loop tells those who watch (metrics, progress, logs). Must return quickly and never raise."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        ...

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a value."""
        ...

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add one observation to a distribution (seconds)."""
        ...


class Silent:
    """The observer of those whom nobody watches."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Nothing."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Nothing."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Nothing."""


class Clock(Protocol):
    """Time, so that tests can own it."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from some fixed point, never set back."""
        ...

    def sleep(self, seconds: float, until: Optional[threading.Event] = None) -> None:
        """Wait; end early when `until` is set."""
        ...
