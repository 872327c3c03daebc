"""How often Sentinel runs a rule, and how far back a run must see for nothing to be missed.

https://learn.microsoft.com/azure/sentinel/scheduled-rules-overview
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Optional

from entrawatch.rules import ir

if TYPE_CHECKING:
    from entrawatch.rules.rule import Baseline, Rule

#: how late a record may come
ALLOWANCE = timedelta(hours=1)
#: how late Sentinel runs a scheduled rule
DELAY = timedelta(minutes=5)
#: how far apart the rows of one event may be: while the first is in sight, a later one is none of its own
ROWS = timedelta(minutes=45)
#: how often a rule on single events is run
_EVERY = timedelta(minutes=15)
#: from this query period on, Sentinel runs a rule every hour at most
_LONG = timedelta(days=2)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
#: how much further back than it has to a rule looks that asks a baseline: else the first record in sight would be taken
#: for the beginning of the logs
_MARGIN = _DAY / 2


@dataclass(frozen=True)
class Schedule:
    """When a rule runs.

    :param every: F, between two runs.
    :param period: how far back a run sees.
    :param hops: how many hops before its own a run looks at windows.
    """

    every: timedelta
    period: timedelta
    hops: int = 0


def schedule(rule: Rule, baseline: Optional[Baseline]) -> Schedule:
    """When the rule runs, and what a run must see for nothing to be missed that comes within ALLOWANCE.

    :param baseline: what the rule is held against, if anything.
    """
    query = rule.query
    if isinstance(query, ir.WindowQuery):
        return _of_windows(query, baseline)
    if isinstance(query, ir.JoinQuery):
        return Schedule(query.every, _rounded(query.length + 2 * query.every + ALLOWANCE))
    if isinstance(query, ir.FollowedQuery):
        least = query.within + query.first.length + 2 * query.every + ALLOWANCE
        # the longest that still lets it run more often than hourly: the more it sees, the longer a finding is known
        return Schedule(query.every, _LONG - _HOUR) if least < _LONG else Schedule(_HOUR, _rounded(least))
    if baseline:
        return Schedule(_HOUR, _rounded(baseline.lookback + _HOUR + ALLOWANCE + ROWS + _MARGIN))
    return Schedule(_EVERY, _EVERY + ALLOWANCE + ROWS)


def _of_windows(query: ir.WindowQuery, baseline: Optional[Baseline]) -> Schedule:
    every = query.every if query.length + ALLOWANCE + 3 * query.every < _LONG else max(query.every, _HOUR)
    # the windows that a record may newly fill, and those before them by which a finding may have begun already
    hops = -(-(every + ALLOWANCE + min(query.length, _DAY)) // query.every) + 1
    seen = query.length + (hops + 1) * query.every
    if baseline:
        seen = max(seen, baseline.lookback + (hops + 1) * query.every) + _MARGIN
    return Schedule(every, _rounded(seen), hops)


def _rounded(period: timedelta) -> timedelta:
    """In whole days from two days on: the portal shows one unit."""
    return period if period < _LONG else -(-period // _DAY) * _DAY
