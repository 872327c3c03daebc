"""Directory audits: who, what, to whom, and the scalars that rules read in place of arrays."""

from __future__ import annotations

import json
from typing import Any, Optional

import pytest
from tests.normalize.typed import misfits, values_at

from entrawatch.normalize import normalize
from entrawatch.schema.fields import resolve

SECRETS = "Update application \u2013 Certificates and secrets management "
KEY = "[KeyIdentifier={},KeyType=Password,KeyUsage=Verify,DisplayName=x]"


def change(name: str, new: Optional[str], old: Optional[str] = None) -> dict[str, Any]:
    return {"displayName": name, "newValue": new, "oldValue": old}


def target(kind: str, *changes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": f"{kind}-id", "displayName": f"{kind} name", "type": kind, "modifiedProperties": [*changes], **more}


def audit(*targets: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "Directory_1",
        "activityDateTime": "2026-11-24T08:00:00.1234567Z",
        "activityDisplayName": "Update policy",
        "category": "Policy",
        "correlationId": "c",
        "result": "success",
        "resultReason": "",
        "operationType": "Update",
        "loggedByService": "Core Directory",
        "additionalDetails": [],
        "targetResources": [*targets],
        "initiatedBy": {
            "app": None,
            "user": {
                "id": "u",
                "displayName": None,
                "ipAddress": "198.51.100.7",
                "userPrincipalName": "ann@contoso.example",
            },
        },
        **more,
    }


def read(event: dict[str, Any], name: str) -> Any:
    """What a rule would read under this name: one value, or nothing."""
    field = resolve(name, "audit")
    assert field is not None
    found = list(values_at(event, field.ecs.split(".")))
    assert len(found) <= 1
    return found[0] if found else None


def entra(*targets: dict[str, Any], **more: Any) -> dict[str, Any]:
    event = normalize(audit(*targets, **more))
    assert misfits(event, ("audit", "common")) == []
    ours: dict[str, Any] = event["entra"]
    return ours


# --- the traps that have silenced rules -------------------------------------------------------------------------------


def test_the_activity_is_kept_byte_for_byte_with_its_dash_and_trailing_space() -> None:
    event = normalize(audit(activityDisplayName=SECRETS))
    assert event["event"]["action"] == SECRETS
    assert event["azure"]["auditlogs"]["operation_name"] == SECRETS
    assert read(event, "activityDisplayName") == SECRETS


@pytest.mark.parametrize(
    ("new", "flag"),
    [
        ("False", False),
        ('"False"', False),
        ('"\\"False\\""', False),
        ("false", False),
        ('"True"', True),
        ("[]", None),
        ('"\\"True\\""', True),
        ("", None),
        (None, None),
        ("maybe", None),
    ],
)
def test_a_consent_flag_is_read_whatever_its_quoting(new: Optional[str], flag: Optional[bool]) -> None:
    ours = entra(target("ServicePrincipal", change("ConsentContext.IsAdminConsent", new)))
    assert ours.get("consent", {}).get("is_admin") is flag


def test_name_and_value_are_read_in_one_element() -> None:
    ours = entra(
        target(
            "ServicePrincipal",
            change("ConsentContext.IsAdminConsent", '"True"'),
            change("ConsentContext.OnBehalfOfAll", '"False"'),
        )
    )
    assert (ours["consent"]["is_admin"], ours["consent"]["on_behalf_of_all"]) == (True, False)


PERMISSIONS = "[] => [[Id: a, ClientId: b, PrincipalId: c, ResourceId: d, ConsentType: Principal, Scope: {}, CreatedDateTime: , LastModifiedDateTime ]]; "  # noqa: E501


@pytest.mark.parametrize(
    ("changes", "scopes"),
    [
        (
            [change("ConsentAction.Permissions", json.dumps(PERMISSIONS.format("Mail.Read User.Read")))],
            ["Mail.Read", "User.Read"],
        ),
        ([change("ConsentAction.Permissions", PERMISSIONS.format("Mail.Read"))], ["Mail.Read"]),
        (
            [change("ConsentAction.Permissions", "[[Id: a, Scope: Old.Read]] => [[Id: a, Scope: New.Read]]")],
            ["New.Read"],
        ),
        ([change("ConsentAction.Permissions", PERMISSIONS.format(""))], None),
        ([change("DelegatedPermissionGrant.Scope", '" Mail.Read offline_access"', '"offline_access"')], ["Mail.Read"]),
        ([change("AppRole.Value", '"full_access_as_app"')], ["full_access_as_app"]),
        ([change("Scope", '"Mail.Read"')], None),
    ],
)
def test_scopes_are_those_newly_granted(changes: list[dict[str, Any]], scopes: Optional[list[str]]) -> None:
    assert entra(target("ServicePrincipal", *changes)).get("consent", {}).get("scopes") == scopes


def keys(*names: str) -> str:
    return json.dumps([KEY.format(name) for name in names])


@pytest.mark.parametrize(
    ("new", "old", "found"),
    [
        (keys("a", "b"), keys("a"), {"new": 2, "old": 1, "added": ["b"], "growth": 1}),
        (keys("a"), "[]", {"new": 1, "old": 0, "added": ["a"], "growth": 1}),
        (keys("a"), None, {"new": 1, "old": 0, "added": ["a"], "growth": 1}),
        (keys("b"), keys("a"), {"new": 1, "old": 1, "added": ["b"], "growth": 0}),
        (keys(), keys("a"), {"new": 0, "old": 1, "growth": -1}),
        (json.dumps(keys("a", "b")), json.dumps(keys("a")), {"new": 2, "old": 1, "added": ["b"], "growth": 1}),
        ("not a list", keys("a"), {"old": 1}),
    ],
    ids=["one more", "the first", "old is null", "one replaced", "removed", "quoted twice", "unreadable"],
)
def test_credentials_are_counted_before_and_after(new: str, old: Optional[str], found: dict[str, Any]) -> None:
    assert entra(target("Application", change("KeyDescription", new, old)))["credentials"] == found


def test_no_credentials_without_a_key_description() -> None:
    assert "credentials" not in entra(target("Application", change("DisplayName", '"x"')))


@pytest.mark.parametrize(
    ("targets", "role"),
    [
        (
            [target("User", change("Role.DisplayName", '"Global Administrator"'), change("Role.ObjectID", '"1"'))],
            {"name": ["Global Administrator"], "id": ["1"]},
        ),
        ([target("User", change("Role.DisplayName", '"\\"User Administrator\\""'))], {"name": ["User Administrator"]}),
        (
            [target("User", change("Role.DisplayName", None, '"Helpdesk Administrator"'))],
            {"name": ["Helpdesk Administrator"]},
        ),
        ([target("User"), target("Role")], {"name": ["Role name"], "id": ["Role-id"]}),
        ([target("User"), target("Role", displayName=None)], {"id": ["Role-id"]}),
        ([target("Group", change("DisplayName", '"Global Administrator"'))], None),
    ],
    ids=["assigned", "quoted twice", "removed", "PIM", "PIM without a name", "no role"],
)
def test_roles_are_found_where_each_activity_puts_them(targets: list[dict[str, Any]], role: Any) -> None:
    assert entra(*targets).get("role") == role


def policy(state: str = "enabled", **excluded: list[str]) -> str:
    users = {key: excluded.get(key, []) for key in ("excludeUsers", "excludeGroups", "excludeRoles")}
    conditions = {
        "users": {"includeUsers": ["All"], **users},
        "applications": {"excludeApplications": excluded.get("excludeApplications", [])},
        "locations": {"excludeLocations": excluded.get("excludeLocations", [])},
        "platforms": {"excludePlatforms": excluded.get("excludePlatforms", [])},
    }
    return json.dumps({"displayName": "Require MFA", "state": state, "conditions": conditions})


@pytest.mark.parametrize(
    ("new", "old", "added"),
    [
        (policy(excludeUsers=["a", "b"]), policy(excludeUsers=["a"]), ["user:b"]),
        (policy(excludeGroups=["g"]), policy(), ["group:g"]),
        (policy(excludeApplications=["p"], excludeLocations=["l"]), policy(), ["app:p", "location:l"]),
        (policy(excludeRoles=["r"]), policy(), ["role:r"]),
        (policy(), policy(excludeUsers=["a"]), None),
        (policy(excludePlatforms=["iOS"]), policy(), None),
        (json.dumps(policy(excludeUsers=["a"])), json.dumps(policy()), ["user:a"]),
        ("no policy", None, None),
        ('{"conditions": []}', '{"conditions": {"users": []}}', None),
    ],
)
def test_exclusions_are_those_newly_added(new: str, old: Optional[str], added: Optional[list[str]]) -> None:
    ours = entra(target("Policy", change("ConditionalAccessPolicy", new, old)))
    assert ours["policy"].get("exclusions_added") == added
    assert ours["policy"]["name"] == "Policy name"


def test_a_policys_states_and_conditions_are_shown() -> None:
    text = change("ConditionalAccessPolicy", policy("disabled"), policy("enabled"))
    found = entra(target("Policy", text, displayName=None))["policy"]
    assert (found["name"], found["old_state"], found["new_state"]) == ("Require MFA", "enabled", "disabled")
    assert json.loads(found["new_conditions"])["users"]["includeUsers"] == ["All"]


# --- who and whom -----------------------------------------------------------------------------------------------------

APP = {"appId": None, "displayName": "MS-PIM", "servicePrincipalId": "sp", "servicePrincipalName": None}
USER = {"id": "u", "userPrincipalName": "ann@contoso.example", "ipAddress": "198.51.100.7"}


@pytest.mark.parametrize(
    ("initiator", "kind", "name", "address"),
    [
        ({"user": USER, "app": None}, "user", "ann@contoso.example", "198.51.100.7"),
        ({"user": None, "app": APP}, "app", "MS-PIM", None),
        ({"app": APP}, "app", "MS-PIM", None),
        ({"user": {"id": "u", "userPrincipalName": "", "ipAddress": ""}}, "user", None, None),
        ({"user": {"id": None, "userPrincipalName": None}, "app": APP}, "app", "MS-PIM", None),
        ({"user": None, "app": None}, None, None, None),
        (None, None, None, None),
        ('{"user": {"id": "u", "userPrincipalName": "bo@x.example"}}', "user", "bo@x.example", None),
        ({"user": {**USER, "ipAddress": "{ipAddress}"}}, "user", "ann@contoso.example", None),
    ],
)
def test_the_initiator_is_a_user_or_an_application(initiator: Any, kind: Any, name: Any, address: Any) -> None:
    event = normalize(audit(initiatedBy=initiator))
    assert read(event, "entra.initiator.type") == kind
    assert read(event, "entra.initiator.name") == name
    assert read(event, "ipAddress") == address


def test_an_address_that_is_none_stays_readable() -> None:
    event = normalize(audit(initiatedBy={"user": {**USER, "ipAddress": "123.456.7.89"}}))
    assert event["source"] == {"address": "123.456.7.89"}
    assert read(event, "initiatedBy.user.ipAddress") == "123.456.7.89"


@pytest.mark.parametrize(
    ("initiator", "user"),
    [(USER, "ann@contoso.example"), (None, "eve@contoso.example"), ({"id": "x"}, "eve@contoso.example")],
)
def test_user_principal_name_is_the_actors_else_the_targets(initiator: Any, user: str) -> None:
    whom = target("User", userPrincipalName="eve@contoso.example")
    event = normalize(audit(target("Group"), whom, initiatedBy={"user": initiator}))
    assert read(event, "userPrincipalName") == user
    assert event["entra"]["target"]["user"] == {"id": "User-id", "name": "eve@contoso.example"}
    assert event["user"]["target"]["name"] == "eve@contoso.example"


def test_targets_become_objects_by_position() -> None:
    event = normalize(audit(target("User", change("A", '"1"'), change("B", None, '"2"')), target("Role")))
    targets = event["azure"]["auditlogs"]["properties"]["target_resources"]
    assert targets["0"]["modified_properties"]["1"] == {"display_name": "B", "old_value": '"2"'}
    assert targets["1"]["type"] == "Role"
    assert event["entra"]["modified"] == {"names": ["A", "B"], "changes": ["A=1 ()", "B= (2)"]}


@pytest.mark.parametrize(
    ("result", "outcome"), [("success", "success"), ("failure", "failure"), ("timeout", "unknown"), (None, "unknown")]
)
def test_the_result_is_the_outcome(result: Any, outcome: str) -> None:
    event = normalize(audit(result=result))
    assert event["event"]["outcome"] == outcome
    assert read(event, "result") == result


@pytest.mark.parametrize(
    ("category", "operation", "categories", "types"),
    [
        ("UserManagement", "Add", ["iam"], ["creation", "user"]),
        ("RoleManagement", "Assign", ["iam"], ["change", "admin"]),
        ("GroupManagement", "Delete", ["iam"], ["deletion", "group"]),
        ("Policy", "Update", ["configuration"], ["change"]),
        ("", None, ["configuration"], ["info"]),
    ],
)
def test_category_and_operation_give_the_ecs_kind(category: str, operation: Any, categories: Any, types: Any) -> None:
    event = normalize(audit(category=category, operationType=operation))
    assert (event["event"]["category"], event["event"]["type"]) == (categories, types)


def test_the_user_agent_is_found_in_the_additional_details() -> None:
    details = [{"key": "AppId", "value": "a"}, {"key": "User-Agent", "value": "curl/8"}]
    assert normalize(audit(additionalDetails=details))["user_agent"] == {"original": "curl/8"}
    assert normalize(audit(userAgent="beta/1", additionalDetails=details))["user_agent"] == {"original": "beta/1"}
