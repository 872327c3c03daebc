"""From a search's text to its commands: comments, macros, the pipeline.

https://help.splunk.com/splunk-enterprise/search/search-manual/9.4/using-the-search-app/add-comments-to-searches (a
comment in three backticks becomes a space),
https://help.splunk.com/en/splunk-enterprise/manage-knowledge-objects/knowledge-management-manual/10.0/search-macros (a
macro inside double quotes is not expanded)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

from .faults import SplError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MACRO = re.compile(r"`\s*([\w.:-]+)\s*(?:\((.*?)\))?\s*`", re.DOTALL)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NAME = re.compile(r"\s*([A-Za-z_]\w*)")


@dataclass(frozen=True)
class Stage:
    """One command of a pipeline.

    :param text: what stands behind the command's name.
    """

    command: str
    text: str


def uncommented(text: str) -> str:
    """The text with a space for each comment."""
    out: list[str] = []
    place = 0
    while place < len(text):
        if text[place] == '"':
            end = _end_of_quotes(text, place)
            out.append(text[place:end])
        elif text.startswith("```", place):
            end = text.find("```", place + 3)
            if end < 0:
                raise SplError("a comment does not end")
            end += 3
            out.append(" ")
        else:
            end = place + 1
            out.append(text[place])
        place = end
    return "".join(out)


def _end_of_quotes(text: str, place: int) -> int:
    found = _QUOTED.match(text, place)
    if not found:
        raise SplError(f"quotes do not end: {text[place : place + 40]!r}")
    return found.end()


def expanded(text: str, macros: Optional[Mapping[str, str]], depth: int = 0) -> str:
    """The text with its macros' definitions in place.

    :param macros: name → definition; None to put a harmless term for each, as a parser does that knows none of them.
    """
    if depth > 20:
        raise SplError("macros name each other in a circle")
    out: list[str] = []
    place = 0
    while place < len(text):
        if text[place] == '"':
            end = _end_of_quotes(text, place)
            out.append(text[place:end])
        elif text[place] == "`":
            found = _MACRO.match(text, place)
            if not found:
                raise SplError(f"no macro: {text[place : place + 40]!r}")
            end = found.end()
            out.append(_definition(found, macros, depth))
        else:
            end = place + 1
            out.append(text[place])
        place = end
    return "".join(out)


def _definition(found: re.Match[str], macros: Optional[Mapping[str, str]], depth: int) -> str:
    name, arguments = found.groups()
    if macros is None:
        return f"__macro_{re.sub(r'[^A-Za-z0-9]', '_', name)}"
    if arguments is not None or name not in macros:
        raise SplError(f"there is no macro {name!r}")
    return expanded(uncommented(macros[name]), macros, depth + 1)


def split(text: str, separator: str = "|") -> list[str]:
    """The parts between separators that stand outside quotes and brackets."""
    parts, start = [], 0
    for place, char, depth in characters(text):
        if char == separator and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def characters(text: str) -> Iterator[tuple[int, str, int]]:
    """Each character outside double quotes with the depth of brackets that it stands in."""
    opened: list[str] = []
    pairs = {")": "(", "]": "["}
    place = 0
    while place < len(text):
        char = text[place]
        if char == "\\" and place + 1 < len(text):
            place += 2
            continue
        if char == '"':
            place = _end_of_quotes(text, place)
            continue
        if char in "([":
            opened.append(char)
        elif char in pairs and (not opened or opened.pop() != pairs[char]):
            raise SplError(f"{char} closes nothing in {text[max(0, place - 30) : place + 1]!r}")
        yield place, char, len(opened)
        place += 1
    if opened:
        raise SplError(f"{opened[-1]} is not closed")


def stages(text: str, macros: Optional[Mapping[str, str]]) -> list[Stage]:
    """The commands of a search; one that begins without a pipe begins with an implied `search`."""
    plain = expanded(uncommented(text), macros)
    first, *rest = split(plain)
    made = [Stage("search", first.strip())] if first.strip() else []
    if first.strip().split(None, 1)[0:1] == ["search"]:
        made = [Stage("search", first.strip()[6:].strip())]
    if not made and not rest:
        raise SplError("an empty search")
    for part in rest:
        if macros is None and part.strip().startswith("__macro_"):
            continue
        found = _NAME.match(part)
        if not found:
            raise SplError(f"no command: {part[:40]!r}")
        made.append(Stage(found.group(1).lower(), part[found.end() :].strip()))
    return made
