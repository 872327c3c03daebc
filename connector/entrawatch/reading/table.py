"""Log Analytics tables: the answer of a query, and the CSV export of one; CSV that our own files sink wrote."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.reading import ours
from entrawatch.reading.items import Bad, Found, Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrawatch.interfaces import Record
    from entrawatch.reading.text import Text

#: a header has one of these; other text with commas in it is no table
_TELLING = frozenset(
    {"timegenerated", "createddatetime", "activitydatetime", "time", "category", "operationname", "correlationid",
     "entra.stream"}
)  # fmt: skip
#: the portal puts the zone it shows behind a column of times
_ZONE = re.compile(r"\s*\[UTC\]$")


def is_table(text: Text) -> bool:
    """Whether the text is CSV with a header we know."""
    first = text.buffer.lstrip()
    if first[:1] in {"{", "[", ""}:
        return False
    return not _TELLING.isdisjoint(name.lower() for name in _header(first.split("\n", 1)[0]))


def is_portals(text: Text) -> bool:
    """Whether the text is CSV of the Entra admin center: its columns are for people, and no record's fields."""
    header = [name.lower() for name in _header(text.buffer.lstrip("\ufeff").split("\n", 1)[0])]
    return header[:1] == ["date (utc)"]


def _header(line: str) -> list[str]:
    try:
        return [_ZONE.sub("", name.strip()) for name in next(csv.reader([line.rstrip("\r\n")]), [])]
    except csv.Error:
        return []


def rows(text: Text) -> Iterator[Item]:
    """A record for each row: header → cell, empty cells left out."""
    header: list[str] = []
    table = csv.reader(text.lines())
    while True:
        where = text.where()
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield Bad(where, f"is no CSV row ({error})")
            continue
        if not header:
            header = [_ZONE.sub("", name.strip()) for name in cells]
        elif len(cells) > len(header):
            yield Bad(where, f"has {len(cells)} cells under {len(header)} columns", ",".join(cells))
        elif any(cells):
            row: Record = {name: cell for name, cell in zip(header, cells) if cell}
            yield Found(where, ours.event_of(row) if ours.is_ours(header) else row)


def query_rows(answer: Record) -> Optional[list[Any]]:
    """The rows of a query's answer as records; None when this is no such answer."""
    tables = answer.get("tables")
    if not isinstance(tables, list) or not all(_is_result(table) for table in tables):
        return None
    return [record for table in tables for record in _result(table)]


def _is_result(table: Any) -> bool:
    if not isinstance(table, dict) or not isinstance(table.get("rows"), list):
        return False
    columns = table.get("columns")
    return isinstance(columns, list) and all(isinstance(c, dict) and isinstance(c.get("name"), str) for c in columns)


def _result(table: dict[str, Any]) -> Iterator[Any]:
    names = [column["name"] for column in table["columns"]]
    for row in table["rows"]:
        if isinstance(row, list):
            yield {name: cell for name, cell in zip(names, row) if cell is not None and cell != ""}
        else:
            yield row
