"""content/sentinel against the limits and words that Microsoft documents, file by file."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jsonschema
import pytest
import yaml

from entrawatch.errors import ConfigError
from entrawatch.packages import sentinel, sentinel_files, sentinel_rule
from entrawatch.packages.content import TARGETS, prepared
from entrawatch.packages.versions import Lock, Version
from entrawatch.rules import ir
from entrawatch.rules.attack import TACTICS

from .sentinel_content import (
    BY_ID,
    CATALOGUE,
    CONTENT,
    HUNTS,
    NRT,
    RELEASE,
    ROOT,
    RULES,
    SCHEDULED,
    WORKBOOK,
    duration,
    template,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ALLOWANCE = HOUR

# --- the documents: https://github.com/Azure/Azure-Sentinel/wiki/Query-Style-Guide and its checks --------

_TEXT = {"type": "string", "minLength": 1}
_COLUMN = {"type": "string", "pattern": r"^[A-Za-z_]\w*$"}
_DURATION = {"type": "string", "pattern": r"^[1-9][0-9]*[dhm]$"}
_COMMON = {
    "id": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
    "name": {**_TEXT, "maxLength": 256},
    "description": {**_TEXT, "maxLength": 5000},
    "requiredDataConnectors": {
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["connectorId", "dataTypes"],
            "properties": {
                "connectorId": {"const": "AzureActiveDirectory"},
                "dataTypes": {
                    "type": "array",
                    "minItems": 1,
                    "uniqueItems": True,
                    "items": {
                        "enum": [
                            "SigninLogs", "AuditLogs", "AADNonInteractiveUserSignInLogs",
                            "AADServicePrincipalSignInLogs", "AADManagedIdentitySignInLogs",
                        ]
                    },
                },
            },
        },
    },
    "tactics": {
        "type": "array",
        "minItems": 1,
        "uniqueItems": True,
        "items": {
            "enum": [
                "Reconnaissance", "ResourceDevelopment", "InitialAccess", "Execution", "Persistence",
                "PrivilegeEscalation", "DefenseEvasion", "CredentialAccess", "Discovery", "LateralMovement",
                "Collection", "Exfiltration", "CommandAndControl", "Impact", "ImpairProcessControl",
                "InhibitResponseFunction",
            ]
        },
    },
    "relevantTechniques": {"type": "array", "minItems": 1, "items": {"pattern": r"^T\d{4}(\.\d{3})?$"}},
    "query": {**_TEXT, "maxLength": 10_000},
    "entityMappings": {
        "type": "array",
        "minItems": 1,
        "maxItems": 10,
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["entityType", "fieldMappings"],
            "properties": {
                "entityType": {"enum": ["Account", "IP", "CloudApplication"]},
                "fieldMappings": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 3,
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["identifier", "columnName"],
                        "properties": {"identifier": _TEXT, "columnName": _COLUMN},
                    },
                },
            },
        },
    },
    "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
    "metadata": {"type": "object", "required": ["source", "author", "support", "categories"]},
}  # fmt: skip
_ALERT = {
    "severity": {"enum": ["Informational", "Low", "Medium", "High"]},
    "status": {"const": "Available"},
    "customDetails": {
        "type": "object",
        "maxProperties": 20,
        "propertyNames": {"maxLength": 20, "pattern": r"^[a-zA-Z]+\w*$"},
        "additionalProperties": _COLUMN,
    },
    "alertDetailsOverride": {
        "type": "object",
        "additionalProperties": False,
        "required": ["alertDisplayNameFormat", "alertDescriptionFormat"],
        "properties": {
            "alertDisplayNameFormat": {**_TEXT, "maxLength": 256},
            "alertDescriptionFormat": {**_TEXT, "maxLength": 5000},
            "alertSeverityColumnName": _COLUMN,
        },
    },
    "eventGroupingSettings": {"const": {"aggregationKind": "AlertPerResult"}},
    "suppressionEnabled": {"const": False},
    "suppressionDuration": _DURATION,
    "incidentConfiguration": {
        "type": "object",
        "required": ["createIncident", "groupingConfiguration"],
        "properties": {
            "createIncident": {"type": "boolean"},
            "groupingConfiguration": {
                "type": "object",
                "additionalProperties": False,
                "required": [
                    "enabled", "reopenClosedIncident", "lookbackDuration", "matchingMethod", "groupByEntities",
                    "groupByAlertDetails", "groupByCustomDetails",
                ],
                "properties": {
                    "enabled": {"const": True},
                    "reopenClosedIncident": {"type": "boolean"},
                    "lookbackDuration": _DURATION,
                    "matchingMethod": {"enum": ["AllEntities", "AnyAlert", "Selected"]},
                    "groupByEntities": {"type": "array"},
                    "groupByAlertDetails": {"type": "array"},
                    "groupByCustomDetails": {"type": "array"},
                },
            },
        },
    },
}  # fmt: skip
_RUN = {
    "queryFrequency": _DURATION,
    "queryPeriod": _DURATION,
    "triggerOperator": {"const": "gt"},
    "triggerThreshold": {"const": 0},
}


def closed(*parts: dict[str, Any]) -> dict[str, Any]:
    """A schema in which everything is required and nothing else allowed."""
    properties = {name: schema for part in parts for name, schema in part.items()}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


KINDS = {
    "Scheduled": closed(_COMMON, _ALERT, _RUN, {"kind": {"const": "Scheduled"}}),
    "NRT": closed(_COMMON, _ALERT, {"kind": {"const": "NRT"}}),
    "": closed(_COMMON),
}
#: entity → its identifiers, and the sets of which one must be there to tell it from others
#: https://learn.microsoft.com/azure/sentinel/entities-reference
IDENTIFIERS = {
    "Account": (
        "Name NTDomain DnsDomain UPNSuffix Sid AadTenantId AadUserId PUID IsDomainJoined ObjectGuid",
        [{"Name", "UPNSuffix"}, {"AadUserId"}],
    ),
    "IP": ("Address AddressScope", [{"Address"}]),
    "CloudApplication": ("AppId Name InstanceName", [{"AppId"}, {"Name"}]),
}
EVERY = {**RULES, **{f"hunt {name}": one for name, one in HUNTS.items()}}


@pytest.mark.parametrize("name", EVERY)
def test_a_document_is_what_microsofts_checks_take(name: str) -> None:
    one = EVERY[name]
    jsonschema.Draft202012Validator(KINDS[one.get("kind", "")]).validate(one)
    assert not re.search(r"\b(search|union)\s+\*", one["query"])


@pytest.mark.parametrize("name", EVERY)
def test_an_entity_is_told_by_a_strong_identifier(name: str) -> None:
    for entity in EVERY[name]["entityMappings"]:
        known, strong = IDENTIFIERS[entity["entityType"]]
        identifiers = [one["identifier"] for one in entity["fieldMappings"]]
        assert len(set(identifiers)) == len(identifiers)
        assert set(identifiers) <= set(known.split())
        assert any(one <= set(identifiers) for one in strong)
        columns = [one["columnName"] for one in entity["fieldMappings"]]
        assert len(set(columns)) == len(columns)


@pytest.mark.parametrize("name", RULES)
def test_a_dynamic_title_and_text_name_at_most_three_columns(name: str) -> None:
    override = RULES[name]["alertDetailsOverride"]
    title, text = (re.findall(r"{{(\w+)}}", override[f"alert{what}Format"]) for what in ("DisplayName", "Description"))
    assert 1 <= len(title) <= 3
    assert text == ["Events", "WindowStart", "WindowEnd"]
    for format_, columns in (("alertDisplayNameFormat", title), ("alertDescriptionFormat", text)):
        assert override[format_].count("{{") == override[format_].count("}}") == len(columns)
    rule = BY_ID[RULES[name]["id"]]
    assert override["alertDisplayNameFormat"].startswith(rule.title)
    assert ("alertSeverityColumnName" in override) == bool(rule.escalations)


@pytest.mark.parametrize("slug", CATALOGUE.rules)
def test_alerts_join_by_what_they_are_about_and_not_by_whom_a_spray_tried(slug: str) -> None:
    rule = CATALOGUE.rules[slug]
    tried = [one.field.name for one in rule.entities if not one.risk]
    assert tried == (["userPrincipalName"] if slug in {"password-spray", "multiple-lockouts"} else [])
    (one,) = [one for one in SCHEDULED.values() if BY_ID[one["id"]] is rule]
    joined = one["incidentConfiguration"]["groupingConfiguration"]
    assert (joined["matchingMethod"], joined["groupByEntities"]) == (
        ("Selected", ["IP"]) if tried else ("AllEntities", [])
    )
    title = one["alertDetailsOverride"]["alertDisplayNameFormat"]
    assert bool(tried) == title.endswith("({{IpAddress}})")
    accounts = [each for each in one["entityMappings"] if each["entityType"] == "Account"]
    assert len(accounts) == 3 or not tried
    assert not tried or one["customDetails"]["UserPrincipalName"] == "UserPrincipalName"


def test_every_file_is_ascii_and_ends_in_a_newline() -> None:
    for path in ROOT.rglob("*.*"):
        content = path.read_bytes()
        assert content.isascii(), path
        assert content.endswith(b"\n"), path
        assert b"\r" not in content, path
        assert re.fullmatch(r"(NRT_)?[A-Z][A-Za-z]+\.yaml|azuredeploy(-[a-z]+)?\.json|Entrawatch\.json", path.name)


def test_a_query_stands_in_its_file_as_a_block() -> None:
    for folder in ("Analytic Rules", "Hunting Queries"):
        for path in (ROOT / folder).iterdir():
            assert re.search(r"^query: \|\n  // ", path.read_text(encoding="ascii"), re.MULTILINE), path


def test_every_rule_has_its_files_its_ids_and_its_names() -> None:
    ids = [one["id"] for one in EVERY.values()]
    assert len(set(ids)) == len(ids)
    names = {slug: name.uuids for slug, name in RELEASE.names.items()}
    assert {one["id"] for one in SCHEDULED.values()} == {one["sentinel"] for one in names.values()}
    assert {one["id"] for one in HUNTS.values()} == {one["sentinel-hunting"] for one in names.values()}
    single = [
        slug
        for slug, rule in CATALOGUE.rules.items()
        if isinstance(rule.query, ir.EventQuery) and not rule.query.outside
    ]
    assert {one["id"] for one in NRT.values()} == {names[slug]["sentinel-nrt"] for slug in single}
    titles = [one["name"].lower() for one in RULES.values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", EVERY)
def test_a_document_says_what_the_catalogue_says(name: str) -> None:
    one, rule = EVERY[name], BY_ID[EVERY[name]["id"]]
    assert one["name"] == ("NRT " if one.get("kind") == "NRT" else "") + rule.title
    assert one["version"] == RELEASE.versions[rule.slug].text
    assert set(one["relevantTechniques"]) == set(rule.techniques)
    assert [one.lower() for one in one["tactics"]] == [TACTICS[i].replace(" ", "").lower() for i in rule.tactics]
    for said in (*rule.triage, *rule.false_positives, *rule.references, *[step.why for step in rule.escalations]):
        assert " ".join(said.split()) in one["description"]
    if "kind" in one:
        assert one["severity"].lower() == {"critical": "high"}.get(rule.level, rule.level)
        assert one["incidentConfiguration"]["createIncident"] == (rule.level != "informational")


# --- when they run ----------------------------------------------------------------------------------------------------


def looked_at(rule: Any) -> tuple[timedelta, timedelta]:
    """How far before a moment what it is decided by reaches, and the step in which moments come."""
    query = rule.query
    if isinstance(query, ir.WindowQuery):
        return query.length, query.every
    if isinstance(query, ir.JoinQuery):
        return query.length, query.every
    if isinstance(query, ir.FollowedQuery):
        return query.within + query.first.length, query.every
    return timedelta(0), timedelta(0)


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_run_sees_all_that_decides_about_what_may_have_come_since_the_last_run(name: str) -> None:
    one, rule = SCHEDULED[name], BY_ID[SCHEDULED[name]["id"]]
    every, period = duration(one["queryFrequency"]), duration(one["queryPeriod"])
    length, step = looked_at(rule)
    assert 5 * MINUTE <= every <= period <= 14 * DAY
    assert period < 2 * DAY or every >= HOUR
    assert period >= every + ALLOWANCE + length + step
    outside = getattr(rule.query, "outside", None)
    if outside:
        assert period >= CATALOGUE.baselines[outside.baseline].lookback + every + ALLOWANCE + DAY / 2
    if step and period < 2 * DAY:
        assert every == step, "each window is looked at as soon as it has ended"


def test_what_waits_for_a_person_runs_soon() -> None:
    slow = {name for name, one in SCHEDULED.items() if duration(one["queryFrequency"]) > 15 * MINUTE}
    assert slow == {"AccountHijacking.yaml", "SingleFactorFromNewNetwork.yaml"}


# --- the templates ----------------------------------------------------------------------------------------------------

TEMPLATES = {"azuredeploy.json": SCHEDULED, "azuredeploy-nrt.json": NRT}
_ISO = re.compile(r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?)?")
_EXPRESSION = re.compile(r"\[concat\(.*\)\]")


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("name", ["azuredeploy.json", "azuredeploy-nrt.json", "azuredeploy-hunting.json"])
def test_a_template_is_what_resource_manager_and_the_portals_import_take(name: str) -> None:
    made = template(name)
    assert list(made) == ["$schema", "contentVersion", "parameters", "resources"]
    assert made["$schema"].endswith("/2019-04-01/deploymentTemplate.json#")
    assert made["contentVersion"] == "1.0.0.0"
    assert made["parameters"] == {"workspace": {"type": "String"}}
    assert 1 <= len(made["resources"]) <= 50
    for resource in made["resources"]:
        assert _EXPRESSION.fullmatch(resource["name"])
        assert {"apiVersion", "type", "name", "properties"} <= set(resource) <= {
            "apiVersion", "type", "name", "properties", "id", "kind",
        }  # fmt: skip
        assert not [text for text in texts(resource["properties"]) if text.startswith("[") and text[:2] != "[["]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_templates_rules_are_those_of_the_files_and_disabled(name: str) -> None:
    resources = template(name)["resources"]
    assert len(resources) == len(TEMPLATES[name])
    for resource in resources:
        uuid = resource["name"].rpartition("/")[2].removesuffix("')]")
        assert f"/alertRules/{uuid}" in resource["id"]
        assert resource["type"] == "Microsoft.OperationalInsights/workspaces/providers/alertRules"
        assert resource["apiVersion"] == "2023-12-01-preview"
        said = next(one for one in TEMPLATES[name].values() if one["id"] == uuid)
        same(resource, said)


def same(resource: dict[str, Any], said: dict[str, Any]) -> None:
    """The API's words for what the file says."""
    properties = dict(resource["properties"])
    assert resource["kind"] == said["kind"]
    assert properties.pop("enabled") is False
    assert properties.pop("displayName") == said["name"]
    assert properties.pop("alertRuleTemplateName") is None
    assert properties.pop("templateVersion") == said["version"]
    assert properties.pop("techniques") == sorted({one[:5] for one in said["relevantTechniques"]})
    assert properties.pop("subTechniques") == [one for one in said["relevantTechniques"] if "." in one]
    if said["kind"] == "Scheduled":
        assert (properties.pop("triggerOperator"), properties.pop("triggerThreshold")) == ("GreaterThan", 0)
    grouping = {**properties["incidentConfiguration"]["groupingConfiguration"]}
    lengths = [("lookbackDuration", grouping, said["incidentConfiguration"]["groupingConfiguration"])]
    lengths += [
        (key, properties, said) for key in ("suppressionDuration", "queryFrequency", "queryPeriod") if key in said
    ]
    for key, there, here in lengths:
        assert seconds(there.pop(key)) == duration(here[key])
    incident = properties.pop("incidentConfiguration")
    assert incident["createIncident"] == said["incidentConfiguration"]["createIncident"]
    assert grouping.items() <= said["incidentConfiguration"]["groupingConfiguration"].items()
    for key, value in properties.items():
        assert value == said[key], key


