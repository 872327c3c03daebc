"""`$filter` as the log endpoints take it, turned into a condition over the kept records.

The grammar is the part of OData 4 that Graph documents for these paths: comparisons, startswith and contains, any()
over a collection, and, or, parentheses. What Graph refuses, this refuses with the same body.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from entrawatch.emulator.answers import RefusedError, bad_filter
from entrawatch.emulator.resources import Property, source_of
from entrawatch.emulator.times import ticks

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrawatch.emulator.resources import Resource

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<time>\d{4}-\d{2}-\d{2}(?:[Tt][\d:.]+(?:[Zz]|[+-]\d{2}:\d{2})?)?(?![\w-]))
    | (?P<string>'(?:[^']|'')*')
    | (?P<number>-?\d{1,18}(?![\w.-]))
    | (?P<word>[A-Za-z_]\w*(?:/[A-Za-z_]\w*)*)
    | (?P<mark>[(),:/])
    )""",
    re.VERBOSE | re.ASCII,
)
_SQL = {"eq": "=", "ge": ">=", "le": "<=", "gt": ">", "lt": "<"}
_DEEPEST = 20
_LONGEST = 8000


@dataclass
class Clause:
    """A condition in SQL with its parameters.

    :param types: sign-in types that the text names, in lower case.
    :param times: the times (ticks) that it asks for with eq, ge or gt.
    """

    sql: str
    params: list[Any] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    @staticmethod
    def joined(word: str, parts: list[Clause]) -> Clause:
        """All of them, with AND or OR in between: side by side, as SQLite's parser takes only so many nested ones."""
        if len(parts) == 1:
            return parts[0]
        whole = Clause("(" + f" {word} ".join(part.sql for part in parts) + ")")
        for part in parts:
            whole.params += part.params
            whole.types += part.types
            whole.times += part.times
        return whole


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.rstrip(" ")
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise bad_filter()
        found.append((str(match.lastgroup), match[match.lastgroup or 0]))
        at = match.end()
    return found


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str, resource: Resource, beta: bool) -> None:
        self._tokens, self._at, self._depth = _tokens(text), 0, 0
        self._resource, self._beta = resource, beta

    def whole(self) -> Clause:
        clause = self._either()
        if self._at != len(self._tokens):
            raise bad_filter()
        return clause

    def _next(self, kind: str = "", text: str = "") -> str:
        if self._at >= len(self._tokens):
            raise bad_filter()
        found_kind, found = self._tokens[self._at]
        if (kind and found_kind != kind) or (text and found.lower() != text):
            raise bad_filter()
        self._at += 1
        return found

    def _comes(self, text: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at][1].lower() == text

    def _chain(self, word: str, part: Callable[[], Clause]) -> Clause:
        parts = [part()]
        while self._comes(word):
            self._next()
            parts.append(part())
        return Clause.joined(word.upper(), parts)

    def _either(self) -> Clause:
        return self._chain("or", self._both)

    def _both(self) -> Clause:
        return self._chain("and", self._term)

    def _term(self) -> Clause:
        if not self._comes("("):
            return self._test()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise bad_filter()
        self._next()
        clause = self._either()
        self._next("mark", ")")
        self._depth -= 1
        return clause

    def _test(self) -> Clause:
        word = self._next("word")
        if self._comes("("):
            return self._any(word[: -len("/any")]) if word.endswith("/any") else self._function(word.lower())
        return self._compare(word, self._next("word").lower())

    def _property(self, name: str, operator: str) -> Property:
        found = self._resource.properties.get(name)
        if found is None:
            raise self._unknown(name)
        if operator not in found.operators:
            raise bad_filter()
        return found

    def _unknown(self, name: str) -> RefusedError:
        # Source of the text: MSIdentityTools issue 29.
        return bad_filter(
            f"Could not find a property named '{name}' on type 'microsoft.graph.{self._resource.entity}'."
        )

    def _compare(self, name: str, operator: str) -> Clause:
        kind = self._property(name, operator).kind
        if kind == "time":
            return self._time(name, operator)
        value: Any = _unquoted(self._next("string")) if kind == "string" else int(self._next("number"))
        return Clause(f"{self._text(name)} {_SQL[operator]} ?{self._collation()}", [value])

    def _time(self, name: str, operator: str) -> Clause:
        # A quoted time is no time: microsoft-graph-docs issue 14173.
        try:
            moment = ticks(self._next("time"))
        except ValueError:
            raise bad_filter() from None
        column = "time" if name == self._resource.time_field else f"ticks({self._text(name)})"
        if operator == "gt" and name in self._resource.equal_on_greater:
            operator = "ge"
        return Clause(
            f"{column} {_SQL[operator]} ?", [moment], times=[moment] if operator in {"eq", "ge", "gt"} else []
        )

    def _function(self, function: str) -> Clause:
        self._next("mark", "(")
        name = self._next("word")
        self._next("mark", ",")
        value = _unquoted(self._next("string"))
        self._next("mark", ")")
        self._property(name, function)
        text = self._text(name)
        if not self._resource.case_sensitive:
            text, value = f"lower({text})", value.lower()
        test = f"substr({text}, 1, length(?1)) = ?1" if function == "startswith" else f"instr({text}, ?1) > 0"
        params = [value] * test.count("?1")
        return Clause(test.replace("?1", "?"), params)

    def _any(self, name: str) -> Clause:
        element = self._resource.collections.get(name)
        if element is None or (name in self._resource.beta_only and not self._beta):
            raise self._unknown(name)
        self._next("mark", "(")
        variable = self._next("word")
        self._next("mark", ":")
        clause = self._chain("or", lambda: self._element(name, variable, element.split()))
        self._next("mark", ")")
        return clause

    def _element(self, name: str, variable: str, fields: list[str]) -> Clause:
        word = self._next("word")
        self._next("word", "eq")
        value = _unquoted(self._next("string"))
        if name == "signInEventTypes" and word == variable:
            return Clause("source = ?", [source_of(self._resource.path, value)], [value.lower()])
        inner = word.partition("/")[2]
        if not word.startswith(f"{variable}/") or inner not in fields:
            raise bad_filter()
        sql = f"EXISTS (SELECT 1 FROM json_each(body, '$.{name}') WHERE json_extract(value, '$.{inner}') = ?)"  # noqa: S608 - both names are the resource table's
        return Clause(sql, [value])

    def _text(self, name: str) -> str:
        # `name` is a key of the resource's own table by now.
        return f"json_extract(body, '$.{name.replace('/', '.')}')"

    def _collation(self) -> str:
        return "" if self._resource.case_sensitive else " COLLATE NOCASE"


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'")


def _sources(clause: Clause, resource: Resource) -> list[str]:
    """Which kept sources are read: without a word on types Graph gives interactive sign-ins only."""
    if "signInEventTypes" not in resource.collections:
        return [resource.path]
    types = sorted(set(clause.types)) or ["interactiveuser"]
    if len(types) > 1 and not set(types) <= {"interactiveuser", "noninteractiveuser"}:
        # User and service principal types in one filter are not supported (reference, beta signIn).
        raise bad_filter()
    return [source_of(resource.path, name) for name in types]


def compile_filter(text: str, resource: Resource, beta: bool) -> Clause:
    """The whole condition of a request, the choice of sources with it.

    :raises RefusedError: 400 with Graph's body.
    """
    if len(text) > _LONGEST:
        raise bad_filter()
    clause = _Parser(text, resource, beta).whole() if text.strip(" ") else Clause("1")
    sources = _sources(clause, resource)
    marks = ", ".join("?" * len(sources))
    return Clause(f"source IN ({marks}) AND {clause.sql}", sources + clause.params, clause.types, clause.times)
