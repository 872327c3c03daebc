"""Classical mistakes of KQL, planted in the dialect one at a time: the comparison with the judge must go red."""

from __future__ import annotations

from typing import Any

import pytest

from entrawatch.dialects import kql, kql_audit, kql_baseline, kql_parts, kql_predicates, kql_reading, kql_tables
from entrawatch.dialects.kql_derived import PARTS, Part
from entrawatch.dialects.kql_predicates import Clause, KqlPredicates
from entrawatch.dialects.kql_text import Let, Pipe, step
from entrawatch.rules import ir

from .kql_verdicts import differences
from .kusto_language import judged
from .test_catalogue import CATALOGUE
from .test_kql import ABSENT, HOSTILE_RECORDS, OF_SERVICES, agrees, compiled
from .test_kql import test_the_derived_fields_are_those_of_the_normaliser as derived_fields_agree
from .test_sql import hostile_predicates


def case_sensitive(patch: pytest.MonkeyPatch) -> None:
    plain = KqlPredicates._same
    patch.setattr(KqlPredicates, "_same", lambda *given: _replaced(plain(*given), " =~ ", " == "))


def no_brackets(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Clause, "within", lambda test, _: test.text)


def null_is_not_minded(patch: pytest.MonkeyPatch) -> None:
    plain = KqlPredicates.compares
    patch.setattr(
        KqlPredicates, "compares", lambda self, node: Clause(plain(self, node).text.partition(" and ")[2] or "true")
    )


def underscore_is_any_character(patch: pytest.MonkeyPatch) -> None:
    plain = kql_predicates._regex
    patch.setattr(kql_predicates, "_regex", lambda part, node: str(plain(part, node)).replace("_", "."))


def negation_wants_a_value(patch: pytest.MonkeyPatch) -> None:
    def negation(self: KqlPredicates, node: ir.Not) -> Clause:
        inner = node.of
        given = f"isnotempty({self.field(inner.field).text}) and " if isinstance(inner, ir.Equals) else ""
        return Clause(f"{given}not({self.write(inner).text})", "and")

    patch.setattr(KqlPredicates, "negation", negation)


def terms_for_substrings(patch: pytest.MonkeyPatch) -> None:
    plain = KqlPredicates._contains
    patch.setattr(KqlPredicates, "_contains", lambda *given: _replaced(plain(*given), " contains ", " has "))


def _replaced(test: Clause, old: str, new: str) -> Clause:
    return Clause(test.text.replace(old, new), test.loose)


