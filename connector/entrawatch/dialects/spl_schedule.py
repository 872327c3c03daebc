"""When a rule's search runs and over which time: at every whole H since the epoch, over the last W.

https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/SearchTimeModifiers,
https://docs.splunk.com/Documentation/Splunk/latest/Alert/CronExpressions (in the search head's time zone, so that a
step of more than an hour, or a zone beside the whole hour, shifts the windows but neither widens nor loses any)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from entrawatch.dialects.base import Unsupported
from entrawatch.rules import ir

if TYPE_CHECKING:
    from entrawatch.rules.rule import Rule

#: how often a rule on single events runs, each time over the time since
EVENT_STEP = timedelta(minutes=5)
_DAY = 24 * 60


@dataclass(frozen=True)
class Schedule:
    """A search's schedule.

    :param lookback: from `earliest` to `latest`.
    :param every: from one run to the next.
    """

    cron: str
    earliest: str
    latest: str
    lookback: timedelta
    every: timedelta


def schedule(rule: Rule) -> Schedule:
    """When the rule's search runs. Events that arrive later than they are looked for are missed: where they do, a
    package moves `earliest` and `latest` back together.

    :raises Unsupported: its step is none that cron can say.
    """
    lookback, every = reach(rule.query)
    minutes = int(lookback.total_seconds()) // 60
    return Schedule(_cron(rule.query, every), f"-{minutes}m@m", "@m", lookback, every)


def reach(query: ir.Query) -> tuple[timedelta, timedelta]:
    """How far back a search looks, and how long after one run the next one is."""
    if isinstance(query, ir.EventQuery):
        return EVENT_STEP, EVENT_STEP
    if isinstance(query, ir.FollowedQuery):
        # what follows is looked for in the last step only; what it followed, and that one's window, lie before
        return query.within + query.first.length + query.every, query.every
    return query.length, query.every


def _cron(query: ir.Query, every: timedelta) -> str:
    minutes = int(every.total_seconds()) // 60
    if minutes * 60 == every.total_seconds() and 0 < minutes < 60 and 60 % minutes == 0:
        return f"*/{minutes} * * * *"
    if minutes and minutes % 60 == 0 and _DAY % minutes == 0:
        return f"0 */{minutes // 60} * * *" if minutes < _DAY else "0 0 * * *"
    raise Unsupported(query, f"no cron expression runs every {every}")
