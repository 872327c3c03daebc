"""Risky users, service principals and agents: states, not events; each update is an event of its own.

https://learn.microsoft.com/graph/api/resources/riskyuser
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    tenant = common.tenant_of(tenant_id, meta.get("tenantId"))
    frame = common.Frame(opened, tenant, common.head_of(opened, props, unfit, operation), unfit)
    event, inner = frame.event, frame.inner
    inner["action"] = frame.head.get("operation_name") or operation
    inner["kind"] = "state"
    inner["category"] = ["iam"]
    inner["type"] = ["info"]
    updated = get("risk_last_updated_datetime") or get("risk_last_modified_datetime")
    if get("id"):
        inner["id"] = f"{props['id']}:{updated}" if updated else props["id"]
    place_risk(event, props)
    if users:
        common.place_user(event, get("user_principal_name"), get("id"), get("user_display_name"))
    elif get("id"):
        event["service"] = {"id": props["id"], **({"name": get("display_name")} if get("display_name") else {})}
    if meta:
        common.place_meta(frame, meta, level_as_text=False)
    return frame.finish(record, updated, meta.get("time"))
