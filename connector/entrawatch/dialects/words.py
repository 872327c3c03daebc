"""A rule's query in words: what it tests, how it groups and counts, and what its findings are told apart by.

It is for people to read beside the rule's description; nothing is run of it, and no rule is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from entrawatch.dialects.base import Predicates
from entrawatch.dialects.notes import asked, known, said
from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from entrawatch.rules.rule import Baseline, Key, Rule

#: lines, those of what is inside indented
Lines = list[str]
#: a heading and what stands below it
Part = tuple[str, Lines]

RECORDS = {"signin": "sign-ins", "audit": "the audit log"}
_WILDCARDS = {ir.Wildcard.ANY: "*", ir.Wildcard.ONE: "?"}


def explained(rule: Rule, baselines: Mapping[str, Baseline]) -> Iterator[Part]:
    """The rule's query, part by part."""
    query = rule.query
    yield f"what it looks for in {RECORDS[rule.source]}", _tests(query)
    if isinstance(query, ir.FollowedQuery):
        yield "counted", _counted(query.first)
        yield f"then, within {said(query.within)} of the last of them", [*_shared(query), *Words().write(query.then)]
    elif isinstance(query, ir.JoinQuery):
        partner = f"and, in one window of {said(query.length)} with it, in {RECORDS[query.source]}"
        same = f"{query.on[1].name} is the {query.on[0].name} of the first"
        yield partner, [same, *Words().write(query.partner)]
    elif isinstance(query, ir.WindowQuery):
        yield "counted", _counted(query)
    baseline = asked(rule, baselines)
    if baseline and isinstance(query, (ir.EventQuery, ir.WindowQuery)) and query.outside:
        yield f"unless {baseline.name} knows it", _outside(query.outside, baseline)
    for step in rule.escalations:
        yield f"its level is {step.level} where {step.why}", Words().write(step.when)
    yield "a finding is told apart by", [", ".join(map(_key, rule.keys))]


def _key(key: Key) -> str:
    return key.name if key.name == key.field.name else f"{key.name} ({key.field.name})"


def _tests(query: ir.Query) -> Lines:
    return Words().write(query.first.where if isinstance(query, ir.FollowedQuery) else query.where)


def _counted(query: ir.WindowQuery) -> Lines:
    measure = query.measure
    what = f"different values of {measure.field.name}" if isinstance(measure, ir.Distinct) else "events"
    within = f"within {said(query.length)}, in windows that step by {said(query.every)}"
    groups = [f"of the same {', '.join(ref.name for ref in query.by)}"] if query.by else []
    return [*groups, f"at least {_value(measure.at_least)} {what} {within}"]


def _shared(query: ir.FollowedQuery) -> Lines:
    same = [f"{ref.name} is the same" for ref in query.same]
    return [*same, *([f"{query.among.name} is one of theirs"] if query.among else [])]


def _outside(outside: ir.Outside, baseline: Baseline) -> Lines:
    country = f", and {outside.country.name} none of its countries" if outside.country else ""
    return [
        f"{outside.address.name} is none of its addresses{country}",
        known(baseline),
        " ".join(baseline.description.split()),
        f"learnt from {RECORDS[baseline.source]} where {'; '.join(Words().write(baseline.where))}",
    ]


class Words(Predicates[Lines]):
    """Predicates as lines of English."""

    def field(self, ref: ir.FieldRef) -> Lines:
        return [ref.name]

    def literal(self, value: ir.Scalar) -> Lines:
        return [_value(value)]

    def equals(self, node: ir.Equals) -> Lines:
        return [f"{node.field.name} is {_value(node.value)}"]

    def one_of(self, node: ir.OneOf) -> Lines:
        return [f"{node.field.name} is {_any_of(node.values)}"]

    def like(self, node: ir.Like) -> Lines:
        parts = [_WILDCARDS[one] if isinstance(one, ir.Wildcard) else _escaped(one) for one in node.parts]
        return [f'{node.field.name} is like "{"".join(parts)}"']

    def contains_any(self, node: ir.ContainsAny) -> Lines:
        return [f"{node.field.name} contains {_any_of(node.pieces)}"]

    def compares(self, node: ir.Compares) -> Lines:
        return [f"{node.field.name} {node.op} {_value(node.value)}"]

    def same_as(self, node: ir.SameAs) -> Lines:
        return [f"{node.field.name} is the same as {node.other.name}"]

    def matches(self, node: ir.Matches) -> Lines:
        return [f"{node.field.name} matches the regular expression {node.pattern}"]

    def in_network(self, node: ir.InNetwork) -> Lines:
        return [f"{node.field.name} lies in {_one_of(list(node.networks))}"]

    def present(self, node: ir.Present) -> Lines:
        return [f"{node.field.name} has a value"]

    def negation(self, node: ir.Not) -> Lines:
        if isinstance(node.of, ir.Not):
            return self.write(node.of.of)
        if isinstance(node.of, ir.Present):
            return [f"{node.of.field.name} has no value"]
        first, *rest = self.write(node.of)
        return [f"not: {first}", *rest]

    def conjunction(self, node: ir.And) -> Lines:
        return self._all("all of", node.of)

    def disjunction(self, node: ir.Or) -> Lines:
        return self._all("one of", node.of)

    def _all(self, what: str, nodes: Sequence[ir.Predicate]) -> Lines:
        if len(nodes) == 1:
            return self.write(nodes[0])
        return [what, *[f"  {line}" for node in nodes for line in self.write(node)]]


def _value(value: ir.Value) -> str:
    if isinstance(value, ir.Parameter):
        default = value.default
        shown = _one_of(list(default)) if isinstance(default, tuple) else _value(default)
        return f"{value.name} ({shown})"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _any_of(values: Union[tuple[ir.Scalar, ...], tuple[str, ...], ir.Parameter]) -> str:
    return _value(values) if isinstance(values, ir.Parameter) else _one_of(list(values))


def _one_of(values: Sequence[ir.Scalar]) -> str:
    told = ", ".join(map(_value, values))
    return told if len(values) == 1 else f"one of {told}"


def _escaped(text: str) -> str:
    """A literal piece of a pattern, in which a wildcard is itself."""
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")
