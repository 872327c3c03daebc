"""How often Graph answers: sliding windows, as its limits are published.

Source: https://learn.microsoft.com/graph/throttling-limits (Microsoft Entra ID reporting: 5 requests in 10 seconds an
app and tenant; Identity Protection: 1 request a second a tenant, for all apps together, without Retry-After).
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from entrawatch.emulator.answers import RefusedError

if TYPE_CHECKING:
    from entrawatch.interfaces import Clock


@dataclass(frozen=True)
class Limits:
    """How many requests are answered in how many seconds.

    :param retry_after: whether 429 of the reporting paths says when to come again.
    """

    reporting: tuple[int, float] = (5, 10.0)
    identity_protection: tuple[int, float] = (1, 1.0)
    retry_after: bool = True


class Throttle:
    """The budgets in use; a refused request costs nothing."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits, self._clock = limits, clock
        self._served: dict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def check(self, reporting: bool, app_id: str) -> None:
        """Count a request.

        :raises RefusedError: 429 where the budget of the last seconds is spent.
        """
        count, seconds = self._limits.reporting if reporting else self._limits.identity_protection
        with self._lock:
            served, now = self._served[f"reporting {app_id}" if reporting else "identity"], self._clock.monotonic()
            while served and now - served[0] >= seconds:
                served.popleft()
            if len(served) < count:
                served.append(now)
                return
            wait = seconds - (now - served[0])
        raise throttled(f"{wait:.3f}" if reporting and self._limits.retry_after else "")


def throttled(retry_after: str) -> RefusedError:
    """429 as https://learn.microsoft.com/graph/throttling shows it.

    :param retry_after: the header's text; "" for none.
    """
    headers = {"Retry_After": retry_after} if retry_after else {}
    return RefusedError(429, "TooManyRequests", "This request is throttled. Please try again later.", **headers)
