"""The workbook: does everything arrive and how late, what do sign-ins look like, what have the rules found.

A workbook is a document of items, each text, a parameter or a query; the portal takes it in its advanced editor.

https://github.com/microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json
https://learn.microsoft.com/azure/azure-monitor/visualize/workbooks-overview
https://learn.microsoft.com/azure/sentinel/security-alert-schema
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from entrawatch.dialects.kql_schedule import ALLOWANCE
from entrawatch.dialects.kql_tables import TABLES
from entrawatch.dialects.kql_text import Merged, Pipe, quoted, span, step, where
from entrawatch.packages.tree import json_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from entrawatch.packages.content import Release

_SCHEMA = "https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json"
#: the parameter that every query takes its time from
_RANGE = "TimeRange"
_RANGES = (3_600_000, 14_400_000, 86_400_000, 259_200_000, 604_800_000, 1_209_600_000, 2_592_000_000)
#: kinds of items
_TEXT, _QUERY, _PARAMETERS = 1, 3, 9
_SIGNINS = TABLES["signin"][:2]
_ALERTS = where('ProviderName in ("ASI Scheduled Alerts", "ASI NRT Alerts")')
_OUTCOME = (
    'Outcome = case(ResultType == "0", "success",'
    ' ResultType in ("50126", "50053", "50057", "50055", "50034", "500121", "53003"),'
    ' "failure", "interrupted or other")'
)


def workbook(release: Release) -> bytes:
    """The workbook's file."""
    content = {
        "version": "Notebook/1.0",
        "items": [*_ingestion(), *_sign_ins(), *_findings(release)],
        "fallbackResourceIds": [],
        "fromTemplateId": "sentinel-Entrawatch",
        "$schema": _SCHEMA,
    }
    return json_file(content)


# --- what it asks ---


def _arrivals() -> Pipe:
    """A row a record: its table, and how long it took."""
    taken = "Latency = (ingestion_time() - TimeGenerated) / 1m"
    tables = [name for names in TABLES.values() for name in names]
    return Pipe(
        Merged(
            tuple(Pipe(name, (step("project", "TimeGenerated", taken, f"Table = {quoted(name)}"),)) for name in tables)
        )
    )


def _ingestion() -> list[dict[str, Any]]:
    late = f"Late = countif(Latency > {int(ALLOWANCE.total_seconds()) // 60})"
    spread = ", ".join(f"P{part} = round(percentile(Latency, {part}), 1)" for part in (50, 95, 99))
    return [
        _text("about", _ABOUT),
        _parameters(),
        _query(
            "ingestion",
            "Records, the last one, and how many minutes they take to arrive",
            _arrivals().then(
                step(
                    "summarize", "Records = count()", "LastRecord = max(TimeGenerated)", spread,
                    "Slowest = round(max(Latency), 1)", late, end="by Table",
                ),
                step("sort by", "Table asc"),
            ),
        ),
        _query(
            "latency",
            "Minutes until 95 in 100 records have arrived",
            _arrivals().then(
                step("summarize", "Minutes = percentile(Latency, 95)", end="by Table, bin(TimeGenerated, 1h)")
            ),
            "timechart",
        ),
    ]  # fmt: skip


def _people(*columns: str) -> Pipe:
    """Sign-ins of people, both streams."""
    shown = step("project", "TimeGenerated", "Id", "ResultType", *columns)
    return Pipe(Merged(tuple(Pipe(name, (shown,)) for name in _SIGNINS)))


def _sign_ins() -> list[dict[str, Any]]:
    count = "SignIns = dcount(Id)"
    return [
        _text("sign-ins", "## Sign-ins"),
        _query(
            "outcomes",
            "Sign-ins by outcome",
            _people().then(
                step("extend", _OUTCOME), step("summarize", count, end="by Outcome, bin(TimeGenerated, 1h)")
            ),
            "timechart",
        ),
        _query(
            "errors",
            "Error codes",
            _people("ResultDescription", "UserPrincipalName").then(
                *where('ResultType != "0"'),
                step(
                    "summarize", count, "Users = dcount(tolower(UserPrincipalName))",
                    "Reason = take_any(ResultDescription)", end="by ResultType",
                ),
                step("top 20 by", "SignIns desc"),
            ),
        ),
        _query(
            "addresses",
            "Addresses with wrong passwords, by the accounts they tried",
            _people("IPAddress", "UserPrincipalName").then(
                *where('ResultType == "50126"', "isnotempty(IPAddress)"),
                step(
                    "summarize", "Users = dcount(tolower(UserPrincipalName))", count,
                    "LastSeen = max(TimeGenerated)", end="by IPAddress",
                ),
                step("top 20 by", "Users desc"),
            ),
        ),
        _query(
            "countries",
            "Successful sign-ins by country",
            _people("Country = tostring(parse_json(tostring(LocationDetails)).countryOrRegion)").then(
                *where('ResultType == "0"', "isnotempty(Country)"),
                step("summarize", count, end="by Country"),
                step("top 20 by", "SignIns desc"),
            ),
            "barchart",
        ),
    ]  # fmt: skip


