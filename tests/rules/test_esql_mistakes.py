"""Mistakes planted in the ES|QL dialect: each engine sees each of them."""

from __future__ import annotations

from typing import Any

import pytest

from entrawatch.dialects import esql as dialect
from entrawatch.dialects import esql_followed, esql_joined, esql_parts, esql_predicates, esql_tree
from entrawatch.dialects.esql_predicates import EsqlPredicates
from entrawatch.dialects.esql_text import dataset, span, string
from entrawatch.dialects.esql_tree import Test as Text
from entrawatch.rules import ir

from .esql_runs import in_turn, keys
from .judge import rows
from .test_catalogue import CATALOGUE
from .test_eql import hostile_records
from .test_esql import compiled, wanted
from .test_esql_duckdb import interpreted, lowered
from .test_sql import MANY, OTHER, TEXT, event_rule


def _unfolded(self: EsqlPredicates, ref: ir.FieldRef) -> str:
    return self.column(ref)


def _as_pattern(self: EsqlPredicates, ref: ir.FieldRef, piece: str) -> Text:
    return Text(f"TO_LOWER({self.column(ref)}) LIKE {string('*' + piece.lower() + '*')}")


def _by_stars(self: esql_parts.Rows, measure: Any) -> tuple[str, str]:
    return "attempts", "COUNT(*)"


def _fixed(every: Any, length: Any) -> list[str]:
    return esql_parts.windows(length, length)


def _of_sql(part: Any) -> str:
    return {ir.Wildcard.ANY: "%", ir.Wildcard.ONE: "_"}.get(part) or str(part).lower()


def _unordered(query: ir.FollowedQuery) -> str:
    return f"follows_at <= last_time + {span(query.within)}"


#: a disjunction in a conjunction; a record has the one text and not the other
_BRACKETED = ir.And((ir.Or((ir.Equals(TEXT, "x"), ir.Equals(TEXT, "x_y"))), ir.Equals(OTHER, "x")))
_NOT, _BOTH = ir.Not(ir.Equals(TEXT, "x")), ir.And((ir.Equals(TEXT, "x"), ir.Present(OTHER)))
_PIECE, _ONE = ir.ContainsAny(TEXT, ("x*",)), ir.Like(TEXT, ("x", ir.Wildcard.ONE, "y"))

#: what is planted where, and what must see it: a predicate or a rule's cases
MISTAKES: dict[str, tuple[Any, str, Any, ir.Predicate | str]] = {
    "NOT over null": (EsqlPredicates, "negation", lambda self, node: Text(f"NOT ({self.write(node.of).text})"), _NOT),
    "text with case": (EsqlPredicates, "compared", _unfolded, ir.Equals(TEXT, "x")),
    "a piece as a pattern": (EsqlPredicates, "_contains", _as_pattern, _PIECE),
    "wildcards of SQL": (esql_predicates, "_pattern", _of_sql, _ONE),
    "brackets dropped": (esql_tree, "_inner", esql_tree.one_line, _BRACKETED),
    "a list as one value": (
        EsqlPredicates, "_equal",
        lambda self, node, ref, value: Text(f"TO_LOWER({self.column(ref)}) == {string(str(value).lower())}"),
        ir.Equals(MANY, "X"),
    ),
    "empty is present": (
        EsqlPredicates, "present", lambda self, node: Text(f"{self.column(node.field)} IS NOT NULL"), ir.Present(TEXT),
    ),
    "or for and": (EsqlPredicates, "conjunction", EsqlPredicates.disjunction, _BOTH),
    "groups of nothing": (EsqlPredicates, "present", lambda self, node: Text("true"), _BOTH),
    "rows for attempts": (esql_parts.Rows, "measured", _by_stars, "brute-force"),
    "fixed buckets": (dialect, "windows", _fixed, "brute-force"),
    "any order": (esql_followed, "after", _unordered, "password-spray-success"),
    "any partner": (
        esql_joined, "_of", lambda source, where: Text(f"data_stream.dataset == {string(dataset(source))}"),
        "third-party-changes",
    ),
    "names with case": (
        esql_parts.Rows, "values", lambda self, ref: f"VALUES({self.column(ref)})", "password-spray-success",
    ),
}  # fmt: skip


@pytest.mark.parametrize("engine", [interpreted, lowered])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_seen(mistake: str, engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, planted, told_by = MISTAKES[mistake]
    assert not differs(told_by, engine)
    monkeypatch.setattr(where, name, planted)
    assert differs(told_by, engine)


def differs(told_by: ir.Predicate | str, engine: Any) -> bool:
    """Whether the engine gives other than the judge on hostile records, or on one of a rule's cases twice over."""
    if isinstance(told_by, str):
        rule = CATALOGUE.rules[told_by]
        logs = [rows([*case.records, *case.records]) for case in rule.cases]
    else:
        rule = event_rule(told_by)
        logs = [rows([("interactive", {**one, "id": f"r{place}"}) for place, one in enumerate(hostile_records())])]
    query = compiled(rule)
    return any(
        keys(query, found) != {finding.keys for finding in wanted(rule, log)}
        for log, found in zip(logs, in_turn(query, logs, engine), strict=True)
    )
