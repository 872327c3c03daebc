"""Exported logs into the hunt's tables: any shape the normaliser knows, a batch in memory at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable, Optional

from entrawatch.hunt.batches import Rows
from entrawatch.hunt.files import batches_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import duckdb

    from entrawatch.hunt.batches import Batch
    from entrawatch.hunt.columns import Column
    from entrawatch.reading import Bad, Item

#: bad records that are told one by one; the others are counted
_TOLD = 100


@dataclass
class Loaded:
    """What was read.

    :param records: events by source, one that came in several records once; `other` are those that no rule reads
        (risk, provisioning), each record one.
    :param repeated: of these, how many came in several records: they were revised, or read twice.
    :param bad: the first pieces that could not be read, "file:line: reason".
    :param bad_count: how many there were.
    :param bad_files: of these, how many are a file, or the rest of one; the others are lines.
    """

    records: dict[str, int] = field(default_factory=lambda: {"signin": 0, "audit": 0, "other": 0})
    repeated: dict[str, int] = field(default_factory=lambda: {"signin": 0, "audit": 0})
    bad: list[str] = field(default_factory=list)
    bad_count: int = 0
    bad_files: int = 0

    @property
    def total(self) -> int:
        """All that was read."""
        return sum(self.records.values())

    @property
    def bad_lines(self) -> int:
        """Lines that could not be read."""
        return self.bad_count - self.bad_files

    def refuse(self, bad: Bad) -> None:
        """Note a piece that is no record."""
        self.bad_count += 1
        self.bad_files += bad.is_file
        if len(self.bad) < _TOLD:
            self.bad.append(f"{bad.where}: {bad.reason}")


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
        self.loaded = Loaded()
        for source, known in columns.items():
            described = ", ".join(f'"{column.name}" {column.type}' for column in known)
            connection.execute(f"CREATE TABLE {source} ({described})")

    def load(self, items: Iterable[Item]) -> Loaded:
        """Read everything; what cannot be read is counted and told, never fatal."""
        return self._take(Rows(self._columns).batches(items))

    def load_files(self, files: Iterable[Path], processes: int) -> Loaded:
        """The same of files, by several processes where that pays."""
        return self._take(batches_of(files, self._columns, processes))

    def _take(self, batches: Iterable[Batch]) -> Loaded:
        for batch in batches:
            for source, table in batch.tables.items():
                self._insert(source, table)
            for source, count in batch.records.items():
                self.loaded.records[source] += count
            for bad in batch.bad:
                self.loaded.refuse(bad)
            if self._progress:
                self._progress(self.loaded.total)
        for source in self._columns:
            self._count_events(source)
        return self.loaded

    def _count_events(self, source: str) -> None:
        """A revision is no further sign-in, nor is one that two exports have."""
        per_event = f'SELECT count(*) AS times FROM {source} GROUP BY "event.id"'  # noqa: S608 - one of ours
        counted = f"SELECT count(*), count(*) FILTER (times > 1) FROM ({per_event})"  # noqa: S608 - the same
        events, repeated = self._connection.execute(counted).fetchone() or (0, 0)
        self.loaded.records[source], self.loaded.repeated[source] = events, repeated

    def _insert(self, source: str, table: object) -> None:
        # an empty text is an absent one, and takes no room
        values = ", ".join(
            f"NULLIF(\"{column.name}\", '')" if column.type == "VARCHAR" else f'"{column.name}"'
            for column in self._columns[source]
        )
        self._connection.register("batch", table)
        self._connection.execute(f"INSERT INTO {source} SELECT {values} FROM batch")  # noqa: S608 - names of the schema
        self._connection.unregister("batch")
