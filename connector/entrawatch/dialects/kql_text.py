"""The pieces KQL is written of: names, literals, and pipes of steps that become lines at the end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

from entrawatch.dialects.base import Unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def spelled(name: str) -> str:
    """A field's, key's or measure's name as a column: Pascal case, without dots, underscores and spaces.

    `status.errorCode` → `StatusErrorCode`, `entra.consent.is_admin` → `EntraConsentIsAdmin`.
    """
    parts = re.split(r"[^A-Za-z0-9]+", name)
    return "".join(part[:1].upper() + part[1:] for part in parts)


def quoted(value: str) -> str:
    """A text literal.

    :raises Unsupported: what Sentinel content must not hold: it is ASCII, and KQL's documentation knows no escape
        for other characters.
    """
    plain = all(char in _ESCAPES or " " <= char <= "~" for char in value)
    if not plain:
        raise Unsupported(value, "Sentinel content is ASCII, and KQL documents no escape for other characters")
    return '"' + "".join(_ESCAPES.get(char, char) for char in value) + '"'


def pattern(value: str) -> str:
    """A regular expression as a literal in which backslashes stand for themselves."""
    if not all(" " <= char <= "~" for char in value):
        raise Unsupported(value, "Sentinel content is ASCII")
    return '@"' + value.replace('"', '""') + '"'


def span(length: timedelta) -> str:
    """A timespan in its largest whole unit: `7d`, `90m`."""
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


@dataclass(frozen=True)
class Step:
    """One operator of a pipe.

    :param items: what it lists; more than two stand a line each.
    :param end: what closes it, behind the items (`by …`).
    """

    operator: str
    items: tuple[str, ...]
    end: str = ""

    def lines(self) -> list[str]:
        """Its lines, without indentation from outside."""
        end = f" {self.end}" if self.end else ""
        if len(self.items) < 3:
            return [f"| {self.operator} {', '.join(self.items)}".rstrip() + end]
        listed = [f"    {item}," for item in self.items[:-1]] + [f"    {self.items[-1]}"]
        return [f"| {self.operator}", *listed, *([f"    {self.end}"] if self.end else [])]


def step(operator: str, *items: str, end: str = "") -> Step:
    """An operator with its items."""
    return Step(operator, items, end)


def where(*tests: str) -> list[Step]:
    """One `where` a test."""
    return [step("where", test) for test in tests]


@dataclass(frozen=True)
class Pipe:
    """A source and what is done with its rows, one step a line."""

    source: Union[str, Merged]
    steps: tuple[Step, ...] = ()
    around: tuple[str, str] = ("", "")

    def then(self, *steps: Step) -> Pipe:
        """The pipe, longer."""
        return Pipe(self.source, (*self.steps, *steps))

    def wrapped(self, before: str, behind: str) -> Pipe:
        """The pipe as the argument of an expression."""
        return Pipe(self.source, self.steps, (before, behind))

    def lines(self) -> list[str]:
        """Its lines; the steps are indented below the source."""
        head = [self.source] if isinstance(self.source, str) else self.source.lines()
        lines = head + [f"    {line}" for one in self.steps for line in one.lines()]
        lines[0], lines[-1] = self.around[0] + lines[0], lines[-1] + self.around[1]
        return lines


@dataclass(frozen=True)
class Merged:
    """Rows of several pipes; a table that a workspace does not have counts as empty."""

    pipes: tuple[Pipe, ...]

    def lines(self) -> list[str]:
        """Its lines."""
        found = ["union isfuzzy=true"]
        for place, pipe in enumerate(self.pipes):
            first, *rest = pipe.lines()
            comma = "," if place < len(self.pipes) - 1 else ""
            found += [f"    ({first}", *[f"    {line}" for line in rest]]
            found[-1] += f"){comma}"
        return found


@dataclass(frozen=True)
class Let:
    """A named pipe, or a named expression."""

    name: str
    value: Union[str, Pipe]

    def lines(self) -> list[str]:
        """Its lines, the semicolon at the end."""
        lines = [self.value] if isinstance(self.value, str) else self.value.lines()
        return [f"let {self.name} = {lines[0]}", *lines[1:-1], lines[-1] + ";"] if lines[1:] else [
            f"let {self.name} = {lines[0]};"
        ]  # fmt: skip


def written(lets: Sequence[Let], pipe: Pipe) -> str:
    """The whole query."""
    head = [line for let in lets for line in let.lines()]
    body = pipe.lines()
    # the steps of the last pipe stand at the margin, as the portal writes them
    steps = [line for one in pipe.steps for line in one.lines()]
    return "\n".join([*head, *body[: len(body) - len(steps)], *steps]) + "\n"
