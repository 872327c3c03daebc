"""The classical mistakes in SQL, planted in the dialect one at a time: the comparison with the judge must go red.

What absent means is not the engine's choice: each comparison runs over tables that hold NULL where a field is absent,
and over the same tables with an empty text there, as other loaders leave it.
"""

from __future__ import annotations

from functools import cache, partial
from itertools import count
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from entrawatch.dialects.base import Compiled
from entrawatch.dialects.sql import Sql
from entrawatch.hunt.columns import columns
from entrawatch.hunt.findings import LEVELS
from entrawatch.rules import ir
from entrawatch.rules.rule import Case

from . import duck, postgres
from .judge import Judge, Row, fold, holds, identity, rows
from .sql_faults import IN_BASELINES, IN_PREDICATES, IN_QUERIES
from .test_catalogue import CATALOGUE
from .test_sql import ALL, CODE, FLAG, HOSTILE, MANY, OTHER, TEXT, event_rule, hostile_predicates, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from entrawatch.rules.catalogue import Catalogue
    from entrawatch.rules.rule import Rule

    #: a finding's key → the ids of its events, and its level
    Told = dict[tuple[str, ...], tuple[Any, Any]]
    Run = Callable[[Compiled], list[dict[str, Any]]]
    Plant = Callable[[pytest.MonkeyPatch], None]

pytestmark = pytest.mark.xdist_group("sql-mutations")

_SCHEMAS = count()
PREDICATES = [
    ir.Not(ir.OneOf(TEXT, ("x", "o'hara"))),
    ir.Not(ir.OneOf(MANY, ("x", "a\\b"))),
    ir.OneOf(TEXT, ("X_Y", "it''s")),
    ir.Not(ir.Compares(CODE, ">", 5)),
    ir.Compares(CODE, ">=", 50126),
    ir.Compares(CODE, "<", 50126),
    ir.Not(ir.Equals(FLAG, True)),
    ir.Not(ir.Not(ir.Equals(TEXT, "x"))),
    ir.And((ir.Or((ir.Equals(TEXT, "x"), ir.Equals(OTHER, "x_y"))), ir.Equals(CODE, 0))),
    ir.Not(ir.Or((ir.Equals(TEXT, "x"), ir.Equals(OTHER, "x")))),
    ir.Not(ir.Present(TEXT)),
    ir.Present(CODE),
    ir.And(()),
    ir.Or(()),
    ir.Matches(TEXT, "^X"),
    ir.Not(ir.Matches(TEXT, "^x")),
    *hostile_predicates(),
]  # fmt: skip
RECORDS = [
    ("interactive", {**record(one, other, code, flag=flag, methods=[one, other]), "id": f"r{n}.{m}"})
    for n, one in enumerate(HOSTILE)
    for m, (other, code, flag) in enumerate([("x", 0, True), ("x_y", 50126, False), ("", None, None), ("X", 7, True)])
]


