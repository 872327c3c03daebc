"""Turns the keys and values of a Graph object into the event's, as the field table says.

Records of one stream come in few shapes: the same keys with values of the same types. What is to be done for a shape
is worked out once and kept; for the next record of that shape most values are then copied at the speed of C, and only
those that need a hand (times, addresses, inner objects) are touched one by one.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from entrawatch.normalize.containers import Handler, dicts, free, listed, objects, pairs
from entrawatch.normalize.values import SCALARS, UNFIT, parsed, shown
from entrawatch.schema.names import camel, snake

if TYPE_CHECKING:
    from collections.abc import Iterable

    from entrawatch.schema.fields import Field

#: shapes kept a converter: real streams have some hundreds, a hostile one must not fill the memory
_SHAPES = 4096
#: what a flat copy may hold: types of JSON that need no look inside
_PLAIN = frozenset({str, int, float, bool})
_NOTHING = type(None)
#: small objects remembered by their content, a converter
_REMEMBERED = 16384


class Target(NamedTuple):
    """What becomes of one key."""

    name: str
    type: str = ""
    many: bool = False
    inner: Optional[Converter] = None
    handler: Optional[Handler] = None


#: what becomes of a key whose name another key has
_TAKEN = Target("")


class Shape(NamedTuple):
    """What is to be done for one list of keys with one list of value types."""

    keys: tuple[str, ...]
    types: tuple[type, ...]
    names: tuple[str, ...]
    mask: tuple[bool, ...]
    #: key, name, handler, and whether an empty value is right as it is
    special: tuple[tuple[str, str, Handler, bool], ...]
    #: keys whose name another key has taken
    lost: tuple[str, ...]


class Converter:
    """One object of the table (or, without targets, any object: its keys in snake case).

    :param targets: Graph key → what becomes of it; None for what the caller handles itself.
    :param path: where the object stands, to name values that do not fit.
    """

    def __init__(self, targets: dict[str, Optional[Target]], path: str = "") -> None:
        self._targets = targets
        self._named = {target.name: key for key, target in targets.items() if target}
        self._path = path
        self._shapes: dict[tuple[Any, ...], Shape] = {}
        self._last = Shape((), (), (), (), (), ())
        #: whether no inner object can stand in it, so that it may be remembered by its content
        self.flat = bool(targets) and not any(
            target is None or target.many or target.type in ("object", "flattened") for target in targets.values()
        )

    def __call__(self, record: dict[str, Any], unfit: dict[str, str]) -> dict[str, Any]:
        """The object under the event's names; values that do not fit go to `unfit`, nulls go nowhere."""
        values = record.values()
        keys, types = (*record,), (*map(type, values),)
        shape = self._last
        if shape.types != types or shape.keys != keys:  # comparing is cheaper than hashing, and mostly enough
            self._last = shape = self._shapes.get((keys, types)) or self._learn(keys, types)
        out = dict(zip(shape.names, compress(values, shape.mask)))
        for key, name, handler, lazy in shape.special:
            value = out[name]
            if value or not lazy:
                out[name] = value = handler(value, unfit)
                if value is None or value is UNFIT:
                    del out[name]
                    if value is UNFIT:
                        unfit[self._path + key] = shown(record[key])
        for key in shape.lost:
            unfit[self._path + key] = shown(record[key])
        return out

    def target(self, key: str) -> Optional[Target]:
        """What becomes of a key of the table; None where the caller handles it itself."""
        return self._targets.get(key)

    def name_of(self, key: str) -> str:
        """The event's name for any key, "" where the caller handles it itself."""
        target = self._target(key)
        return target.name if target else ""

    def _learn(self, keys: tuple[str, ...], types: tuple[type, ...]) -> Shape:
        if len(self._shapes) >= _SHAPES:
            self._shapes.clear()
        names, mask, special, lost = [], [], [], []
        for key, kind, target in zip(keys, types, self._assign(keys)):
            kept = target is not None and target is not _TAKEN and kind is not _NOTHING
            mask.append(kept)
            if target is not None and kept:
                names.append(target.name)
                plan = plan_for(target, kind)
                if plan is not _copy:
                    special.append((key, target.name, plan, _lazy(target, kind)))
            elif target is _TAKEN and kind is not _NOTHING:
                lost.append(key)
        shape = Shape(keys, types, tuple(names), tuple(mask), tuple(special), tuple(lost))
        self._shapes[keys, types] = shape
        return shape

    def _assign(self, keys: tuple[str, ...]) -> list[Optional[Target]]:
        """A target a key; two keys that want one name get it in the table's order, the other one is unfit."""
        taken: set[str] = set()
        out: dict[str, Optional[Target]] = {}
        for key in sorted(keys, key=lambda k: k not in self._targets):
            target = self._target(key)
            if target and target.name in taken:
                target = _TAKEN
            elif target:
                taken.add(target.name)
            out[key] = target
        return [out[key] for key in keys]

    def _target(self, key: str) -> Optional[Target]:
        if key in self._targets:
            return self._targets[key]
        known = self._targets.get(camel(key)) or self._targets.get(self._named.get(snake(key), ""))
        return known or Target(snake(key) or "_")


