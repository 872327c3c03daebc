"""Large files of JSON lines in blocks, which several processes can read at once.

A block is read only when every line in it is an object by itself: then the scanner, coming from the file's start,
would have stood at the block's beginning between two values, and given the same records. Whatever else stands there
(a damaged line, an object over several lines) is for the scanner, from that block on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from entrawatch import jsontext
from entrawatch.reading.items import Item, Where
from entrawatch.reading.scan import records, records_of
from entrawatch.reading.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: bytes of a block; a line may be that long, too
SIZE = 8 << 20


class Block(NamedTuple):
    """A piece of a file, from the beginning of a line to the end of one: [start, end)."""

    file: Path
    start: int
    end: int


class NotLinesError(Exception):
    """Not every line of the block is an object by itself."""


def blocks(file: Path, size: int = SIZE) -> list[Block]:
    """The file's blocks; none where it is too small, cannot be read, or does not begin like JSON lines."""
    try:
        whole = file.stat().st_size
        if whole <= size or not _begins_with_lines(file, size):
            return []
        return _cut(file, whole, size)
    except OSError:
        return []


def _begins_with_lines(file: Path, size: int) -> bool:
    with file.open("rb") as stream:
        try:
            return _object(stream.readline(size)) is not None
        except NotLinesError:
            return False


def _cut(file: Path, whole: int, size: int) -> list[Block]:
    found, start = [], 0
    with file.open("rb") as stream:
        while start < whole:
            stream.seek(min(start + size, whole))
            rest = stream.readline(size)
            if len(rest) == size:
                return []
            end = stream.tell()
            found.append(Block(file, start, end))
            start = end
    return found


def read_block(block: Block) -> tuple[Iterator[Item], int]:
    """The records of a block, their lines counted from 1 in the block, and how many lines it has.

    :raises NotLinesError: while the records are taken; see there.
    :raises OSError: the file cannot be read.
    """
    with block.file.open("rb") as stream:
        stream.seek(block.start)
        lines = stream.read(block.end - block.start).split(b"\n")
    return _records(lines, str(block.file)), len(lines) - 1


def _records(lines: list[bytes], name: str) -> Iterator[Item]:
    for number, line in enumerate(lines, 1):
        value = _object(line)
        if value is not None:
            yield from records_of(value, Where(name, number))


def _object(line: bytes) -> object:
    """The object that a line is; None for a blank one."""
    if not line.startswith(b"{"):
        if line.strip():
            raise NotLinesError
        return None
    try:
        return jsontext.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise NotLinesError from None


def read_rest(block: Block, before: int) -> Iterator[Item]:
    """Every record from the block's beginning to the file's end, as the scanner reads them.

    :param before: lines that stand before it.
    :raises OSError: the file cannot be read.
    """
    with block.file.open("rb") as stream:
        stream.seek(block.start)
        text = Text(stream, str(block.file))
        text.line += before
        yield from records(text)
