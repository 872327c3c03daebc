"""Executes EQL: parsed and run by Elastic's own `eql` package, with what Elasticsearch does otherwise put right.

In Elasticsearch `==`, `in` and `like` mind case and `:`, `in~`, `like~` and `regex~` do not (ASCII letters), `?` stands
for one character, a list passes a test when one of its values does, and a test that an index query answers is true or
false, so that its negation holds for an absent field. Everything else that the package would run fails here.
"""

from __future__ import annotations

import ipaddress
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import eql
from eql import ast
from eql import parser as eql_parser
from eql.engine import PythonEngine
from eql.types import TypeHint

from .esql_engine import Row, schema
from .esql_values import values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HINTS = {
    "keyword": TypeHint.String, "ip": TypeHint.String, "date": TypeHint.String, "long": TypeHint.Numeric,
    "double": TypeHint.Numeric, "boolean": TypeHint.Boolean,
}  # fmt: skip


class Fields(eql.Schema):  # type: ignore[misc]
    """Our mapping as the package's schema; analysed text is no field of EQL."""

    def __init__(self, types: Mapping[str, str]) -> None:
        self.types = types
        super().__init__({}, allow_any=True, allow_generic=False, allow_missing=False)

    def validate_event_type(self, event_type: str) -> bool:
        return event_type == "any"

    def get_event_type_hint(self, event_type: str, path: Iterable[Any]) -> Any:
        del event_type
        kind = self.types.get(".".join(map(str, path)), "")
        return (_HINTS[kind], None) if kind in _HINTS else None


class _Parser(eql_parser.LarkToEQL):  # type: ignore[misc]
    """Remembers which operator stood there: the package makes one call of them all."""

    def string_predicate(self, node: Any) -> Any:
        info = super().string_predicate(node)
        info.node.operator = str(node["STRING_PREDICATE"])
        return info


@cache
def parsed(text: str, dataset: str) -> Any:
    """The query, valid for our mapping.

    :raises eql.EqlError: it is not.
    """
    stock, eql_parser.LarkToEQL = eql_parser.LarkToEQL, _Parser
    try:
        with eql_parser.elasticsearch_syntax, eql_parser.skip_optimizations, Fields(schema(dataset)):
            return eql.parse_query(text, implied_any=False, implied_base=False)
    finally:
        eql_parser.LarkToEQL = stock


class Engine(PythonEngine):  # type: ignore[misc]
    """The package's engine over rows of columns, with Elasticsearch's answers."""

    def _convert_field(self, node: Any) -> Any:
        name = ".".join(map(str, [node.base, *node.path]))
        return lambda scope: scope.event.data.get(name)

    def _convert_comparison(self, node: Any) -> Any:
        field, literal, op = node.left, node.right, node.comparator
        if not isinstance(field, ast.Field) or not isinstance(literal, ast.Literal):
            raise NotImplementedError(f"{node}: Elasticsearch compares a field with a value")
        read = self.convert(field)
        if isinstance(literal, ast.Null):
            return lambda scope: (read(scope) is None) == (op == "==")
        if op == "!=":
            raise NotImplementedError("!= is not what we write")
        return lambda scope: any(_compared(op, one, literal.value) for one in values(read(scope)))

    def _convert_is_null(self, node: Any) -> Any:
        read = self.convert(node.expr)
        return lambda scope: read(scope) is None

    def _convert_is_not_null(self, node: Any) -> Any:
        read = self.convert(node.expr)
        return lambda scope: read(scope) is not None

    def _convert_not(self, node: Any) -> Any:
        inner = self.convert(node.term)
        return lambda scope: not inner(scope)

    def _convert_function_call(self, node: Any) -> Any:
        read, wanted = self.convert(node.arguments[0]), [part.value for part in node.arguments[1:]]
        if node.name == "cidrMatch":
            networks = [ipaddress.ip_network(one) for one in wanted]
            return lambda scope: any(one in network for one in values(read(scope)) for network in networks)
        tests = [_pattern(getattr(node, "operator", node.name), one) for one in wanted]
        return lambda scope: any(test.fullmatch(one) for one in values(read(scope)) for test in tests)


def _compared(op: str, one: Any, wanted: Any) -> bool:
    if isinstance(one, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        wanted = ipaddress.ip_address(wanted)
    return {"==": one == wanted, "<": op == "<" and one < wanted, "<=": op == "<=" and one <= wanted,
            ">": op == ">" and one > wanted, ">=": op == ">=" and one >= wanted}[op]  # fmt: skip


def _pattern(operator: str, text: str) -> re.Pattern[str]:
    """What `:`, `like~` and `regex~` match; without case they fold ASCII letters alone."""
    if operator not in {":", "like", "like~", "regex", "regex~"}:
        raise NotImplementedError(f"{operator} runs as a script")
    flags = re.DOTALL | (re.IGNORECASE | re.ASCII if operator in {":", "like~", "regex~"} else 0)
    if operator.startswith("regex"):
        return re.compile(text, flags)
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(char) or re.escape(char) for char in text), flags)


def run(text: str, dataset: str, documents: list[Row]) -> list[Row]:
    """The documents of this data set that the query finds."""
    engine = Engine({})
    found: list[Any] = []
    engine.add_query(parsed(text, dataset))
    engine.add_output_hook(found.append)
    events = [eql.Event("any", turn, row) for turn, row in enumerate(documents) if _is_of(row, dataset)]
    engine.stream_events(events, finalize=True)
    return [event.data for result in found for event in result.events]


def _is_of(row: Row, dataset: str) -> bool:
    return str(row["_index"]).startswith(f"logs-{dataset}-")
