"""ES|QL over events in Elasticsearch, ours or Elastic's azure integration's, for stacks from 8.19 on (no INLINE STATS,
no FORK, no subqueries).

A rule on single events gives events back, with `_id` and `_index`, so that Kibana tells them apart; the range of time
is its schedule's. All others give one row a finding, and look at whole hops by themselves: at the windows that ended
in the last hour, and of those, at the ones in which something has just arrived (see `esql_parts`). Columns: the rule's
keys and its shown fields under their names in the event, so that exceptions and entities work on them; `window_start`,
`window_end`, `level` (where that may rise, `risk_score`), the measure, `events` and `event_ids`. A list holds its
first 100 values.

Distinct values are counted by VALUES, which is exact (COUNT_DISTINCT is not); memory bounds it, and Elasticsearch
fails the query, it does not guess. A result holds at most 10,000 rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.dialects import notes
from entrawatch.dialects.base import Dialect, Unsupported
from entrawatch.dialects.esql_baseline import lookup_name
from entrawatch.dialects.esql_followed import followed
from entrawatch.dialects.esql_joined import joined
from entrawatch.dialects.esql_parts import (
    EVENT_IDS,
    Rows,
    arrived,
    columns_of,
    fresh,
    graded,
    head,
    level,
    levels,
    lookback,
    merged,
    rest,
    windows,
)
from entrawatch.dialects.esql_text import command, span, streams
from entrawatch.dialects.esql_tree import lines
from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrawatch.rules.rule import Rule

_SEPARATOR = ', " | ", '
_METADATA = ("_id", "_index", "_version", "@timestamp")


class Esql(Dialect):
    """The ES|QL dialect; its profiles are the oldest stack that runs the text."""

    name = "esql"
    profiles = ("8.19",)

    def event(self, rule: Rule, query: ir.EventQuery) -> tuple[str, tuple[str, ...]]:
        rows = Rows(rule)
        where = rows.predicates.write(query.where)
        kept = list(dict.fromkeys([*_METADATA, *rows.keys, *graded(rule), *rows.evidence]))
        outside = self._outside(rows, query.outside, rows.column) if query.outside else []
        return head(
            rule,
            f"FROM {streams(rule.source)} METADATA _id, _index, _version",
            *rows.parameters(),
            f"| WHERE {lines(where)}",
            *outside,
            command("EVAL", level(rule, rows.tests())),
            command("KEEP", kept),
            baseline=notes.asked(rule, self.baselines),
        ), tuple(dict.fromkeys([*rows.keys, *kept]))

    def window(self, rule: Rule, query: ir.WindowQuery) -> tuple[str, tuple[str, ...]]:
        rows = Rows(rule)
        where = rows.predicates.write(ir.And((query.where, *map(ir.Present, query.by))))
        name, counted = rows.measured(query.measure)
        groups = [rows.group(field) for field in query.by]
        aggregates = [
            *[f"{key} = MIN({key})" for key in rows.keys],
            f"{name} = {counted}",
            f"events = MV_COUNT(VALUES({rows.identity}))",
            f"{EVENT_IDS} = VALUES({rows.identity})",
            *[f"{column} = VALUES({column})" for column in rows.evidence],
            *levels(rows),
            f"arrived = {arrived()}",
        ]
        outside: list[str] = []
        if query.outside:
            outside = self._outside(rows, query.outside, lambda ref: _grouped(rows, query, ref))
        names = columns_of(rule, rows, name, "events")
        return head(
            rule,
            f"FROM {streams(rule.source)}",
            lookback(query.every, query.length),
            f"| WHERE {lines(where)}",
            *windows(query.every, query.length),
            command(
                "STATS",
                aggregates,
                ["window_end", *[f"{rows.group(one)} = {rows.predicates.compared(one)}" for one in query.by]],
            ),
            *rows.threshold(name, query.measure.at_least),
            f"| WHERE {fresh(query.every, 'arrived')}",
            merged(rows, groups, name, "events"),
            *outside,
            command("EVAL", [f"window_start = first_end - {span(query.length)}", *level(rule), *_rest(rule, rows)]),
            command("KEEP", names),
            baseline=notes.asked(rule, self.baselines),
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


def _rest(rule: Rule, rows: Rows) -> list[str]:
    """The assignment of the further keys, as they compare."""
    keys = [f"TO_STRING({rows.group(key.field)})" for key in rule.keys[2:]]
    return [f"{name} = CONCAT({_SEPARATOR.join(keys)})" for name in rest(rule)]


def _grouped(rows: Rows, query: ir.WindowQuery, ref: ir.FieldRef) -> str:
    """The group's value of a field, which a baseline is asked about.

    :raises Unsupported: the group has no one value of it.
    """
    if ref.name not in {field.name for field in query.by}:
        raise Unsupported(query, f"a baseline on {ref.name}, by which the rule does not group")
    return rows.group(ref)
