"""One DuckDB file: a table for each family of events with the field table's columns, and all events in one view.

The columns are those of `columns.py`; times have a zone, for the rules' SQL compares them with times that have one. The
column `event` has the whole event as JSON, so a value that does not fit its column's type is not lost. The view
`events` has what all families share.
"""

from __future__ import annotations

import stat
import threading
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Optional

from entrawatch import jsontext
from entrawatch.errors import RecordError, SinkRefusedError, SinkUnavailableError
from entrawatch.interfaces import Rejected, WriteResult
from entrawatch.sinks.columns import FAMILIES, OTHER, columns, family_of, typed
from entrawatch.sinks.lines import encode
from entrawatch.sinks.options import Option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from entrawatch.interfaces import Clock, Event, Observer

OPTIONS: Mapping[str, Option] = {
    "path": Option("path", "database file; made where it is missing", required=True),
    "memory_bytes": Option("int", "most memory DuckDB may use; DuckDB's own choice where not given", least=2**26),
}
_TYPES = {"text": "VARCHAR", "texts": "VARCHAR[]", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN",
          "time": "TIMESTAMPTZ", "json": "JSON"}  # fmt: skip
_ID, _REVISION, _EVENT = "event.id", "entra.revision", "event"


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def _definitions(family: str) -> dict[str, str]:
    return {**{column.name: _TYPES[column.kind] for column in columns(family)}, _EVENT: "JSON"}


def _structure(family: str) -> str:
    """What `from_json` reads a row as: short keys, times as text."""
    kinds = {"time": "VARCHAR", "json": "VARCHAR", "texts": ["VARCHAR"]}
    read = {f"c{n}": kinds.get(c.kind, _TYPES[c.kind]) for n, c in enumerate(columns(family))}
    return jsontext.dumps({**read, _EVENT: "VARCHAR"}).decode()


def _insert(family: str) -> str:
    """One statement for a batch: $1 is the rows, as JSON texts."""
    cells = [f"r.c{n}::{_TYPES[c.kind]}" for n, c in enumerate(columns(family))]
    names = ", ".join(quoted(name) for name in _definitions(family))
    return (
        f"INSERT INTO {quoted(family)} ({names}) SELECT {', '.join(cells)}, r.{_EVENT}::JSON "  # noqa: S608
        f"FROM (SELECT from_json(unnest($1::VARCHAR[]), '{_structure(family)}') AS r) ON CONFLICT DO NOTHING"
    )


@cache
def _place(family: str, name: str) -> int:
    return [column.name for column in columns(family)].index(name)


def _row(event: Event, family: str) -> str:
    """The event as a row of its table, in JSON; what it has not is left out.

    :raises RecordError: it has no id to be known by, or JSON cannot say it.
    """
    text = encode(event).decode()
    row = typed(event, family)
    if not row.get(_place(family, _ID)):
        raise RecordError("has no event.id")
    row.setdefault(_place(family, _REVISION), 1)
    cells = {f"c{n}": v.isoformat() if isinstance(v, datetime) else v for n, v in row.items()}
    return jsontext.dumps({**cells, _EVENT: text}).decode()


