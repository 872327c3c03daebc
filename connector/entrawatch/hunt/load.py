"""Exported logs into the hunt's tables: any shape the normaliser knows, a batch in memory at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Optional

import pyarrow as pa

from entrawatch.errors import RecordError
from entrawatch.normalize import normalize
from entrawatch.reading import Bad, Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

    from entrawatch.hunt.columns import Column
    from entrawatch.interfaces import Event
    from entrawatch.reading import Item

_BATCH = 20_000
#: bad records that are told one by one; the others are counted
_TOLD = 100
_SOURCES = {"azure.signinlogs": "signin", "azure.auditlogs": "audit"}

_ARROW = {
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMPTZ": pa.string(),
}


@dataclass
class Loaded:
    """What was read.

    :param records: records by source; `other` are those that no rule reads (risk, provisioning).
    :param bad: the first pieces that could not be read, "file:line: reason".
    :param bad_count: how many there were.
    """

    records: dict[str, int] = field(default_factory=lambda: {"signin": 0, "audit": 0, "other": 0})
    bad: list[str] = field(default_factory=list)
    bad_count: int = 0

    @property
    def total(self) -> int:
        """All records that were read."""
        return sum(self.records.values())

    def refuse(self, where: object, reason: str) -> None:
        """Note a piece that is no record."""
        self.bad_count += 1
        if len(self.bad) < _TOLD:
            self.bad.append(f"{where}: {reason}")


class Loader:
    """Fills the tables of one database.

    :param columns: the tables' columns by source.
    :param progress: called with the number of records read so far, once a batch.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        columns: Mapping[str, tuple[Column, ...]],
        progress: Optional[Callable[[int], None]] = None,
    ) -> None:
        self._connection, self._columns, self._progress = connection, columns, progress
        self._waiting: dict[str, list[Event]] = {source: [] for source in columns}
        self.loaded = Loaded()
        for source, known in columns.items():
            described = ", ".join(f'"{column.name}" {column.type}' for column in known)
            connection.execute(f"CREATE TABLE {source} ({described})")

    def load(self, items: Iterable[Item]) -> Loaded:
        """Read everything; what cannot be read is counted and told, never fatal."""
        for item in items:
            if isinstance(item, Bad):
                self.loaded.refuse(item.where, item.reason)
            else:
                self._keep(item)
        for source in self._columns:
            self._flush(source)
        return self.loaded

    def _keep(self, item: Found) -> None:
        try:
            event = normalize(item.record)
        except RecordError as error:
            self.loaded.refuse(item.where, error.reason)
            return
        source = _SOURCES.get(event["event"].get("dataset", ""), "other")
        self.loaded.records[source] += 1
        if source in self._waiting:
            self._waiting[source].append(event)
            if len(self._waiting[source]) >= _BATCH:
                self._flush(source)

    def _flush(self, source: str) -> None:
        events, self._waiting[source] = self._waiting[source], []
        if events:
            known = self._columns[source]
            table = pa.table({column.name: _array(column, events) for column in known})
            self._connection.register("batch", table)
            self._connection.execute(f"INSERT INTO {source} SELECT * FROM batch")  # noqa: S608 - one of two names
            self._connection.unregister("batch")
        if self._progress:
            self._progress(self.loaded.total)


def _array(column: Column, events: list[Event]) -> Any:
    values = [column.value(event) for event in events]
    try:
        return pa.array(values, _ARROW[column.type])
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # one odd value among thousands: the others keep theirs
        return pa.array([_fitting(column, value) for value in values], _ARROW[column.type])


def _fitting(column: Column, value: Any) -> Any:
    try:
        pa.array([value], _ARROW[column.type])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return str(value) if column.type == "VARCHAR" else None
    return value
