"""What is to be done for records that have the same keys, worked out once.

A loop over the sixty keys of a sign-in costs more in Python than reading and writing its JSON does. So a plan sorts the
keys in three groups, two of which are dealt with at the speed of C:

- texts: keys whose value was always text that is right as it is. They are copied; joining the texts, which fails for
  anything else, tells whether they still are text.
- common: keys whose value was always null, true, false, a list or an object, and which say the same in record after
  record (policies, status). What a combination of their values becomes is kept by its content, and copied.
- each: all other keys (times, numbers, addresses, what differs from record to record, text that is null at times), one
  by one.

A value that does not suit the group of its key moves the key to the last group for good; so a plan never gives another
result than going through the keys one by one would. Where combinations turn out not to repeat, lists and objects go to
the last group too.

The streams' threads share the plans. So how the keys are sorted is one value that never changes: a thread goes by the
one that it began with, while another may put a new one in its place.
"""

from __future__ import annotations

from contextlib import suppress
from operator import itemgetter
from threading import Lock
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from entrawatch.normalize.containers import as_it_is
from entrawatch.normalize.known import NO_CONTENT, content
from entrawatch.normalize.values import UNFIT, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from entrawatch.normalize.containers import Handler

#: combinations kept a plan: a hostile stream must not fill the memory
_COMBINATIONS = 1024
_NOTHING = type(None)
_TEXT, _COMMON, _EACH = "text", "common", "each"
_join = "".join


class Slot(NamedTuple):
    """Where the value of one key goes.

    :param handlers: type of JSON → how a value of it gets there.
    :param own: whether it differs from record to record.
    """

    key: str
    name: str
    handlers: Handlers
    own: bool


class Handlers(dict[type, "Handler"]):
    """Type of JSON → handler, asked for once.

    :param find: gives the handler of a type.
    """

    def __init__(self, find: Callable[[type], Handler]) -> None:
        super().__init__({_NOTHING: as_it_is})
        self._find = find

    def __missing__(self, kind: type) -> Handler:
        handler = self[kind] = self._find(kind)
        return handler


class Order(NamedTuple):
    """How the keys are sorted into groups.

    :param names: of the texts.
    :param texts: takes the texts out of a record, in the order of the names.
    :param common: takes what is common out of a record.
    :param each: key, name and handlers of all others.
    :param combinations: content of what is common → what it becomes, with a place for all others.
    """

    names: list[str]
    texts: Callable[[dict[str, Any]], Any]
    common: Callable[[dict[str, Any]], Any]
    each: list[tuple[str, str, Handlers]]
    combinations: dict[bytes, dict[str, Any]]


class Plan:
    """What is to be done for one list of keys.

    :param keys: the list.
    :param slots: the keys that go into the event, in the order they have there.
    :param lost: keys whose name another key has taken.
    :param path: where the object stands, with its dot, to name values that do not fit.
    """

    __slots__ = ("_groups", "_learning", "_lost", "_order", "_path", "_slots", "_used", "_whole", "keys")

    def __init__(self, keys: list[str], slots: Iterable[Slot], lost: Iterable[str], path: str) -> None:
        self.keys = keys
        self._slots, self._lost, self._path = tuple(slots), tuple(lost), path
        self._groups: dict[str, str] = {}
        self._used = 0
        self._whole = True
        self._learning = Lock()
        self._order = self._arranged()

    def __call__(self, record: dict[str, Any], unfit: dict[str, str]) -> dict[str, Any]:
        """The object under the event's names; values that do not fit go to `unfit`, nulls go nowhere.

        :param record: an object with the plan's keys, in its order.
        """
        order = self._order
        texts = order.texts(record)
        try:
            _join(texts)
            ready = order.combinations[content(order.common(record))]
            self._used += 1
        except (*NO_CONTENT, KeyError):
            with self._learning:
                order, ready = self._learn(record)
            texts = order.texts(record)
        out = ready.copy()
        out.update(zip(order.names, texts))
        for key, name, handlers in order.each:
            value = record[key]
            handler = handlers[type(value)]
            if handler is not as_it_is:
                value = handler(value, unfit)
            if value is None or value is UNFIT:
                del out[name]
                if value is UNFIT:
                    unfit[self._path + key] = shown(record[key])
            else:
                out[name] = value
        for key in self._lost:
            if record[key] is not None:
                unfit[self._path + key] = shown(record[key])
        return out

    def _learn(self, record: dict[str, Any]) -> tuple[Order, dict[str, Any]]:
        """Put each key in its group; give what the common ones become, with a place for all others."""
        order = self._order
        if len(order.combinations) >= _COMBINATIONS:
            self._whole = self._used > _COMBINATIONS
            order.combinations.clear()
            self._used = 0
        ready: dict[str, Any] = {}
        before = dict(self._groups)
        for slot in self._slots:
            group, value = self._place(slot, record[slot.key])
            self._groups[slot.key] = group
            if value is not None or group is not _COMMON:
                ready[slot.name] = value
        if self._groups != before:
            order = self._order = self._arranged()
        with suppress(*NO_CONTENT):
            order.combinations[content(order.common(record))] = ready
        return order, ready

    def _place(self, slot: Slot, value: Any) -> tuple[str, Any]:
        """The group of a key, and what a common value becomes."""
        kind, group = type(value), self._groups.get(slot.key)
        if kind is str:
            right = group in (None, _TEXT) and slot.handlers[kind] is as_it_is
            return (_TEXT if right else _EACH), None
        few = kind in (bool, _NOTHING) or (kind in (list, dict) and (not value or (self._whole and not slot.own)))
        if group in (_TEXT, _EACH) or not few:
            return _EACH, None
        unfit: dict[str, str] = {}
        value = slot.handlers[kind](value, unfit)
        return (_EACH, None) if unfit or value is UNFIT else (_COMMON, value)

    def _arranged(self) -> Order:
        texts, common, each = (
            [slot for slot in self._slots if self._groups.get(slot.key) is group] for group in (_TEXT, _COMMON, _EACH)
        )
        return Order(
            names=[slot.name for slot in texts],
            texts=_getter([slot.key for slot in texts]),
            common=_getter([slot.key for slot in common]),
            each=[slot[:3] for slot in each],
            combinations={},
        )


def _getter(keys: Sequence[str]) -> Callable[[dict[str, Any]], Any]:
    """Takes the keys' values out of a record as a tuple, which itemgetter does for two and more."""
    if not keys:
        return _empty
    return itemgetter(*keys) if len(keys) > 1 else itemgetter(*keys, *keys)


def _empty(_: dict[str, Any]) -> tuple[()]:
    return ()
