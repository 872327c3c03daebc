"""Turns the keys and values of a Graph object into the event's, as the field table says.

Records of one stream come in few shapes: the same keys with values of the same types. What is to be done for a shape
is worked out once and kept; for the next record of that shape most values are then copied at the speed of C, and only
those that need a hand (times, addresses, inner objects) are touched one by one.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from entrawatch.normalize.values import SCALARS, UNFIT, parsed, shown
from entrawatch.schema.names import camel, snake

if TYPE_CHECKING:
    from collections.abc import Iterable

    from entrawatch.schema.fields import Field

#: a handler takes the value and the event's dict of unfit values; it gives the new value, None or UNFIT
Handler = Callable[[Any, "dict[str, str]"], Any]
#: shapes kept a converter: real streams have some hundreds, a hostile one must not fill the memory
_SHAPES = 4096
#: what a flat copy may hold: types of JSON that need no look inside
_PLAIN = frozenset({str, int, float, bool})


class Target(NamedTuple):
    """What becomes of one key."""

    name: str
    type: str = ""
    many: bool = False
    inner: Optional[Converter] = None
    handler: Optional[Handler] = None


class Shape(NamedTuple):
    """What is to be done for one list of keys with one list of value types."""

    names: tuple[str, ...]
    mask: tuple[bool, ...]
    special: tuple[tuple[str, str, Handler], ...]


class Converter:
    """One object of the table (or, without targets, any object: its keys in snake case).

    :param targets: Graph key → what becomes of it; None for what the caller handles itself.
    :param path: where the object stands, to name values that do not fit.
    """

    def __init__(self, targets: dict[str, Optional[Target]], path: str = "") -> None:
        self._targets = targets
        self._named = {target.name: key for key, target in targets.items() if target}
        self._path = path
        self._assigned: dict[tuple[str, ...], tuple[Optional[Target], ...]] = {}
        self._shapes: dict[tuple[Any, ...], Shape] = {}

    def __call__(self, record: dict[str, Any], unfit: dict[str, str]) -> dict[str, Any]:
        """The object under the event's names; values that do not fit go to `unfit`, nulls go nowhere."""
        values = record.values()
        key = (*record, *map(type, values))
        shape = self._shapes.get(key) or self._learn(key, record)
        out = dict(zip(shape.names, compress(values, shape.mask)))
        for name, target, handler in shape.special:
            value = handler(record[name], unfit)
            if value is UNFIT:
                unfit[self._path + name] = shown(record[name])
            elif value is not None:
                out[target] = value
        return out

    def _learn(self, shape_key: tuple[Any, ...], record: dict[str, Any]) -> Shape:
        if len(self._shapes) >= _SHAPES:
            self._shapes.clear()
        names, mask, special = [], [], []
        for (key, value), target in zip(record.items(), self._assign(tuple(record))):
            plan = None if target is None or value is None else _plan(target, type(value))
            mask.append(plan is _copy)
            if target and plan is _copy:
                names.append(target.name)
            elif target and plan:
                special.append((key, target.name, plan))
        self._shapes[shape_key] = shape = Shape(tuple(names), tuple(mask), tuple(special))
        return shape

    def _assign(self, keys: tuple[str, ...]) -> list[Optional[Target]]:
        """A target a key; two keys that want one name get it in the table's order, the other one is unfit."""
        taken: set[str] = set()
        out: dict[str, Optional[Target]] = {}
        for key in sorted(keys, key=lambda k: k not in self._targets):
            target = self._target(key)
            if target and target.name in taken:
                target = Target(target.name, handler=_unfit)
            if target:
                taken.add(target.name)
            out[key] = target
        return [out[key] for key in keys]

    def _target(self, key: str) -> Optional[Target]:
        if key in self._targets:
            return self._targets[key]
        known = self._targets.get(camel(key)) or self._targets.get(self._named.get(snake(key), ""))
        return known or Target(snake(key) or "_")


def _copy(value: Any, _: dict[str, str]) -> Any:
    return value


