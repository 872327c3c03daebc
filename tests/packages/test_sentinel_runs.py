"""The queries in content/sentinel's own files, run as Sentinel runs them: any offset, late records, what alerts say."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from tests.rules.judge import Judge, fold, rows

from entrawatch.dialects.kql_text import spelled
from entrawatch.rules import ir

from .sentinel_content import ASKED, BY_ID, CATALOGUE, HUNTS, NRT, SCHEDULED, duration
from .sentinel_engine import Sentinel, Story

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
JUDGE = Judge(CATALOGUE.baselines)
LATE = [0 * MINUTE, 3 * MINUTE, 12 * MINUTE, 55 * MINUTE]
#: how late a story's records come: all alike, or each otherwise, early ones behind late ones
MODES = [*([one] for one in LATE), LATE * 50, LATE[::-1] * 50]


def key(rule: Any, found: Any) -> tuple[str, ...]:
    return tuple(fold(found[spelled(one.name)]) for one in rule.keys)


def wanted(rule: Any, records: Any) -> Counter[tuple[str, ...]]:
    return Counter(finding.keys for finding in JUDGE.findings(rule, rows(records)))


def alerts(one: Any, sentinel: Sentinel) -> tuple[list[list[dict[str, Any]]], list[list[dict[str, Any]]]]:
    """What the rule of a file tells, story by story, whatever `now()` is."""
    every, period = duration(one["queryFrequency"]), duration(one["queryPeriod"])
    return sentinel.alerts(one["query"], every, period, after=HOUR + 2 * every + 20 * MINUTE)


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_rule_tells_each_of_its_cases_findings_once_however_late_the_records_come(name: str) -> None:
    one, rule = SCHEDULED[name], BY_ID[SCHEDULED[name]["id"]]
    # a run an hour over weeks is many runs
    modes = MODES[::2] if duration(one["queryFrequency"]) >= HOUR else MODES
    told = [(case, late) for case in rule.cases for late in modes]
    sentinel = Sentinel([Story(case.records, late) for case, late in told])
    right = [wanted(rule, case.records) for case, _ in told]
    assert any(right)
    assert not all(right)
    for found in alerts(one, sentinel):
        for (case, late), alerts_, want in zip(told, found, right):
            assert Counter(key(rule, alert) for alert in alerts_) == want, (case.name, late[:4])
            assert all(alert["WindowStart"] <= alert["TimeGenerated"] <= alert["WindowEnd"] for alert in alerts_)


def test_what_comes_later_than_the_allowance_is_missed_as_it_is_told() -> None:
    one, rule = SCHEDULED["GuestInvited.yaml"], CATALOGUE.rules["guest-invited"]
    case = next(case for case in rule.cases if case.match)
    sentinel = Sentinel([Story(case.records, [late]) for late in (59 * MINUTE, 2 * HOUR)])
    assert [[len(told) for told in found] for found in alerts(one, sentinel)] == [[1, 0], [1, 0]]


def apart(cases: Any) -> list[Story]:
    """The cases' stories, with events of their own."""
    return [
        Story([(stream, {**record, "id": f"{record['id']}-{place}"}) for stream, record in case.records])
        for place, case in enumerate(cases)
    ]


#: the hunts with a baseline begin to learn with the range's first record, so they go over one story at a time
LEARNING = [name for name, one in HUNTS.items() if getattr(BY_ID[one["id"]].query, "outside", None)]


def hunted(name: str, cases: Any) -> None:
    one, rule, stories = HUNTS[name], BY_ID[HUNTS[name]["id"]], apart(cases)
    want = {keys for story in stories for keys in wanted(rule, story.records)}
    assert bool(want) == cases[0].match
    assert {key(rule, row) for row in Sentinel(stories).hunt(one["query"])} == want, [case.name for case in cases]


@pytest.mark.parametrize("name", [name for name in HUNTS if name not in LEARNING])
def test_a_hunt_over_a_range_finds_what_its_cases_say(name: str) -> None:
    cases = BY_ID[HUNTS[name]["id"]].cases
    for match in (True, False):
        hunted(name, [case for case in cases if case.match is match])


@pytest.mark.parametrize("name", LEARNING)
def test_a_hunt_with_a_baseline_finds_what_its_cases_say(name: str) -> None:
    cases = BY_ID[HUNTS[name]["id"]].cases
    for case in (cases[0], cases[-1]):
        hunted(name, [case])


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNING)
def test_a_hunt_with_a_baseline_finds_what_all_its_cases_say(name: str) -> None:
    for case in BY_ID[HUNTS[name]["id"]].cases:
        hunted(name, [case])


@pytest.mark.parametrize("name", NRT)
def test_an_nrt_rule_finds_each_event_of_its_cases_and_no_other(name: str) -> None:
    one, rule = NRT[name], BY_ID[NRT[name]["id"]]
    stories = apart(rule.cases)
    found = Sentinel(stories).hunt(one["query"])
    assert Counter(key(rule, row) for row in found) == sum((wanted(rule, one.records) for one in stories), Counter())


