"""Records say the same again and again: the same application, resource, risk, policies. What they share is converted
once and kept as a template; of the next record that says the same only what differs is touched.

What is shared is found by the record's content, in a binary form that tells types apart, so a template can never
give another result than the conversion itself. Templates are few and bounded; where nothing repeats, each record costs
one look-up more.
"""

from __future__ import annotations

import marshal
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from entrawatch.normalize.convert import exact_type, plan_for
from entrawatch.normalize.values import UNFIT, shown

if TYPE_CHECKING:
    from entrawatch.normalize.containers import Handler
    from entrawatch.normalize.convert import Converter, Target

try:
    from orjson import dumps as _orjson_dumps
except ImportError:  # pragma: no cover - the runtime tests run without it
    _orjson_dumps = None  # type: ignore[assignment]

#: templates kept for one list of keys, and lists of keys kept
_TEMPLATES, _SPLITS = 2048, 64
#: where templates were made more often than used, how many times that many records are then read without
_REST = 16


class Tally:
    """Whether keeping templates pays for a list of keys.

    :param used: records since the start that a kept template served.
    :param rest: records still to be read without.
    """

    __slots__ = ("rest", "used")

    def __init__(self) -> None:
        self.used = self.rest = 0

    def begin(self) -> None:
        """The templates were thrown away: begin anew, at once or after a rest."""
        self.rest = 0 if self.used > _TEMPLATES else _REST * _TEMPLATES
        self.used = 0


def _binary(value: Any) -> Optional[bytes]:
    """The content of a value; None where it has none that tells it from all others."""
    try:
        return marshal.dumps(value, 2)  # version 2 has no references, whose bytes depend on more than the value
    except ValueError:
        return None


def _text(value: Any) -> Optional[bytes]:
    try:
        return _orjson_dumps(value)
    except TypeError:  # half a surrogate pair, a number of more than 64 bits
        return None


content: Callable[[Any], Optional[bytes]] = _binary if _orjson_dumps is None else _text


class Own(NamedTuple):
    """A key that does not repeat: its name, the type that is right as it is, and what handles the others."""

    key: str
    name: str
    right: type
    plans: dict[type, Handler]
    target: Target


class Split(NamedTuple):
    """A list of keys, cut in what repeats and what does not.

    :param shared: takes the values of the keys that repeat out of a record.
    :param own: those that do not.
    :param lost: keys of neither, whose name one of `own` has.
    """

    keys: tuple[str, ...]
    shared_keys: tuple[str, ...]
    shared: Callable[[dict[str, Any]], Any]
    own: tuple[Own, ...]
    lost: tuple[str, ...]
    templates: dict[bytes, Template]
    tally: Tally


class Template(NamedTuple):
    """What a shared content becomes."""

    values: dict[str, Any]
    unfit: dict[str, str]
    #: what the family makes of the values: its own, kept here for the next record
    kept: dict[str, Any]


class Templated:
    """A converter with templates.

    :param own: keys whose values differ from record to record.
    """

    def __init__(self, converter: Converter, own: frozenset[str]) -> None:
        self._converter = converter
        self._own = own
        self._last = Split((), (), dict, (), (), {}, Tally())
        self._splits: dict[tuple[str, ...], Split] = {}

    def __call__(self, record: dict[str, Any], unfit: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The record's properties in the event, and a dict to keep what follows from the shared ones."""
        keys = (*record,)
        split = self._last
        if split.keys != keys:
            self._last = split = self._splits.get(keys) or self._learn(keys)
        template = self._template(split, record)
        out = template.values.copy()
        _fill(out, split.own, record, unfit)
        if template.unfit:
            unfit.update(template.unfit)
        for key in split.lost:
            unfit[key] = shown(record[key])
        return out, template.kept

    def _template(self, split: Split, record: dict[str, Any]) -> Template:
        tally = split.tally
        if tally.rest:
            tally.rest -= 1
            return self._make(split, record, None)
        text = content(split.shared(record))
        template = split.templates.get(text) if text else None
        if template is None:
            return self._make(split, record, text)
        tally.used += 1
        return template

    def _make(self, split: Split, record: dict[str, Any], text: Optional[bytes]) -> Template:
        odd: dict[str, str] = {}
        values = self._converter({key: record[key] for key in split.shared_keys}, odd)
        template = Template(values, odd, {})
        if text:
            if len(split.templates) >= _TEMPLATES:
                split.templates.clear()
                split.tally.begin()
            split.templates[text] = template
        return template

    def _learn(self, keys: tuple[str, ...]) -> Split:
        own = []
        for key in keys:
            target = self._converter.target(key) if key in self._own else None
            if target:
                own.append(Own(key, target.name, exact_type(target), {}, target))
        names = {entry.name for entry in own}
        lost = tuple(key for key in keys if key not in self._own and self._converter.name_of(key) in names)
        shared = tuple(key for key in keys if key not in self._own and key not in lost)
        if len(self._splits) >= _SPLITS:
            self._splits.clear()
        getter = itemgetter(*shared) if shared else dict
        self._splits[keys] = split = Split(keys, shared, getter, tuple(own), lost, {}, Tally())
        return split


def _fill(out: dict[str, Any], own: tuple[Own, ...], record: dict[str, Any], unfit: dict[str, str]) -> None:
    """Write the values of the keys that do not repeat."""
    for key, name, right, plans, target in own:
        value = record[key]
        kind = type(value)
        if kind is right:
            out[name] = value
        elif value is not None:
            plan = plans.get(kind) or plans.setdefault(kind, plan_for(target, kind))
            value = plan(value, unfit)
            if value is UNFIT:
                unfit[key] = shown(record[key])
            elif value is not None:
                out[name] = value
