"""Graph records as rows of Microsoft's tables: written from the table reference, not from the dialect.

A column is called like the property in Pascal case, except for those named here; objects are `dynamic` or JSON text,
as the table has it; text is "" and never null.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from entrawatch.dialects.kql_tables import columns

if TYPE_CHECKING:
    from collections.abc import Mapping

#: stream → its table
TABLES = {
    "interactive": "SigninLogs",
    "non_interactive": "AADNonInteractiveUserSignInLogs",
    "service_principal": "AADServicePrincipalSignInLogs",
    "managed_identity": "AADManagedIdentitySignInLogs",
    "directory_audits": "AuditLogs",
}
#: column → path of the Graph property it is filled from
_SIGNIN = {
    "TimeGenerated": "createdDateTime",
    "IPAddress": "ipAddress",
    "IPAddressFromResourceProvider": "ipAddressFromResourceProvider",
    "ResultType": "status.errorCode",
    "ResultDescription": "status.failureReason",
    "Location": "location.countryOrRegion",
    "LocationDetails": "location",
    "ConditionalAccessPolicies": "appliedConditionalAccessPolicies",
    "ResourceIdentity": "resourceId",
    "RiskEventTypes_V2": "riskEventTypes_v2",
    "ProcessingTimeInMs": "processingTimeInMilliseconds",
}
_AUDIT = {
    "TimeGenerated": "activityDateTime",
    "OperationName": "activityDisplayName",
    "AADOperationType": "operationType",
}
_TYPES = {"string": "VARCHAR", "dynamic": "JSON", "bool": "BOOLEAN", "long": "BIGINT", "datetime": "TIMESTAMP"}


def described(table: str) -> str:
    """The table's columns in DuckDB's types."""
    known = columns()[table].items()
    return ", ".join(f'"{name}" {_TYPES[kind]}' for name, kind in known) + ', "TenantId" VARCHAR, "Type" VARCHAR'


def row(table: str, record: Mapping[str, Any]) -> list[Any]:
    """A record as the table's columns have it."""
    named = _AUDIT if table == "AuditLogs" else _SIGNIN
    found = [
        _stored(kind, _at(record, named.get(name, name[:1].lower() + name[1:])))
        for name, kind in columns()[table].items()
    ]
    return [*found, "00000000-0000-4000-8000-00000000f001", table]


def _at(record: Any, path: str) -> Any:
    for part in path.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return record


def _stored(kind: str, value: Any) -> Any:
    if kind == "dynamic":
        return None if value is None else json.dumps(value)
    if kind == "datetime":
        return None if value is None else str(value).rstrip("Z")
    if kind != "string":
        return value
    if isinstance(value, (dict, list, bool)):
        return json.dumps(value)
    return "" if value is None else str(value)
