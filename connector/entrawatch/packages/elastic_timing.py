"""When a rule runs in Kibana, how far back it looks, and for how long one finding keeps the next of its keys quiet.

The range of a run is one of `event.ingested` (`timestamp_override`), so it is wide enough when it holds what arrived
since; windows are cut out of it by the query itself, by the events' own time.
https://www.elastic.co/docs/solutions/security/detect-and-alert/create-detection-rule (Additional look-back time)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from entrawatch.dialects.esql_parts import LATE
from entrawatch.rules import ir

if TYPE_CHECKING:
    from entrawatch.rules.rule import Rule

_INTERVAL = timedelta(minutes=5)
#: a building block runs hourly over two hours, as Elastic asks of its own
_BLOCK_INTERVAL = timedelta(hours=1)
#: by how much runs on single events overlap: the time from an event's stamp to its being found, and a late run.
#: Kibana makes no second alert of one document.
_OVERLAP = timedelta(minutes=10)
#: how long another revision of an event may come behind it
_REVISIONS = timedelta(days=1)


@dataclass(frozen=True)
class Timing:
    """A rule's schedule.

    :param interval: from one run to the next, as Kibana writes it (5m, 1h).
    :param lookback: how far behind its start a run looks, in minutes (15m).
    :param suppression: minutes for which further findings with the same keys join the alert.
    """

    interval: str
    lookback: str
    suppression: int


def timing(rule: Rule) -> Timing:
    """The rule's schedule."""
    query = rule.query
    if isinstance(query, ir.EventQuery):
        block = rule.level == "informational"
        interval = _BLOCK_INTERVAL if block else _INTERVAL
        return _timing(interval, interval + (_BLOCK_INTERVAL if block else _OVERLAP), _REVISIONS)
    apart = query.length if not isinstance(query, ir.FollowedQuery) else _apart(query)
    # a hop until a window has ended, one until the run after it, and one by which that may be late
    return _timing(query.every, apart + LATE + 3 * query.every, apart + LATE)


def _apart(query: ir.FollowedQuery) -> timedelta:
    """How far apart two events of one finding can be."""
    return query.within + query.every + query.first.length


def _timing(interval: timedelta, lookback: timedelta, suppression: timedelta) -> Timing:
    return Timing(_told(interval), f"{_minutes(lookback)}m", _minutes(suppression))


def _told(length: timedelta) -> str:
    hours, rest = divmod(length, timedelta(hours=1))
    return f"{_minutes(length)}m" if rest else f"{hours}h"


def _minutes(length: timedelta) -> int:
    minutes, rest = divmod(length, timedelta(minutes=1))
    return minutes + bool(rest)