def seconds(text: str) -> timedelta:
    found = _ISO.fullmatch(text)
    assert found, text
    days, _, hours, minutes = (
        int((part or "0").rstrip("DHM") or 0) if part and part[0] != "T" else 0 for part in found.groups()
    )
    return timedelta(days=days, hours=hours, minutes=minutes)


def test_hunting_queries_are_saved_searches_of_that_category() -> None:
    resources = template("azuredeploy-hunting.json")["resources"]
    assert len(resources) == len(HUNTS)
    for resource in resources:
        said = next(one for one in HUNTS.values() if one["id"] in resource["name"])
        properties = resource["properties"]
        assert resource["type"] == "Microsoft.OperationalInsights/workspaces/savedSearches"
        assert resource["apiVersion"] == "2020-08-01"
        assert (properties["category"], properties["version"]) == ("Hunting Queries", 2)
        assert (properties["displayName"], properties["query"]) == (said["name"], said["query"])
        tags = {one["name"]: one["value"] for one in properties["tags"]}
        assert tags["tactics"].split(",") == said["tactics"]
        assert tags["techniques"].split(",") == said["relevantTechniques"]
        assert tags["description"] == said["description"]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("[concat('x')]", "[[concat('x')]"),
        ("[", "[["),
        ("x [y]", "x [y]"),
        ("", ""),
        (["[a", {"b": "[c]"}, 3, None, True], ["[[a", {"b": "[[c]"}, 3, None, True]),
    ],
)
def test_arm_finds_no_expression_in_our_texts(value: Any, written: Any) -> None:
    assert sentinel_files.literal(value) == written


