"""When the demo looks: on a working afternoon, at a moment at which records are on their way and others will change."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from entrawatch.emulator.records import Emitted

#: records of one stream and id in the order in which Graph shows them
Forms = dict[tuple[str, str], list["Emitted"]]

_AFTERNOON = time(15, 30)
_CHOICE = 4 * 60
#: a change is rarer than a late record, and worth more of the two to see
_WORTH = 20
#: what the first look takes, on the demo's clock
_LOOKS = timedelta(minutes=5)


def afternoon(now: datetime) -> datetime:
    """The last half past three, UTC, of a working day."""
    end = datetime.combine(now.date(), _AFTERNOON, now.tzinfo)
    while end > now or end.weekday() > 4:
        end -= timedelta(days=1)
    return end


def first_look(emitted: Iterable[Emitted], end: datetime, later: int, sweep: int) -> datetime:
    """The moment at which the second look has most to find that the first one cannot have seen.

    :param later: minutes from the first look to the second, which is not behind the end.
    :param sweep: minutes behind the second look's present that it reads again.
    """
    pending = list(_pending(emitted, timedelta(minutes=min(later, sweep))))
    moments = [end - timedelta(minutes=later + back) for back in range(_CHOICE)]
    return max(moments, key=lambda at: sum(worth for begun, done, worth in pending if begun < at < done - _LOOKS))


def _pending(emitted: Iterable[Emitted], reach: timedelta) -> Iterator[tuple[datetime, datetime, int]]:
    """From when to when a first look would be too early, and what it would be worth."""
    edge = timedelta(minutes=3)
    for first, *others in forms(emitted).values():
        behind = time_of(first) + reach
        yield time_of(first) + edge, min(first.arrives, behind), 1
        for change in others:
            yield max(first.arrives, time_of(first) + edge), min(change.arrives, behind), _WORTH


def forms(emitted: Iterable[Emitted]) -> Forms:
    """The forms of each record, the first one first."""
    found: Forms = {}
    for one in emitted:
        found.setdefault((one.stream, str(one.record["id"])), []).append(one)
    return found


def time_of(one: Emitted) -> datetime:
    """The record's own time."""
    from entrawatch.schema import times
    from entrawatch.schema.streams import STREAMS

    return times.parse(one.record[STREAMS[one.stream].time_field]) or one.arrives
