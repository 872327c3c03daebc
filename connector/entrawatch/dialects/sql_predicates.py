"""Predicates in SQL, built as a syntax tree that sqlglot writes in any of its dialects.

A column is NULL or '' where the field is absent, so a positive test is NULL or false there, and only a negation has to
say what NULL means.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable, Union

from sqlglot import exp

from entrawatch.dialects.base import Predicates, Unsupported
from entrawatch.dialects.networks import patterns
from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Sequence

Expr = exp.Expr

#: engines that run every text in the tests
EXECUTED = ("duckdb", "postgres")
#: in a regular expression: an escape, a set, or a dot
_DOT = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\.", re.DOTALL)
#: LIKE's own escape character is written out, since its default differs between engines
_ESCAPE = "!"
_COMPARISONS: dict[str, Callable[..., Expr]] = {"<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE}


def column(name: str, table: str = "") -> exp.Column:
    """A column by its Graph path, quoted."""
    return exp.column(name, table=table or None, quoted=True)


def folded(value: Expr) -> Expr:
    """Text as it compares: lower case."""
    return exp.Lower(this=value)


def text(value: str) -> Expr:
    """A text literal as it compares. What is beyond ASCII is left to the engine, so that both sides fold alike."""
    literal = exp.Literal.string(value.lower() if value.isascii() else value)
    return literal if value.isascii() else folded(literal)


def given(value: Expr) -> Expr:
    """That a text column holds something."""
    return exp.NEQ(this=value, expression=exp.Literal.string(""))


def any_of(parts: Sequence[Expr]) -> Expr:
    """One of them; of none it is false."""
    return exp.condition(exp.or_(*parts)) if parts else exp.false()


def all_of(parts: Sequence[Expr]) -> Expr:
    """All of them; of none it is true."""
    return exp.condition(exp.and_(*parts)) if parts else exp.true()


class SqlPredicates(Predicates[Expr]):
    """The walk; parameters are read from the CTEs that `parameter_tables` makes.

    :param engine: one of those that run the texts in the tests may ask what others write in ways of their own.
    """

    def __init__(self, engine: str) -> None:
        self.engine = engine

    def field(self, ref: ir.FieldRef) -> Expr:
        return column(ref.name)

    def literal(self, value: ir.Scalar) -> Expr:
        if isinstance(value, bool):
            return exp.true() if value else exp.false()
        return exp.Literal.number(value) if isinstance(value, (int, float)) else text(value)

    def value(self, value: ir.Value) -> Expr:
        """A literal, or the parameter's value out of the query's first lines."""
        if not isinstance(value, ir.Parameter):
            return self.literal(value)
        chosen = exp.select(column(value.name)).from_(exp.to_table("parameters")).subquery()
        return folded(chosen) if value.kind == "text" else chosen

    def equals(self, node: ir.Equals) -> Expr:
        return self._each(
            node.field, lambda item: exp.EQ(this=comparable(node.field, item), expression=self.value(node.value))
        )

    def one_of(self, node: ir.OneOf) -> Expr:
        if isinstance(node.values, ir.Parameter):
            listed = _list(node.values)
            return self._each(node.field, lambda item: exp.In(this=folded(item), query=listed))
        values = [self.literal(value) for value in node.values]
        return self._each(node.field, lambda item: exp.In(this=comparable(node.field, item), expressions=values))

    def like(self, node: ir.Like) -> Expr:
        return self._each(node.field, lambda item: _like(item, node.parts))

    def contains_any(self, node: ir.ContainsAny) -> Expr:
        pieces = node.pieces
        if isinstance(pieces, ir.Parameter):
            rows, piece = exp.select("1").from_(exp.to_table(pieces.name)), column("item", pieces.name)
            return self._each(node.field, lambda item: exp.Exists(this=rows.where(_contains(item, piece))))
        return self._each(node.field, lambda item: any_of([_contains(item, text(piece)) for piece in pieces]))

    def compares(self, node: ir.Compares) -> Expr:
        operator, bound = _COMPARISONS[node.op], self.value(node.value)
        return self._each(node.field, lambda item: operator(this=item, expression=bound))

    def same_as(self, node: ir.SameAs) -> Expr:
        if node.field.many or node.other.many:
            raise Unsupported(node, "two lists do not compare in one SQL test")
        if not {node.field.kind, node.other.kind} <= {"text", "address"}:
            raise Unsupported(node, "two fields that are not both text")
        mine, other = self.field(node.field), self.field(node.other)
        return all_of([exp.EQ(this=folded(mine), expression=folded(other)), given(mine.copy())])

    def matches(self, node: ir.Matches) -> Expr:
        if self.engine not in EXECUTED:
            raise Unsupported(node, f"{self.engine} has regular expressions of its own")
        # PostgreSQL's dot is any character; everywhere else it is none that ends a line
        dotless = _DOT.sub(lambda found: "[^\n]" if found[0] == "." else found[0], node.pattern)
        pattern = exp.Literal.string(dotless if self.engine == "postgres" else node.pattern)
        return self._each(
            node.field, lambda item: all_of([exp.RegexpILike(this=item, expression=pattern), given(item.copy())])
        )

    def in_network(self, node: ir.InNetwork) -> Expr:
        if node.field.kind != "address":
            raise Unsupported(node, f"{node.field.name} is a {node.field.kind}, no address")
        if self.engine not in EXECUTED:
            raise Unsupported(node, f"{self.engine} has regular expressions of its own")
        try:
            ways = [exp.Literal.string(way) for network in node.networks for way in patterns(network)]
        except ValueError as error:
            raise Unsupported(node, str(error)) from error
        return self._each(
            node.field, lambda item: any_of([exp.RegexpLike(this=folded(item), expression=way) for way in ways])
        )

    def present(self, node: ir.Present) -> Expr:
        if node.field.kind in {"number", "boolean", "time"}:
            return self._each(node.field, lambda item: exp.Not(this=exp.Is(this=item, expression=exp.null())))
        return self._each(node.field, given)

    def negation(self, node: ir.Not) -> Expr:
        inner = self.write(node.of)
        return exp.Not(this=exp.Coalesce(this=inner, expressions=[exp.false()]))

    def conjunction(self, node: ir.And) -> Expr:
        return all_of([self.write(part) for part in node.of])

    def disjunction(self, node: ir.Or) -> Expr:
        return any_of([self.write(part) for part in node.of])

    def _each(self, ref: ir.FieldRef, test: Callable[[Expr], Expr]) -> Expr:
        """The test of the column, or of one of the values of a list column."""
        if not ref.many:
            return test(self.field(ref))
        if self.engine not in EXECUTED:
            raise Unsupported(ref, f"{self.engine} may not run a subquery over a list of the row around it")
        items = exp.Unnest(
            expressions=[self.field(ref)],
            alias=exp.TableAlias(this=exp.to_identifier("held"), columns=[exp.to_identifier("value")]),
        )
        return exp.Exists(this=exp.select("1").from_(items).where(test(exp.column("value", table="held"))))


def comparable(ref: ir.FieldRef, item: Expr) -> Expr:
    """A field's value as it compares: text without case."""
    return item if ref.kind in {"number", "boolean", "time"} else folded(item)


