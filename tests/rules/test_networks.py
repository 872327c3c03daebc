"""`|cidr` in every language: what the table says the judge says, and what the judge says they all say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable

import pytest

from entrawatch.dialects.base import Compiled, Refusal
from entrawatch.dialects.eql import Eql
from entrawatch.dialects.esql import Esql
from entrawatch.dialects.kql import Kql
from entrawatch.dialects.spl import SplDialect
from entrawatch.dialects.spl_fields import ENVELOPE
from entrawatch.dialects.sql import Sql
from entrawatch.rules import ir
from entrawatch.rules.catalogue import Catalogue

from . import duck, esql_runs, postgres, splunk
from .eql_engine import run
from .judge import Row, holds, rows
from .kql_addresses import is_match
from .kql_verdicts import differences
from .networks import ADDRESS, EDGES, all_addresses, all_predicates, random_networks, records
from .test_sql import event_rule

Found = Callable[[Any, list[Row]], set[str]]
LISTED = ir.FieldRef("related.ip", "address", many=True)
KNOWN = Catalogue({"x": event_rule(ir.And((ir.Present(ADDRESS), ir.Present(LISTED))))}, {})


def compiled(dialect: Any, where: ir.Predicate) -> Compiled:
    answer = dialect.compile(event_rule(where))
    assert isinstance(answer, Compiled), answer
    return answer


def refusal(dialect: Any, where: ir.Predicate) -> Refusal:
    answer = dialect.compile(event_rule(where))
    assert isinstance(answer, Refusal), answer
    return answer


def wanted(where: ir.Predicate, known: list[Row]) -> set[str]:
    return {row.record["id"] for row in known if holds(where, row)}


@pytest.mark.parametrize("network", EDGES)
def test_the_judge_says_what_the_table_says(network: str) -> None:
    inside, outside = (told.split() for told in EDGES[network])
    known = rows(records([*inside, *outside]))
    found = wanted(ir.InNetwork(ADDRESS, (network,)), known)
    assert {row.record["ipAddress"] for row in known if row.record["id"] in found} == set(inside)


def in_duckdb(predicates: list[ir.Predicate], known: list[Row]) -> list[set[str]]:
    database = duck.tables(KNOWN, known)
    return [_ids(duck.found(database, compiled(Sql({}), where))) for where in predicates]


def in_postgresql(predicates: list[ir.Predicate], known: list[Row]) -> list[set[str]]:
    with postgres.server() as server:
        postgres.fill(server, KNOWN, known)
        return [_ids(postgres.found(server, compiled(Sql({}, "postgres"), where).text)) for where in predicates]


def in_elasticsearch(predicates: list[ir.Predicate], known: list[Row]) -> list[set[str]]:
    return [_keys(esql_runs.keys(query := compiled(Esql({}), one), esql_runs.run(query, known))) for one in predicates]


def in_elasticsearch_by_event(predicates: list[ir.Predicate], known: list[Row]) -> list[set[str]]:
    stored = [esql_runs.stored(row) for row in known]
    found = [run(compiled(Eql({}), one).text, "azure.signinlogs", stored) for one in predicates]
    return [{row["azure.signinlogs.properties.id"] for row in one} for one in found]


def in_splunk(predicates: list[ir.Predicate], known: list[Row]) -> list[set[str]]:
    return _splunk(SplDialect({}), predicates, known)


def in_splunk_by_envelope(predicates: list[ir.Predicate], known: list[Row]) -> list[set[str]]:
    return _splunk(SplDialect({}, ENVELOPE), predicates, known)


def _splunk(dialect: SplDialect, predicates: list[ir.Predicate], known: list[Row]) -> list[set[str]]:
    engine = splunk.index(known, dialect.macros([event_rule(predicates[0])]), dialect.profile)
    queries = [compiled(dialect, where) for where in predicates]
    return [_keys(splunk.keys(one, splunk.found(dialect, one, known, engine=engine))) for one in queries]


def _ids(found: list[dict[str, Any]]) -> set[str]:
    return {one for row in found for one in row["event_ids"]}


def _keys(found: set[tuple[str, ...]]) -> set[str]:
    return {key for (key,) in found}


ENGINES = [
    in_duckdb,
    pytest.param(in_postgresql, marks=pytest.mark.xdist_group("postgres")),
    in_elasticsearch,
    in_elasticsearch_by_event,
    in_splunk,
    in_splunk_by_envelope,
]


def agree(engine: Any, predicates: list[ir.Predicate], addresses: list[Any]) -> None:
    known = rows(records(addresses))
    place = {row.record["id"]: row.record["ipAddress"] for row in known}
    for where, found in zip(predicates, engine(predicates, known)):
        right = wanted(where, known)
        assert ([place[one] for one in found - right], [place[one] for one in right - found]) == ([], []), where


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_says_of_the_edges_what_the_judge_says(engine: Any) -> None:
    agree(engine, all_predicates(), all_addresses())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(3))
def test_an_engine_says_of_random_networks_what_the_judge_says(engine: Any, seed: int) -> None:
    agree(engine, *random_networks(seed, 40))


def test_kusto_says_of_the_edges_what_the_judge_says() -> None:
    assert differences(all_predicates(), records(all_addresses())) == []


@pytest.mark.parametrize("seed", range(3))
def test_kusto_says_of_random_networks_what_the_judge_says(seed: int) -> None:
    predicates, addresses = random_networks(seed, 40)
    assert differences(predicates, records(addresses)) == []


def test_one_address_of_a_list_is_enough() -> None:
    lists = (["10.0.0.1", "192.0.2.1"], ["192.0.2.1", "::ffff:10.0.0.2"], ["2001:db8::1"], [])
    known = [
        replace(row, event={**row.event, "related": {"ip": listed}})
        for row, listed in zip(rows(records([None] * len(lists))), lists)
    ]
    within = ir.InNetwork(LISTED, ("10.0.0.0/8", "2001:db8::/32"))
    predicates: list[ir.Predicate] = [within, ir.Not(within), ir.InNetwork(LISTED, ("192.0.2.0/24",))]
    asked = [wanted(where, known) for where in predicates]
    assert asked == [{"r0", "r1", "r2"}, {"r3"}, {"r0", "r1"}]
    assert in_duckdb(predicates, known) == in_splunk(predicates, known) == asked


@pytest.mark.parametrize(
    ("dialect", "network", "told"),
    [
        (Sql({}), "2001:db8::/65", "2001:db8::/65 is longer than /64: write the /64 around it, or its addresses"),
        (Sql({}, "snowflake"), "10.0.0.0/8", "snowflake has regular expressions of its own"),
        (Kql({}), "::/100", "what KQL makes of ::10.0.0.1, in ::/100, is told nowhere: write single addresses"),
    ],
)
def test_what_is_not_exact_is_refused_with_what_to_write(dialect: Any, network: str, told: str) -> None:
    answer = refusal(dialect, ir.InNetwork(ADDRESS, (network,)))
    assert (answer.node, answer.why) == ("InNetwork", told)


@pytest.mark.parametrize("dialect", [Sql({}), Kql({}), SplDialect({}), Eql({})])
def test_only_an_address_lies_in_a_network(dialect: Any) -> None:
    answer = refusal(dialect, ir.InNetwork(ir.FieldRef("userAgent"), ("10.0.0.0/8",)))
    assert (answer.node, answer.why) == ("InNetwork", "userAgent is a text, no address")


@pytest.mark.parametrize(
    ("cidr", "text"),
    [
        ("10.0.0.0/8", "^([0:]*:ffff:)?10([.][0-9]{1,3}){3}$"),
        ("172.16.0.0/12", "^([0:]*:ffff:)?172[.](1[6-9]|2[0-9]|3[0-1])([.][0-9]{1,3}){2}$"),
        ("192.0.2.0/24", "^([0:]*:ffff:)?192[.]0[.]2[.][0-9]{1,3}$"),
        ("fe80::/10", "^fe[8-9a-b][0-9a-f]:"),
    ],
)
def test_a_network_in_sql_can_be_read(cidr: str, text: str) -> None:
    assert f"'{text}'" in compiled(Sql({}), ir.InNetwork(ADDRESS, (cidr,))).text


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.168.1.1/30", "192.168.1.255/24", True),
        ("192.168.1.1", "192.168.2.1/24", False),
        ("fe80::85d:e82c:9446:7994", "fe80::85d:e82c:9446:7998/120", True),
        ("fe80::85d:e82c:9446:7994", "fe80::85d:e82c:9446:7995", False),
        ("192.168.1.1/24", "::ffff:c0a8:01ff", True),
        ("::ffff:c0a8:0101", "192.168.1.255/24", True),
        ("::192.168.1.1/30", "192.168.1.255/24", True),
        ("no address", "10.0.0.0/8", None),
    ],
)
def test_what_stands_for_kustos_function_says_what_its_documentation_says(one: str, other: str, same: Any) -> None:
    assert is_match(one, other) is same