@pytest.mark.parametrize(
    ("length", "short", "iso"),
    [
        (5 * MINUTE, "5m", "PT5M"),
        (135 * MINUTE, "135m", "PT135M"),
        (HOUR, "1h", "PT1H"),
        (47 * HOUR, "47h", "PT47H"),
        (DAY, "1d", "P1D"),
        (8 * DAY, "8d", "P8D"),
    ],
)
def test_a_duration_is_written_in_both_languages(length: timedelta, short: str, iso: str) -> None:
    made = sentinel_files.document({"queryPeriod": length}, "x", "1.0.0")
    assert f"queryPeriod: {short}\n" in made.decode()
    assert sentinel_files.iso(length) == sentinel_files.iso(short) == iso


# --- the module's doors -----------------------------------------------------------------------------------------------

_RULE = CATALOGUE.rules["guest-invited"]


def test_the_forms_change_with_the_rule_and_not_with_its_version() -> None:
    few = replace(CATALOGUE, rules={slug: CATALOGUE.rules[slug] for slug in (_RULE.slug, "brute-force")})
    forms = sentinel.forms(few)
    assert forms == sentinel.forms(few)
    changed = sentinel.forms(replace(few, rules={**few.rules, _RULE.slug: replace(_RULE, triage=("Ask.",))}))
    assert {slug for slug in forms if forms[slug] != changed[slug]} == {_RULE.slug}
    release = prepared(few, Lock(), "sentinel")
    risen = replace(release, versions={**release.versions, _RULE.slug: Version(3, 7)})
    files, before = sentinel.tree(risen), sentinel.tree(release)
    assert b"version: 1.3.7\n" in files["Analytic Rules/GuestInvited.yaml"]
    assert {path for path in files if files[path] != before[path]} == {
        "Analytic Rules/GuestInvited.yaml", "Analytic Rules/NRT_GuestInvited.yaml", "Hunting Queries/GuestInvited.yaml",
        "azuredeploy.json", "azuredeploy-nrt.json",
    }  # fmt: skip
    assert TARGETS["sentinel"] == "entrawatch.packages.sentinel"


