"""Predicates in SPL, in the two languages it has: eval expressions, exact for all of them, and the search command's.

An expression of eval is null where a field is, and what `NOT` makes of null is told nowhere; so no test here is ever
null: a text is coalesced to "", a number is tested inside `if`, a list through `isnotnull(mvfilter(…))`.
(https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/ConditionalFunctions,
https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/MultivalueEvalFunctions)

The search command is two-valued by nature (`NOT f=x` holds where f is absent, `f!=x` does not), compares without case
and a list by any of its values; it uses the index, so that everything it can say alike is said there.
(https://docs.splunk.com/Documentation/Splunk/9.0.2/Search/NOTexpressions)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional, Union

from entrawatch.dialects.base import Predicates, Unsupported
from entrawatch.dialects.networks import both
from entrawatch.dialects.spl_fields import NORMALIZED
from entrawatch.dialects.spl_text import (
    Spl,
    all_of,
    any_of,
    escaped,
    folded_string,
    pattern,
    plain,
    searched,
    string,
)
from entrawatch.rules import ir

if TYPE_CHECKING:
    from entrawatch.dialects.spl_fields import Names

#: the very end of a text, where `$` would also stand before a last newline; (?s) makes the dot any character
_END = "(?!.)"


class Conditions(Predicates[Spl]):
    """Predicates as expressions of eval that are true or false.

    :param parameter: how the rule calls a parameter: its macro.
    """

    def __init__(self, names: Names, parameter: Callable[[ir.Parameter], Spl]) -> None:
        self.names = names
        self.parameter = parameter

    def field(self, ref: ir.FieldRef) -> Spl:
        return self.names.value(ref)

    def literal(self, value: ir.Scalar) -> Spl:
        if isinstance(value, bool):
            return string("true" if value else "false")
        return Spl(str(value)) if isinstance(value, (int, float)) else folded_string(value)

    def value(self, value: ir.Value) -> Spl:
        """A literal, or the parameter's macro."""
        if not isinstance(value, ir.Parameter):
            return self.literal(value)
        called = self.parameter(value)
        return called if value.kind == "integer" else Spl(f"lower({called})")

    def folded(self, ref: ir.FieldRef) -> Spl:
        """The text of a field that holds one value, as it compares; "" where it is absent."""
        return _folded(self._one(ref))

    def equals(self, node: ir.Equals) -> Spl:
        return self._equals(node.field, node.value)

    def one_of(self, node: ir.OneOf) -> Spl:
        if isinstance(node.values, ir.Parameter):
            listed = self.parameter(node.values)
            return self._each(node.field, lambda item: Spl(f'match({item}, "(?s)^" . {listed} . "{_END}")'))
        return any_of([self._equals(node.field, value) for value in node.values])

    def like(self, node: ir.Like) -> Spl:
        written = pattern(_whole(node.parts))
        fixed = any(part for part in node.parts if part is not ir.Wildcard.ANY)
        each = self._each if fixed else self._given
        return each(node.field, lambda item: Spl(f"match({item}, {written})"))

    def contains_any(self, node: ir.ContainsAny) -> Spl:
        pieces = node.pieces
        listed = self.parameter(pieces) if isinstance(pieces, ir.Parameter) else alternatives(pieces)
        return self._each(node.field, lambda item: Spl(f"match({item}, {listed})"))

    def compares(self, node: ir.Compares) -> Spl:
        bound = self.value(node.value)
        return self._number(node.field, lambda item: Spl(f"{item}{node.op}{bound}"))

    def same_as(self, node: ir.SameAs) -> Spl:
        if node.field.many or node.other.many:
            raise Unsupported(node, "two lists do not compare in one expression")
        mine, other = self.folded(node.field), self.folded(node.other)
        return all_of([Spl(f"{mine}={other}"), Spl(f'{mine}!=""')])

    def matches(self, node: ir.Matches) -> Spl:
        return self._given(node.field, lambda item: Spl(f"match({item}, {pattern('(?i)' + node.pattern)})"))

    def in_network(self, node: ir.InNetwork) -> Spl:
        """`cidrmatch` compares IPv4 with IPv4 and IPv6 with IPv6: `::ffff:10.0.0.1` is in a network of IPv6."""
        if node.field.kind != "address":
            raise Unsupported(node, f"{node.field.name} is a {node.field.kind}, no address")
        networks = [one for network in node.networks for one in both(network)]

        def inside(item: Spl) -> Spl:
            found = any_of([Spl(f"cidrmatch({string(network)}, {item})") for network in networks])
            # our own events have addresses only; what `cidrmatch` makes of a scope or prefix behind one is told nowhere
            return found if self.names.profile == NORMALIZED else all_of([Spl(f'NOT match({item}, "[%/]")'), found])

        return self._each(node.field, inside, missing=string("-"))

    def present(self, node: ir.Present) -> Spl:
        return self._each(node.field, lambda item: Spl(f'{item}!=""'))

    def negation(self, node: ir.Not) -> Spl:
        return Spl(f"NOT ({self.write(node.of)})")

    def conjunction(self, node: ir.And) -> Spl:
        return all_of([self.write(part) for part in node.of])

    def disjunction(self, node: ir.Or) -> Spl:
        return any_of([self.write(part) for part in node.of])

    def _equals(self, ref: ir.FieldRef, value: ir.Value) -> Spl:
        wanted = self.value(value)
        if value == "":
            return any_of([])
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if number or (isinstance(value, ir.Parameter) and value.kind == "integer"):
            return self._number(ref, lambda item: Spl(f"{item}={wanted}"))
        # what an analyst makes of a parameter may be empty; a literal is not
        each = self._given if isinstance(value, ir.Parameter) else self._each
        return each(ref, lambda item: Spl(f"{_folded(item)}={wanted}"))

    def _one(self, ref: ir.FieldRef) -> Spl:
        return Spl(f'coalesce({self.field(ref)}, "")')

    def _each(self, ref: ir.FieldRef, test: Callable[[Spl], Spl], missing: Optional[Spl] = None) -> Spl:
        """The test of the value, or of one of the values; what an absent value is tested as must fail."""
        if ref.many:
            return Spl(f"isnotnull(mvfilter({test(self.field(ref))}))")
        return test(Spl(f"coalesce({self.field(ref)}, {missing})") if missing else self._one(ref))

    def _given(self, ref: ir.FieldRef, test: Callable[[Spl], Spl]) -> Spl:
        """A test that "" might pass, where "" is absent and must not."""
        return self._each(ref, lambda item: all_of([Spl(f'{item}!=""'), test(item)]))

    def _number(self, ref: ir.FieldRef, test: Callable[[Spl], Spl]) -> Spl:
        tested = test(Spl(f"tonumber({self.field(ref)})"))
        return Spl(f"isnotnull(mvfilter({tested}))") if ref.many else Spl(f"if({tested}, 1, 0)=1")


