"""The real clock."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    import threading


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Seconds from some fixed point, never set back: for measuring and for rate limits."""
        return time.monotonic()

    def sleep(self, seconds: float, until: Optional[threading.Event] = None) -> None:
        """Wait; end early when `until` is set."""
        if until is None:
            time.sleep(max(0.0, seconds))
        else:
            until.wait(max(0.0, seconds))
