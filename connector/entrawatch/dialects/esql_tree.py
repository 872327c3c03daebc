"""Clauses of Elastic's two languages: tests joined by words, bracketed where they must be, one a line where that reads
better. They become text once, at the very end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH = 110


@dataclass(frozen=True)
class Test:
    """A test that needs no brackets beside NOT, AND and OR."""

    text: str


@dataclass(frozen=True)
class Joined:
    """At least two clauses with a word between them."""

    word: str
    parts: tuple[Clause, ...]


@dataclass(frozen=True)
class Wrapped:
    """A clause between two texts that bracket it."""

    before: str
    of: Clause
    after: str


Clause = Union[Test, Joined, Wrapped]


def joined(word: str, parts: Sequence[Clause], none: str) -> Clause:
    """The clauses with the word between them; a single one is itself, of none it is `none`."""
    if len(parts) < 2:
        return parts[0] if parts else Test(none)
    flat = [one for part in parts for one in _same_word(word, part)]
    return Joined(word, tuple(flat))


def _same_word(word: str, part: Clause) -> tuple[Clause, ...]:
    return part.parts if isinstance(part, Joined) and part.word == word else (part,)


def one_line(clause: Clause) -> str:
    """The clause as one line."""
    if isinstance(clause, Test):
        return clause.text
    if isinstance(clause, Wrapped):
        return clause.before + one_line(clause.of) + clause.after
    return f" {clause.word} ".join(_inner(part) for part in clause.parts)


def _inner(part: Clause) -> str:
    return f"({one_line(part)})" if isinstance(part, Joined) else one_line(part)


def lines(clause: Clause, indent: str = "    ") -> str:
    """The clause as it stands behind WHERE: what its word joins is one a line."""
    if not isinstance(clause, Joined):
        return one_line(clause)
    return f"\n{indent}{clause.word} ".join(_broken(part, indent + "    ") for part in clause.parts)


def _broken(part: Clause, indent: str) -> str:
    text = _inner(part)
    if len(text) <= _WIDTH or not isinstance(part, Joined):
        return text
    return f"({lines(part, indent)})"
