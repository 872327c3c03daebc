"""A clock that moves only when someone sleeps."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    import threading


class FakeClock:
    """Starts on a fixed day; `sleep` moves it and returns at once."""

    def __init__(self, start: datetime = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)) -> None:
        self._start, self._gone = start, 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._gone)

    def monotonic(self) -> float:
        return self._gone

    def sleep(self, seconds: float, until: Optional[threading.Event] = None) -> None:
        if until is None or not until.is_set():
            self._gone += max(0.0, seconds)
