"""A synthetic company's weeks in Entra ID, from a seed.

The same options give the same records, byte for byte, on every machine and Python. The time is cut into slices; each
slice is made from the seed and its own number, so memory holds one slice (and the stories), whatever the range, and
the same hour is the same in every range that contains it whole.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, Union

from entrawatch.emulator.records import Emitted
from entrawatch.emulator.scenarios import stories
from entrawatch.emulator.tenant_audits import directory
from entrawatch.emulator.tenant_dice import Dice, mix
from entrawatch.emulator.tenant_records import EPOCH, Row
from entrawatch.emulator.tenant_risk import user_risk
from entrawatch.emulator.tenant_signins import people
from entrawatch.emulator.tenant_workloads import principal_risk, programs, provisioning
from entrawatch.emulator.tenant_world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DAY = 86_400
#: stream → (seconds that half of its records take at least, share of late ones, up to this many seconds)
_DELAYS = {
    "interactive": (90, 0.04, 2400), "non_interactive": (240, 0.06, 3600), "service_principal": (150, 0.03, 1800),
    "managed_identity": (150, 0.03, 1800), "directory_audits": (60, 0.03, 1500), "provisioning": (90, 0.03, 1800),
    "risk_detections": (60, 0.05, 7200), "risky_users": (60, 0.05, 7200),
    "service_principal_risk_detections": (60, 0.05, 7200), "risky_service_principals": (60, 0.05, 7200),
}  # fmt: skip


@dataclass(frozen=True)
class TenantOptions:
    """What to make.

    :param seed: any whole number: another company.
    :param users: employees, at least 2; guests and the stories' people come on top.
    :param start: first moment, aware.
    :param end: first moment after the range, aware.
    :param scenarios: "all" that fit into the range, "none", or slugs.
    :param late: records show minutes to hours after their time, as in Entra ID; False: at once.
    :param changes: records change after they first show; False: only their final form in the range is made.
    :raises ValueError: a value that makes no sense, or a named scenario that does not fit into the range.
    """

    seed: int = 1
    users: int = 200
    start: datetime = datetime(2026, 10, 5, tzinfo=timezone.utc)
    end: datetime = datetime(2026, 10, 19, tzinfo=timezone.utc)
    scenarios: Union[str, tuple[str, ...]] = "all"
    late: bool = True
    changes: bool = True

    def __post_init__(self) -> None:
        if self.users < 2:
            raise ValueError(f"users: {self.users} are too few for a company; take at least 2")
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("start, end: give them a time zone")
        if self.start >= self.end:
            raise ValueError(f"end: {self.end} is not after start {self.start}")
        stories.chosen(self.scenarios, self.end - self.start)

    @property
    def tenant_id(self) -> str:
        """The company's tenant: what its own people's sign-ins name as their home."""
        return World(self.seed, self.users).tenant_id


def generate(options: TenantOptions) -> Iterator[Emitted]:
    """The records of the company, slice by slice in the order of their time; changes follow their record at once.

    A record whose own time lies outside [start, end) is not made; one that arrives after the end is. Nested values are
    shared between records: do not change them.
    """
    world = World(options.seed, options.users)
    start, end = options.start.astimezone(timezone.utc), options.end.astimezone(timezone.utc)
    waiting = deque(sorted(stories.play(world, options.scenarios, start, end), key=itemgetter(0)))
    length = _slice_length(options.users)
    number = (start - EPOCH) // length
    while (moment := EPOCH + number * length) < end:
        rows = [row for row in _slice(world, number, moment, length) if start <= row.when < end]
        while waiting and waiting[0].when < moment + length:
            rows.append(waiting.popleft())
        rows.sort(key=itemgetter(0))
        dice = Dice(options.seed, "arrival", number)
        for row in rows:
            yield from _emitted(row, options, dice, end)
        number += 1


def _slice_length(users: int) -> timedelta:
    """An hour for most companies; shorter for large ones, so that a slice stays near 20,000 records."""
    minutes = next((size for size in (60, 30, 20, 10, 5, 2) if users * size < 300_000), 1)
    return timedelta(minutes=minutes)


def _slice(world: World, number: int, start: datetime, length: timedelta) -> Iterator[Row]:
    yield from people(world, number, start, length)
    yield from programs(world, number, start, length)
    for kind, daily in enumerate(_DAILY):
        share = daily.share * (1 if start.weekday() < 5 else daily.weekend)
        for when, turn in _due(world, kind, daily, max(daily.least, int(world.users * share)), start, length):
            yield from daily.make(world, (start - EPOCH).days, when, turn)


class _Daily(NamedTuple):
    """Something that happens so many times a day.

    :param share: times a person.
    :param least: times at any rate, so that every stream has some.
    :param opens: from this second of the UTC day on.
    :param closes: up to this second.
    :param weekend: share of the times that is left on a weekend.
    """

    make: Callable[[World, int, datetime, int], Iterator[Row]]
    share: float
    least: int
    opens: int
    closes: int
    weekend: float


_DAILY = (
    _Daily(directory, 0.12, 6, 6 * 3600, 19 * 3600, 0.1),
    _Daily(provisioning, 0.03, 4, 0, _DAY, 0.2),
    _Daily(user_risk, 0.0004, 1, 0, _DAY, 1),
    _Daily(principal_risk, 0.00002, 1, 0, _DAY, 1),
)


def _due(
    world: World, kind: int, daily: _Daily, times: int, start: datetime, length: timedelta
) -> Iterator[tuple[datetime, int]]:  # fmt: skip
    """Those of the day's events that fall into the slice: their time, and their number in the day."""
    day, midnight = (start - EPOCH).days, start.replace(hour=0, minute=0, second=0, microsecond=0)
    first = (start - midnight).total_seconds() - daily.opens
    last = first + length.total_seconds()
    spacing = (daily.closes - daily.opens) / times
    # a turn lies within one spacing after its place, so only those placed near the slice can fall into it
    for turn in range(max(0, int(first / spacing) - 2), min(times, int(last / spacing) + 2)):
        second = (turn + mix(world.seed, day, kind, turn) / 2**64) * spacing
        if first <= second < last:
            yield midnight + timedelta(seconds=daily.opens + second), turn


def _emitted(row: Row, options: TenantOptions, dice: Dice, end: datetime) -> Iterator[Emitted]:
    """The record with its arrival, then what it turns into within the range."""
    changes = [change for change in row.later if change.when is None or change.when < end]
    arrives = row.when + timedelta(seconds=_delay(row.stream, dice) if options.late else 0)
    if changes and not options.changes:
        final = changes[-1]
        yield Emitted(row.stream, final.record, max(arrives, final.when or arrives), row.label)
        return
    yield Emitted(row.stream, row.record, arrives, row.label)
    for change in changes:
        yield Emitted(row.stream, change.record, arrives + change.after, row.label)


def _delay(stream: str, dice: Dice) -> float:
    """Seconds until Graph shows a record: most within minutes, a few after ten and more."""
    usual, share, most = _DELAYS[stream]
    roll = dice.random()
    if roll < share:
        return 600 + (most - 600) * (roll / share) ** 2
    return usual * (0.6 + 1.6 * dice.random())
