"""Risky users, service principals and agents: states, not events; each update is an event of its own.

https://learn.microsoft.com/graph/api/resources/riskyuser
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entrawatch.normalize import common
from entrawatch.normalize.convert import compiled
from entrawatch.normalize.risk_detection import place_risk
from entrawatch.schema.fields import of_family

if TYPE_CHECKING:
    from entrawatch.interfaces import Event
    from entrawatch.normalize.shapes import Opened
    from entrawatch.schema.outcomes import Outcomes

_CONVERT = compiled(of_family("risky_object"), {})


def build(opened: Opened, tenant_id: str, _: Outcomes) -> Event:
    """The event of a state: its identifier is the object's with the time of the update."""
    record, meta = opened.props, opened.meta
    unfit: dict[str, str] = {}
    props = _CONVERT(record, unfit)  # type: ignore[arg-type]
    get = props.get
    users = opened.stream.name == "risky_users"
    operation = "Risky user" if users else "Risky service principal"
    tenant = tenant_id or common.tenant_of(meta.get("tenantId"))
    head = common.head_of(opened, props, unfit, operation)
    event, inner, _ours = common.frame(opened.stream, tenant, head)
    inner["action"] = head.get("operation_name") or operation
    inner["kind"] = "state"
    inner["category"] = ["iam"]
    inner["type"] = ["info"]
    updated = get("risk_last_updated_datetime") or get("risk_last_modified_datetime")
    identifier = f"{props['id']}:{updated}" if get("id") and updated else get("id")
    place_risk(event, props)
    if users:
        related: dict[str, Any] = {}
        common.place_user(event, related, get("user_principal_name"), get("id"), get("user_display_name"))
        if related:
            event["related"] = related
    elif get("id"):
        event["service"] = {"id": props["id"], **({"name": get("display_name")} if get("display_name") else {})}
    if meta:
        common.place_meta(event, head, meta, level_as_text=False)
    return common.finish(event, record, unfit, identifier, updated, meta.get("time"))
