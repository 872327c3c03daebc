r"""Expressions of eval, computed over a row.

Where Splunk's pages do not say what happens, this raises rather than guesses: NOT of null, several values in a
comparison or in a function of one text, a truth value as a field's value.

https://help.splunk.com/splunk-cloud-platform/spl-search-reference/9.3.2408/evaluation-functions/comparison-and-conditional-functions,
https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/MultivalueEvalFunctions,
https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/TextFunctions
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, Optional
from urllib.parse import unquote

from .expressions import Call, Expression, Field, Literal
from .faults import SplError
from .values import Raw, at_path, folded, number, text, values_of

Row = Mapping[str, Any]


class Evaluator:
    """Computes expressions.

    :param nulls: what becomes of a JSON null: "text" or "dropped".
    """

    def __init__(self, nulls: str = "text") -> None:
        self.nulls = nulls
        self.now = 0.0
        self.lazy: dict[str, Callable[[tuple[Expression, ...], Row], Any]] = {
            "and": self._and,
            "or": self._or,
            "not": self._not,
            "if": self._if,
            "case": self._case,
            "coalesce": self._coalesce,
            "mvfilter": self._mvfilter,
            "mvmap": self._mvmap,
        }

    def value(self, node: Expression, row: Row) -> Any:
        """The expression's value: None, text, a number, a truth value, or several texts."""
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, Field):
            return row.get(node.name)
        lazy = self.lazy.get(node.name.lower())
        if lazy:
            return lazy(node.arguments, row)
        arguments = [self.value(argument, row) for argument in node.arguments]
        if node.name == "spath":
            document, path = arguments
            return None if document is None else at_path(single(document), single(path), self.nulls)
        if node.name == "now" and not arguments:
            return self.now
        function = FUNCTIONS.get(node.name)
        if function is None:
            raise SplError(f"{node.name}() is not implemented")
        try:
            return function(*arguments)
        except TypeError as error:
            raise SplError(f"{node.name}({arguments}): {error}") from error

    def truth(self, node: Expression, row: Row) -> Optional[bool]:
        """The expression as a truth value, None where it is null."""
        found = self.value(node, row)
        if found is not None and not isinstance(found, bool):
            raise SplError(f"no truth value: {found!r} of {node}")
        return found

    def _and(self, parts: tuple[Expression, ...], row: Row) -> Optional[bool]:
        found = [self.truth(part, row) for part in parts]
        return False if False in found else None if None in found else True

    def _or(self, parts: tuple[Expression, ...], row: Row) -> Optional[bool]:
        found = [self.truth(part, row) for part in parts]
        return True if True in found else None if None in found else False

    def _not(self, parts: tuple[Expression, ...], row: Row) -> bool:
        found = self.truth(parts[0], row)
        if found is None:
            raise SplError("NOT of null is not documented")
        return not found

    def _if(self, parts: tuple[Expression, ...], row: Row) -> Any:
        condition, then, otherwise = parts
        return self.value(then if self.truth(condition, row) else otherwise, row)

    def _case(self, parts: tuple[Expression, ...], row: Row) -> Any:
        if len(parts) % 2:
            raise SplError("case takes pairs")
        for condition, then in zip(parts[::2], parts[1::2]):
            if self.truth(condition, row):
                return self.value(then, row)
        return None

    def _coalesce(self, parts: tuple[Expression, ...], row: Row) -> Any:
        for part in parts:
            found = self.value(part, row)
            if found is not None:
                return found
        return None

    def _mvfilter(self, parts: tuple[Expression, ...], row: Row) -> Any:
        fields = fields_in(parts[0])
        if len(fields) != 1:
            raise SplError(f"mvfilter reads one field, not {sorted(fields)}")
        (field,) = fields
        kept = [one for one in values_of(row.get(field)) if self.truth(parts[0], {field: one}) is True]
        return folded(kept)

    def _mvmap(self, parts: tuple[Expression, ...], row: Row) -> Any:
        field, each = parts
        if not isinstance(field, Field):
            raise SplError("mvmap takes a field")
        found = [self.value(each, {**row, field.name: one}) for one in values_of(row.get(field.name))]
        if any(isinstance(value, list) for value in found):
            raise SplError("mvmap of several values for one is not documented")
        return folded([value for value in found if value is not None])


def fields_in(node: Expression) -> set[str]:
    """The fields that an expression reads."""
    if isinstance(node, Field):
        return {node.name}
    return {name for part in node.arguments for name in fields_in(part)} if isinstance(node, Call) else set()


def single(value: Any) -> str:
    """One text; several are refused."""
    if isinstance(value, list):
        raise SplError("several values where one is expected")
    return text(value)


def _compare(operator: str) -> Callable[[Any, Any], Optional[bool]]:
    def compare(left: Any, right: Any) -> Optional[bool]:
        if left is None or right is None:
            return None
        if isinstance(left, list) or isinstance(right, list):
            raise SplError("a comparison of several values is not documented")
        mine, other = number(left), number(right)
        pair = (mine, other) if mine is not None and other is not None else (single(left), single(right))
        if not isinstance(pair[0], float) and operator not in {"=", "!="}:
            raise SplError(f"an order of texts: {left!r} {operator} {right!r}")
        return _ORDER[operator](*pair)

    return compare


