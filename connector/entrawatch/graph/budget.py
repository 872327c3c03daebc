"""Graph's published request budgets, kept by all threads together.

Reporting takes 5 requests in 10 s per application and tenant and 122 in 10 s per application over all tenants;
Identity Protection 1 a second per tenant for all applications together, and sends no Retry-After
(learn.microsoft.com/graph/throttling-limits). How Graph cuts its seconds is not documented, so the limit is kept in
any 10 s (a token bucket with a burst of 5 would send 10 in its first 10 s), with a little room, for a request can be
slow on its way and the next one quick.
"""

from __future__ import annotations

import bisect
import itertools
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

from entrawatch.errors import TransientError
from entrawatch.interfaces import Silent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrawatch.interfaces import Clock, Observer

#: priorities: the smaller goes first
LIVE, BACKFILL = 0, 1
#: how much longer than published a period is taken
ROOM = 1.02
#: seconds between two looks of one who is not the first in the queue
LOOK = 0.05


@dataclass(frozen=True)
class Limit:
    """At most `count` request starts in any `seconds`, counted for each value of `per` ("tenant", "client")."""

    count: int
    seconds: float
    per: tuple[str, ...]


#: budget → its limits; the first one's `per` says who queues and cools down together
LIMITS: dict[str, tuple[Limit, ...]] = {
    "reporting": (Limit(5, 10, ("tenant", "client")), Limit(122, 10, ("client",))),
    "identity_protection": (Limit(1, 1, ("tenant",)),),
    # Directory objects (register-app, doctor's licence check) have far larger budgets; a handful of requests.
    "directory": (Limit(10, 1, ("tenant", "client")),),
}
#: no limits of our own: for an emulator on this machine and for measurements
UNLIMITED: dict[str, tuple[Limit, ...]] = dict.fromkeys(LIMITS, ())


class _Starts:
    """The starts one limit counts. Not locked: the gate's lock covers it."""

    def __init__(self, limit: Limit) -> None:
        self._period = limit.seconds * ROOM
        self._starts: deque[float] = deque(maxlen=limit.count)

    def wait(self, now: float) -> float:
        """Seconds until another start is allowed."""
        full = len(self._starts) == self._starts.maxlen
        return self._starts[0] + self._period - now if full else 0.0

    def take(self, now: float) -> None:
        self._starts.append(now)


class Gate:
    """Where every request of one budget waits for its turn; one a budget, tenant and application."""

    def __init__(
        self, name: str, starts: list[_Starts], lock: threading.Lock, clock: Clock, observer: Observer
    ) -> None:
        self._name = name
        self._starts = starts
        self._lock = lock
        self._clock = clock
        self._observer = observer
        self._tickets = itertools.count()
        self._queue: list[tuple[int, int]] = []
        self._not_before = float("-inf")

    def enter(self, priority: int = LIVE, stop: Optional[threading.Event] = None) -> float:
        """Wait for the turn of one request; live ones before backfill, each kind in its order.

        :param stop: ends the waiting early.
        :returns: seconds waited.
        :raises TransientError: `stop` was set.
        """
        ticket, begun = (priority, next(self._tickets)), self._clock.monotonic()
        with self._lock:
            bisect.insort(self._queue, ticket)
        try:
            while True:
                wait = self._try(ticket)
                if wait is None:
                    return self._report(begun)
                self._clock.sleep(wait, stop)
                if stop is not None and stop.is_set():
                    raise TransientError("stopped while waiting for a request's turn")
        finally:
            with self._lock:
                if ticket in self._queue:
                    self._queue.remove(ticket)

    def _try(self, ticket: tuple[int, int]) -> Optional[float]:
        """None when the turn came and was taken, else seconds until it is worth another look."""
        with self._lock:
            now = self._clock.monotonic()
            wait = max([self._not_before - now, *(starts.wait(now) for starts in self._starts)])
            if wait > 0:
                return max(wait, 0.001)
            if self._queue[0] != ticket:
                return LOOK
            self._queue.pop(0)
            for starts in self._starts:
                starts.take(now)
            return None

    def _report(self, begun: float) -> float:
        waited = self._clock.monotonic() - begun
        self._observer.observe("graph_budget_wait_seconds", waited, limit=self._name)
        return waited

    def cool_down(self, seconds: float) -> None:
        """Nobody of this gate sends anything for so long; a longer pause already ordered stays."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock.monotonic() + seconds)
        self._observer.gauge("graph_cool_down_seconds", seconds, limit=self._name)


class Budgets:
    """The gates of a process; give the same one to every source, so that they keep the limits together.

    :param limits: LIMITS, or UNLIMITED against an emulator.
    """

    def __init__(
        self, clock: Clock, observer: Optional[Observer] = None, limits: Mapping[str, tuple[Limit, ...]] = LIMITS
    ) -> None:
        self._clock = clock
        self._observer = observer or Silent()
        self._limits = limits
        self._lock = threading.Lock()
        self._starts: dict[tuple[object, ...], _Starts] = {}
        self._gates: dict[tuple[object, ...], Gate] = {}

    def gate(self, name: str, tenant_id: str, client_id: str) -> Gate:
        """The gate of a budget for an application in a tenant."""
        limits, who = self._limits[name], {"tenant": tenant_id.lower(), "client": client_id.lower()}
        key = (name, *(who[part] for part in (limits[0].per if limits else ("tenant", "client"))))
        with self._lock:
            if key not in self._gates:
                starts = [self._counter(name, limit, who) for limit in limits]
                self._gates[key] = Gate(name, starts, self._lock, self._clock, self._observer)
            return self._gates[key]

    def _counter(self, name: str, limit: Limit, who: Mapping[str, str]) -> _Starts:
        key = (name, limit, *(who[part] for part in limit.per))
        return self._starts.setdefault(key, _Starts(limit))
