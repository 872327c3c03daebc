"""When a saved search runs, over which events, and for how long it is silent about what it has told.

Events come late: Graph gives a sign-in minutes after it happened, now and then hours, and the collector reads each
range of time again after 15 minutes, two hours and a day. Two laws:

* A rule on single events goes by arrival: each run takes what was indexed in the last `ARRIVED`, whenever it happened
  within the last `WIDE`. `ARRIVED` is three steps, so that what was written while a run was looking, or what a failed
  run left out, is taken by the next one.
* A rule on several events goes by when they happened, and looks at each window again and again until an event that
  belongs to it can no longer come (`spl_alert.LATE`).

Both tell what they find at the first run after its last event has arrived; what later runs find again has the same keys
and is held back by throttling. That lasts as long as a finding can be found again, and an hour longer: its clock is the
wall's, and a run may come late.

The keys: https://docs.splunk.com/Documentation/Splunk/latest/Admin/Savedsearchesconf; the scheduler resolves relative
times against the scheduled time, not against the time the search came to run.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from entrawatch.dialects.spl_alert import LATE
from entrawatch.dialects.spl_schedule import EVENT_STEP, schedule
from entrawatch.rules import ir

if TYPE_CHECKING:
    from entrawatch.packages.splunk_conf import Value
    from entrawatch.rules.rule import Baseline, Rule

#: how far back a run takes up events by their arrival
ARRIVED = 3 * EVENT_STEP
#: how long after it happened an event is still looked for by a rule on single events
WIDE = timedelta(hours=26)
_HOUR = timedelta(hours=1)
#: how often a baseline is learnt anew
_LEARNT = timedelta(hours=6)


@dataclass(frozen=True)
class Times:
    """A saved search's schedule.

    :param every: from one run to the next.
    :param lookback: how far back events may have happened.
    :param arrived: how far back they may have been indexed, None for any time.
    :param silent: for how long a finding's keys are held back.
    :param late: how late an event may come and still be found.
    """

    cron: str
    every: timedelta
    lookback: timedelta
    arrived: timedelta | None
    silent: timedelta
    late: timedelta

    @property
    def settings(self) -> dict[str, Value]:
        """The schedule as keys of savedsearches.conf. Continuous scheduling: no run is left out."""
        indexed: dict[str, Value] = {}
        if self.arrived is not None:
            indexed = {"dispatch.index_earliest": f"-{minutes(self.arrived)}m", "dispatch.index_latest": "now"}
        return {
            "enableSched": True,
            "cron_schedule": self.cron,
            "dispatch.earliest_time": f"-{minutes(self.lookback)}m",
            "dispatch.latest_time": "now",
            **indexed,
            "realtime_schedule": False,
            "schedule_window": "auto",
            "allow_skew": 0,
        }

    @property
    def throttle(self) -> str:
        """The period of throttling as Splunk writes it."""
        return f"{minutes(self.silent)}m"


def times(rule: Rule) -> Times:
    """A rule's schedule."""
    plain, query = schedule(rule), rule.query
    if isinstance(query, ir.EventQuery):
        return Times(_cron(rule.slug, EVENT_STEP), EVENT_STEP, WIDE, ARRIVED, WIDE + _HOUR, WIDE)
    if isinstance(query, ir.FollowedQuery):
        # what follows is looked for in the last step and what may come late; windows that overlap are one finding
        return Times(_cron(rule.slug, plain.every), plain.every, plain.lookback + LATE, None, query.within, LATE)
    lookback = plain.lookback + LATE + plain.every
    return Times(_cron(rule.slug, plain.every), plain.every, lookback, None, lookback + _HOUR, LATE)


def learning(baseline: Baseline) -> Times:
    """The schedule of the search that keeps a baseline."""
    return Times(_cron(baseline.name, _LEARNT), _LEARNT, baseline.lookback, None, _LEARNT, _HOUR)


def minutes(span: timedelta) -> int:
    """A span as whole minutes."""
    return int(span.total_seconds()) // 60


def _cron(name: str, every: timedelta) -> str:
    """Every so often, at a minute that the name gives, so that not all searches run at once."""
    step = minutes(every)
    if step <= 60:
        first = zlib.crc32(name.encode()) % step
        return f"{','.join(str(minute) for minute in range(first, 60, step))} * * * *"
    hours = ",".join(str(hour) for hour in range(0, 24, step // 60))
    return f"{zlib.crc32(name.encode()) % 60} {hours} * * *"
