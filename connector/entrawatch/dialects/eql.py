"""EQL over our own events in Elasticsearch: rules on single events, whose finding is the event itself.

Only what Elasticsearch runs as a query of its index is used: there a test of an absent field does not match and its
negation does, and a list passes a test when one of its values does, as the law has it. Functions that run as scripts
(`stringContains`, comparisons of two fields) differ in both, and are not used.

EQL counts no distinct values, knows no baseline and computes no level; such rules are refused.
https://www.elastic.co/docs/reference/query-languages/eql/eql-syntax
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.dialects import notes
from entrawatch.dialects.base import Dialect, Unsupported
from entrawatch.dialects.comments import about
from entrawatch.dialects.eql_predicates import EqlPredicates, field_name
from entrawatch.dialects.esql_text import streams
from entrawatch.dialects.esql_tree import lines
from entrawatch.dialects.sql import evidence

if TYPE_CHECKING:
    from entrawatch.rules import ir
    from entrawatch.rules.rule import Rule


class Eql(Dialect):
    """The EQL dialect; its columns are the event's own fields, the keys first."""

    name = "eql"

    def event(self, rule: Rule, query: ir.EventQuery) -> tuple[str, tuple[str, ...]]:
        if query.outside:
            raise Unsupported(query.outside, "EQL compares events with nothing that was learnt before")
        for step in rule.escalations:
            raise Unsupported(step, "EQL gives events back as they are, without a level of their own")
        head = [f"// {told}" for told in about(rule, notes.eql(streams(rule.source)))]
        where = lines(EqlPredicates(rule.source).write(query.where), "  ")
        fields = [key.field for key in rule.keys] + evidence(rule)
        columns = tuple(dict.fromkeys(field_name(field, rule.source) for field in fields))
        return "\n".join([*head, f"any where {where}"]) + "\n", columns

    def window(self, rule: Rule, query: ir.WindowQuery) -> tuple[str, tuple[str, ...]]:
        raise Unsupported(query.measure, "EQL counts no distinct values: a revision or a second row counts again")

    def followed(self, rule: Rule, query: ir.FollowedQuery) -> tuple[str, tuple[str, ...]]:
        raise Unsupported(query.first.measure, "EQL counts no distinct values in a step of a sequence")

    def joined(self, rule: Rule, query: ir.JoinQuery) -> tuple[str, tuple[str, ...]]:
        raise Unsupported(query, "EQL joins by order and distance (maxspan), not within one window")
