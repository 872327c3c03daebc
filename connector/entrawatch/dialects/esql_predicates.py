"""Predicates in ES|QL.

A test of an absent field is null, which WHERE drops and CASE takes for false; only a negation has to say so (COALESCE).
A comparison of a field that holds several values is null too, so lists are read by MV functions that 8.19 has; its
TO_LOWER folds every value of a list.

`TO_LOWER(field) == "literal"` is run as a comparison without ASCII case alone
(https://github.com/elastic/elasticsearch/pull/118870 and /153513), so text beyond ASCII is compared by STARTS_WITH,
both ways round.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Union

from entrawatch.dialects.base import Predicates, Unsupported
from entrawatch.dialects.esql_regex import lucene
from entrawatch.dialects.esql_text import column_of, folded_string, name_of, number, quoted, string
from entrawatch.dialects.esql_tree import Clause, Test, Wrapped, joined, one_line
from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from entrawatch.rules.rule import Rule

#: candidates for what stands between the values of a list that is searched as one text
_BETWEEN = ("\n", " ", "|", "\x1f")
_WIDTH = 110
_EXACT_KINDS = frozenset({"number", "boolean", "time", "address"})


def parameter_name(parameter: ir.Parameter) -> str:
    """The column that holds a parameter; its prefix keeps it apart from fields and measures."""
    return f"parameter_{name_of(parameter.name)}"


def parameter_value(parameter: ir.Parameter) -> str:
    """A parameter's default as a literal."""
    value = parameter.default
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else string(str(value))


class EsqlPredicates(Predicates[Clause]):
    """The walk over one source's events. Lists of parameters stand where they are used; their name is in the head.

    :param source: signin or audit.
    """

    def __init__(self, source: str) -> None:
        self.source = source

    def column(self, ref: ir.FieldRef) -> str:
        """The field's column.

        :raises Unsupported: it has none.
        """
        return quoted(column_of(ref, self.source).ecs)

    def compared(self, ref: ir.FieldRef) -> str:
        """The column as it compares: text in lower case."""
        return self.column(ref) if ref.kind in _EXACT_KINDS else f"TO_LOWER({self.column(ref)})"

    def field(self, ref: ir.FieldRef) -> Clause:
        return Test(self.column(ref))

    def literal(self, value: ir.Scalar) -> Clause:
        if isinstance(value, bool):
            return Test(str(value).lower())
        return Test(folded_string(value) if isinstance(value, str) else number(value, value))

    def equals(self, node: ir.Equals) -> Clause:
        value = node.value
        if isinstance(value, ir.Parameter) and value.kind == "integer" and node.field.kind == "number":
            return self._compare(node, node.field, "==", parameter_name(value))
        if isinstance(value, ir.Parameter) and value.kind == "boolean" and node.field.kind == "boolean":
            return self._compare(node, node.field, "==", parameter_name(value))
        if isinstance(value, ir.Parameter):
            if node.field.many or node.field.kind != "text" or not isinstance(value.default, str):
                raise Unsupported(node, f"a {value.kind} parameter against {node.field.name}")
            return _same(self.compared(node.field), f"TO_LOWER({parameter_name(value)})", plain=value.default.isascii())
        return self._equal(node, node.field, value)

    def one_of(self, node: ir.OneOf) -> Clause:
        values = node.values.default if isinstance(node.values, ir.Parameter) else node.values
        if not isinstance(values, tuple):
            raise Unsupported(node, "one value as a list")
        simple = all(isinstance(value, str) and value.isascii() and value for value in values)
        if simple and values and node.field.kind == "text" and not node.field.many:
            return Test(_listed(self.compared(node.field), [one_line(self.literal(value)) for value in values]))
        return joined("OR", [self._equal(node, node.field, value) for value in values], "false")

    def _equal(self, node: object, ref: ir.FieldRef, value: ir.Scalar) -> Clause:
        if ref.kind == "boolean" and isinstance(value, bool):
            return self._compare(node, ref, "==", str(value).lower())
        if ref.kind == "number" and isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._compare(node, ref, "==", number(node, value))
        if ref.kind == "address" and isinstance(value, str):
            return self._compare(node, ref, "==", string(_address(node, value)))
        if ref.kind != "text" or not isinstance(value, str):
            raise Unsupported(node, f"{ref.name} is a {ref.kind}, {value!r} is none")
        if not value:
            return Test("false")
        if ref.many:
            return Test(_holds(self.compared(ref), folded_string(value)))
        return _same(self.compared(ref), folded_string(value), plain=value.isascii())

    def _compare(self, node: object, ref: ir.FieldRef, operator: str, value: str) -> Clause:
        if ref.many:
            raise Unsupported(node, f"{ref.name} holds a list of {ref.kind} values, and comparing one gives null")
        return Test(f"{self.column(ref)} {operator} {value}")

    def like(self, node: ir.Like) -> Clause:
        parts = _merged(node.parts)
        literal = [part for part in parts if isinstance(part, str)]
        wild = ir.Wildcard.ANY
        self._text(node, node.field)
        if parts in ((wild,), ()):
            return self.present(ir.Present(node.field)) if parts else Test("false")
        if literal and parts == (wild, literal[0], wild):
            return self._contains(node.field, literal[0])
        if parts == tuple(literal):
            return self._equal(node, node.field, literal[0])
        if node.field.many:
            raise Unsupported(node, "a pattern other than *text* on the values of a list")
        if parts == (*literal, wild):
            return Test(f"STARTS_WITH({self.compared(node.field)}, {folded_string(literal[0])})")
        if parts == (wild, *literal):
            return Test(f"ENDS_WITH({self.compared(node.field)}, {folded_string(literal[0])})")
        pattern = "".join(_pattern(part) for part in parts)
        return Test(f"{self.compared(node.field)} LIKE {string(pattern)}")

    def contains_any(self, node: ir.ContainsAny) -> Clause:
        pieces = node.pieces.default if isinstance(node.pieces, ir.Parameter) else node.pieces
        if not isinstance(pieces, tuple):
            raise Unsupported(node, "one value as a list")
        self._text(node, node.field)
        tests = [self._contains(node.field, piece) if piece else self._anything(node) for piece in pieces]
        return joined("OR", tests, "false")

    def _anything(self, node: ir.ContainsAny) -> Clause:
        return self.present(ir.Present(node.field))

    def _contains(self, ref: ir.FieldRef, piece: str) -> Clause:
        """A piece lies in one of a list's values where it lies in all of them together, with something that it has
        not between them."""
        column = self.column(ref)
        if ref.many:
            between = next((text for text in _BETWEEN if text not in piece), None)
            if between is None:
                raise Unsupported(ref, f"{piece!r} in a list")
            column = f"MV_CONCAT({column}, {string(between)})"
        return Test(f"LOCATE(TO_LOWER({column}), {folded_string(piece)}) > 0")

    def compares(self, node: ir.Compares) -> Clause:
        if node.field.kind != "number":
            raise Unsupported(node, f"{node.field.name} is a {node.field.kind}, no number")
        if isinstance(node.value, ir.Parameter):
            return self._compare(node, node.field, node.op, parameter_name(node.value))
        if isinstance(node.value, (str, bool)):
            raise Unsupported(node, f"{node.value!r} is no number")
        return self._compare(node, node.field, node.op, number(node, node.value))

    def same_as(self, node: ir.SameAs) -> Clause:
        mine, other = node.field, node.other
        if mine.many or other.many or {mine.kind, other.kind} != {"text"}:
            raise Unsupported(node, "two columns that are not both single texts")
        given = Test(f'{self.column(mine)} != ""')
        return joined("AND", [Test(f"{self.compared(mine)} == {self.compared(other)}"), given], "true")

    def matches(self, node: ir.Matches) -> Clause:
        self._text(node, node.field)
        if node.field.many:
            raise Unsupported(node, "a regular expression on the values of a list")
        test = Test(f"{self.compared(node.field)} RLIKE {string(lucene(node))}")
        return joined("AND", [test, Test(f'{self.column(node.field)} != ""')], "true")

    def in_network(self, node: ir.InNetwork) -> Clause:
        if node.field.many or node.field.kind not in {"address", "text"}:
            raise Unsupported(node, f"{node.field.name} is no single address")
        column = self.column(node.field)
        address = column if node.field.kind == "address" else f"TO_IP({column})"
        networks = ", ".join(string(network) for network in node.networks)
        return Test(f"CIDR_MATCH({address}, {networks})") if networks else Test("false")

    def present(self, node: ir.Present) -> Clause:
        column = self.column(node.field)
        if node.field.kind in _EXACT_KINDS:
            return Test(f"{column} IS NOT NULL")
        return Test(f'LENGTH(MV_CONCAT({column}, "")) > 0' if node.field.many else f'{column} != ""')

    def negation(self, node: ir.Not) -> Clause:
        return Wrapped("NOT COALESCE(", self.write(node.of), ", false)")

    def conjunction(self, node: ir.And) -> Clause:
        return joined("AND", [self.write(part) for part in node.of], "true")

    def disjunction(self, node: ir.Or) -> Clause:
        return joined("OR", [self.write(part) for part in node.of], "false")

    def _text(self, node: object, ref: ir.FieldRef) -> None:
        self.column(ref)
        if ref.kind != "text":
            raise Unsupported(node, f"{ref.name} is a {ref.kind}: its column has no spelling to compare")


