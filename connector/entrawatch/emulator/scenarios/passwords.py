"""Guessed passwords: one account hammered, many accounts sprayed, the spray that got in, the accounts locked out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from entrawatch.emulator.records import Label
from entrawatch.emulator.tenant_apps import EXCHANGE, FIREFOX, LEGACY, OFFICE_HOME, OUTLOOK_WEB, REQUESTS
from entrawatch.emulator.tenant_records import Change, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from entrawatch.emulator.scenarios.stage import Stage
    from entrawatch.emulator.tenant_world import Place, User


def _group(row: Row, *names: str) -> dict[str, Any]:
    return {name: row.record[name] for name in names}


_USER_KEYS = ("userPrincipalName", "ipAddress", "appDisplayName", "userAgent")
_ADDRESS_KEYS = ("ipAddress", "appDisplayName", "userAgent")


def _match(stage: Stage, group: str, rows: Sequence[Row], names: Sequence[str]) -> Iterator[Row]:
    """The rows labelled with the keys that they share."""
    label = stage.match(group, **_group(rows[0], *names))
    for row in rows:
        yield row._replace(label=label)


def _guesses(
    stage: Stage, hours: float, user: User, place: Place, label: Label, count: int = 5, gap: float = 2, **changes: Any
) -> list[Row]:  # fmt: skip
    """Wrong passwords for one account, `gap` minutes apart."""
    return [stage.attempt(stage.at(hours, turn * gap), user, place, 50126, label, **changes) for turn in range(count)]


def brute_force(stage: Stage) -> Iterator[Row]:
    """≥ 5 wrong passwords by user, address, app and user agent within an hour; BAV2ROPC makes it worse."""
    none = stage.miss("")
    yield from _match(stage, "hammered", _guesses(stage, 0, stage.cast(0), stage.lair(0), none, 7), _USER_KEYS)
    legacy: dict[str, Any] = {
        "app": EXCHANGE, "userAgent": LEGACY, "clientAppUsed": "Authenticated SMTP", "authenticationProtocol": "ropc",
    }  # fmt: skip
    rows = _guesses(stage, 1, stage.cast(1), stage.lair(1), none, 5, **legacy)
    yield from _match(stage, "legacy", rows, _USER_KEYS)
    yield from _guesses(stage, 3, stage.cast(2), stage.lair(2), stage.miss("one-attempt-short"), 4)
    # sixteen minutes apart: the first and the fifth lie 64 minutes from each other
    yield from _guesses(stage, 5, stage.cast(3), stage.lair(3), stage.miss("too-slow"), 5, 16)
    yield from _other_app(stage)
    yield from _interrupted(stage)
    yield from _seen_twice(stage)


def _other_app(stage: Stage) -> Iterator[Row]:
    label = stage.miss("second-app")
    for turn in range(6):
        app = OFFICE_HOME if turn % 2 else OUTLOOK_WEB
        yield stage.attempt(stage.at(8, turn * 2), stage.cast(4), stage.lair(4), 50126, label, app)


def _interrupted(stage: Stage) -> Iterator[Row]:
    """Interrupts are no failures: the password was right every time."""
    label = stage.miss("interrupts")
    for turn, code in enumerate((50074, 50076, 50140, 50055, 50058, 50074, 50126)):
        yield stage.attempt(stage.at(10, turn * 2), stage.cast(5), stage.lair(5), code, label)


def _seen_twice(stage: Stage) -> Iterator[Row]:
    """Four attempts, two of which show again as another row of the same id: still four."""
    for turn, row in enumerate(_guesses(stage, 12, stage.cast(6), stage.lair(6), stage.miss("rows-of-one-sign-in"), 4)):
        again = dict(row.record, processingTimeInMilliseconds=row.record["processingTimeInMilliseconds"] + 7)
        yield row._replace(later=(Change(stage.at(0, 5) - stage.at(0), again),)) if turn % 2 else row


def _spray(
    stage: Stage, start: datetime, victims: Sequence[User], place: Place, label: Label, code: int = 50126,
) -> list[Row]:  # fmt: skip
    """One password tried on many accounts, a minute and a half apart."""
    gap = stage.at(0, 1.5) - stage.at(0)
    return [stage.attempt(start + turn * gap, user, place, code, label) for turn, user in enumerate(victims)]


def _victims(stage: Stage, count: int, first: int = 0) -> list[User]:
    return [stage.cast(first + number) for number in range(count)]


def password_spray(stage: Stage) -> Iterator[Row]:
    """≥ 5 distinct users with a wrong password by address, app and user agent within an hour."""
    rows = _spray(stage, stage.at(0), _victims(stage, 9), stage.lair(0), stage.miss(""))
    yield from _match(stage, "spray", rows, _ADDRESS_KEYS)
    short = [*_victims(stage, 4), *_victims(stage, 2)]
    yield from _spray(stage, stage.at(3), short, stage.lair(1), stage.miss("one-user-short"))
    label = stage.miss("second-user-agent")
    for turn, user in enumerate(_victims(stage, 6)):
        agent = REQUESTS if turn % 2 else FIREFOX
        yield stage.attempt(stage.at(5, turn), user, stage.lair(2), 50126, label, userAgent=agent)
    label = stage.miss("too-slow")
    for turn, user in enumerate(_victims(stage, 6)):
        yield stage.attempt(stage.at(7, turn * 16), user, stage.lair(3), 50126, label)
    yield from _spray(stage, stage.at(12), _victims(stage, 7), stage.lair(4), stage.miss("unknown-users"), 50034)


def password_spray_success(stage: Stage) -> Iterator[Row]:
    """A spray, then within a day after its last failure a success from its address for one of its users.

    The sprays themselves match `password-spray`, the success is what this scenario adds.
    """
    yield from _sprayed_then(stage, 0, "guessed", 3, 1)
    yield from _sprayed_then(stage, 1, "a-day-too-late", 25, 1)
    yield from _sprayed_then(stage, 2, "user-not-tried", 2, 9)
    yield from _sprayed_then(stage, 3, "before-the-last-failure", 0.05, 0)
    yield from _sprayed_then(stage, 4, "only-an-interrupt", 2, 2, 50074)
    yield from _sprayed_then(stage, 5, "other-address", 2, 3, place=stage.lair(6))
    lone, label = stage.lair(7), stage.miss("one-user-short")
    yield from _spray(stage, stage.at(8), _victims(stage, 4), lone, label)
    yield stage.attempt(stage.at(10), stage.cast(1), lone, 0, label)


def _sprayed_then(
    stage: Stage, number: int, case: str, hours: float, victim: int, code: int = 0, place: Optional[Place] = None
) -> Iterator[Row]:  # fmt: skip
    """A spray of seven, and a sign-in of one person `hours` after its first failure."""
    lair = stage.lair(number)
    rows = _spray(stage, stage.at(number), _victims(stage, 7), lair, stage.miss(""))
    spray = Label("password-spray", "match", f"{stage.slug}/{case}", _group(rows[0], *_ADDRESS_KEYS))
    for row in rows:
        yield row._replace(label=spray)
    if hours > 24:
        hours += 0.15  # counted from the spray's last failure
    user, source = stage.cast(victim), place or lair
    label = stage.miss(case)
    if case == "guessed":
        label = stage.match(case, ipAddress=source.address, userPrincipalName=user.upn)
    access = "failure" if code else "notApplied"
    yield stage.attempt(stage.at(number + hours), user, source, code, label, conditionalAccessStatus=access)


def multiple_lockouts(stage: Stage) -> Iterator[Row]:
    """≥ 5 distinct locked users by address, app and user agent within an hour."""
    rows = _spray(stage, stage.at(0), _victims(stage, 6), stage.lair(0), stage.miss(""), 50053)
    yield from _match(stage, "lockouts", rows, _ADDRESS_KEYS)
    yield from _spray(stage, stage.at(2), _victims(stage, 4), stage.lair(1), stage.miss("one-user-short"), 50053)
    again = [stage.cast(0)] * 4 + _victims(stage, 3, 1)
    yield from _spray(stage, stage.at(4), again, stage.lair(2), stage.miss("same-user-again"), 50053)
    label = stage.miss("too-slow")
    for turn, user in enumerate(_victims(stage, 6)):
        yield stage.attempt(stage.at(6, turn * 16), user, stage.lair(3), 50053, label)
    yield from _two_addresses(stage)


def _two_addresses(stage: Stage) -> Iterator[Row]:
    label = stage.miss("second-address")
    for turn, user in enumerate(_victims(stage, 6)):
        yield stage.attempt(stage.at(10, turn), user, stage.lair(4 + turn % 2), 50053, label)
