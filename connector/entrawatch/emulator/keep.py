"""Where the records are: one SQLite file, so that millions of them need no memory.

Every revision is a row with the span of time in which Graph shows it, [arrives, replaced).
"""

from __future__ import annotations

import errno
import sqlite3
import threading
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.emulator.resources import RESOURCES, source_of_stream
from entrawatch.emulator.times import ticks, ticks_of
from entrawatch.jsontext import dumps
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from entrawatch.emulator.records import Emitted

_BATCH = 5000
# The texts stand apart: indexes are made, and revisions linked, over the small table alone.
_TABLES = """
CREATE TABLE records (
    pos INTEGER PRIMARY KEY, source TEXT NOT NULL, id TEXT NOT NULL, time INTEGER NOT NULL,
    arrives INTEGER NOT NULL, replaced INTEGER NOT NULL DEFAULT 9223372036854775807,
    beta_only INTEGER NOT NULL, new_values INTEGER NOT NULL);
CREATE TABLE bodies (pos INTEGER PRIMARY KEY, body TEXT NOT NULL);
"""
# A later row of the same source and id takes over when it arrives; of equal arrivals the one that came in last.
_LINK = """
UPDATE records SET replaced = coalesce(
    (SELECT min(later.arrives) FROM records AS later
      WHERE later.source = records.source AND later.id = records.id
        AND (later.arrives, later.pos) > (records.arrives, records.pos)), 9223372036854775807)
WHERE (source, id) IN (
    SELECT source, id FROM records AS new WHERE pos > ? AND EXISTS (
        SELECT 1 FROM records AS other
         WHERE other.source = new.source AND other.id = new.id AND other.pos <> new.pos))
"""


@dataclass(frozen=True)
class Row:
    """One record of a page: its place in the order, its text, whether it holds what only beta shows, or new members."""

    time: int
    pos: int
    body: str
    beta_only: bool
    new_values: bool


def _time_of(emitted: Emitted, field: str) -> int:
    try:
        return ticks(str(emitted.record.get(field)))
    except ValueError:
        return ticks_of(emitted.arrives)


def _row(emitted: Emitted) -> tuple[str, str, int, int, bool, bool, str]:
    stream = STREAMS[emitted.stream]
    resource, record = RESOURCES[stream.path.lower()], emitted.record
    flags = not resource.beta_only.isdisjoint(record), resource.has_new_values(record)
    when = _time_of(emitted, stream.time_field)
    key = source_of_stream(stream), str(record.get("id"))
    return *key, when, ticks_of(emitted.arrives), *flags, dumps(record).decode()


def _ticks_or_null(text: Any) -> Optional[int]:
    try:
        return ticks(str(text))
    except ValueError:
        return None


class Keep:
    """The records; safe to use from several threads.

    :param path: file to make.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._linked = 0
        self._dirty = False
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # The file lives as long as the emulator: nothing needs to survive a crash.
        # Pages as large as a few records: a record of 5 kB would spill over pages of the default 4 kB.
        for pragma in ("page_size = 32768", "journal_mode = OFF", "synchronous = OFF", "temp_store = MEMORY"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.create_function("ticks", 1, _ticks_or_null, deterministic=True)
        self._db.executescript(_TABLES)
        self._last = 0

    def add(self, emitted: Iterable[Emitted]) -> int:
        """Take records in, in batches; the number of them.

        :raises KeyError: a stream that is not in the stream table.
        :raises OSError: the file cannot be written: the disk is full.
        """
        rows, total = map(_row, emitted), 0
        while batch := list(islice(rows, _BATCH)):
            try:
                with self._lock:
                    self._insert(batch)
            except sqlite3.OperationalError as error:
                raise OSError(errno.EIO, str(error), str(self._path)) from None
            total += len(batch)
        return total

    def _insert(self, batch: Sequence[tuple[Any, ...]]) -> None:
        numbered = list(enumerate(batch, self._last + 1))
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT INTO records (pos, source, id, time, arrives, beta_only, new_values) VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((pos, *row[:-1]) for pos, row in numbered),
        )
        self._db.executemany("INSERT INTO bodies (pos, body) VALUES (?, ?)", ((pos, row[-1]) for pos, row in numbered))
        self._db.execute("COMMIT")
        self._last += len(batch)
        self._dirty = True

    def _link(self) -> None:
        """Indexes after the first load, and which revision replaces which, for the rows that are new since."""
        self._db.execute("CREATE INDEX IF NOT EXISTS by_time ON records (source, time)")
        self._db.execute("CREATE INDEX IF NOT EXISTS by_id ON records (source, id)")
        self._db.execute(_LINK, (self._linked,))
        self._linked = self._last
        self._dirty = False

    def select(self, where: str, params: Sequence[Any], order: str, limit: int, skip: int = 0) -> list[Row]:
        """Rows by a condition over the columns; `where` and `order` are ours, every value is a parameter."""
        columns = "time, pos, body, beta_only, new_values"
        # Only names of our own tables come into the text; every value is a parameter.
        tables = "records JOIN bodies USING (pos)"
        statement = f"SELECT {columns} FROM {tables} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608
        with self._lock:
            if self._dirty:
                self._link()
            found = self._db.execute(statement, (*params, limit, skip)).fetchall()
        return [Row(*row) for row in found]

    def close(self) -> None:
        """Let the file go."""
        self._db.close()
