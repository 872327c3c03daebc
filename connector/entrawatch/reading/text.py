"""Bytes of any kind as text that is read piece by piece and knows its line."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from typing import TYPE_CHECKING, BinaryIO, Optional, Union, cast

from entrawatch.reading.items import Where

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 16
_GZIP = b"\x1f\x8b"
#: byte order marks; the longest first, for UTF-32's begins with UTF-16's
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip


class Text:
    """A window on the text of a stream.

    `buffer[pos:]` is what was read and not yet used; `more()` reads on, `skip_to()` uses up.

    :ivar line: the line of `pos`, from 1.
    :ivar mid_line: whether the buffer begins in the middle of a line, behind something other than white space.
    :ivar trouble: why the stream ended early, "" where it did not.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.name = name
        self.buffer = ""
        self.pos = 0
        self.line = 1
        self.ended = False
        self.mid_line = False
        self.trouble = ""
        self._bytes = _opened(stream)
        self.head = self._read(_CHUNK)
        while 0 < len(self.head) < 4 and (further := self._read(_CHUNK)):
            self.head += further
        mark, encoding = _encoding(self.head)
        # A byte that is no UTF-8 becomes U+FFFD: the rest of its record is worth more than its loss.
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self.buffer = self._decoder.decode(self.head[mark:])

    def more(self) -> bool:
        """Read on; False where there is no more. What was used is let go."""
        if self.ended:
            return False
        # Reading doubles with what is still undecided, so a record of any size is looked at few times.
        data = self._read(max(_CHUNK, len(self.buffer) - self.pos))
        self.ended = not data
        self._let_go()
        self.buffer += self._decoder.decode(data, final=self.ended)
        return True

    def _let_go(self) -> None:
        # The white space a line begins with is kept, for `indent` to measure.
        indent = self.indent()
        self.mid_line = indent is None
        kept = self.pos - len(indent or "")
        self.buffer, self.pos = self.buffer[kept:], self.pos - kept

    def indent(self) -> Optional[str]:
        """The white space before `pos` on its line, None where something else stands there."""
        start = self.pos
        while start and self.buffer[start - 1] in " \t":
            start -= 1
        at_line = self.buffer[start - 1] == "\n" if start else not self.mid_line
        return self.buffer[start : self.pos] if at_line else None

    def skip_to(self, pos: int) -> None:
        """Use the text before `pos` up."""
        self.line += self.buffer.count("\n", self.pos, pos)
        self.pos = pos

    def where(self) -> Where:
        """The place of `pos`."""
        return Where(self.name, self.line)

    def take_line(self) -> str:
        """The rest of this line with its end, used up; "" where the text is at its end."""
        end = self.line_end()
        line = self.buffer[self.pos : end]
        self.skip_to(end)
        return line

    def line_end(self) -> int:
        """The place behind this line's end, reading on as far as it takes."""
        looked = 0
        while True:
            end = self.buffer.find("\n", self.pos + looked)
            if end >= 0:
                return end + 1
            looked = len(self.buffer) - self.pos
            if not self.more():
                return len(self.buffer)

    def lines(self) -> Iterator[str]:
        """The remaining lines."""
        while True:
            line = self.take_line()
            if not line:
                return
            yield line

    def _read(self, size: int) -> bytes:
        try:
            return self._bytes.read1(size)
        except (EOFError, zlib.error, OSError) as error:
            kind = "the gzip file is cut off or damaged" if isinstance(self._bytes, gzip.GzipFile) else "cannot be read"
            self.trouble = f"{kind} ({' '.join(str(error).split())}); what came before it was read"
            return b""


def _opened(stream: BinaryIO) -> Union[io.BufferedReader, gzip.GzipFile]:
    """The stream itself, or what is in it when it is gzip, which its first bytes tell."""
    # raw streams (a pipe) have no peek
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", stream))
    if buffered.peek(2)[:2] == _GZIP:
        return gzip.GzipFile(fileobj=buffered)
    return buffered


def _encoding(head: bytes) -> tuple[int, str]:
    for mark, name in _MARKS:
        if head.startswith(mark):
            return len(mark), name
    if head[1:2] == b"\0" and head[:1] != b"\0":  # "{" or "[" in UTF-16 without a mark
        return 0, "utf-16-le"
    return (0, "utf-16-be") if head[:1] == b"\0" and head[1:2] not in {b"\0", b""} else (0, "utf-8")
