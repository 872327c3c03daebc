"""Lists and objects that are not taken apart by the table: what they hold is text to a store.

Nothing is checked in them but that they are lists or objects of objects where a flattened field needs that.
"""

from __future__ import annotations

from typing import Any, Callable

from entrawatch.normalize.known import NO_CONTENT, Known, content
from entrawatch.normalize.values import UNFIT, parsed, shown
from entrawatch.schema.names import snake

#: a handler takes the value and the event's dict of unfit values; it gives the new value, None or UNFIT
Handler = Callable[[Any, "dict[str, str]"], Any]
#: lists of keys kept: a hostile stream must not fill the memory
_SHAPES = 4096
_TEXTS = {str}
_DICTS = {dict}
_DICTS_OR_NULLS = {dict, type(None)}


def free(value: Any, unfit: dict[str, str]) -> Any:
    """Any value, the keys of its objects in snake case and without nulls; of two keys that become one, the first."""
    if type(value) is list:
        return [free(item, unfit) for item in value if item is not None]
    if type(value) is not dict:
        return value
    out: dict[str, Any] = {}
    for key, inner in value.items():
        name = snake(key) or "_"
        if name in out:
            unfit[key] = shown(inner)
        elif inner is not None:
            out[name] = free(inner, unfit)
    return out


def as_it_is(value: Any, _: dict[str, str]) -> Any:
    """The handler of values that need none."""
    return value


def listed(scalar: Callable[[Any], Any]) -> Handler:
    def handle(value: Any, _: dict[str, str]) -> Any:
        if type(value) is not list:
            value = parsed(value)
            value = value if type(value) is list else [value] if value != "" else None
        if not value or {*map(type, value)} == _TEXTS:
            return value
        items = [scalar(item) for item in value if item is not None]
        return UNFIT if UNFIT in items else [item for item in items if item is not None]

    return handle


def dicts(value: Any) -> Any:
    """A list of objects, or UNFIT; one object is a list of one."""
    if type(value) is not list:
        value = parsed(value)
        if type(value) is dict:
            return [value]
        if type(value) is not list:
            return UNFIT if value else None
    kinds = {*map(type, value)}
    if kinds == _DICTS or not kinds:
        return value
    return [item for item in value if item is not None] if kinds <= _DICTS_OR_NULLS else UNFIT


def as_they_are(value: Any, _: dict[str, str]) -> Any:
    """A list of objects with the keys they came with, without nulls."""
    value = dicts(value)
    if value is None or value is UNFIT:
        return value
    return [{key: part for key, part in item.items() if part is not None} for item in value]


class _Opaque:
    """The objects in a flattened list: keys in snake case, nulls gone, nothing checked, for a store sees only text."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, ...], tuple[tuple[str, ...], tuple[str, ...]]] = {}

    def __call__(self, record: dict[str, Any], unfit: dict[str, str]) -> dict[str, Any]:
        names, nesting = self._names.get((*record,)) or self._learn((*record,))
        if not names:
            out: dict[str, Any] = free(record, unfit)
            return out
        values = record.values()
        out = dict(zip(names, values))
        if None in values:
            out = {name: value for name, value in out.items() if value is not None}
        for name in nesting:
            if out.get(name):
                out[name] = free(out[name], unfit)
        return out

    def _learn(self, keys: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if len(self._names) >= _SHAPES:
            self._names.clear()
        names = tuple(map(snake, keys))
        if len({*names, ""}) <= len(keys):
            names = ()  # two keys want one name: the careful way
        self._names[keys] = both = names, tuple(name for name in names if name in _NESTING)
        return both


_OPAQUE = _Opaque()
#: parts of flattened objects that hold objects themselves
_NESTING = ("include_rules_satisfied", "exclude_rules_satisfied", "authentication_strength")


def _opaque(value: Any) -> tuple[dict[str, Any], dict[str, str]]:
    unfit: dict[str, str] = {}
    return _OPAQUE(value, unfit), unfit


def repeated() -> Handler:
    """A list of objects that record after record has: policies and the like."""
    known = Known(_opaque)

    def handle(value: Any, unfit: dict[str, str]) -> Any:
        value = dicts(value)
        if not value or value is UNFIT:
            return value
        try:
            found = [known[content(item)] for item in value]
        except NO_CONTENT:
            return objects(value, unfit)
        for _, odd in found:
            if odd:
                unfit.update(odd)
        return [item for item, _ in found]

    return handle


def objects(value: Any, unfit: dict[str, str]) -> Any:
    """A list of objects in a flattened field."""
    value = dicts(value)
    return value if value is None or value is UNFIT else [_OPAQUE(item, unfit) for item in value]


def pairs(value: Any, unfit: dict[str, str]) -> Any:
    """A list of key and value becomes an object; a key that stands twice keeps both values, as a list."""
    value = parsed(value)
    if type(value) is dict:
        return free(value, unfit)
    value = dicts(value)
    return value if value is None or value is UNFIT else paired(value)


def paired(items: list[dict[str, Any]]) -> Any:
    """The object of a list of {key, value} (or {Key, Value}); UNFIT where an element is something else."""
    out: dict[str, Any] = {}
    for item in items:
        key = item.get("key", item.get("Key"))
        value = item.get("value", item.get("Value"))
        if not isinstance(key, str) or len(item) > 2:
            return UNFIT
        if value is not None:
            out[key] = [*_several(out[key]), value] if key in out else value
    return out


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
