"""Event times as Entra logs write them, exact to their seven digits.

A tick is 100 nanoseconds, the unit of .NET's clock and so of every time Entra ID writes; Python's datetime stops at
microseconds, so two records 100 ns apart are told apart as ticks only. Forms seen: ISO 8601 with 0 to 9 digits, with
Z, an offset or no zone (taken for UTC), and `M/d/yyyy h:mm:ss a` in diagnostic settings.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Optional

TICKS_A_SECOND = 10_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - counted from, never shown

_TAIL = r"(?:\.(\d{1,9}))?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)" + _TAIL, re.IGNORECASE | re.ASCII)
_US = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4})[ ,]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.(\d{1,9}))?\s*([AP]M)?\s*"
    r"(Z|UTC|GMT|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE | re.ASCII,
)


def ticks(text: object) -> Optional[int]:
    """Ticks since 1970-01-01 UTC of a time in any form seen; None when it is no time. Digits beyond seven are cut."""
    if not isinstance(text, str):
        return None
    try:
        if text.endswith("Z") and len(text) == 20:  # what Graph sends most: whole seconds
            return _whole(datetime.fromisoformat(text[:19]))
        return _iso(text.strip()) if "/" not in text else _us(text.strip())
    except (ValueError, OverflowError):
        return None


def _whole(naive: datetime) -> int:
    gone = naive - _NAIVE_EPOCH
    return (gone.days * 86400 + gone.seconds) * TICKS_A_SECOND


def _fraction(digits: Optional[str]) -> int:
    return int(digits[:7].ljust(7, "0")) if digits else 0


def _offset(zone: Optional[str]) -> int:
    """Ticks to take off to come to UTC."""
    if not zone or zone[0] not in "+-":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:
        raise ValueError(zone)
    seconds = hours * 3600 + minutes * 60
    return (-seconds if zone[0] == "-" else seconds) * TICKS_A_SECOND


def _iso(text: str) -> Optional[int]:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    day, clock, digits, zone = match.groups()
    return _whole(datetime.fromisoformat(f"{day}T{clock}")) + _fraction(digits) - _offset(zone)


def _us(text: str) -> Optional[int]:
    match = _US.fullmatch(text)
    if match is None:
        return None
    month, day, year, hour, minute, second, digits, half, zone = match.groups()
    hours = int(hour)
    if half:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half.upper() == "PM" else 0)
    naive = datetime(int(year), int(month), int(day), hours, int(minute), int(second or 0))  # noqa: DTZ001 - zone below
    return _whole(naive) + _fraction(digits) - _offset(zone)


def of(moment: datetime) -> int:
    """Ticks since 1970-01-01 UTC of an aware datetime."""
    gone = moment - EPOCH
    return (gone.days * 86400 + gone.seconds) * TICKS_A_SECOND + gone.microseconds * 10


def to_datetime(count: int) -> datetime:
    """The aware UTC datetime of a count of ticks, cut to microseconds."""
    return EPOCH + timedelta(microseconds=count // 10)


def parse(text: object) -> Optional[datetime]:
    """The aware UTC datetime of a time in any form seen, cut to microseconds; None when it is no time."""
    count = ticks(text)
    try:
        return None if count is None else to_datetime(count)
    except OverflowError:
        return None


def iso(count: int) -> str:
    """ISO 8601 UTC with Z: whole seconds where it is whole, else seven digits."""
    seconds, rest = divmod(count, TICKS_A_SECOND)
    text = (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    return f"{text}.{rest:07d}Z" if rest else f"{text}Z"
