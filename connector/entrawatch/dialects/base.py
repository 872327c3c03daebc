"""What every dialect promises, and the walk over predicates that all of them share.

A dialect answers each node with text or raises `Unsupported`; `compile_rule` makes of that a value: a `Compiled` or a
`Refusal`. Text is made once, from `field()` and `literal()` upwards, and never edited afterwards.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Generic, TypeVar, Union

from entrawatch.rules import ir
from entrawatch.rules.names import instead_of_list

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrawatch.rules.rule import Baseline, Rule

T = TypeVar("T")


@dataclass(frozen=True)
class Compiled:
    """A rule in one language.

    :param dialect: spl, eql, esql, kql or sql.
    :param profile: which shape of the events it reads, where a dialect knows several.
    :param text: the query, newline at its end.
    :param columns: names of its result columns; the keys come first, under their own names or (EQL, ES|QL) the event's.
    """

    rule: Rule
    dialect: str
    profile: str
    text: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """That a dialect cannot say a rule exactly.

    :param node: the kind of node it stumbled over.
    :param why: the reason, for people.
    """

    rule: str
    dialect: str
    node: str
    why: str


class Unsupported(Exception):  # noqa: N818 - it is an answer, not an accident
    """Raised by a dialect at the node that it cannot say exactly."""

    def __init__(self, node: object, why: str) -> None:
        self.node = type(node).__name__
        self.why = why
        super().__init__(f"{self.node}: {why}")


def of_list(ref: ir.FieldRef, what: str) -> str:
    """Why something is not done with a list where it is with a field of one value, and what to take in its place.

    :param what: what is not done, as "grouping by".
    """
    return f"{what} {ref.name}, a list; {instead_of_list(ref.name)}"


class Predicates(ABC, Generic[T]):
    """One method a node: the walk that every dialect's predicates take.

    `write` gives a predicate as a two-valued test of one event, in what the dialect builds its text from.
    """

    def write(self, node: ir.Predicate) -> T:
        """The predicate in this language.

        :raises Unsupported: this dialect has no exact form for it.
        """
        writer: Callable[[ir.Predicate], T] = getattr(self, _METHODS[type(node)])
        return writer(node)

    @abstractmethod
    def field(self, ref: ir.FieldRef) -> T:
        """How the language names a field, escaped."""

    @abstractmethod
    def literal(self, value: ir.Scalar) -> T:
        """How the language writes a value, escaped."""

    @abstractmethod
    def equals(self, node: ir.Equals) -> T:
        """See ir.Equals."""

    @abstractmethod
    def one_of(self, node: ir.OneOf) -> T:
        """See ir.OneOf."""

    @abstractmethod
    def like(self, node: ir.Like) -> T:
        """See ir.Like."""

    @abstractmethod
    def contains_any(self, node: ir.ContainsAny) -> T:
        """See ir.ContainsAny."""

    @abstractmethod
    def compares(self, node: ir.Compares) -> T:
        """See ir.Compares."""

    @abstractmethod
    def same_as(self, node: ir.SameAs) -> T:
        """See ir.SameAs."""

    @abstractmethod
    def matches(self, node: ir.Matches) -> T:
        """See ir.Matches."""

    @abstractmethod
    def in_network(self, node: ir.InNetwork) -> T:
        """See ir.InNetwork."""

    @abstractmethod
    def present(self, node: ir.Present) -> T:
        """See ir.Present."""

    @abstractmethod
    def negation(self, node: ir.Not) -> T:
        """See ir.Not."""

    @abstractmethod
    def conjunction(self, node: ir.And) -> T:
        """See ir.And."""

    @abstractmethod
    def disjunction(self, node: ir.Or) -> T:
        """See ir.Or."""


_METHODS: dict[type, str] = {
    ir.Equals: "equals",
    ir.OneOf: "one_of",
    ir.Like: "like",
    ir.ContainsAny: "contains_any",
    ir.Compares: "compares",
    ir.SameAs: "same_as",
    ir.Matches: "matches",
    ir.InNetwork: "in_network",
    ir.Present: "present",
    ir.Not: "negation",
    ir.And: "conjunction",
    ir.Or: "disjunction",
}


class Dialect(ABC):
    """A language: one method a kind of query."""

    #: spl, eql, esql, kql or sql
    name: str = ""
    #: what a profile is called
    chosen = "profile"
    #: the shapes of events it can read; the first is the default
    profiles: tuple[str, ...] = ("",)

    def __init__(self, baselines: Mapping[str, Baseline], profile: str = "") -> None:
        if profile and profile not in self.profiles:
            known = ", ".join(filter(None, self.profiles))
            there = f"there are {known}" if known else "it reads one shape of events"
            raise ValueError(f"{self.name} has no {self.chosen} {profile!r}: {there}")
        self.baselines = baselines
        self.profile = profile or self.profiles[0]

    def compile(self, rule: Rule) -> Union[Compiled, Refusal]:
        """The rule in this language, or why not."""
        try:
            text, columns = self._query(rule)
        except Unsupported as answer:
            return Refusal(rule.slug, self.name, answer.node, answer.why)
        return Compiled(rule, self.name, self.profile, text, columns)

    def _query(self, rule: Rule) -> tuple[str, tuple[str, ...]]:
        query = rule.query
        if isinstance(query, ir.EventQuery):
            return self.event(rule, query)
        if isinstance(query, ir.WindowQuery):
            return self.window(rule, query)
        if isinstance(query, ir.FollowedQuery):
            return self.followed(rule, query)
        return self.joined(rule, query)

    @abstractmethod
    def event(self, rule: Rule, query: ir.EventQuery) -> tuple[str, tuple[str, ...]]:
        """Text and result columns for a rule on single events."""

    @abstractmethod
    def window(self, rule: Rule, query: ir.WindowQuery) -> tuple[str, tuple[str, ...]]:
        """Text and result columns for a threshold within a window."""

    @abstractmethod
    def followed(self, rule: Rule, query: ir.FollowedQuery) -> tuple[str, tuple[str, ...]]:
        """Text and result columns for a threshold that another event follows."""

    @abstractmethod
    def joined(self, rule: Rule, query: ir.JoinQuery) -> tuple[str, tuple[str, ...]]:
        """Text and result columns for an event with a partner in another source."""