def test_what_a_catalogue_says_is_escaped() -> None:
    hostile = 'Say "x": {{Column}} [now] \u2013 # no\\comment'
    rule = replace(
        _RULE, title=hostile.replace("\u2013", "-"), description=hostile + "\n\tnext", triage=("- [x]: {{y}}",)
    )
    catalogue = replace(CATALOGUE, rules={rule.slug: rule})
    files = sentinel.tree(prepared(catalogue, Lock(), "sentinel"))
    assert all(content.isascii() for content in files.values())
    made = sentinel_rule.scheduled(rule, CATALOGUE.baselines)
    assert made is not None
    read = yaml.safe_load(files["Analytic Rules/GuestInvited.yaml"])
    assert (read["name"], read["description"]) == (made["name"], made["description"])
    assert hostile in read["description"]
    override = read["alertDetailsOverride"]
    assert all(text.count("{{") == text.count("}}") for text in override.values())
    assert override["alertDisplayNameFormat"].count("{{") == 2
    assert override["alertDescriptionFormat"].count("{{") == 3
    assert re.findall(r"{{(\w+)}}", override["alertDisplayNameFormat"]) == ["EntraInitiatorName", "EntraTargetUserName"]
    assert re.findall(r"{{(\w+)}}", override["alertDescriptionFormat"]) == ["Events", "WindowStart", "WindowEnd"]


