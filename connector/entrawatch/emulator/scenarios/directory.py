"""Changes of the directory: roles given past PIM, applications added, guests invited, policies loosened."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from entrawatch.emulator.scenarios.consents import matched, written
from entrawatch.emulator.tenant_audits import quoted, role_properties
from entrawatch.emulator.tenant_records import Row, by_app, by_user, changed, target, user_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrawatch.emulator.scenarios.stage import Stage
    from entrawatch.interfaces import Record


def _role(stage: Stage, name: str, **changes: Any) -> dict[str, Any]:
    """A role given to one of the story's people."""
    role_id = stage.world.guid(len(name), 53)
    targets = [user_target(stage.cast(11), *role_properties(name, role_id)), target("Role", None, role_id)]
    return {"category": "RoleManagement", "operationType": "Assign", "targetResources": targets, **changes}


def admin_role_outside_pim(stage: Stage) -> Iterator[Row]:
    """A role with "Admin" in its name is assigned, and not by the program MS-PIM alone."""
    service = by_app("MS-PIM", stage.world.guid(54))
    program = by_app("terraform-004", stage.world.guid(74))
    both = dict(service, user=by_user(stage.cast(2), stage.lair(2).address)["user"])
    admin = "Global Administrator"
    found = (
        ("by-user", _role(stage, admin)),
        ("by-program", _role(stage, "Application Administrator", initiatedBy=program)),
        ("by-user-through-pim", _role(stage, admin, initiatedBy=both)),
    )
    for turn, (group, about) in enumerate(found):
        yield matched(stage, group, written(stage, turn, turn, "Add member to role", stage.miss(""), **about))
    missed = (
        ("by-pim", _role(stage, admin, initiatedBy=service)),
        ("harmless-role", _role(stage, "Directory Readers")),
        ("taken-away", _role(stage, admin, operationType="Unassign")),
        ("other-category", _role(stage, admin, category="GroupManagement")),
        ("name-elsewhere", _role(stage, "Reports Reader", resultReason="requested by the Global Administrator")),
    )
    for turn, (case, about) in enumerate(missed):
        yield written(stage, 4 + turn, 3 + turn, "Add member to role", stage.miss(case), **about)


def _application(stage: Stage, kind: str = "Application") -> dict[str, Any]:
    app = target(
        kind, "Mail merge helper", stage.dice.guid(), changed("DisplayName", "[]", quoted(["Mail merge helper"])),
        changed("AvailableToOtherTenants", "[]", "[true]"),
        changed("Included Updated Properties", None, quoted("DisplayName")),
    )  # fmt: skip
    return {"category": "ApplicationManagement", "operationType": "Add", "targetResources": [app]}


def application_added(stage: Stage) -> Iterator[Row]:
    """`Add application`."""
    for turn in range(2):
        row = written(stage, turn, turn, "Add application", stage.miss(""), **_application(stage))
        yield matched(stage, f"added-{turn}", row)
    cases = (
        ("principal", "Add service principal", "ServicePrincipal"),
        ("owner", "Add owner to application", "Application"),
        ("deleted", "Delete application", "Application"),
    )
    for turn, (case, activity, kind) in enumerate(cases):
        yield written(stage, 3 + turn, 2 + turn, activity, stage.miss(case), **_application(stage, kind))


def _invitation(stage: Stage, number: int) -> dict[str, Any]:
    """An invitation; the address of the person invited stands in the additional details."""
    guest = stage.world.guest(500 + number)
    upn = guest.upn.replace("@", "_") + f"#EXT#@{stage.world.domain}"
    details = [
        {"key": "oid", "value": stage.cast(number).id}, {"key": "tid", "value": stage.world.tenant_id},
        {"key": "invitedUserEmailAddress", "value": guest.upn},
    ]  # fmt: skip
    return {
        "loggedByService": "Invited Users", "operationType": "Add", "additionalDetails": details,
        "targetResources": [target("User", guest.name, guest.id, userPrincipalName=upn)],
    }  # fmt: skip


def guest_invited(stage: Stage) -> Iterator[Row]:
    """`Invite external user`."""
    for turn in range(2):
        row = written(stage, turn, turn, "Invite external user", stage.miss(""), **_invitation(stage, turn))
        yield matched(stage, f"invited-{turn}", row)
    activities = ("Redeem external user invite", "Invite external user with reset invitation status", "Add user")
    for turn, activity in enumerate(activities):
        label = stage.miss(activity.lower().replace(" ", "-"))
        yield written(stage, 3 + turn, 2 + turn, activity, label, **_invitation(stage, 2 + turn))


def _policy(stage: Stage) -> Record:
    return {
        "id": stage.world.guid(75), "displayName": "CA001 Require multifactor authentication outside offices",
        "createdDateTime": "2026-02-11T09:12:44.1183921+00:00", "state": "enabled",
        "conditions": {
            "applications": {"includeApplications": ["All"], "excludeApplications": [], "includeUserActions": []},
            "users": {"includeUsers": ["All"], "excludeUsers": [stage.world.guid(76)], "includeGroups": [],
                      "excludeGroups": [], "includeRoles": [], "excludeRoles": []},
            "locations": {"includeLocations": ["All"], "excludeLocations": [stage.world.guid(77)]},
            "clientAppTypes": ["all"], "signInRiskLevels": [], "userRiskLevels": [],
        },
        "grantControls": {"operator": "OR", "builtInControls": ["mfa"], "customAuthenticationFactors": []},
    }  # fmt: skip


def _policy_change(stage: Stage, new: Record, service: str = "Conditional Access") -> dict[str, Any]:
    old = _policy(stage)
    change = changed("ConditionalAccessPolicy", quoted(old), quoted(new))
    return {
        "category": "Policy", "loggedByService": service, "operationType": "Update",
        "targetResources": [target("Policy", old["displayName"], old["id"], change)],
    }  # fmt: skip


def policy_changed(stage: Stage) -> Iterator[Row]:
    """`Update conditional access policy`; something newly excluded raises the level."""
    activity = "Update conditional access policy"
    renamed = dict(_policy(stage), displayName="CA001 Require MFA outside offices")
    loosened = []
    for part, name in (
        ("users", "excludeUsers"),
        ("users", "excludeGroups"),
        ("applications", "excludeApplications"),
        ("locations", "excludeLocations"),
    ):
        policy = copy.deepcopy(_policy(stage))
        policy["conditions"][part][name].append(stage.dice.guid())
        loosened.append((f"excluded-{name}", policy))
    for turn, (group, new) in enumerate((("renamed", renamed), *loosened)):
        row = written(stage, turn, turn, activity, stage.miss(""), **_policy_change(stage, new))
        yield matched(stage, group, row)
    others = (
        ("added", "Add conditional access policy", "Conditional Access"),
        ("deleted", "Delete conditional access policy", "Conditional Access"),
        ("other-policy", "Update policy", "Core Directory"),
        ("named-location", "Update named location", "Conditional Access"),
    )
    for turn, (case, name, service) in enumerate(others):
        about = _policy_change(stage, renamed, service)
        yield written(stage, 6 + turn, 5 + turn, name, stage.miss(case), **about)
