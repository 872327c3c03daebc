"""Directory audits.

https://learn.microsoft.com/graph/api/resources/directoryaudit
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entrawatch.normalize import common
from entrawatch.normalize.convert import compiled
from entrawatch.normalize.derived import derive
from entrawatch.normalize.values import parsed
from entrawatch.schema.fields import of_family

if TYPE_CHECKING:
    from entrawatch.interfaces import Event
    from entrawatch.normalize.shapes import Opened
    from entrawatch.schema.outcomes import Outcomes

_CONVERT = compiled(of_family("audit"), {})
_OUTCOMES = {"success": "success", "failure": "failure"}
#: operationType → ECS event.type
_TYPES = {
    "add": ["creation"], "assign": ["change"], "unassign": ["change"], "update": ["change"], "delete": ["deletion"],
    "create": ["creation"],
}  # fmt: skip
#: category → ECS event.category, where it is not "configuration"
_IAM = {"usermanagement", "groupmanagement", "rolemanagement", "administrativeunit", "entitlementmanagement"}
#: category → the ECS type of who or what is managed, which "iam" may carry
_OF = {"usermanagement": "user", "groupmanagement": "group", "rolemanagement": "admin"}


def build(opened: Opened, tenant_id: str, _: Outcomes) -> Event:
    """The event of a directory audit."""
    record, meta = opened.props, opened.meta
    unfit: dict[str, str] = {}
    props = _CONVERT(record, unfit)  # type: ignore[arg-type]
    get = props.get
    activity = get("activity_display_name")
    tenant = tenant_id or common.tenant_of(meta.get("tenantId"))
    head = common.head_of(opened, props, unfit, activity or "")
    event, inner, ours = common.frame(opened.stream, tenant, head)
    action = head.get("operation_name") or activity
    if action:
        inner["action"] = action
    _place_kind(inner, props)
    _place_outcome(inner, props)
    initiator = get("initiated_by") or {}
    text = (initiator.get("user") or {}).get("ipAddress") or meta.get("callerIpAddress")
    source, related = common.place_address(event, text)
    actor = _place_actor(event, related, initiator)
    targets = list((get("target_resources") or {}).values())
    derive(ours, targets)
    _place_target(event, related, actor)
    _place_agent(event, record, get("additional_details"))
    if meta:
        common.place_meta(event, head, meta, level_as_text=False)
    if get("correlation_id"):
        event["azure"].setdefault("correlation_id", props["correlation_id"])
    if source:
        event["source"] = source
    if related:
        event["related"] = related
    return common.finish(event, record, unfit, get("id"), get("activity_datetime"), meta.get("time"))


def _place_kind(inner: dict[str, Any], props: dict[str, Any]) -> None:
    category = (props.get("category") or "").lower()
    iam = category in _IAM
    inner["category"] = ["iam"] if iam else ["configuration"]
    kinds = list(_TYPES.get((props.get("operation_type") or "").lower(), ["info"]))
    inner["type"] = [*kinds, _OF[category]] if category in _OF else kinds
    if props.get("logged_by_service"):
        inner["provider"] = props["logged_by_service"]


def _place_outcome(inner: dict[str, Any], props: dict[str, Any]) -> None:
    inner["outcome"] = _OUTCOMES.get((props.get("result") or "").lower(), "unknown")
    if props.get("result_reason"):
        inner["reason"] = props["result_reason"]


def _place_actor(event: Event, related: dict[str, Any], initiator: dict[str, Any]) -> str:
    """Who did it: the user, else the application. Gives the user's principal name, "" for none."""
    user, app = initiator.get("user") or {}, initiator.get("app") or {}
    name: str = user.get("userPrincipalName") or ""
    if name or user.get("id"):
        common.place_user(event, related, name, user.get("id"), user.get("displayName"))
        event["entra"]["initiator"] = {"type": "user", **({"name": name} if name else {})}
    elif any(app.values()):
        shown = app.get("displayName") or app.get("servicePrincipalName")
        event["entra"]["initiator"] = {"type": "app", **({"name": shown} if shown else {})}
        service = {"name": shown, "id": app.get("servicePrincipalId") or app.get("appId")}
        event["service"] = {key: value for key, value in service.items() if value}
    return name


def _place_target(event: Event, related: dict[str, Any], actor: str) -> None:
    user = event["entra"].get("target", {}).get("user")
    if user:
        event["user"] = {**event.get("user", {}), "target": user}
        related["user"] = list(dict.fromkeys([*related.get("user", ()), *user.values()]))
    name = actor or (user or {}).get("name")
    if name:
        event["entra"]["user_principal_name"] = name


def _place_agent(event: Event, record: Any, details: Any) -> None:
    text = record.get("userAgent")
    if not text and details:
        text = next((item.get("value") for item in parsed(details) if item.get("key") == "User-Agent"), None)
    if text and type(text) is str:
        event["user_agent"] = {"original": text}
