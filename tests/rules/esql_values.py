"""Expressions of ES|QL over a row, from Elastic's own syntax tree: what Elasticsearch gives for null and for lists.

A value is None, one value, or a list of at least two. A function that takes single values gives null for a list.
Whatever is not known here fails. https://www.elastic.co/docs/reference/query-languages/esql/esql-multivalued-fields
"""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from esql import ast

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
Row = dict[str, Any]
Value = Callable[[Row], Any]

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_ESCAPE = re.compile(r'\\(["\\nrt])')
_COMPARE = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class Gap(NotImplementedError):  # noqa: N818 - it is what it says
    """The engine does not know this part of ES|QL."""


def values(value: Any) -> list[Any]:
    """The values of a cell."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def cell(found: list[Any]) -> Any:
    """A cell of these values."""
    if not found:
        return None
    return found[0] if len(found) == 1 else list(found)


def text_of(literal: ast.Literal) -> Any:
    """A literal's value; the tree leaves escapes in strings."""
    if isinstance(literal.value, str) and literal.kind == "string":
        return _ESCAPE.sub(lambda match: {"n": "\n", "r": "\r", "t": "\t"}.get(match[1], match[1]), literal.value)
    if literal.kind in {"time_duration", "date_period"}:
        count, unit = re.fullmatch(r"(\d+)\s*([a-z]+?)s?", literal.value).groups()  # type: ignore[union-attr]
        return timedelta(seconds=int(count) * _UNITS[unit])
    if isinstance(literal.value, list):
        return cell([item if not isinstance(item, str) else _refuse(item) for item in literal.value])
    return literal.value


def _refuse(item: str) -> Any:
    raise Gap(f"a list of strings: {item}")


# --- the walk ---------------------------------------------------------------------------------------------------------


def compiled(node: Any, now: datetime) -> Value:
    """A function from a row to the expression's value."""
    if isinstance(node, ast.Alias):
        return compiled(node.expr, now)
    if isinstance(node, ast.ColumnRef):
        name = node.name.replace("`", "")
        return lambda row: row[name]
    if isinstance(node, ast.Literal):
        constant = text_of(node)
        return lambda _: constant
    if isinstance(node, ast.BinaryExpr):
        return _binary(node, now)
    if isinstance(node, ast.FunctionCall):
        return _call(node, now)
    raise Gap(type(node).__name__)


def _binary(node: ast.BinaryExpr, now: datetime) -> Value:
    left = compiled(node.left, now)
    if node.op == "in":
        items = [compiled(item, now) for item in node.right.args]  # type: ignore[attr-defined]
        return lambda row: _or([_compare("==", left(row), item(row)) for item in items])
    right = compiled(node.right, now)
    if node.op == "and":
        return lambda row: _and(left(row), right(row))
    if node.op == "or":
        return lambda row: _or([left(row), right(row)])
    if node.op in _COMPARE:
        return lambda row: _compare(node.op, left(row), right(row))
    if node.op in {"+", "-", "*", "/"}:
        return lambda row: _arithmetic(node.op, left(row), right(row))
    raise Gap(f"operator {node.op}")


def _and(one: Any, other: Any) -> Any:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _or(parts: list[Any]) -> Any:
    if True in parts:
        return True
    return None if None in parts else False


def _single(*cells: Any) -> bool:
    return None not in cells and list not in map(type, cells)


def _compare(op: str, one: Any, other: Any) -> Any:
    if one is None or other is None or isinstance(one, list) or isinstance(other, list):
        return None
    if isinstance(one, (ipaddress.IPv4Address, ipaddress.IPv6Address)) and isinstance(other, str):
        other = ipaddress.ip_address(other)
    if isinstance(one, str) != isinstance(other, str) or isinstance(one, bool) != isinstance(other, bool):
        raise TypeError(f"{one!r} {op} {other!r}")
    return _COMPARE[op](one, other)


def _arithmetic(op: str, one: Any, other: Any) -> Any:
    if not _single(one, other):
        return None
    if op == "/":
        return int(one / other) if isinstance(one, int) and isinstance(other, int) else one / other
    return {"+": operator.add, "-": operator.sub, "*": operator.mul}[op](one, other)


