"""Events as rows: the columns a family's events have, from the field table, and the values that stand in them.

Columns are called as the field table calls its fields: Graph's property path (`userPrincipalName`,
`status.errorCode`), and the event's path (`@timestamp`, `source.ip`) for what Graph does not have. A list of objects
is one JSON column; its parts have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Callable

from entrawatch import jsontext
from entrawatch.schema import times
from entrawatch.schema.fields import FIELDS, ROOTS, Field
from entrawatch.schema.streams import STREAMS
from entrawatch.sinks.lines import entra

if TYPE_CHECKING:
    from entrawatch.interfaces import Event

#: family of events that belong to no stream: they have the common columns only
OTHER = "other"
FAMILIES = (*ROOTS, OTHER)

_KINDS = {"long": "integer", "double": "number", "boolean": "boolean", "date": "time",
          "geo_point": "json", "flattened": "json", "object": "json"}  # fmt: skip
_LARGEST = 2**63


@dataclass(frozen=True)
class Column:
    """One column.

    :param name: the field's name in the table.
    :param kind: text, texts (a list of them), integer, number, boolean, time or json.
    :param path: where its value stands in the event, dots between keys.
    """

    name: str
    kind: str
    path: str


def _kind(field: Field) -> str:
    if field.type in _KINDS and not (field.many and field.type in {"long", "double", "boolean", "date"}):
        return _KINDS[field.type]
    return "texts" if field.many else "text"


def _has_column(field: Field, above: set[str]) -> bool:
    """Whether a field is a column of its own: parts of an object are, what stands inside another column is not."""
    if "*" in field.ecs or (field.type == "object" and not field.many):
        return False
    return not any(field.ecs.startswith(f"{path}.") for path in above)


@lru_cache
def columns(family: str) -> tuple[Column, ...]:
    """The columns of a family's events, always in the same order: the common ones, then its own."""
    fields = [field for field in FIELDS if field.family in {"common", family}]
    above = {field.ecs for field in fields if _kind(field) == "json" and (field.type != "object" or field.many)}
    return tuple(Column(field.name, _kind(field), field.ecs) for field in fields if _has_column(field, above))


def family_of(event: Event) -> str:
    """The family of the event's stream, OTHER where it names none of the table."""
    stream = STREAMS.get(str(entra(event).get("stream")))
    return stream.family if stream else OTHER


@lru_cache
def _places(family: str) -> dict[str, tuple[int, ...]]:
    places: dict[str, tuple[int, ...]] = {}
    for number, column in enumerate(columns(family)):
        places[column.path] = (*places.get(column.path, ()), number)
    return places


def spread(event: Event, family: str) -> tuple[list[Any], dict[str, Any]]:
    """The event's values in the order of the family's columns, None where it has none, and what is left over."""
    cells: list[Any] = [None] * len(columns(family))
    left: dict[str, Any] = {}
    places = _places(family)
    work: list[tuple[str, Any]] = [("", event)]
    while work:
        prefix, node = work.pop()
        for key, value in node.items():
            path = f"{prefix}{key}"
            if path in places:
                for number in places[path]:
                    cells[number] = value
            elif isinstance(value, dict) and value:
                work.append((f"{path}.", value))
            else:
                left[path] = value
    return cells, left


def _json(value: Any) -> str:
    return jsontext.dumps(value).decode()


def _text(value: Any) -> str:
    # Text that cannot be UTF-8 (a lone surrogate) is mended as the JSON writer mends it.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else _json(value)


def _texts(value: Any) -> list[str]:
    return [_text(item) for item in (value if isinstance(value, list) else [value])]


def _integer(value: Any) -> Any:
    fits = isinstance(value, int) and not isinstance(value, bool) and -_LARGEST <= value < _LARGEST
    return value if fits else None


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    except OverflowError:
        return None


_TYPED: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "texts": _texts,
    "integer": _integer,
    "number": _number,
    "boolean": lambda value: value if isinstance(value, bool) else None,
    "time": times.parse,
    "json": _json,
}


def typed(event: Event, family: str) -> dict[int, Any]:
    """Number of a column → the event's value with the column's type; none for a value of another type.

    The caller keeps the whole event beside it, so nothing is lost by a value that does not fit.
    """
    cells, _ = spread(event, family)
    kinds = columns(family)
    values = ((number, _TYPED[kinds[number].kind](value)) for number, value in enumerate(cells) if value is not None)
    return {number: value for number, value in values if value is not None}
