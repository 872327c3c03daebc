"""People's days: the sign-in in the morning with its interrupts and typing errors, visits, and the refreshes between.

What keeps the background from looking like an attack is built in, not left to chance: at most four people behind one
address mistype their password on one day, nobody mistypes more than twice, a second factor fails at most once a day,
and only offices let a person in with one factor.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from entrawatch.emulator.tenant_apps import BACKGROUND, INTERACTIVE, SYNC, App
from entrawatch.emulator.tenant_dice import Dice, mix
from entrawatch.emulator.tenant_policies import AT_OFFICE, BLOCKED, BY_POLICY, MFA_DONE, MFA_WANTED, NOT_EVALUATED
from entrawatch.emulator.tenant_records import EPOCH, Change, Row, status, step, user_signin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from entrawatch.emulator.tenant_world import Place, User, World
    from entrawatch.interfaces import Record

#: interactive visits and refreshes a person and weekday, beside the morning's sign-in
VISITS, REFRESHES = 2.0, 22.0
#: how the day's activity spreads over its hours, local time
_HOURS = (0.2, 0.1, 0.1, 0.1, 0.1, 0.3, 1, 3, 8, 11, 10, 10, 7, 9, 10, 10, 8, 5, 2, 1.5, 1.2, 1, 0.6, 0.4)
_SHARE = tuple(hour / sum(_HOURS) for hour in _HOURS)
#: the morning's sign-ins lie between these seconds of the local day
_MORNING, _MORNING_END = 7.5 * 3600, 10 * 3600
#: codes a refresh may meet; none of them is a wrong password
_REFRESH_ERRORS = (70044, 50173, 50058, 65001)


def people(world: World, number: int, start: datetime, length: timedelta) -> Iterator[Row]:
    """The sign-ins of employees and guests in one time slice.

    :param number: the slice's number since the epoch.
    """
    dice = Dice(world.seed, "people", number)
    for office, town in enumerate(world.offices):
        local = start + timedelta(hours=town.offset)
        heads = world.headcount(office)
        weekday = local.weekday() < 5
        yield from _mornings(world, dice, office, start, length)
        share = _SHARE[local.hour] * length.total_seconds() / 3600 * (1 if weekday else 0.12)
        for _ in range(dice.count(heads * share * VISITS)):
            user = world.user(dice.below(heads) * world.office_count + office)
            yield from visit(world, dice, _moment(dice, start, length), user)
        for _ in range(dice.count(heads * share * REFRESHES / 3)):
            user = world.user(dice.below(heads) * world.office_count + office)
            # a person's programs wake together: three tokens at a time on average
            for _ in range(1 + dice.below(5)):
                yield refresh(world, dice, _moment(dice, start, length), user)
    for _ in range(dice.count(world.guests * _SHARE[start.hour] * length.total_seconds() / 3600)):
        guest = world.guest(dice.below(world.guests))
        yield from visit(world, dice, _moment(dice, start, length), guest)
    yield from _sync(world, dice, start, length)


def _moment(dice: Dice, start: datetime, length: timedelta) -> datetime:
    return start + timedelta(seconds=int(dice.random() * length.total_seconds()), microseconds=dice.below(1_000_000))


def _day(when: datetime) -> int:
    return (when - EPOCH).days


def _mornings(world: World, dice: Dice, office: int, start: datetime, length: timedelta) -> Iterator[Row]:
    """Everybody of an office once a weekday, in an order that changes from day to day."""
    local = start + timedelta(hours=world.offices[office].offset)
    if local.weekday() >= 5:
        return
    second = local.hour * 3600 + local.minute * 60
    heads, span = world.headcount(office), _MORNING_END - _MORNING
    first = int(heads * max(0.0, min(1.0, (second - _MORNING) / span)))
    last = int(heads * max(0.0, min(1.0, (second + length.total_seconds() - _MORNING) / span)))
    day = _day(local)
    for turn in range(first, last):
        user = world.user((turn + day * 7) % heads * world.office_count + office)
        when = start + timedelta(seconds=_MORNING + span * (turn + 0.5) / heads - second)
        yield from morning(world, dice, when, user)


def morning(world: World, dice: Dice, when: datetime, user: User) -> Iterator[Row]:
    """The first sign-in of a day: perhaps mistyped, then interrupts, then in."""
    day = _day(when)
    if (user.seat + day) % 10 == 0 and mix(world.seed, user.number, day, 15) % 10 < 6:
        place = world.where(user, day)
        app = INTERACTIVE[user.number % len(INTERACTIVE)]
        correlation = dice.guid()
        for code in ((50126,), (50126, 50126), (50126, 50053))[mix(world.seed, user.number, day, 16) % 3]:
            yield failure(world, dice, when, user, place, app, code, correlationId=correlation)
            when += timedelta(seconds=dice.between(8, 40))
    yield from visit(world, dice, when, user, first=True)


def failure(
    world: World, dice: Dice, when: datetime, user: User, place: Place, app: App, code: int, **changes: Any
) -> Row:  # fmt: skip
    """An interactive sign-in that ended before conditional access was asked.

    authenticationDetails is empty, as it is for 50126 and 50053 since November 2025.
    """
    values = {"status": status(code), "appliedConditionalAccessPolicies": NOT_EVALUATED, **changes}
    return Row(when, "interactive", user_signin(world, dice, when, user, place, app, **values))


def visit(world: World, dice: Dice, when: datetime, user: User, *, first: bool = False) -> Iterator[Row]:
    """One interactive sign-in with its interrupts: rows of one correlation, each with its own id."""
    place = world.where(user, _day(when))
    app = INTERACTIVE[dice.below(len(INTERACTIVE))]
    common = {"correlationId": dice.guid(), "sessionId": dice.guid()}
    ask = place.kind != "office" and (first or dice.chance(0.3))
    if ask:
        for code in _interrupts(dice, place):
            record = user_signin(world, dice, when, user, place, app, **common, **_interrupted(when, code))
            common.setdefault("originalRequestId", record["id"])
            yield Row(when, "interactive", record)
            when += timedelta(seconds=dice.between(3, 25))
        if first and dice.chance(0.02):
            yield Row(when, "interactive", _factor_failed(world, dice, when, user, place, app, common))
            when += timedelta(seconds=dice.between(10, 60))
    if dice.chance(0.004):
        blocked = _verdict(when, status(53003), "failure", BLOCKED)
        yield Row(when, "interactive", user_signin(world, dice, when, user, place, app, **common, **blocked))
        return
    yield _success(world, dice, when, user, place, app, common, ask)


def _interrupts(dice: Dice, place: Place) -> tuple[int, ...]:
    if place.kind == "travel":
        return (50076, 50140)
    return dice.pick(((50074, 50140), (50074,), (50140,), (50058, 50074), (50055,)))


def _verdict(when: datetime, verdict: Record, access: str, policies: list[Record]) -> Record:
    return {
        "status": verdict, "conditionalAccessStatus": access, "appliedConditionalAccessPolicies": policies,
        "authenticationRequirement": "multiFactorAuthentication", "authenticationRequirementPolicies": BY_POLICY,
        "authenticationDetails": [_password(when)],
    }  # fmt: skip


def _interrupted(when: datetime, code: int) -> Record:
    if code in {50055, 50058, 50140}:
        return {"status": status(code), "authenticationDetails": [_password(when)] if code != 50058 else []}
    return _verdict(when, status(code, "MFA required in Azure AD"), "failure", MFA_WANTED)


def _password(when: datetime) -> Record:
    return step(when, "Password", True, "Correct password", "Primary authentication", "Password Hash Sync")


def _factor_failed(
    world: World, dice: Dice, when: datetime, user: User, place: Place, app: App, common: Record
) -> Record:  # fmt: skip
    denied = step(
        when, user.factor, False, "MFA denied; user did not respond to the request", "Multifactor authentication"
    )
    values = _verdict(when, status(500121, "MFA denied; no response in time"), "failure", MFA_WANTED)
    values["authenticationDetails"] = [_password(when), denied]
    return user_signin(world, dice, when, user, place, app, **common, **values)


def _success(
    world: World, dice: Dice, when: datetime, user: User, place: Place, app: App, common: Record, asked: bool
) -> Row:  # fmt: skip
    """In: with one factor at the office, with two elsewhere; now and then the record is completed later."""
    if place.kind == "office":
        values: Record = {"authenticationDetails": [_password(when)], "appliedConditionalAccessPolicies": AT_OFFICE}
        return Row(when, "interactive", user_signin(world, dice, when, user, place, app, **common, **values))
    values = _verdict(when, status(0, "MFA completed in Azure AD" if asked else None), "success", MFA_DONE)
    values["authenticationDetails"] = [_password(when), second_factor(when, user, asked)]
    values["mfaDetail"] = {"authMethod": user.factor, "authDetail": None} if asked else None
    record = user_signin(world, dice, when, user, place, app, **common, **values)
    return Row(when, "interactive", *_with_history(dice, record, asked))


def second_factor(when: datetime, user: User, asked: bool) -> Record:
    """The step that satisfied the second factor."""
    if asked:
        moment = when + timedelta(seconds=9)
        return step(moment, user.factor, True, "MFA successfully completed", "Multifactor authentication")
    claim = "MFA requirement satisfied by claim in the token"
    return step(when, "Previously satisfied", True, claim, "Multifactor authentication")


def _with_history(dice: Dice, record: Record, asked: bool) -> Any:
    """The record's first form, and what it turns into.

    Entra ID shows a sign-in's steps before they are complete, and one sign-in as several rows of one id whose status
    changes (https://learn.microsoft.com/entra/identity/monitoring-health/concept-sign-in-log-activity-details).
    """
    roll = dice.random()
    if roll > 0.1:
        return record, None, ()
    early = dict(record, authenticationDetails=record["authenticationDetails"][:1], mfaDetail=None)
    if asked and roll < 0.03:
        early["status"] = status(50074, "MFA required in Azure AD")
        early.update(conditionalAccessStatus="failure", appliedConditionalAccessPolicies=MFA_WANTED)
    return early, None, (Change(timedelta(seconds=dice.between(180, 1500)), record),)


def refresh(world: World, dice: Dice, when: datetime, user: User) -> Row:
    """A non-interactive sign-in: a program of the user's asks for a new token."""
    place = world.where(user, _day(when))
    app = BACKGROUND[dice.below(len(BACKGROUND))]
    failed = dice.random() < 0.03
    values: Record = {
        "isInteractive": False, "signInEventTypes": ["nonInteractiveUser"], "authenticationProtocol": "oAuth2",
        "incomingTokenType": "primaryRefreshToken" if user.client.trust else "refreshToken",
        "authenticationProcessingDetails": _PROCESSING, "clientCredentialType": "none",
    }  # fmt: skip
    if failed:
        values["status"] = status(_REFRESH_ERRORS[dice.below(4)])
    elif place.kind != "office":
        values.update(_TOKEN_ENOUGH)
        values["authenticationDetails"] = [second_factor(when, user, asked=False)]
    record = user_signin(world, dice, when, user, place, app, **values)
    if dice.random() < 0.005:
        early = dict(record, authenticationProcessingDetails=[], processingTimeInMilliseconds=0)
        return Row(when, "non_interactive", early, None, (Change(timedelta(seconds=dice.between(180, 1500)), record),))
    return Row(when, "non_interactive", record)


_PROCESSING = [
    {"key": "Legacy TLS (TLS 1.0, 1.1, 3DES)", "value": "False"},
    {"key": "Is CAE Token", "value": "False"},
]
_TOKEN_ENOUGH: Record = {
    "authenticationRequirement": "multiFactorAuthentication", "conditionalAccessStatus": "success",
    "appliedConditionalAccessPolicies": MFA_DONE, "authenticationRequirementPolicies": BY_POLICY,
}  # fmt: skip


def sync_account(world: World) -> User:
    """The directory synchronisation's account, as its server's set-up names it."""
    base = world.user(0)
    name = "On-Premises Directory Synchronization Service Account"
    return base._replace(
        id=world.guid(17), name=name, upn=f"Sync_NWAADC01_{world.guid(18)[:12].replace('-', '')}@{world.domain}"
    )


def _sync(world: World, dice: Dice, start: datetime, length: timedelta) -> Iterator[Row]:
    """The synchronisation's own sign-ins, every half hour, from the server beside the first office."""
    for _ in range(dice.count(length.total_seconds() / 1800)):
        user = sync_account(world)
        when = _moment(dice, start, length)
        values: Record = {
            "isInteractive": False, "signInEventTypes": ["nonInteractiveUser"], "authenticationProtocol": "ropc",
            "userAgent": None, "deviceDetail": world.bare_device(user.client),
        }  # fmt: skip
        record = user_signin(world, dice, when, user, world.office(user), SYNC, **values)
        yield Row(when, "non_interactive", record)
