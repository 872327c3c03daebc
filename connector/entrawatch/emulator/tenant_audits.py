"""What administrators, people and Microsoft's own services change in the directory.

Activity names, categories and services are those of
https://learn.microsoft.com/entra/identity/monitoring-health/reference-audit-activities. The activities that the
stories are about (applications added, guests invited, users' own consent, role assignments past PIM, conditional
access changes) are left to the stories.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from entrawatch import jsontext
from entrawatch.emulator.tenant_dice import Dice
from entrawatch.emulator.tenant_records import EPOCH, Row, audit, by_app, by_user, changed, target, user_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from entrawatch.emulator.tenant_world import User, World
    from entrawatch.interfaces import Record

_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
#: name, template id (https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference)
ROLES = {
    "Global Administrator": "62e90394-69f5-4237-9190-012177145e10",
    "Exchange Administrator": "29232cdf-9323-42fd-ade2-1d097af3e4de",
    "User Administrator": "fe930be7-5e62-47db-91af-98c3a49a38b1",
}


def quoted(value: object) -> str:
    """A value as modified properties hold it: JSON text, so a text comes with its quotation marks."""
    return jsontext.dumps(value).decode()


def directory(world: World, day: int, when: datetime, turn: int) -> Iterator[Row]:
    """One thing done in the directory, which may be several records."""
    dice = Dice(world.seed, "directory", day, turn)
    return dice.pick(_KINDS)(world, dice, when)


def _admin(world: World, dice: Dice) -> User:
    return world.user(dice.below(max(2, world.users // 100)))


def _anyone(world: World, dice: Dice) -> User:
    return world.user(dice.below(world.users))


def _address(world: World, user: User, when: datetime) -> str:
    return world.where(user, (when - EPOCH).days).address


def _row(when: datetime, record: Record) -> Row:
    return Row(when, "directory_audits", record)


def _by_admin(world: World, dice: Dice, when: datetime) -> Record:
    admin = _admin(world, dice)
    return {
        "initiatedBy": by_user(admin, _address(world, admin, when)), "userAgent": None,
        "additionalDetails": [{"key": "User-Agent", "value": _AGENT}],
    }  # fmt: skip


def _update_user(world: World, dice: Dice, when: datetime) -> Iterator[Row]:
    user = _anyone(world, dice)
    old, new = dice.pick((("Sales", "Marketing"), ("IT", "Security"), ("Finance", "Controlling")))
    properties = (
        changed("Department", quoted([old]), quoted([new])),
        changed("Included Updated Properties", None, quoted("Department")),
        changed("TargetId.UserType", None, quoted("Member")),
    )  # fmt: skip
    yield _row(
        when,
        audit(
            dice, when, "Update user", targetResources=[user_target(user, *properties)], **_by_admin(world, dice, when)
        ),
    )


def _service_updates_user(world: World, dice: Dice, when: datetime) -> Iterator[Row]:
    """Changes by Microsoft's services: no address, no user."""
    user = _anyone(world, dice)
    properties = (
        changed("LicenseAssignmentDetail", "[]", "[{}]"),
        changed("Included Updated Properties", None, quoted("")),
    )
    yield _row(when, audit(
        dice, when, "Update user", initiatedBy=by_app("Microsoft Substrate Management", world.guid(50)),
        targetResources=[user_target(user, *properties)],
    ))  # fmt: skip


def _group_member(world: World, dice: Dice, when: datetime) -> Iterator[Row]:
    user, number = _anyone(world, dice), dice.below(40)
    added = dice.chance(0.6)
    group_id, name = world.guid(number, 51), f"grp-team-{number:02d}"
    pair = (changed("Group.ObjectID", *_old_new(added, group_id)), changed("Group.DisplayName", *_old_new(added, name)))
    yield _row(when, audit(
        dice, when, "Add member to group" if added else "Remove member from group", category="GroupManagement",
        operationType="Assign" if added else "Unassign", **_by_admin(world, dice, when),
        targetResources=[user_target(user, *pair), target("Group", None, group_id, groupType="azureAD")],
    ))  # fmt: skip


def _old_new(added: bool, value: str) -> tuple[str | None, str | None]:
    return (None, quoted(value)) if added else (quoted(value), None)


def _password_by_admin(world: World, dice: Dice, when: datetime) -> Iterator[Row]:
    user = _anyone(world, dice)
    yield _row(when, audit(
        dice, when, "Reset user password", targetResources=[user_target(user)], operationType="Update",
        **_by_admin(world, dice, when),
    ))  # fmt: skip


