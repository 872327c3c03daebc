"""Risk detections: of users, service principals and agents.

https://learn.microsoft.com/graph/api/resources/riskdetection
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entrawatch.normalize import common
from entrawatch.normalize.containers import paired
from entrawatch.normalize.convert import compiled
from entrawatch.normalize.values import UNFIT, parsed, shown
from entrawatch.schema.fields import of_family

if TYPE_CHECKING:
    from entrawatch.interfaces import Event
    from entrawatch.normalize.shapes import Opened
    from entrawatch.schema.outcomes import Outcomes

#: risk level → event.severity, as Elastic's alerts have it; hidden and none have none
SEVERITIES = {"low": 21, "medium": 47, "high": 73}


def _info(value: Any, _: dict[str, str]) -> Any:
    """JSON text of a list of {Key, Value}, kept with its capitals; other text is kept as one value."""
    value = parsed(value)
    if type(value) is list:
        value = [item for item in value if item is not None]
        return value if all(type(item) is dict for item in value) else UNFIT
    if type(value) is dict:
        return [value]
    return [{"Value": shown(value)}] if value not in ("", None) else None


_CONVERT = compiled(of_family("risk_detection"), {"additionalInfo": _info})


def build(opened: Opened, tenant_id: str, _: Outcomes) -> Event:
    """The event of a risk detection; its time is the risky activity's."""
    record, meta = opened.props, opened.meta
    unfit: dict[str, str] = {}
    props = _CONVERT(record, unfit)  # type: ignore[arg-type]
    get = props.get
    tenant = tenant_id or common.tenant_of(meta.get("tenantId"), get("home_tenant_id"))
    head = common.head_of(opened, props, unfit, _operation(opened))
    event, inner, _ours = common.frame(opened.stream, tenant, head)
    inner["action"] = head.get("operation_name") or _operation(opened)
    inner["kind"] = "alert"
    inner["category"] = ["iam", "intrusion_detection"]
    inner["type"] = ["info"]
    if get("detected_datetime"):
        inner["created"] = props["detected_datetime"]
    place_risk(event, props)
    source, related = common.place_address(event, get("ip_address") or meta.get("callerIpAddress"))
    common.place_user(event, related, get("user_principal_name"), get("user_id"), get("user_display_name"))
    _place_service(event, props)
    _place_info(event, props)
    for name, value in (("source", source), ("related", related)):
        if value:
            event[name] = value
    if meta:
        common.place_meta(event, head, meta, level_as_text=False)
    if get("correlation_id"):
        event["azure"].setdefault("correlation_id", props["correlation_id"])
    times = (get("activity_datetime"), get("detected_datetime"), get("last_updated_datetime"))
    return common.finish(event, record, unfit, get("id"), *times, get("last_modified_datetime"), meta.get("time"))


def _operation(opened: Opened) -> str:
    return "User Risk Detection" if opened.stream.name == "risk_detections" else "Service Principal Risk Detection"


def place_risk(event: Event, props: dict[str, Any]) -> None:
    """What was detected and how grave it is; a hidden level is no level."""
    if props.get("risk_event_type"):
        event["rule"] = {"name": props["risk_event_type"]}
    severity = SEVERITIES.get((props.get("risk_level") or "").lower())
    if severity:
        event["event"]["severity"] = severity


def _place_service(event: Event, props: dict[str, Any]) -> None:
    name, identifier = props.get("service_principal_display_name"), props.get("service_principal_id")
    service = {key: value for key, value in (("name", name), ("id", identifier)) if value}
    if service:
        event["service"] = service


def _place_info(event: Event, props: dict[str, Any]) -> None:
    found = paired(props.get("additional_info") or [])
    info: dict[str, Any] = found if type(found) is dict else {}
    if info:
        event["entra"]["additional_info"] = info
    agent = info.get("userAgent")
    if agent and type(agent) is str:
        event["user_agent"] = {"original": agent}
    techniques = info.get("mitreTechniques") or props.get("mitre_technique_id")
    if techniques and type(techniques) is str:
        ids = [text.strip() for text in techniques.split(",") if text.strip()]
        event["threat"] = {"technique": {"id": ids}}
