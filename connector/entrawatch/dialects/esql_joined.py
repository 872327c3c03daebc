"""An event and its partner of another source in ES|QL: both are read at once and meet under their common key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.dialects.base import Unsupported
from entrawatch.dialects.esql_parts import (
    EVENT_IDS,
    Rows,
    arrived,
    clause_column,
    columns_of,
    fresh,
    head,
    level,
    lookback,
    merged,
    stamp,
    stamped,
    unstamped,
    windows,
)
from entrawatch.dialects.esql_predicates import EsqlPredicates
from entrawatch.dialects.esql_text import command, dataset, span, streams, string
from entrawatch.dialects.esql_tree import Clause, Test
from entrawatch.dialects.esql_tree import joined as together

if TYPE_CHECKING:
    from entrawatch.rules import ir
    from entrawatch.rules.rule import Rule


def joined(rule: Rule, query: ir.JoinQuery) -> tuple[str, tuple[str, ...]]:
    """Text and columns. The shown fields are those of all the key's events, not of one alone.

    :raises Unsupported: a finding is not one event, or its level depends on it.
    """
    _answerable(rule, query)
    rows, partner = Rows(rule), EsqlPredicates(query.source)
    mine, theirs = rows.predicates.compared(query.on[0]), partner.compared(query.on[1])
    names = columns_of(rule, rows)
    shown = [f"{column} = VALUES({column}) WHERE is_event" for column in rows.evidence]
    return head(
        rule,
        f"FROM {streams(rule.source, query.source)}",
        lookback(query.every, query.length),
        *rows.parameters(),
        command(
            "EVAL",
            [
                clause_column("is_event", _of(rule.source, rows.predicates.write(query.where))),
                clause_column("is_partner", _of(query.source, partner.write(query.partner))),
            ],
        ),
        f"| EVAL shared_key = CASE(is_event, {mine}, is_partner, {theirs})",
        '| WHERE shared_key != ""',
        *windows(query.every, query.length),
        command(
            "STATS",
            [
                f"{EVENT_IDS} = VALUES({stamped(rows.identity)}) WHERE is_event",
                "partners = COUNT(*) WHERE is_partner",
                f"partner_arrived = {arrived('is_partner')}",
                *shown,
            ],
            ["window_end", "shared_key"],
        ),
        "| WHERE partners > 0",
        f"| MV_EXPAND {EVENT_IDS}",
        f"| WHERE {EVENT_IDS} IS NOT NULL",
        command("EVAL", [f"arrived = {stamp(EVENT_IDS)}", f"{EVENT_IDS} = {unstamped(EVENT_IDS)}"]),
        f"| WHERE {fresh(query.every, 'arrived', 'partner_arrived')}",
        f"| EVAL {rows.identity} = {EVENT_IDS}",
        merged(rows, [rows.identity]),
        command("EVAL", [f"window_start = first_end - {span(query.length)}", *level(rule)]),
        command("KEEP", names),
    ), tuple(names)


def _answerable(rule: Rule, query: ir.JoinQuery) -> None:
    if query.source == rule.source:
        raise Unsupported(query, "a partner in the same source: a row would be both")
    if [key.field.name for key in rule.keys] != ["id"]:
        raise Unsupported(query, "a join gives back the event's id alone")
    if rule.escalations:
        raise Unsupported(query, "a level of its own for each event of a join")
    if any(field.many or field.kind != "text" for field in query.on):
        raise Unsupported(query, "a key that is no single text")


def _of(source: str, where: Clause) -> Clause:
    """The test, of events of this source alone."""
    return together("AND", [Test(f"data_stream.dataset == {string(dataset(source))}"), where], "true")
