"""Statistics of numbers, and spans of time.

https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/Aggregatefunctions: values that are no numbers are
passed over; median is the 50th percentile; perc is approximate beyond 1,000 different values, exact below.
"""

from __future__ import annotations

import math
import re
from typing import Any, Optional

from .faults import SplError
from .values import number

NUMERIC = {"sum", "avg", "median"}
PERCENTILE = re.compile(r"(?:p|perc)(\d+)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def numeric(function: str, values: list[Any]) -> Optional[float]:
    """The statistic, None of nothing."""
    found = sorted(value for value in map(number, values) if value is not None)
    if not found:
        return None
    if function in {"sum", "avg"}:
        total = sum(found) / (len(found) if function == "avg" else 1)
        return int(total) if float(total).is_integer() else total
    match = PERCENTILE.fullmatch(function)
    share = int(match.group(1)) if match else 50
    return found[max(0, math.ceil(len(found) * share / 100) - 1)]


def spanned(text: str) -> int:
    """A span in seconds.

    :raises SplError: it is none.
    """
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if not match:
        raise SplError(f"no span: {text!r}")
    return int(match.group(1)) * _UNITS[match.group(2)]
