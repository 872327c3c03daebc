"""Every rule's search over a synthetic tenant, as scheduled: it finds what the judge finds, and nothing beside it."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from entrawatch.dialects.spl_fields import ENVELOPE, NORMALIZED
from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.rules import ir

from .judge import Judge, Networks, identity, rows
from .splunk import found, index, keys, refresh
from .test_catalogue import CATALOGUE
from .test_spl import compiled, spl

#: rules that ask a baseline: the judge and the engine learn it anew for every event, which takes minutes
_BASELINE = {"single-factor-from-new-network", "account-hijacking"}
#: runs beside the findings' own, so that a search that finds too much is seen
_OTHERS = 20


@cache
def tenant() -> Any:
    emitted = generate(TenantOptions(seed=5, users=12, changes=False))
    return rows((one.stream, one.record) for one in emitted)


@cache
def engine(profile: str) -> Any:
    return index(tenant(), spl(profile).macros(CATALOGUE.rules.values()), profile)


def agrees(slug: str, profile: str, others: int) -> None:
    rule = CATALOGUE.rules[slug]
    query = compiled(rule, profile)
    wanted = Judge(CATALOGUE.baselines).findings(rule, tenant())
    assert wanted
    hit = {one for finding in wanted for one in finding.ids}
    own = [row for row in tenant() if row.source == rule.source]
    near = [row for row in own if identity(row) in hit] + random.Random(7).sample(own, min(others, len(own)))
    results = found(spl(profile), query, tenant(), near=near, engine=engine(profile))
    assert keys(query, results) == {finding.keys for finding in wanted}


@pytest.mark.parametrize("slug", sorted(set(CATALOGUE.rules) - _BASELINE))
def test_a_search_finds_in_a_tenant_what_the_judge_finds(slug: str) -> None:
    agrees(slug, NORMALIZED, 0 if isinstance(CATALOGUE.rules[slug].query, ir.JoinQuery) else _OTHERS)


@pytest.mark.parametrize("day", [8, 12])
def test_a_lookup_holds_what_the_judge_knows_of_the_networks(day: int) -> None:
    """Rules that ask a baseline are run on their cases; here the baseline itself, on many events."""
    baseline = CATALOGUE.baselines["organisation-networks"]
    moment = min(row.time for row in tenant()) + timedelta(days=day)
    refresh(engine(NORMALIZED), spl(), baseline, moment)
    held = engine(NORMALIZED).lookups["entrawatch_organisation_networks"]
    addresses, countries = Networks(baseline, tenant()).at(moment)
    assert {str(row["address"]) for row in held} - {""} == addresses
    assert {str(row["country"]) for row in held} - {""} == countries
    assert addresses
    assert countries


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("slug", sorted(set(CATALOGUE.rules) - _BASELINE))
def test_the_envelope_gives_the_same(slug: str) -> None:
    agrees(slug, ENVELOPE, 3)
