"""The real clock."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone
from typing import Optional

#: seconds; the system refuses to wait longer
_LONGEST = threading.TIMEOUT_MAX


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
        seconds = min(max(0.0, seconds), _LONGEST)
        if until is None:
            time.sleep(seconds)
        else:
            until.wait(seconds)
