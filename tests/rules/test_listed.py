"""Who was attacked: a finding lists the accounts, up to a hundred, in every language, and its count stays exact."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Callable

import pytest

from entrawatch.dialects import dialect
from entrawatch.dialects.base import Compiled
from entrawatch.dialects.kql_sentinel import SentinelKql
from entrawatch.dialects.spl import SplDialect
from entrawatch.dialects.spl_alert import SplAlertDialect
from entrawatch.dialects.spl_fields import ENVELOPE
from entrawatch.hunt.findings import findings

from . import duck, esql_runs, kql_engine, postgres, splunk
from .judge import rows
from .test_catalogue import CATALOGUE

if TYPE_CHECKING:
    from entrawatch.rules.rule import Rule

#: what a list holds at most
MOST = 100
SLUGS = ("password-spray", "multiple-lockouts")
#: accounts tried: as few as make a finding, as many as a list holds, and more
ATTACKED = (5, MOST, MOST + 20)
_UPN = "azure.signinlogs.properties.user_principal_name"
#: an answer: how many accounts each result row counts, and which it lists
Told = list[tuple[int, list[str]]]


@cache
def attack(slug: str, accounts: int) -> tuple[tuple[str, dict[str, Any]], ...]:
    """One record an account, a second apart."""
    stream, record = CATALOGUE.rules[slug].cases[0].records[0]
    return tuple(
        (
            stream,
            {
                **record,
                "id": f"attempt-{place}",
                "createdDateTime": f"2026-01-07T09:{place // 60:02}:{place % 60:02}Z",
                "userPrincipalName": name,
            },
        )
        for place, name in enumerate(sorted(names(accounts)))
    )


def names(accounts: int) -> set[str]:
    return {f"user{number}@contoso.example" for number in range(accounts)}


def compiled(rule: Rule, made: Any) -> Compiled:
    query = made.compile(rule)
    assert isinstance(query, Compiled), query
    return query


def in_spl(rule: Rule, accounts: int, made: SplDialect) -> Told:
    found = splunk.found(made, compiled(rule, made), rows(attack(rule.slug, accounts)))
    return [(row["distinct_userPrincipalName"], _list(row["userPrincipalName"])) for row in found]


def in_searches(rule: Rule, accounts: int) -> Told:
    return in_spl(rule, accounts, SplDialect(CATALOGUE.baselines))


def in_searches_of_the_envelope(rule: Rule, accounts: int) -> Told:
    return in_spl(rule, accounts, SplDialect(CATALOGUE.baselines, ENVELOPE))


def in_alerts(rule: Rule, accounts: int) -> Told:
    """The alert's own columns, and what Enterprise Security knows them by."""
    made = SplAlertDialect(CATALOGUE.baselines)
    found = splunk.found(made, compiled(rule, made), rows(attack(rule.slug, accounts)))
    assert all(row["user"] == row["userPrincipalName"] for row in found)
    return [(row["distinct_userPrincipalName"], _list(row["user"])) for row in found]


def in_esql(rule: Rule, accounts: int) -> Told:
    query = compiled(rule, dialect("esql", CATALOGUE.baselines))
    # Elastic's risk engine goes by these names, and nothing happened to the accounts
    assert not {"user.name", "user.id"} & set(query.columns)
    found = esql_runs.run(query, rows(attack(rule.slug, accounts)))
    return [(row["distinct_userPrincipalName"], _list(row[_UPN])) for row in found]


def in_kql(rule: Rule, accounts: int) -> Told:
    records, query = attack(rule.slug, accounts), compiled(rule, dialect("kql", CATALOGUE.baselines))
    found = kql_engine.Workspace(records).scheduled(query, rows(records))
    return [(row["DistinctUserPrincipalName"], cut(query, json.loads(row["UserPrincipalName"]))) for row in found]


def cut(query: Compiled, listed: list[str]) -> list[str]:
    """A set as Kusto keeps it: the engine of the tests reads its size and does not cut it off.

    https://learn.microsoft.com/kusto/query/make-set-aggregation-function
    """
    size = re.search(r"UserPrincipalName = make_set\(UserPrincipalName, (\d+)\)", query.text)
    return listed[: int(size[1])] if size else listed


def in_sentinel(rule: Rule, accounts: int) -> Told:
    """One text, as long as an alert has room for."""
    query = compiled(rule, SentinelKql(CATALOGUE.baselines, "hunting"))
    found = kql_engine.Workspace(attack(rule.slug, accounts)).runs(query.text, [])
    assert all(len(row["UserPrincipalName"]) <= 2000 for row in found)
    # a list that is cut off ends within a name
    lists = [cut(query, row["UserPrincipalName"].split(", ")) for row in found]
    whole = [names_[:-1] if len(", ".join(names_)) == 2000 else names_ for names_ in lists]
    return [(row["DistinctUserPrincipalName"], names_) for row, names_ in zip(found, whole)]


ENGINES = [in_searches, in_searches_of_the_envelope, in_alerts, in_esql, in_kql, in_sentinel]


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("accounts", ATTACKED)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_finding_lists_a_hundred_accounts_and_counts_all(
    engine: Callable[[Rule, int], Told], slug: str, accounts: int
) -> None:
    told = engine(CATALOGUE.rules[slug], accounts)
    # a run, or a window, that sees only the attack's beginning or end tells of it alone
    count, listed = max(told, key=lambda one: (one[0], len(one[1])))
    assert count == accounts
    assert len(listed) == len(set(listed))
    assert set(listed) <= names(accounts)
    room = 2000 // len("user100@contoso.example, ") - 1 if engine is in_sentinel else MOST
    assert min(accounts, room) <= len(listed) <= min(accounts, MOST)


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("accounts", ATTACKED)
def test_a_hunt_tells_a_hundred_accounts_and_counts_all(slug: str, accounts: int) -> None:
    """A database has room: SQL's own result holds them all, and so does the report's finding."""
    rule = CATALOGUE.rules[slug]
    made = rows(attack(slug, accounts))
    database = duck.tables(CATALOGUE, made)
    (finding,) = findings(rule, duck.found(database, compiled(rule, dialect("sql", CATALOGUE.baselines))))
    assert set(finding.evidence["userPrincipalName"]) == names(accounts)
    # the report tells some of them, and how many more there are
    assert sum(one["kind"] == "account" for one in finding.entities()) == accounts
    line = finding.line()
    assert line["measures"]["distinct userPrincipalName"] == accounts
    told = [one["value"] for one in line["entities"] if one["kind"] == "account"]
    assert told == sorted(names(accounts))[:MOST]
    assert next(one["kind"] for one in line["entities"]) == "ip"


@pytest.mark.slow
@pytest.mark.parametrize("slug", SLUGS)
def test_postgresql_tells_what_duckdb_tells(slug: str) -> None:
    rule, made = CATALOGUE.rules[slug], rows(attack(slug, MOST + 20))
    with postgres.server() as server:
        postgres.fill(server, CATALOGUE, made)
        there = postgres.found(server, compiled(rule, dialect("sql", CATALOGUE.baselines, "postgres")).text)
    here = duck.found(duck.tables(CATALOGUE, made), compiled(rule, dialect("sql", CATALOGUE.baselines)))
    assert [one.evidence for one in findings(rule, there)] == [one.evidence for one in findings(rule, here)]
