"""The search that keeps a baseline's lookup fresh, over a synthetic tenant."""

from __future__ import annotations

from datetime import timedelta

import pytest

from .judge import Networks
from .splunk import index, refresh
from .tenants import tenant
from .test_catalogue import CATALOGUE
from .test_spl import spl


@pytest.mark.parametrize("day", [8, 12])
def test_a_lookup_holds_what_the_judge_knows_of_the_networks(day: int) -> None:
    baseline = CATALOGUE.baselines["organisation-networks"]
    moment = min(row.time for row in tenant()) + timedelta(days=day)
    rows = [row for row in tenant() if moment - timedelta(days=8) < row.time < moment + timedelta(days=1)]
    engine = index(rows, spl().macros(CATALOGUE.rules.values()), spl().profile)
    refresh(engine, spl(), baseline, moment)
    held = engine.lookups["entrawatch_organisation_networks"]
    addresses, countries = Networks(baseline, tenant()).at(moment)
    assert {str(row["address"]) for row in held} - {""} == addresses
    assert {str(row["country"]) for row in held} - {""} == countries
    assert addresses
    assert countries
