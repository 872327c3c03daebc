"""The usual sign-in straight to its row: what the normaliser would say of it, without the rest of the event.

A record is usual when the fields that are read have the names and types that Graph documents, bare or in the
envelope of the diagnostic settings. Of every other one this module says nothing, and the normaliser takes it.
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Callable, Optional

from entrawatch.normalize.shapes import CATEGORIES
from entrawatch.normalize.values import address, instant
from entrawatch.schema.fields import resolve
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from entrawatch.hunt.columns import Column
    from entrawatch.interfaces import Record

Row = tuple[Any, ...]

_ROOT = "azure.signinlogs.properties."
_TYPES = {"keyword": str, "text": str, "long": int, "boolean": bool}
_LONG = 2**63
#: keys of the other shapes
_OTHER = frozenset({"TimeGenerated", "OperationName", "@timestamp", "properties"})
#: keys whose values stand elsewhere in the event than the properties, under Graph's own names only
_PLACED = {"source.geo.city_name", "source.geo.country_iso_code", "user_agent.original"}
#: read for every row, before the columns
_ALWAYS = ("id", "createdDateTime", "ipAddress")
_MADE = {"id": 0, "event.id": 0, "@timestamp": 1, "ipAddress": 2}
#: lists of keys, and of types, remembered
_KEPT = 4096


def _bare(name: str) -> str:
    """A name without what the normaliser overlooks in names, and somewhat more."""
    return re.sub("[^a-z0-9]", "", name.lower())


class _Object:
    """The fields that are read in one object.

    :ivar names: their keys.
    :ivar kinds: the type each has when it is usual.
    :param objects: keys of objects in it of which fields are read.
    """

    def __init__(self, fields: Iterable[tuple[str, type, str]], objects: Iterable[str] = ()) -> None:
        fields = list(fields)
        self.names = tuple(name for name, _, _ in fields)
        self.kinds = tuple(kind for _, kind, _ in fields)
        self._known = frozenset((*self.names, *objects))
        self._alike = {_bare(name) for name in self._known} | {_bare(ecs) for _, _, ecs in fields}
        self._numbers = tuple(place for place, kind in enumerate(self.kinds) if kind is int)
        #: lists of keys, and of their values' types, that were found to be usual
        self._usual: set[tuple[str, ...]] = set()
        self._right: set[tuple[type, ...]] = set()

    def values(self, record: Record) -> Optional[list[Any]]:
        """The values; None where the object is not usual."""
        keys = (*record,)
        if keys not in self._usual and not _learn(self._usual, keys, self._is_usual):
            return None
        values: list[Any] = [*map(record.get, self.names)]
        types = (*map(type, values),)
        if types not in self._right and not _learn(self._right, types, self._is_right):
            return None
        for place in self._numbers:
            value = values[place]
            if value is not None and not -_LONG <= value < _LONG:
                return None
        return values

    def _is_usual(self, keys: tuple[str, ...]) -> bool:
        """Whether no key is another spelling of one that is read."""
        return not any(key not in self._known and _bare(key) in self._alike for key in keys)

    def _is_right(self, types: tuple[type, ...]) -> bool:
        return all(found in {kind, type(None)} for found, kind in zip(types, self.kinds))


def _learn(known: set[Any], one: Any, test: Callable[[Any], bool]) -> bool:
    """Whether the test holds; then it is remembered."""
    if not test(one):
        return False
    if len(known) >= _KEPT:
        known.clear()
    known.add(one)
    return True


class UsualSignIns:
    """Rows of usual sign-ins.

    :param row: a record to its row, in the columns' order; None where the normaliser has to say. Empty text stays "".
    :raises LookupError: a column that only the normaliser knows.
    """

    def __init__(self, columns: tuple[Column, ...]) -> None:
        top: dict[str, tuple[str, type, str]] = {
            "id": ("id", str, "id"),
            "createdDateTime": ("createdDateTime", str, "created_at"),
            "ipAddress": ("ipAddress", str, "ip_address"),
        }
        inner: dict[str, dict[str, tuple[str, type, str]]] = {}
        for column in columns:
            if column.name not in _MADE:
                self._add(column, top, inner)
        self._top = _Object(top.values(), inner)
        self._inner = [(key, _Object(fields.values())) for key, fields in inner.items()]
        places = [name for name in top if name not in _ALWAYS]
        places += [f"{key}.{name}" for key, fields in inner.items() for name in fields]
        at = {**_MADE, **{name: place for place, name in enumerate(places, len(_ALWAYS))}}
        self._ordered: Callable[[list[Any]], Row] = itemgetter(*(at[column.name] for column in columns))

    @staticmethod
    def _add(column: Column, top: dict[str, Any], inner: dict[str, dict[str, Any]]) -> None:
        field = resolve(column.name, "signin")
        above, _, name = column.name.rpartition(".")
        parent = resolve(above, "signin") if above else None
        if field is None or field.name != column.name or field.type not in _TYPES or field.many or "*" in field.ecs:
            raise LookupError(column.name)
        if field.opaque or (parent and (parent.many or parent.type != "object" or "." in above)):
            raise LookupError(column.name)
        if not field.ecs.startswith(_ROOT) and field.ecs not in _PLACED:
            raise LookupError(column.name)
        fields = inner.setdefault(above, {}) if above else top
        fields[name] = (name, _TYPES[field.type], field.ecs.rpartition(".")[2])

    def row(self, record: Record) -> Optional[Row]:
        """See the class."""
        if "properties" in record:
            props = record["properties"]
            if type(props) is not dict or not _is_sign_in(record) or _is_told_around(record, props):
                return None
            record = props
        elif not _OTHER.isdisjoint(record) or not _like_sign_in(record):
            return None
        values = self._top.values(record)
        if values is None:
            return None
        moment = instant(values[1]) if values[1] else None
        if not moment or not values[0]:
            return None
        values[1] = moment[0]
        values[2] = values[2] and address(values[2])[0]
        for key, fields in self._inner:
            held = record.get(key, _NOTHING)
            more = fields.values(held or _NOTHING) if held is None or type(held) is dict else None
            if more is None:
                return None
            values += more
        return self._ordered(values)


_NOTHING: dict[str, Any] = {}


def _like_sign_in(record: Record) -> bool:
    return "createdDateTime" in record and ("appId" in record or "status" in record or "signInEventTypes" in record)


def _is_told_around(envelope: Record, props: Record) -> bool:
    """Whether the address or the country may stand in the envelope alone."""
    if not props.get("ipAddress"):
        return True
    place = props.get("location")
    return "location" in envelope and not (type(place) is dict and place.get("countryOrRegion"))


def _is_sign_in(envelope: Record) -> bool:
    category = envelope.get("category")
    stream = CATEGORIES.get(category.lower()) if type(category) is str else None
    return stream is not None and STREAMS[stream].family == "signin"
