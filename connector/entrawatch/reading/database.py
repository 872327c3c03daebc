"""Events out of a DuckDB file that our duckdb sink wrote: each row of its view `events` holds the whole event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from entrawatch import jsontext
from entrawatch.reading.items import Bad, Found, Item, Where

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: a file of DuckDB's begins with a checksum of eight bytes and this; https://duckdb.org/docs/stable/internals/storage
MAGIC, OFFSET = b"DUCK", 8
_ROWS = 2048
#: a database that one was sent may hold views of its sender's: they reach no file, no network and nothing of Python's
_SHUT = {"enable_external_access": "false", "python_enable_replacements": "false"}


def events(file: Path) -> Iterator[Item]:
    """Every event; the database is opened for reading only."""
    import duckdb

    try:
        with duckdb.connect(str(file), read_only=True, config=dict(_SHUT)) as connection:
            cursor = connection.execute("SELECT event::VARCHAR FROM events")
            place = 0
            while rows := cursor.fetchmany(_ROWS):
                for (text,) in rows:
                    place += 1
                    yield _item(Where(str(file), place), text)
    except duckdb.Error as error:
        yield Bad(Where(str(file), 0), _why(str(error).partition("\n")[0]))


def _item(where: Where, text: Optional[str]) -> Item:
    try:
        event = jsontext.loads(text or "")
    except ValueError:
        event = None
    return Found(where, event) if isinstance(event, dict) else Bad(where, "holds no event", (text or "")[:200])


def _why(line: str) -> str:
    if "Could not set lock" in line:
        return "another process has this database open; let it end, or give the files that it wrote"
    if "does not exist" in line or "not found" in line:
        return "is a DuckDB database, but none of our duckdb sink's; give exported logs, or what fetch or a sink wrote"
    return f"is a DuckDB database that cannot be read ({line[:200]})"
