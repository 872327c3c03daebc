"""The columns of the hunt's tables: one a field that the chosen rules read, named and typed by the schema."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Callable

from entrawatch.rules import ir
from entrawatch.rules.names import resolver
from entrawatch.schema.fields import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from entrawatch.interfaces import Event
    from entrawatch.rules.rule import Baseline, Rule

#: what every table has, whichever rules run
ALWAYS = ("@timestamp", "event.id", "id")

#: by kind of field; a schema's double is a number that is no whole one
_TYPES = {
    "text": "VARCHAR", "address": "VARCHAR", "number": "BIGINT", "double": "DOUBLE", "boolean": "BOOLEAN",
    "time": "TIMESTAMPTZ",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column.

    :param name: the field's Graph path, which is the column's name.
    :param type: its DuckDB type.
    :param path: where the value stands in the common event; `*` stands for any key.
    """

    name: str
    type: str
    path: tuple[str, ...]
    many: bool

    def value(self, event: Event) -> Any:
        """What the event has there: None where it is absent, a list for a list column."""
        if self.many or "*" in self.path:
            return self._values(event)
        at: Any = event
        for part in self.path:
            if type(at) is not dict:
                return next(iter(_present(at, self.path)), None) if type(at) is list else None
            at = at.get(part)
        return None if at == "" else at

    def _values(self, event: Event) -> Any:
        found = _present(event, self.path)
        return [_as_text(value) for value in found] if self.many else next(iter(found), None)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _present(value: Any, path: tuple[str, ...]) -> list[Any]:
    return [found for found in _walk(value, path) if found is not None and found != ""]


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _walk(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        inner = value.values() if path[0] == "*" else [value.get(path[0])]
        for item in inner:
            yield from _walk(item, path[1:])


def columns(source: str, rules: Iterable[Rule], baselines: Iterable[Baseline]) -> tuple[Column, ...]:
    """The columns that these rules and baselines read in one source.

    :param source: signin or audit.
    """
    resolve_name = resolver(source)
    refs = {resolve_name(name) for name in ALWAYS}
    for owner in [*rules, *baselines]:
        refs |= {ref for home, ref in _references(owner) if home == source}
    return tuple(_column(source, ref) for ref in sorted(refs, key=lambda ref: ref.name))


def _column(source: str, ref: ir.FieldRef) -> Column:
    known = resolve(ref.name, source)
    if known is None:
        raise KeyError(ref.name)
    kind = known.type if known.type == "double" else ref.kind
    held = f"{_TYPES['text']}[]" if ref.many else _TYPES[kind]
    return Column(ref.name, held, tuple(_split(known.ecs)), ref.many)


def _split(path: str) -> list[str]:
    return [path] if path.startswith("@") else path.split(".")


def _references(owner: Any) -> Iterator[tuple[str, ir.FieldRef]]:
    """Every field reference in a rule or baseline, with the source it belongs to."""
    if isinstance(owner, ir.FieldRef):
        return
    home = owner.source
    query = getattr(owner, "query", None)
    for part in fields(owner):
        if part.name not in {"query", "cases"}:
            yield from ((home, ref) for ref in _refs(getattr(owner, part.name)))
    if isinstance(query, ir.JoinQuery):
        yield from ((query.source, ref) for ref in _refs((query.partner, query.on[1])))
        yield from ((home, ref) for ref in _refs((query.where, query.on[0])))
    elif query is not None:
        yield from ((home, ref) for ref in _refs(query))


def _refs(node: Any) -> Iterator[ir.FieldRef]:
    if isinstance(node, ir.FieldRef):
        yield node
    elif isinstance(node, (tuple, list)):
        for item in node:
            yield from _refs(item)
    elif is_dataclass(node):
        for part in fields(node):
            yield from _refs(getattr(node, part.name))


#: turns an event into a row of a table
Rower = Callable[["Event"], list[Any]]


def rower(columns_: tuple[Column, ...]) -> Rower:
    """A function from an event to its row."""
    return lambda event: [column.value(event) for column in columns_]
