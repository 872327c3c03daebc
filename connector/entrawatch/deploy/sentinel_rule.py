"""Analytics rules and hunting queries of Sentinel's: what of them is ours, and where the mark stands.

Source: Microsoft.SecurityInsights/alertRules, API 2023-12-01-preview (azure-rest-api-specs); saved searches:
Microsoft.OperationalInsights 2020-08-01. An alert rule has no place of its own for a note: no tags, and a template's
name and version mean something. So the mark is a comment, the query's first line, which the portal's editor keeps. A
saved search has tags.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.deploy.mark import PATTERN, mark
from entrawatch.deploy.plan import Standing, Wanted, tidy

if TYPE_CHECKING:
    from collections.abc import Mapping

RULE, HUNT = "analytics rule", "hunting query"
#: the category that the portal lists hunting queries by
HUNTING = "Hunting Queries"
TAG = "entrawatch"
#: `enabled` is the admin's
OURS = (
    "displayName", "description", "severity", "query", "queryFrequency", "queryPeriod", "triggerOperator",
    "triggerThreshold", "suppressionDuration", "suppressionEnabled", "tactics", "techniques", "subTechniques",
    "incidentConfiguration", "eventGroupingSettings", "alertDetailsOverride", "customDetails", "entityMappings",
    "sentinelEntitiesMappings", "alertRuleTemplateName", "templateVersion",
)  # fmt: skip
_DURATIONS = ("queryFrequency", "queryPeriod", "suppressionDuration")
_SETS = ("tactics", "techniques", "subTechniques")
_LINE = re.compile(rf"// {TAG} ({PATTERN.pattern})\n")
_DURATION = re.compile(r"P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?")


def wanted_rule(key: str, kind: str, properties: Mapping[str, Any], slug: str) -> Wanted:
    """A rule of the package.

    :param key: its GUID.
    :param kind: Scheduled or NRT.
    """
    body = {"kind": kind, "properties": dict(properties)}
    return Wanted(key, str(properties["displayName"]), RULE, slug, rule_fields(body), body)


def standing_rule(rule: Mapping[str, Any]) -> Standing:
    """A rule as Sentinel gave it."""
    said = _properties(rule)
    found = _LINE.match(_unix(said.get("query")))
    key = str(rule.get("name")).lower()
    return Standing(
        key, str(said.get("displayName", key)), RULE, rule_fields(rule), found[1] if found else "", body=dict(rule)
    )  # fmt: skip


def rule_fields(rule: Mapping[str, Any]) -> dict[str, Any]:
    """What of a rule is ours, in one form whether it was written or read."""
    said = {name: _properties(rule).get(name) for name in OURS}
    said["kind"] = rule.get("kind")
    said["query"] = _LINE.sub("", _unix(said["query"]), count=1).strip()
    said |= {name: _seconds(said[name]) for name in _DURATIONS}
    said |= {name: sorted(map(str, found)) for name in _SETS if isinstance(found := said[name], list)}
    said["incidentConfiguration"] = _incident(said["incidentConfiguration"])
    said["eventGroupingSettings"] = said["eventGroupingSettings"] or {"aggregationKind": "SingleAlert"}
    return tidy(said) or {}


def rule_body(one: Wanted, now: Optional[Mapping[str, Any]], *, enabled: bool) -> dict[str, Any]:
    """What is put there.

    :param now: the rule as it stands, None where there is none.
    :param enabled: whether it runs, where there is none; a near real time rule never does at first, for it finds what
        its scheduled twin finds, and both would tell it.
    """
    properties = dict(one.body["properties"])
    properties["query"] = f"// {TAG} {mark(one.key, one.fields)}\n{properties['query']}"
    properties["enabled"] = _enabled(one, enabled) if now is None else bool(_properties(now).get("enabled"))
    etag = {"etag": now["etag"]} if now is not None and now.get("etag") else {}
    return {**etag, "kind": one.body["kind"], "properties": properties}


def _enabled(one: Wanted, enabled: bool) -> bool:
    return enabled and one.body["kind"] != "NRT"


def _incident(value: Any) -> Any:
    """How a grouping would be done where there is none says nothing; Sentinel fills it in."""
    if not isinstance(value, dict):
        return {"createIncident": True}
    grouping = value.get("groupingConfiguration")
    if not isinstance(grouping, dict) or not grouping.get("enabled"):
        return {"createIncident": value.get("createIncident", True)}
    back = _seconds(grouping.get("lookbackDuration"))
    return {**value, "groupingConfiguration": {**grouping, "lookbackDuration": back}}


def _seconds(text: Any) -> Any:
    """An ISO 8601 duration in seconds, for PT60M and PT1H are the same; anything else as it is."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if not found or text in {"P", "PT"}:
        return text
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _properties(one: Mapping[str, Any]) -> Mapping[str, Any]:
    found = one.get("properties")
    return found if isinstance(found, dict) else {}


def _unix(text: Any) -> str:
    return str(text or "").replace("\r\n", "\n")


# --- hunting queries ---


def wanted_hunt(key: str, properties: Mapping[str, Any], slug: str) -> Wanted:
    """A hunting query of the package."""
    body = {"properties": dict(properties)}
    return Wanted(key, str(properties["displayName"]), HUNT, slug, hunt_fields(body), body)


def standing_hunt(search: Mapping[str, Any]) -> Standing:
    """A saved search as Log Analytics gave it."""
    key = str(search.get("name")).lower()
    marked = _tags(search).get(TAG, "")
    name = str(_properties(search).get("displayName", key))
    return Standing(key, name, HUNT, hunt_fields(search), marked, body=dict(search))


def hunt_fields(search: Mapping[str, Any]) -> dict[str, Any]:
    """What of a saved search is ours, in one form whether it was written or read."""
    said = _properties(search)
    tags = {name: value for name, value in _tags(search).items() if name != TAG}
    named = {name: said.get(name) for name in ("category", "displayName", "functionAlias", "functionParameters")}
    return tidy({**named, "query": _unix(said.get("query")).strip(), "tags": tags}) or {}


def hunt_body(one: Wanted, now: Optional[Mapping[str, Any]]) -> dict[str, Any]:
    """What is put there; Log Analytics refuses to write over a search whose state is not named."""
    properties = dict(one.body["properties"])
    properties["tags"] = [*properties.get("tags", []), {"name": TAG, "value": mark(one.key, one.fields)}]
    etag = {"etag": now["etag"]} if now is not None and now.get("etag") else {}
    return {**etag, "properties": properties}


def _tags(search: Mapping[str, Any]) -> dict[str, str]:
    tags = _properties(search).get("tags")
    listed = tags if isinstance(tags, list) else []
    return {str(one.get("name")): str(one.get("value", "")) for one in listed if isinstance(one, dict)}