def _self_service_reset(world: World, dice: Dice, when: datetime) -> Iterator[Row]:
    """A forgotten password, from wherever the person is: flow rows first, then the reset."""
    user = world.user(dice.below(world.users) // 2 * 2 % world.users)
    by, correlation = by_user(user, _address(world, user, when)), dice.guid()
    common = {
        "initiatedBy": by, "correlationId": correlation, "loggedByService": "Self-service Password Management",
        "targetResources": [user_target(user)],
    }  # fmt: skip
    for reason in ("User submitted their user ID", "User was presented with verification options"):
        yield _row(
            when, audit(dice, when, "Self-service password reset flow activity progress", resultReason=reason, **common)
        )
        when += timedelta(seconds=dice.between(5, 40))
    yield _row(
        when, audit(dice, when, "Reset password (self-service)", resultReason="Successfully completed reset.", **common)
    )


def _security_info(world: World, dice: Dice, when: datetime) -> Iterator[Row]:
    """A new second factor; the people who do this are others than those who forget their passwords."""
    user = world.user((dice.below(world.users) // 2 * 2 + 1) % world.users)
    common = {
        "initiatedBy": by_user(user, _address(world, user, when)), "loggedByService": "Authentication Methods",
        "targetResources": [user_target(user)], "correlationId": dice.guid(), "operationType": "Add",
    }  # fmt: skip
    yield _row(
        when,
        audit(
            dice, when, "User started security info registration", resultReason="User started registration", **common
        ),
    )
    when += timedelta(seconds=dice.between(20, 200))
    yield _row(
        when,
        audit(dice, when, "User registered security info", resultReason="User registered Authenticator App", **common),
    )


def _device(world: World, dice: Dice, when: datetime) -> Iterator[Row]:
    user = _anyone(world, dice)
    service = by_app("Device Registration Service", world.guid(52), "01cb2876-7ebd-4aa4-9cc9-d28bd4d359a9")
    device = target("Device", user.device["displayName"] or "Phone", world.guid(user.number, 8))
    correlation = dice.guid()
    yield _row(when, audit(
        dice, when, "Add device", category="Device", operationType="Add", initiatedBy=service,
        targetResources=[device], correlationId=correlation,
    ))  # fmt: skip
    yield _row(when, audit(
        dice, when, "Add registered owner to device", category="Device", operationType="Assign", initiatedBy=service,
        targetResources=[user_target(user), device], correlationId=correlation,
    ))  # fmt: skip


def role_properties(name: str, role_id: str) -> tuple[Record, ...]:
    """How an audit record names a role."""
    return (
        changed("Role.ObjectID", None, quoted(role_id)), changed("Role.DisplayName", None, quoted(name)),
        changed("Role.TemplateId", None, quoted(ROLES.get(name, role_id))),
        changed("Role.WellKnownObjectName", None, quoted(name.replace(" ", ""))),
    )  # fmt: skip


def _activation(world: World, dice: Dice, when: datetime) -> Iterator[Row]:
    """A role for some hours by Privileged Identity Management: asked by the person, written by MS-PIM, taken back."""
    admin, name = (
        _admin(world, dice),
        dice.pick(("Exchange Administrator", "User Administrator", "Global Administrator")),
    )
    role_id, correlation = world.guid(len(name), 53), dice.guid()
    role = target("Role", name, role_id)
    yield _row(when, audit(
        dice, when, "Add member to role completed (PIM activation)", category="RoleManagement", loggedByService="PIM",
        operationType="ActivateRole", correlationId=correlation, targetResources=[role, user_target(admin)],
        initiatedBy=by_user(admin, _address(world, admin, when)), resultReason="Planned work",
    ))  # fmt: skip
    service = {"initiatedBy": by_app("MS-PIM", world.guid(54)), "category": "RoleManagement"}
    written = when + timedelta(seconds=dice.between(1, 20))
    yield _row(written, audit(
        dice, written, "Add member to role", operationType="Assign", **service,
        targetResources=[user_target(admin, *role_properties(name, role_id)), target("Role", None, role_id)],
    ))  # fmt: skip
    ended = written + timedelta(hours=dice.between(1, 8))
    old = [changed(p["displayName"], p["newValue"], None) for p in role_properties(name, role_id)]
    yield _row(ended, audit(
        dice, ended, "Remove member from role", operationType="Unassign", **service,
        targetResources=[user_target(admin, *old), target("Role", None, role_id)],
    ))  # fmt: skip


def _joiner(world: World, dice: Dice, when: datetime) -> Iterator[Row]:
    user = _anyone(world, dice)
    properties = (
        changed("AccountEnabled", "[]", "[true]"), changed("DisplayName", "[]", quoted([user.name])),
        changed("UserPrincipalName", "[]", quoted([user.upn])),
        changed("Included Updated Properties", None, quoted("AccountEnabled, DisplayName, UserPrincipalName")),
    )  # fmt: skip
    yield _row(
        when,
        audit(
            dice,
            when,
            "Add user",
            operationType="Add",
            targetResources=[user_target(user, *properties)],
            **_by_admin(world, dice, when),
        ),
    )


def _leaver(world: World, dice: Dice, when: datetime) -> Iterator[Row]:
    user = _anyone(world, dice)
    properties = (
        changed("AccountEnabled", "[true]", "[false]"),
        changed("Included Updated Properties", None, quoted("AccountEnabled")),
    )
    yield _row(
        when,
        audit(
            dice,
            when,
            "Disable account",
            targetResources=[user_target(user, *properties)],
            **_by_admin(world, dice, when),
        ),
    )


def _app_role(world: World, dice: Dice, when: datetime) -> Iterator[Row]:
    user, number = _anyone(world, dice), dice.below(20)
    properties = (
        changed("AppRole.Id", None, quoted("00000000-0000-0000-0000-000000000000")),
        changed("AppRoleAssignment.CreatedDateTime", None, quoted(when.isoformat())),
        changed("User.UPN", None, quoted(user.upn)),
    )  # fmt: skip
    app = target("ServicePrincipal", f"SaaS application {number}", world.guid(number, 55), *properties)
    yield _row(when, audit(
        dice, when, "Add app role assignment grant to user", category="ApplicationManagement", operationType="Assign",
        targetResources=[app, user_target(user)], **_by_admin(world, dice, when),
    ))  # fmt: skip


def _failed_change(world: World, dice: Dice, when: datetime) -> Iterator[Row]:
    user = _anyone(world, dice)
    yield _row(when, audit(
        dice, when, "Change user password", result="failure", resultReason="PasswordPolicyError",
        targetResources=[user_target(user)], initiatedBy=by_user(user, _address(world, user, when)),
    ))  # fmt: skip


_KINDS = (
    _update_user, _update_user, _service_updates_user, _service_updates_user, _group_member, _group_member,
    _password_by_admin, _self_service_reset, _security_info, _device, _activation, _joiner, _leaver, _app_role,
    _failed_change,
)  # fmt: skip
