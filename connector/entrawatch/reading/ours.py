"""The events that Entrawatch's own files sink and `fetch` wrote as tables: Parquet and CSV."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from entrawatch import jsontext
from entrawatch.reading.items import Bad, Found, Item, Where
from entrawatch.schema.fields import FIELDS, Field
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from entrawatch.interfaces import Record

#: rows of a Parquet file in memory at once
_ROWS = 1000
#: the column of a Parquet file that holds the whole event
_EVENT = "event"
#: columns that together only our CSV has; "@" is left out of its first column's name
_OURS = frozenset({"timestamp", "event.id", "entra.stream"})
_WORDS = {"true": True, "false": False}
#: what makes a spreadsheet take a cell for a formula: the sink puts an apostrophe before it
_FORMULA = frozenset("=+-@|%\uff1d\uff0b\uff0d\uff20")
_BLANK = "\ufeff\u200b \t\r\n\v\f\xa0"


def parquet(file: Path) -> Iterator[Item]:
    """The events of a Parquet file; `Where.line` counts its rows.

    :raises OSError: the file cannot be read.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet as tables
    except ImportError:
        yield Bad(Where(str(file), 0), "is Parquet, which needs the package pyarrow; pip install pyarrow")
        return
    try:
        with tables.ParquetFile(file) as table:
            yield from _events(table, str(file))
    except pa.ArrowException as error:
        yield Bad(Where(str(file), 0), f"is damaged Parquet ({' '.join(str(error).split())[:200]})")


def _events(table: Any, name: str) -> Iterator[Item]:
    if _EVENT not in table.schema_arrow.names:
        yield Bad(Where(name, 0), "is Parquet that Entrawatch did not write; ask DuckDB for JSON lines of it first")
        return
    row = 0
    for batch in table.iter_batches(batch_size=_ROWS, columns=[_EVENT]):
        for text in batch.column(0).to_pylist():
            row += 1
            yield _event(text, Where(name, row))


def _event(text: Any, where: Where) -> Item:
    try:
        record = jsontext.loads(text)
    except (TypeError, ValueError, RecursionError):
        record = None
    return Found(where, record) if isinstance(record, dict) else Bad(where, "holds no event", str(text))


def is_ours(header: list[str]) -> bool:
    """Whether a table with these columns is CSV of ours."""
    return _OURS.issubset(header)


def event_of(row: Mapping[str, str]) -> Record:
    """The event that a row of our CSV was."""
    stream = STREAMS.get(row.get("entra.stream", ""))
    fields = _fields(stream.family if stream else "")
    event: Record = {}
    for name, cell in row.items():
        if name in fields:
            _put(event, fields[name].ecs, _value(fields[name], cell))
    left = _json(row.get("other", ""))
    for path, value in left.items() if isinstance(left, dict) else ():
        _put(event, path, value)
    return event


@lru_cache
def _fields(family: str) -> dict[str, Field]:
    return {field.name.lstrip("@"): field for field in FIELDS if field.family in {"common", family}}


def _put(event: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for key in above:
        inner = event.setdefault(key, {})
        if not isinstance(inner, dict):
            return
        event = inner
    event[last] = value


def _value(field: Field, cell: str) -> Any:
    if cell[:1] in {"[", "{"} and (field.many or field.type in {"object", "flattened", "geo_point"}):
        return _json(cell)
    if field.type == "boolean":
        return _WORDS.get(cell, cell)
    if field.type in {"long", "double"}:
        return _number(cell)
    return _plain(cell)


def _json(cell: str) -> Any:
    try:
        return jsontext.loads(cell)
    except (ValueError, RecursionError):
        return cell


def _number(cell: str) -> Any:
    value = _json(cell)
    return value if type(value) in {int, float} else cell


def _plain(cell: str) -> str:
    """The text without the apostrophe that keeps spreadsheets from running it."""
    text = cell[1:]
    formula = text.lstrip(_BLANK)[:1] in _FORMULA or text[:1] in {"\t", "\r", "\n"}
    return text if cell[:1] == "'" and formula else cell