def _listed(column: str, values: Sequence[str]) -> str:
    text = f"{column} IN ({', '.join(values)})"
    return text if len(text) <= _WIDTH else f"{column} IN (\n        " + ",\n        ".join(values) + "\n    )"


def _same(mine: str, other: str, *, plain: bool) -> Clause:
    if plain:
        return Test(f"{mine} == {other}")
    return joined("AND", [Test(f"STARTS_WITH({mine}, {other})"), Test(f"STARTS_WITH({other}, {mine})")], "true")


def _holds(values: str, value: str) -> str:
    """A list holds a value when adding it makes the list no longer, each value counted once."""
    return f"MV_COUNT(MV_DEDUPE(MV_APPEND({values}, {value}))) == MV_COUNT(MV_DEDUPE({values}))"


def _address(node: object, value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise Unsupported(node, f"{value!r} is no address, and the column holds nothing else") from None


def _merged(parts: Sequence[Union[str, ir.Wildcard]]) -> tuple[Union[str, ir.Wildcard], ...]:
    """Neighbouring literal pieces as one, neighbouring ANYs too, no empty ones."""
    found: list[Union[str, ir.Wildcard]] = []
    for part in parts:
        last = found[-1] if found else ""
        if isinstance(part, str) and found and isinstance(last, str):
            found[-1] = last + part
        elif part and not (part is ir.Wildcard.ANY and last is part):
            found.append(part)
    return tuple(found)


def _pattern(part: Union[str, ir.Wildcard]) -> str:
    if isinstance(part, ir.Wildcard):
        return "*" if part is ir.Wildcard.ANY else "?"
    return "".join("\\" + char if char in "*?\\" else char for char in part.lower())


def used(rule: Rule) -> list[ir.Parameter]:
    """The parameters that become columns: all but the lists, which stand where they are used."""
    return [parameter for parameter in rule.parameters if parameter.kind != "list"]
