"""A search, parsed: each command's arguments typed where they are run here, checked for shape where they are not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from . import expressions, source, terms
from .faults import SplError

if TYPE_CHECKING:
    from collections.abc import Mapping

_HERE = Path(__file__).parent
#: commands of SPL and of its machine learning app
#: https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/ListOfSearchCommands
COMMANDS = frozenset((_HERE / "commands.txt").read_text(encoding="utf-8").split())
#: https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/CommonStatsFunctions
_FUNCTIONS = frozenset((_HERE / "statistics.txt").read_text(encoding="utf-8").split())
_PERCENTILE = re.compile(r"(?:p|perc|exactperc|upperperc)\d+(?:\.\d+)?")
_WORD = re.compile(r'\s*("(?:[^"\\]|\\.)*"|\'[^\']*\'|\[|[^\s,"()\[\]]+|[,()])', re.DOTALL)


@dataclass(frozen=True)
class Aggregate:
    """`function(argument) AS name`.

    :param argument: a field's name, an expression, or None for plain count.
    """

    function: str
    argument: Any
    name: str


@dataclass(frozen=True)
class Statistics:
    options: Mapping[str, str]
    aggregates: tuple[Aggregate, ...]
    by: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """:param made: what the parser made of the arguments; words where it knows no better."""

    name: str
    text: str
    made: Any


def words(text: str, before: str = "") -> list[str]:
    """The arguments as words; texts keep their quotes, a subsearch is one word.

    :param before: what stands before a subsearch's text: a pipe, where it begins with a command.
    """
    found, place = [], 0
    text = text.rstrip()
    while place < len(text):
        match = _WORD.match(text, place)
        if not match:
            raise SplError(f"no arguments: {text[place : place + 40]!r}")
        end = match.end()
        word = match.group(1)
        if word == "[":
            end = terms.closing(text, match.start(1))
            word = text[match.start(1) : end]
            parse(f"{before}{word[1:-1]}", None)
        found.append(word)
        place = end
    return found


def bare(word: str) -> str:
    """A word without its quotes."""
    return word[1:-1] if word[:1] in {'"', "'"} else word


def listed(text: str) -> list[str]:
    """Fields with commas or spaces between them."""
    return [bare(word) for word in words(text) if word != ","]


def parse(text: str, macros: Optional[Mapping[str, str]] = None) -> list[Command]:
    """The commands of a search.

    :param macros: name → definition, None to let any macro pass as a word or a command.
    :raises SplError: it is no search, or has a command that Splunk has not.
    """
    found = []
    for stage in source.stages(text, macros):
        if stage.command not in COMMANDS:
            raise SplError(f"there is no command {stage.command!r}")
        maker = _MAKERS.get(stage.command, words)
        found.append(Command(stage.command, stage.text, maker(stage.text)))
    return found


def _search(text: str) -> Any:
    made = terms.parse(text)
    for inner in terms.subsearches(made):
        parse(inner, None)
    return made


def _statistics(text: str) -> Statistics:
    options: dict[str, str] = {}
    while match := re.match(r"\s*(allnum|delim|partitions|dedup_splitvals|window|current|global|reset_\w+|time_window"
                            r"|limit|useother|usenull|span|prestats|summariesonly|sep|cont|otherstr|nullstr)\s*=\s*"
                            r'("[^"]*"|\S+)\s', text):  # fmt: skip
        options[match.group(1)] = bare(match.group(2))
        text = text[match.end() :]
    aggregates: list[Aggregate] = []
    by: tuple[str, ...] = ()
    place = 0
    while place < len(text):
        rest = text[place:].lstrip(" \n\t,")
        place = len(text) - len(rest)
        if not rest:
            break
        if re.match(r"(?i)(by|over)\s", rest):
            by = tuple(_by(rest))
            break
        aggregate, used = _aggregate(rest)
        aggregates.append(aggregate)
        place += used
    if not aggregates:
        raise SplError(f"no statistics in {text[:60]!r}")
    return Statistics(options, tuple(aggregates), by)


def _by(rest: str) -> list[str]:
    names = listed(re.sub(r"(?i)^(by|over)\s+", "", rest))
    return [name for name in names if name.lower() not in {"by", "over"}]


def _aggregate(text: str) -> tuple[Aggregate, int]:
    match = re.match(r"([A-Za-z_]\w*)(?:\s*(?=\())?", text)
    if not match:
        raise SplError(f"no statistic: {text[:40]!r}")
    function, place = match.group(1).lower(), match.end()
    if function not in _FUNCTIONS and not _PERCENTILE.fullmatch(function):
        raise SplError(f"there is no statistic {function!r}")
    argument: Any = None
    label = match.group(1)
    if text[place : place + 1] == "(":
        end = _end_of_bracket(text, place)
        inside = text[place + 1 : end - 1].strip()
        called = re.match(r"eval\s*\(", inside)
        argument = expressions.parse(inside[called.end() : -1]) if called else bare(inside) or None
        label, place = f"{label}({inside})", end
    elif function not in {"count", "c"}:
        raise SplError(f"{function} of what?")
    named = re.match(r'(?i)\s+as\s+("(?:[^"\\]|\\.)*"|\'[^\']*\'|[^\s,]+)', text[place:])
    if named:
        place += named.end()
        label = bare(named.group(1))
    return Aggregate({"c": "count", "distinct_count": "dc"}.get(function, function), argument, label), place


def _end_of_bracket(text: str, place: int) -> int:
    for at, char, depth in source.characters(text[place:]):
        if char == ")" and depth == 0:
            return place + at + 1
    raise SplError(f"( is not closed in {text[:40]!r}")


def _rename(text: str) -> list[tuple[str, str]]:
    found = [word for word in words(text) if word != ","]
    if len(found) % 3 or any(word.lower() != "as" for word in found[1::3]):
        raise SplError(f"no renaming: {text[:60]!r}")
    return [(bare(old), bare(new)) for old, new in zip(found[::3], found[2::3])]


def _foreach(text: str) -> list[str]:
    """A template with `<<FIELD>>` in the place of a name, also inside quotes."""
    return words(re.sub(r"<<\w+>>", "field", text), "| ")


def _regular(text: str) -> list[str]:
    found = words(text)
    if not any(word.startswith('"') or '="' in word or word.endswith("=") for word in found):
        raise SplError(f"a regular expression in quotes expected: {text[:60]!r}")
    return found


_MAKERS: dict[str, Any] = {
    "search": _search,
    "where": expressions.parse,
    "eval": expressions.assignments,
    "fieldformat": expressions.assignments,
    "stats": _statistics,
    "sistats": _statistics,
    "eventstats": _statistics,
    "streamstats": _statistics,
    "chart": _statistics,
    "timechart": _statistics,
    "rename": _rename,
    "rex": _regular,
    "regex": _regular,
    "foreach": _foreach,
    "appendpipe": lambda text: words(text, "| "),
}
