"""What the lowering of ES|QL to DuckDB is made of: kinds of values, texts of SQL, the failure of what is not known."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from esql import ast

NUMBERS = {"long", "double"}
#: kind → DuckDB's type
TYPES = {
    "keyword": "VARCHAR", "ip": "VARCHAR", "long": "BIGINT", "double": "DOUBLE", "boolean": "BOOLEAN",
    "date": "TIMESTAMP", "span": "INTERVAL",
}  # fmt: skip
#: what a mapping calls them
KINDS = {**{kind: kind for kind in TYPES}, "text": "keyword", "integer": "long"}


class Unknown(NotImplementedError):  # noqa: N818 - it is what it says
    """The lowering does not know this part of ES|QL."""


class Sql(NamedTuple):
    """An expression: its text, the kind of its values, and whether it is a list of them."""

    text: str
    kind: str
    many: bool = False

    @property
    def one(self) -> str:
        """The only value; null for several."""
        return f"one({self.text})" if self.many else self.text

    @property
    def list(self) -> str:
        return self.text if self.many else f"cell([{self.text}])"


def quoted(name: str) -> str:
    """A column's or table's name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def plain(name: str) -> str:
    """A column's name without the backticks of the text."""
    return name.replace("`", "")


def same_kind(parts: list[Sql]) -> str:
    """:raises Unknown: they differ."""
    kinds = {part.kind for part in parts}
    if len(kinds) != 1:
        raise Unknown(f"values of several kinds: {', '.join(sorted(kinds))}")
    return kinds.pop()


def two(args: list[Any]) -> list[Any]:
    """:raises Unknown: they are more."""
    if len(args) != 2:
        raise Unknown("one of several patterns")
    return args


def string(node: Any) -> str:
    """A string literal's text; the tree leaves its escapes, which are some of JSON's.

    :raises Unknown: it is none.
    """
    if not isinstance(node, ast.Literal) or not isinstance(node.value, str):
        raise Unknown("an expression in place of a text")
    return str(json.loads(f'"{node.value}"', strict=False))
