"""A rule as Sentinel is given it, before it is written as YAML or as an ARM template.

https://github.com/Azure/Azure-Sentinel/wiki/Query-Style-Guide
https://learn.microsoft.com/azure/sentinel/scheduled-rules-overview
https://learn.microsoft.com/azure/sentinel/customize-alert-details
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.dialects.base import Compiled
from entrawatch.dialects.kql_entities import TYPES, mapped
from entrawatch.dialects.kql_schedule import schedule
from entrawatch.dialects.kql_sentinel import SentinelKql
from entrawatch.dialects.kql_tables import TABLES
from entrawatch.dialects.kql_text import spelled
from entrawatch.dialects.sql import evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrawatch.rules.rule import Baseline, Rule

SEVERITIES = {"informational": "Informational", "low": "Low", "medium": "Medium", "high": "High", "critical": "High"}
#: Sentinel's words are ATT&CK's from before its version 19
TACTICS = {
    "TA0001": "InitialAccess", "TA0003": "Persistence", "TA0004": "PrivilegeEscalation", "TA0005": "DefenseEvasion",
    "TA0006": "CredentialAccess", "TA0040": "Impact",
}  # fmt: skip
_DETAILS, _KEY, _SHOWN, _ENTITIES = 20, 20, 3, 10
#: texts of many kilobytes, which stand in the result but not in the alert
_LONG = {"entra.policy.old_conditions", "entra.policy.new_conditions"}
#: what a detail is called whose column has too long a name
_CALLED = {
    "DeviceDetailDisplayName": "DeviceName",
    "InitiatedByUserUserPrincipalName": "InitiatorUPN",
    "InitiatedByUserId": "InitiatorObjectId",
    "AutonomousSystemNumber": "ASN",
    "LocationCountryOrRegion": "Country",
    "LocationCity": "City",
    "ConditionalAccessStatus": "CAStatus",
    "StatusAdditionalDetails": "AdditionalDetails",
}
#: who acted may be an application, which has no principal name
_BETTER = {"initiatedBy.user.userPrincipalName": "entra.initiator.name"}


def compiled(rule: Rule, baselines: Mapping[str, Baseline], profile: str) -> Optional[Compiled]:
    """The rule's query for a schedule, NRT or a hunt; None where it cannot be said."""
    answer = SentinelKql(baselines, profile).compile(rule)
    return answer if isinstance(answer, Compiled) else None


def scheduled(rule: Rule, baselines: Mapping[str, Baseline]) -> Optional[dict[str, Any]]:
    """The rule run by a schedule, its identifier and version left out."""
    query = compiled(rule, baselines, "scheduled")
    if query is None:
        return None
    outside = getattr(rule.query, "outside", None)
    when = schedule(rule, baselines[outside.baseline] if outside else None)
    run = {"queryFrequency": when.every, "queryPeriod": when.period, "triggerOperator": "gt", "triggerThreshold": 0}
    return {**_head(rule, query, rule.title), **run, **_body(rule, query), "kind": "Scheduled"}


def nrt(rule: Rule, baselines: Mapping[str, Baseline]) -> Optional[dict[str, Any]]:
    """The rule run each minute."""
    query = compiled(rule, baselines, "nrt")
    if query is None:
        return None
    return {**_head(rule, query, f"NRT {rule.title}"), **_body(rule, query), "kind": "NRT"}


def hunting(rule: Rule, baselines: Mapping[str, Baseline]) -> Optional[dict[str, Any]]:
    """The rule as a query over any range of time."""
    query = compiled(rule, baselines, "hunting")
    if query is None:
        return None
    left_out = ("severity", "status")
    head = {key: value for key, value in _head(rule, query, rule.title).items() if key not in left_out}
    return {**head, **_attack(rule), "query": query.text, "entityMappings": _entities(rule)}


def _head(rule: Rule, query: Compiled, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": description(rule),
        "severity": SEVERITIES[rule.level],
        "status": "Available",
        "requiredDataConnectors": [{"connectorId": "AzureActiveDirectory", "dataTypes": tables(query)}],
    }


def _attack(rule: Rule) -> dict[str, Any]:
    return {"tactics": [TACTICS[one] for one in rule.tactics], "relevantTechniques": sorted(rule.techniques)}


