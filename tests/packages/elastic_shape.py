"""Directory audits as Elastic's azure integration stores them, and as our pipeline then leaves them.

`stored` does what the integration's ingest pipeline for audit logs does to a record (its source was read; a test holds
this against the integration's own samples). `through` is Elastic's document once our pipeline has run; what a run on a
real server gave for the catalogue's cases and for some hostile records stands in audits_through_pipeline.jsonl, so that
tests without a server can read it. `python -m server.record`, called in tests/, writes it anew.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from entrawatch.packages.elastic_assets_integration import PIPELINE, pipelines
from rules.test_catalogue import CATALOGUE

RECORDED = Path(__file__).with_name("audits_through_pipeline.jsonl")
TENANT = "6f2b0c1a-0d4e-4f7a-9f59-3f0a4f1a2b3c"
_NAMES = {
    "activityDisplayName": "activity_display_name", "activityDateTime": "activity_datetime",
    "additionalDetails": "additional_details", "resultReason": "result_reason", "correlationId": "correlation_id",
    "loggedByService": "logged_by_service", "operationType": "operation_type", "initiatedBy": "initiated_by",
}  # fmt: skip
_TARGET = {"displayName": "display_name", "ipAddress": "ip_address", "userPrincipalName": "user_principal_name"}


def stored(record: dict[str, Any], tenant_id: str = TENANT) -> dict[str, Any]:
    """What the integration makes of a directory audit."""
    properties = {_NAMES.get(key, key): value for key, value in record.items() if key != "targetResources"}
    if record.get("targetResources") is not None:
        properties["target_resources"] = _numbered(record["targetResources"], _target)
    event: dict[str, Any] = {"action": record.get("activityDisplayName"), "kind": "event"}
    if str(record.get("result")).lower() in {"success", "failure"}:
        event["outcome"] = str(properties.pop("result")).lower()
    made: dict[str, Any] = {
        "@timestamp": record["activityDateTime"],
        "azure": {"auditlogs": {"category": "AuditLogs", "properties": properties}, "tenant_id": tenant_id},
        "data_stream": {"type": "logs", "dataset": "azure.auditlogs", "namespace": "default"},
        "event": event,
    }
    address = ((record.get("initiatedBy") or {}).get("user") or {}).get("ipAddress")
    if address:
        made["source"] = {"ip": address}
    return json.loads(json.dumps(made))  # type: ignore[no-any-return]


def _numbered(items: list[dict[str, Any]], each: Any) -> dict[str, Any]:
    return {str(number): each(item) for number, item in enumerate(items)}


def _target(target: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": target.get("id"),
        "type": target.get("type"),
        **{name: target[key] for key, name in _TARGET.items() if target.get(key) is not None},
        "modified_properties": _numbered(target.get("modifiedProperties") or [], _changed),
    }


def _changed(change: dict[str, Any]) -> dict[str, Any]:
    values = {"new_value": change.get("newValue"), "old_value": change.get("oldValue")}
    return {"display_name": change.get("displayName"), **{k: v for k, v in values.items() if v is not None}}


def records() -> list[dict[str, Any]]:
    """The audits of the catalogue's cases, then hostile ones."""
    cases = [
        dict(record)
        for rule in CATALOGUE.rules.values()
        for case in rule.cases
        for stream, record in case.records
        if stream == "directory_audits"
    ]
    return [*cases, *hostile()]


def hostile() -> list[dict[str, Any]]:
    """Audits whose values are written as none should be, and initiators of every kind."""
    given = [*_changes(), *_targets()]
    made = [_audit(f"hostile-{number}", *one, _SERVICE) for number, one in enumerate(given)]
    return made + [_audit(f"initiator-{number}", [], [_USER], by) for number, by in enumerate(_INITIATORS)]


def _audit(identifier: str, changes: list[Any], targets: list[Any], by: Any) -> dict[str, Any]:
    changed = [{"displayName": name, "newValue": new, "oldValue": old} for name, new, old in changes]
    made = [dict(target) for target in targets]
    if changed:
        made[0]["modifiedProperties"] = changed
    return {
        "id": identifier, "activityDateTime": "2026-11-01T10:00:00Z", "activityDisplayName": "Update user",
        "result": "success", "initiatedBy": by,
        "targetResources": made,
    }  # fmt: skip


_SERVICE = {"user": None, "app": {"displayName": "", "servicePrincipalName": "svc"}}
_INITIATORS: list[Any] = [
    None, {}, {"user": None, "app": None}, {"user": {}, "app": {"displayName": "", "appId": None}},
    {"app": {"appId": "a-1"}}, {"user": {"id": "u-2", "displayName": "No name"}, "app": {"displayName": "Both"}},
    {"user": {"userPrincipalName": "bob@example.com", "ipAddress": "192.0.2.7"}, "app": None},
    {"user": {"displayName": "Nobody"}, "app": {"displayName": "App", "servicePrincipalName": "svc"}},
]  # fmt: skip
_USER = {"id": "u-1", "displayName": "Ada", "userPrincipalName": "ada@example.com", "type": "User"}
_POLICY = {"id": "p-1", "displayName": "", "type": "Policy"}