class DuckdbSink:
    """Events to one DuckDB file, each (id, revision) once.

    DuckDB lets one process write and none read meanwhile: the file is held until `close`.
    """

    deduplicates = True
    shape = "event"

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        import duckdb

        self.name = name
        self._duckdb = duckdb
        self._path: Path = options["path"]
        self._memory = options["memory_bytes"]
        self._connection: Any = None
        self._lock = threading.Lock()

    @classmethod
    def from_options(
        cls, name: str, options: Mapping[str, Any], *, state_dir: Path, observer: Observer, clock: Clock,
        stop: Optional[threading.Event] = None,
    ) -> DuckdbSink:  # fmt: skip
        """See `sinks.build`; none of what it gives beside the options is used."""
        return cls(name, options)

    def write(self, events: Sequence[Event]) -> WriteResult:
        """See the protocol; one transaction.

        :raises SinkUnavailableError: the file is held by another process, or the disk is full.
        :raises SinkRefusedError: the file is no DuckDB database, or its version is newer than this DuckDB.
        """
        rows: dict[str, list[str]] = {}
        rejected = []
        for event in events:
            family = family_of(event)
            try:
                rows.setdefault(family, []).append(_row(event, family))
            except RecordError as error:
                rejected.append(Rejected(event, error.reason))
        with self._lock, self._faults():
            stored = self._store(rows)
        duplicates = len(events) - len(rejected) - stored
        return WriteResult(stored, duplicates, tuple(rejected))

    def check(self) -> None:
        """Open the file, which makes it and its tables where they are missing."""
        with self._lock, self._faults():
            self._open()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._drop()

    def _store(self, rows: dict[str, list[str]]) -> int:
        filled = {family: found for family, found in rows.items() if found}
        if not filled:
            return 0
        connection = self._open()
        connection.begin()
        stored = 0
        for family, found in filled.items():
            stored += connection.execute(_insert(family), [found]).fetchone()[0]
        connection.commit()
        self._close_to_others()
        return stored

    def _close_to_others(self) -> None:
        """The events are personal data, and DuckDB makes its files, the log beside it again and again, for all."""
        for path in (self._path, self._path.with_name(self._path.name + ".wal")):
            with suppress(OSError):  # not there, or another's file in a folder that we may write
                mode = stat.S_IMODE(path.stat().st_mode)
                if mode & stat.S_IRWXO:
                    path.chmod(mode & ~stat.S_IRWXO)

    def _open(self) -> Any:
        if self._connection is None:
            # Nothing is fetched from the network: JSON is built in, and no other extension is needed.
            config: dict[str, Any] = {"autoinstall_known_extensions": "false"}
            if self._memory:
                config["memory_limit"] = f"{self._memory}B"
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.is_file() and not self._path.stat().st_size:
                self._path.unlink()  # killed before the first byte: it holds nothing, and DuckDB refuses it for ever
            self._connection = self._duckdb.connect(str(self._path), config=config)
            self._close_to_others()
            for family in FAMILIES:
                self._make_table(family)
            self._make_view()
        return self._connection

    def _make_table(self, family: str) -> None:
        """Make the table, or add the columns that have come since it was made, and the zone to times without one."""
        definitions = _definitions(family)
        written = ", ".join(f"{quoted(name)} {kind}" for name, kind in definitions.items())
        key = f"PRIMARY KEY ({quoted(_ID)}, {quoted(_REVISION)})"
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS {quoted(family)} ({written}, {key})")
        query = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = ?"
        there = dict(self._connection.execute(query, [family]).fetchall())
        for name in definitions.keys() - there.keys():
            self._connection.execute(f"ALTER TABLE {quoted(family)} ADD COLUMN {quoted(name)} {definitions[name]}")
        for name in [name for name in definitions if there.get(name) == "TIMESTAMP"]:
            written = f"TYPE TIMESTAMPTZ USING {quoted(name)} AT TIME ZONE 'UTC'"
            self._connection.execute(f"ALTER TABLE {quoted(family)} ALTER {quoted(name)} {written}")

    def _make_view(self) -> None:
        names = ", ".join(quoted(name) for name in _definitions(OTHER))
        tables = " UNION ALL ".join(f"SELECT '{f}' AS family, {names} FROM {quoted(f)}" for f in FAMILIES)  # noqa: S608
        self._connection.execute(f"CREATE OR REPLACE VIEW events AS {tables}")

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Turn DuckDB's errors into the sink's. The connection is given up with each: the next write opens anew, and
        DuckDB undoes what was not committed."""
        try:
            yield
        except (self._duckdb.IOException, OSError) as error:
            self._drop()
            raise self._io(error) from None
        except self._duckdb.Error as error:
            self._drop()
            raise SinkUnavailableError(f"sink {self.name}: {self._path}: {_first_line(error)}") from None

    def _io(self, error: Exception) -> Exception:
        line = _first_line(error)
        if "not a valid DuckDB database" in line or "newer version" in line or isinstance(error, PermissionError):
            return SinkRefusedError(f"sink {self.name}: {self._path}: {line}; give another path")
        if "lock" in line:
            line = "another process has it open; close that one"
        return SinkUnavailableError(f"sink {self.name}: {self._path}: {line}")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
