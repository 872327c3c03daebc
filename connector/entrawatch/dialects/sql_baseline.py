"""A baseline of networks in SQL: what was known at each moment that a finding asks about.

An address is busy on a day, for a moment, when enough users signed in from it before the moment and not longer ago
than the lookback. All of a day's users are within a lookback of each other, so the moments for which a day is busy are
one span: from the n-th of the users' first successes to one lookback behind the n-th last of their last ones. Days
begin and end in their order, so an address is known for the moments at which a day and the (d-1)-th day behind it are
busy both. These spans are few, and no join grows with the number of events times the size of the baseline.
"""

from __future__ import annotations

from datetime import timedelta
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
    if baseline.lookback < timedelta(days=1):
        raise Unsupported(asked, "a lookback shorter than the days that are counted in it")
    tables = [("begun", _begun(baseline)), ("successes", _successes(baseline, predicates))]
    tables += _known(baseline, "addresses", ["address"])
    unknown = [_absent("known_addresses", "address")]
    if asked.country:
        tables += _known(baseline, "countries", ["address", "country"])
        unknown.append(_absent("known_countries", "country"))
    tables.append(("asked", _asked(asked, hits, moment)))
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


def _successes(baseline: Baseline, predicates: SqlPredicates) -> exp.Select:
    columns = {"address": baseline.address, "country": baseline.country, "person": baseline.user}
    day = exp.Floor(this=exp.Div(this=exp.TimeToUnix(this=column(TIME)), expression=number(_DAY), typed=False))
    return (
        exp.select(
            *[exp.alias_(folded(column(ref.name)), name) for name, ref in columns.items()],
            exp.alias_(day, "day"),
            exp.alias_(column(TIME), "seen"),
        )
        .from_(exp.to_table(baseline.source))
        .where(
            predicates.write(baseline.where), given(column(baseline.address.name)), given(column(baseline.user.name))
        )
    )


def _asked(asked: ir.Outside, hits: str, moment: Expr) -> exp.Select:
    earliest = exp.select("earliest").from_(exp.to_table("begun")).subquery()
    countries = [exp.alias_(folded(column(asked.country.name)), "asked_country")] if asked.country else []
    return exp.select(
        f"{hits}.*",
        exp.alias_(folded(column(asked.address.name)), "asked_address"),
        *countries,
        exp.alias_(exp.Greatest(this=moment.copy(), expressions=[earliest], ignore_nulls=True), "moment"),
    ).from_(exp.to_table(hits))


def _known(baseline: Baseline, what: str, names: list[str]) -> list[tuple[str, exp.Select]]:
    """CTEs that end in `known_<what>`: the spans of moments for which an address (or country) is the organisation's.

    :param names: what a place is told by; its last part is what is known.
    """
    spans = (
        exp.select(
            exp.column(names[-1]),
            exp.alias_(_over(_next("busy_since", baseline.days - 1), names, exp.column("day")), "since"),
            exp.alias_(exp.column("busy_until"), "until"),
        )
        .from_(exp.to_table(f"busy_{what}"))
        .subquery("spans")
    )
    known = exp.select(names[-1], "since", "until").from_(spans).where("since < until")
    return [
        (f"learnt_{what}", _learnt(names)),
        (f"busy_{what}", _busy(baseline, what, names)),
        (f"known_{what}", known),
    ]


def _learnt(names: list[str]) -> exp.Select:
    """A day's users of a place: their first and their last success, and which in the order of both they are."""
    seen = exp.column("seen")
    first, last = exp.Min(this=seen.copy()), exp.Max(this=seen.copy())
    people = (
        exp.select(*names, "person", "day", exp.alias_(first, "first_seen"), exp.alias_(last, "last_seen"))
        .from_(exp.to_table("successes"))
        .where(*[given(exp.column(name)) for name in names if name != "address"])
        .group_by(*names, "person", "day")
        .subquery("people")
    )
    first_place = _over(exp.RowNumber(), [*names, "day"], exp.column("first_seen"))
    last_place = _over(exp.RowNumber(), [*names, "day"], exp.column("last_seen"), desc=True)
    return exp.select(
        "people.*", exp.alias_(first_place, "nth_first"), exp.alias_(last_place, "nth_last")
    ).from_(people)  # fmt: skip


def _busy(baseline: Baseline, what: str, names: list[str]) -> exp.Select:
    """A day of a place, and the span of moments for which it has enough users."""
    since, until = (
        exp.Case().when(exp.EQ(this=exp.column(place), expression=number(baseline.users)), exp.column(seen))
        for place, seen in (("nth_first", "first_seen"), ("nth_last", "last_seen"))
    )
    end = exp.Add(this=exp.Max(this=until), expression=_lookback(baseline))
    return (
        exp.select(*names, "day", exp.alias_(exp.Max(this=since), "busy_since"), exp.alias_(end, "busy_until"))
        .from_(exp.to_table(f"learnt_{what}"))
        .group_by(*names, "day")
        .having(exp.GTE(this=exp.Count(this=exp.Star()), expression=number(baseline.users)))
    )


def _next(name: str, rows: int) -> Expr:
    return exp.Lead(this=exp.column(name), offset=number(rows))


def _over(function: Expr, names: list[str], order: Expr, *, desc: bool | None = None) -> Expr:
    ordered = exp.Ordered(this=order, desc=desc, nulls_first=bool(desc))
    return exp.Window(
        this=function, partition_by=[exp.column(name) for name in names], order=exp.Order(expressions=[ordered])
    )


def _absent(table: str, what: str) -> Expr:
    moment = exp.column("moment", table="asked")
    found = (
        exp.select("1")
        .from_(exp.to_table(table))
        .where(
            exp.EQ(this=exp.column(what, table=table), expression=exp.column(f"asked_{what}", table="asked")),
            exp.LT(this=exp.column("since", table=table), expression=moment),
            exp.GTE(this=exp.column("until", table=table), expression=moment.copy()),
        )
    )
    return exp.Not(this=exp.Exists(this=found))
