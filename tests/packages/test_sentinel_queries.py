"""The queries in content/sentinel's own files: what Microsoft's binder says of them and of their columns."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.rules.kusto_language import judged, reference

from .sentinel_content import ASKED, HUNTS, RULES

EVERY = {**RULES, **{f"hunt {name}": one for name, one in HUNTS.items()}}
#: what of Sentinel's own tables the workbook reads, of https://learn.microsoft.com/azure/azure-monitor/reference/tables
OWN = {
    "SecurityAlert": {
        "TimeGenerated": "datetime", "DisplayName": "string", "AlertName": "string", "AlertSeverity": "string",
        "AlertType": "string", "ProviderName": "string", "SystemAlertId": "string", "Status": "string",
    },
    "SecurityIncident": {
        "TimeGenerated": "datetime", "IncidentNumber": "int", "Status": "string", "Severity": "string",
        "Title": "string", "RelatedAnalyticRuleIds": "dynamic", "CreatedTime": "datetime",
    },
}  # fmt: skip
WRONG = {"a column that is not there": "SigninLogs | where NoSuchColumn == 1", "no table": "NoSuchTable | count"}
_SCALARS = {"string", "long", "int", "real", "bool", "datetime"}


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    asked = {**{name: one["query"] for name, one in EVERY.items()}, **WRONG}
    asked |= {f"workbook {name}": query for name, query in ASKED.items()}
    # a hunt for single events asks what the NRT rule asks, and the binder takes its time
    said = judged({query: query for query in asked.values()}, OWN)
    return {name: said[query] for name, query in asked.items()}


def test_the_binder_knows_a_fault(answers: Any) -> None:
    assert all(answers[name]["diagnostics"] for name in WRONG)


def test_sentinels_own_columns_are_microsofts() -> None:
    whole = reference("SecurityAlert")
    if not whole:
        pytest.skip("the table reference is not beside this checkout")
    assert OWN["SecurityAlert"].items() <= whole.items()


@pytest.mark.parametrize("name", EVERY)
def test_the_binder_has_nothing_to_say_and_every_mapped_column_is_there_as_a_scalar(name: str, answers: Any) -> None:
    one, answer = EVERY[name], answers[name]
    assert answer["diagnostics"] == []
    columns = answer["columns"]
    mapped = [field["columnName"] for entity in one["entityMappings"] for field in entity["fieldMappings"]]
    assert {columns.get(column) for column in mapped} == {"string"}
    # an alert's own times are this column's: https://learn.microsoft.com/azure/sentinel/security-alert-schema
    assert columns["TimeGenerated"] == "datetime"
    override = one.get("alertDetailsOverride", {})
    named = [*one.get("customDetails", {}).values()]
    named += [column for text in override.values() for column in re.findall(r"{{(\w+)}}", text)]
    assert {columns.get(column) for column in named} <= _SCALARS
    if "alertSeverityColumnName" in override:
        assert columns[override["alertSeverityColumnName"]] == "string"


@pytest.mark.parametrize("name", EVERY)
def test_what_is_read_to_find_where_a_finding_begins_is_worked_out_once(name: str) -> None:
    """https://learn.microsoft.com/kusto/query/named-expressions: a name is worked out again wherever it is read."""
    lets = dict(re.findall(r"^let (\w+) = (\S+)", EVERY[name]["query"], re.MULTILINE))
    assert {value.startswith("materialize(") for let, value in lets.items() if let in {"slots", "found"}} <= {True}


@pytest.mark.parametrize("name", HUNTS)
def test_a_hunt_and_an_nrt_rule_ask_no_clock(name: str) -> None:
    for one in (HUNTS[name], RULES.get(f"NRT_{name}", {"query": ""})):
        assert not re.search(r"\bnow\(|\bago\(|ingestion_time", one["query"])


@pytest.mark.parametrize("name", RULES)
def test_the_connectors_that_a_rule_names_bring_the_tables_that_it_reads(name: str) -> None:
    one = RULES[name]
    read = set(re.findall(r"\b(SigninLogs|AuditLogs|AAD\w+Logs)\b", one["query"]))
    assert read == {table for connector in one["requiredDataConnectors"] for table in connector["dataTypes"]}


@pytest.mark.parametrize("name", ASKED)
def test_the_binder_has_nothing_to_say_of_the_workbook(name: str, answers: Any) -> None:
    assert answers[f"workbook {name}"]["diagnostics"] == []
    assert answers[f"workbook {name}"]["columns"]