def _changes() -> list[tuple[list[Any], list[Any]]]:
    policy = "ConditionalAccessPolicy"
    conditions = {
        "users": {"excludeUsers": ["b", "", 7, 'a\u2028\u00e9\t"\\'], "excludeGroups": "g"},
        "n": [1, -2.5, True, None, {}],
    }
    consents = [
        ("ConsentContext.IsAdminConsent", '"\\"True\\""', None), ("ConsentContext.IsAppOnly", "yes", None),
        ("ConsentContext.OnBehalfOfAll", True, None), ("ConsentContext.IsAdminConsent", " FALSE ", None),
    ]  # fmt: skip
    scopes = [
        ("ConsentAction.Permissions", '"[[Scope: had]] => [[ConsentType: All, Scope: a b  a, ], [Scope:c]]; "', None),
        ("DelegatedPermissionGrant.Scope", '"User.Read\u00a0 Mail.Read\u2003x"', '"User.Read"'),
        ("AppRole.Value", '"\\"Sites.Read\\""', ""), ("ConsentAction.Permissions", "Scope: one] ConsentType:", None),
    ]  # fmt: skip
    keys = [
        [("KeyDescription", '["[KeyIdentifier=1,KeyType=x]","[KeyIdentifier=2]"]', '["[KeyIdentifier=1]"]')],
        [("KeyDescription", '"[\\"[ KeyIdentifier=1 ]\\",\\"\\", null, {\\"a\\": [1, 2.5]}]"', "")],
        [("KeyDescription", " [] ", "[1, 0, false]"), ("KeyDescription", '["[KeyIdentifier=9]"]', "[]")],
        [("KeyDescription", '["open', "{}")], [("KeyDescription", "[01]", "[1.]")],
        [("KeyDescription", "[1e5,NaN]", "[-]")],
        [("KeyDescription", '["\\ud83d\\ude00","\\x"]', '["a\tb"]')], [("KeyDescription", None, "   ")],
    ]  # fmt: skip
    policies = [
        [(policy, json.dumps({"state": "enabled", "conditions": conditions}), json.dumps([{"conditions": {}}]))],
        [(f" {policy}\u00a0", json.dumps(json.dumps({"displayName": "Named", "state": 3})), "[]")],
        [(policy, '{"conditions": "all", "state": "a", "state": "b"}', '{"displayName": "Before", "conditions": 0}')],
        [(policy, "{} trailing", '{"conditions": {"z": 1, "a": "\\u0001\\u001f/"}}')],
        [(policy, '{"conditions": {"locations": {"excludeLocations": ["l"]}, "applications": []}}', "no policy")],
    ]
    roles = [
        ("Role.DisplayName", '"\\"Global \\"\\"Admin\\""', None), ("Role.DisplayName", '""', '"Gone"'),
        ("Role.ObjectID", '"id-1"', None), ("Role.TemplateId", "id-1", None), ("", "x", 5), (None, True, 1.5),
    ]  # fmt: skip
    return [
        (consents, [_USER]), (scopes, [_USER]), (roles, [_USER]), *((one, [_USER]) for one in keys),
        *((one, [_POLICY, _USER]) for one in policies),
    ]  # fmt: skip


def _targets() -> list[tuple[list[Any], list[Any]]]:
    many = [{"id": f"g-{number}", "displayName": f"Group {number}", "type": "Group"} for number in range(12)]
    many[10] = {
        "id": "late",
        "type": "Application",
        "modifiedProperties": [{"displayName": "AppRole.Value", "newValue": "late"}],
    }
    return [
        ([], []), ([], [{}]), ([], many),
        ([], [{"id": "", "type": "Role", "displayName": "Reader"}, {"id": "r", "type": "Role"}]),
        ([], [{"id": "s", "type": "ServicePrincipal"}, {"displayName": "App", "type": "Application"}, _USER]),
        ([], [{"userPrincipalName": "only@example.com", "type": "User"}]),
    ]  # fmt: skip


def processor() -> str:
    """What stands for the processor that the recorded documents went through."""
    return hashlib.sha256(json.dumps(pipelines()[PIPELINE]["processors"], sort_keys=True).encode()).hexdigest()


def through() -> tuple[str, list[tuple[dict[str, Any], dict[str, Any]]]]:
    """The recorded run: its processor, then each record with the document that came of it."""
    first, *lines = RECORDED.read_text(encoding="utf-8").splitlines()
    return json.loads(first)["processor"], [tuple(json.loads(line)) for line in lines]
