"""Whether a value in an event is what the field table declares."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Callable

from entrawatch.schema.fields import FIELDS, Field

if TYPE_CHECKING:
    from collections.abc import Iterator

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


def is_address(value: Any) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return isinstance(value, str) and "%" not in value


def is_point(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"lat", "lon"} and all(abs(value[key]) <= 180 for key in value)


CHECKS: dict[str, Callable[[Any], bool]] = {
    "keyword": lambda value: isinstance(value, str),
    "text": lambda value: isinstance(value, str),
    "long": lambda value: type(value) is int and -(2**63) <= value < 2**63,
    "double": lambda value: type(value) in (int, float) and abs(value) <= 1e300,
    "boolean": lambda value: type(value) is bool,
    "date": lambda value: isinstance(value, str) and TIME.fullmatch(value) is not None,
    "ip": is_address,
    "geo_point": is_point,
    "object": lambda value: isinstance(value, dict) or value == [],
    "flattened": lambda value: isinstance(value, dict),
}


def values_at(event: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        yield event
    elif isinstance(event, dict):
        step, *rest = path
        for inner in event.values() if step == "*" else [event[step]] if step in event else []:
            yield from values_at(inner, rest)


def misfits(event: dict[str, Any], families: tuple[str, ...]) -> list[tuple[Field, Any]]:
    """The values of an event that are not of their field's type."""
    out = []
    for field in FIELDS:
        if field.opaque or field.family not in families or field.ecs.startswith("source.geo.location."):
            continue
        for value in values_at(event, field.ecs.split(".")):
            # an indexed list is an object already; other lists hold values of the type
            items = value if field.many and isinstance(value, list) else [value]
            out += [(field, item) for item in items if not CHECKS[field.type](item)]
    return out
