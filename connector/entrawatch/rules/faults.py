"""Faults of a rule file, gathered so that one run tells them all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Refused(Exception):  # noqa: N818 - it is an answer, not an accident
    """A part of a rule that has no meaning here; the text says why and what to write instead."""


@dataclass
class Faults:
    """What is wrong with one file: "file: key: what was found; what was expected".

    :param file: how the person calls the file.
    """

    file: str
    lines: list[str] = field(default_factory=list)

    def add(self, key: str, text: str) -> None:
        """Note one fault under a dotted key ("" for the whole file)."""
        self.lines.append(f"{self.file}: {key}: {text}" if key else f"{self.file}: {text}")

    def raise_if_any(self) -> None:
        """:raises ConfigError: there is at least one fault."""
        if self.lines:
            raise ConfigError(self.lines)


def gathered(per_file: Iterator[Faults]) -> list[str]:
    """The lines of several files in order."""
    return [line for faults in per_file for line in faults.lines]
