"""The SQL dialect, executed by DuckDB: every rule on every one of its cases, and every predicate on hostile values."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrawatch.dialects.base import Compiled, Refusal
from entrawatch.dialects.sql import ENGINES, Sql
from entrawatch.dialects.sql_predicates import EXECUTED
from entrawatch.rules import ir
from entrawatch.rules.catalogue import Catalogue

from .duck import found, keys, tables
from .judge import Judge, rows
from .networks import ADDRESS
from .test_catalogue import CASES, CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE = [
    "x",
    "X",
    "x_y",
    "xAy",
    "x%",
    "x*",
    "100!",
    "o'hara",
    'say "x"',
    "a\\b",
    "Ünïcode",
    "--",
    "x\ny",
    "it''s",
    "",
]
TEXT, OTHER = ir.FieldRef("userAgent"), ir.FieldRef("appDisplayName")
CODE, FLAG = ir.FieldRef("status.errorCode", "number"), ir.FieldRef("isInteractive", "boolean")
MANY = ir.FieldRef("authenticationMethodsUsed", "text", many=True)
ADDRESSES = ["10.0.0.0", "10.255.255.255", "11.0.0.0", "::FFFF:10.0.0.1", "2001:DB8:0::1", "2001:db9::", "::1", "{ip}"]
NETWORKS = ["10.0.0.0/8", "10.0.0.0/32", "8.0.0.0/7", "0.0.0.0/0", "2001:db8::/32", "2001:db8::/48", "::1/128"]


def compiled(rule: Any, engine: str = "duckdb") -> Compiled:
    answer = Sql(CATALOGUE.baselines, engine).compile(rule)
    assert isinstance(answer, Compiled), answer
    return answer


def event_rule(where: ir.Predicate) -> Any:
    """A rule on single sign-ins with this predicate."""
    return replace(CATALOGUE.rules["sync-account-abuse"], query=ir.EventQuery(where))


#: a catalogue whose tables have the columns of the random predicates
_FIELDS = (TEXT, OTHER, CODE, FLAG, MANY, ADDRESS)
ALL = Catalogue({"x": event_rule(ir.And(tuple(map(ir.Present, _FIELDS))))}, CATALOGUE.baselines)


@pytest.mark.parametrize(("rule", "case"), CASES)
def test_duckdb_finds_what_the_judge_finds(rule: Any, case: Any) -> None:
    case_rows = rows(case.records)
    query = compiled(rule)
    results = found(tables(CATALOGUE, case_rows), query)
    wanted = Judge(CATALOGUE.baselines).findings(rule, case_rows)
    assert keys(query, results) == {finding.keys for finding in wanted}
    assert {one for row in results for one in row["event_ids"]} == {one for hit in wanted for one in hit.ids} or not (
        isinstance(rule.query, (ir.EventQuery, ir.WindowQuery, ir.FollowedQuery))
    )


#: what an engine that no test runs refuses (docs/rules.md, "Where SQL runs"): the predicate, and the reason
UNTRIED = {
    "{} may not run a subquery over a list of the row around it": lambda node: node.field.many,
    "{} has regular expressions of its own": lambda node: isinstance(node, (ir.Matches, ir.InNetwork)),
}


def single_tests(node: object) -> Iterator[Any]:
    """The tests of single fields in a query or an escalation."""
    if isinstance(node, ir.Predicate) and hasattr(node, "field"):
        yield node
    elif is_dataclass(node):
        for part in fields(node):
            yield from single_tests(getattr(node, part.name))
    elif isinstance(node, tuple):
        for one in node:
            yield from single_tests(one)


def refusals(rule: Any, engine: str) -> set[str]:
    """The reasons that hold for a rule in an engine: none where the tests run it."""
    read = list(single_tests((rule.query, rule.escalations)))
    if engine in EXECUTED:
        return set()
    return {why.format(engine) for why, holds in UNTRIED.items() if any(map(holds, read))}


#: a rule that may be the next of the catalogue: on networks, on a list, on both
NEXT = [
    ir.InNetwork(ADDRESS, ("10.0.0.0/8",)),
    ir.Not(ir.Equals(MANY, "x")),
    ir.And((ir.Matches(TEXT, "x"), ir.Present(MANY))),
]


@pytest.mark.parametrize(
    "rule", [*CATALOGUE.rules.values(), *map(event_rule, NEXT)], ids=[*CATALOGUE.rules, "networks", "list", "both"]
)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_has_a_text_that_names_the_rule_or_a_documented_reason(rule: Any, engine: str) -> None:
    answer = Sql(CATALOGUE.baselines, engine).compile(rule)
    if reasons := refusals(rule, engine):
        assert isinstance(answer, Refusal)
        assert answer.why in reasons
        return
    query = compiled(rule, engine)
    first, *rest = query.text.splitlines()
    assert first == f"-- {rule.id} {rule.slug}: {rule.title}"
    assert [key.name for key in rule.keys] == list(query.columns[: len(rule.keys)])
    assert len(rest) > 8
    assert query == compiled(rule, engine)


def predicates() -> st.SearchStrategy[ir.Predicate]:
    texts = st.sampled_from([text for text in HOSTILE if text])
    parts = st.lists(texts | st.sampled_from(list(ir.Wildcard)), min_size=1, max_size=3).map(tuple)
    field = st.sampled_from([TEXT, OTHER, MANY])
    leaf = st.one_of(
        st.builds(ir.Equals, field, texts),
        st.builds(ir.OneOf, field, st.lists(texts, min_size=1, max_size=3).map(tuple)),
        st.builds(ir.ContainsAny, field, st.lists(texts, min_size=1, max_size=2).map(tuple)),
        st.builds(ir.Like, field, parts),
        st.builds(ir.Present, field),
        st.builds(ir.Matches, field, st.sampled_from(["^x", "y$", "a.b", "[0-9]+"])),
        st.builds(ir.Equals, st.just(CODE), st.sampled_from([0, 50126])),
        st.builds(ir.Compares, st.just(CODE), st.sampled_from(["<", "<=", ">", ">="]), st.sampled_from([0, 50126])),
        st.builds(ir.Equals, st.just(FLAG), st.booleans()),
        st.just(ir.SameAs(TEXT, OTHER)),
        st.builds(ir.InNetwork, st.just(ADDRESS), st.lists(st.sampled_from(NETWORKS), max_size=2).map(tuple)),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(ir.Not, inner),
            st.builds(ir.And, st.lists(inner, max_size=3).map(tuple)),
            st.builds(ir.Or, st.lists(inner, max_size=3).map(tuple)),
        ),
        max_leaves=6,
    )


def record(
    agent: str | None,
    app: str | None,
    code: int | None,
    flag: bool | None,
    methods: list[str],
    address: str | None = None,
) -> dict[str, Any]:
    return {
        "createdDateTime": "2026-01-07T09:00:00Z",
        "userAgent": agent,
        "appDisplayName": app,
        "status": {"errorCode": code},
        "isInteractive": flag,
        "authenticationMethodsUsed": methods,
        "ipAddress": address,
    }


records = st.lists(
    st.builds(
        record,
        st.sampled_from([None, *HOSTILE]),
        st.sampled_from([None, *HOSTILE]),
        st.sampled_from([None, 0, 50126]),
        st.sampled_from([None, True, False]),
        st.lists(st.sampled_from(HOSTILE), max_size=2),
        st.sampled_from([None, *ADDRESSES]),
    ),
    min_size=1,
    max_size=6,
)


def hostile_predicates() -> list[ir.Predicate]:
    """Each kind of text test with each hostile string."""
    found: list[ir.Predicate] = [ir.SameAs(TEXT, OTHER), ir.Present(TEXT), ir.Not(ir.Present(MANY))]
    for text in filter(None, HOSTILE):
        found += [
            ir.Equals(TEXT, text),
            ir.Not(ir.Equals(MANY, text)),
            ir.Like(TEXT, (text, ir.Wildcard.ANY)),
            ir.Like(TEXT, (ir.Wildcard.ANY, text)),
            ir.Like(TEXT, (ir.Wildcard.ONE, text, ir.Wildcard.ANY)),
            ir.ContainsAny(MANY, (text, "zzz")),
        ]
    return found


@settings(max_examples=100, deadline=None)
@given(predicates(), records)
def test_a_random_predicate_means_in_duckdb_what_the_judge_says(where: ir.Predicate, made: list[Any]) -> None:
    numbered = [("interactive", {**one, "id": f"r{place}"}) for place, one in enumerate(made)]
    rule = event_rule(where)
    case_rows = rows(numbered)
    query = compiled(rule)
    results = found(tables(ALL, case_rows), query)
    assert keys(query, results) == {finding.keys for finding in Judge({}).findings(rule, case_rows)}


@pytest.mark.parametrize("engine", ENGINES[2:])
def test_an_engine_that_is_not_run_is_given_no_regular_expression(engine: str) -> None:
    answer = Sql({}, engine).compile(event_rule(ir.Matches(TEXT, "x")))
    assert isinstance(answer, Refusal)
    assert answer.why == f"{engine} has regular expressions of its own"


@pytest.mark.parametrize(("engine", "told"), [("snowflake", "TO_TIMESTAMP_LTZ("), ("databricks", "TIMESTAMP_SECONDS(")])
def test_a_window_ends_at_a_time_with_a_zone(engine: str, told: str) -> None:
    assert f"{told}(" in "".join(compiled(CATALOGUE.rules["brute-force"], engine).text.split())


def test_bigquery_whose_columns_cannot_be_named_so_is_no_engine() -> None:
    with pytest.raises(ValueError, match="no engine 'bigquery'"):
        Sql({}, "bigquery")


@pytest.mark.parametrize(
    ("where", "node"),
    [
        (ir.InNetwork(ADDRESS, ("2001:db8::/65",)), "InNetwork"),
        (ir.SameAs(MANY, TEXT), "SameAs"),
    ],
)
def test_what_sql_cannot_say_is_refused_as_a_value(where: ir.Predicate, node: str) -> None:
    answer = Sql(CATALOGUE.baselines).compile(event_rule(where))
    assert isinstance(answer, Refusal)
    assert (answer.dialect, answer.node) == ("sql", node)
    assert re.search(r"\w{3}", answer.why)