def _findings(release: Release) -> list[dict[str, Any]]:
    rules = _rules(release)
    named = (
        *_ALERTS,
        step("extend", 'RuleId = tolower(tostring(split(AlertType, "_")[1]))'),
        step("join kind=inner rules on RuleId"),
    )
    incidents = (
        step("summarize", "arg_max(TimeGenerated, *)", end="by IncidentNumber"),
        step("mv-expand", "RuleId = RelatedAnalyticRuleIds to typeof(string)"),
        step("extend", "RuleId = tolower(RuleId)"),
        step("join kind=inner rules on RuleId"),
    )
    return [
        _text("findings", "## What the rules found"),
        _query(
            "alerts",
            "Findings by rule",
            Pipe("SecurityAlert", named).then(
                step("summarize", "Alerts = dcount(SystemAlertId)", "LastAlert = max(TimeGenerated)", end="by Rule"),
                step("sort by", "Alerts desc"),
            ),
            before=rules,
        ),
        _query(
            "severities",
            "Findings by severity",
            Pipe("SecurityAlert", named).then(
                step("summarize", "Alerts = dcount(SystemAlertId)", end="by AlertSeverity, bin(TimeGenerated, 1h)")
            ),
            "timechart",
            before=rules,
        ),
        _query(
            "incidents",
            "Incidents by rule and state",
            Pipe("SecurityIncident", incidents).then(
                step("summarize", "Incidents = dcount(IncidentNumber)", end="by Rule, Status"),
                step("sort by", "Rule asc, Status asc"),
            ),
            before=rules,
        ),
        _query(
            "latest",
            "The latest findings",
            Pipe("SecurityAlert", named).then(
                step("summarize", "arg_max(TimeGenerated, DisplayName, AlertSeverity, Rule)", end="by SystemAlertId"),
                step("top 50 by", "TimeGenerated desc"),
                step("project", "TimeGenerated, AlertSeverity, DisplayName, Rule"),
            ),
            before=rules,
        ),
    ]


def _rules(release: Release) -> str:
    """Our rules by the identifiers that they have in Sentinel, scheduled and NRT."""
    rows = [
        f"    {quoted(release.names[slug].uuids[form])}, {quoted(rule.title)}"
        for slug, rule in release.catalogue.rules.items()
        for form in ("sentinel", "sentinel-nrt")
    ]
    return "let rules = datatable(RuleId: string, Rule: string) [\n" + ",\n".join(rows) + "\n];\n"


# --- how it is written ---

_ABOUT = f"""# Entrawatch

The rules' queries look at records again for {span(ALLOWANCE)} after they were generated. Records that take longer
(column *Late*) may be missed; a table that is missing here, or whose last record is old, is not connected."""


def _text(name: str, markdown: str) -> dict[str, Any]:
    return {"type": _TEXT, "content": {"json": markdown}, "name": name}


def _parameters() -> dict[str, Any]:
    times: Sequence[Mapping[str, int]] = [{"durationMs": one} for one in _RANGES]
    asked = {
        "id": "0b7f2a55-6a0c-4f0e-8a52-6f6c2d9e4b11",
        "version": "KqlParameterItem/1.0",
        "name": _RANGE,
        "label": "Time range",
        "type": 4,
        "isRequired": True,
        "value": {"durationMs": 604_800_000},
        "typeSettings": {"selectableValues": times, "allowCustom": True},
    }
    content = {
        "version": "KqlParameterItem/1.0",
        "parameters": [asked],
        "style": "pills",
        "queryType": 0,
        "resourceType": "microsoft.operationalinsights/workspaces",
    }
    return {"type": _PARAMETERS, "content": content, "name": "parameters"}


def _query(name: str, title: str, pipe: Pipe, visualization: Optional[str] = None, before: str = "") -> dict[str, Any]:
    content = {
        "version": "KqlItem/1.0",
        "query": before + "\n".join(pipe.lines()),
        "size": 0,
        "title": title,
        "timeContextFromParameter": _RANGE,
        "queryType": 0,
        "resourceType": "microsoft.operationalinsights/workspaces",
        "visualization": visualization or "table",
    }
    return {"type": _QUERY, "content": content, "name": name}
