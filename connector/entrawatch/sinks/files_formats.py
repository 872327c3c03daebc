"""How a part (JSON lines with commit lines between) becomes a file of each format. Nothing is held but one line, or
for Parquet one group of rows."""

from __future__ import annotations

import codecs
import csv
import gzip
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Callable

from entrawatch import jsontext
from entrawatch.sinks.columns import columns, family_of, spread, typed

if TYPE_CHECKING:
    from collections.abc import Iterator

#: rows of a Parquet row group
_GROUP = 10_000
#: What makes a spreadsheet take a cell for a formula, in its full-width forms too
#: (https://owasp.org/www-community/attacks/CSV_Injection). Blanks in front do not protect, so they are looked past.
_TRIGGERS = frozenset("=+-@|%\uff1d\uff0b\uff0d\uff20")
_ARROW = {"text": "string", "json": "string", "integer": "int64", "number": "float64", "boolean": "bool"}
#: mark in front of a commit line; no JSON line begins so
COMMIT = b"#"


def event_lines(part: IO[bytes]) -> Iterator[bytes]:
    """The part's events, one line each with its newline."""
    return (line for line in part if not line.startswith(COMMIT))


def _jsonl(lines: Iterator[bytes], out: IO[bytes]) -> None:
    out.writelines(lines)


def _gzipped(lines: Iterator[bytes], out: IO[bytes]) -> None:
    # No name and no time in the header: the same events make the same bytes.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=out, mtime=0) as packed:
        packed.writelines(lines)


def _array(lines: Iterator[bytes], out: IO[bytes]) -> None:
    out.write(b"[")
    for number, line in enumerate(lines):
        out.write((b",\n" if number else b"\n") + line.rstrip(b"\n"))
    out.write(b"\n]\n")


def defused(text: str) -> str:
    """A text that no spreadsheet runs: one that would be a formula gets an apostrophe in front."""
    text = text.replace("\x00", "\ufffd")
    first = text.lstrip("\ufeff\u200b \t\r\n\v\f\xa0")[:1]
    return f"'{text}" if first in _TRIGGERS or text[:1] in {"\t", "\r", "\n"} else text


def cell(value: Any) -> str:
    """A value as a CSV cell. Numbers stay numbers; a list or an object is JSON text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return defused(value.encode("utf-8", "replace").decode())
    return jsontext.dumps(value).decode()


def _csv(lines: Iterator[bytes], out: IO[bytes]) -> None:
    writer = csv.writer(codecs.getwriter("utf-8")(out))
    family = ""
    for line in lines:
        event = jsontext.loads(line)
        if not family:
            family = family_of(event)
            # "@" would make the name of the first column a formula.
            writer.writerow([*(column.name.lstrip("@") for column in columns(family)), "other"])
        cells, left = spread(event, family)
        writer.writerow([*map(cell, cells), cell(left or None)])


def _arrow_type(pa: Any, kind: str) -> Any:
    if kind == "time":
        return pa.timestamp("us", tz="UTC")
    return pa.list_(pa.string()) if kind == "texts" else getattr(pa, _ARROW[kind].replace("bool", "bool_"))()


def _parquet(lines: Iterator[bytes], out: IO[bytes]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    group = list(islice(lines, _GROUP))
    family = family_of(jsontext.loads(group[0]))
    fields = [pa.field(column.name, _arrow_type(pa, column.kind)) for column in columns(family)]
    schema = pa.schema([*fields, pa.field("event", pa.string())])
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        while group:
            rows = [typed(jsontext.loads(line), family) for line in group]
            arrays = [pa.array([row.get(n) for row in rows], field.type) for n, field in enumerate(fields)]
            arrays.append(pa.array([line.rstrip(b"\n").decode() for line in group], pa.string()))
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            group = list(islice(lines, _GROUP))


#: a file's ending → how it is made of the lines of a part
FORMATS: dict[str, Callable[[Iterator[bytes], IO[bytes]], None]] = {
    "jsonl": _jsonl,
    "jsonl.gz": _gzipped,
    "json": _array,
    "csv": _csv,
    "parquet": _parquet,
}
