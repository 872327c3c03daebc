"""EQL: every text is valid for Elastic's own parser and our mapping, and finds what the judge finds; the rest is
refused."""

from __future__ import annotations

from typing import Any

import eql as vendor
import pytest
from hypothesis import HealthCheck, given, settings

from entrawatch.dialects.base import Compiled, Refusal
from entrawatch.dialects.eql import Eql
from entrawatch.dialects.eql_predicates import EqlPredicates
from entrawatch.dialects.esql_text import dataset
from entrawatch.dialects.esql_tree import Test as Text
from entrawatch.rules import ir
from entrawatch.schema.fields import resolve

from .eql_engine import Fields, parsed, run
from .esql_engine import schema
from .esql_runs import stored
from .judge import Judge, fold, rows
from .test_catalogue import CASES, CATALOGUE
from .test_sql import CODE, FLAG, HOSTILE, OTHER, TEXT, event_rule, hostile_predicates, predicates, record, records

#: the rules that EQL has no form for: it counts nothing, knows no baseline and computes no level
REFUSED = {
    slug
    for slug, rule in CATALOGUE.rules.items()
    if not isinstance(rule.query, ir.EventQuery) or rule.query.outside or rule.escalations
}
ANSWERED = [case for case in CASES if case.values[0].slug not in REFUSED]


def answer(rule: Any) -> Compiled | Refusal:
    return Eql(CATALOGUE.baselines).compile(rule)


def keys(query: Compiled, case_rows: list[Any]) -> set[tuple[str, ...]]:
    """The keys of the events that the query gives back."""
    found = run(query.text, dataset(query.rule.source), [stored(row) for row in case_rows])
    fields = [resolve(key.field.name, query.rule.source) for key in query.rule.keys]
    return {tuple(fold(row.get(field.ecs) or "") for field in fields if field) for row in found}


def wanted(rule: Any, case_rows: list[Any]) -> set[tuple[str, ...]]:
    return {finding.keys for finding in Judge(CATALOGUE.baselines).findings(rule, case_rows)}


@pytest.mark.parametrize(("rule", "case"), ANSWERED)
def test_eql_finds_what_the_judge_finds(rule: Any, case: Any) -> None:
    query, case_rows = answer(rule), rows(case.records)
    assert isinstance(query, Compiled), query
    assert keys(query, case_rows) == wanted(rule, case_rows)


def test_a_rule_is_answered_or_refused_with_its_reason() -> None:
    answers = {slug: answer(rule) for slug, rule in CATALOGUE.rules.items()}
    refused = {slug: one for slug, one in answers.items() if isinstance(one, Refusal)}
    assert set(refused) == REFUSED
    assert all(len(one.why) > 20 and one.dialect == "eql" for one in refused.values())


def test_a_text_names_its_rule_and_its_columns() -> None:
    for slug, rule in CATALOGUE.rules.items():
        query = answer(rule)
        if isinstance(query, Compiled):
            assert query.text.splitlines()[0] == f"// {rule.id} {slug}: {rule.title}"
            assert set(query.columns) <= set(schema(dataset(rule.source)))
            assert query == answer(rule)


def differs(where: ir.Predicate, made: list[dict[str, Any]]) -> bool:
    """Whether EQL finds other records than the judge; a refusal differs in nothing."""
    rule = event_rule(where)
    query = answer(rule)
    case_rows = rows([("interactive", {**one, "id": f"r{place}"}) for place, one in enumerate(made)])
    return isinstance(query, Compiled) and keys(query, case_rows) != wanted(rule, case_rows)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(predicates(), records)
def test_a_random_predicate_means_what_the_judge_says(where: ir.Predicate, made: list[Any]) -> None:
    assert not differs(where, made)


def hostile_records() -> list[dict[str, Any]]:
    """Each hostile text in each place, beside a plain one."""
    texts = [None, *HOSTILE]
    return [record(text, other, 0, True, [*filter(None, [text]), other]) for text in texts for other in ("x", "")]


