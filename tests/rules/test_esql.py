"""ES|QL: every text is valid for Elastic's own verifier on stacks from 8.19 on, and finds what the judge finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import esql as vendor
import pytest
from hypothesis import HealthCheck, given, settings

from entrawatch.dialects.base import Compiled, Refusal
from entrawatch.dialects.esql import Esql
from entrawatch.dialects.esql_text import column_of
from entrawatch.rules import ir

from .esql_engine import lint, parsed
from .esql_runs import OLDEST, keys, lookup_types, run
from .judge import Judge, holds, identity, rows
from .tenants import tenant
from .test_catalogue import CASES, CATALOGUE
from .test_eql import hostile_records
from .test_sql import CODE, FLAG, MANY, OTHER, TEXT, event_rule, hostile_predicates, predicates, records

ADDRESS = ir.FieldRef("ipAddress", "address")


def answer(rule: Any) -> Compiled | Refusal:
    return Esql(CATALOGUE.baselines).compile(rule)


def compiled(rule: Any) -> Compiled:
    query = answer(rule)
    assert isinstance(query, Compiled), query
    return query


def _on_events(rule: Any) -> bool:
    return isinstance(rule.query, ir.EventQuery)


def wanted(rule: Any, rows_: list[Any]) -> list[Any]:
    return Judge(CATALOGUE.baselines).findings(rule, rows_)


@pytest.mark.parametrize("slug", CATALOGUE.rules)
def test_every_rule_has_a_text_that_the_oldest_stack_takes(slug: str) -> None:
    rule = CATALOGUE.rules[slug]
    query = compiled(rule)
    parsed(query.text, OLDEST, lookup_types())
    assert query.text.splitlines()[0] == f"// {rule.id} {slug}: {rule.title}"
    assert query.columns[: len(rule.keys)] == tuple(column_of(key.field, rule.source).ecs for key in rule.keys)
    assert all(f"parameter_{one.name}" in query.text for one in rule.parameters)
    assert query.text.isascii()
    assert query == compiled(rule)


# each grammar is slow to warm up: the newer stacks are asked by one process
@pytest.mark.xdist_group("newer stacks")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("stack", ["9.3.0", None])
def test_newer_stacks_take_every_text_too(stack: str | None) -> None:
    for rule in CATALOGUE.rules.values():
        parsed(compiled(rule).text, stack, lookup_types())


@pytest.mark.parametrize(("rule", "case"), [case for case in CASES if not _on_events(case.values[0])])
def test_a_run_that_starts_late_sees_its_own_window(rule: Any, case: Any) -> None:
    case_rows = rows(case.records)
    query = compiled(rule)
    assert keys(query, run(query, case_rows, late=250)) == {finding.keys for finding in wanted(rule, case_rows)}


@pytest.mark.parametrize(("rule", "case"), CASES)
def test_esql_finds_what_the_judge_finds(rule: Any, case: Any) -> None:
    case_rows = rows(case.records)
    query = compiled(rule)
    results, findings = run(query, case_rows), wanted(rule, case_rows)
    assert keys(query, results) == {finding.keys for finding in findings}
    assert all(tuple(row) == query.columns or "_id" in row for row in results)
    if isinstance(rule.query, (ir.WindowQuery, ir.JoinQuery)):
        ids = {one for row in results for one in _listed(row["event_ids"])}
        assert ids == {one for finding in findings for one in finding.ids}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_an_event_of_a_window_raises_its_level() -> None:
    rule = CATALOGUE.rules["brute-force"]
    case = next(case for case in rule.cases if case.match)
    for agent, level in (("bav2ropc", "high"), ("BAV2ROPC/1", "medium")):
        made = [(stream, {**record, "userAgent": agent}) for stream, record in case.records]
        assert {row["level"] for row in run(compiled(rule), rows(made))} == {level}


@pytest.mark.parametrize("slug", ["user-consent-to-application", "conditional-access-policy-changed"])
def test_an_event_has_the_level_that_it_raises(slug: str) -> None:
    rule = CATALOGUE.rules[slug]
    own = [row for row in tenant() if row.source == rule.source]
    raised = {identity(row) for row in own if holds(rule.escalations[0].when, row)}
    found = run(compiled(rule), own)
    assert {row["level"] for row in found} == {rule.level, rule.escalations[0].level}
    assert {row["azure.auditlogs.properties.id"] for row in found if row["level"] != rule.level} == raised & {
        row["azure.auditlogs.properties.id"] for row in found
    }


def test_two_revisions_of_an_event_are_one_attempt() -> None:
    rule = CATALOGUE.rules["brute-force"]
    case = next(case for case in rule.cases if case.match)
    again = [*rows(case.records), *rows(case.records)]
    (row, *_) = run(compiled(rule), again)
    assert row["attempts"] == row["events"] == len(case.records)
    four = rows(case.records[:4])
    assert run(compiled(rule), four * 2) == []


# --- random and hostile predicates ------------------------------------------------------------------------------------


def differs(where: ir.Predicate, made: list[dict[str, Any]]) -> bool:
    """Whether ES|QL finds other records than the judge; a refusal differs in nothing."""
    rule = event_rule(where)
    query = answer(rule)
    case_rows = rows([("interactive", {**one, "id": f"r{place}"}) for place, one in enumerate(made)])
    if isinstance(query, Refusal):
        return False
    return keys(query, run(query, case_rows)) != {finding.keys for finding in wanted(rule, case_rows)}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(predicates(), records)
def test_a_random_predicate_means_what_the_judge_says(where: ir.Predicate, made: list[Any]) -> None:
    assert not differs(where, made)


@pytest.mark.parametrize("where", hostile_predicates(), ids=str)
def test_a_hostile_text_is_only_itself(where: ir.Predicate) -> None:
    assert isinstance(answer(event_rule(where)), Compiled)
    assert not differs(where, hostile_records())


@pytest.mark.parametrize(
    "where",
    [
        ir.InNetwork(ADDRESS, ("198.51.100.0/24", "2001:db8::/32")),
        ir.Not(ir.InNetwork(ADDRESS, ("198.51.100.7/32",))),
        ir.Equals(ADDRESS, "198.51.100.7"),
        ir.Not(ir.OneOf(ADDRESS, ("198.51.100.7", "10.0.0.1"))),
        ir.Matches(TEXT, "^a[b-d]+(?:x|y)?$"),
        ir.Matches(TEXT, r"\d{2}\."),
        ir.Or(()),
        ir.Equals(TEXT, ""),
    ],
    ids=str,
)
def test_addresses_are_compared_by_value_and_expressions_as_they_are_meant(where: ir.Predicate) -> None:
    base = {"createdDateTime": "2026-01-07T09:00:00Z"}
    addresses = ("198.51.100.7", "198.51.100.8", "2001:db8::1", "10.0.0.1", None)
    agents = ("abd", "ABX", "abcdy", "a12.b", "xabx", None)
    made = [{**base, "ipAddress": one, "userAgent": agent} for one in addresses for agent in agents]
    assert not differs(where, made)


@pytest.mark.parametrize(
    ("where", "node"),
    [
        (ir.SameAs(MANY, TEXT), "SameAs"),
        (ir.Like(MANY, ("x", ir.Wildcard.ANY)), "Like"),
        (ir.Matches(MANY, "x"), "Matches"),
        (ir.Matches(TEXT, "a(?=b)"), "Matches"),
        (ir.Matches(TEXT, "[A-z]"), "Matches"),
        (ir.Matches(TEXT, "^a|b"), "Matches"),
        (ir.Equals(ADDRESS, "not an address"), "Equals"),
        (ir.Like(ADDRESS, ("10.", ir.Wildcard.ANY)), "Like"),
        (ir.Like(CODE, ("501", ir.Wildcard.ANY)), "Like"),
        (ir.Equals(CODE, "50126"), "Equals"),
        (ir.Equals(CODE, 2**70), "Equals"),
        (ir.Equals(FLAG, "yes"), "Equals"),
        (ir.Compares(TEXT, ">", 1), "Compares"),
        (ir.Equals(ir.FieldRef("appliedConditionalAccessPolicies.displayName", "text", many=True), "x"), "FieldRef"),
    ],
)
def test_what_esql_cannot_say_is_refused_as_a_value(where: ir.Predicate, node: str) -> None:
    refusal = answer(event_rule(where))
    assert isinstance(refusal, Refusal)
    assert (refusal.dialect, refusal.node) == ("esql", node)
    assert len(refusal.why) > 10


def test_queries_that_would_not_be_exact_are_refused() -> None:
    spray, join = CATALOGUE.rules["password-spray-success"], CATALOGUE.rules["third-party-changes"]
    hijack = CATALOGUE.rules["account-hijacking"]
    followed, joined = spray.query, join.query
    assert isinstance(followed, ir.FollowedQuery)
    assert isinstance(joined, ir.JoinQuery)
    assert isinstance(hijack.query, ir.WindowQuery)
    raised = CATALOGUE.rules["brute-force"].escalations
    other = (replace(join.keys[0], field=ir.FieldRef("correlationId")),)
    refused = [
        replace(spray, query=replace(followed, among=None)),
        replace(spray, escalations=raised),
        replace(spray, keys=(replace(spray.keys[0], field=TEXT),)),
        replace(spray, query=replace(followed, same=(OTHER, ir.FieldRef("correlationId")))),
        replace(spray, query=replace(followed, every=followed.every / 2)),
        replace(join, keys=other),
        replace(join, escalations=raised),
        replace(join, query=replace(joined, source="audit")),
        replace(hijack, query=replace(hijack.query, by=hijack.query.by[:1])),
        replace(
            hijack,
            query=replace(hijack.query, measure=ir.Distinct(ir.FieldRef("entra.role.name", "text", many=True), 2)),
        ),
    ]
    assert [type(answer(rule)) for rule in refused] == [Refusal] * len(refused)


# --- the engine -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "FROM logs-azure.signinlogs-* | WHERE nosuch.field == 1",
        'FROM logs-azure.signinlogs-* | WHERE azure.signinlogs.properties.status.error_code == "50126"',
        "FROM logs-azure.signinlogs-* | WHERE user_agent.original = 1",
        "FROM logs-azure.signinlogs-* | STATS a = COUNT(*) BY source.ip | KEEP user_agent.original",
        "FROM logs-azure.signinlogs-* | INLINE STATS a = COUNT(*) BY source.ip",
        'FROM logs-azure.auditlogs-* | WHERE azure.auditlogs.properties.target_resources.id == "x"',
    ],
)
def test_the_verifier_knows_our_mapping_and_the_oldest_stack(text: str) -> None:
    with pytest.raises(vendor.EsqlError):
        parsed(text, OLDEST, lookup_types())


@pytest.mark.parametrize(
    "text",
    [
        "FROM logs-azure.signinlogs-* | WHERE COUNT(*) > 5",
        "FROM logs-azure.signinlogs-* | EVAL a = MV_COUNT(VALUES(event.id))",
        "FROM logs-azure.signinlogs-* | STATS a = user_agent.original BY source.ip",
        "FROM logs-azure.signinlogs-* | STATS a = COUNT(*) BY b = MAX(event.id)",
    ],
)
def test_aggregates_stand_in_stats_alone(text: str) -> None:
    with pytest.raises((AssertionError, vendor.EsqlError)):
        lint(vendor.parse_query(text))


@pytest.mark.parametrize("text", ["| SORT @timestamp DESC", "| EVAL a = MD5(event.id)", '| DISSECT event.id "%{a}"'])
def test_what_the_engine_does_not_know_fails(text: str) -> None:
    rule = CATALOGUE.rules["guest-invited"]
    query = replace(compiled(rule), text="FROM logs-azure.auditlogs-*\n" + text)
    with pytest.raises(NotImplementedError):
        run(query, rows(rule.cases[0].records))
