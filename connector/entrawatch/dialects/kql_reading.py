"""One reading of a source by a rule: its typed rows, what is derived for them, and the tests on them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from entrawatch.dialects import kql_audit, kql_tables
from entrawatch.dialects.base import Unsupported
from entrawatch.dialects.kql_derived import PARTS
from entrawatch.dialects.kql_predicates import KqlPredicates, early
from entrawatch.dialects.kql_text import Let, Pipe, Step, spelled, step, where
from entrawatch.rules import ir
from entrawatch.schema.fields import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ID = ir.FieldRef("id")
#: how many values of a field, or ids of events, a finding shows
SHOWN = 100


def references(node: Any) -> Iterator[ir.FieldRef]:
    """Every field that a node, or a list of nodes, reads."""
    if isinstance(node, ir.FieldRef):
        yield node
    elif isinstance(node, (tuple, list)):
        for item in node:
            yield from references(item)
    elif is_dataclass(node):
        for part in fields(node):
            yield from references(getattr(node, part.name))


def with_present(predicate: ir.Predicate, fields_: Sequence[ir.FieldRef]) -> ir.And:
    """The predicate, and that these fields are there."""
    parts = predicate.of if isinstance(predicate, ir.And) else (predicate,)
    return ir.And((*parts, *map(ir.Present, fields_)))


class Reading:
    """A source, read once.

    :param name: the `let` that its rows get.
    :param wheres: the predicates of which a row must pass one to matter; a lone one cuts audit rows down at once.
    :param used: further nodes whose fields are needed.
    :param first: what each table is cut down by, in its own columns.
    :param beside: further columns, in each table's own.
    """

    def __init__(
        self,
        name: str,
        source: str,
        wheres: Sequence[ir.Predicate],
        used: Any,
        first: Sequence[Step] = (),
        beside: Sequence[str] = (),
    ) -> None:
        self.name, self.source = name, source
        self.predicates = KqlPredicates(self._values)
        self._parts: dict[str, None] = {}
        self._lists: dict[str, Let] = {}
        refs = {ref.name: ref for ref in [ID, *references(tuple(wheres)), *references(used)]}
        self._refs = [refs[name] for name in sorted(refs)]
        self._derived = [ref for ref in self._refs if self._part(ref)]
        plain = [ref for ref in self._refs if not self._part(ref) or ref.name == kql_audit.ACTOR]
        tables = kql_tables.holding(source, wheres, plain)
        whole = [kql_audit.TARGETS, kql_audit.HASH] if self._derived else []
        rows = kql_tables.rows(tables, source, plain, first, [*beside, *whole])
        alone = wheres[0] if len(wheres) == 1 and source == "audit" else None
        self._early, self._late = self._split(alone)
        cleaned = [kql_audit.AFTER.get(ref.name, ()) for ref in plain if source == "audit"]
        steps = [step("extend", one) for steps in cleaned for one in steps]
        self.rows = rows.then(*steps, *where(*self._early))
        for ref in self._derived:
            self._need(self._part(ref))

    def _part(self, ref: ir.FieldRef) -> str:
        """The part of kql_derived that a field comes from, "" for none."""
        return (kql_audit.part_of(ref) or "") if self.source == "audit" else ""

    def _need(self, part: str) -> None:
        self._parts.update(dict.fromkeys(kql_audit.with_needs(part)))

    def _split(self, alone: ir.Predicate | None) -> tuple[list[str], list[ir.Predicate]]:
        """A lone predicate's tests of native columns, which cut the rows down first, and its other tests."""
        if alone is None:
            return [], []
        parts = alone.of if isinstance(alone, ir.And) else (alone,)
        first = [part for part in parts if early(part, lambda ref: bool(self._part(ref)))]
        return [self.predicates.write(part).text for part in first], [part for part in parts if part not in first]

    # --- text ---

    def passing(self, predicate: ir.Predicate) -> Pipe:
        """The rows that pass, with what is derived beside them.

        :param predicate: one of those that the reading was made for.
        """
        rest = tuple(self._late) if self._early else (predicate,)
        tests = [test for part in rest for test in self.predicates.clauses(part)]
        return Pipe(self.name, tuple(self._beside())).then(*where(*tests))

    def _beside(self) -> list[Step]:
        """What is derived, joined to the rows."""
        found: list[Step] = []
        single: dict[str, list[str]] = {}
        for ref in self._derived:
            if ref.many:
                found.append(_listed(ref, self._part(ref)))
            else:
                column = kql_audit.ACTOR_TARGET if ref.name == kql_audit.ACTOR else spelled(ref.name)
                names = single.setdefault(self._part(ref), [])
                names += [column] if column not in names else []
        joined = [_looked_up(f"{part} | project Targets, {', '.join(names)}") for part, names in single.items()]
        if any(ref.name == kql_audit.ACTOR for ref in self._derived):
            joined.append(step("extend", kql_audit.ACTOR_ELSE))
        return [*joined, *found]

    def lets(self) -> list[Let]:
        """Everything that must stand before a pipe over this source."""
        parts = [PARTS[name].let for name in self._parts]
        functions = [let for let in parts if isinstance(let.value, str)]
        tables = [let for let in parts if not isinstance(let.value, str)]
        return [*functions, Let(self.name, self.rows), *tables, *self._lists.values(), *self.predicates.lets]

    def _values(self, ref: ir.FieldRef) -> tuple[str, str]:
        """Key and table of a field's values, one a row."""
        part = self._part(ref)
        if part and ref.many:
            return "Targets", part
        if part:
            raise Unsupported(ref, "a list parameter is not held against a field that is joined")
        key = spelled(ref.name)
        taken = [step("extend", f"Item = {key}")]
        if ref.many:
            known = resolve(ref.name, self.source)
            if known is None or not known.many or "." in ref.name:
                raise Unsupported(ref, "values inside a list of objects are not taken apart")
            taken = [step("mv-expand", f"Item = parse_json({key}) to typeof(string)")]
        pipe = Pipe(self.name).then(step("distinct", key), *taken, *where("isnotempty(Item)"))
        return key, self._lists.setdefault(ref.name, Let(f"values_{len(self._lists) + 1}", pipe)).name


def _looked_up(table: str) -> Step:
    return step(f"lookup kind=leftouter ({table}) on Targets")


def _listed(ref: ir.FieldRef, part: str) -> Step:
    """A list's values as one text, beside its event."""
    name = spelled(ref.name)
    taken = f"{part} | summarize {name} = make_set(Item, {SHOWN}) by Targets"
    return _looked_up(f'{taken} | extend {name} = strcat_array({name}, ", ")')