_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _arithmetic(compute: Callable[[float, float], float]) -> Callable[[Any, Any], Any]:
    def computed(left: Any, right: Any) -> Any:
        if left is None or right is None:
            return None
        mine, other = number(left), number(right)
        if mine is None or other is None:
            raise SplError(f"arithmetic of texts: {left!r}, {right!r}")
        return _plain(compute(mine, other))

    return computed


def _plain(found: float) -> Any:
    return int(found) if float(found).is_integer() else found


def _joined(left: Any, right: Any) -> Any:
    return None if left is None or right is None else single(left) + single(right)


def _texts(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of texts, null where its first is."""
    return lambda first, *rest: None if first is None else function(single(first), *map(single, rest))


def _match(subject: str, pattern: str) -> bool:
    try:
        return re.search(pattern, subject) is not None
    except re.error as error:
        raise SplError(f"no regular expression: {pattern!r}: {error}") from error


def _like(subject: str, pattern: str) -> bool:
    if "\\" in pattern:
        raise SplError("an escape in a pattern of like is not documented")
    wild = {"%": ".*", "_": "."}
    return re.fullmatch("".join(wild.get(c, re.escape(c)) for c in pattern), subject, re.DOTALL) is not None


def _cidrmatch(network: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network)
    except ValueError:
        return False


def _in(value: Any, *listed: Any) -> Optional[bool]:
    found = [_compare("=")(value, one) for one in listed]
    return None if value is None else True in found


def _mvindex(values: Any, start: Any, end: Any = None) -> Any:
    found = values_of(values)
    first = int(start) + (len(found) if int(start) < 0 else 0)
    last = first if end is None else int(end) + (len(found) if int(end) < 0 else 0)
    return folded(found[max(first, 0) : last + 1]) if first < len(found) else None


def _mvrange(start: Any, end: Any, step: Any = 1) -> Any:
    found, at = [], number(start)
    if at is None:
        return None
    while at < float(end):
        found.append(Raw(text(at)))
        at += float(step)
    return folded(found)


def _mvzip(left: Any, right: Any, by: str = ",") -> Any:
    pair = values_of(left), values_of(right)
    if len(pair[0]) != len(pair[1]):
        raise SplError("mvzip of lists that do not line up")
    return folded([Raw(f"{one}{by}{other}") for one, other in zip(*pair)])


def _tonumber(value: Any, base: int = 10) -> Any:
    if value is None or base != 10:
        return None
    found = number(Raw(single(value)))
    return None if found is None else _plain(found)


def _nullif(value: Any, other: Any) -> Any:
    return None if value is not None and _compare("=")(value, other) else value


def _substr(value: str, start: str, length: Optional[str] = None) -> Any:
    begin = int(start) - 1 if int(start) > 0 else int(start)
    return value[begin:] if length is None else value[begin:][: int(length)]


def _valid(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _told(value: float, form: str) -> str:
    if set(re.findall("%.", form)) - {"%Y", "%m", "%d", "%H", "%M", "%S"}:
        raise SplError(f"strftime with {form!r} is not implemented")
    return datetime.fromtimestamp(value, timezone.utc).strftime(form)


def _strip(value: str, what: str = " \t") -> str:
    return value.strip(what)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{operator: _compare(operator) for operator in _ORDER},
    "+": _arithmetic(lambda a, b: a + b),
    "-": _arithmetic(lambda a, b: a - b),
    "*": _arithmetic(lambda a, b: a * b),
    "/": _arithmetic(lambda a, b: a / b),
    "%": _arithmetic(math.fmod),
    ".": _joined,
    "true": lambda: True,
    "false": lambda: False,
    "null": lambda: None,
    "isnull": lambda value: value is None,
    "isnotnull": lambda value: value is not None,
    "isnum": lambda value: number(value) is not None,
    "in": _in,
    "nullif": _nullif,
    "lower": _texts(lambda value: str(value).lower()),
    "upper": _texts(lambda value: str(value).upper()),
    "len": _texts(len),
    "trim": _texts(_strip),
    "substr": _texts(_substr),
    "replace": _texts(lambda value, pattern, by: re.sub(pattern, re.sub(r"\\(\d)", r"\\g<\1>", by), value)),
    "urldecode": _texts(unquote),
    "match": _texts(_match),
    "like": _texts(_like),
    "cidrmatch": lambda network, address: None if address is None else _cidrmatch(single(network), single(address)),
    "round": lambda value, digits=0: None if value is None else _plain(round(float(value), int(digits))),
    "strftime": lambda value, form: None if value is None else _told(float(value), form),
    "floor": lambda value: None if value is None else math.floor(float(value)),
    "tonumber": _tonumber,
    "tostring": lambda value: None if value is None else text(value),
    "split": _texts(lambda value, by: folded([Raw(one) for one in value.split(by)])),
    "mvcount": lambda value: len(values_of(value)) or None,
    "mvindex": _mvindex,
    "mvappend": lambda *values: folded([one for value in values for one in values_of(value)]),
    "mvdedup": lambda value: folded(list(dict.fromkeys(values_of(value)))),
    "mvjoin": lambda value, by: None if value is None else by.join(map(text, values_of(value))),
    "mvrange": _mvrange,
    "mvzip": _mvzip,
    "json_valid": _texts(_valid),
}
