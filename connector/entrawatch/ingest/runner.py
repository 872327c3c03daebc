"""Runs the loop: a worker a stream, side by side, until it is told to stop or has reached the present."""

from __future__ import annotations

import hashlib
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Optional

from entrawatch.clock import SystemClock
from entrawatch.config.model import ShardConfig, TenantConfig
from entrawatch.ingest.feed import Loop, Outlet
from entrawatch.ingest.keys import seconds
from entrawatch.ingest.policy import Policy
from entrawatch.ingest.position import Span
from entrawatch.ingest.rests import Tenant
from entrawatch.ingest.worker import Worker
from entrawatch.interfaces import Silent
from entrawatch.schema.streams import STREAMS, default_streams

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from entrawatch.ingest.feed import DeadLetter
    from entrawatch.ingest.store import Store
    from entrawatch.interfaces import Clock, Event, Observer, Record, Sink, Source, Window
    from entrawatch.schema.streams import Stream


@dataclass
class Outcome:
    """How a run ended.

    :param failed: "tenant/stream" → why it was given up.
    :param degraded: "tenant/stream" → what is missing to read it (permission, licence).
    :param refused: sink → why it took nothing more.
    """

    failed: dict[str, str] = field(default_factory=dict)
    degraded: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0, or 3 where a stream or a sink failed; a stream without permission or licence alone is no failure."""
        return 3 if self.refused or set(self.failed) - set(self.degraded) else 0


def in_shard(shard: ShardConfig, tenant: str, stream: str) -> bool:
    """Whether this host reads that stream: tenant and stream are dealt to the hosts by a hash."""
    digest = hashlib.blake2b(f"{tenant}\0{stream}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % shard.count == shard.index


@contextmanager
def stop_on_signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set the event instead of ending the process; the former handlers return at the end."""

    def ask(_number: int, _frame: Any) -> None:
        stop.set()

    former = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _wrap(record: Record, stream: Stream, tenant_id: str) -> Event:
    from entrawatch.normalize.envelope import wrap  # loaded only where a sink takes envelopes

    return wrap(record, stream, tenant_id)


class Runner:
    """One process's loop.

    :param tenants: each tenant with the source that reads it.
    :param sinks: where all events go; they are called from one thread at a time each.
    :param normalise: `normalize.normalize`.
    :param store: the open state; the caller closes it.
    :param dead_letter: takes what can never be an event, and what a sink will never take.
    :param wrap: `normalize.envelope.wrap`, which is the default.
    :param stop: set it, from any thread or a signal handler, and `run` returns when the batch in flight is saved.
    :param shard: the part of the streams that is read here.
    """

    def __init__(
        self, tenants: Sequence[tuple[TenantConfig, Source]], sinks: Sequence[Sink], normalise: Callable[..., Event],
        store: Store, dead_letter: DeadLetter, *, wrap: Callable[[Record, Stream, str], Event] = _wrap,
        clock: Optional[Clock] = None, observer: Optional[Observer] = None, stop: Optional[threading.Event] = None,
        shard: Optional[ShardConfig] = None, policy: Optional[Policy] = None,
    ) -> None:  # fmt: skip
        self._tenants = tenants
        self._sinks = sinks
        self._shard = shard or ShardConfig()
        self._loop = Loop(
            store, dead_letter, normalise, wrap, clock or SystemClock(), observer or Silent(),
            stop or threading.Event(), policy or Policy(),
        )  # fmt: skip

    def run(self, once: bool = False) -> Outcome:
        """Reads all streams into all sinks.

        :param once: end at the present instead of waiting for more; holes and the backfill are read too.
        :raises StateError: the state cannot be read or written; everything acknowledged before is in the sinks.
        """
        return self._run(once=once)

    def read_range(self, window: Window) -> Outcome:
        """Reads one range and nothing else, oldest first; a range that was begun goes on where it stood.

        Edges count in whole seconds: the start is rounded down, the end up. What was read before in this state is
        known, so that reading a range again gives what is new or changed.

        :raises StateError: as `run`.
        """
        start, end = seconds(window.start), seconds(window.end)
        return self._run(once=True, only=Span(start, end if end == window.end.timestamp() else end + 1))

    def _run(self, *, once: bool, only: Optional[Span] = None) -> Outcome:
        outlets = [Outlet(sink) for sink in self._sinks]
        workers = self._workers(outlets, once=once, only=only)
        if len(workers) == 1:
            workers[0].run()
        else:
            _side_by_side(workers, self._loop.stop)
        return Outcome(
            {worker.name: worker.failed for worker in workers if worker.failed},
            {worker.name: worker.degraded for worker in workers if worker.degraded},
            {outlet.sink.name: outlet.refused for outlet in outlets if outlet.refused},
        )

    def _workers(self, outlets: Sequence[Outlet], *, once: bool, only: Optional[Span]) -> list[Worker]:
        workers = []
        for config, source in self._tenants:
            tenant = Tenant()
            for stream in [STREAMS[name] for name in config.streams] or default_streams():
                if in_shard(self._shard, config.name, stream.name):
                    workers.append(Worker(config, stream, source, outlets, self._loop, tenant, once=once, only=only))
        return workers


def _side_by_side(workers: Sequence[Worker], stop: threading.Event) -> None:
    """Runs each worker in a thread; the first that breaks stops the others, and its error is raised."""
    broken: list[BaseException] = []

    def run(worker: Worker) -> None:
        try:
            worker.run()
        except BaseException as error:  # handed to the caller's thread
            broken.append(error)
            stop.set()

    threads = [threading.Thread(target=run, args=(worker,), name=worker.name, daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():  # in short waits, for only between them a signal's handler gets its turn
            thread.join(0.2)
    if broken:
        raise broken[0]
