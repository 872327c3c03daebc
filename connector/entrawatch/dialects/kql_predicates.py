"""Predicates in KQL, over columns that are already typed and called by the fields' names.

A text column is "" where the field is absent and never null; numbers and booleans are null there. `==` gives false
for null and a value, but `<` gives null, so comparisons say that there is something to compare. `=~`, `contains` and
the like know upper and lower case in ASCII only, as their literals are here; two fields are compared by `tolower`.

https://learn.microsoft.com/kusto/query/scalar-data-types/null-values
https://learn.microsoft.com/kusto/query/datatypes-string-operators
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Optional, Union

from entrawatch.dialects import kql_networks
from entrawatch.dialects.base import Predicates, Unsupported
from entrawatch.dialects.kql_text import Let, Pipe, pattern, quoted, spelled, step, where
from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Sequence

#: where a field's values stand as rows: the key's column, and the table that has it beside each value, `Item`
Values = Callable[[ir.FieldRef], "tuple[str, str]"]

#: which column of a list parameter's table holds its items
PIECE = "Piece"


@dataclass(frozen=True)
class Clause:
    """A test as text.

    :param loose: `and` or `or` when the text must stand in brackets beside the other one, "" when it never must.
    """

    text: str
    loose: str = ""

    def within(self, outer: str) -> str:
        """The text as a part of `and`, `or` or `not`."""
        return f"({self.text})" if self.loose and self.loose != outer else self.text


ALWAYS, NEVER = Clause("true"), Clause("false")


class KqlPredicates(Predicates[Clause]):
    """The walk over one source's predicates.

    `lets` are the tables that its tests need, once they are written.

    :param values: for fields that hold lists, and for lists of what to look for.
    """

    def __init__(self, values: Values) -> None:
        self.values = values
        self.lets: list[Let] = []

    def field(self, ref: ir.FieldRef) -> Clause:
        return Clause(spelled(ref.name))

    def literal(self, value: ir.Scalar) -> Clause:
        if isinstance(value, bool):
            return ALWAYS if value else NEVER
        return Clause(quoted(value) if isinstance(value, str) else repr(value))

    def value(self, value: ir.Value) -> str:
        """A literal, or the name of the parameter's `let`."""
        return value.name if isinstance(value, ir.Parameter) else self.literal(value).text

    def clauses(self, node: ir.Predicate) -> list[str]:
        """The predicate as tests that must all hold."""
        parts = node.of if isinstance(node, ir.And) else (node,)
        return [self.write(part).text for part in parts]

    # --- leaves ---

    def equals(self, node: ir.Equals) -> Clause:
        return self._each(node.field, lambda item, kind: self._equal(item, kind, node))

    def _equal(self, item: str, kind: str, node: ir.Equals) -> Clause:
        if isinstance(node.value, ir.Parameter):
            if node.value.kind == "text":
                return Clause(f"isnotempty({item}) and {_text(item, kind)} =~ {node.value.name}", "and")
            raise_unless(kind == "number" and node.value.kind == "integer", node, "a parameter of another kind")
            return Clause(f"{item} == {node.value.name}")
        return self._same(item, kind, node.value, node)

    def _same(self, item: str, kind: str, value: ir.Scalar, node: object) -> Clause:
        raise_unless(kind != "time", node, "a time is compared as text, and KQL has it as a time")
        written = self._literal(node, value)
        if isinstance(value, bool):
            return Clause(f"{item} == {written}" if kind == "boolean" else f'{_text(item, kind)} =~ "{written}"')
        if isinstance(value, str):
            return Clause(f"{_text(item, kind)} =~ {written}") if value else NEVER
        if kind == "boolean":
            return NEVER
        return Clause(f"{item if kind == 'number' else f'todouble({item})'} == {written}")

    def one_of(self, node: ir.OneOf) -> Clause:
        if isinstance(node.values, ir.Parameter):
            listed = node.values.name
            return self._each(
                node.field,
                lambda item, kind: Clause(f"isnotempty({item}) and {_text(item, kind)} in~ ({listed})", "and"),
            )
        values = node.values
        return self._each(node.field, lambda item, kind: self._one_of(item, kind, values, node))

    def _one_of(self, item: str, kind: str, values: tuple[ir.Scalar, ...], node: object) -> Clause:
        texts = [value for value in values if isinstance(value, str) and value]
        if kind in {"text", "address"} and len(texts) == len(values) > 1:
            return Clause(f"{item} in~ ({', '.join(self._literal(node, text) for text in texts)})")
        return _joined("or", [self._same(item, kind, value, node) for value in values])

    def like(self, node: ir.Like) -> Clause:
        return self._each(node.field, lambda item, kind: self._like(_text(item, kind), node))

    def _like(self, item: str, node: ir.Like) -> Clause:
        shape = tuple(part if isinstance(part, ir.Wildcard) else str for part in node.parts)
        simple = _OPERATORS.get(shape)
        pieces = [part for part in node.parts if isinstance(part, str)]
        if simple and pieces[0]:
            return Clause(f"{item} {simple} {self._literal(node, pieces[0])}")
        whole = "(?is)^" + "".join(_regex(part, node) for part in node.parts) + "$"
        return Clause(f"isnotempty({item}) and {item} matches regex {self._pattern(node, whole)}", "and")

    def contains_any(self, node: ir.ContainsAny) -> Clause:
        if isinstance(node.pieces, ir.Parameter):
            return self._listed(node.field, node.pieces)
        pieces = node.pieces
        return self._each(
            node.field,
            lambda item, kind: _joined("or", [self._contains(_text(item, kind), piece, node) for piece in pieces]),
        )

    def _contains(self, item: str, piece: str, node: object) -> Clause:
        return Clause(f"{item} contains {self._literal(node, piece)}") if piece else Clause(f"isnotempty({item})")

    def compares(self, node: ir.Compares) -> Clause:
        bound = self.value(node.value)

        def compared(item: str, kind: str) -> Clause:
            number = item if kind == "number" else f"todouble({item})"
            raise_unless(kind in {"number", "text", "address"}, node, f"a {kind} has no order with a number")
            return Clause(f"isnotnull({number}) and {number} {node.op} {bound}", "and")

        return self._each(node.field, compared)

    def same_as(self, node: ir.SameAs) -> Clause:
        raise_unless(not (node.field.many or node.other.many), node, "two lists do not compare in one test")
        mine, other = (_text(self.field(ref).text, ref.kind) for ref in (node.field, node.other))
        return Clause(f"isnotempty({mine}) and tolower({mine}) == tolower({other})", "and")

    def matches(self, node: ir.Matches) -> Clause:
        expression = self._pattern(node, f"(?i){node.pattern}")
        return self._each(
            node.field,
            lambda item, kind: Clause(
                f"isnotempty({item}) and {_text(item, kind)} matches regex {expression}", "and"
            ),
        )  # fmt: skip

    def in_network(self, node: ir.InNetwork) -> Clause:
        raise_unless(node.field.kind == "address", node, f"{node.field.name} is a {node.field.kind}, no address")
        return self._each(node.field, lambda item, _: _any_of_all(kql_networks.tests(node, item)))

    def present(self, node: ir.Present) -> Clause:
        def given(item: str, kind: str) -> Clause:
            return Clause(f"isnotnull({item})" if kind in {"number", "boolean", "time"} else f"isnotempty({item})")

        return self._each(node.field, given)

    # --- connectives ---

    def negation(self, node: ir.Not) -> Clause:
        return Clause(f"not({self.write(node.of).text})")

    def conjunction(self, node: ir.And) -> Clause:
        return _joined("and", [self.write(part) for part in node.of])

    def disjunction(self, node: ir.Or) -> Clause:
        return _joined("or", [self.write(part) for part in node.of])

    # --- fields that hold several values, and lists of pieces: a table of the keys that pass ---

    def _each(self, ref: ir.FieldRef, test: Callable[[str, str], Clause]) -> Clause:
        """The test of the column; of a list, that one of its values passes."""
        if not ref.many:
            return test(self.field(ref).text, ref.kind)
        passed = test("Item", "text" if ref.kind == "address" else ref.kind)
        raise_unless(ref.kind in {"text", "address"}, ref, "the values of a list are read as text")
        key, values = self.values(ref)
        return self._among(key, Pipe(values, tuple(where(passed.text))))

    def _listed(self, ref: ir.FieldRef, pieces: ir.Parameter) -> Clause:
        """That a value contains one of a list parameter's pieces."""
        key, values = self.values(ref)
        beside = step(f"join kind=inner ({pieces.name} | extend One = 1) on One")
        return self._among(key, Pipe(values).then(step("extend", "One = 1"), beside, *where(f"Item contains {PIECE}")))

    def _among(self, key: str, passed: Pipe) -> Clause:
        """That the row's key is one of these; one table for all tests that say the same."""
        pipe = passed.then(step("distinct", key))
        found = next((let for let in self.lets if let.value == pipe), None)
        if found is None:
            found = Let(f"passed_{len(self.lets) + 1}", pipe)
            self.lets.append(found)
        return Clause(f"{key} in ({found.name})")

    # --- literals ---

    def _literal(self, node: object, value: ir.Scalar) -> str:
        return _of(node, lambda: self.literal(value).text)

    def _pattern(self, node: object, value: str) -> str:
        return _of(node, lambda: pattern(value))


