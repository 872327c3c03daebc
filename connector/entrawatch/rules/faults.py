"""Faults of a rule file, gathered so that one run tells them all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Refused(Exception):  # noqa: N818 - it is an answer, not an accident
    """A part of a rule that has no meaning here; the text says why and what to write instead."""


def refusal(read: Callable[[], object]) -> str:
    """Why something is refused; "" where it is not."""
    try:
        read()
    except Refused as refused:
        return str(refused)
    return ""


@dataclass
class Faults:
    """What is wrong with one file: "file: line 7: key: what was found; what was expected".

    :param file: how the person calls the file.
    :param places: the line of each dotted key, where they are known.
    :param noted: each fault's line in the file (0 for the whole of it) and what is told of it.
    :param keys: the dotted keys that have one.
    """

    file: str
    places: Mapping[str, int] = field(default_factory=dict)
    noted: list[tuple[int, str]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)

    @property
    def lines(self) -> list[str]:
        """What is told, in the order of the file's lines."""
        return [told for _, told in sorted(self.noted, key=lambda fault: fault[0])]

    def add(self, key: str, text: str) -> None:
        """Note one fault under a dotted key ("" for the whole file); the same fault is told once."""
        self.keys.add(key)
        line = self._line(key)
        parts = [self.file, f"line {line}" if line else "", key, text]
        told = " ".join(": ".join(filter(None, parts)).split())
        if (line, told) not in self.noted:
            self.noted.append((line, told))

    def _line(self, key: str) -> int:
        """Where the key stands, else what it lies in; 0 where nothing of it is in the file."""
        while key:
            if key in self.places:
                return self.places[key]
            key = key.rpartition(".")[0]
        return 0


class Further(Faults):
    """Faults beside those that were noted, for places that have none yet."""

    def __init__(self, noted: Faults) -> None:
        super().__init__(noted.file, noted.places, noted.noted)
        self._known = frozenset(noted.keys)

    def add(self, key: str, text: str) -> None:
        """Note it where the key has no fault."""
        if key not in self._known:
            super().add(key, text)
