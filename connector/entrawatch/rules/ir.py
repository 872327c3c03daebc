"""The typed form of a rule. Every dialect answers every node: with text, or with a reason why it cannot.

The laws that give the nodes their meaning:

* A predicate is two-valued. A missing field makes a test false and the test's negation true. Missing, null and ""
  are one and the same: absent.
* Text compares without case. GUIDs and addresses are text; numbers compare by value.
* A field that holds many values passes a test when one of its values does.
* A window hops: a rule of length W and step H holds where one of the windows [kH - W, kH), k whole, holds it.
* Attempts are counted by distinct event id: one sign-in may come as several rows, and each row is judged by itself.
* A group whose key is absent is no group: it never fires.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from datetime import timedelta

Scalar = Union[str, int, float, bool]


@dataclass(frozen=True)
class Parameter:
    """A value an analyst tunes; it becomes a macro, a `let` or a constant.

    :param kind: integer, text, list (of text) or boolean.
    """

    name: str
    kind: str
    default: Union[Scalar, tuple[str, ...]]
    description: str
    minimum: int = 0


#: where a value stands, a parameter may stand
Value = Union[Scalar, Parameter]


@dataclass(frozen=True)
class FieldRef:
    """A field of the schema by its Graph property path.

    :param kind: text, number, boolean, time or address.
    :param many: whether it holds a list.
    """

    name: str
    kind: str = "text"
    many: bool = False


# --- predicates -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Equals:
    """The field has this value."""

    field: FieldRef
    value: Value


@dataclass(frozen=True)
class OneOf:
    """The field has one of these values."""

    field: FieldRef
    values: Union[tuple[Scalar, ...], Parameter]


class Wildcard(Enum):
    """What may stand between the literal pieces of a pattern."""

    ANY = "any run of characters, the empty one too"
    ONE = "exactly one character"


@dataclass(frozen=True)
class Like:
    """The text matches the whole pattern: literal pieces and wildcards in turn. `_`, `%` and `*` in a piece are
    themselves."""

    field: FieldRef
    parts: tuple[Union[str, Wildcard], ...]


@dataclass(frozen=True)
class ContainsAny:
    """The text contains one of these pieces."""

    field: FieldRef
    pieces: Union[tuple[str, ...], Parameter]


@dataclass(frozen=True)
class Compares:
    """The number stands to the value as `op` says.

    :param op: one of < <= > >=.
    """

    field: FieldRef
    op: str
    value: Value


@dataclass(frozen=True)
class SameAs:
    """Both fields are present and their texts are the same."""

    field: FieldRef
    other: FieldRef


@dataclass(frozen=True)
class Matches:
    """The text contains a match of the regular expression (without case); the common core of RE2, PCRE and Lucene
    that every dialect reads alike is for the loader to check."""

    field: FieldRef
    pattern: str


@dataclass(frozen=True)
class InNetwork:
    """The address lies in one of these networks (CIDR); text that is no address lies in none.

    `::ffff:10.0.0.1`, an IPv4 address as IPv6 has it, is 10.0.0.1. No network overlaps ::ffff:0:0/96, lest it hold the
    one and not the other.
    """

    field: FieldRef
    networks: tuple[str, ...]


@dataclass(frozen=True)
class Present:
    """The field has a value: not missing, not null, not empty."""

    field: FieldRef


@dataclass(frozen=True)
class Not:
    """The negation, which is true where the field is absent."""

    of: Predicate


@dataclass(frozen=True)
class And:
    """All of them; of none it is true."""

    of: tuple[Predicate, ...]


@dataclass(frozen=True)
class Or:
    """One of them; of none it is false."""

    of: tuple[Predicate, ...]


Predicate = Union[
    Equals, OneOf, Like, ContainsAny, Compares, SameAs, Matches, InNetwork, Present, Not, And, Or
]  # fmt: skip


# --- what a rule looks for --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outside:
    """The event's address is not one of a baseline's addresses, and its country (where asked) none of its countries.

    An absent address is not judged: the event does not fire.

    :param baseline: name of the document in content/catalogue/baselines.
    """

    baseline: str
    address: FieldRef
    country: Union[FieldRef, None] = None


@dataclass(frozen=True)
class EventQuery:
    """Each event that holds is a finding of its own."""

    where: Predicate
    outside: Union[Outside, None] = None


@dataclass(frozen=True)
class Count:
    """How many attempts: distinct event ids."""

    at_least: Value


@dataclass(frozen=True)
class Distinct:
    """How many different values of a field (without case, exact, absent ones not counted)."""

    field: FieldRef
    at_least: Value


@dataclass(frozen=True)
class WindowQuery:
    """Groups of events that together reach a threshold within one window.

    :param by: the group's key; all of its fields present.
    :param length: W.
    :param every: H.
    """

    where: Predicate
    by: tuple[FieldRef, ...]
    measure: Union[Count, Distinct]
    length: timedelta
    every: timedelta
    outside: Union[Outside, None] = None


@dataclass(frozen=True)
class FollowedQuery:
    """A threshold reached, then, after its last event and within `within`, another event of the same source.

    :param first: what must be reached.
    :param then: what must follow.
    :param same: fields equal in the group and in the following event; part of the group's key.
    :param among: the following event's value of this field is one the group's events had, None for any.
    """

    first: WindowQuery
    then: Predicate
    same: tuple[FieldRef, ...]
    within: timedelta
    every: timedelta
    among: Union[FieldRef, None] = None


@dataclass(frozen=True)
class JoinQuery:
    """An event that has a partner in another source with the same key, both inside one window.

    :param source: the partner's source.
    :param partner: what the partner must hold.
    :param on: the key, in the event and in the partner; both present.
    """

    where: Predicate
    source: str
    partner: Predicate
    on: tuple[FieldRef, FieldRef]
    length: timedelta
    every: timedelta


Query = Union[EventQuery, WindowQuery, FollowedQuery, JoinQuery]
