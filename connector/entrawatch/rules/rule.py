"""A rule of the catalogue and what stands around its query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from entrawatch.rules import ir


@dataclass(frozen=True)
class Escalation:
    """Events for which the level is another one.

    :param level: what it becomes when at least one of the finding's events holds.
    """

    when: ir.Predicate
    level: str
    why: str


@dataclass(frozen=True)
class Entity:
    """Something a finding is about.

    :param kind: account, ip, application, service_principal, role, policy, url or device.
    :param identifier: which property of that kind the field holds (upn, object_id, address, name …).
    :param risk: whether the finding raises its risk; False for what is listed only, as accounts that were tried and
        not entered: a spray over a thousand people says something of the address, and nothing of them.
    """

    kind: str
    identifier: str
    field: ir.FieldRef
    risk: bool = True


@dataclass(frozen=True)
class Baseline:
    """A named set of addresses with their countries, learnt from what happened before.

    Addresses from which more than one distinct user (`users`) signed in on one day, on more than one day (`days`), in
    the `lookback` before the event or the window.
    """

    name: str
    source: str
    where: ir.Predicate
    address: ir.FieldRef
    country: ir.FieldRef
    user: ir.FieldRef
    users: int
    days: int
    lookback: timedelta
    description: str


@dataclass(frozen=True)
class Key:
    """One of the fields a finding is identified by.

    :param name: what the finding calls it, the same in every language.
    """

    name: str
    field: ir.FieldRef


@dataclass(frozen=True)
class Case:
    """One of a rule's own tests.

    :param name: what differs, in words.
    :param records: Graph resources, with the stream each comes from.
    :param match: whether they must give findings.
    :param keys: the findings' keys, when they must.
    """

    name: str
    records: tuple[tuple[str, dict[str, object]], ...] = field(hash=False)
    match: bool
    keys: tuple[dict[str, ir.Scalar], ...] = field(default=(), hash=False)


@dataclass(frozen=True)
class Rule:
    """A rule of the catalogue, read and typed.

    :param slug: the file's name; the rule's name everywhere.
    :param id: UUID that never changes.
    :param source: signin or audit.
    :param keys: what a finding is identified by, in order.
    :param shown: further fields an analyst wants to see first.
    :param tactics: ATT&CK identifiers of the tactics that the rule itself names, in its order.
    :param stories: what it is part of, where its source and techniques do not say so.
    :param date: when it was last changed, else written, as 2026-11-24; "" where it does not say.
    """

    slug: str
    id: str
    title: str
    description: str
    level: str
    source: str
    query: ir.Query
    keys: tuple[Key, ...]
    shown: tuple[ir.FieldRef, ...]
    techniques: tuple[str, ...]
    references: tuple[str, ...]
    false_positives: tuple[str, ...]
    triage: tuple[str, ...]
    entities: tuple[Entity, ...]
    parameters: tuple[ir.Parameter, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    tactics: tuple[str, ...] = ()
    stories: tuple[str, ...] = ()
    date: str = ""
    cases: tuple[Case, ...] = field(default=(), hash=False, repr=False)
