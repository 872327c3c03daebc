"""ES|QL over our own events in Elasticsearch, for stacks from 8.19 on (no INLINE STATS, no FORK, no subqueries).

A rule on single events gives events back, with `_id` and `_index`, so that Kibana tells them apart; the range of time
is its schedule's. All others give one row a finding, and look at whole hops by themselves: `window_end` is the last hop
that has ended when the query runs, so a run that starts late still sees its own window. Columns: the rule's keys under
their own names (other characters than letters and digits become `_`), `window_start`, `window_end`, `level`, the
measure, `events`, `event_ids`, and the shown fields under their names in the event; a list holds its first 100 values.

Distinct values are counted by VALUES, which is exact (COUNT_DISTINCT is not); memory bounds it, and Elasticsearch
fails the query, it does not guess. A result holds at most 10,000 rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.dialects.base import Dialect, Unsupported
from entrawatch.dialects.esql_baseline import lookup_name
from entrawatch.dialects.esql_followed import followed
from entrawatch.dialects.esql_joined import joined
from entrawatch.dialects.esql_parts import EVENT_IDS, Rows, columns_of, head, level, levels, window
from entrawatch.dialects.esql_text import command, name_of, some, span, streams
from entrawatch.dialects.esql_tree import lines
from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrawatch.rules.rule import Rule

_METADATA = ("_id", "_index", "_version", "@timestamp")


class Esql(Dialect):
    """The ES|QL dialect; its profiles are the oldest stack that runs the text."""

    name = "esql"
    profiles = ("8.19",)

    def event(self, rule: Rule, query: ir.EventQuery) -> tuple[str, tuple[str, ...]]:
        rows = Rows(rule)
        where = rows.predicates.write(query.where)
        keys = [f"{name_of(key.name)} = {rows.column(key.field)}" for key in rule.keys]
        kept = (*_METADATA, *[name_of(key.name) for key in rule.keys], "level", "event.id", *rows.evidence)
        outside = self._outside(rows, query.outside, rows.column) if query.outside else []
        return head(
            rule,
            f"FROM {streams(rule.source)} METADATA _id, _index, _version",
            *rows.parameters(),
            f"| WHERE {lines(where)}",
            *outside,
            command("EVAL", [*keys, level(rule, rows.tests())]),
            command("KEEP", list(dict.fromkeys(kept))),
        ), tuple(dict.fromkeys([*[name_of(key.name) for key in rule.keys], *kept]))

    def window(self, rule: Rule, query: ir.WindowQuery) -> tuple[str, tuple[str, ...]]:
        rows = Rows(rule)
        where = rows.predicates.write(ir.And((query.where, *map(ir.Present, query.by))))
        name, counted = rows.measured(query.measure)
        groups = [f"{rows.group(field)} = {rows.predicates.compared(field)}" for field in query.by]
        aggregates = [
            *[f"{name_of(key.name)} = MIN({rows.column(key.field)})" for key in rule.keys],
            f"{name} = {counted}",
            "events = MV_COUNT(VALUES(event.id))",
            f"{EVENT_IDS} = {some('VALUES(event.id)')}",
            *[f"{column} = {some(f'VALUES({column})')}" for column in rows.evidence],
            *levels(rows),
        ]
        outside: list[str] = []
        if query.outside:
            outside = self._outside(rows, query.outside, lambda ref: _grouped(rows, query, ref))
        names = columns_of(rule, rows, name, "events")
        return head(
            rule,
            f"FROM {streams(rule.source)}",
            *window(query.every, query.length),
            f"| WHERE {lines(where)}",
            command("STATS", aggregates, ["window_end", *groups]),
            *rows.threshold(name, query.measure.at_least),
            *outside,
            command("EVAL", [f"window_start = window_end - {span(query.length)}", level(rule)]),
            command("KEEP", names),
        ), tuple(names)

    def followed(self, rule: Rule, query: ir.FollowedQuery) -> tuple[str, tuple[str, ...]]:
        return followed(rule, query)

    def joined(self, rule: Rule, query: ir.JoinQuery) -> tuple[str, tuple[str, ...]]:
        return joined(rule, query)

    def _outside(self, rows: Rows, outside: ir.Outside, column: Callable[[ir.FieldRef], str]) -> list[str]:
        """Only what the baseline's lookup indices do not know; an absent address is not judged."""
        baseline = self.baselines[outside.baseline]
        if outside.address.kind != "address" or outside.address.many:
            raise Unsupported(outside, f"{outside.address.name} is no single address")
        asked = [f"address = {column(outside.address)}"]
        joins = [f"| LOOKUP JOIN {lookup_name(baseline, 'networks')} ON address"]
        known = ["address IS NOT NULL", f"COALESCE(network_days, 0) < {baseline.days}"]
        if outside.country:
            if outside.country.many:
                raise Unsupported(outside, f"{outside.country.name} is no single country")
            asked.append(f"country = TO_LOWER({column(outside.country)})")
            joins.append(f"| LOOKUP JOIN {lookup_name(baseline, 'countries')} ON country")
            known.append(f"COALESCE(country_days, 0) < {baseline.days}")
        return [command("EVAL", asked), *joins, "| WHERE " + "\n    AND ".join(known)]


def _grouped(rows: Rows, query: ir.WindowQuery, ref: ir.FieldRef) -> str:
    """The group's value of a field, which a baseline is asked about.

    :raises Unsupported: the group has no one value of it.
    """
    if ref.name not in {field.name for field in query.by}:
        raise Unsupported(query, f"a baseline on {ref.name}, by which the rule does not group")
    return rows.group(ref)
