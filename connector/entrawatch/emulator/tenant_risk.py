"""Identity Protection's view of people: the risky sign-in, the detection (some a day late), the risky user, the end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from entrawatch.emulator.tenant_apps import FIREFOX, OFFICE_HOME
from entrawatch.emulator.tenant_dice import Dice, mix
from entrawatch.emulator.tenant_policies import BLOCKED
from entrawatch.emulator.tenant_records import Change, Row, status, ticks_text, user_signin
from entrawatch.emulator.tenant_world import ABROAD, LOCATIONS, Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from entrawatch.emulator.tenant_world import User, World
    from entrawatch.interfaces import Record


class _Kind(NamedTuple):
    name: str
    timing: str
    old_type: str
    techniques: str


_KINDS = (
    _Kind("unfamiliarFeatures", "realtime", "unfamiliarFeatures", "T1078.004"),
    _Kind("anonymizedIPAddress", "realtime", "anonymizedIPAddress", "T1090.003,T1078"),
    _Kind("unlikelyTravel", "offline", "unlikelyTravel", "T1078"),
    _Kind("leakedCredentials", "offline", "leakedCredentials", "T1589.001"),
    _Kind("anomalousToken", "offline", "generic", "T1528,T1539"),
)
#: how an episode ends: state, detail, and the user's level then
_ENDINGS = (
    ("dismissed", "adminDismissedAllRiskForUser", "none"),
    ("remediated", "userPerformedSecuredPasswordReset", "none"),
    ("remediated", "userPassedMFADrivenByRiskBasedPolicy", "none"),
    ("confirmedCompromised", "adminConfirmedUserCompromised", "high"),
)


def user_risk(world: World, day: int, when: datetime, turn: int) -> Iterator[Row]:
    """One episode: a blocked sign-in from abroad, its detection, the user's state, and how it ended."""
    dice = Dice(world.seed, "user-risk", day, turn)
    user = world.user(taken(world.seed, day, turn, world.users))
    kind = dice.pick(_KINDS)
    level = dice.pick(("low", "medium", "high"))
    late = dice.between(120, 400) if kind.timing == "realtime" else dice.between(1, 26) * 3600
    detected = when + timedelta(seconds=late)
    ended = detected + timedelta(hours=dice.between(1, 40))
    place = _place(world, day, turn)
    risky = _risky_signin(world, dice, when, user, place, kind, level)
    state, detail, user_level = dice.pick(_ENDINGS)
    closed: Record = {"riskState": state, "riskDetail": detail}
    # Microsoft: a sign-in's own risk fields follow the detection's
    yield Row(when, "interactive", risky, None, (Change(ended - when, dict(risky, **closed)),))
    detection = _detection(dice, risky, user, place, kind, level, when, detected)
    yield Row(detected, "risk_detections", detection, None, (
        Change(ended - detected, dict(detection, **closed, lastUpdatedDateTime=ticks_text(ended)), ended),
    ))  # fmt: skip
    snapshot = _risky_user(user, level, detected)
    yield Row(detected, "risky_users", snapshot, None, (
        Change(ended - detected, dict(snapshot, **closed, riskLevel=user_level, isProcessing=False,
                                      riskLastUpdatedDateTime=ticks_text(ended)), ended),
    ))  # fmt: skip


def taken(seed: int, day: int, turn: int, among: int) -> int:
    """Who has an episode: everybody else comes first before anybody has another, so that episodes do not overlap."""
    return (mix(seed, 40) + day + turn * 7919) % among


def _place(world: World, day: int, turn: int) -> Place:
    """An address of its own for every episode, abroad."""
    country = ABROAD[mix(world.seed, day, turn, 41) % len(ABROAD)]
    return Place(f"2001:db8:bad:{day & 0xFFFF:x}::{turn + 1:x}", LOCATIONS[country], 65550, "attacker")


def _risky_signin(
    world: World, dice: Dice, when: datetime, user: User, place: Place, kind: _Kind, level: str
) -> Record:  # fmt: skip
    seen = level if kind.timing == "realtime" else "none"
    return user_signin(
        world, dice, when, user, place, OFFICE_HOME, status=status(53003), conditionalAccessStatus="failure",
        appliedConditionalAccessPolicies=BLOCKED, userAgent=FIREFOX, deviceDetail=world.bare_device(user.client),
        riskEventTypes_v2=[kind.name], riskLevelAggregated=level, riskLevelDuringSignIn=seen, riskState="atRisk",
    )  # fmt: skip


def _detection(
    dice: Dice, risky: Record, user: User, place: Place, kind: _Kind, level: str, when: datetime, detected: datetime
) -> Record:  # fmt: skip
    """The detection; additionalInfo is JSON text with capital keys, leaked credentials belong to no sign-in."""
    linked = kind.name != "leakedCredentials"
    return {
        "id": f"{dice.bits(256):064x}", "activity": "signin" if linked else "user",
        "activityDateTime": ticks_text(when),
        "additionalInfo": f'[{{"Key":"userAgent","Value":"{FIREFOX if linked else ""}"}},'
                          f'{{"Key":"mitreTechniques","Value":"{kind.techniques}"}}]',
        "correlationId": risky["correlationId"] if linked else None, "detectedDateTime": ticks_text(detected),
        "detectionTimingType": kind.timing, "ipAddress": place.address if linked else None,
        "lastUpdatedDateTime": ticks_text(detected), "location": place.location if linked else None,
        "mitreTechniqueId": kind.techniques.split(",")[0], "requestId": risky["id"] if linked else None,
        "riskDetail": "none", "riskEventType": kind.name, "riskLevel": level, "riskState": "atRisk",
        "riskType": kind.old_type, "source": "IdentityProtection", "tokenIssuerType": "AzureAD",
        "userDisplayName": user.name, "userId": user.id, "userPrincipalName": user.upn,
    }  # fmt: skip


def _risky_user(user: User, level: str, updated: datetime) -> Record:
    return {
        "id": user.id, "isDeleted": False, "isProcessing": False, "riskDetail": "none",
        "riskLastUpdatedDateTime": ticks_text(updated), "riskLevel": level, "riskState": "atRisk",
        "userDisplayName": user.name, "userPrincipalName": user.upn,
    }  # fmt: skip