_ANY = ir.Wildcard.ANY
_OPERATORS: dict[tuple[object, ...], str] = {
    (str,): "=~",
    (_ANY, str, _ANY): "contains",
    (str, _ANY): "startswith",
    (_ANY, str): "endswith",
}


def raise_unless(holds: bool, node: object, why: str) -> None:
    """Refuse what does not hold.

    :raises Unsupported: it does not.
    """
    if not holds:
        raise Unsupported(node, why)


def _of(node: object, write: Callable[[], str]) -> str:
    """A literal, whose refusal is told as that of the node it stands in."""
    try:
        return write()
    except Unsupported as answer:
        raise Unsupported(node, answer.why) from answer


def _text(item: str, kind: str) -> str:
    return item if kind in {"text", "address"} else f"tostring({item})"


def _regex(part: Union[str, ir.Wildcard], node: object) -> str:
    if isinstance(part, ir.Wildcard):
        return ".*" if part is ir.Wildcard.ANY else "."
    raise_unless(part.isascii(), node, "Sentinel content is ASCII, and KQL documents no escape for other characters")
    return "".join(char if char.isalnum() else _escaped(char) for char in part)


def _escaped(char: str) -> str:
    return f"\\{char}" if "!" <= char <= "~" and char != "_" else char if char in " _" else f"\\x{ord(char):02X}"


def _joined(word: str, tests: Sequence[Clause]) -> Clause:
    """All or one of them; of none, what the law says."""
    if not tests:
        return ALWAYS if word == "and" else NEVER
    if len(tests) == 1:
        return tests[0]
    return Clause(f" {word} ".join(test.within(word) for test in tests), word)


def _any_of_all(tests: Sequence[Sequence[str]]) -> Clause:
    return _joined("or", [_joined("and", [Clause(test) for test in group]) for group in tests])


def early(node: ir.Predicate, late: Callable[[ir.FieldRef], bool]) -> bool:
    """Whether a predicate reads columns only that are there before anything is joined.

    :param late: whether a field is not.
    """
    if isinstance(node, ir.Not):
        return early(node.of, late)
    if isinstance(node, (ir.And, ir.Or)):
        return all(early(part, late) for part in node.of)
    other: Optional[ir.FieldRef] = node.other if isinstance(node, ir.SameAs) else None
    return not any(ref.many or late(ref) for ref in (node.field, other) if ref is not None)
