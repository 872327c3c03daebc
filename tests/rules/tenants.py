"""Synthetic tenants, and the rows of one around which it matters when a rule runs."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.rules import ir

from .judge import Judge, Row, holds, identity, key_of, query_where, rows
from .test_catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from entrawatch.rules.rule import Rule

    from .judge import Finding

#: the one that most tests look at: a small company's fortnight, with an attack of each kind in it
SEED, USERS = 5, 12


@cache
def emitted(seed: int = SEED, users: int = USERS) -> tuple[Any, ...]:
    """What a company's streams give."""
    return tuple(generate(TenantOptions(seed=seed, users=users, changes=False)))


@cache
def tenant(seed: int = SEED, users: int = USERS) -> list[Row]:
    """A company's rows."""
    return rows((one.stream, one.record) for one in emitted(seed, users))


@cache
def judged(slug: str, seed: int = SEED, users: int = USERS) -> tuple[Finding, ...]:
    """What the judge finds there."""
    return tuple(Judge(CATALOGUE.baselines).findings(CATALOGUE.rules[slug], tenant(seed, users)))


def wanted(slug: str, seed: int = SEED, users: int = USERS) -> set[tuple[str, ...]]:
    """The keys of what is to be found there."""
    return {finding.keys for finding in judged(slug, seed, users)}


def near(
    rule: Rule, all_rows: list[Row], findings: Iterable[Finding], most: int = 10_000, others: int = 20
) -> list[Row]:
    """The rows around which a rule is to run: those of the findings and of the near misses, and some beside them.

    :param most: of the near misses.
    :param others: rows of any kind, so that a query that finds too much is seen.
    """
    dice = random.Random(rule.slug)
    found = {one for finding in findings for one in finding.ids}
    of_findings = [row for row in all_rows if identity(row) in found]
    misses = [row for row in _related(rule, all_rows) if identity(row) not in found]
    chosen = [*of_findings, *_some(dice, misses, most), *_some(dice, all_rows, others)]
    return list({id(row): row for row in chosen}.values())


def _some(dice: random.Random, among: list[Row], most: int) -> list[Row]:
    return dice.sample(among, min(most, len(among)))


def _related(rule: Rule, all_rows: list[Row]) -> list[Row]:
    """The rows that the query is about: of what comes in two, those that may belong together."""
    query = rule.query
    own = [row for row in all_rows if row.source == rule.source and holds(query_where(query), row)]
    if isinstance(query, ir.FollowedQuery):
        told = tuple(field for field in (*query.same, query.among) if field)
        then = [row for row in all_rows if row.source == rule.source and holds(query.then, row)]
        return own + _followers(told, query.within, own, then)
    if isinstance(query, ir.JoinQuery):
        there = [row for row in all_rows if row.source == query.source and holds(query.partner, row)]
        mine, theirs = ({key_of((on,), row) for row in some} for on, some in zip(query.on, (own, there)))
        shared = mine & theirs - {()}
        pairs = zip(query.on, (own, there))
        return [row for on, some in pairs for row in some if key_of((on,), row) in shared]
    return own


def _followers(told: tuple[ir.FieldRef, ...], within: timedelta, own: list[Row], then: list[Row]) -> list[Row]:
    """Those that come behind a row of the same key, or not long after they may."""
    times = defaultdict(list)
    for row in own:
        times[key_of(told, row)].append(row.time)
    return [
        row for row in then if any(timedelta(0) < row.time - time <= within * 1.1 for time in times[key_of(told, row)])
    ]
