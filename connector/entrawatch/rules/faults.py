"""Faults of a rule file, gathered so that one run tells them all."""

from __future__ import annotations

from dataclasses import dataclass, field


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
