r"""The search command's expressions, parsed and tested on a row.

https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/Search: terms side by side are joined by
AND; the order is brackets, NOT, OR, AND (OR binds before AND, unlike in eval); text compares without case; `*` is a
wildcard that nothing escapes; a comparison of numbers is numeric; a value in CIDR notation matches addresses.
https://docs.splunk.com/Documentation/Splunk/9.0.2/Search/NOTexpressions: `f!=x` needs the field, `NOT f=x` does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional, Union

from .faults import SplError
from .values import Raw, number, values_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:[^"\\]|\\.)*")
      | (?P<sub>\[)
      | (?P<sign><=|>=|!=|==|[()=<>,])
      | (?P<word>(?:\\.|[^\s()="<>!,\[\]|]|!(?!=))+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_OPERATORS = {"=", "==", "!=", "<", ">", "<=", ">="}
_CIDR = re.compile(r"[0-9A-Fa-f.:]+/\d+")


@dataclass(frozen=True)
class Value:
    text: str
    quoted: bool = False


@dataclass(frozen=True)
class Compared:
    """`field op value`, of several values one (IN)."""

    field: str
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Term:
    """A word to be found in the raw text."""

    value: Value


@dataclass(frozen=True)
class Subsearch:
    text: str


@dataclass(frozen=True)
class Joined:
    """AND, OR or NOT of its parts."""

    operator: str
    parts: tuple[Any, ...]


Search = Union[Compared, Term, Subsearch, Joined]


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []
        place = 0
        text = text.rstrip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if not match or not match.lastgroup:
                raise SplError(f"no search: {text[place : place + 40]!r}")
            kind, end = match.lastgroup, match.end()
            if kind == "sub":
                end = closing(text, match.start("sub"))
                self.tokens.append(("sub", text[match.start("sub") + 1 : end - 1]))
            else:
                self.tokens.append((kind, match.group(kind)))
            place = end
        self.place = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.place += 1
        return token

    def conjunction(self) -> Search:
        parts = [self.disjunction()]
        while self.peek()[0] != "end" and self.peek() != ("sign", ")"):
            if self.peek() == ("word", "AND"):
                self.take()
            parts.append(self.disjunction())
        return parts[0] if len(parts) == 1 else Joined("AND", tuple(parts))

    def disjunction(self) -> Search:
        parts = [self.negation()]
        while self.peek() == ("word", "OR"):
            self.take()
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else Joined("OR", tuple(parts))

    def negation(self) -> Search:
        if self.peek() == ("word", "NOT"):
            self.take()
            return Joined("NOT", (self.negation(),))
        return self.single()

    def single(self) -> Search:
        kind, text = self.take()
        if (kind, text) == ("sign", "("):
            made = self.conjunction()
            if self.take() != ("sign", ")"):
                raise SplError(f") expected in {self.text[:80]!r}")
            return made
        if kind == "sub":
            return Subsearch(text)
        if kind not in {"text", "word"} or text in {"AND", "OR"}:
            raise SplError(f"a term expected at {text!r} in {self.text[:80]!r}")
        following = self.peek()
        if following[0] == "sign" and following[1] in _OPERATORS:
            operator = self.take()[1]
            if self.peek()[0] == "sub":
                return Subsearch(self.take()[1])
            return Compared(_bare(kind, text), "=" if operator == "==" else operator, (self.value(),))
        if following[0] == "word" and following[1].upper() == "IN" and self.tokens[self.place + 1][1] == "(":
            self.take()
            return Compared(_bare(kind, text), "=", self.listed())
        return Term(_value(kind, text))

    def value(self) -> Value:
        kind, text = self.take()
        if kind not in {"text", "word"}:
            raise SplError(f"a value expected at {text!r} in {self.text[:80]!r}")
        return _value(kind, text)

    def listed(self) -> tuple[Value, ...]:
        self.take()
        found = [self.value()]
        while self.peek() != ("sign", ")"):
            if self.peek() == ("sign", ","):
                self.take()
            found.append(self.value())
        self.take()
        return tuple(found)


def closing(text: str, place: int) -> int:
    depth = 0
    at = place
    while at < len(text):
        if text[at] == '"':
            match = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL).match(text, at)
            if not match:
                raise SplError("quotes do not end")
            at = match.end()
            continue
        depth += {"[": 1, "]": -1}.get(text[at], 0)
        at += 1
        if depth == 0:
            return at
    raise SplError("[ is not closed")


def _bare(kind: str, text: str) -> str:
    return text[1:-1] if kind == "text" else text


def _value(kind: str, text: str) -> Value:
    if kind == "text":
        return Value(re.sub(r'\\(["\\])', r"\1", text[1:-1]), quoted=True)
    return Value(text)


def parse(text: str) -> Optional[Search]:
    """The search, None where it is empty.

    :raises SplError: it is no search.
    """
    parser = _Parser(text)
    if not parser.tokens:
        return None
    made = parser.conjunction()
    if parser.peek()[0] != "end":
        raise SplError(f"what is {parser.peek()[1]!r} in {text[:80]!r}?")
    return made


def subsearches(node: Any) -> list[str]:
    """The texts of the subsearches in a search."""
    if isinstance(node, Subsearch):
        return [node.text]
    return [text for part in node.parts for text in subsearches(part)] if isinstance(node, Joined) else []


def holds(node: Optional[Search], row: Mapping[str, Any]) -> bool:
    """Whether the row passes."""
    if node is None:
        return True
    if isinstance(node, Joined):
        results = [holds(part, row) for part in node.parts]
        return not results[0] if node.operator == "NOT" else (all if node.operator == "AND" else any)(results)
    if isinstance(node, Compared):
        return _compared(node, values_of(row.get(node.field)))
    if isinstance(node, Term) and node.value.text == "*":
        return True
    if isinstance(node, Term) and node.value.quoted and "_raw" in row:
        return _in_raw(node.value.text, str(row["_raw"]))
    raise SplError(f"not searched here: {node}")


def _in_raw(phrase: str, raw: str) -> bool:
    """Whether the event has the words of a phrase, whole and in their order."""
    if not phrase.isascii() or not phrase.isprintable() or set(phrase) & set('*"\\'):
        raise SplError(f"how search finds {phrase!r} is not documented")
    return re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", raw, re.IGNORECASE) is not None


def _compared(node: Compared, values: list[Any]) -> bool:
    if node.field.lower() in {"earliest", "latest", "_index_earliest", "_index_latest"}:
        raise SplError(f"{node.field} in a search is not implemented")
    if node.operator == "!=":
        if len(values) > 1:
            raise SplError("!= on several values is not documented")
        return bool(values) and not _equal(values[0], node.values[0])
    if node.operator == "=":
        return any(_equal(value, wanted) for value in values for wanted in node.values)
    return any(_ordered(node.operator, value, node.values[0]) for value in values)


def _ordered(operator: str, value: Any, wanted: Value) -> bool:
    mine, bound = number(value), number(Raw(wanted.text))
    if mine is None or bound is None:
        raise SplError(f"an order of texts: {value!r} {operator} {wanted.text!r}")
    return {"<": mine < bound, ">": mine > bound, "<=": mine <= bound, ">=": mine >= bound}[operator]


def _equal(value: Any, wanted: Value) -> bool:
    if not wanted.text.isascii() or "\\" in wanted.text or not wanted.text.isprintable():
        raise SplError(f"how search compares {wanted.text!r} is not documented")
    if _CIDR.fullmatch(wanted.text):
        raise SplError("an address range in a search is not implemented")
    if wanted.text == "*":
        if value == "":
            raise SplError("whether * matches the empty text is not documented")
        return True
    mine, other = number(value), number(Raw(wanted.text))
    if mine is not None and other is not None:
        return mine == other
    pattern = ".*".join(re.escape(piece) for piece in wanted.text.split("*"))
    return re.fullmatch(pattern, str(value), re.IGNORECASE | re.DOTALL) is not None
