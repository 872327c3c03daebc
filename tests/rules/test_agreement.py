"""All engines on one and the same logs: what one finds they all find, and the judge finds, from many seeds.

`FUZZ_SEEDS=40 make fuzz` takes forty companies in place of a few, `FUZZ_FROM=1000` begins at another one.
"""

from __future__ import annotations

import json
import os
import random
from collections import defaultdict
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Callable

import pytest

from entrawatch.dialects.base import Compiled
from entrawatch.dialects.eql import Eql
from entrawatch.dialects.esql import Esql
from entrawatch.dialects.esql_text import dataset
from entrawatch.dialects.kql import Kql
from entrawatch.dialects.spl import SplDialect
from entrawatch.dialects.spl_fields import ENVELOPE, NORMALIZED
from entrawatch.dialects.sql import Sql
from entrawatch.rules import ir
from entrawatch.schema.fields import resolve

from . import duck, eql_engine, esql_runs, kql_engine, postgres, splunk
from .esql_values import values
from .judge import Judge, Row, fold, rows
from .spl.values import values_of
from .tenants import emitted, near
from .test_catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from entrawatch.rules.rule import Rule

Records = list[tuple[str, dict[str, Any]]]
Key = tuple[str, ...]
#: finding → its events
Found = dict[Key, set[str]]
#: slug → what was found
Answers = dict[str, Found]

_FIRST, _COUNT = int(os.environ.get("FUZZ_FROM", "32")), int(os.environ.get("FUZZ_SEEDS", "5"))
#: of the companies that are fuzzed
SEEDS = range(_FIRST, _FIRST + _COUNT)
#: a result names at most so many events
_MOST = 100
_EVERYDAY = 300


class Company:
    """Logs, and what the judge finds in them."""

    def __init__(self, records: Records) -> None:
        self.records, self.rows = records, rows(records)
        judge = Judge(CATALOGUE.baselines)
        self.findings = {slug: judge.findings(rule, self.rows) for slug, rule in CATALOGUE.rules.items()}

    @cached_property
    def documents(self) -> list[dict[str, Any]]:
        return [esql_runs.stored(row) for row in self.rows]

    def near(self, rule: Rule, most: int, others: int) -> list[Row]:
        """Around which rows to run it, where each run takes its time."""
        return near(rule, self.rows, self.findings[rule.slug], most, others)

    def wanted(self, slug: str) -> Found:
        return gathered(CATALOGUE.rules[slug], ((one.keys, one.ids) for one in self.findings[slug]))


def gathered(rule: Rule, hits: Iterable[tuple[Key, Iterable[Any]]]) -> Found:
    """The findings by key. The events are those of all hits, for a rule on windows; others have one event or tell of
    the last one only."""
    found: Found = defaultdict(set)
    for key, ids in hits:
        found[key] |= set(map(str, ids)) if isinstance(rule.query, ir.WindowQuery) else set()
    return dict(found)


@lru_cache(maxsize=1)
def whole(seed: int) -> Company:
    """All that a company's streams give in a fortnight."""
    return Company([(one.stream, one.record) for one in emitted(seed, 6 + seed % 7)])


@lru_cache(maxsize=1)
def small(seed: int) -> Company:
    """The stories, matches and near misses alike, among a few hundred records of everyday work."""
    logs = [one for one in emitted(seed, 10) if one.stream in {"interactive", "non_interactive", "directory_audits"}]
    story = [one for one in logs if one.label]
    # a sign-in that a story's audit event belongs to need not carry the label itself
    ids = {one.record.get("correlationId") for one in story}
    near_by = [one for one in logs if not one.label and one.record.get("correlationId") in ids]
    everyday = random.Random(seed).sample([one for one in logs if not one.label], _EVERYDAY)
    chosen = {id(one): one for one in (*story, *near_by, *everyday)}.values()
    return Company([(one.stream, one.record) for one in chosen])


def compiled(dialect: Any) -> Iterator[tuple[str, Compiled]]:
    """The rules that the language can say; its own tests name those that it refuses."""
    for slug, rule in CATALOGUE.rules.items():
        query = dialect.compile(rule)
        if isinstance(query, Compiled):
            yield slug, query


