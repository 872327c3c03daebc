"""Single accounts: second factors refused, disabled people, one factor from nowhere, the synchronisation's account."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from entrawatch.emulator.tenant_apps import AZURE_CLI, OUTLOOK_WEB, PORTAL, SYNC
from entrawatch.emulator.tenant_policies import MFA_DONE, MFA_WANTED
from entrawatch.emulator.tenant_records import Change, Row, status, step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from entrawatch.emulator.records import Label
    from entrawatch.emulator.scenarios.stage import Stage
    from entrawatch.emulator.tenant_world import Place, User

#: a success with two factors
_TWO_FACTORS: dict[str, Any] = {
    "authenticationRequirement": "multiFactorAuthentication", "conditionalAccessStatus": "success",
    "appliedConditionalAccessPolicies": MFA_DONE,
}  # fmt: skip


def _refused(stage: Stage, when: datetime, number: int, place: Place, label: Label, **changes: Any) -> Row:
    """The password was right, the second factor was not given."""
    user = stage.cast(number)
    password = step(when, "Password", True, "Correct password", "Primary authentication")
    factor = step(
        when, user.factor, False, "MFA denied; user declined the authentication", "Multifactor authentication"
    )
    values = {
        **_TWO_FACTORS, "conditionalAccessStatus": "failure", "appliedConditionalAccessPolicies": MFA_WANTED,
        "authenticationDetails": [password, factor], **changes,
    }  # fmt: skip
    return stage.attempt(when, user, place, 500121, label, **values)


def mfa_failures(stage: Stage) -> Iterator[Row]:
    """500121 more than once by user, address, app and user agent within an hour."""
    first = _refused(stage, stage.at(0), 0, stage.lair(0), stage.miss(""))
    names = ("userPrincipalName", "ipAddress", "appDisplayName", "userAgent")
    label = stage.match("refused", **{name: first.record[name] for name in names})
    for minutes in (0, 3, 9):
        yield _refused(stage, stage.at(0, minutes), 0, stage.lair(0), label)
    yield _refused(stage, stage.at(2), 1, stage.lair(1), stage.miss("once"))
    for minutes in (0, 70):
        yield _refused(stage, stage.at(4, minutes), 2, stage.lair(2), stage.miss("too-far-apart"))
    for turn, app in enumerate((PORTAL, OUTLOOK_WEB)):
        yield _refused(stage, stage.at(7, turn * 5), 3, stage.lair(3), stage.miss("second-app"), app=app)
    row = _refused(stage, stage.at(9), 4, stage.lair(4), stage.miss("rows-of-one-sign-in"))
    # the step is told twice, as second rows of one sign-in do it
    again = dict(
        row.record, authenticationDetails=[*row.record["authenticationDetails"], row.record["authenticationDetails"][1]]
    )
    yield row._replace(later=(Change(timedelta(minutes=6), again),))
    for minutes, code in ((0, 50074), (2, 50076), (4, 500121)):
        yield _refused(stage, stage.at(11, minutes), 5, stage.lair(5), stage.miss("interrupts"), status=status(code))


def disabled_user_signin(stage: Stage) -> Iterator[Row]:
    """50057 at all, by address, app and user agent; the users are listed."""
    first = stage.attempt(stage.at(0), stage.cast(0), stage.lair(0), 50057, stage.miss(""))
    label = stage.match(
        "leavers", **{name: first.record[name] for name in ("ipAddress", "appDisplayName", "userAgent")}
    )
    for turn in range(3):
        yield stage.attempt(stage.at(0, turn * 4), stage.cast(turn % 2), stage.lair(0), 50057, label)
    for turn, (case, code) in enumerate((("expired-password", 50055), ("locked", 50053), ("unknown-user", 50034))):
        yield stage.attempt(stage.at(2 + turn), stage.cast(2), stage.lair(1), code, stage.miss(case))
    yield stage.attempt(stage.at(6), stage.cast(3), stage.lair(2), 50057, stage.miss("no-user-agent"), userAgent=None)


def single_factor_from_new_network(stage: Stage) -> Iterator[Row]:
    """One factor, successful, interactive, from outside the organisation's networks and its countries."""
    abroad, hours = stage.lair(0, "TR"), 6 * 24
    for turn, minutes in enumerate((0, 400)):
        row = stage.attempt(stage.at(hours, minutes), stage.cast(0), abroad, 0, stage.miss(""))
        yield row._replace(label=stage.match(f"stranger-{turn}", id=row.record["id"]))
    yield _stranger(stage, hours + 1, stage.cast(1), stage.lair(1, "TR"), "two-factors", **_TWO_FACTORS)
    yield _stranger(stage, hours + 2, stage.cast(2), stage.lair(2), "organisation-country")
    yield _stranger(stage, hours + 3, stage.cast(3), stage.lair(3, "TR"), "interrupted", 50074)
    quiet: dict[str, Any] = {"isInteractive": False, "signInEventTypes": ["nonInteractiveUser"]}
    yield _stranger(stage, hours + 4, stage.cast(4), stage.lair(4, "TR"), "non-interactive", **quiet)
    # the address is one of ours though the address database says otherwise
    desk = stage.world.office(stage.world.user(0))
    strange = desk._replace(location=stage.lair(5, "ZA").location)
    yield _stranger(stage, hours + 5, stage.cast(5), strange, "organisation-address")


def _stranger(
    stage: Stage, hours: float, user: User, place: Place, case: str, code: int = 0, **changes: Any
) -> Row:  # fmt: skip
    return stage.attempt(stage.at(hours), user, place, code, stage.miss(case), **changes)


def _sync(stage: Stage, name: str) -> User:
    user = stage.cast(0)
    return user._replace(
        upn=f"{name}@{stage.world.domain}", name="On-Premises Directory Synchronization Service Account"
    )


def sync_account_abuse(stage: Stage) -> Iterator[Row]:
    """An account whose name begins with `Sync_` signs in to anything but Connect."""
    for turn, (name, app) in enumerate((("Sync_NWDC01_4fa1", PORTAL), ("sync_nwdc01_4fa1", AZURE_CLI))):
        row = stage.attempt(stage.at(turn), _sync(stage, name), stage.lair(0), 0, stage.miss(""), app)
        yield row._replace(label=stage.match(f"abuse-{turn}", id=row.record["id"]))
    place = stage.lair(1)
    cases = (
        ("connect", "Sync_NWDC01_4fa1", SYNC),
        ("connect-in-other-case", "Sync_NWDC01_4fa1", SYNC._replace(name=SYNC.name.lower())),
        ("no-app", "Sync_NWDC01_4fa1", PORTAL._replace(name="")),
        ("no-underscore", "SyncX.NWDC01", PORTAL),
        ("not-at-the-beginning", "resync_nwdc01", PORTAL),
    )
    for turn, (case, name, app) in enumerate(cases):
        yield stage.attempt(stage.at(3 + turn), _sync(stage, name), place, 0, stage.miss(case), app)
