"""Items into Arrow tables of rows, a batch at a time: the work of a reading process, be it this one or another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional

import pyarrow as pa

from entrawatch.errors import RecordError
from entrawatch.hunt.plain import UsualSignIns
from entrawatch.normalize import normalize
from entrawatch.reading import Bad

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from entrawatch.hunt.columns import Column
    from entrawatch.reading import Found, Item

BATCH = 20_000
_SOURCES = {"azure.signinlogs": "signin", "azure.auditlogs": "audit"}
_ARROW = {
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMPTZ": pa.string(),
}


@dataclass
class Batch:
    """Rows and what came beside them.

    :param rows: source → its rows, in the columns' order.
    :param records: how many records of each source, of both and of other streams.
    :param bad: what was no record, without its text.
    """

    tables: dict[str, Any] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=lambda: {"signin": 0, "audit": 0, "other": 0})
    bad: list[Bad] = field(default_factory=list)


class Rows:
    """Makes batches.

    :param columns: the tables' columns by source.
    """

    def __init__(self, columns: Mapping[str, tuple[Column, ...]]) -> None:
        self._columns = columns
        try:
            self._usual: Optional[UsualSignIns] = UsualSignIns(columns["signin"])
        except LookupError:
            self._usual = None
        self._begin()

    def _begin(self) -> None:
        self._batch = Batch()
        self._rows: dict[str, list[Sequence[Any]]] = {source: [] for source in self._columns}

    def batches(self, items: Iterable[Item]) -> Iterator[Batch]:
        """The items in batches of at most `BATCH` items; the last one is given even when it is empty."""
        for number, item in enumerate(items, 1):
            self._add(item)
            if number % BATCH == 0:
                yield self._taken()
        yield self._taken()

    def batch(self, items: Iterable[Item]) -> Batch:
        """All the items as one batch."""
        self._begin()
        for item in items:
            self._add(item)
        return self._taken()

    def _add(self, item: Item) -> None:
        if isinstance(item, Bad):
            self._batch.bad.append(item._replace(text=""))
            return
        usual = self._usual.row(item.record) if self._usual else None
        if usual is None:
            self._normalized(item)
        else:
            self._batch.records["signin"] += 1
            self._rows["signin"].append(usual)

    def _normalized(self, item: Found) -> None:
        try:
            event = normalize(item.record)
        except RecordError as error:
            self._batch.bad.append(Bad(item.where, error.reason))
            return
        source = _SOURCES.get(event["event"].get("dataset", ""), "other")
        self._batch.records[source] += 1
        if source in self._rows:
            self._rows[source].append([column.value(event) for column in self._columns[source]])

    def _taken(self) -> Batch:
        batch = self._batch
        for source, rows in self._rows.items():
            if rows:
                known = self._columns[source]
                batch.tables[source] = pa.table(
                    {column.name: _array(column, values) for column, values in zip(known, zip(*rows))}
                )
        self._begin()
        return batch


def _array(column: Column, values: Sequence[Any]) -> Any:
    try:
        return pa.array(values, _ARROW[column.type])
    except _UNFIT:
        # one odd value among thousands: the others keep theirs
        return pa.array([_fitting(column, value) for value in values], _ARROW[column.type])


#: a value of another type, a number beyond 64 bits, half a surrogate pair
_UNFIT = (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError)


def _fitting(column: Column, value: Any) -> Any:
    try:
        pa.array([value], _ARROW[column.type])
    except _UNFIT:
        return _encodable(value) if column.type.startswith("VARCHAR") else None
    return value


def _encodable(value: Any) -> Any:
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    return str(value).encode("utf-8", "replace").decode()
