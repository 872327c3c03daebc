"""On Elastic's own azure integration our pipeline makes of an audit what the connector would have made, and the rules
find there what they find on the connector's events. The documents are those that a real server gave (see
elastic_shape); tests/server runs it anew, over a tenant as well."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from entrawatch.dialects import dialect
from entrawatch.dialects.base import Compiled, Refusal
from entrawatch.normalize import normalize
from entrawatch.schema.streams import STREAMS
from rules import eql_engine, esql_runs
from rules.esql_engine import document
from rules.judge import fold, identity, rows
from rules.test_catalogue import CASES, CATALOGUE

from .elastic_shape import TENANT, processor, records, stored, through

SAMPLES = sorted((Path(__file__).parents[3] / "shared/samples/elastic-integrations/auditlogs").glob("*.log"))
RAN, PAIRS = through()
MADE = {json.dumps(record, sort_keys=True): made for record, made in PAIRS}
AUDITS = [case for case in CASES if case.values[0].source == "audit"]
STALE = "the pipeline or the records are others than those that ran: python -m server.record, called in tests/"


def ours(record: dict[str, Any]) -> dict[str, Any]:
    """The connector's derived fields; what it alone can tell (values of a wrong type) left out."""
    made = normalize(record, STREAMS["directory_audits"], tenant_id=TENANT)["entra"]
    return {name: value for name, value in made.items() if name not in {"unfit", "time_missing"}}


def test_what_was_recorded_is_what_the_pipeline_and_the_cases_are() -> None:
    assert processor() == RAN, STALE
    assert [record for record, _ in PAIRS] == json.loads(json.dumps(records())), STALE


@pytest.mark.parametrize(("record", "made"), PAIRS, ids=[record["id"] for record, _ in PAIRS])
def test_the_pipeline_derives_what_the_connector_derives(record: dict[str, Any], made: dict[str, Any]) -> None:
    assert made["entra"] == ours(record)


def test_the_records_reach_every_derived_field() -> None:
    def paths(value: dict[str, Any], above: str = "entra") -> set[str]:
        return {
            found
            for key, inner in value.items()
            for found in (paths(inner, f"{above}.{key}") if isinstance(inner, dict) else {f"{above}.{key}"})
        }

    from entrawatch.schema.fields import FIELDS

    derived = {field.ecs for field in FIELDS if field.family == "audit" and field.ecs.startswith("entra.")}
    assert set().union(*(paths(made["entra"]) for _, made in PAIRS)) >= derived


def test_beside_the_derived_fields_only_the_result_and_the_id_are_added() -> None:
    for record, made in PAIRS:
        before = stored(record)
        rest = deepcopy({name: value for name, value in made.items() if name != "entra"})
        assert rest["event"].pop("id") == record["id"]
        if "outcome" in before["event"]:
            assert rest["azure"]["auditlogs"]["properties"].pop("result") == record["result"]
        assert rest == before


@pytest.mark.parametrize(("rule", "case"), AUDITS)
def test_a_rule_finds_on_elastics_documents_what_its_cases_say(rule: Any, case: Any) -> None:
    made = rows(case.records)
    known = (MADE.get(json.dumps(row.record, sort_keys=True)) for row in made)
    documents = [esql_runs.stored(row) if one is None else document(one) for row, one in zip(made, known)]
    wanted = {tuple(fold(keys[key.name]) for key in rule.keys) for keys in case.keys}
    query = dialect("esql", CATALOGUE.baselines).compile(rule)
    assert isinstance(query, Compiled)
    assert esql_runs.keys(query, esql_runs.run(query, made, documents=documents)) == wanted
    answer = dialect("eql", CATALOGUE.baselines).compile(rule)
    if not isinstance(answer, Refusal):
        found = eql_engine.run(answer.text, "azure.auditlogs", documents)
        assert {one["azure.auditlogs.properties.id"] for one in found} == {
            identity(row) for row in made if wanted and (fold(row.record["id"]),) in wanted
        }


@pytest.mark.skipif(not SAMPLES, reason="../shared/samples is not here: Elastic's samples are not ours")
def test_the_integrations_own_samples_have_the_shape_that_the_pipeline_is_run_on() -> None:
    seen = 0
    for file in SAMPLES:
        expected = json.loads(Path(f"{file}-expected.json").read_text(encoding="utf-8"))["expected"]
        for line, theirs in zip(file.read_text(encoding="utf-8").splitlines(), expected):
            record = json.loads(line)
            made = stored(record["properties"], record.get("tenantId", ""))
            properties = theirs["azure"]["auditlogs"]["properties"]
            for name in ("target_resources", "initiated_by", "activity_display_name", "id", "result"):
                assert _set(made["azure"]["auditlogs"]["properties"].get(name)) == _set(properties.get(name)), name
            assert made["event"].get("outcome") == theirs["event"].get("outcome")
            seen += 1
    assert seen > 3


def _set(value: Any) -> Any:
    """A value without its nulls: the integration drops some of them, the pipeline minds none."""
    if isinstance(value, dict):
        return {key: _set(inner) for key, inner in value.items() if inner is not None}
    return value