def _late(day: int, hour: int, user: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "interactive", {
        "id": f"{day}-{hour}-{user}", "createdDateTime": f"2026-01-{day:02}T{hour:02}:00:00Z", "isInteractive": True,
        "userPrincipalName": user, "ipAddress": "203.0.113.1", "location": {"countryOrRegion": "NL"},
        "status": {"errorCode": 0}, "authenticationRequirement": "multiFactorAuthentication", **more,
    }  # fmt: skip


_ALONE = {"authenticationRequirement": "singleFactorAuthentication"}
_FIRST = _late(1, 9, "z", ipAddress="192.0.2.1")


def _two_days(day: int) -> list[tuple[str, dict[str, Any]]]:
    return [_late(on, hour, user) for on in (day, day + 1) for hour, user in enumerate("abcd", 10)]


#: what only a language can say that looks at all of the logs at once: the first days, and what is learnt later
HISTORIES = {
    "single-factor-from-new-network": [
        Case(name, tuple(records), match)
        for name, match, records in [
            ("the first days are judged by what they teach", False, [_late(1, 9, "a", **_ALONE), *_two_days(2)]),
            ("a network is not known before it is learnt", True, [_FIRST, _late(9, 9, "a", **_ALONE), *_two_days(10)]),
            (
                "a network is known up to a week after the last but one of its users was last there",
                True,
                [_FIRST, *_two_days(9), _late(16, 12, "k", **_ALONE), _late(16, 13, "l", **_ALONE)],
            ),
        ]
    ]
}


def emptied(catalogue: Catalogue) -> Iterator[str]:
    """Statements that put an empty text where NULL stands."""
    for source in duck.SOURCES:
        known = columns(source, catalogue.rules.values(), catalogue.baselines.values())
        texts = [f'"{one.name}" = COALESCE("{one.name}", \'\')' for one in known if one.type == "VARCHAR"]
        yield f"UPDATE {source} SET {', '.join(texts)}"


def in_duckdb(catalogue: Catalogue, seen: list[Row]) -> list[Run]:
    """DuckDB over one set of rows: with NULL for what is absent, and with empty text."""
    connection = duck.tables(catalogue, seen)
    runs = []
    for statements in ([], list(emptied(catalogue))):
        held = connection.cursor()
        held.execute("SET TimeZone = 'UTC'")
        schema = f"held_{next(_SCHEMAS)}"
        held.execute(f"CREATE SCHEMA {schema}")
        for source in duck.SOURCES:
            held.execute(f"CREATE TABLE {schema}.{source} AS FROM main.{source}")
        held.execute(f"USE {schema}")
        for statement in statements:
            held.execute(statement)
        runs.append(partial(duck.found, held))
    return runs


def told(rule: Rule, query: Compiled, results: list[dict[str, Any]]) -> Told:
    """Key → the ids and the highest level told; ids only where one row of the rule's is all of its evidence."""
    found: dict[tuple[str, ...], tuple[Any, Any]] = {}
    for row in results:
        key = tuple(fold(row[key.name]) for key in query.rule.keys)
        ids, level = found.get(key, (frozenset(), "informational"))
        found[key] = (ids | set(row["event_ids"]), max(level, row["level"], key=LEVELS.index))
    whole = isinstance(rule.query, (ir.EventQuery, ir.WindowQuery))
    return {key: (ids if whole else None, level) for key, (ids, level) in found.items()}


def wanted(rule: Rule, seen: list[Row]) -> Told:
    """The same by the judge."""
    whole = isinstance(rule.query, (ir.EventQuery, ir.WindowQuery))
    found: dict[tuple[str, ...], tuple[Any, Any]] = {}
    for hit in Judge(CATALOGUE.baselines).findings(rule, seen):
        ids, level = found.get(hit.keys, (frozenset(), rule.level))
        evidence = [row for row in seen if row.source == rule.source and identity(row) in hit.ids]
        raised = [one.level for one in rule.escalations if any(holds(one.when, row) for row in evidence)]
        found[hit.keys] = (ids | hit.ids, max(level, *raised, "informational", key=LEVELS.index))
    return {key: (ids if whole else None, level) for key, (ids, level) in found.items()}


def of_cases(*slugs: str) -> Iterator[str]:
    """The cases of these rules on which DuckDB and the judge differ."""
    for slug in slugs:
        rule = CATALOGUE.rules[slug]
        for case in cases(rule):
            right, runs = of_case(slug, case)
            if any(_unlike(rule, run, right, "duckdb") for run in runs):
                yield f"{slug}: {case.name}"


def cases(rule: Rule) -> list[Case]:
    return [*rule.cases, *HISTORIES.get(rule.slug, [])]


def of_predicates() -> Iterator[str]:
    """The predicates on which DuckDB and the judge differ."""
    for run in of_records():
        for where in PREDICATES:
            if _unlike(event_rule(where), run, answer(where), "duckdb"):
                yield str(where)


def _unlike(rule: Rule, run: Run, right: Any, engine: str) -> bool:
    query = Sql(CATALOGUE.baselines, engine).compile(rule)
    assert isinstance(query, Compiled), query
    try:
        return told(rule, query, run(query)) != right
    except duckdb.Error:
        return True


@cache
def of_case(slug: str, case: Case) -> tuple[Told, list[Run]]:
    """The judge's answer and the tables, which no mutation changes."""
    seen = rows(case.records)
    return wanted(CATALOGUE.rules[slug], seen), in_duckdb(CATALOGUE, seen)


@cache
def of_records() -> list[Run]:
    return in_duckdb(ALL, rows(RECORDS))


@cache
def answer(where: ir.Predicate) -> Told:
    """The judge's of a predicate."""
    return wanted(event_rule(where), rows(RECORDS))


@pytest.mark.parametrize("plant", IN_PREDICATES)
def test_a_mistake_in_a_predicate_is_seen(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert next(of_predicates(), None)


@pytest.mark.parametrize(("plant", "slug"), IN_QUERIES)
def test_a_mistake_in_a_query_is_seen(plant: Plant, slug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert next(of_cases(slug), None)


@pytest.mark.parametrize(("plant", "slug"), IN_BASELINES)
def test_a_mistake_in_the_baseline_is_seen(plant: Plant, slug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert next(of_cases(slug), None)


def test_without_a_mistake_nothing_differs() -> None:
    assert [*of_cases(*CATALOGUE.rules), *of_predicates()] == []


def test_postgresql_takes_an_empty_text_for_absent_and_a_dot_for_no_end_of_line() -> None:
    with postgres.server() as connection:
        for slug, rule in CATALOGUE.rules.items():
            for case in cases(rule):
                postgres.fill(connection, CATALOGUE, rows(case.records))
                for statement in emptied(CATALOGUE):
                    connection.execute(statement.encode())
                right, _ = of_case(slug, case)
                assert not _unlike(rule, lambda query: postgres.found(connection, query.text), right, "postgres"), case
        postgres.fill(connection, ALL, rows(RECORDS))
        for pattern in ("x.y", "^x[.]*[^a]y$", "[].]", "a\\\\b", "x\\."):
            rule = event_rule(ir.Matches(TEXT, pattern))
            right = wanted(rule, rows(RECORDS))
            assert not _unlike(rule, lambda query: postgres.found(connection, query.text), right, "postgres"), pattern
