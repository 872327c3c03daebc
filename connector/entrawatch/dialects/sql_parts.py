"""Parts of SQL queries that several kinds of rules have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from entrawatch.dialects.base import Unsupported, of_list
from entrawatch.dialects.sql_predicates import Expr, all_of, column, comparable
from entrawatch.dialects.sql_time import seconds

if TYPE_CHECKING:
    from datetime import timedelta

    from entrawatch.rules import ir

#: the column that has the id of an event which a sequence or a join is about
OWN = "own_id"
#: the end of a window that reached the threshold
REACHED = "reached_end"


def of_reached(query: ir.WindowQuery, source: str) -> exp.Select:
    """The rows of the groups that met the threshold."""
    on: list[Expr] = [
        exp.EQ(this=group_key(field), expression=exp.column(f"reached_{place}")) for place, field in enumerate(query.by)
    ]
    on.append(exp.EQ(this=exp.column("window_end"), expression=exp.column(REACHED)))
    return exp.select(f"{source}.*").from_(exp.to_table(source)).join("reached", on=all_of(on))


def group_key(field: ir.FieldRef) -> Expr:
    """A part of a group's key.

    :raises Unsupported: engines write it in ways of their own, or it is a list.
    """
    if field.many:
        raise Unsupported(field, of_list(field, "grouping by"))
    if field.kind in {"boolean", "time"}:
        raise Unsupported(field, f"grouping by {field.name}, a {field.kind}; take text, a number or an address")
    return comparable(field, column(field.name))


def listed(field: ir.FieldRef | None) -> list[ir.FieldRef]:
    """The field, where there is one."""
    return [] if field is None else [field]


def own_ids() -> Expr:
    """The ids of the events that a sequence or a join is about."""
    return exp.alias_(distinct(exp.column(OWN)), "own_ids")


def distinct(value: Expr) -> Expr:
    """A group's different values."""
    return exp.ArrayAgg(this=exp.Distinct(expressions=[value]))


def count_distinct(value: Expr) -> Expr:
    """How many those are."""
    return exp.Count(this=exp.Distinct(expressions=[value]))


def interval(span: timedelta) -> Expr:
    """So long."""
    return seconds(int(span.total_seconds()))


def named(aggregate: type[exp.AggFunc], value: Expr, name: str) -> Expr:
    """What a group has of a value, and its name."""
    return exp.alias_(aggregate(this=value), name)


def once(value: Expr, aggregate: type[exp.Min] | type[exp.Max]) -> Expr:
    """The value as one of a group: aggregated unless it is so already."""
    return value.copy() if value.find(exp.AggFunc) else aggregate(this=value.copy())