def test_more_rules_than_a_file_may_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sentinel_files.MOST == 50
    monkeypatch.setattr(sentinel_files, "MOST", 2)
    many = {f"{_RULE.slug}-{number}": replace(_RULE, slug=f"{_RULE.slug}-{number}") for number in range(3)}
    with pytest.raises(ConfigError, match="at most 2 rules"):
        sentinel.tree(prepared(replace(CATALOGUE, rules=many), Lock(), "sentinel"))


# --- the workbook -----------------------------------------------------------------------------------------------------

#: what of microsoft/Application-Insights-Workbooks/schema/workbook.json our kinds of items are held to, restated
ITEMS = {
    1: {"required": ["json"]},
    3: {"required": ["version", "query", "size", "title", "timeContextFromParameter", "queryType", "resourceType"]},
    9: {"required": ["version", "parameters", "style", "queryType", "resourceType"]},
}


def test_the_workbook_is_a_gallery_template() -> None:
    assert set(WORKBOOK) == {"version", "items", "fallbackResourceIds", "fromTemplateId", "$schema"}
    assert WORKBOOK["version"] == "Notebook/1.0"
    names = [one["name"] for one in WORKBOOK["items"]]
    assert len(set(names)) == len(names)
    for item in WORKBOOK["items"]:
        assert set(item) == {"type", "content", "name"}
        assert set(ITEMS[item["type"]]["required"]) <= set(item["content"]), item["name"]
    asked = next(one for one in WORKBOOK["items"] if one["type"] == 9)["content"]["parameters"]
    assert [one["name"] for one in asked] == ["TimeRange"]
    assert asked[0]["value"] in asked[0]["typeSettings"]["selectableValues"]
    queries = [one["content"] for one in WORKBOOK["items"] if one["type"] == 3]
    assert {one["timeContextFromParameter"] for one in queries} == {"TimeRange"}
    assert {one["visualization"] for one in queries} <= {"table", "timechart", "barchart"}


