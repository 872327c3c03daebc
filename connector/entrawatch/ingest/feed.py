"""What the parts of a run share: the loop's tools, a sink with its fate, and a feed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol

if TYPE_CHECKING:
    from entrawatch.ingest.policy import Policy
    from entrawatch.ingest.position import Position
    from entrawatch.ingest.store import Store
    from entrawatch.interfaces import Clock, Event, Observer, Record, Sink
    from entrawatch.schema.streams import Stream


class DeadLetter(Protocol):
    """Where that goes which will never be an event, or never be taken."""

    def keep(self, item: Any, reason: str, where: str) -> None:
        """Store it as safely as a sink would; what raises ends the run, for then the record would be lost."""
        ...


class Stopped(Exception):  # noqa: N818 - not an error: the way out of any depth when the run is asked to end
    """The stop event is set."""


@dataclass(frozen=True)
class Loop:
    """What all parts of one run share.

    :param normalise: record → common event, `normalize.normalize`; raises RecordError.
    :param wrap: record → diagnostic settings envelope, `normalize.envelope.wrap`.
    """

    store: Store
    dead_letter: DeadLetter
    normalise: Callable[..., Event]
    wrap: Callable[[Record, Stream, str], Event]
    clock: Clock
    observer: Observer
    stop: threading.Event
    policy: Policy

    def check(self) -> None:
        """:raises Stopped: the run is to end."""
        if self.stop.is_set():
            raise Stopped

    def pause(self, seconds: float) -> None:
        """Waits.

        :raises Stopped: the run is to end.
        """
        self.clock.sleep(seconds, until=self.stop)
        self.check()


@dataclass
class Outlet:
    """A sink, with what all its feeds share.

    :param lock: held while a batch is on its way.
    :param refused: why the sink takes nothing more in this run; "" while it does.
    """

    sink: Sink
    lock: threading.Lock = field(default_factory=threading.Lock)
    refused: str = ""


@dataclass
class Feed:
    """One (tenant, stream, sink).

    :param tries: times a batch is tried before the feed falls behind; None for as long as it takes.
    :param rest_until: by the monotonic clock; before it the feed is not served.
    :param failures: times in a row that it fell behind.
    """

    tenant: str
    tenant_id: str
    stream: Stream
    outlet: Outlet
    position: Position
    batch: int = 1000
    preserve_original: bool = False
    tries: Optional[int] = None
    rest_until: float = 0.0
    failures: int = 0

    @property
    def labels(self) -> dict[str, str]:
        """How the observer tells it from others."""
        return {"tenant": self.tenant, "stream": self.stream.name, "sink": self.outlet.sink.name}
