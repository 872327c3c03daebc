r"""Expressions of eval and where, parsed.

https://help.splunk.com/en/splunk-enterprise/search/search-manual/10.0/expressions-and-predicates: text in double
quotes, with `\\`, `\"`, `\t`, `\n` and `\r` as escapes (another backslash stays, as regular expressions need it); field
names that are more than letters, digits and `_` in single quotes; a dot joins texts.
https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/Eval: NOT before AND before OR.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Union

from .faults import SplError

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:[^"\\]|\\.)*")
      | (?P<field>'[^']*')
      | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w]))
      | (?P<word><<\w+>>|[A-Za-z_$][\w:$]*(?:\{\d*\})?)
      | (?P<sign><=|>=|!=|==|[-+*/%.,()=<>])
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"\\": "\\", '"': '"', "t": "\t", "n": "\n", "r": "\r"}
_COMPARISONS = {"=", "==", "!=", "<", ">", "<=", ">="}


@dataclass(frozen=True)
class Literal:
    value: Union[str, int, float]


@dataclass(frozen=True)
class Field:
    name: str


@dataclass(frozen=True)
class Call:
    """A function or an operator over its arguments."""

    name: str
    arguments: tuple[Any, ...]


Expression = Union[Literal, Field, Call]


def unquoted(text: str) -> str:
    """A text in double quotes, its escapes resolved."""
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m.group(1), m.group(0)), text[1:-1], flags=re.DOTALL)


def tokens(text: str) -> list[tuple[str, str]]:
    """Kind and text of each token."""
    found, place = [], 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match or not match.lastgroup:
            raise SplError(f"no expression: {text[place : place + 40]!r}")
        found.append((match.lastgroup, match.group(match.lastgroup)))
        place = match.end()
    return found


class Parser:
    """Descends from OR to single values."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.place = 0

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        at = self.place + ahead
        return self.tokens[at] if at < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.place += 1
        return token

    def sign(self, *signs: str) -> bool:
        """Whether the next token is one of these signs; taken if so."""
        kind, text = self.peek()
        if kind == "sign" and text in signs:
            self.place += 1
            return True
        return False

    def word(self, *words: str) -> bool:
        kind, text = self.peek()
        if kind == "word" and text.upper() in words:
            self.place += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        if not self.sign(sign):
            raise SplError(f"{sign} expected at {self.peek()[1]!r} in {self.text[:80]!r}")

    def whole(self) -> Expression:
        made = self.disjunction()
        if self.peek()[0] != "end":
            raise SplError(f"what is {self.peek()[1]!r} in {self.text[:80]!r}?")
        return made

    def disjunction(self) -> Expression:
        made = self.exclusive()
        while self.word("OR"):
            made = Call("OR", (made, self.exclusive()))
        return made

    def exclusive(self) -> Expression:
        made = self.conjunction()
        while self.word("XOR"):
            made = Call("XOR", (made, self.conjunction()))
        return made

    def conjunction(self) -> Expression:
        made = self.negation()
        while self.word("AND"):
            made = Call("AND", (made, self.negation()))
        return made

    def negation(self) -> Expression:
        return Call("NOT", (self.negation(),)) if self.word("NOT") else self.comparison()

    def comparison(self) -> Expression:
        made = self.sum()
        kind, text = self.peek()
        if kind == "sign" and text in _COMPARISONS:
            self.take()
            return Call("=" if text == "==" else text, (made, self.sum()))
        if self.word("LIKE"):
            return Call("like", (made, self.sum()))
        if kind == "word" and text.upper() == "IN" and self.peek(1) == ("sign", "("):
            self.take()
            return Call("in", (made, *self.arguments()))
        return made

    def sum(self) -> Expression:
        made = self.product()
        while self.peek()[0] == "sign" and self.peek()[1] in {"+", "-", "."}:
            made = Call(self.take()[1], (made, self.product()))
        return made

    def product(self) -> Expression:
        made = self.unary()
        while self.peek()[0] == "sign" and self.peek()[1] in {"*", "/", "%"}:
            made = Call(self.take()[1], (made, self.unary()))
        return made

    def unary(self) -> Expression:
        if self.sign("-"):
            return Call("-", (Literal(0), self.unary()))
        return self.unary() if self.sign("+") else self.single()

    def single(self) -> Expression:
        kind, text = self.take()
        if kind == "text":
            return Literal(unquoted(text))
        if kind == "number":
            return Literal(float(text) if re.search("[.eE]", text) else int(text))
        if kind == "field":
            return Field(text[1:-1])
        if kind == "word":
            return Call(text.lower(), self.arguments()) if self.peek() == ("sign", "(") else _named(text)
        if (kind, text) == ("sign", "("):
            made = self.disjunction()
            self.expect(")")
            return made
        raise SplError(f"a value expected at {text!r} in {self.text[:80]!r}")

    def arguments(self) -> tuple[Expression, ...]:
        self.expect("(")
        if self.sign(")"):
            return ()
        found = [self.disjunction()]
        while self.sign(","):
            found.append(self.disjunction())
        self.expect(")")
        return tuple(found)


def _named(text: str) -> Expression:
    return Call(text.lower(), ()) if text.lower() in {"true", "false"} else Field(text)


def parse(text: str) -> Expression:
    """One expression.

    :raises SplError: it is none.
    """
    return Parser(text).whole()


def assignments(text: str) -> list[tuple[str, Expression]]:
    """`a=…, b=…` of eval.

    :raises SplError: it is no list of assignments.
    """
    parser = Parser(text)
    found = []
    while True:
        kind, name = parser.take()
        if kind == "text":
            name = unquoted(name)
        elif kind == "field":
            name = name[1:-1]
        elif kind != "word":
            raise SplError(f"eval assigns to {name!r}?")
        while kind == "word" and parser.sign("."):
            name = f"{name}.{parser.take()[1]}"
        parser.expect("=")
        found.append((name, parser.disjunction()))
        if not parser.sign(","):
            break
    if parser.peek()[0] != "end":
        raise SplError(f"what is {parser.peek()[1]!r} in {text[:80]!r}?")
    return found