def in_duckdb(company: Company) -> Answers:
    database = duck.tables(CATALOGUE, company.rows)
    return {slug: _by_columns(query, duck.found(database, query)) for slug, query in compiled(Sql(CATALOGUE.baselines))}


def in_postgresql(company: Company) -> Answers:
    with postgres.server() as server:
        postgres.fill(server, CATALOGUE, company.rows)
        return {
            slug: _by_columns(query, postgres.found(server, query.text))
            for slug, query in compiled(Sql(CATALOGUE.baselines, "postgres"))
        }


def _by_columns(query: Compiled, results: list[dict[str, Any]]) -> Found:
    hits = ((tuple(fold(row[key.name]) for key in query.rule.keys), row["event_ids"]) for row in results)
    return gathered(query.rule, hits)


def in_kusto(company: Company) -> Answers:
    """Every run of every schedule."""
    workspace = kql_engine.Workspace(company.records)
    return {
        slug: gathered(
            query.rule,
            (
                (*kql_engine.keys(query, [row]), json.loads(row["EventIds"]))
                for row in workspace.scheduled(query, company.rows)
            ),
        )
        for slug, query in compiled(Kql(CATALOGUE.baselines))
    }


def in_elasticsearch(company: Company) -> Answers:
    """ES|QL, at the hops at which a row comes in that the rule is about, and at some others."""
    answers = {}
    for slug, query in compiled(Esql(CATALOGUE.baselines)):
        around = company.near(query.rule, 60, 20)
        results = esql_runs.run(query, company.rows, documents=company.documents, near=around)
        hits = ((*esql_runs.keys(query, [row]), values(row.get("event_ids"))) for row in results)
        answers[slug] = gathered(query.rule, hits)
    return answers


def in_elasticsearch_by_event(company: Company) -> Answers:
    """EQL."""
    answers = {}
    for slug, query in compiled(Eql(CATALOGUE.baselines)):
        columns = [resolve(key.field.name, query.rule.source) for key in query.rule.keys]
        found = eql_engine.run(query.text, dataset(query.rule.source), company.documents)
        keys = [tuple(fold(row.get(one.ecs) or "") for one in columns if one) for row in found]
        answers[slug] = gathered(query.rule, ((key, ()) for key in keys))
    return answers


def in_splunk(company: Company) -> Answers:
    return _splunk(company, NORMALIZED)


def in_splunk_by_envelope(company: Company) -> Answers:
    return _splunk(company, ENVELOPE)


def _splunk(company: Company, profile: str) -> Answers:
    """The scheduled searches that see a finding or near miss, and some others."""
    dialect, answers = SplDialect(CATALOGUE.baselines, profile), {}
    engine = splunk.index(company.rows, dialect.macros(CATALOGUE.rules.values()), profile)
    for slug, query in compiled(dialect):
        around = company.near(query.rule, 20, 10)
        results = splunk.found(dialect, query, company.rows, near=around, engine=engine)
        hits = ((*splunk.keys(query, [row]), values_of(row.get("event_ids"))) for row in results)
        answers[slug] = gathered(query.rule, hits)
    return answers


ENGINES: tuple[Callable[[Company], Answers], ...] = (
    in_duckdb,
    in_postgresql,
    in_kusto,
    in_elasticsearch,
    in_elasticsearch_by_event,
    in_splunk,
    in_splunk_by_envelope,
)


def agree(engine: Callable[[Company], Answers], company: Company) -> None:
    answers = engine(company)
    assert answers
    for slug, found in answers.items():
        wanted = company.wanted(slug)
        assert wanted, "a seed without a match proves little"
        assert found.keys() == wanted.keys(), slug
        assert {key: ids for key, ids in found.items() if len(wanted[key]) <= _MOST} == {
            key: ids for key, ids in wanted.items() if len(ids) <= _MOST
        }, slug


@pytest.mark.xdist_group("agreement")
@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_finds_in_a_small_tenant_what_the_judge_finds(engine: Any) -> None:
    agree(engine, small(31))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("seed", "engine"),
    [pytest.param(seed, engine, marks=pytest.mark.xdist_group(f"seed{seed}")) for seed in SEEDS for engine in ENGINES],
)
def test_an_engine_finds_in_a_whole_tenant_what_the_judge_finds(seed: int, engine: Any) -> None:
    agree(engine, whole(seed))
