"""Times in SQL: hopping windows by whole seconds since the epoch, which every engine counts alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    from datetime import timedelta

    from entrawatch.dialects.sql_predicates import Expr


def number(value: int) -> Expr:
    """A whole number."""
    return exp.Literal.number(value)


def seconds(count: int) -> Expr:
    """An interval."""
    return exp.Interval(this=exp.Literal.string(str(count)), unit=exp.var("SECOND"))


def slot(time: Expr, step: timedelta, plus: int = 0) -> Expr:
    """How many whole steps lie between the epoch and a time, and `plus` more."""
    whole = exp.Floor(
        this=exp.Div(this=exp.TimeToUnix(this=time.copy()), expression=number(int(step.total_seconds())), typed=False)
    )
    return exp.Add(this=whole, expression=number(plus)) if plus else whole


def at(slots: Expr, step: timedelta, engine: str) -> Expr:
    """The time, with its zone, that lies so many steps behind the epoch."""
    whole = exp.Mul(this=exp.Paren(this=slots), expression=number(int(step.total_seconds())))
    if engine == "snowflake":  # its TO_TIMESTAMP has no zone, and compares as of the session's
        return exp.Anonymous(this="TO_TIMESTAMP_LTZ", expressions=[whole])
    # Databricks' FROM_UNIXTIME gives a text in the session's zone, which an hour of each autumn has twice
    return exp.UnixToTime(this=whole, scale=exp.UnixToTime.SECONDS if engine == "databricks" else None)


def numbers(count: int, engine: str) -> exp.Table | exp.Unnest:
    """The table `steps` with the column `step`: 0 to count - 1."""
    series = exp.GenerateSeries(start=number(0), end=number(count - 1))
    alias = exp.TableAlias(this=exp.to_identifier("steps"), columns=[exp.to_identifier("step")])
    if engine in {"duckdb", "postgres"}:
        return exp.Table(this=series, alias=alias)
    # elsewhere a series is a list, and sqlglot knows each engine's way to make rows of one
    return exp.Unnest(expressions=[series], alias=alias)
