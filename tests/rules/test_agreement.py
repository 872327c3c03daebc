"""All engines on one and the same logs: what one finds they all find, and the judge finds, from many seeds.

A seed's logs are the stories of one rule, matches and near misses alike, among a few hundred records of everyday work.
"""

from __future__ import annotations

import random
from functools import cache
from typing import Any, Callable

import pytest

from entrawatch.dialects.base import Compiled
from entrawatch.dialects.esql import Esql
from entrawatch.dialects.kql import Kql
from entrawatch.dialects.spl import SplDialect
from entrawatch.dialects.sql import Sql
from entrawatch.emulator.tenant import TenantOptions, generate

from . import duck, esql_runs, kql_engine, splunk
from .judge import Judge, Row, rows
from .test_catalogue import CATALOGUE

Records = list[tuple[str, dict[str, Any]]]
Keys = set[tuple[str, ...]]

#: a baseline needs the whole of a tenant's days: those rules are held against the judge in each language's own tests
RULES = sorted(slug for slug, rule in CATALOGUE.rules.items() if getattr(rule.query, "outside", None) is None)
_EVERYDAY = 150


@cache
def company(seed: int) -> tuple[Any, ...]:
    return tuple(generate(TenantOptions(seed=seed, users=10, changes=False)))


def logs(seed: int, slug: str) -> Records:
    emitted = [one for one in company(seed) if one.stream in {"interactive", "non_interactive", "directory_audits"}]
    groups = {one.label.group for one in emitted if one.label and one.label.scenario == slug}
    # a story may have evidence of two scenarios: a spray that then succeeds
    story = [one for one in emitted if one.label and one.label.group in groups]
    everyday = random.Random(seed).sample([one for one in emitted if not one.label], _EVERYDAY)
    # a sign-in that a story's audit event belongs to need not carry the label itself
    ids = {one.record.get("correlationId") for one in story}
    near = [one for one in emitted if one.record.get("correlationId") in ids and one not in story]
    return [(one.stream, one.record) for one in [*story, *near, *everyday]]


def compiled(dialect: Any, slug: str) -> Compiled:
    answer = dialect(CATALOGUE.baselines).compile(CATALOGUE.rules[slug])
    assert isinstance(answer, Compiled), answer
    return answer


def in_duckdb(slug: str, _: Records, seen: list[Row]) -> Keys:
    query = compiled(Sql, slug)
    return duck.keys(query, duck.found(duck.tables(CATALOGUE, seen), query))


def in_kusto(slug: str, records: Records, seen: list[Row]) -> Keys:
    query = compiled(Kql, slug)
    return kql_engine.keys(query, kql_engine.Workspace(records).scheduled(query, seen))


def in_elasticsearch(slug: str, _: Records, seen: list[Row]) -> Keys:
    query = compiled(Esql, slug)
    return esql_runs.keys(query, esql_runs.run(query, seen))


def in_splunk(slug: str, _: Records, seen: list[Row]) -> Keys:
    query = compiled(SplDialect, slug)
    return splunk.keys(query, splunk.found(SplDialect(CATALOGUE.baselines), query, seen))


ENGINES: tuple[Callable[[str, Records, list[Row]], Keys], ...] = (in_duckdb, in_kusto, in_elasticsearch, in_splunk)


def agree(seed: int, slug: str) -> None:
    records = logs(seed, slug)
    seen = rows(records)
    wanted = {finding.keys for finding in Judge(CATALOGUE.baselines).findings(CATALOGUE.rules[slug], seen)}
    assert wanted, "a seed without a match proves little"
    assert {engine.__name__: engine(slug, records, seen) ^ wanted for engine in ENGINES} == {
        engine.__name__: set() for engine in ENGINES
    }


@pytest.mark.parametrize("slug", ["admin-role-outside-pim", "sync-account-abuse", "user-consent-to-application"])
def test_the_engines_agree(slug: str) -> None:
    agree(31, slug)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("slug", RULES)
@pytest.mark.parametrize("seed", range(32, 37))
def test_the_engines_agree_on_many_seeds(seed: int, slug: str) -> None:
    agree(seed, slug)
