"""Sentinel's content as files: YAML in the layout of Microsoft's own repository, and ARM templates.

https://github.com/Azure/Azure-Sentinel
https://learn.microsoft.com/azure/templates/microsoft.securityinsights/alertrules
https://learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import yaml

from entrawatch.packages.tree import json_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: the stable version knows neither NRT rules nor sub-techniques; this is what the portal's export writes
RULES_VERSION = "2023-12-01-preview"
SEARCHES_VERSION = "2020-08-01"
#: the portal imports no more rules from one file
MOST = 50
_SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
_OPERATORS = {"gt": "GreaterThan"}
_METADATA = {
    "source": {"kind": "Community"},
    "author": {"name": "Entrawatch"},
    "support": {"tier": "Community"},
    "categories": {"domains": ["Security - Threat Protection", "Identity"]},
}


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks and everything in the order that it is given."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # the repository indents lists
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def document(rule: Mapping[str, Any], uuid: str, version: str) -> bytes:
    """A rule, or a hunting query, as YAML in ASCII."""
    made = {key: _short(value) for key, value in rule.items() if key != "kind"}
    kind = {"kind": rule["kind"]} if "kind" in rule else {}
    whole = {"id": uuid, **made, "version": version, **kind, "metadata": _METADATA}
    return yaml.dump(whole, Dumper=_Dumper, sort_keys=False, allow_unicode=False, width=10**6).encode("ascii")


def _short(value: Any) -> Any:
    """A duration as the repository writes it: one number and one unit."""
    if not isinstance(value, timedelta):
        return value
    seconds = int(value.total_seconds())
    unit, size = next((unit, size) for unit, size in (("d", 86400), ("h", 3600), ("m", 60)) if seconds % size == 0)
    return f"{seconds // size}{unit}"


def iso(value: Any) -> str:
    """A duration in ISO 8601, of a timedelta or of the short form."""
    text = str(_short(value))
    found = re.fullmatch(r"(\d+)([dhm])", text)
    if found is None:
        raise ValueError(f"{text} is no duration")
    number, unit = found.groups()
    return f"P{number}D" if unit == "d" else f"PT{number}{unit.upper()}"


def template(resources: Iterable[Mapping[str, Any]]) -> bytes:
    """An ARM template over a workspace, whose name is its one parameter."""
    whole = {
        "$schema": _SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": {"workspace": {"type": "String"}},
        "resources": list(resources),
    }
    return json_file(whole)


def literal(value: Any) -> Any:
    """A value in which ARM finds no expression: a text that begins with a bracket would be one."""
    if isinstance(value, dict):
        return {key: literal(one) for key, one in value.items()}
    if isinstance(value, list):
        return [literal(one) for one in value]
    return f"[{value}" if isinstance(value, str) and value.startswith("[") else value


def alert_rule(rule: Mapping[str, Any], uuid: str, version: str) -> dict[str, Any]:
    """A rule as a resource, disabled.

    The portal's import takes values, no parameters, so that it is disabled is written out.
    """
    provider = (
        "'Microsoft.OperationalInsights/workspaces/providers', parameters('workspace'), 'Microsoft.SecurityInsights'"
    )
    return {
        "id": f"[concat(resourceId({provider}),'/alertRules/{uuid}')]",
        "name": f"[concat(parameters('workspace'),'/Microsoft.SecurityInsights/{uuid}')]",
        "type": "Microsoft.OperationalInsights/workspaces/providers/alertRules",
        "kind": rule["kind"],
        "apiVersion": RULES_VERSION,
        "properties": literal(properties(rule, version)),
    }


def properties(rule: Mapping[str, Any], version: str) -> dict[str, Any]:
    """The rule as the API has it."""
    grouping = rule["incidentConfiguration"]["groupingConfiguration"]
    incident = {
        **rule["incidentConfiguration"],
        "groupingConfiguration": {**grouping, "lookbackDuration": iso(grouping["lookbackDuration"])},
    }
    techniques = rule["relevantTechniques"]
    return {
        "displayName": rule["name"],
        "description": rule["description"],
        "severity": rule["severity"],
        "enabled": False,
        "query": rule["query"],
        **_run(rule),
        "suppressionDuration": iso(rule["suppressionDuration"]),
        "suppressionEnabled": rule["suppressionEnabled"],
        "tactics": rule["tactics"],
        "techniques": sorted({one.partition(".")[0] for one in techniques}),
        "subTechniques": [one for one in techniques if "." in one],
        "alertRuleTemplateName": None,
        "templateVersion": version,
        "incidentConfiguration": incident,
        "eventGroupingSettings": rule["eventGroupingSettings"],
        "alertDetailsOverride": rule["alertDetailsOverride"],
        "customDetails": rule["customDetails"],
        "entityMappings": rule["entityMappings"],
    }


def _run(rule: Mapping[str, Any]) -> dict[str, Any]:
    if rule["kind"] != "Scheduled":
        return {}
    return {
        "queryFrequency": iso(rule["queryFrequency"]),
        "queryPeriod": iso(rule["queryPeriod"]),
        "triggerOperator": _OPERATORS[rule["triggerOperator"]],
        "triggerThreshold": rule["triggerThreshold"],
    }


def saved_search(hunt: Mapping[str, Any], uuid: str) -> dict[str, Any]:
    """A hunting query as a resource: a saved search of that category."""
    tags = {
        "description": hunt["description"],
        "tactics": ",".join(hunt["tactics"]),
        "techniques": ",".join(hunt["relevantTechniques"]),
    }
    return {
        "name": f"[concat(parameters('workspace'),'/{uuid}')]",
        "type": "Microsoft.OperationalInsights/workspaces/savedSearches",
        "apiVersion": SEARCHES_VERSION,
        "properties": literal(
            {
                "category": "Hunting Queries",
                "displayName": hunt["name"],
                "query": hunt["query"],
                "version": 2,
                "tags": [{"name": name, "value": value} for name, value in tags.items()],
            }
        ),
    }