def _body(rule: Rule, query: Compiled) -> dict[str, Any]:
    return {
        **_attack(rule),
        "query": query.text,
        "entityMappings": _entities(rule),
        "customDetails": details(rule, query),
        "alertDetailsOverride": _override(rule),
        "eventGroupingSettings": {"aggregationKind": "AlertPerResult"},
        # it would silence the whole rule, whoever the next finding is about
        "suppressionEnabled": False,
        "suppressionDuration": "5h",
        "incidentConfiguration": _incident(rule),
    }


def tables(query: Compiled) -> list[str]:
    """The tables that the query reads."""
    return [name for names in TABLES.values() for name in names if re.search(rf"\b{name}\b", query.text)]


def description(rule: Rule) -> str:
    """What the rule finds, when it is harmless, and what to do."""
    told = [" ".join(rule.description.split())]
    told += [f"Severity {SEVERITIES[one.level]} where {one.why}." for one in rule.escalations]
    told += [_listed("What to do:", rule.triage), _listed("Harmless when:", rule.false_positives)]
    told += [
        _listed("To tune, at the top of the query:", [f"{one.name}: {one.description}" for one in rule.parameters])
    ]
    return "\n".join(filter(None, [*told, _listed("References:", rule.references)]))


def _listed(title: str, items: Any) -> str:
    return "\n".join([title, *[f"- {' '.join(item.split())}" for item in items]]) if items else ""


def _entities(rule: Rule) -> list[dict[str, Any]]:
    return [
        {
            "entityType": one.type,
            "fieldMappings": [{"identifier": name, "columnName": column} for name, column in one.identifiers],
        }
        for one in mapped(rule)[:_ENTITIES]
    ]


def details(rule: Rule, query: Compiled) -> dict[str, str]:
    """What of a finding the alert shows: a name of at most twenty characters → its column."""
    hidden = {spelled(name) for name in _LONG} | {"EventIds", "AlertSeverity", "Id", "TimeGenerated"}
    hidden |= {column for one in mapped(rule) for column, _ in one.columns}
    found: dict[str, str] = {}
    for column in query.columns:
        key = _key(column)
        if column not in hidden and key not in found and len(found) < _DETAILS:
            found[key] = column
    return found


def _key(column: str) -> str:
    """What the detail is called: by its column's last words, as many as fit."""
    if column.startswith("Distinct"):
        return "DistinctValues"
    words = re.findall(r"[A-Z][^A-Z]*", _CALLED.get(column, column).removeprefix("Entra"))
    while len("".join(words)) > _KEY:
        words = words[1:]
    return "".join(words)


def _override(rule: Rule) -> dict[str, Any]:
    about = ", ".join("{{" + column + "}}" for column in _about(rule))
    found = {
        "alertDisplayNameFormat": f"{_plain(rule.title)} ({about})" if about else _plain(rule.title),
        "alertDescriptionFormat": "{{Events}} events from {{WindowStart}} to {{WindowEnd}}. "
        + _plain(description(rule)),
    }
    return {**found, **({"alertSeverityColumnName": "AlertSeverity"} if rule.escalations else {})}


def _plain(text: str) -> str:
    """Text without anything that would be taken for a column."""
    return text.replace("{{", "{ {").replace("}}", "} }")


def _about(rule: Rule) -> list[str]:
    """The columns that say who and what the finding is about, as a person reads it; a spray's thousand accounts would
    be no title."""
    shown = {ref.name for ref in evidence(rule)}
    columns = {key.field.name: spelled(key.name) for key in rule.keys}
    fields = [_BETTER.get(one.field.name, one.field.name) for one in rule.entities if one.risk]
    known = [name for name in fields if name in shown or name in columns]
    return [columns.get(name, spelled(name)) for name in dict.fromkeys(known)][:_SHOWN]


def _incident(rule: Rule) -> dict[str, Any]:
    """Alerts join by all that they are about; not by what is merely listed, which is other accounts at each turn of a
    spray that goes on."""
    joining = [TYPES[one.kind] for one in rule.entities if one.risk and one.kind in TYPES]
    listed = any(not one.risk for one in rule.entities)
    return {
        "createIncident": rule.level != "informational",
        "groupingConfiguration": {
            "enabled": True,
            "reopenClosedIncident": False,
            "lookbackDuration": "1d",
            "matchingMethod": "Selected" if listed else "AllEntities",
            "groupByEntities": list(dict.fromkeys(joining)) if listed else [],
            "groupByAlertDetails": [],
            "groupByCustomDetails": [],
        },
    }