class _Never:
    """The type of no value."""


def exact_type(target: Target) -> type:
    """The type of JSON that is right in the target as it is."""
    kind = {"keyword": str, "text": str, "boolean": bool}.get(target.type)
    return kind if kind and not target.many and not target.handler else _Never


def _copy(value: Any, _: dict[str, str]) -> Any:
    return value


def _lazy(target: Target, kind: type) -> bool:
    """Whether an empty value of this kind ([], {}, 0) is right in the target as it is."""
    if target.many:
        return kind is list and target.type != "object"
    return kind is {"object": dict, "flattened": dict, "long": int, "double": int}.get(target.type)


#: an object without rows of its own
_FREE = Converter({})


def plan_for(target: Target, kind: type) -> Handler:
    """How a value of this type of JSON takes the target's type."""
    if target.handler:
        return target.handler
    if not target.type:
        return _copy if kind in _PLAIN else free
    if target.type == "object":
        return _indexed(target.inner or _FREE) if target.many else _object(target.inner or _FREE)
    if target.type == "flattened":
        return objects if target.many else pairs
    if kind is exact_type(target):
        return _copy
    scalar = SCALARS[target.type]
    return listed(scalar) if target.many else scalar


def _object(inner: Converter) -> Handler:
    def slow(value: Any, unfit: dict[str, str]) -> Any:
        value = parsed(value)
        if type(value) is not dict:
            return UNFIT if value else None
        return inner(value, unfit)

    return _by_content(inner, slow) if inner.flat else slow


def _by_content(inner: Converter, slow: Handler) -> Handler:
    """Small objects say the same few things in record after record (device, status, agent): the same keys and values
    of the same types give the same result, which is kept and shared."""

    @lru_cache(maxsize=_REMEMBERED, typed=True)
    def remembered(*content: Any) -> tuple[dict[str, Any], dict[str, str]]:
        half = len(content) // 2
        unfit: dict[str, str] = {}
        return inner(dict(zip(content[:half], content[half:])), unfit), unfit

    def handle(value: Any, unfit: dict[str, str]) -> Any:
        if type(value) is not dict:
            return slow(value, unfit)
        try:
            out, odd = remembered(*value, *value.values())
        except TypeError:  # a list or an object where none belongs
            return inner(value, unfit)
        if odd:
            unfit.update(odd)
        return out

    return handle


def _indexed(inner: Converter) -> Handler:
    """A list becomes an object with the keys 0, 1, …, as Elastic's integration has it."""

    def handle(value: Any, unfit: dict[str, str]) -> Any:
        value = dicts(value)
        if not value or value is UNFIT:
            return value or None
        return {str(index): inner(item, unfit) for index, item in enumerate(value)}

    return handle


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