# --- functions --------------------------------------------------------------------------------------------------------


def _each(change: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function that changes every value of a list, those that it cannot change left out."""
    return lambda value: cell([new for new in map(change, values(value)) if new is not None])


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of single values."""
    return lambda *cells: function(*cells) if _single(*cells) else None


def address(text: str) -> Any:
    """An address as Elasticsearch holds it: an IPv4 one that is written as IPv6 is IPv4.

    https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/ip

    :raises ValueError: it is none.
    """
    found = ipaddress.ip_address(text)
    return getattr(found, "ipv4_mapped", None) or found


def _address(text: str) -> Any:
    try:
        return address(text)
    except ValueError:
        return None


def _string(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}Z"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _datetime(value: Any) -> datetime | None:
    if isinstance(value, int):
        return EPOCH + timedelta(milliseconds=value)
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None


def _truncated(step: timedelta, time: datetime) -> datetime:
    return EPOCH + (time - EPOCH) // step * step


def _append(one: Any, other: Any) -> Any:
    return None if one is None or other is None else cell(values(one) + values(other))


def _slice(value: Any, start: int, end: int) -> Any:
    return cell(values(value)[start : end + 1])


def _in_networks(address: Any, *networks: str) -> bool:
    return any(address in ipaddress.ip_network(network) for network in networks)


def _matches(value: str, pattern: str) -> bool:
    """LIKE: `*` any run, `?` one character, a backslash takes what follows by the letter."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"*": ".*", "?": "."}
    return re.fullmatch("".join(wild.get(part) or re.escape(part[-1]) for part in parts), value, re.DOTALL) is not None


def _regex(value: str, pattern: str) -> bool:
    """RLIKE: a whole match; what Lucene has beyond Python must come escaped."""
    if re.search(r'(?<!\\)[@&~<>#"]', pattern):
        raise Gap(f"Lucene's own operators: {pattern}")
    return re.fullmatch(pattern, value, re.DOTALL) is not None


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "to_lower": _each(str.lower),
    "to_ip": _each(_address),
    "to_string": _each(_string),
    "to_long": _each(lambda value: (value - EPOCH) // timedelta(milliseconds=1)),
    "to_datetime": _each(_datetime),
    "length": _plain(len),
    "locate": _plain(lambda value, piece: value.find(piece) + 1),
    "starts_with": _plain(str.startswith),
    "ends_with": _plain(str.endswith),
    "substring": _plain(lambda value, start, length=None: value[start - 1 :][:length]),
    "concat": _plain(lambda *parts: "".join(parts)),
    "like": _plain(_matches),
    "rlike": _plain(_regex),
    "cidr_match": _plain(_in_networks),
    "date_trunc": _plain(_truncated),
    "coalesce": lambda *cells: next((one for one in cells if one is not None), None),
    "not": lambda value: None if value is None else not value,
    "is_null": lambda value: value is None,
    "is_not_null": lambda value: value is not None,
    "mv_count": lambda value: len(values(value)) or None,
    "mv_concat": lambda value, between: None if value is None else between.join(values(value)),
    "mv_dedupe": lambda value: cell(list(dict.fromkeys(values(value)))),
    "mv_append": _append,
    "mv_sort": lambda value: cell(sorted(values(value))),
    "mv_slice": _slice,
    "-": _plain(operator.neg),
}


def _call(node: ast.FunctionCall, now: datetime) -> Value:
    name, parts = node.name.lower(), [compiled(part, now) for part in node.args]
    if name == "now":
        return lambda _: now
    if name == "case":
        return lambda row: _case(parts, row)
    if name not in FUNCTIONS:
        raise Gap(f"function {name}")
    function = FUNCTIONS[name]
    if len(parts) == 1:
        (only,) = parts
        return lambda row: function(only(row))
    return lambda row: function(*[part(row) for part in parts])


def _case(parts: list[Value], row: Row) -> Any:
    for place in range(0, len(parts) - 1, 2):
        if parts[place](row) is True:
            return parts[place + 1](row)
    return parts[-1](row) if len(parts) % 2 else None
