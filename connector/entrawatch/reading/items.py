"""What reading gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Union

if TYPE_CHECKING:
    from entrawatch.interfaces import Record


class Where(NamedTuple):
    """A place in a file.

    :param file: the file as it was named.
    :param line: from 1; 0 for the file as a whole.
    """

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Found(NamedTuple):
    """A record, and the line on which it begins."""

    where: Where
    record: Record


class Bad(NamedTuple):
    """A piece that is no record.

    :param reason: what is wrong with it, in words.
    :param text: the beginning of the piece itself, for the dead letter.
    :param rest: whether it is all that the file still has.
    """

    where: Where
    reason: str
    text: str = ""
    rest: bool = False

    @property
    def is_file(self) -> bool:
        """Whether a file is lost with it, or one's rest, and not some lines alone."""
        return self.rest or not self.where.line


Item = Union[Found, Bad]
