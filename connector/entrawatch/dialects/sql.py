"""SQL: one query per rule over the tables `signin` and `audit`, for DuckDB and, through sqlglot, for warehouses.

A table has one row per record and one column per field of the schema, named by its Graph path (`"status.errorCode"`),
with `"@timestamp"` (a time with zone) and `"event.id"`. A window rule replays its schedule: a row stands in each of the
windows that hold it, and the result tells in which windows the threshold was met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import sqlglot
from sqlglot import exp

from entrawatch.dialects import notes, sql_baseline, sql_evidence
from entrawatch.dialects.base import Dialect, Unsupported, of_list
from entrawatch.dialects.comments import about
from entrawatch.dialects.sql_evidence import FIRST, ID, LAST, OTHERS, TIME
from entrawatch.dialects.sql_parts import (
    REACHED,
    count_distinct,
    distinct,
    group_key,
    interval,
    listed,
    named,
    of_reached,
    once,
    own_ids,
)
from entrawatch.dialects.sql_predicates import (
    EXECUTED,
    Expr,
    SqlPredicates,
    all_of,
    column,
    comparable,
    folded,
    given,
    parameter_tables,
)
from entrawatch.dialects.sql_time import at, number, numbers, slot
from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from entrawatch.rules.rule import Baseline, Rule

#: the engines whose text is written; the first two are executed in the tests. BigQuery is none of them: its columns
#: take neither dots nor @ in their names (https://cloud.google.com/bigquery/docs/schemas#flexible-column-names).
ENGINES = (*EXECUTED, "snowflake", "databricks", "trino")
_LEVELS = ("informational", "low", "medium", "high", "critical")


class Sql(Dialect):
    """The SQL dialect; its profiles are the engines."""

    name = "sql"
    chosen = "engine"
    profiles = ENGINES

    def __init__(self, baselines: Mapping[str, Baseline], profile: str = "") -> None:
        super().__init__(baselines, profile)
        self.predicates = SqlPredicates(self.profile)

    # --- the four kinds of query ---

    def event(self, rule: Rule, query: ir.EventQuery) -> tuple[str, tuple[str, ...]]:
        hits = exp.select("*").from_(exp.to_table(rule.source)).where(self.predicates.write(query.where))
        tables = [("hits", hits)]
        source = "hits"
        if query.outside:
            tables += self._outside(query.outside, "hits", column(TIME))
            source = "outside"
        grouped = self._finding(rule, source, (column(TIME), column(TIME)))
        return self._text(rule, tables, grouped.group_by(*[folded(column(key.field.name)) for key in rule.keys]))

    def window(self, rule: Rule, query: ir.WindowQuery) -> tuple[str, tuple[str, ...]]:
        tables = [("hits", self._windowed(rule, query))]
        source = "hits"
        if query.outside:
            tables += self._outside(query.outside, "hits", exp.column("window_end"))
            source = "outside"
        end = exp.column("window_end")
        start = exp.Sub(this=end.copy(), expression=interval(query.length))
        groups = [group_key(field) for field in query.by]
        # first who reached the threshold, then what there is to say of them: most groups stay far below it
        tables += [("reached", self._reached(query, source)), ("found", of_reached(query, source))]
        finding = self._finding(rule, "found", (start, end), (TIME, TIME), self._measure(query))
        return self._text(rule, tables, finding.group_by(*groups, exp.column("window_end")))

    def followed(self, rule: Rule, query: ir.FollowedQuery) -> tuple[str, tuple[str, ...]]:
        first = query.first
        if first.outside:
            raise Unsupported(query, "a baseline on the first step of a sequence")
        groups = [group_key(field) for field in first.by]
        by = {f"by_{n}": key for n, key in enumerate(groups)}
        same = [exp.alias_(folded(exp.Min(this=column(field.name))), f"same_{n}") for n, field in enumerate(query.same)]
        same += [exp.alias_(key.copy(), name) for name, key in by.items()]
        times = [named(exp.Min, column(TIME), FIRST), named(exp.Max, column(TIME), LAST)]
        tried = [exp.alias_(distinct(folded(column(field.name))), "tried") for field in listed(query.among)]
        reached = exp.GTE(this=self._measured(first), expression=self.predicates.value(first.measure.at_least))
        sprays = (
            exp.select(*same, *tried, *times, exp.alias_(exp.column("window_end"), REACHED))
            .select(exp.alias_(count_distinct(column(ID)), OTHERS))
            .from_(exp.to_table("hits"))
            .group_by(*groups, exp.column("window_end"))
            .having(reached)
        )
        window = {**by, REACHED: exp.column("window_end")}
        end = at(slot(column(TIME), query.every, 1), query.every, self.profile)
        earlier = sql_evidence.earlier(rule, window)
        tables = [
            ("hits", self._windowed(rule, first)),
            ("reached", sprays),
            ("following", self._following(rule, query, [*window, OTHERS])),
            ("led_by", sql_evidence.led_by(rule, [*window], end)),
            ("first_hits", sql_evidence.first_hits(window)),
            ("evidence", sql_evidence.rows(rule, evidence(rule), "following", [FIRST, OTHERS], earlier, ends=end)),
        ]
        ends = exp.column("ends")
        start = exp.Sub(this=ends, expression=interval(query.within))
        grouped = self._finding(
            rule, "evidence", (start, ends), (FIRST, TIME), own_ids(), events=sql_evidence.counted()
        )
        # what follows a month later is another finding
        grouped = grouped.group_by(*[folded(column(key.field.name)) for key in rule.keys], ends.copy())
        return self._text(rule, tables, grouped)

    def joined(self, rule: Rule, query: ir.JoinQuery) -> tuple[str, tuple[str, ...]]:
        mine, theirs = query.on
        partners = (
            exp.select(exp.alias_(folded(column(theirs.name)), "partner_key"), exp.alias_(column(TIME), "partner_time"))
            .select(exp.alias_(column(ID), "partner_id"))
            .distinct()
            .from_(exp.to_table(query.source))
            .where(self.predicates.write(query.partner), given(column(theirs.name)))
        )
        event = exp.select("*").from_(exp.to_table(rule.source)).where(
            self.predicates.write(query.where), given(column(mine.name))
        )  # fmt: skip
        late = exp.Greatest(this=column(TIME), expressions=[exp.column("partner_time")], ignore_nulls=True)
        early = exp.Least(this=column(TIME), expressions=[exp.column("partner_time")], ignore_nulls=True)
        end = at(slot(late, query.every, 1), query.every, self.profile)
        start = exp.Sub(this=end.copy(), expression=interval(query.length))
        bounds = {
            "window_end": exp.Max(this=end), "window_start": exp.Min(this=start),
            FIRST: exp.Min(this=early.copy()), LAST: exp.Max(this=late.copy()),
            "first_place": exp.Min(this=exp.column("place")), "last_place": exp.Max(this=exp.column("place")),
            OTHERS: exp.Count(this=exp.Star()),
        }  # fmt: skip
        pairs = (
            exp.select(exp.alias_(column(ID), "pair_id"), *[exp.alias_(told, name) for name, told in bounds.items()])
            .from_(exp.to_table("event"))
            .join("partner", on=exp.EQ(this=folded(column(mine.name)), expression=exp.column("partner_key")))
            .where(exp.LTE(this=start.copy(), expression=early))
            .group_by(column(ID))
        )
        hits = exp.select("event.*", *bounds).from_(exp.to_table("event"))
        hits = hits.join("pairs", on=exp.EQ(this=column(ID), expression=exp.column("pair_id")))
        times = ["window_start", "window_end", FIRST, LAST, OTHERS]
        told = sql_evidence.partners(rule, folded(column(mine.name)))
        tables = [
            ("event", event),
            ("partner", sql_evidence.ordered_partners(partners)),
            ("pairs", pairs),
            ("hits", hits),
            ("evidence", sql_evidence.rows(rule, evidence(rule), "hits", times, told)),
        ]
        window = exp.column("window_start"), exp.column("window_end")
        grouped = self._finding(rule, "evidence", window, (FIRST, LAST), own_ids(), events=sql_evidence.counted())
        return self._text(rule, tables, grouped.group_by(*[folded(column(key.field.name)) for key in rule.keys]))

    # --- their parts ---

    def _windowed(self, rule: Rule, query: ir.WindowQuery) -> exp.Select:
        """The matching rows, each once for every window that holds it, the group's key present."""
        steps = numbers(query.length // query.every, self.profile)
        slots = exp.Add(this=slot(column(TIME), query.every, 1), expression=exp.column("step"))
        end = at(slots, query.every, self.profile)
        present = [self.predicates.write(ir.Present(field)) for field in query.by]
        return (
            exp.select(f"{rule.source}.*", exp.alias_(end, "window_end"))
            .from_(exp.to_table(rule.source))
            .join(steps, join_type="cross")
            .where(self.predicates.write(query.where), *present)
        )

    def _reached(self, query: ir.WindowQuery, source: str) -> exp.Select:
        """The groups, and the windows, in which the threshold was met."""
        keys = {f"reached_{place}": group_key(field) for place, field in enumerate(query.by)}
        end = exp.column("window_end")
        return (
            exp.select(*[exp.alias_(key.copy(), name) for name, key in keys.items()], exp.alias_(end, REACHED))
            .from_(exp.to_table(source))
            .group_by(*keys.values(), end.copy())
            .having(exp.GTE(this=self._measured(query), expression=self.predicates.value(query.measure.at_least)))
        )

    def _following(self, rule: Rule, query: ir.FollowedQuery, group: Sequence[str]) -> exp.Select:
        on: list[Expr] = [
            exp.EQ(this=folded(column(field.name)), expression=exp.column(f"same_{n}"))
            for n, field in enumerate(query.same)
        ]
        on.append(exp.GT(this=column(TIME), expression=exp.column(LAST)))
        latest = exp.Add(this=exp.column(LAST), expression=interval(query.within))
        on.append(exp.LTE(this=column(TIME), expression=latest))
        for field in listed(query.among):
            on.append(exp.ArrayContains(this=exp.column("tried"), expression=folded(column(field.name))))
            on.append(given(column(field.name)))
        return (
            exp.select(f"{rule.source}.*", FIRST, *group)
            .from_(exp.to_table(rule.source))
            .join("reached", on=all_of(on))
            .where(self.predicates.write(query.then))
        )

    def _outside(self, outside: ir.Outside, hits: str, moment: Expr) -> list[tuple[str, exp.Select]]:
        return sql_baseline.outside(self.baselines[outside.baseline], outside, hits, moment, self.predicates)

    def _measured(self, query: ir.WindowQuery) -> Expr:
        measure = query.measure
        counted: Expr = column(ID)
        if isinstance(measure, ir.Distinct):
            if measure.field.many:
                raise Unsupported(measure, of_list(measure.field, "counting the values of"))
            counted = comparable(measure.field, column(measure.field.name))
            if isinstance(counted, exp.Lower):
                counted = exp.Nullif(this=counted, expression=exp.Literal.string(""))
        return count_distinct(counted)

    def _measure(self, query: ir.WindowQuery) -> Expr:
        measure = query.measure
        name = f"distinct {measure.field.name}" if isinstance(measure, ir.Distinct) else "attempts"
        return exp.alias_(self._measured(query), name, quoted=True)

    def _finding(
        self, rule: Rule, source: str, window: tuple[Expr, Expr], times: tuple[str, str] = (TIME, TIME),
        *measures: Expr, events: Optional[Expr] = None,
    ) -> exp.Select:  # fmt: skip
        """The finding's columns, of whatever the rows are grouped by.

        :param times: columns of the rows: the first and the last time of the events that a row rests on.
        :param events: how many those are, where the rows are not all of them.
        """
        keys = [exp.alias_(exp.Min(this=column(key.field.name)), key.name, quoted=True) for key in rule.keys]
        return exp.select(
            *keys,
            exp.alias_(once(window[0], exp.Min), "window_start"),
            exp.alias_(once(window[1], exp.Max), "window_end"),
            named(exp.Min, column(times[0]), "first_event"),
            named(exp.Max, column(times[1]), "last_event"),
            exp.alias_(self._level(rule), "level"),
            *measures,
            exp.alias_(events or count_distinct(column(ID)), "events"),
            exp.alias_(distinct(column(ID)), "event_ids"),
            *[self._seen(field) for field in evidence(rule)],
        ).from_(exp.to_table(source))

    def _seen(self, ref: ir.FieldRef) -> Expr:
        """The different values that the finding's events have in a field; a list as one text."""
        value: Expr = column(ref.name)
        if ref.many:
            value = exp.ArrayToString(this=value, expression=exp.Literal.string(", "))
        return exp.alias_(distinct(value), ref.name, quoted=True)

    def _level(self, rule: Rule) -> Expr:
        """The rule's level, or the highest that one of the finding's events raises it to."""
        level = exp.Case()
        for step in sorted(rule.escalations, key=lambda step: -_LEVELS.index(step.level)):
            one = exp.Case().when(self.predicates.write(step.when), number(1)).else_(number(0))
            raised = exp.EQ(this=exp.Max(this=one), expression=number(1))
            level = level.when(raised, exp.Literal.string(step.level))
        plain = exp.Literal.string(rule.level)
        return level.else_(plain) if rule.escalations else plain

    def _text(
        self, rule: Rule, tables: Sequence[tuple[str, exp.Select]], select: exp.Select
    ) -> tuple[str, tuple[str, ...]]:
        for name, table in [*parameter_tables(rule.parameters), *tables]:
            select = select.with_(name, as_=table)
        try:
            body = select.sql(self.profile, pretty=True, unsupported_level=sqlglot.ErrorLevel.RAISE)
        except sqlglot.UnsupportedError as error:
            raise Unsupported(rule.query, f"{self.profile}: {error}") from error
        columns = tuple(part.alias_or_name for part in select.expressions)
        told = about(rule, notes.sql(rule, notes.asked(rule, self.baselines)))
        return "\n".join([*[f"-- {one}" for one in told], body, ""]), columns


def evidence(rule: Rule) -> list[ir.FieldRef]:
    """The fields whose values a finding shows beside its keys, each once."""
    keys = {key.field.name for key in rule.keys}
    fields = [*rule.shown, *(entity.field for entity in rule.entities)]
    return list({field.name: field for field in fields if field.name not in keys}.values())
