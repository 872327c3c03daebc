"""Events out of a DuckDB file that our duckdb sink wrote: each row of its tables holds the whole event.

A database that one was sent may hold what its sender likes. So only stored rows are read: no view, and no column that
is computed, for either may compute for ever; what exists is asked of DuckDB's own functions by their full names, for a
macro of the file's may have the short ones; and nothing in it reaches a file, the network or Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from entrawatch import jsontext
from entrawatch.reading.items import Bad, Found, Item, Where
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

#: a file of DuckDB's begins with a checksum of eight bytes and this; https://duckdb.org/docs/stable/internals/storage
MAGIC, OFFSET = b"DUCK", 8
_ROWS = 2048
#: a row at a time needs little memory, and sorts nothing that would go to a disk
_CONFIG = {
    "enable_external_access": "false", "python_enable_replacements": "false", "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false", "memory_limit": "2GB", "threads": "1", "temp_directory": "",
    "lock_configuration": "true",
}  # fmt: skip
#: the sink's tables, in its order
_TABLES = (*dict.fromkeys(stream.family for stream in STREAMS.values()), "other")
#: no views are among them, nor looked into
_STORED = "SELECT table_name FROM system.main.duckdb_tables() WHERE schema_name = 'main'"
#: the sink's column that holds the event; one that is computed has a default
_EVENT = """SELECT 1 FROM system.main.pragma_table_info(?)
    WHERE name = 'event' AND type IN ('JSON', 'VARCHAR') AND dflt_value IS NULL"""
_STRANGE = "is a DuckDB database, but none of our duckdb sink's; give exported logs, or what fetch or a sink wrote"


def events(file: Path) -> Iterator[Item]:
    """Every event; the database is opened for reading only."""
    import duckdb

    try:
        with duckdb.connect(str(file), read_only=True, config=dict(_CONFIG)) as connection:
            tables = _tables(connection)
            if not tables:
                yield Bad(Where(str(file), 0), _STRANGE)
            for place, text in enumerate(_texts(connection, tables), 1):
                yield _item(Where(str(file), place), text)
    except duckdb.Error as error:
        yield Bad(Where(str(file), 0), _why(str(error).partition("\n")[0]))


def _tables(connection: DuckDBPyConnection) -> list[str]:
    stored = {name for (name,) in connection.execute(_STORED).fetchall()}
    there = [table for table in _TABLES if table in stored]
    return [table for table in there if connection.execute(_EVENT, [f"main.{table}"]).fetchone()]


def _texts(connection: DuckDBPyConnection, tables: Sequence[str]) -> Iterator[Optional[str]]:
    for table in tables:
        cursor = connection.execute(f"SELECT event::VARCHAR FROM main.{table}")  # noqa: S608 - one of `_TABLES`
        while rows := cursor.fetchmany(_ROWS):
            yield from (text for (text,) in rows)


def _item(where: Where, text: Optional[str]) -> Item:
    try:
        event = jsontext.loads(text or "")
    except ValueError:
        event = None
    return Found(where, event) if isinstance(event, dict) else Bad(where, "holds no event", (text or "")[:200])


def _why(line: str) -> str:
    if "Could not set lock" in line:
        return "another process has this database open; let it end, or give the files that it wrote"
    return f"is a DuckDB database that cannot be read ({line[:200]})"
