"""A baseline of networks in SQL: what was known at each moment that a finding asks about.

Day by day and user by user, the first and the last success from an address: that is enough to know how many users a
day had before any moment, since a lookback cuts at most one end off a day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from entrawatch.dialects.base import Unsupported
from entrawatch.dialects.sql_predicates import Expr, SqlPredicates, column, folded, given
from entrawatch.dialects.sql_time import number, seconds

if TYPE_CHECKING:
    from entrawatch.rules import ir
    from entrawatch.rules.rule import Baseline

TIME = "@timestamp"
_DAY = 86400


def outside(
    baseline: Baseline, asked: ir.Outside, hits: str, moment: Expr, predicates: SqlPredicates
) -> list[tuple[str, exp.Select]]:
    """CTEs that end in `outside`: the rows of `hits` whose address, and country, the baseline did not know.

    :param moment: the time in `hits` up to which the baseline has learnt.
    """
    if asked.address.many or (asked.country and asked.country.many):
        raise Unsupported(asked, "a list of addresses against a baseline")
    tables = [
        ("begun", _begun(baseline)),
        ("learnt", _learnt(baseline, predicates)),
        ("asked", _asked(baseline, asked, hits, moment)),
        ("known_addresses", _known(baseline, "address")),
    ]
    unknown = [_absent("known_addresses", "address")]
    if asked.country:
        tables.append(("known_countries", _known(baseline, "country")))
        unknown.append(_absent("known_countries", "country"))
    rows = (
        exp.select("asked.*")
        .from_(exp.to_table("asked"))
        .where(given(exp.column("asked_address")), *unknown)
    )  # fmt: skip
    return [*tables, ("outside", rows)]


def _lookback(baseline: Baseline) -> Expr:
    return seconds(int(baseline.lookback.total_seconds()))


def _begun(baseline: Baseline) -> exp.Select:
    """The earliest moment that can be judged: one lookback behind the first row, lest a cold start flags everything."""
    first = exp.Min(this=column(TIME))
    return exp.select(exp.alias_(exp.Add(this=first, expression=_lookback(baseline)), "earliest")).from_(
        exp.to_table(baseline.source)
    )


def _learnt(baseline: Baseline, predicates: SqlPredicates) -> exp.Select:
    columns = {"address": baseline.address, "country": baseline.country, "person": baseline.user}
    day = exp.Floor(this=exp.Div(this=exp.TimeToUnix(this=column(TIME)), expression=number(_DAY), typed=False))
    named = [
        exp.alias_(exp.Coalesce(this=folded(column(ref.name)), expressions=[exp.Literal.string("")]), name)
        for name, ref in columns.items()
    ]
    rows = (
        exp.select(*named, exp.alias_(day, "day"), exp.alias_(column(TIME), "seen"))
        .from_(exp.to_table(baseline.source))
        .where(
            predicates.write(baseline.where), given(column(baseline.address.name)), given(column(baseline.user.name))
        )
    )
    names = ["address", "country", "person", "day"]
    return (
        exp.select(
            *names,
            exp.alias_(exp.Min(this=exp.column("seen")), "first_seen"),
            exp.alias_(exp.Max(this=exp.column("seen")), "last_seen"),
        )
        .from_(rows.subquery("successes"))
        .group_by(*names)
    )


def _asked(baseline: Baseline, asked: ir.Outside, hits: str, moment: Expr) -> exp.Select:
    del baseline
    earliest = exp.select("earliest").from_(exp.to_table("begun")).subquery()
    country: Expr = folded(column(asked.country.name)) if asked.country else exp.Literal.string("")
    return exp.select(
        f"{hits}.*",
        exp.alias_(folded(column(asked.address.name)), "asked_address"),
        exp.alias_(country, "asked_country"),
        exp.alias_(exp.Greatest(this=moment.copy(), expressions=[earliest], ignore_nulls=True), "moment"),
    ).from_(exp.to_table(hits))


def _known(baseline: Baseline, what: str) -> exp.Select:
    """Pairs of a moment and an address (or country) that was the organisation's at that moment."""
    pair = ["address"] if what == "address" else ["address", "country"]
    moments = (
        exp.select(exp.column(f"asked_{what}"), exp.column("moment"))
        .distinct()
        .from_(exp.to_table("asked"))
        .where(given(exp.column(f"asked_{what}")))
    )
    since = exp.Sub(this=exp.column("moment"), expression=_lookback(baseline))
    days = (
        exp.select(*pair, "day", "moment")
        .from_(moments.subquery("questions"))
        .join(exp.to_table("learnt"), on=exp.EQ(this=exp.column(what), expression=exp.column(f"asked_{what}")))
        .where(
            exp.LT(this=exp.column("first_seen"), expression=exp.column("moment")),
            exp.GTE(this=exp.column("last_seen"), expression=since),
        )
        .group_by(*pair, "day", "moment")
        .having(_at_least(exp.Count(this=exp.Distinct(expressions=[exp.column("person")])), baseline.users))
    )
    return (
        exp.select(exp.column(what), exp.column("moment"))
        .distinct()
        .from_(days.subquery("busy_days"))
        .group_by(*pair, "moment")
        .having(_at_least(exp.Count(this=exp.Star()), baseline.days))
    )


def _at_least(counted: Expr, threshold: int) -> Expr:
    return exp.GTE(this=counted, expression=number(threshold))


def _absent(table: str, what: str) -> Expr:
    found = (
        exp.select("1")
        .from_(exp.to_table(table))
        .where(
            exp.EQ(this=exp.column(what, table=table), expression=exp.column(f"asked_{what}", table="asked")),
            exp.EQ(this=exp.column("moment", table=table), expression=exp.column("moment", table="asked")),
        )
    )
    return exp.Not(this=exp.Exists(this=found))
