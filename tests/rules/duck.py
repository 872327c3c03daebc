"""The tables of the SQL dialect in DuckDB, filled with a case's rows."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from entrawatch.hunt.columns import columns, rower

from .judge import fold

if TYPE_CHECKING:
    from collections.abc import Iterable

    from entrawatch.dialects.base import Compiled
    from entrawatch.rules.catalogue import Catalogue

    from .judge import Row

SOURCES = ("signin", "audit")


def tables(catalogue: Catalogue, rows: Iterable[Row]) -> duckdb.DuckDBPyConnection:
    """A database in memory with `signin` and `audit`, the last one's tables replaced."""
    rows = list(rows)
    connection = _connection()
    for source in SOURCES:
        known = columns(source, catalogue.rules.values(), catalogue.baselines.values())
        described = ", ".join(f'"{column.name}" {column.type}' for column in known)
        connection.execute(f"CREATE OR REPLACE TABLE {source} ({described})")
        to_row = rower(known)
        filled = [to_row(row.event) for row in rows if row.source == source]
        if filled:
            connection.register("filled", pa.table({str(n): list(values) for n, values in enumerate(zip(*filled))}))
            connection.execute(f"INSERT INTO {source} SELECT * FROM filled")
            connection.unregister("filled")
    return connection


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def found(connection: duckdb.DuckDBPyConnection, query: Compiled) -> list[dict[str, Any]]:
    """The result rows by column."""
    result = connection.execute(query.text)
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row)) for row in result.fetchall()]


def keys(query: Compiled, results: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    """The keys of the results, folded as the judge folds them."""
    return {tuple(fold(row[key.name]) for key in query.rule.keys) for row in results}
