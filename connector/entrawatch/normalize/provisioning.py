"""Provisioning events.

https://learn.microsoft.com/graph/api/resources/provisioningobjectsummary
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entrawatch.normalize import common
from entrawatch.normalize.containers import as_they_are
from entrawatch.normalize.convert import compiled
from entrawatch.schema.fields import of_family

if TYPE_CHECKING:
    from entrawatch.interfaces import Event
    from entrawatch.normalize.shapes import Opened
    from entrawatch.schema.outcomes import Outcomes

OPERATION = "Provisioning activity"
_CONVERT = compiled(of_family("provisioning"), {"modifiedProperties": as_they_are})
#: skipped and warning are neither: nothing was refused
_OUTCOMES = {"success": "success", "failure": "failure"}
_TYPES = {
    "create": ["creation"], "update": ["change"], "delete": ["deletion"], "stageddelete": ["deletion"],
    "disable": ["change"],
}  # fmt: skip


def build(opened: Opened, tenant_id: str, _: Outcomes) -> Event:
    """The event of a provisioning step."""
    record, meta = opened.props, opened.meta
    unfit: dict[str, str] = {}
    props = _CONVERT(record, unfit)  # type: ignore[arg-type]
    get = props.get
    tenant = tenant_id or common.tenant_of(meta.get("tenantId"), get("tenant_id"))
    head = common.head_of(opened, props, unfit, OPERATION)
    event, inner, _ours = common.frame(opened.stream, tenant, head)
    inner["action"] = head.get("operation_name") or OPERATION
    inner["category"] = ["iam"]
    inner["type"] = list(_TYPES.get((get("provisioning_action") or "").lower(), ["info"]))
    _place_outcome(inner, props, head.get("result_type"))
    _place_principal(event, props)
    if meta:
        common.place_meta(event, head, meta, level_as_text=False)
    elif 0 <= get("duration_ms", -1) < 2**40:
        inner["duration"] = props["duration_ms"] * 1_000_000
    if get("change_id"):
        event["azure"].setdefault("correlation_id", props["change_id"])
    return common.finish(event, record, unfit, get("id"), get("activity_datetime"), meta.get("time"))


def _place_outcome(inner: dict[str, Any], props: dict[str, Any], result: Any) -> None:
    info = props.get("provisioning_status_info") or {}
    status = info.get("status") or result or ""
    inner["outcome"] = _OUTCOMES.get(status.lower(), "unknown")
    error = info.get("error_information") or {}
    if error.get("error_code"):
        inner["code"] = error["error_code"]
    if error.get("reason"):
        inner["reason"] = error["reason"]


def _place_principal(event: Event, props: dict[str, Any]) -> None:
    principal = props.get("service_principal") or {}
    service = {key: principal[key] for key in ("id", "name") if principal.get(key)}
    if service:
        event["service"] = service
