"""ES|QL lowered to DuckDB finds what the judge finds, and gives row for row what the interpreter of the tree gives."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from entrawatch.dialects.base import Refusal

from . import esql_duckdb, esql_engine
from .esql_runs import OLDEST, Moment, in_turn, keys, lookup_types, moments
from .esql_values import values
from .judge import rows
from .test_agreement import SEEDS, Company, agree, gathered, small, whole
from .test_catalogue import CATALOGUE
from .test_eql import hostile_records
from .test_esql import answer, compiled, wanted
from .test_sql import event_rule, hostile_predicates, predicates, records

if TYPE_CHECKING:
    from entrawatch.rules import ir

    from .esql_values import Row


def same(row: Row) -> tuple[tuple[str, str], ...]:
    """A row to be compared: its columns in order, the values of a list in none."""
    return tuple((name, repr(sorted(value) if isinstance(value, list) else value)) for name, value in row.items())


def interpreted(text: str, told: list[Moment]) -> list[list[Row]]:
    """What the interpreter gives, run by run."""
    tree = esql_engine.parsed(text, OLDEST, lookup_types())
    return [esql_engine.Run(seen, now, known).result(tree) for now, seen, known in told]


def lowered(text: str, told: list[Moment]) -> list[list[Row]]:
    """The same of the lowering."""
    return esql_duckdb.executed(esql_engine.parsed(text, OLDEST, lookup_types()), told)


def both(text: str, told: list[Moment]) -> list[list[Row]]:
    """What both give, run by run."""
    found = lowered(text, told)
    for mine, other in zip(found, interpreted(text, told), strict=True):
        assert Counter(map(same, mine)) == Counter(map(same, other))
    return found


@pytest.mark.parametrize("slug", CATALOGUE.rules)
def test_every_case_of_a_rule_gives_what_the_judge_finds_and_the_interpreters_rows(slug: str) -> None:
    rule = CATALOGUE.rules[slug]
    query, cases = compiled(rule), [rows(case.records) for case in rule.cases]
    for case, case_rows, found in zip(rule.cases, cases, in_turn(query, cases, both), strict=True):
        assert keys(query, found) == {finding.keys for finding in wanted(rule, case_rows)}, case.name
        assert bool(found) == case.match, case.name


def _predicate_agrees(where: ir.Predicate, made: list[dict[str, Any]]) -> None:
    rule = event_rule(where)
    query = answer(rule)
    if isinstance(query, Refusal):
        return
    case_rows = rows([("interactive", {**one, "id": f"r{place}"}) for place, one in enumerate(made)])
    (found,) = in_turn(query, [case_rows], both)
    assert keys(query, found) == {finding.keys for finding in wanted(rule, case_rows)}


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(predicates(), records)
def test_a_random_predicate_means_the_same_in_both(where: ir.Predicate, made: list[Any]) -> None:
    _predicate_agrees(where, made)


@pytest.mark.parametrize("where", hostile_predicates(), ids=str)
def test_a_hostile_text_is_only_itself(where: ir.Predicate) -> None:
    _predicate_agrees(where, hostile_records())


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(predicates(), records)
def test_many_random_predicates_mean_the_same_in_both(where: ir.Predicate, made: list[Any]) -> None:
    _predicate_agrees(where, made)


def _in_both(company: Company, most: int = 60, others: int = 20) -> dict[str, Any]:
    """As `test_agreement.in_elasticsearch`, where both give it; the numbers are those of `Company.near`."""
    answers = {}
    for slug, rule in CATALOGUE.rules.items():
        query, near = compiled(rule), company.near(rule, most, others)
        told = list(moments(query, company.rows, documents=company.documents, near=near))
        results = [row for run in both(query.text, told) for row in run]
        answers[slug] = gathered(rule, ((*keys(query, [row]), values(row.get("event_ids"))) for row in results))
    return answers


@pytest.mark.xdist_group("agreement")
def test_a_small_tenant_gives_what_the_judge_finds_in_both() -> None:
    agree(partial(_in_both, most=15, others=10), small(31))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [pytest.param(one, marks=pytest.mark.xdist_group(f"seed{one}")) for one in SEEDS])
def test_a_whole_tenant_gives_what_the_judge_finds_in_both(seed: int) -> None:
    agree(_in_both, whole(seed))