# --- what an alert says -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slug", "case", "said"),
    [
        (
            "brute-force",
            "the legacy password flow, in the bulk stream",
            {"AlertSeverity": "High", "Account1Name": "ada", "Account1UPNSuffix": "contoso.example", "Attempts": 5},
        ),
        ("conditional-access-policy-changed", "a policy is changed", {"AlertSeverity": "Medium"}),
        ("disabled-user-signin", "two accounts are one finding", {"Account1Name": ..., "Account2Name": ...}),
        ("guest-invited", "a guest is invited", {"Account1Name": ..., "Account2ObjectId": ...}),
    ],
)
def test_an_alert_is_about_the_people_and_addresses_of_its_records(slug: str, case: str, said: Any) -> None:
    rule = CATALOGUE.rules[slug]
    one = next(one for one in SCHEDULED.values() if BY_ID[one["id"]] is rule)
    story = next(known for known in rule.cases if known.name == case)
    (found,) = alerts(one, Sentinel([Story(story.records)]))[0]
    assert found, case
    whole = str(story.records).lower()
    for column, value in said.items():
        if value is ...:
            assert found[0][column].lower() in whole
            assert found[0][column]
        else:
            assert found[0][column] == value, column


def test_two_accounts_of_one_finding_are_two_entities() -> None:
    rule, one = CATALOGUE.rules["disabled-user-signin"], SCHEDULED["DisabledUserSignin.yaml"]
    case = next(case for case in rule.cases if case.name == "two accounts are one finding")
    ((found,),) = alerts(one, Sentinel([Story(case.records)]))[0]
    names = [found[f"Account{number}Name"] for number in (1, 2, 3)]
    assert len({*names[:2]} - {""}) == 2
    assert not names[2]


def test_the_rules_of_single_events_are_those_with_a_twin() -> None:
    assert {BY_ID[one["id"]].slug for one in NRT.values()} == {
        slug for slug, rule in CATALOGUE.rules.items()
        if isinstance(rule.query, ir.EventQuery) and rule.query.outside is None
    }  # fmt: skip


# --- the workbook -----------------------------------------------------------------------------------------------------


BRUTE = SCHEDULED["BruteForce.yaml"]


@pytest.fixture(scope="module")
def shown() -> Sentinel:
    """A workspace with five failures, the last an hour and a half late, and what two of our rules and another told."""
    made = Sentinel([Story(FIVE.records, [2 * MINUTE, 2 * MINUTE, 2 * MINUTE, 2 * MINUTE, 90 * MINUTE])])
    ours, twin = BRUTE["id"], NRT["NRT_GuestInvited.yaml"]["id"]
    stranger = "9f2f5a3e-0000-4000-8000-000000000001"
    for place, (provider, rule) in enumerate(
        [("Scheduled", ours), ("Scheduled", ours.upper()), ("NRT", twin), ("Scheduled", stranger)]
    ):
        made.connection.execute(
            "INSERT INTO SecurityAlert VALUES (TIMESTAMP '2026-01-07 10:00:00', ?, ?, ?, 'told', 'Medium')",
            [f"alert{place}", f"ASI {provider} Alerts", f"00000000-0000-4000-8000-00000000f001_{rule}"],
        )
    for time, status in (("10:00", "New"), ("11:00", "Closed")):
        made.connection.execute(
            f"INSERT INTO SecurityIncident VALUES (TIMESTAMP '2026-01-07 {time}:00', 7, '{status}', '[\"{ours}\"]')"
        )
    return made


FIVE = CATALOGUE.rules["brute-force"].cases[0]


@pytest.mark.parametrize(
    ("name", "rows_"),
    [
        ("ingestion", [{"Table": "SigninLogs", "Records": 5, "Late": 1, "P50": 2.0, "Slowest": 90.0}]),
        ("errors", [{"ResultType": "50126", "SignIns": 5, "Users": 1}]),
        ("addresses", [{"IPAddress": "203.0.113.20", "Users": 1, "SignIns": 5}]),
        ("countries", []),
        ("alerts", [{"Rule": BRUTE["name"], "Alerts": 2}, {"Rule": "Guest invited", "Alerts": 1}]),
        ("severities", [{"AlertSeverity": "Medium", "Alerts": 3}]),
        ("incidents", [{"Rule": BRUTE["name"], "Status": "Closed", "Incidents": 1}]),
        ("latest", [{"Rule": ...}, {"Rule": ...}, {"Rule": ...}]),
    ],
)
def test_the_workbook_shows_what_came_and_what_was_found(name: str, rows_: Any, shown: Sentinel) -> None:
    found = shown.hunt(ASKED[name])
    assert len(found) == len(rows_)
    for one, want in zip(found, rows_):
        assert {column: value if value is ... else one[column] for column, value in want.items()} == want


def test_the_workbooks_charts_run(shown: Sentinel) -> None:
    outcomes = shown.hunt(ASKED["outcomes"])
    assert {one["Outcome"] for one in outcomes} == {"failure"}
    assert sum(one["SignIns"] for one in outcomes) == 5
    assert {one["Table"] for one in shown.hunt(ASKED["latency"])} == {"SigninLogs"}
