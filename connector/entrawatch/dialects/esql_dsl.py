"""Predicates as Elasticsearch's query DSL, for the transforms that keep baselines: what such a baseline can ask.

A query of an absent field does not match and its negation does, which is the law's meaning by itself.
https://www.elastic.co/docs/reference/query-languages/query-dsl/query-dsl-term-query (without case: ASCII letters)
"""

from __future__ import annotations

from typing import Any

from entrawatch.dialects.base import Predicates, Unsupported
from entrawatch.dialects.esql_text import column_of
from entrawatch.rules import ir

Json = dict[str, Any]
_RANGES = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


class Dsl(Predicates[Json]):
    """The walk over one source's events.

    :param source: signin or audit.
    """

    def __init__(self, source: str) -> None:
        self.source = source

    def field(self, ref: ir.FieldRef) -> Json:
        return {"field": self._name(ref)}

    def literal(self, value: ir.Scalar) -> Json:
        if isinstance(value, str) and not value.isascii():
            raise Unsupported(value, "Elasticsearch's queries fold ASCII letters alone")
        return {"value": value, "case_insensitive": True} if isinstance(value, str) else {"value": value}

    def equals(self, node: ir.Equals) -> Json:
        if isinstance(node.value, ir.Parameter):
            raise Unsupported(node, "a parameter in a query that is stored")
        return {"term": {self._name(node.field): self.literal(node.value)}}

    def one_of(self, node: ir.OneOf) -> Json:
        if isinstance(node.values, ir.Parameter):
            raise Unsupported(node, "a parameter in a query that is stored")
        return self.disjunction(ir.Or(tuple(ir.Equals(node.field, value) for value in node.values)))

    def compares(self, node: ir.Compares) -> Json:
        if node.field.kind != "number" or isinstance(node.value, (ir.Parameter, str, bool)):
            raise Unsupported(node, f"{node.field.name} against {node.value!r}")
        return {"range": {self._name(node.field): {_RANGES[node.op]: node.value}}}

    def present(self, node: ir.Present) -> Json:
        name = self._name(node.field)
        return {"wildcard": {name: {"value": "?*"}}} if node.field.kind == "text" else {"exists": {"field": name}}

    def negation(self, node: ir.Not) -> Json:
        return {"bool": {"must_not": [self.write(node.of)]}}

    def conjunction(self, node: ir.And) -> Json:
        return {"bool": {"filter": [self.write(part) for part in node.of]}}

    def disjunction(self, node: ir.Or) -> Json:
        if not node.of:
            return {"match_none": {}}
        return {"bool": {"should": [self.write(part) for part in node.of], "minimum_should_match": 1}}

    def like(self, node: ir.Like) -> Json:
        raise self._no(node)

    def contains_any(self, node: ir.ContainsAny) -> Json:
        raise self._no(node)

    def same_as(self, node: ir.SameAs) -> Json:
        raise self._no(node)

    def matches(self, node: ir.Matches) -> Json:
        raise self._no(node)

    def in_network(self, node: ir.InNetwork) -> Json:
        raise self._no(node)

    def _name(self, ref: ir.FieldRef) -> str:
        return column_of(ref, self.source).ecs

    def _no(self, node: object) -> Unsupported:
        return Unsupported(node, "a baseline in Elasticsearch asks for values, ranges and presence only")
