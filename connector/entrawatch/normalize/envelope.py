"""A Graph record as diagnostic settings would have exported it.

Splunk's security content (sourcetype azure:monitor:aad), Panther's and many Sigma rules read that shape: the resource
in `properties`, and around it what an export says of every record.

https://learn.microsoft.com/azure/azure-monitor/essentials/resource-logs-schema
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entrawatch.normalize.values import instant, shown

if TYPE_CHECKING:
    from entrawatch.interfaces import Record
    from entrawatch.schema.streams import Stream

#: family → operationName; an audit's is its activity
_OPERATIONS = {"signin": "Sign-in activity", "provisioning": "Provisioning activity"}
_RISK_OPERATIONS = {
    "risk_detections": "User Risk Detection",
    "service_principal_risk_detections": "Service Principal Risk Detection",
    "risky_users": "Risky user",
    "risky_service_principals": "Risky service principal",
}
#: where the record's time stands, first found first taken
_TIMES = (
    "createdDateTime", "activityDateTime", "detectedDateTime", "riskLastUpdatedDateTime", "lastUpdatedDateTime",
)  # fmt: skip


def wrap(record: Record, stream: Stream, tenant_id: str) -> dict[str, Any]:
    """The record in the shape of diagnostic settings; the record itself stands in it unchanged, as `properties`.

    `time` is the record's own: an export has the time of the export there, which we do not know.
    """
    out: dict[str, Any] = {
        "time": _time(record),
        "resourceId": f"/tenants/{tenant_id}/providers/Microsoft.aadiam",
        "operationName": operation_of(record, stream),
        "operationVersion": "1.0",
        "category": stream.category,
        "tenantId": tenant_id,
        "resultSignature": "None",
        "durationMs": 0,
        "callerIpAddress": _address(record),
        "correlationId": record.get("correlationId") or record.get("changeId"),
        "identity": _identity(record),
        "Level": 4,
        "location": _part(record, "location").get("countryOrRegion"),
        **_result(record, stream),
        "properties": record,
    }
    return {key: value for key, value in out.items() if value is not None}


def operation_of(record: Record, stream: Stream) -> str:
    """operationName of a record: the activity of an audit event, a constant of its stream for all others."""
    if stream.family == "audit":
        return shown(record.get("activityDisplayName") or "")
    return _OPERATIONS.get(stream.family) or _RISK_OPERATIONS.get(stream.name, stream.category)


def _part(record: Record, key: str) -> dict[str, Any]:
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def _time(record: Record) -> Any:
    for key in _TIMES:
        text = record.get(key)
        both = instant(text) if isinstance(text, str) else None
        if both:
            return both[1]
    return None


def _address(record: Record) -> Any:
    user = _part(_part(record, "initiatedBy"), "user")
    return record.get("ipAddress") or user.get("ipAddress") or None


def _identity(record: Record) -> Any:
    initiator = _part(record, "initiatedBy")
    user, app = _part(initiator, "user"), _part(initiator, "app")
    for value in (
        record.get("userDisplayName"), record.get("servicePrincipalName"), record.get("servicePrincipalDisplayName"),
        user.get("displayName"), user.get("userPrincipalName"), app.get("displayName"),
    ):  # fmt: skip
        if value:
            return value
    return None


def _result(record: Record, stream: Stream) -> dict[str, Any]:
    if stream.family == "signin":
        status = _part(record, "status")
        code, reason = status.get("errorCode"), status.get("failureReason")
        return {
            "resultType": None if code is None else shown(code),
            "resultDescription": reason if reason and code else None,
            "durationMs": record.get("processingTimeInMilliseconds") or 0,
        }
    if stream.family == "audit":
        return {"resultType": record.get("result"), "resultDescription": record.get("resultReason") or None}
    if stream.family == "provisioning":
        result = _part(record, "provisioningStatusInfo").get("status")
        return {"resultType": result, "durationMs": record.get("durationInMilliseconds") or 0}
    return {}
