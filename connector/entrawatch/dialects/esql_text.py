"""Names, values, spans and commands of ES|QL.

https://www.elastic.co/docs/reference/query-languages/esql/esql-syntax
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from entrawatch.dialects.base import Unsupported
from entrawatch.rules.names import instead_of_list
from entrawatch.schema.fields import resolve
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from entrawatch.rules import ir
    from entrawatch.schema.fields import Field

_PLAIN = re.compile(r"[A-Za-z_@][A-Za-z0-9_]*")
_RESERVED = frozenset({
    "and", "as", "asc", "by", "desc", "false", "first", "in", "is", "join", "last", "like", "limit", "metadata", "not",
    "null", "nulls", "on", "or", "rlike", "true", "where", "with",
})  # fmt: skip
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
#: spans, longest first
_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_LONG = 2**63


def column_of(ref: ir.FieldRef, source: str) -> Field:
    """The field that Elasticsearch has a column of its own for.

    :raises Unsupported: it lies below a flattened field or a numbered list.
    """
    known = resolve(ref.name, source)
    if known is None:
        raise Unsupported(ref, f"{source} has no field {ref.name}")
    if known.opaque or "*" in known.ecs or known.type in {"object", "flattened", "geo_point"}:
        told = f"{known.ecs} is inside a flattened field or a list of objects: it is no column"
        raise Unsupported(ref, f"{told}; {instead_of_list(ref.name)}" if ref.many else told)
    return known


def quoted(name: str) -> str:
    """A column's name; parts that are no plain words are put between backticks."""
    return ".".join(_part(part) for part in name.split("."))


def _part(part: str) -> str:
    if _PLAIN.fullmatch(part) and part.lower() not in _RESERVED:
        return part
    return "`" + part.replace("`", "``") + "`"


def string(value: str) -> str:
    """A string literal."""
    return '"' + "".join(_ESCAPES.get(char, char) for char in value) + '"'


def folded_string(value: str) -> str:
    """A string literal as it compares: lower case, beyond ASCII by the engine, so that both sides fold alike."""
    return string(value.lower()) if value.isascii() else f"TO_LOWER({string(value)})"


def number(node: object, value: float) -> str:
    """A number literal.

    :raises Unsupported: it is none that a long or double holds.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise Unsupported(node, "a number without end")
    if isinstance(value, int) and not -_LONG <= value < _LONG:
        raise Unsupported(node, "a number beyond 64 bits")
    return str(value)


def name_of(text: str) -> str:
    """A name of our own as a plain column: what is neither letter nor digit becomes `_`."""
    return re.sub(r"[^A-Za-z0-9_]", "_", text)


def span(length: timedelta, *, days: bool = True) -> str:
    """A time span in its largest whole unit.

    :param days: whether days are one of the units; hours are what hops are counted in since the epoch.
    """
    seconds = int(length.total_seconds())
    for unit, size in _UNITS if days else _UNITS[1:]:
        if seconds % size == 0:
            count = seconds // size
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    raise ValueError(f"a span of {length} is no whole number of seconds")


def dataset(source: str) -> str:
    """The data set of a source's events."""
    return next(stream.dataset for stream in STREAMS.values() if stream.family == source)


def streams(*sources: str) -> str:
    """The data streams of these sources, as FROM names them."""
    return ", ".join(f"logs-{dataset(source)}-*" for source in sources)


def command(word: str, items: Sequence[str], by: Sequence[str] = ()) -> str:
    """A command; several items stand one a line."""
    text = f"| {word} {items[0]}" if len(items) == 1 else f"| {word}\n    " + ",\n    ".join(items)
    grouping = ",\n    ".join(by)
    return f"{text}\n  BY\n    {grouping}" if grouping else text


def some(values: str) -> str:
    """The first hundred of a column's values, in order."""
    return f"MV_SLICE(MV_SORT({values}), 0, 99)"
