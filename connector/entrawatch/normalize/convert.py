"""Turns the keys and values of a Graph object into the event's, as the field table says.

Records of one stream come in few shapes: the same keys with values of the same types. What is to be done for a shape
is worked out once and kept; for the next record of that shape most values are then copied at the speed of C, and only
those that need a hand (times, addresses, inner objects) are touched one by one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from entrawatch.normalize.containers import Handler, as_it_is, dicts, free, listed, objects, pairs
from entrawatch.normalize.known import NO_CONTENT, Known, content
from entrawatch.normalize.plan import Handlers, Plan, Slot
from entrawatch.normalize.values import SCALARS, UNFIT, parsed
from entrawatch.schema.names import camel, snake

if TYPE_CHECKING:
    from collections.abc import Iterable

    from entrawatch.schema.fields import Field

#: lists of keys whose plan a converter keeps: real streams have some dozens, a hostile one must not fill the memory
_PLANS = 128
#: what a flat copy may hold: types of JSON that need no look inside
_PLAIN = frozenset({str, int, float, bool})


class Target(NamedTuple):
    """What becomes of one key."""

    name: str
    type: str = ""
    many: bool = False
    inner: Optional[Converter] = None
    handler: Optional[Handler] = None


#: what becomes of a key whose name another key has
_TAKEN = Target("")


class Converter:
    """One object of the table (or, without targets, any object: its keys in snake case).

    :param targets: Graph key → what becomes of it; None for what the caller handles itself.
    :param path: where the object stands, to name values that do not fit.
    :param own: keys whose values differ from record to record; they stand behind all others in the event.
    """

    def __init__(self, targets: dict[str, Optional[Target]], path: str = "", own: frozenset[str] = frozenset()) -> None:
        self._targets = targets
        self._named = {target.name: key for key, target in targets.items() if target}
        self._path, self._own = path, own
        self._plans: dict[tuple[str, ...], Plan] = {}
        self._last = Plan([], (), (), "")
        #: whether no inner object can stand in it, so that it may be remembered by its content
        self.flat = bool(targets) and not any(
            target is None or target.many or target.type in ("object", "flattened") for target in targets.values()
        )

    def __call__(self, record: dict[str, Any], unfit: dict[str, str]) -> dict[str, Any]:
        """The object under the event's names; values that do not fit go to `unfit`, nulls go nowhere."""
        plan = self._last
        keys = [*record]
        if plan.keys != keys:  # comparing is cheaper than hashing, and mostly enough
            self._last = plan = self._plans.get((*keys,)) or self._learn(keys)
        return plan(record, unfit)

    def _learn(self, keys: list[str]) -> Plan:
        if len(self._plans) >= _PLANS:
            self._plans.clear()
        targets = dict(zip(keys, self._assign(keys)))
        slots = [
            Slot(key, target.name, Handlers(partial(plan_for, target)), key in self._own)
            for key, target in targets.items()
            if target and target is not _TAKEN
        ]
        slots.sort(key=lambda slot: slot.own)
        lost = [key for key, target in targets.items() if target is _TAKEN]
        plan = self._plans[(*keys,)] = Plan(keys, slots, lost, self._path)
        return plan

    def _assign(self, keys: list[str]) -> list[Optional[Target]]:
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


#: an object without rows of its own
_FREE = Converter({})


def plan_for(target: Target, kind: type) -> Handler:
    """How a value of this type of JSON takes the target's type."""
    if target.handler:
        return target.handler
    if not target.type:
        return as_it_is if kind in _PLAIN else free
    if target.type == "object":
        return _indexed(target.inner or _FREE) if target.many else _object(target.inner or _FREE)
    if target.type == "flattened":
        return objects if target.many else pairs
    if kind is exact_type(target):
        return as_it_is
    scalar = SCALARS[target.type]
    return listed(scalar) if target.many else scalar


def _object(inner: Converter) -> Handler:
    def slow(value: Any, unfit: dict[str, str]) -> Any:
        value = parsed(value)
        if type(value) is not dict:
            return UNFIT if value else None
        return inner(value, unfit)

    return _remembered(inner, slow) if inner.flat else slow


def _remembered(inner: Converter, slow: Handler) -> Handler:
    def make(value: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        unfit: dict[str, str] = {}
        return inner(value, unfit), unfit

    known = Known(make)

    def handle(value: Any, unfit: dict[str, str]) -> Any:
        if type(value) is not dict:
            return slow(value, unfit)
        try:
            out, odd = known[content(value)]
        except NO_CONTENT:
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


def compiled(
    fields: Iterable[Field],
    handlers: dict[str, Handler],
    prefix: str = "",
    *,
    own: frozenset[str] = frozenset(),
    elsewhere: Iterable[str] = (),
) -> Converter:
    """The converter of a family's rows.

    :param handlers: Graph path → a handler of the family's own, in place of the type's.
    :param prefix: the path above, with its dot; "" for the record itself.
    :param own: see Converter.
    :param elsewhere: keys that the caller handles itself, whatever the rows say.
    """
    rows = [field for field in fields if field.envelope.startswith("properties." + prefix)]
    targets: dict[str, Optional[Target]] = {}
    for field in rows:
        key = field.name[len(prefix) :]
        if "." not in key:
            targets[key] = _compile(field, rows, handlers)
    return Converter({**targets, **dict.fromkeys(elsewhere)}, prefix, own)


def _compile(field: Field, rows: list[Field], handlers: dict[str, Handler]) -> Optional[Target]:
    if not field.ecs.startswith("azure."):
        return None
    inner = None
    if field.type == "object":
        inner = compiled(rows, handlers, field.name + ".")
        inner = inner if inner._targets else None  # noqa: SLF001 - its own class's factory
    return Target(field.ecs.rpartition(".")[2], field.type, field.many, inner, handlers.get(field.name))
