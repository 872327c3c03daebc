"""What keeps a baseline in Elasticsearch: the indices that the queries join, and the transforms that fill them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from entrawatch.dialects.base import Compiled, Unsupported
from entrawatch.dialects.esql import Esql
from entrawatch.dialects.esql_baseline import indices, lookup_name, transforms
from entrawatch.dialects.esql_dsl import Dsl
from entrawatch.rules import ir

from .esql_engine import Row, schema
from .esql_runs import stored
from .esql_values import values
from .judge import holds, rows
from .test_catalogue import CATALOGUE
from .test_sql import CODE, FLAG, MANY, OTHER, TEXT, predicates, records

NETWORKS = CATALOGUE.baselines["organisation-networks"]


def test_queries_join_the_indices_that_there_are() -> None:
    joined = set()
    for rule in CATALOGUE.rules.values():
        query = Esql(CATALOGUE.baselines).compile(rule)
        assert isinstance(query, Compiled)
        joined |= set(re.findall(r"LOOKUP JOIN (\S+) ON (\w+)", query.text))
    lookups = {name: index for name, index in indices(NETWORKS).items() if index["settings"]["index"].get("mode")}
    assert joined == {(name, key) for name, key in zip(lookups, ("address", "country"))}
    for name, key in joined:
        assert key in lookups[name]["mappings"]["properties"]


def test_each_index_is_filled_by_the_transform_of_its_name_with_its_own_fields() -> None:
    made = transforms(NETWORKS)
    assert json.loads(json.dumps(made)) == made
    assert list(made) == [lookup_name(NETWORKS, what) for what in ("networks", "pairs", "countries")]
    for name, transform in made.items():
        pivot = transform["pivot"]
        assert transform["dest"]["index"] == name
        assert {*pivot["group_by"], *pivot["aggregations"]} == set(indices(NETWORKS)[name]["mappings"]["properties"])
        assert transform["retention_policy"]["time"]["field"] in pivot["aggregations"]
        assert transform["retention_policy"]["time"]["max_age"] == "604800s"


def test_the_transforms_read_fields_that_our_events_have() -> None:
    text = json.dumps(
        [one for one in transforms(NETWORKS).values() if "logs-azure.signinlogs-*" in one["source"]["index"]]
    )
    named = set(re.findall(r"(?:azure|source)\.[a-z_.]+[a-z_]", text)) - {"azure.signinlogs"}
    assert len(named) == 4
    assert named <= set(schema("azure.signinlogs"))


@pytest.mark.parametrize(
    "changed",
    [
        {"address": MANY},
        {"where": ir.Like(TEXT, ("x", ir.Wildcard.ANY))},
        {"where": ir.Equals(TEXT, "Ünïcode")},
        {"user": ir.FieldRef("appliedConditionalAccessPolicies.displayName", "text", many=True)},
    ],
    ids=str,
)
def test_a_baseline_that_would_not_be_exact_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(Unsupported):
        transforms(replace(NETWORKS, **changed))


def matches(query: dict[str, Any], row: Row) -> bool:
    """Whether Elasticsearch's query finds the document."""
    ((kind, body),) = query.items()
    if kind == "match_none":
        return False
    if kind == "bool":
        must = all(matches(part, row) for part in body.get("filter", []))
        must_not = not any(matches(part, row) for part in body.get("must_not", []))
        return must and must_not and ("should" not in body or any(matches(part, row) for part in body["should"]))
    if kind == "exists":
        return bool(values(row.get(body["field"])))
    ((name, asked),) = body.items()
    return any(_passes(kind, asked, value) for value in values(row.get(name)))


def _passes(kind: str, asked: dict[str, Any], value: Any) -> bool:
    if kind == "range":
        tests = {"lt": value.__lt__, "lte": value.__le__, "gt": value.__gt__, "gte": value.__ge__}
        return all(tests[op](bound) for op, bound in asked.items())
    if kind == "wildcard":
        assert asked["value"] == "?*"
        return value != ""
    if asked.get("case_insensitive"):
        return bool(re.fullmatch(re.escape(asked["value"]), value, re.IGNORECASE | re.ASCII))
    return bool(value == asked["value"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(predicates(), records)
def test_a_query_means_what_the_judge_says(where: ir.Predicate, made: list[Any]) -> None:
    case_rows = rows([("interactive", {**one, "id": f"r{place}"}) for place, one in enumerate(made)])
    try:
        query = Dsl("signin").write(where)
    except Unsupported:
        return
    assert [matches(query, stored(row)) for row in case_rows] == [holds(where, row) for row in case_rows]


def test_what_a_baseline_asks_today_is_answered() -> None:
    where = ir.Or((ir.OneOf(OTHER, ("x", "y")), ir.Compares(CODE, ">", 1), ir.Not(ir.Equals(FLAG, True)), ir.Or(())))
    assert Dsl("signin").write(ir.And((where, ir.Present(TEXT), ir.Present(CODE))))
