"""KQL executed by duckdb-kql, as a schedule would run it."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import duckdb_kql
import pyarrow as pa
from duckdb_kql.engine import schema

from entrawatch.dialects.kql import PERIOD
from entrawatch.dialects.kql_text import spelled
from entrawatch.rules import ir

from . import kql_addresses
from .judge import ceiling, fold
from .kql_rows import TABLES, described, row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from entrawatch.dialects.base import Compiled

    from .judge import Row

#: a run is late by this; what it looks at ends before
LATE = timedelta(minutes=2, seconds=17)
HOUR = timedelta(hours=1)
kql_addresses.teach()
_MOMENTS = pa.schema([("moment", pa.timestamp("us"))])


class Workspace:
    """A Log Analytics workspace in memory, holding these records."""

    def __init__(self, records: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        self.records = list(records)
        self.connection = duckdb_kql.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute("SET threads = 1")
        filled: dict[str, list[list[Any]]] = defaultdict(list)
        for stream, record in self.records:
            if stream in TABLES:
                filled[TABLES[stream]].append(row(TABLES[stream], record))
        for table in TABLES.values():
            self.connection.execute(f"CREATE TABLE {table} ({described(table)})")
            if filled[table]:
                rows = pa.table({str(place): list(values) for place, values in enumerate(zip(*filled[table]))})
                self.connection.register("filled", rows)
                self.connection.execute(f"INSERT INTO {table} SELECT * FROM filled")
                self.connection.unregister("filled")

    def run(self, text: str, now: datetime) -> list[dict[str, Any]]:
        """The result rows by column, of a run at this moment."""
        return self.runs(text, [now])

    def runs(self, text: str, moments: Iterable[datetime]) -> list[dict[str, Any]]:
        """The result rows of one run for each moment; of a query that does not ask for the time, of one run.

        All runs are one query of DuckDB, with the moment as a column: 3,000 runs take as long as three by themselves.
        """
        translated = str(_translated(text))
        if kql_addresses.READ in translated:
            self.connection.register(kql_addresses.READ, kql_addresses.table(self.records))
        if "$kqlnow" in translated:
            table = pa.table({"moment": [one.replace(tzinfo=None) for one in moments]}, _MOMENTS)
            self.connection.register("runs", table)
            translated = f"SELECT found.* FROM runs, LATERAL ({translated.replace('$kqlnow', 'runs.moment')}) AS found"
        result = self.connection.execute(translated)
        names = [column[0] for column in result.description or []]
        found = [dict(zip(names, values)) for values in result.fetchall()]
        self.connection.unregister("runs")
        return found

    def scheduled(self, query: Compiled, rows: Iterable[Row]) -> list[dict[str, Any]]:
        """The result rows of every run of the schedule that sees one of these rows."""
        return self.runs(query.text, moments(query.rule.query, list(rows)))


@cache
def _translated(text: str) -> Any:
    """The query as SQL, in which the run's moment is a parameter: reading KQL is slow."""
    return duckdb_kql.to_sql(text, schema=_schema(), query_now="1901-02-03T04:05:06Z")


@cache
def _schema() -> Any:
    """The tables' columns, the same in all workspaces."""
    return schema(Workspace([]).connection)


def moments(query: ir.Query, rows: list[Row]) -> list[datetime]:
    """When the schedule runs: first where the first row is seen, last where none is seen any more."""
    times = sorted({one.time for one in rows})
    if not times:
        return []
    if isinstance(query, ir.EventQuery):
        if query.outside is None:
            return [times[-1] + LATE]
        return sorted({ceiling(time, HOUR) + late for time in times for late in (timedelta(0), PERIOD - HOUR)})
    length = query.within if isinstance(query, ir.FollowedQuery) else query.length
    first, last = ceiling(times[0], query.every), ceiling(times[-1], query.every) + length
    return [first + turn * query.every + LATE for turn in range((last - first) // query.every + 1)]


def keys(query: Compiled, results: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    """The keys of the results, folded as the judge folds them."""
    return {tuple(fold(found[spelled(key.name)]) for key in query.rule.keys) for found in results}


def ids(results: list[dict[str, Any]]) -> set[str]:
    """The events of the results."""
    return {one for found in results for one in json.loads(found["EventIds"])}
