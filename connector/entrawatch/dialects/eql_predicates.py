"""Predicates in EQL.

`:` and `like~` compare without case, ASCII letters alone, and know no escape for their wildcards
(x-pack/plugin/eql, StringUtils.toLikePattern): text that has `*` or `?` in it is compared by `regex~`.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Union

from entrawatch.dialects.base import Predicates, Unsupported
from entrawatch.dialects.esql_regex import escaped, lucene
from entrawatch.dialects.esql_text import column_of, number, string
from entrawatch.dialects.esql_tree import Clause, Test, Wrapped, joined
from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLAIN = re.compile(r"[A-Za-z_@][A-Za-z0-9_]*")
_RESERVED = frozenset({
    "and", "any", "by", "false", "in", "join", "like", "maxspan", "not", "null", "of", "or", "regex", "sample",
    "sequence", "true", "until", "where", "with",
})  # fmt: skip

Parts = tuple[Union[str, ir.Wildcard], ...]


def field_name(ref: ir.FieldRef, source: str) -> str:
    """How EQL names a field.

    :raises Unsupported: Elasticsearch has none of its own for it.
    """
    known = column_of(ref, source)
    if known.type == "text":
        raise Unsupported(ref, f"{known.ecs} is analysed text, which EQL does not search")
    return ".".join(_part(part) for part in known.ecs.split("."))


def _part(part: str) -> str:
    if _PLAIN.fullmatch(part) and part.lower() not in _RESERVED:
        return part
    return "`" + part.replace("`", "``") + "`"


class EqlPredicates(Predicates[Clause]):
    """The walk over one source's events. EQL names no parameters: their defaults stand where they are used.

    :param source: signin or audit.
    """

    def __init__(self, source: str) -> None:
        self.source = source

    def name(self, ref: ir.FieldRef) -> str:
        """The field's name."""
        return field_name(ref, self.source)

    def field(self, ref: ir.FieldRef) -> Clause:
        return Test(self.name(ref))

    def literal(self, value: ir.Scalar) -> Clause:
        if isinstance(value, bool):
            return Test(str(value).lower())
        return Test(string(value) if isinstance(value, str) else number(value, value))

    def equals(self, node: ir.Equals) -> Clause:
        value = node.value.default if isinstance(node.value, ir.Parameter) else node.value
        if isinstance(value, tuple):
            raise Unsupported(node, "a list as one value")
        return self._equal(node, node.field, value)

    def one_of(self, node: ir.OneOf) -> Clause:
        values = _items(node, node.values)
        return joined("or", [self._equal(node, node.field, value) for value in values], "false")

    def _equal(self, node: object, ref: ir.FieldRef, value: ir.Scalar) -> Clause:
        if ref.kind == "boolean" and isinstance(value, bool):
            return Test(f"{self.name(ref)} == {str(value).lower()}")
        if ref.kind == "number" and isinstance(value, (int, float)) and not isinstance(value, bool):
            return Test(f"{self.name(ref)} == {number(node, value)}")
        if ref.kind == "address" and isinstance(value, str):
            return Test(f"{self.name(ref)} == {string(_address(node, value))}")
        if ref.kind != "text" or not isinstance(value, str):
            raise Unsupported(node, f"{ref.name} is a {ref.kind}, {value!r} is none")
        return self._texts(node, ref, [(value,)]) if value else Test("false")

    def like(self, node: ir.Like) -> Clause:
        return self._texts(node, node.field, [node.parts])

    def contains_any(self, node: ir.ContainsAny) -> Clause:
        wild = ir.Wildcard.ANY
        pieces = [str(piece) for piece in _items(node, node.pieces)]
        return self._texts(node, node.field, [(wild, piece, wild) for piece in pieces])

    def _texts(self, node: object, ref: ir.FieldRef, patterns: Sequence[Parts]) -> Clause:
        """One of the patterns matches: as wildcards where they can be told from what is literal, else as regular
        expressions."""
        if ref.kind != "text":
            raise Unsupported(node, f"{ref.name} is a {ref.kind}: it has no spelling to compare")
        wild = [parts for parts in patterns if not any(set("*?") & set(part) for part in _literal(parts))]
        rest = [parts for parts in patterns if parts not in wild]
        tests = []
        if wild:
            tests.append(
                self._one_of(ref, ":" if wild == [_literal(wild[0])] else "like~", [_wildcard(node, p) for p in wild])
            )
        if rest:
            tests.append(self._one_of(ref, "regex~", [_regex(node, parts) for parts in rest]))
        return joined("or", tests, "false")

    def _one_of(self, ref: ir.FieldRef, operator: str, patterns: Sequence[str]) -> Clause:
        listed = ", ".join(map(string, patterns))
        return Test(f"{self.name(ref)} {operator} {listed if len(patterns) == 1 else f'({listed})'}")

    def compares(self, node: ir.Compares) -> Clause:
        value = node.value.default if isinstance(node.value, ir.Parameter) else node.value
        if node.field.kind != "number" or isinstance(value, (str, bool, tuple)):
            raise Unsupported(node, f"{node.field.name} against {value!r}: not two numbers")
        return Test(f"{self.name(node.field)} {node.op} {number(node, value)}")

    def same_as(self, node: ir.SameAs) -> Clause:
        raise Unsupported(node, "EQL compares no two fields of an event")

    def matches(self, node: ir.Matches) -> Clause:
        if node.field.kind != "text":
            raise Unsupported(node, f"{node.field.name} is a {node.field.kind}: it has no spelling to compare")
        if re.search(node.pattern, ""):
            raise Unsupported(node, "a regular expression that matches an empty value, which is an absent one")
        return Test(f"{self.name(node.field)} regex~ {string(lucene(node))}")

    def in_network(self, node: ir.InNetwork) -> Clause:
        if node.field.kind != "address":
            raise Unsupported(node, f"{node.field.name} is a {node.field.kind}, no address")
        networks = ", ".join(map(string, node.networks))
        return Test(f"cidrMatch({self.name(node.field)}, {networks})") if networks else Test("false")

    def present(self, node: ir.Present) -> Clause:
        return Test(
            f'{self.name(node.field)} like~ "?*"' if node.field.kind == "text" else f"{self.name(node.field)} != null"
        )

    def negation(self, node: ir.Not) -> Clause:
        return Wrapped("not (", self.write(node.of), ")")

    def conjunction(self, node: ir.And) -> Clause:
        return joined("and", [self.write(part) for part in node.of], "true")

    def disjunction(self, node: ir.Or) -> Clause:
        return joined("or", [self.write(part) for part in node.of], "false")


def _items(node: object, values: Union[tuple[ir.Scalar, ...], ir.Parameter]) -> tuple[ir.Scalar, ...]:
    found = values.default if isinstance(values, ir.Parameter) else values
    if not isinstance(found, tuple):
        raise Unsupported(node, "one value as a list")
    return found


def _literal(parts: Parts) -> tuple[str, ...]:
    return tuple(part for part in parts if isinstance(part, str))


def _ascii(node: object, text: str) -> str:
    if not text.isascii():
        raise Unsupported(node, "Elasticsearch's queries compare only ASCII letters without case")
    return text


def _wildcard(node: object, parts: Parts) -> str:
    text = "".join(_ascii(node, part) if isinstance(part, str) else _sign(part) for part in parts)
    return text if text.strip("*") else "?*"


def _sign(part: ir.Wildcard) -> str:
    return "*" if part is ir.Wildcard.ANY else "?"


def _regex(node: object, parts: Parts) -> str:
    signs = {ir.Wildcard.ANY: ".*", ir.Wildcard.ONE: "."}
    return "".join(escaped(_ascii(node, part)) if isinstance(part, str) else signs[part] for part in parts)


def _address(node: object, value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise Unsupported(node, f"{value!r} is no address, and the field holds nothing else") from None
