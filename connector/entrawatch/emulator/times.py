"""Times as whole 100-nanosecond ticks, the precision Graph writes: seven digits would not fit a datetime."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

#: ticks of one second
SECOND = 10_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,12}))?(Z|[+-]\d{2}:\d{2}))?", re.IGNORECASE
)


def ticks_of(moment: datetime) -> int:
    """Ticks since the epoch of an aware time."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 10


def ticks(text: str) -> int:
    """Ticks since the epoch of an ISO 8601 time with a zone, or of a date (midnight UTC), as OData writes them.

    :raises ValueError: it is neither.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"not a date and time with a zone: {text[:40]!r}")
    day, clock, fraction, zone = match.groups()
    offset = "+00:00" if zone in (None, "Z", "z") else zone
    moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}{offset}")
    return ticks_of(moment) + int((fraction or "0")[:7].ljust(7, "0"))
