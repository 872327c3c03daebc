"""The classical mistakes in SPL, planted in the dialect: each must turn the comparison with the judge red."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from entrawatch.dialects import spl_predicates, spl_search, spl_text
from entrawatch.dialects.base import Compiled
from entrawatch.dialects.spl import SplDialect
from entrawatch.dialects.spl_fields import ENVELOPE, NORMALIZED, Names
from entrawatch.dialects.spl_predicates import Conditions
from entrawatch.dialects.spl_search import Search
from entrawatch.dialects.spl_text import Spl
from entrawatch.rules import ir
from entrawatch.rules.rule import Case

from .judge import Judge, rows
from .spl.faults import SplError
from .splunk import found, keys
from .test_catalogue import CATALOGUE
from .test_spl import NULLS
from .test_sql import CODE, MANY, OTHER, TEXT, event_rule, record

if TYPE_CHECKING:
    from collections.abc import Callable

_FAILURE = {"status": {"errorCode": 50126}, "ipAddress": "192.0.2.1", "appDisplayName": "App", "userAgent": "agent"}


def sign_in(minute: int, name: str, **more: Any) -> tuple[str, dict[str, Any]]:
    time = f"2026-01-07T{9 + minute // 60:02}:{minute % 60:02}:00Z"
    who = {"id": f"{name}-{minute}", "userPrincipalName": name, "createdDateTime": time}
    return "interactive", {**_FAILURE, **who, **more}


#: beside the catalogue's cases: a burst over the full hour, one sign-in in several rows, many partners
MORE = {
    "password-spray": [[sign_in(50 + 4 * n, f"user{n}@contoso.example") for n in range(5)]],
    "brute-force": [
        [sign_in(n, "ada@contoso.example", id="one") for n in range(6)],
        [sign_in(50 + 4 * n, "ada@contoso.example") for n in range(5)],
        [sign_in(n, "ada@contoso.example", ipAddress=None) for n in range(6)],
    ],
    "third-party-changes": [
        [
            *CATALOGUE.rules["third-party-changes"].cases[0].records,
            *[
                sign_in(n, "x", id=f"p{n}", homeTenantId="a", resourceTenantId="b", correlationId=f"c{n}")
                for n in range(5, 15)
            ],
        ]
    ],
}
PREDICATES = (
    ir.Not(ir.Equals(TEXT, "x")),
    ir.Not(ir.Equals(TEXT, 'say "x"')),
    ir.Equals(TEXT, "Say \"X\""),
    ir.Present(TEXT),
    ir.Like(TEXT, ("x_", ir.Wildcard.ANY)),
    ir.Like(TEXT, (ir.Wildcard.ANY, "Y")),
    ir.Not(ir.Compares(CODE, ">", 5)),
    ir.And((ir.Or((ir.Equals(TEXT, "x"), ir.Equals(OTHER, "x_y"))), ir.Equals(CODE, 0))),
    ir.Or((ir.And((ir.Present(TEXT), ir.Present(OTHER))), ir.Equals(MANY, "o'hara"))),
    ir.Not(ir.Equals(MANY, "a\\b")),
    ir.SameAs(TEXT, OTHER),
    ir.Or((ir.And((ir.Equals(TEXT, "x"), ir.Equals(OTHER, "xAy"))), ir.Equals(CODE, 0))),
    ir.Or((ir.Equals(TEXT, "xAy"), ir.And((ir.Or((ir.Present(OTHER), ir.Equals(CODE, 0))), ir.SameAs(TEXT, TEXT))))),
)  # fmt: skip
_TEXTS = (None, "x", "X", "xAy", "x_y", 'say "x"', 'SAY "X"', "a\\b")


def disagreements(slugs: tuple[str, ...], profile: str, subsearch_rows: int = 50_000) -> list[str]:
    """The cases and predicates on which the search and the judge differ."""
    differ = []
    for slug in slugs:
        rule = CATALOGUE.rules[slug]
        more = [Case(f"more {n}", tuple(one), match=True) for n, one in enumerate(MORE.get(slug, []))]
        cases = [*rule.cases, *more]
        differ += [
            f"{slug}: {case.name}" for case in cases if _differs(rule, list(case.records), profile, subsearch_rows)
        ]
    made = [
        ("interactive", {**record(a, b, code, flag=True, methods=[c for c in (a, b) if c]), "id": f"{a}{b}{code}"})
        for a in _TEXTS
        for b in _TEXTS
        for code in (None, 0, 50126)
    ]  # fmt: skip
    return differ + [str(where) for where in PREDICATES if _differs(event_rule(where), made, profile, subsearch_rows)]


def _differs(rule: Any, records: list[Any], profile: str, subsearch_rows: int) -> bool:
    case_rows = rows(records)
    dialect = SplDialect(CATALOGUE.baselines, profile)
    query = dialect.compile(rule)
    assert isinstance(query, Compiled), query
    wanted = {finding.keys for finding in Judge(CATALOGUE.baselines).findings(rule, case_rows)}
    for nulls in NULLS[profile]:
        try:
            results = found(dialect, query, case_rows, nulls=nulls, subsearch_rows=subsearch_rows)
        except SplError:
            return True
        if keys(query, results) != wanted:
            return True
    return False


def _unequal(patch: pytest.MonkeyPatch) -> None:
    """`f!=x` where `NOT f=x` was meant."""
    right = spl_predicates.search

    def wrong(node: ir.Predicate, names: Names) -> Any:
        inner = right(node.of, names) if isinstance(node, ir.Not) else None
        return Spl(inner.replace("=", "!=", 1)) if inner and "(" not in inner else right(node, names)

    patch.setattr(spl_predicates, "search", wrong)
    patch.setattr(spl_search, "search", wrong)


def _unbracketed(patch: pytest.MonkeyPatch) -> None:
    def wrong(parts: list[Spl], operator: str, empty: str) -> Spl:
        return Spl(f" {operator} ".join(parts) or empty)

    patch.setattr(spl_text, "_joined", wrong)


def _like(patch: pytest.MonkeyPatch) -> None:
    """`like`, in whose patterns `_` is any character."""

    def wrong(self: Conditions, node: ir.Like) -> Spl:
        pattern = "".join("%" if part is ir.Wildcard.ANY else str(part).lower() for part in node.parts)
        return Spl(f"like({self.folded(node.field)}, {spl_text.string(pattern)})")

    patch.setattr(Conditions, "like", wrong)


def _cased(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(spl_predicates, "_folded", lambda item: item)


def _cased_patterns(patch: pytest.MonkeyPatch) -> None:
    right = spl_predicates._whole
    patch.setattr(spl_predicates, "_whole", lambda parts: right(parts).replace("(?is)", "(?s)"))


def _hourly(patch: pytest.MonkeyPatch) -> None:
    """Fixed hours in place of a window that hops."""
    right = Search.stats

    def wrong(self: Search, measured: list[str], by: list[str]) -> None:
        self.add(Spl("bin _time span=1h"))
        right(self, measured, [*by, "_time"])

    patch.setattr(Search, "stats", wrong)


def _rows_counted(patch: pytest.MonkeyPatch) -> None:
    """Users and attempts counted by rows."""
    right = Search.measure

    def wrong(self: Search, query: ir.WindowQuery) -> Any:
        (column, statistic), counted = right(self, query)
        return (column, Spl(statistic.replace("dc(", "count("))), counted

    patch.setattr(Search, "measure", wrong)


def _by_join(patch: pytest.MonkeyPatch) -> None:
    """A join, whose subsearch is cut off in silence."""

    def wrong(self: SplDialect, rule: Any, query: ir.JoinQuery) -> Any:
        made, other = Search(rule, self.profile, None), Search(rule, self.profile, None)
        other.names.source = query.source
        made.base(query.where)
        made.assign(shared_key=made.tests.folded(query.on[0]))
        inner = f"search `entrawatch_{query.source}` | where {other.tests.write(query.partner)}"
        key = f"eval shared_key={other.tests.folded(query.on[1])} | table shared_key"
        made.add(Spl(f"join shared_key [{inner} | {key}]"))
        made.assign_all(made.keys())
        made.stats(made.measured(), made.columns)
        made.assign(window_start=Spl("first_time"), window_end=Spl("last_time"))
        return made.finished()

    patch.setattr(SplDialect, "joined", wrong)


def _null_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Conditions, "_one", lambda self, ref: self.field(ref))


def _group_of_nothing(patch: pytest.MonkeyPatch) -> None:
    """Absent keys in one group of their own (fillnull)."""
    for module in ("spl", "spl_sequence", "spl_search"):
        patch.setattr(f"entrawatch.dialects.{module}.given", lambda field: Spl("1=1"))


def _null_text(patch: pytest.MonkeyPatch) -> None:
    """A JSON null taken for the text null."""
    patch.setattr(Names, "value", lambda self, ref: spl_text.variable(self.path(ref)))


def _any_time(patch: pytest.MonkeyPatch) -> None:
    """A success that may come before the threshold."""
    right = Search.where

    def wrong(self: Search, *tests: Spl) -> None:
        right(self, *[test for test in tests if not re.fullmatch(r"last_reached<last_time", test)])

    patch.setattr(Search, "where", wrong)
    right_add = Search.add
    ordered = ("sort 0 last_time, -follows", "sort 0 -last_time")
    patch.setattr(Search, "add", lambda self, *lines: right_add(self, *[Spl(line.replace(*ordered)) for line in lines]))


MUTATIONS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], tuple[str, ...], str]] = {
    "f!=x for NOT f=x": (_unequal, (), NORMALIZED),
    "no brackets": (_unbracketed, (), NORMALIZED),
    "_ is any character in like": (_like, ("sync-account-abuse",), NORMALIZED),
    "where compares with case": (_cased, (), NORMALIZED),
    "match compares with case": (_cased_patterns, ("sync-account-abuse",), NORMALIZED),
    "fixed hours": (_hourly, ("password-spray",), NORMALIZED),
    "rows counted for users": (_rows_counted, ("password-spray",), NORMALIZED),
    "rows counted for attempts": (_rows_counted, ("brute-force",), NORMALIZED),
    "join by subsearch": (_by_join, ("third-party-changes",), NORMALIZED),
    "null in a comparison": (_null_lost, (), NORMALIZED),
    "a group of nothing": (_group_of_nothing, ("brute-force",), NORMALIZED),
    "null is a text": (_null_text, ("brute-force",), ENVELOPE),
    "success before the spray": (_any_time, ("password-spray-success",), NORMALIZED),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_planted_mistake_is_seen(mutation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, slugs, profile = MUTATIONS[mutation]
    plant(monkeypatch)
    assert disagreements(slugs, profile, subsearch_rows=5)


@pytest.mark.parametrize("profile", [NORMALIZED, ENVELOPE])
def test_without_a_mistake_nothing_differs(profile: str) -> None:
    assert not disagreements(tuple(MORE), profile)
