"""The baseline of networks in SQL: random histories, judged success by success."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrawatch.dialects.base import Compiled, Refusal
from entrawatch.dialects.sql import Sql

from .duck import found, keys, tables
from .judge import Judge, rows
from .test_catalogue import CATALOGUE

BASELINE = CATALOGUE.baselines["organisation-networks"]
RULES = ("single-factor-from-new-network", "account-hijacking")
#: quarters of a day, so that edges of days and lookbacks are met exactly
MOMENT = st.integers(0, 60)
PERSON, ADDRESS = st.sampled_from(["a@x", "b@x", "c@x"]), st.sampled_from(["192.0.2.1", "192.0.2.2"])


def at(quarter: int) -> str:
    return (datetime(2026, 1, 5, tzinfo=timezone.utc) + timedelta(hours=6 * quarter)).isoformat()


def success(quarter: int, person: str, address: str, country: str, *, factors: str) -> tuple[str, dict[str, Any]]:
    return "interactive", {
        "createdDateTime": at(quarter), "userPrincipalName": person, "ipAddress": address, "isInteractive": True,
        "location": {"countryOrRegion": country}, "status": {"errorCode": 0}, "authenticationRequirement": factors,
    }  # fmt: skip


def step(quarter: int, address: str, activity: str) -> tuple[str, dict[str, Any]]:
    user = {"userPrincipalName": "a@x", "ipAddress": address}
    return "directory_audits", {
        "activityDateTime": at(quarter), "activityDisplayName": activity, "result": "success",
        "initiatedBy": {"user": user}, "targetResources": [],
    }  # fmt: skip


STEPS = st.sampled_from(
    ["Reset password (self-service)", "User deleted security info", "User registered security info"]
)
FACTORS = st.sampled_from(["singleFactorAuthentication", "multiFactorAuthentication"])
RECORDS = st.lists(
    st.builds(success, MOMENT, PERSON, ADDRESS, st.sampled_from(["NL", "BR", ""]), factors=FACTORS)
    | st.builds(step, MOMENT, ADDRESS, STEPS),
    min_size=4,
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(
    RECORDS, st.sampled_from(RULES), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 2, 7])
)  # fmt: skip
def test_a_random_history_is_judged_success_by_success(made: Any, slug: str, users: int, days: int, back: int) -> None:
    history = [(stream, {**record, "id": f"r{place}"}) for place, (stream, record) in enumerate(made)]
    baselines = {BASELINE.name: replace(BASELINE, users=users, days=days, lookback=timedelta(days=back))}
    rule = CATALOGUE.rules[slug]
    if slug == "account-hijacking":
        measure = replace(rule.query.measure, at_least=1)
        rule = replace(rule, query=replace(rule.query, measure=measure, every=timedelta(hours=12)))
    query = Sql(baselines).compile(rule)
    assert isinstance(query, Compiled)
    case_rows = rows(history)
    results = found(tables(CATALOGUE, case_rows), query)
    wanted = Judge(baselines).findings(rule, case_rows)
    assert keys(query, results) == {finding.keys for finding in wanted}
    assert {one for row in results for one in row["event_ids"]} == {one for hit in wanted for one in hit.ids}


@pytest.mark.parametrize(("hours", "refused"), [(23, True), (24, False)])
def test_a_lookback_of_less_than_a_day_is_refused(hours: int, refused: bool) -> None:
    short = {BASELINE.name: replace(BASELINE, lookback=timedelta(hours=hours))}
    assert isinstance(Sql(short).compile(CATALOGUE.rules[RULES[0]]), Refusal) is refused
