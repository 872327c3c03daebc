"""Stories across records: an account taken over step by step, and changes by somebody else's people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from entrawatch.emulator.tenant_apps import PORTAL
from entrawatch.emulator.tenant_audits import quoted
from entrawatch.emulator.tenant_policies import MFA_DONE
from entrawatch.emulator.tenant_records import Row, audit, by_user, changed, user_signin, user_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from entrawatch.emulator.records import Label
    from entrawatch.emulator.scenarios.stage import Stage
    from entrawatch.emulator.tenant_world import User

_RESET, _SECURITY_INFO = "Self-service Password Management", "Authentication Methods"
#: the five activities, and the service that logs each
STEPS = (
    ("Self-service password reset flow activity progress", _RESET),
    ("Reset password (self-service)", _RESET),
    ("User started security info registration", _SECURITY_INFO),
    ("User registered security info", _SECURITY_INFO),
    ("User deleted security info", _SECURITY_INFO),
)


def _steps(
    stage: Stage, hours: Sequence[float], user: User, addresses: Sequence[str], label: Label,
    steps: Sequence[int] = range(5), failed: int = -1,
) -> Iterator[Row]:  # fmt: skip
    """The activities in their order, each `hours[i]` after the story's beginning and from `addresses[i]`."""
    for turn, number in enumerate(steps):
        name, service = STEPS[number]
        when = stage.at(hours[turn])
        record = audit(
            stage.dice, when, name, loggedByService=service, targetResources=[user_target(user)],
            initiatedBy=by_user(user, addresses[turn % len(addresses)]),
            result="failure" if number == failed else "success",
        )  # fmt: skip
        yield Row(when, "directory_audits", record, label)


def account_hijacking(stage: Stage) -> Iterator[Row]:
    """All five activities, successful, by one user from one address outside the organisation, within seven days."""
    spread = (0, 0.2, 26, 26.1, 50)
    thief = stage.lair(0, "TR").address
    label = stage.match("taken-over", userPrincipalName=stage.cast(0).upn, ipAddress=thief)
    yield from _steps(stage, spread, stage.cast(0), (thief,), label)
    desk = (stage.world.office(stage.world.user(0)).address,)
    yield from _steps(stage, spread, stage.cast(1), desk, stage.miss("organisation-address"))
    yield from _steps(stage, spread, stage.cast(2), (stage.lair(2).address,), stage.miss("four-of-five"), (0, 1, 2, 3))
    yield from _steps(stage, spread, stage.cast(3), (stage.lair(3).address,), stage.miss("one-failed"), failed=3)
    pair = (stage.lair(4).address, stage.lair(5).address)
    yield from _steps(stage, spread, stage.cast(4), pair, stage.miss("two-addresses"))
    slow = (0, 1, 60, 100, 8 * 24)
    yield from _steps(stage, slow, stage.cast(5), (stage.lair(6).address,), stage.miss("eight-days"))
    for turn, number in enumerate((6, 7)):
        half = (0, 1, 2) if turn else (3, 4)
        address = (stage.lair(7).address,)
        yield from _steps(stage, spread, stage.cast(number), address, stage.miss("two-users"), half)


def _change(
    stage: Stage, hours: float, number: int, correlation: str, label: Label, result: str = "success"
) -> Row:  # fmt: skip
    """A change of a person's data by a guest."""
    guest, when = stage.world.guest(600 + number), stage.at(hours)
    properties = (
        changed("OfficeLocation", "[]", quoted(["B2"])),
        changed("Included Updated Properties", None, quoted("OfficeLocation")),
    )
    record = audit(
        stage.dice, when, "Update user", correlationId=correlation, result=result,
        initiatedBy=by_user(guest, stage.world.partner(guest).address),
        targetResources=[user_target(stage.cast(0), *properties)],
    )  # fmt: skip
    return Row(when, "directory_audits", record, label)


def _visit(stage: Stage, hours: float, number: int, correlation: str, label: Label, **changes: Any) -> Row:
    """The guest's sign-in to our tenant."""
    guest, when = stage.world.guest(600 + number), stage.at(hours)
    record = user_signin(
        stage.world, stage.dice, when, guest, stage.world.partner(guest), PORTAL,
        **{"authenticationRequirement": "multiFactorAuthentication", "conditionalAccessStatus": "success",
           "appliedConditionalAccessPolicies": MFA_DONE, "correlationId": correlation, **changes},
    )  # fmt: skip
    return Row(when, "interactive", record, label)


def third_party_changes(stage: Stage) -> Iterator[Row]:
    """A successful change whose correlation is that of a sign-in from another tenant."""
    for turn in range(2):
        yield from _pair(stage, turn, None)
    yield from _pair(stage, 2, "own-tenant", homeTenantId=stage.world.tenant_id, crossTenantAccessType="none")
    yield from _pair(stage, 3, "no-home-tenant", homeTenantId="")
    yield from _pair(stage, 4, "failed-change", result="failure")
    yield from _pair(stage, 5, "other-correlation", other=True)
    yield from _pair(stage, 6, "a-day-later", gap=26)


def _pair(
    stage: Stage, number: int, case: Optional[str], *, result: str = "success", other: bool = False, gap: float = 0.2,
    **changes: Any,
) -> Iterator[Row]:  # fmt: skip
    correlation = stage.dice.guid()
    second = stage.dice.guid() if other else correlation
    change = _change(stage, number + gap, number, second, stage.miss(case or ""), result)
    label = stage.miss(case) if case else stage.match(f"guest-{number}", id=change.record["id"])
    yield _visit(stage, number, number, correlation, label, **changes)
    yield change._replace(label=label)