def test_the_workbook_knows_every_rule_by_its_identifiers() -> None:
    alerts = next(one for one in WORKBOOK["items"] if one["name"] == "alerts")["content"]["query"]
    for one in RULES.values():
        assert f'"{one["id"]}", "{BY_ID[one["id"]].title}"' in alerts


# --- the guide --------------------------------------------------------------------------------------------------------

GUIDE = (CONTENT.parent / "docs" / "sentinel.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCHEDULED)
def test_the_guide_has_the_rule_as_it_is(name: str) -> None:
    one, rule = SCHEDULED[name], BY_ID[SCHEDULED[name]["id"]]
    raised = "".join(f", {step.level.capitalize()} where {step.why}" for step in rule.escalations)
    twin = "yes" if f"NRT_{name}" in NRT else ""
    cells = [
        rule.title, one["severity"] + raised, ", ".join(one["relevantTechniques"]), one["queryFrequency"],
        one["queryPeriod"], twin,
    ]  # fmt: skip
    rows = [f"| {' | '.join(cells)} |\n"]
    for parameter in rule.parameters:
        default = parameter.default
        shown = ", ".join(default) if isinstance(default, tuple) else str(default)
        rows.append(f"| {rule.title} | `{parameter.name}`: {parameter.description} | {shown} |\n")
    lacking = "".join(row for row in rows if row not in GUIDE)
    assert not lacking, f"docs/sentinel.md lacks\n{lacking}"


def test_the_guide_names_the_files_that_there_are() -> None:
    for path in ROOT.glob("*.json"):
        assert f"`{path.name}`" in GUIDE