def table_too_many_left_out(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(kql_tables.TABLES, "signin", ("SigninLogs",))


@pytest.mark.parametrize(
    "plant",
    [
        case_sensitive,
        no_brackets,
        null_is_not_minded,
        underscore_is_any_character,
        negation_wants_a_value,
        terms_for_substrings,
        table_too_many_left_out,
    ],
)
def test_a_fault_in_the_predicates_shows(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert differences([*ABSENT, *hostile_predicates()], [*HOSTILE_RECORDS, *OF_SERVICES]) != []


def fixed_hourly_buckets(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(kql, "window_end", lambda every, node: Let("window_end", "bin(now(), 1h)"))


def rows_for_attempts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(kql, "measured", lambda query: ("Attempts", "count()"))


def a_group_of_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(kql, "with_present", lambda where, fields: where)


def names_by_case(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(kql, "measured", lambda query: ("DistinctUserPrincipalName", "dcount(UserPrincipalName, 2)"))


def name_here_and_value_there(patch: pytest.MonkeyPatch) -> None:
    part = PARTS["consent_is_admin"]
    assert isinstance(part.let.value, Pipe)
    source, (_, *steps) = part.let.value.source, part.let.value.steps
    patch.setitem(PARTS, "consent_is_admin", Part(Let("consent_is_admin", Pipe(source, tuple(steps))), part.needs))


def quotes_left_on(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(PARTS, "bare", Part(Let("bare", "(value: string) { value }")))
    monkeyed = PARTS["consent_is_admin"]
    pipe = monkeyed.let.value
    assert isinstance(pipe, Pipe)
    raw = step("extend", "EntraConsentIsAdmin = tolower(New)")
    steps = (pipe.steps[0], raw, *pipe.steps[2:])
    patch.setitem(PARTS, "consent_is_admin", Part(Let("consent_is_admin", Pipe(pipe.source, steps)), monkeyed.needs))


def success_before_the_last_failure(patch: pytest.MonkeyPatch) -> None:
    plain = kql.where
    patch.setattr(
        kql, "where", lambda *tests: plain(*[test.replace("TimeGenerated > LastTime and ", "") for test in tests])
    )


def anybody_for_the_tried(patch: pytest.MonkeyPatch) -> None:
    plain = kql.folded_columns
    for module in (kql, kql_parts):
        patch.setattr(module, "folded_columns", lambda query: plain(query)[:1])


def country_is_not_asked(patch: pytest.MonkeyPatch) -> None:
    plain = kql_baseline.outside
    patch.setattr(
        kql_baseline,
        "outside",
        lambda baseline, asked, *rest: plain(baseline, ir.Outside(asked.baseline, asked.address), *rest),
    )


def everything_is_known(patch: pytest.MonkeyPatch) -> None:
    plain = kql_baseline._known
    patch.setattr(
        kql_baseline, "_known", lambda *given: Pipe(plain(*given).source, (plain(*given).steps[0],))
    )  # fmt: skip


def any_correlation(patch: pytest.MonkeyPatch) -> None:
    plain = kql.step
    patch.setattr(
        kql, "step", lambda *given, **more: plain(*[one.replace("leftsemi", "leftanti") for one in given], **more)
    )


def pim_is_not_minded(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(kql_audit.INLINE, "initiatedBy.app.displayName", '""')


@pytest.mark.parametrize(
    ("plant", "slug", "name"),
    [
        (case_sensitive, "sync-account-abuse", "its own application"),
        (fixed_hourly_buckets, "brute-force", "the burst lies across the full hour"),
        (rows_for_attempts, "mfa-failures", "two rows of one failure"),
        (a_group_of_nothing, "disabled-user-signin", "no address makes no group of nothing"),
        (names_by_case, "password-spray", "one account spelt in five ways"),
        (
            name_here_and_value_there,
            "user-consent-to-application",
            "the name stands in one property and False in another",
        ),
        (quotes_left_on, "user-consent-to-application", "the flag is quoted twice"),
        (success_before_the_last_failure, "password-spray-success", "the success comes before the last failure"),
        (anybody_for_the_tried, "password-spray-success", "an account that the spray did not try"),
        (country_is_not_asked, "single-factor-from-new-network", "the country is one of the organisation's"),
        (everything_is_known, "single-factor-from-new-network", "another country, another network, one factor"),
        (any_correlation, "third-party-changes", "the change belongs to a sign-in from another tenant"),
        (pim_is_not_minded, "admin-role-outside-pim", "PIM activates the role"),
    ],
)
def test_a_fault_in_the_queries_shows(plant: Any, slug: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    rule = CATALOGUE.rules[slug]
    assert not agrees(rule, next(case for case in rule.cases if case.name == name))


def test_a_code_that_is_left_a_string_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kql_tables, "_typed", lambda value, kind, ref, field: value)
    answer = judged({"brute-force": compiled(CATALOGUE.rules["brute-force"]).text})["brute-force"]
    assert "string-and-number" in {one["code"] for one in answer["diagnostics"]}


def test_an_event_that_vanishes_with_what_is_shown_of_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kql_reading, "_looked_up", lambda table: step(f"lookup kind=inner ({table}) on Targets"))
    with pytest.raises(AssertionError):
        derived_fields_agree("entra.role")
