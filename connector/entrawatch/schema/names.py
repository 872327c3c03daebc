"""How names change their case between Graph, the event and Log Analytics."""

from __future__ import annotations

import re
from functools import lru_cache

_EDGE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@lru_cache(maxsize=4096)
def snake(name: str) -> str:
    """`riskEventTypes_v2` → `risk_event_types_v2`: the event's spelling. A dot would make a level, so it becomes _."""
    return _EDGE.sub("_", name).lower().replace(".", "_")


def pascal(name: str) -> str:
    """`appId` → `AppId`: the Log Analytics spelling."""
    return name[:1].upper() + name[1:]


def camel(name: str) -> str:
    """`AppId` → `appId`: the Graph spelling."""
    return name[:1].lower() + name[1:]
