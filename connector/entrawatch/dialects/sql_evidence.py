"""The events that a sequence or a join rests on: those that the rule is about, and those that led to them.

`evidence` has a row for each of the first kind, with what the finding shows of it, and for few of the second, with
their ids and the finding's keys: a thousand successes behind one address, each beside all of a spray's failures, are
more than any machine holds. `own_id` names the first kind again, and `others` counts all of the second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from entrawatch.dialects.kql_reading import references
from entrawatch.dialects.sql_parts import OWN, REACHED, count_distinct
from entrawatch.dialects.sql_predicates import all_of, column, folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from entrawatch.dialects.sql_predicates import Expr
    from entrawatch.rules import ir
    from entrawatch.rules.rule import Rule

TIME, ID = "@timestamp", "event.id"
#: times of the first and the last of the events that a row rests on
FIRST, LAST = "first_time", "last_time"
#: the column that says how many other events led to one that the rule is about
OTHERS = "others"
#: how many of those a finding names
NAMED = 100


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


def led_by(rule: Rule, by: Sequence[str], end: Expr) -> exp.Select:
    """Of each finding, the first of the windows that its events follow, and of those with the same first event the
    last: one is enough to say what led to it.

    :param by: columns that tell a window.
    :param end: the end of the search window of the time `@timestamp`.
    """
    keys = [column(name) for name in key_names(rule)]
    latest = exp.Ordered(this=exp.column(REACHED), desc=True, nulls_first=False)
    place = _place([*map(folded, keys), end.copy()], [exp.column(FIRST), latest, *map(exp.column, by)])
    places = exp.select(*keys, *by, exp.alias_(end, "ends"), place).from_(exp.to_table("following"))
    named = exp.select(*keys, *by, "ends").from_(places.subquery("places"))
    return named.where(exp.EQ(this=exp.column("place"), expression=exp.Literal.number(1)))


def first_hits(by: Mapping[str, Expr]) -> exp.Select:
    """The first events of those windows: the hundreds behind them say nothing new, and each success would name them.

    :param by: name and value of what tells a window.
    """
    windows = exp.select(*by).distinct().from_(exp.to_table("led_by")).subquery("windows")
    on = [exp.EQ(this=key.copy(), expression=exp.column(name, "windows")) for name, key in by.items()]
    place = _place([exp.column(name, "windows") for name in by], [column(TIME), column(ID)])
    told = [exp.column(name, "windows") for name in by]
    places = exp.select(*told, column(ID), place).from_(exp.to_table("hits")).join(windows, on=all_of(on))
    few = exp.LTE(this=exp.column("place"), expression=exp.Literal.number(NAMED))
    return exp.select(*by, column(ID)).from_(places.subquery("places")).where(few)


def earlier(rule: Rule, by: Iterable[str]) -> exp.Select:
    """The first events of the window that led to a finding, beside the finding's keys."""
    keys = [column(name, "led_by") for name in key_names(rule)]
    on = [exp.EQ(this=exp.column(name, "led_by"), expression=exp.column(name, "first_hits")) for name in by]
    told = exp.select(*keys, "led_by.ends", column(ID, "first_hits")).from_(exp.to_table("led_by"))
    return told.join("first_hits", on=all_of(on))


def ordered_partners(partners: exp.Select) -> exp.Select:
    """A join's partners with their places in time among those of one key."""
    names = ["partner_key", "partner_time", "partner_id"]
    place = _place([exp.column("partner_key")], [exp.column("partner_time"), exp.column("partner_id")])
    return exp.select(*names, place).from_(partners.subquery("partners"))


def partners(rule: Rule, key: Expr) -> exp.Select:
    """The first partners and the last of each event, beside the finding's keys.

    :param key: the event's.
    """
    place, first, last = map(exp.column, ("place", "first_place", "last_place"))
    # those of one window follow each other in time
    all_ = exp.Between(this=place, low=first, high=last)
    early = exp.LT(this=place.copy(), expression=exp.Add(this=first.copy(), expression=exp.Literal.number(NAMED - 1)))
    few = exp.paren(exp.or_(early, exp.EQ(this=place.copy(), expression=last.copy())))
    on = [exp.EQ(this=key, expression=exp.column("partner_key")), all_, few]
    names = [column(name) for name in key_names(rule)]
    told = exp.select(*names, exp.alias_(exp.column("partner_id"), ID, quoted=True)).from_(exp.to_table("hits"))
    return told.join("partner", on=all_of(on))


def counted() -> Expr:
    """How many events: those that the rule is about, and the others, which are not all named, where they are most."""
    return exp.Add(this=count_distinct(exp.column(OWN)), expression=exp.Max(this=exp.column(OTHERS)))


def _ordered(value: Expr) -> exp.Ordered:
    return value if isinstance(value, exp.Ordered) else exp.Ordered(this=value, nulls_first=False)


def _place(of: Sequence[Expr], order: Sequence[Expr]) -> Expr:
    ordered = exp.Order(expressions=[_ordered(one) for one in order])
    return exp.alias_(exp.Window(this=exp.RowNumber(), partition_by=list(of), order=ordered), "place")


def key_names(rule: Rule) -> list[str]:
    """The fields that the findings' keys are, each once."""
    return sorted({key.field.name for key in rule.keys})
