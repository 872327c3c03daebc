"""Records out of files, folders and streams, whatever container they come in.

``read(paths)`` gives `Found` for each record and `Bad` for each piece that is none, in the order of the files; it
never stops at a bad piece. Containers: Graph pages (``{"value": […]}``), ``{"records": […]}``, arrays, JSON lines,
JSON one after another, pretty-printed or not, Log Analytics query answers (``{"tables": […]}``) and CSV exports, CSV
and Parquet of our own, the duckdb sink's file where it is named itself; text as UTF-8 or UTF-16, with or without a byte
order mark, gzipped or not. What is large is streamed: one record in memory, or a thousand rows.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Optional, Union

from entrawatch.reading import database, ours, table
from entrawatch.reading.items import Bad, Found, Item, Where
from entrawatch.reading.scan import records
from entrawatch.reading.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Bad", "Found", "Item", "Where", "files_in", "read", "read_stream"]

#: what is read in a folder; a file that is named itself is read whatever it is called
ENDINGS = frozenset({".json", ".jsonl", ".ndjson", ".csv", ".log", ".txt", ".parquet"})
#: what `simulate` writes beside its logs: its own attacks, no records
_BESIDE = "labels.jsonl"
_PARQUET = b"PAR1"


def read(paths: Iterable[Union[str, Path]], stdin: Optional[BinaryIO] = None) -> Iterator[Item]:
    """Every record of files, of the files in folders, and of ``-``, standard input.

    :param stdin: what ``-`` reads; the process's own by default.
    """
    for path in paths:
        if str(path) == "-":
            yield from _read_stdin(stdin)
        else:
            files = files_in(Path(path))
            if not files:
                yield Bad(
                    Where(str(path), 0), f"holds no file to read ({' '.join(sorted(ENDINGS))}, or these with .gz)"
                )
            for file in files:
                yield from _read_file(file)


def _read_stdin(stdin: Optional[BinaryIO]) -> Iterator[Item]:
    if stdin is None and sys.stdin is None:
        yield Bad(Where("-", 0), "cannot be read: standard input is closed")
    else:
        yield from read_stream(stdin or sys.stdin.buffer, "-")


def files_in(path: Path) -> list[Path]:
    """The path itself, or for a folder what can be read in and below it, sorted; hidden ones are left out."""
    if not path.is_dir():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file() and _ending(file) in ENDINGS and file.name != _BESIDE)
    return sorted(f for f in found if not any(part.startswith(".") for part in f.relative_to(path).parts))


def _ending(file: Path) -> str:
    name = file.name[:-3] if file.name.endswith(".gz") else file.name
    return Path(name).suffix.lower()


def _read_file(file: Path) -> Iterator[Item]:
    try:
        with file.open("rb") as stream:
            if stream.peek(4).startswith(_PARQUET):
                yield from ours.parquet(file)
            elif stream.peek(12)[database.OFFSET :].startswith(database.MAGIC):
                yield from database.events(file)
            else:
                yield from read_stream(stream, str(file))
    except OSError as error:
        yield Bad(Where(str(file), 0), f"cannot be read ({error.strerror or error})")


def read_stream(stream: BinaryIO, name: str) -> Iterator[Item]:
    """Every record of an open byte stream.

    :param name: what `Where.file` calls it.
    """
    text = Text(stream, name)
    if text.head.startswith(_PARQUET):
        yield Bad(Where(name, 0), "is Parquet, which cannot be read from a stream; name the file")
        return
    if table.is_portals(text):
        yield Bad(
            Where(name, 0), "is the CSV of the Entra portal's Download, which lacks much that rules read; download JSON"
        )
        return
    yield from table.rows(text) if table.is_table(text) else records(text)
    if text.trouble:
        yield Bad(text.where(), text.trouble, rest=True)