def _unfit(_value: Any, _: dict[str, str]) -> Any:
    return UNFIT


#: any object: keys in snake case
FREE = Converter({})


def free(value: Any, unfit: dict[str, str]) -> Any:
    """Any value, the keys of its objects in snake case."""
    if type(value) is dict:
        return FREE(value, unfit)
    if type(value) is list:
        return [free(item, unfit) for item in value if item is not None]
    return value


def _plan(target: Target, kind: type) -> Handler:
    """How a value of this type of JSON takes the target's type."""
    if target.handler:
        return target.handler
    if not target.type:
        return _copy if kind in _PLAIN else free
    if target.type == "object":
        return _indexed(target.inner or FREE) if target.many else _object(target.inner or FREE)
    if target.type == "flattened":
        return _objects if target.many else _pairs
    exact = {"keyword": str, "text": str, "boolean": bool}.get(target.type)
    if kind is exact and not target.many:
        return _copy
    scalar = SCALARS[target.type]
    return _list(scalar) if target.many else lambda value, _: scalar(value)


def _list(scalar: Callable[[Any], Any]) -> Handler:
    def handle(value: Any, _: dict[str, str]) -> Any:
        if type(value) is not list:
            value = parsed(value)
            value = value if type(value) is list else [value] if value != "" else None
        if not value or set(map(type, value)) == {str}:
            return value
        items = [scalar(item) for item in value if item is not None]
        return UNFIT if UNFIT in items else [item for item in items if item is not None]

    return handle


def _object(inner: Converter) -> Handler:
    def handle(value: Any, unfit: dict[str, str]) -> Any:
        if type(value) is not dict:
            value = parsed(value)
            if type(value) is not dict:
                return UNFIT if value else None
        return inner(value, unfit)

    return handle


def _dicts(value: Any) -> Any:
    """A list of objects, or UNFIT; one object is a list of one."""
    value = parsed(value)
    if type(value) is dict:
        return [value]
    if type(value) is not list:
        return UNFIT if value else None
    value = [item for item in value if item is not None]
    return value if all(type(item) is dict for item in value) else UNFIT


def _indexed(inner: Converter) -> Handler:
    """A list becomes an object with the keys 0, 1, …, as Elastic's integration has it."""

    def handle(value: Any, unfit: dict[str, str]) -> Any:
        value = _dicts(value)
        if not value or value is UNFIT:
            return value or None
        return {str(index): inner(item, unfit) for index, item in enumerate(value)}

    return handle


def _objects(value: Any, unfit: dict[str, str]) -> Any:
    value = _dicts(value)
    return value if value is None or value is UNFIT else [FREE(item, unfit) for item in value]


def _pairs(value: Any, unfit: dict[str, str]) -> Any:
    """A list of key and value becomes an object; a key that stands twice keeps both values, as a list."""
    value = parsed(value)
    if type(value) is dict:
        return FREE(value, unfit)
    value = _dicts(value)
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
            out[key] = [*_listed(out[key]), value] if key in out else value
    return out


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def compiled(fields: Iterable[Field], handlers: dict[str, Handler], prefix: str = "") -> Converter:
    """The converter of a family's rows.

    :param handlers: Graph path → a handler of the family's own, in place of the type's.
    :param prefix: the path above, with its dot; "" for the record itself.
    """
    rows = [field for field in fields if field.envelope.startswith("properties." + prefix)]
    targets: dict[str, Optional[Target]] = {}
    for field in rows:
        key = field.name[len(prefix) :]
        if "." not in key:
            targets[key] = _compile(field, rows, handlers)
    return Converter(targets, prefix)


def _compile(field: Field, rows: list[Field], handlers: dict[str, Handler]) -> Optional[Target]:
    if not field.ecs.startswith("azure."):
        return None
    inner = None
    if field.type == "object":
        inner = compiled(rows, handlers, field.name + ".")
        inner = inner if inner._targets else None  # noqa: SLF001 - its own class's factory
    return Target(field.ecs.rpartition(".")[2], field.type, field.many, inner, handlers.get(field.name))
