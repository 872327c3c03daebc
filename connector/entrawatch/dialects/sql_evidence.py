"""The events that a sequence or a join rests on: those that the rule is about, and those that led to them.

`evidence` has a row for each: the first kind with what the finding shows of it, the second with its id and the keys of
the findings that rest on it. `own_id` names the first kind again, for few of many ids are read by anyone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from entrawatch.dialects.kql_reading import references
from entrawatch.dialects.sql_parts import OWN
from entrawatch.dialects.sql_predicates import column

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from entrawatch.dialects.sql_predicates import Expr
    from entrawatch.rules import ir
    from entrawatch.rules.rule import Rule

TIME, ID = "@timestamp", "event.id"


def rows(
    rule: Rule,
    shown: Iterable[ir.FieldRef],
    own: str,
    times: Sequence[str],
    earlier: exp.Select,
    id_: Expr,
    **grouping: Expr,
) -> exp.Select:
    """The rows of `evidence`.

    :param shown: fields that a finding shows.
    :param own: the table of the events that the rule is about.
    :param times: further columns of it that are to be had.
    :param earlier: what gives the other events, each beside one of these, and its id.
    :param grouping: name and value of what both kinds of rows have beside the keys.
    """
    keys = sorted({key.field.name for key in rule.keys})
    fields = dict.fromkeys(ref.name for ref in (*shown, *references(rule.escalations)) if ref.name not in keys)
    there = [*fields, *times, TIME]
    both = [*(_of(own, name) for name in keys), *(exp.alias_(value.copy(), name) for name, value in grouping.items())]
    mine = [*both, *(_of(own, name) for name in (*there, ID)), exp.alias_(column(ID, own), OWN)]
    nothing = [exp.alias_(exp.null(), name, quoted=True) for name in there]
    theirs = [*both, *nothing, exp.alias_(id_, ID, quoted=True), exp.alias_(exp.null(), OWN)]
    events = exp.union(exp.select(*mine).from_(exp.to_table(own)), earlier.select(*theirs), distinct=True)
    return exp.select("*").from_(events.subquery("events"))


def _of(table: str, name: str) -> Expr:
    return exp.alias_(column(name, table), name, quoted=True)