def _contains(item: Expr, piece: Expr) -> Expr:
    return exp.GT(this=exp.StrPosition(this=folded(item), substr=piece), expression=exp.Literal.number(0))


def _like(item: Expr, parts: tuple[Union[str, ir.Wildcard], ...]) -> Expr:
    """Substring and prefix tests by position, which every engine reads alike; other patterns by LIKE."""
    wild = ir.Wildcard.ANY
    if len(parts) == 3 and parts[0] is wild and parts[2] is wild and isinstance(parts[1], str):
        return _contains(item, text(parts[1]))
    if len(parts) == 2 and parts[1] is wild and isinstance(parts[0], str):
        beginning = exp.Left(this=folded(item), expression=exp.Literal.number(len(parts[0])))
        return exp.EQ(this=beginning, expression=text(parts[0]))
    pattern = text("".join(_like_piece(part) for part in parts))
    like = exp.Escape(this=exp.Like(this=folded(item), expression=pattern), expression=exp.Literal.string(_ESCAPE))
    return all_of([like, given(item.copy())])


def _like_piece(part: Union[str, ir.Wildcard]) -> str:
    if isinstance(part, ir.Wildcard):
        return "%" if part is ir.Wildcard.ANY else "_"
    return "".join(_ESCAPE + char if char in {"%", "_", _ESCAPE} else char for char in part)


def _list(parameter: ir.Parameter) -> exp.Select:
    """The rows of a list parameter, folded."""
    return exp.select(exp.column("item", quoted=True)).from_(exp.to_table(parameter.name))


def parameter_tables(parameters: Sequence[ir.Parameter]) -> list[tuple[str, exp.Select]]:
    """The query's first lines: one row of single values, and a table for every list."""
    single = [parameter for parameter in parameters if parameter.kind != "list"]
    tables = []
    if single:
        values = [exp.alias_(_default(parameter), parameter.name, quoted=True) for parameter in single]
        tables.append(("parameters", exp.select(*values)))
    for parameter in parameters:
        if parameter.kind == "list" and isinstance(parameter.default, tuple):
            rows = [exp.select(exp.alias_(text(item), "item", quoted=True)) for item in parameter.default]
            tables.append((parameter.name, _stacked(rows)))
    return tables


def _default(parameter: ir.Parameter) -> Expr:
    value = parameter.default
    return exp.Literal.number(value) if isinstance(value, int) else exp.Literal.string(str(value))


def _stacked(rows: list[exp.Select]) -> exp.Select:
    """Rows one below the other as a table that can be selected from."""
    whole: exp.Query = rows[0]
    for row in rows[1:]:
        whole = exp.union(whole, row, distinct=False)
    return exp.select(exp.column("item", quoted=True)).from_(whole.subquery("items"))
