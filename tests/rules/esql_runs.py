"""A rule's ES|QL text as Kibana would run it: at the hops at which what it sees changes, the results together."""

from __future__ import annotations

import ipaddress
from bisect import bisect_left
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Callable

from entrawatch.dialects import esql_baseline
from entrawatch.dialects.esql_parts import LATE
from entrawatch.dialects.esql_text import column_of
from entrawatch.rules import ir
from entrawatch.schema.fields import resolve

from .esql_engine import Lookups, Run, columns, document, parsed
from .esql_values import Row, cell
from .judge import Networks, ceiling, fold
from .test_catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from entrawatch.dialects.base import Compiled
    from entrawatch.rules.rule import Baseline

    from . import judge

#: a run: its clock, its documents and its lookup indices
Moment = tuple["datetime", list[Row], Lookups]
#: the oldest stack that we write for
OLDEST = "8.19.0"


@cache
def lookup_types() -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """Lookup index → its fields' types, as the index is created."""
    return tuple(
        (name, tuple((field, node["type"]) for field, node in index["mappings"]["properties"].items()))
        for baseline in CATALOGUE.baselines.values()
        for name, index in esql_baseline.indices(baseline).items()
    )


def stored(row: judge.Row) -> Row:
    """The document of a row, empty texts kept: our normaliser drops them, Elastic's integration may write them."""
    found = document(row.event)
    for field in map(resolve, ("userAgent", "appDisplayName", "authenticationMethodsUsed"), ["signin"] * 3):
        assert field is not None
        given = row.record.get(field.name)
        texts = sorted(set(given)) if isinstance(given, list) else [given]
        if "" in texts:
            found[field.ecs] = cell(texts)
    return found


def run(
    query: Compiled,
    rows: list[judge.Row],
    late: int = 0,
    documents: list[Row] | None = None,
    near: list[judge.Row] | None = None,
) -> list[Row]:
    """Everything the query finds in these rows.

    :param late: seconds by which each run starts late.
    :param documents: the rows' documents, where they are made already.
    :param near: the rows around which it runs; all, where not told.
    """
    tree = parsed(query.text, OLDEST, lookup_types())
    found: list[Row] = []
    for now, seen, known in moments(query, rows, late, documents, near):
        found += Run(seen, now, known).result(tree)
    return found


def in_turn(
    query: Compiled, logs: Iterable[list[judge.Row]], engine: Callable[[str, list[Moment]], list[list[Row]]]
) -> list[list[Row]]:
    """What an engine finds in each of several logs, told of them all at once.

    :param engine: gives what a text finds at each moment.
    """
    told = [list(moments(query, one)) for one in logs]
    found = iter(engine(query.text, [run for runs in told for run in runs]))
    return [[row for _ in runs for row in next(found)] for runs in told]


def moments(
    query: Compiled,
    rows: list[judge.Row],
    late: int = 0,
    documents: list[Row] | None = None,
    near: list[judge.Row] | None = None,
) -> Iterable[Moment]:
    """The runs; the parameters are those of `run`."""
    documents = columns(documents or [stored(row) for row in rows], query.text)
    asked = getattr(query.rule.query, "outside", None) is not None
    networks = [Networks(baseline, rows) for baseline in CATALOGUE.baselines.values()] if asked else []
    for now, seen in _moments(query.rule.query, rows, documents, rows if near is None else near):
        yield now + timedelta(seconds=late), seen, lookups(networks, now)


def lookups(networks: Iterable[Networks], moment: datetime) -> Lookups:
    """The lookup indices as they are when they were refreshed at that moment."""
    made: dict[str, tuple[dict[str, str], list[Row]]] = {name: (dict(types), []) for name, types in lookup_types()}
    for one in networks:
        _fill(made, one.baseline, one.at(moment))
    return made


def _fill(made: dict[str, Any], baseline: Baseline, known: tuple[set[str], set[str]]) -> None:
    addresses, countries = known
    for what, values in (("networks", addresses), ("countries", countries)):
        types, filled = made[esql_baseline.lookup_name(baseline, what)]
        kept = [ipaddress.ip_address(one) for one in values] if what == "networks" else list(values)
        filled += [
            {name: value if kind in {"ip", "keyword"} else baseline.days if kind == "integer" else None
             for name, kind in types.items()}
            for value in kept
        ]  # fmt: skip


def _moments(
    query: ir.Query, rows: list[judge.Row], documents: list[Row], near: list[judge.Row]
) -> Iterable[tuple[datetime, list[Row]]]:
    """When it runs, and which documents are there: for a rule on single events with a baseline, each event by itself
    at its own moment."""
    if isinstance(query, ir.EventQuery) and query.outside:
        asked = set(map(id, near))
        yield from ((row.time, [one]) for row, one in zip(rows, documents) if id(row) in asked)
    elif isinstance(query, ir.EventQuery):
        yield max(row.time for row in rows), documents
    else:
        ordered = sorted(documents, key=lambda one: one["@timestamp"])
        times = [one["@timestamp"] for one in ordered]
        reach = _reach(query)
        for now in hops(query, [row.time for row in near]):
            # more than the query may see, and not everything, since there are many runs
            yield now, ordered[bisect_left(times, now - reach * 1.25) : bisect_left(times, now + reach / 4)]


def _reach(query: ir.Query) -> timedelta:
    """How far back a run looks."""
    assert not isinstance(query, ir.EventQuery)
    apart = query.within + query.every + query.first.length if isinstance(query, ir.FollowedQuery) else query.length
    return apart + LATE


def hops(query: ir.Query, times: list[datetime]) -> list[datetime]:
    """The runs that see something new, and those behind them, which may tell of it too."""
    assert not isinstance(query, ir.EventQuery)
    enters = {ceiling(time, query.every) for time in times}
    return sorted(enters | {end + query.every for end in enters})


def keys(query: Compiled, found: Iterable[Row]) -> set[tuple[str, ...]]:
    """The results' keys, as the judge folds them."""
    columns = [column_of(key.field, query.rule.source).ecs for key in query.rule.keys]
    return {tuple(fold("" if (value := row[name]) is None else value) for name in columns) for row in found}