def _folded(item: Spl) -> Spl:
    return Spl(f"lower({item})")


def _whole(parts: tuple[Union[str, ir.Wildcard], ...]) -> str:
    """A pattern as a regular expression; where it ends in a wildcard, it need not go on to the end."""
    inner = [*parts]
    begin = "" if inner and inner[0] is ir.Wildcard.ANY else "^"
    end = "" if inner and inner[-1] is ir.Wildcard.ANY else _END
    inner = inner[0 if begin else 1 :]
    inner = inner if end or not inner else inner[:-1]
    return f"(?is){begin}{''.join(map(_regex, inner))}{end}"


def _regex(part: Union[str, ir.Wildcard]) -> str:
    if isinstance(part, ir.Wildcard):
        return ".*" if part is ir.Wildcard.ANY else "."
    return escaped(part)


def alternatives(texts: tuple[str, ...]) -> Spl:
    """The regular expression that finds one of these texts, without case, as a string of eval."""
    return pattern(f"(?i)(?:{'|'.join(map(escaped, texts))})")


def search(node: ir.Predicate, names: Names) -> Optional[Spl]:
    """The predicate in the search command, None where the search command cannot say it exactly."""
    if isinstance(node, (ir.And, ir.Or)):
        parts = [search(part, names) for part in node.of]
        known = [part for part in parts if part]
        joined = all_of if isinstance(node, ir.And) else any_of
        return joined(known) if known and len(known) == len(parts) else None
    if isinstance(node, ir.Not):
        inner = search(node.of, names)
        return Spl(f"NOT ({inner})") if inner else None
    return _searched(node, names)


def _searched(node: ir.Predicate, names: Names) -> Optional[Spl]:
    if not isinstance(node, (ir.Equals, ir.OneOf)) or not names.searchable(node.field):
        return None
    given = node.values if isinstance(node, ir.OneOf) else (node.value,)
    if isinstance(given, ir.Parameter) or not given:
        return None
    values = [_searched_value(node.field, value) for value in given]
    known = [value for value in values if value]
    if len(known) < len(values):
        return None
    field = names.name(node.field)
    return Spl(f"{field}={known[0]}") if len(known) == 1 else Spl(f"{field} IN ({', '.join(known)})")


def _searched_value(ref: ir.FieldRef, value: ir.Value) -> Optional[Spl]:
    if isinstance(value, bool):
        return Spl("true" if value else "false") if ref.kind == "boolean" else None
    if isinstance(value, int):
        return Spl(str(value)) if ref.kind == "number" else None
    return searched(value) if isinstance(value, str) and ref.kind == "text" and plain(value) else None
