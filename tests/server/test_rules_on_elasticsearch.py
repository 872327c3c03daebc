"""What the rules in Elastic's languages rest on, asked of a real server: it has no EQL and no ES|QL, but the queries
that EQL is run as, and the index mode that ES|QL joins."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

pytest.importorskip("elasticsearch")

from eql import ast

from entrawatch.dialects.base import Compiled, Refusal
from entrawatch.dialects.eql import Eql
from entrawatch.dialects.esql_baseline import indices, transforms
from entrawatch.rules import ir
from entrawatch.schema.index_templates import mappings
from rules.eql_engine import parsed
from rules.esql_runs import stored
from rules.judge import holds, rows
from rules.test_catalogue import CATALOGUE
from rules.test_eql import hostile_records
from rules.test_sql import MANY, TEXT, event_rule, hostile_predicates

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

_NUMBERS = count(1)
_RANGES = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
TEXTS = ("user_agent.original", "azure.signinlogs.properties.app_display_name")
LISTS = "azure.signinlogs.properties.authentication_methods_used"


def query_of(node: Any) -> dict[str, Any]:
    """The query that Elasticsearch runs for an EQL condition."""
    if isinstance(node, ast.Not):
        return {"bool": {"must_not": [query_of(node.term)]}}
    if isinstance(node, (ast.And, ast.Or)):
        kind = "filter" if isinstance(node, ast.And) else "should"
        return {"bool": {kind: [query_of(term) for term in node.terms]}}
    if isinstance(node, ast.Boolean):
        return {"match_all": {}} if node.value else {"match_none": {}}
    if isinstance(node, ast.Comparison):
        name, value = _name(node.left), node.right.value
        return (
            {"term": {name: value}} if node.comparator == "==" else {"range": {name: {_RANGES[node.comparator]: value}}}
        )
    assert isinstance(node, ast.FunctionCall), node
    name, operator = _name(node.arguments[0]), node.operator  # type: ignore[attr-defined]
    return {"bool": {"should": [_text(operator, name, part.value) for part in node.arguments[1:]]}}


def _name(field: Any) -> str:
    return ".".join(map(str, [field.base, *field.path]))


def _text(operator: str, name: str, text: str) -> dict[str, Any]:
    if operator == "regex~":
        return {"regexp": {name: {"value": text, "case_insensitive": True, "flags": "ALL"}}}
    if operator == ":" and not set(text) & set("*?"):
        return {"term": {name: {"value": text, "case_insensitive": True}}}
    return {"wildcard": {name: {"value": text.replace("\\", "\\\\"), "case_insensitive": True}}}


@pytest.fixture
def index(client: Any) -> str:
    """An index with our mapping and a document for each hostile text in each place; its id is its number."""
    name = f"hostile{next(_NUMBERS)}"
    client.indices.create(index=name, mappings=mappings(("signin",)))
    for number, row in enumerate(hostile_rows()):
        document = stored(row)
        body = {field: document[field] for field in (*TEXTS, LISTS) if field in document}
        client.index(index=name, id=str(number), document=body)
    client.indices.refresh(index=name)
    return name


def hostile_rows() -> list[Any]:
    return rows([("interactive", {**one, "id": str(number)}) for number, one in enumerate(hostile_records())])


def test_the_queries_behind_eql_find_what_the_judge_finds(client: Any, index: str) -> None:
    asked = [*hostile_predicates(), ir.Present(TEXT), ir.Not(ir.Equals(TEXT, "x")), ir.Matches(TEXT, "^[w-y].y$")]
    asked += [
        ir.ContainsAny(
            TEXT,
            tuple('@&~<>#"().+{}[]|'),
        ),
        ir.Matches(MANY, r"\d+!"),
        ir.Like(TEXT, ("x*", ir.Wildcard.ONE)),
    ]
    rows_, answered = hostile_rows(), 0
    for where in asked:
        query = Eql(CATALOGUE.baselines).compile(event_rule(where))
        if isinstance(query, Refusal):
            continue
        assert isinstance(query, Compiled)
        tree = parsed(query.text, "azure.signinlogs").first.query
        found = client.search(index=index, query=query_of(tree), size=1000, source=False)["hits"]["hits"]
        wanted = {str(number) for number, row in enumerate(rows_) if holds(where, row)}
        assert {hit["_id"] for hit in found} == wanted, query.text
        answered += 1
    assert answered > 70


def test_a_baselines_indices_are_made_as_they_are_described(client: Any) -> None:
    for name, index in indices(CATALOGUE.baselines["organisation-networks"]).items():
        client.indices.create(index=name, settings=index["settings"], mappings=index["mappings"])
        made = client.indices.get(index=name)[name]
        assert made["settings"]["index"].get("mode") == index["settings"]["index"].get("mode")
        assert made["settings"]["index"]["number_of_shards"] == "1"
        assert set(made["mappings"]["properties"]) == set(index["mappings"]["properties"])
        client.indices.delete(index=name)


def test_a_baselines_query_is_one_that_elasticsearch_reads(client: Any, index: str) -> None:
    for transform in transforms(CATALOGUE.baselines["organisation-networks"]).values():
        query = transform["source"].get("query", {"match_all": {}})
        assert client.indices.validate_query(index=index, query=query)["valid"]


def test_letters_beyond_ascii_are_compared_with_case_which_is_why_eql_refuses_them(client: Any, index: str) -> None:
    asked = {text: {"term": {TEXTS[0]: {"value": text, "case_insensitive": True}}} for text in ("Ünïcode", "ünïcode")}
    assert {text: client.count(index=index, query=query)["count"] for text, query in asked.items()} == {
        "Ünïcode": 2,
        "ünïcode": 0,
    }