@pytest.mark.parametrize("where", hostile_predicates(), ids=str)
def test_a_hostile_text_is_only_itself(where: ir.Predicate) -> None:
    assert not differs(where, hostile_records())


@pytest.mark.parametrize(
    ("where", "node"),
    [
        (ir.SameAs(TEXT, OTHER), "SameAs"),
        (ir.Equals(TEXT, "Ünïcode"), "Equals"),
        (ir.Matches(TEXT, "x*"), "Matches"),
        (ir.Matches(TEXT, "a(?=b)"), "Matches"),
        (ir.Equals(ir.FieldRef("ipAddress", "address"), "not an address"), "Equals"),
        (ir.Like(CODE, ("501", ir.Wildcard.ANY)), "Like"),
        (ir.InNetwork(TEXT, ("10.0.0.0/8",)), "InNetwork"),
        (ir.Equals(ir.FieldRef("appliedConditionalAccessPolicies.displayName", "text", many=True), "x"), "FieldRef"),
        (ir.Equals(FLAG, "yes"), "Equals"),
    ],
)
def test_what_eql_cannot_say_is_refused_as_a_value(where: ir.Predicate, node: str) -> None:
    refusal = answer(event_rule(where))
    assert isinstance(refusal, Refusal)
    assert (refusal.dialect, refusal.node) == ("eql", node)


@pytest.mark.parametrize("networks", [("198.51.100.0/24",), ("2001:db8::/32", "198.51.100.7/32")])
def test_networks_are_matched_by_value(networks: tuple[str, ...]) -> None:
    where = ir.Not(ir.InNetwork(ir.FieldRef("ipAddress", "address"), networks))
    base = {"createdDateTime": "2026-01-07T09:00:00Z"}
    made = [{**base, "ipAddress": one} for one in ("198.51.100.7", "198.51.100.8", "2001:db8::1", "10.0.0.1", None)]
    assert not differs(where, made)


@pytest.mark.parametrize(
    "text",
    [
        "any where nosuch.field == 1",
        'any where azure.signinlogs.properties.status.error_code == "50126"',
        'any where azure.signinlogs.properties.status.error_code : "50126"',
        "any where azure.signinlogs.properties.applied_conditional_access_policies.id == 1",
        "process where true",
    ],
)
def test_the_validator_knows_our_mapping(text: str) -> None:
    with pytest.raises(vendor.EqlError):
        parsed(text, dataset("signin"))
    assert Fields(schema(dataset("signin"))).validate_event_type("any")


#: method → a mistake of the language, planted there
MISTAKES: dict[str, Any] = {
    "lost negation of an absent field": (
        "negation",
        lambda self, node: Text(f"{self.name(_field(node))} != null and not ({self.write(node.of).text})"),
    ),
    "text with case": (
        "_one_of",
        lambda self, ref, _, patterns: Text(f"{self.name(ref)} like ({', '.join(map(_string, patterns))})"),
    ),
    "wildcards in a literal": (
        "_texts",
        lambda self, node, ref, patterns: self._one_of(ref, "like~", [_unescaped(parts) for parts in patterns]),
    ),
    "an empty text is present": ("present", lambda self, node: Text(f"{self.name(node.field)} != null")),
    "or for and": ("conjunction", EqlPredicates.disjunction),
}


def _field(node: ir.Not) -> ir.FieldRef:
    return node.of.field if hasattr(node.of, "field") else TEXT


def _string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _unescaped(parts: Any) -> str:
    return "".join({ir.Wildcard.ANY: "*", ir.Wildcard.ONE: "?"}.get(part, part) for part in parts)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_seen(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, planted = MISTAKES[mistake]
    probes = [ir.And((ir.Equals(TEXT, "x"), ir.Equals(OTHER, "zzz"))), ir.Not(ir.Equals(TEXT, "x"))]
    probes += [*map(ir.Present, (TEXT, OTHER)), *hostile_predicates()]
    monkeypatch.setattr(EqlPredicates, method, planted)
    assert any(differs(where, hostile_records()) for where in probes)
