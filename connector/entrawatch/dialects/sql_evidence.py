"""The events that a sequence or a join rests on: those that the rule is about, and those that led to them.

`evidence` has a row for each: the first kind with what the finding shows of it, the second with its id and the keys of
the findings that rest on it. `own_id` names the first kind again, for few of many ids are read by anyone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from entrawatch.dialects.kql_reading import references
from entrawatch.dialects.sql_parts import OWN
from entrawatch.dialects.sql_predicates import column, folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from entrawatch.dialects.sql_predicates import Expr
    from entrawatch.rules import ir
    from entrawatch.rules.rule import Rule

TIME, ID = "@timestamp", "event.id"


def rows(
    rule: Rule, shown: Iterable[ir.FieldRef], own: str, times: Sequence[str], earlier: exp.Select, **grouping: Expr
) -> exp.Select:
    """The rows of `evidence`.

    :param shown: fields that a finding shows.
    :param own: the table of the events that the rule is about.
    :param times: further columns of it that are to be had.
    :param earlier: the other events: the keys' columns, the grouping's, and the id, each once.
    :param grouping: name and value of what both kinds of rows have beside the keys.
    """
    keys = key_names(rule)
    fields = dict.fromkeys(ref.name for ref in (*shown, *references(rule.escalations)) if ref.name not in keys)
    there = [*fields, *times, TIME]
    made = [exp.alias_(value.copy(), name) for name, value in grouping.items()]
    mine = [*map(column, keys), *made, *map(column, (*there, ID)), exp.alias_(column(ID), OWN)]
    # no DISTINCT beside these: PostgreSQL would take each for a text
    nothing = [exp.alias_(exp.null(), name, quoted=True) for name in there]
    theirs = [*map(column, keys), *map(exp.column, grouping), *nothing, column(ID), exp.alias_(exp.null(), OWN)]
    first = exp.select(*mine).from_(exp.to_table(own))
    second = exp.select(*theirs).from_(earlier.distinct().subquery("earlier"))
    return exp.select("*").from_(exp.union(first, second, distinct=False).subquery("events"))


def first_after(rule: Rule, by: Sequence[str], end: Expr) -> exp.Select:
    """Of what follows a window that reached the threshold, the first for each finding's keys: the window's events are
    named beside it alone, for whatever else follows the window is of one finding with it, `within` being whole steps.

    :param by: columns that tell the window.
    :param end: the end of the search window of the time `@timestamp`.
    """
    firsts = exp.select(*by).from_(exp.to_table("following"))
    for name in key_names(rule):
        firsts = firsts.select(exp.alias_(exp.Min(this=column(name)), name, quoted=True))
    firsts = firsts.select(exp.alias_(exp.Min(this=column(TIME)), TIME, quoted=True))
    firsts = firsts.group_by(*[folded(column(name)) for name in key_names(rule)], *by)
    return exp.select(*map(column, key_names(rule)), *by, exp.alias_(end, "ends")).from_(firsts.subquery("firsts"))


def key_names(rule: Rule) -> list[str]:
    """The fields that the findings' keys are, each once."""
    return sorted({key.field.name for key in rule.keys})
