"""A threshold and the event that follows it, in ES|QL, which joins no table with itself.

Failures stand once in each window that holds them, and are grouped by it; what may follow is grouped by its key in the
same STATS, under no window (`slot` is null). Windows that reach the threshold are then spread over their members, and
meet what may follow under the same key. Every pair of a window's last event and a following event is compared, so the
order and the distance are exact. It is told of when something of either has just arrived.
"""

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
    stamp,
    stamped,
    unstamped,
)
from entrawatch.dialects.esql_text import command, some, span, streams
from entrawatch.rules import ir

if TYPE_CHECKING:
    from entrawatch.rules.rule import Rule


def followed(rule: Rule, query: ir.FollowedQuery) -> tuple[str, tuple[str, ...]]:
    """Text and columns. The shown fields are those of all events of the key that may follow.

    :raises Unsupported: the finding's keys are not those that both steps share.
    """
    among = _answerable(rule, query)
    rows, first = Rows(rule), query.first
    name, _ = rows.measured(first.measure)
    same = {field.name: rows.group(field) for field in query.same}
    rest = [field for field in first.by if field.name not in same]
    names = columns_of(rule, rows, "last_time")
    return head(
        rule,
        f"FROM {streams(rule.source)}",
        lookback(query.every, query.within + query.every + query.first.length),
        *rows.parameters(),
        *_steps(rows, query, among),
        command("MV_EXPAND", ["slot"]),
        command(
            "EVAL",
            [
                "slot = CASE(slot >= 0, TO_LONG(@timestamp) / " + f"{_milliseconds(query)} + slot)",
                *[f"{rows.group(field)} = {rows.predicates.compared(field)}" for field in query.same],
                *[f"{rows.group(field)} = CASE(slot IS NOT NULL, {rows.predicates.compared(field)})" for field in rest],
                f"follower = CASE(slot IS NULL, {rows.predicates.compared(among)})",
            ],
        ),
        command(
            "STATS",
            [
                f"member = {rows.values(among)}",
                f"{name} = {rows.measured(first.measure)[1]}",
                "last_time = MAX(@timestamp) WHERE slot IS NOT NULL",
                f"arrived = {arrived('slot IS NOT NULL')}",
                f"following = VALUES({stamped('TO_STRING(@timestamp)', rows.identity)}) WHERE slot IS NULL",
                *[f"{column} = VALUES({column}) WHERE slot IS NULL" for column in rows.evidence],
                *[f"{key} = MIN({key}) WHERE slot IS NULL" for key in rows.keys],
            ],
            [*same.values(), *[rows.group(field) for field in rest], "slot", "follower"],
        ),
        *rows.threshold(name, first.measure.at_least, unless="slot IS NULL OR "),
        '| EVAL reached = CONCAT(TO_STRING(last_time), " ", TO_STRING(arrived))',
        "| MV_EXPAND member",
        command(
            "STATS",
            [
                "reached = VALUES(reached)",
                "following = VALUES(following)",
                *[f"{column} = VALUES({column})" for column in rows.evidence],
                *[f"{key} = MIN({key})" for key in rows.keys],
            ],
            [*same.values(), "member"],
        ),
        "| MV_EXPAND following",
        "| MV_EXPAND reached",
        command(
            "EVAL",
            [
                f"followed_arrived = {stamp('following')}",
                f"follows_at = {stamp('following', 1)}",
                f"{EVENT_IDS} = {unstamped('following', 2)}",
                f"last_time = {stamp('reached')}",
                f"reached_arrived = {stamp('reached', 1)}",
            ],
        ),
        f"| WHERE {after(query)}",
        f"| WHERE {fresh(query.every, 'followed_arrived', 'reached_arrived')}",
        command("STATS", _finding(rows, query), [*same.values(), "member"]),
        command("EVAL", ["window_start = first_hop - " + span(query.within), "window_end = last_hop", *level(rule)]),
        command("KEEP", names),
    ), tuple(names)


def _answerable(rule: Rule, query: ir.FollowedQuery) -> ir.FieldRef:
    first, among = query.first, query.among
    if first.outside:
        raise Unsupported(query, "a baseline on the first step of a sequence")
    if among is None or among.many or among.kind != "text":
        raise Unsupported(query, "a following event that shares no single text field with the group's events")
    if rule.escalations:
        raise Unsupported(query, "a level of its own for each following event")
    if not {field.name for field in query.same} <= {field.name for field in first.by}:
        raise Unsupported(query, "a shared field that is no part of the group's key")
    if not {key.field.name for key in rule.keys} <= {among.name, *[field.name for field in query.same]}:
        raise Unsupported(query, "a key that both steps do not share")
    if query.every % first.every:
        raise Unsupported(query, "windows of the first step that do not end with a hop")
    return among


def _steps(rows: Rows, query: ir.FollowedQuery, among: ir.FieldRef) -> list[str]:
    """`slot`: 0, 1, … for an event of the first step, one for each window that holds it, and -1 for one that may
    follow."""
    windows = ", ".join(map(str, range(query.first.length // query.first.every)))
    where = rows.predicates.write(ir.And((query.first.where, *map(ir.Present, query.first.by))))
    then = rows.predicates.write(ir.And((query.then, *map(ir.Present, (*query.same, among)))))
    return [
        command("EVAL", [clause_column("is_first", where), clause_column("is_then", then)]),
        "| WHERE is_first OR is_then",
        f"| EVAL slot = CASE(is_first AND is_then, [-1, {windows}], is_first, [{windows}], -1)",
    ]


def after(query: ir.FollowedQuery) -> str:
    """That an event follows a window's last one, and in time."""
    return f"follows_at > last_time AND follows_at <= last_time + {span(query.within)}"


def _milliseconds(query: ir.FollowedQuery) -> int:
    return int(query.first.every.total_seconds() * 1000)


def _finding(rows: Rows, query: ir.FollowedQuery) -> list[str]:
    hop = f"DATE_TRUNC({span(query.every, days=False)}, follows_at)"
    return [
        *[f"{key} = MIN({key})" for key in rows.keys],
        f"first_hop = MIN({hop}) + {span(query.every)}",
        f"last_hop = MAX({hop}) + {span(query.every)}",
        "last_time = MAX(last_time)",
        f"{EVENT_IDS} = {some(f'VALUES({EVENT_IDS})')}",
        *[f"{column} = {some(f'VALUES({column})')}" for column in rows.evidence],
    ]
