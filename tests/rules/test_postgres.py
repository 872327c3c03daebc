"""The same SQL rules in a real PostgreSQL server: what it finds is what the judge finds, and what DuckDB finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.hunt.findings import findings

from . import duck, postgres
from .judge import Judge, rows
from .test_catalogue import CASES, CATALOGUE
from .test_sql import ALL, HOSTILE, compiled, event_rule, hostile_predicates, record

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

pytestmark = pytest.mark.xdist_group("postgres")


@pytest.fixture(scope="module")
def connection() -> Iterator[psycopg.Connection[Any]]:
    with postgres.server() as made:
        yield made


@pytest.mark.parametrize(("rule", "case"), CASES)
def test_postgresql_finds_what_the_judge_finds(connection: Any, rule: Any, case: Any) -> None:
    case_rows = rows(case.records)
    postgres.fill(connection, CATALOGUE, case_rows)
    query = compiled(rule, "postgres")
    results = postgres.found(connection, query.text)
    wanted = {finding.keys for finding in Judge(CATALOGUE.baselines).findings(rule, case_rows)}
    assert duck.keys(query, results) == wanted


@pytest.mark.parametrize("where", hostile_predicates(), ids=str)
def test_hostile_strings_mean_in_postgresql_what_the_judge_says(connection: Any, where: Any) -> None:
    made = [record(agent, app, 0, flag=True, methods=[agent]) for agent in HOSTILE for app in HOSTILE[:4]]
    case_rows = rows([("interactive", {**one, "id": f"r{place}"}) for place, one in enumerate(made)])
    rule = event_rule(where)
    postgres.fill(connection, ALL, case_rows)
    query = compiled(rule, "postgres")
    wanted = {finding.keys for finding in Judge({}).findings(rule, case_rows)}
    assert duck.keys(query, postgres.found(connection, query.text)) == wanted


def test_both_servers_find_the_same_in_a_synthetic_tenant(connection: Any) -> None:
    emitted = generate(TenantOptions(seed=5, users=12, changes=False))
    tenant = rows((one.stream, one.record) for one in emitted)
    postgres.fill(connection, CATALOGUE, tenant)
    database = duck.tables(CATALOGUE, tenant)
    for rule in CATALOGUE.rules.values():
        here = findings(rule, postgres.found(connection, compiled(rule, "postgres").text))
        there = findings(rule, duck.found(database, compiled(rule)))
        assert [(one.keys, one.start, one.end, one.event_ids, one.level, one.evidence) for one in here] == [
            (one.keys, one.start, one.end, one.event_ids, one.level, one.evidence) for one in there
        ], rule.slug
