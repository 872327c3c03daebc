"""What a record is: in which shape it came, and of which stream it is.

Shapes: `graph` (the bare resource), `envelope` (diagnostic settings and Event Hub, which Splunk's azure:monitor:aad
is too), `table` (a Log Analytics row) and `event` (our own output).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from entrawatch.errors import RecordError
from entrawatch.normalize.values import parsed
from entrawatch.schema.fields import of_family
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrawatch.interfaces import Record
    from entrawatch.schema.streams import Stream

GRAPH, ENVELOPE, TABLE, EVENT = "graph", "envelope", "table", "event"

#: Log Analytics table → stream
#: https://learn.microsoft.com/azure/azure-monitor/reference/tables/signinlogs and its neighbours
TABLES = {
    "signinlogs": "interactive",
    "aadnoninteractiveusersigninlogs": "non_interactive",
    "aadserviceprincipalsigninlogs": "service_principal",
    "microsoftserviceprincipalsigninlogs": "service_principal",
    "aadmanagedidentitysigninlogs": "managed_identity",
    "adfssigninlogs": "interactive",
    "auditlogs": "directory_audits",
    "aadprovisioninglogs": "provisioning",
    "aaduserriskevents": "risk_detections",
    "aadserviceprincipalriskevents": "service_principal_risk_detections",
    "aadriskyusers": "risky_users",
    "aadriskyserviceprincipals": "risky_service_principals",
}
#: category in diagnostic settings → stream
CATEGORIES = {
    **{stream.category.lower(): stream.name for stream in STREAMS.values() if stream.default},
    "userriskevents": "risk_detections",
    "adfssigninlogs": "interactive",
    "microsoftserviceprincipalsigninlogs": "service_principal",
}
#: columns of Log Analytics' own, which say nothing about the record
_DROPPED = frozenset({"Type", "TenantId", "MG", "Computer"})


class Opened(NamedTuple):
    """A record taken out of its shape.

    :param props: the Graph resource.
    :param meta: what stood around it, by the names of the diagnostic settings shape; empty for a Graph record.
    """

    shape: str
    stream: Stream
    props: Mapping[str, Any]
    meta: Mapping[str, Any]


_NOTHING: dict[str, Any] = {}


def recognise(record: Record) -> tuple[str, Stream]:
    """The shape of a record and the stream it belongs to.

    :raises RecordError: it is no object, or nothing in it tells what it is.
    """
    opened = opened_as(record, None)
    return opened.shape, opened.stream


def opened_as(record: Record, stream: Optional[Stream]) -> Opened:
    """The record out of its shape; `stream` is the caller's word for what it is, None where it does not know.

    :raises RecordError: see `recognise`.
    """
    if type(record) is not dict:
        raise RecordError(f"a record is a JSON object, this is {type(record).__name__}")
    if "properties" in record and isinstance(parsed(record["properties"]), dict):
        return _envelope(record, stream)
    if "TimeGenerated" in record or "OperationName" in record:
        return _table(record, stream)
    if "@timestamp" in record:
        return _event(record)
    return Opened(GRAPH, stream or _graph_stream(record), record, _NOTHING)


def _envelope(record: Record, stream: Optional[Stream]) -> Opened:
    props = parsed(record["properties"])
    category = str(record.get("category") or record.get("Category") or "").lower()
    if stream is None:
        known = CATEGORIES.get(category)
        stream = STREAMS[known] if known else _graph_stream(props)
    return Opened(ENVELOPE, stream, props, record)


def _event(record: Record) -> Opened:
    ours = record.get("entra")
    event = record.get("event")
    if not (isinstance(ours, dict) and isinstance(event, dict) and isinstance(event.get("id"), str)):
        raise RecordError("it has an @timestamp but no entra.stream and event.id: it is not one of our events")
    stream = ours.get("stream")
    if not isinstance(stream, str) or stream not in STREAMS or not isinstance(record["@timestamp"], str):
        raise RecordError("it has an @timestamp but no entra.stream that we know: it is not one of our events")
    return Opened(EVENT, STREAMS[stream], record, _NOTHING)


# --- Log Analytics ----------------------------------------------------------------------------------------------------


def _table(record: Record, stream: Optional[Stream]) -> Opened:
    if stream is None:
        known = TABLES.get(str(record.get("Type") or "").lower()) or CATEGORIES.get(
            str(record.get("Category") or "").lower()
        )
        stream = STREAMS[known] if known else _column_stream(record)
    columns, envelope = _COLUMNS[stream.family]
    props: dict[str, Any] = {}
    meta: dict[str, Any] = {}
    for column, value in record.items():
        if value is None or column in _DROPPED or column.startswith("_"):
            continue
        if column in columns:
            props[columns[column]] = value
        if column in envelope:
            meta[envelope[column]] = value
        elif column not in columns:
            meta[column] = value
    _complete(stream.family, record, props, meta)
    return Opened(TABLE, stream, props, meta)


def _top(family: str) -> dict[str, str]:
    columns = {
        field.column: field.name
        for field in of_family(family)
        if field.column and "." not in field.name + field.column and field.envelope
    }
    return {**columns, **_MORE.get(family, {})}


#: columns that differ from the table's default, and those of older exports
_MORE = {
    "signin": {"ProcessingTimeInMs": "processingTimeInMilliseconds"},
    "audit": {"OperationType": "operationType", "UserAgent": "userAgent"},
}  # fmt: skip
#: column → place around the properties; where a column is both, it goes to both
_AROUND = {
    "TimeGenerated": "time", "OperationName": "operationName", "OperationVersion": "operationVersion",
    "ResultType": "resultType", "ResultSignature": "resultSignature", "ResultDescription": "resultDescription",
    "DurationMs": "durationMs", "Identity": "identity", "Level": "level", "AADTenantId": "tenantId",
    "ResourceId": "resourceId", "CorrelationId": "correlationId",
}  # fmt: skip
_ONLY = {
    "signin": {"Category": "category", "IPAddress": "callerIpAddress", "Location": "location"},
    "audit": {"Location": "location"},
    "provisioning": {"Category": "category"},
}


def _columns(family: str) -> tuple[dict[str, str], dict[str, str]]:
    properties = {column: name for column, name in _top(family).items() if not name.startswith("envelope.")}
    return properties, {**_AROUND, **_ONLY.get(family, {})}


_COLUMNS = {
    family: _columns(family) for family in ("signin", "audit", "provisioning", "risk_detection", "risky_object")
}


def _complete(family: str, record: Record, props: dict[str, Any], meta: dict[str, Any]) -> None:
    """What the row has in columns of its own and the Graph resource inside an object."""
    if family == "signin":
        status = parsed(record.get("Status"))
        status = dict(status) if isinstance(status, dict) else {}
        if "ResultType" in record:
            status.setdefault("errorCode", record["ResultType"])
        if record.get("ResultDescription"):
            status.setdefault("failureReason", record["ResultDescription"])
        props["status"] = status
    elif family == "audit":
        props.setdefault("activityDisplayName", record.get("OperationName"))
        props.setdefault("activityDateTime", record.get("TimeGenerated"))
    elif family == "provisioning":
        props.setdefault("activityDateTime", record.get("TimeGenerated"))
        if not isinstance(parsed(props.get("sourceSystem")), dict):
            props.pop("sourceSystem", None)  # "Azure AD": the column that every table has
    if family != "provisioning":
        meta.pop("SourceSystem", None)


def _column_stream(record: Record) -> Stream:
    """Rows without the Type column: Graph's names are the columns' with a small first letter."""
    return _graph_stream({column[:1].lower() + column[1:]: value for column, value in record.items()})


# --- Graph ------------------------------------------------------------------------------------------------------------


def _graph_stream(props: Mapping[str, Any]) -> Stream:
    if "createdDateTime" in props and ("appId" in props or "status" in props or "signInEventTypes" in props):
        return STREAMS[_sign_in_kind(props)]
    if "activityDisplayName" in props or ("initiatedBy" in props and "targetResources" in props):
        return STREAMS["directory_audits"]
    if "provisioningAction" in props or "provisioningSteps" in props or "cycleId" in props:
        return STREAMS["provisioning"]
    if "detectedDateTime" in props or "riskEventType" in props:
        principal = "servicePrincipalId" in props or "agentId" in props
        return STREAMS["service_principal_risk_detections" if principal else "risk_detections"]
    if "riskLastUpdatedDateTime" in props or "riskLastModifiedDateTime" in props:
        user = "userPrincipalName" in props or "isDeleted" in props
        return STREAMS["risky_users" if user else "risky_service_principals"]
    raise RecordError("nothing in it tells what it is: no sign-in, audit, provisioning or risk record of Entra ID")


_KINDS = {
    stream.sign_in_type: stream.name for stream in STREAMS.values() if stream.family == "signin" and stream.default
}


def _sign_in_kind(props: Mapping[str, Any]) -> str:
    types = parsed(props.get("signInEventTypes"))
    for kind in types if isinstance(types, list) else ():
        if isinstance(kind, str) and kind in _KINDS:
            return _KINDS[kind]
    if props.get("servicePrincipalId") and not props.get("userId"):
        return "managed_identity" if _managed(props.get("managedServiceIdentity")) else "service_principal"
    return "non_interactive" if props.get("isInteractive") is False and "signInEventTypes" in props else "interactive"


def _managed(identity: Any) -> bool:
    return isinstance(identity, dict) and identity.get("msiType") not in (None, "", "none")
