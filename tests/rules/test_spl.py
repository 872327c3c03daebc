"""The SPL dialect: every rule on all its cases, every predicate on hostile values, run by the engine in spl/."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from entrawatch.dialects.base import Compiled, Refusal
from entrawatch.dialects.spl import SplDialect
from entrawatch.dialects.spl_fields import ENVELOPE, NORMALIZED
from entrawatch.dialects.spl_schedule import schedule
from entrawatch.rules import ir

from . import duck
from .judge import Judge, rows
from .spl.parsing import parse
from .splunk import found, ids, keys
from .test_catalogue import CASES, CATALOGUE
from .test_sql import HOSTILE, event_rule, hostile_predicates, predicates, record, records
from .test_sql import compiled as sql_compiled

PROFILES = (NORMALIZED, ENVELOPE)
#: JSON nulls are in the envelope alone
NULLS = {NORMALIZED: ("text",), ENVELOPE: ("text", "dropped")}


def spl(profile: str = NORMALIZED) -> SplDialect:
    return SplDialect(CATALOGUE.baselines, profile)


def compiled(rule: Any, profile: str = NORMALIZED) -> Compiled:
    answer = spl(profile).compile(rule)
    assert isinstance(answer, Compiled), answer
    return answer


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("rule", "case"), CASES)
def test_a_scheduled_search_finds_what_the_judge_finds(rule: Any, case: Any, profile: str) -> None:
    case_rows = rows(case.records)
    query = compiled(rule, profile)
    wanted = Judge(CATALOGUE.baselines).findings(rule, case_rows)
    for nulls in NULLS[profile]:
        results = found(spl(profile), query, case_rows, nulls=nulls)
        assert keys(query, results) == {finding.keys for finding in wanted}
        if isinstance(rule.query, (ir.EventQuery, ir.WindowQuery)):
            assert ids(results) == {one for hit in wanted for one in hit.ids}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("rule", "case"), [case for case in CASES if case.values[0].escalations])
def test_a_search_raises_the_level_where_sql_does(rule: Any, case: Any, profile: str) -> None:
    case_rows = rows(case.records)
    query, other = compiled(rule, profile), sql_compiled(rule)
    here = found(spl(profile), query, case_rows)
    there = duck.found(duck.tables(CATALOGUE, case_rows), other)
    assert {(*keys(query, [row]), row["level"]) for row in here} == {
        (*duck.keys(other, [row]), row["level"]) for row in there
    }


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("slug", CATALOGUE.rules)
def test_a_search_names_its_rule_its_macros_and_its_columns(slug: str, profile: str) -> None:
    rule = CATALOGUE.rules[slug]
    query = compiled(rule, profile)
    first, *rest = query.text.splitlines()
    assert f"```{rule.id} {slug}: {rule.title}```" in first
    assert [key.name for key in rule.keys] == list(query.columns[: len(rule.keys)])
    assert rest[-1] == f"| `entrawatch_{slug.replace('-', '_')}_filter`"
    macros = spl(profile).macros([rule])
    named = set(re.findall(r"`(\w+)`", re.sub("```.*?```", "", query.text)))
    ending = "" if profile == NORMALIZED else "_azure_monitor_aad"
    sources = {f"entrawatch_signin{ending}", f"entrawatch_audit{ending}"}
    assert named | {"entrawatch_index"} | sources == set(macros)
    assert parse(query.text, macros)
    assert "[" not in re.sub(r'"(?:[^"\\]|\\.)*"', "", query.text), "a subsearch is cut off in silence"
    assert query == compiled(rule, profile)
    assert query.text.isascii()


def test_what_the_envelope_lacks_is_refused_as_a_value() -> None:
    lacking = replace(CATALOGUE.rules["guest-invited"], shown=(ir.FieldRef("entra.modified.changes", many=True),))
    answer = spl(ENVELOPE).compile(lacking)
    assert isinstance(answer, Refusal)
    assert (answer.dialect, answer.node) == ("spl", "FieldRef")
    assert "entra.modified.changes is not computed" in answer.why
    assert isinstance(spl().compile(lacking), Compiled)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("where", hostile_predicates(), ids=str)
def test_hostile_strings_mean_what_the_judge_says(where: Any, profile: str) -> None:
    made = [record(agent, app, 0, flag=True, methods=[agent]) for agent in HOSTILE for app in HOSTILE[:4]]
    _agrees(where, made, profile)


@pytest.mark.parametrize("profile", PROFILES)
@settings(max_examples=150, deadline=None)
@given(predicates(), records)
def test_a_random_predicate_means_what_the_judge_says(profile: str, where: ir.Predicate, made: list[Any]) -> None:
    _agrees(where, made, profile)


def _agrees(where: ir.Predicate, made: list[Any], profile: str) -> None:
    case_rows = rows([("interactive", {**one, "id": f"r{place}"}) for place, one in enumerate(made)])
    rule = event_rule(where)
    query = compiled(rule, profile)
    wanted = {finding.keys for finding in Judge({}).findings(rule, case_rows)}
    for nulls in NULLS[profile]:
        assert keys(query, found(spl(profile), query, case_rows, nulls=nulls)) == wanted


@pytest.mark.parametrize(
    ("where", "node"),
    [
        (ir.SameAs(ir.FieldRef("authenticationMethodsUsed", many=True), ir.FieldRef("userAgent")), "SameAs"),
        (ir.Present(ir.FieldRef("appliedConditionalAccessPolicies.displayName", many=True)), "FieldRef"),
    ],
)
def test_what_spl_cannot_say_is_refused_as_a_value(where: ir.Predicate, node: str) -> None:
    answer = spl().compile(event_rule(where))
    assert isinstance(answer, Refusal)
    assert (answer.dialect, answer.node) == ("spl", node)
    assert re.search(r"\w{3}", answer.why)


def test_addresses_in_networks_are_found() -> None:
    made = [
        ("interactive", {"id": f"r{place}", "createdDateTime": "2026-01-07T09:00:00Z", "ipAddress": address})
        for place, address in enumerate(["10.1.2.3", "192.0.2.1", "2001:db8::1", "", "no address"])
    ]
    where = ir.InNetwork(ir.FieldRef("ipAddress", "address"), ("10.0.0.0/8", "2001:db8::/32"))
    for predicate in (where, ir.Not(where)):
        rule = event_rule(predicate)
        wanted = {finding.keys for finding in Judge({}).findings(rule, rows(made))}
        assert keys(compiled(rule), found(spl(), compiled(rule), rows(made))) == wanted


def test_schedules_run_at_whole_steps_over_whole_windows() -> None:
    made = {slug: schedule(rule) for slug, rule in CATALOGUE.rules.items()}
    assert {
        slug: (one.cron, one.earliest, one.latest) for slug, one in made.items() if slug in _SCHEDULES
    } == _SCHEDULES


_SCHEDULES = {
    "brute-force": ("*/5 * * * *", "-60m@m", "@m"),
    "disabled-user-signin": ("*/15 * * * *", "-60m@m", "@m"),
    "account-hijacking": ("0 */1 * * *", "-10080m@m", "@m"),
    "third-party-changes": ("*/15 * * * *", "-1440m@m", "@m"),
    "password-spray-success": ("*/15 * * * *", "-1515m@m", "@m"),
    "guest-invited": ("*/5 * * * *", "-5m@m", "@m"),
}
