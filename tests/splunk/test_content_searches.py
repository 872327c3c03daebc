"""Every saved search as it stands in the .conf file, its macros from macros.conf, run by its own schedule."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from itertools import cycle
from typing import Any

import pytest

from entrawatch.emulator.scenarios.stories import SCENARIOS
from entrawatch.rules import ir
from rules.judge import Judge, rows
from rules.spl.engine import Engine
from rules.spl.parsing import parse
from rules.spl.values import values_of
from rules.splunk import ENVELOPE, index, ranges, seconds

from .content import CATALOGUE, MINUTE, Indexed, conf, indexed, macros, names, relative, runs, scheduled, tenant

PROFILES = ("normalized", ENVELOPE)
JUDGE = Judge(CATALOGUE.baselines)
CASES = [
    pytest.param(slug, case, id=f"{slug}: {case.name}") for slug, rule in CATALOGUE.rules.items() for case in rule.cases
]
#: seconds from an event to its place in the index
LATE = {"on time": (0,), "3 minutes": (180,), "12 minutes": (720,), "55 minutes": (3300,), "2 hours": (7500,)}
#: seconds after which a success is no longer looked for: three hours and a step
LATE_SUCCESS = 11_700
MIXED = (3300, 0, 180, 7500, 720)


def told_once(slug: str, case: Any, profile: str, delays: tuple[int, ...]) -> None:
    wanted = {finding.keys for finding in JUDGE.findings(CATALOGUE.rules[slug], rows(case.records))}
    alert = scheduled(slug, profile, indexed(case.records, profile, cycle(delays)))
    assert Counter(keys for _, keys in alert.told) == Counter(wanted)
    assert {keys for _, keys in alert.found} == wanted


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("slug", "case"), CASES)
def test_a_finding_is_told_once_though_its_events_come_late_and_a_near_miss_never(
    slug: str, case: Any, profile: str
) -> None:
    told_once(slug, case, profile, MIXED)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("late", LATE)
@pytest.mark.parametrize(("slug", "case"), CASES)
def test_however_late_all_of_it_comes(slug: str, case: Any, late: str) -> None:
    told_once(slug, case, "normalized", LATE[late])


def matching(slug: str) -> Any:
    return next(case for case in CATALOGUE.rules[slug].cases if case.match)


@pytest.mark.parametrize("slug", CATALOGUE.rules)
@pytest.mark.parametrize("delay", [180, 720, 3300, 7500])
def test_a_finding_is_told_by_the_first_run_after_its_last_event_has_come(slug: str, delay: int) -> None:
    """Only the last event is late; all others were in time."""
    records = matching(slug).records
    held = indexed(records, "normalized", [*[0] * (len(records) - 1), delay])
    alert = scheduled(slug, "normalized", held)
    whole = max(one.at for one in held)
    step = {ir.EventQuery: 5}.get(type(CATALOGUE.rules[slug].query)) or steps(slug)
    assert alert.told
    assert min(now for now, _ in alert.told) <= whole + step * MINUTE


def steps(slug: str) -> int:
    """Minutes from one run to the next."""
    found = list(runs(conf("savedsearches")[names(slug)["normalized"]]["cron_schedule"], 0, 3 * 3600))
    return int(found[1] - found[0]) // MINUTE


@pytest.mark.parametrize(
    "slug", [slug for slug, rule in CATALOGUE.rules.items() if isinstance(rule.query, ir.EventQuery)]
)
def test_an_event_a_day_late_is_found_by_its_arrival(slug: str) -> None:
    case = matching(slug)
    alert = scheduled(slug, "normalized", indexed(case.records, "normalized", cycle([24 * 3600 + 600])))
    assert Counter(keys for _, keys in alert.told) == Counter(
        finding.keys for finding in JUDGE.findings(CATALOGUE.rules[slug], rows(case.records))
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_a_sign_in_without_a_country_is_from_no_known_one(profile: str) -> None:
    """What the lookup knows of addresses has no country either."""
    slug = "single-factor-from-new-network"
    known = []
    for case in filter(lambda case: case.match, CATALOGUE.rules[slug].cases):
        stream, last = case.records[-1]
        records = [*case.records[:-1], (stream, {**last, "location": {}})]
        alert = scheduled(slug, profile, indexed(records, profile, cycle([0])))
        wanted = [finding.keys for finding in JUDGE.findings(CATALOGUE.rules[slug], rows(records))]
        assert [keys for _, keys in alert.told] == wanted
        known.append(wanted and alert.lookups["entrawatch_organisation_networks"])
    assert any(known)


def test_a_baseline_that_finds_nothing_leaves_what_was_known() -> None:
    search = next(one["search"] for name, one in conf("savedsearches").items() if name.endswith("Lookup Gen"))
    engine = Engine([], macros())
    known = [{"address": "203.0.113.1", "country": ""}]
    engine.lookups = {"entrawatch_organisation_networks": known}
    engine.run(search, 0, 7 * 86_400)
    assert engine.lookups == {"entrawatch_organisation_networks": known}


@pytest.mark.parametrize("slug", CATALOGUE.rules)
def test_a_run_that_comes_half_an_hour_late_tells_nothing_again(slug: str) -> None:
    """Throttling ends by the wall's clock; a run that is made up for looks at the time it was scheduled for."""
    settings = conf("savedsearches")[names(slug)["normalized"]]
    period, earliest = (
        -relative(text, 0) for text in (f"-{settings['alert.suppress.period']}", settings["dispatch.earliest_time"])
    )
    query = CATALOGUE.rules[slug].query
    # what follows is found for as long as it may come late
    findable = LATE_SUCCESS if isinstance(query, ir.FollowedQuery) else earliest
    assert period >= findable + 30 * MINUTE


def test_the_same_attack_an_age_later_is_told_again() -> None:
    """Throttling ends: two bursts of one key a day apart are two alerts."""
    records = matching("password-spray").records
    held = indexed(records, "normalized", cycle([0]))
    shifted = [
        Indexed(_moved(one.row), one.at + 86_400, {**one.document, "_time": one.document["_time"] + 86_400})
        for one in held
    ]
    alert = scheduled("password-spray", "normalized", [*held, *shifted])
    assert len(alert.told) == 2 * len({keys for _, keys in alert.told})


def _moved(row: Any) -> Any:
    return replace(row, time=row.time + timedelta(days=1))


def test_a_search_that_failed_once_is_made_up_for() -> None:
    """A run is left out: the next one still takes what had arrived in its time."""
    settings = conf("savedsearches")[names("guest-invited")["normalized"]]
    arrived = -relative(settings["dispatch.index_earliest"], 0)
    assert arrived >= 2 * steps("guest-invited") * MINUTE + MINUTE
    assert settings["realtime_schedule"] == "0"


# --- a tenant ---------------------------------------------------------------------------------------------------------


@cache
def held_rows() -> Any:
    return rows((one.stream, one.record) for one in tenant())


@cache
def engine(profile: str) -> Engine:
    return index(held_rows(), macros(), profile)


@pytest.mark.parametrize("profile", ["normalized", pytest.param(ENVELOPE, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "slug",
    [
        pytest.param(slug, marks=[pytest.mark.slow] if isinstance(rule.query, ir.FollowedQuery) else [])
        for slug, rule in CATALOGUE.rules.items()
        if not getattr(rule.query, "outside", None)
    ],
)
def test_a_search_finds_in_a_tenant_what_the_judge_finds(slug: str, profile: str) -> None:
    """One run over everything, since an alert finds what its windows hold whenever it runs; what follows something is
    looked for in the runs that can find it."""
    rule = CATALOGUE.rules[slug]
    if slug not in SCENARIOS:
        pytest.skip("the emulated company has no story of this rule")
    wanted = {finding.keys for finding in JUDGE.findings(rule, held_rows())}
    assert wanted
    search = conf("savedsearches")[names(slug)[profile]]
    times = [seconds(row.time) for row in held_rows()]
    spans = [(min(times), max(times) + 1)]
    if isinstance(rule.query, ir.FollowedQuery):
        ids = {one for finding in JUDGE.findings(rule, held_rows()) for one in finding.ids}
        near = [row for row in held_rows() if row.event["event"]["id"] in ids]
        back = -relative(search["dispatch.earliest_time"], 0)
        spans = [(seconds(end) - back, seconds(end)) for _, end in ranges(rule, near)]
    fields = search["alert.suppress.fields"].split(",")
    found = {
        tuple(str(row[field]).lower() for field in fields)
        for span in spans
        for row in engine(profile).run(search["search"], *span)
    }
    assert found == wanted


# --- what a result is made use of for ---------------------------------------------------------------------------------


@cache
def results(slug: str, profile: str) -> list[dict[str, Any]]:
    """The search over a case that matches."""
    held = indexed(matching(slug).records, profile, cycle([0]))
    alert = scheduled(slug, profile, held)
    search, now = conf("savedsearches")[names(slug)[profile]], alert.told[0][0]
    made = Engine([one.document for one in held], macros())
    made.lookups = alert.lookups
    return made.run(search["search"], relative(search["dispatch.earliest_time"], now), now)


def columns(slug: str, profile: str) -> set[str]:
    """The columns that the search names at its end."""
    found: set[str] = set()
    for command in parse(conf("savedsearches")[names(slug)[profile]]["search"], macros()):
        if command.name == "table":
            found = {word.strip('"') for word in command.made if word != ","}
        elif command.name == "eval":
            found |= {field for field, _ in command.made}
    return found


@pytest.mark.parametrize(
    "slug", [slug for slug, rule in CATALOGUE.rules.items() if isinstance(rule.query, ir.WindowQuery)]
)
def test_a_threshold_is_told_with_its_windows_and_all_their_events(slug: str) -> None:
    findings = JUDGE.findings(CATALOGUE.rules[slug], rows(matching(slug).records))
    wanted = {finding.keys: (seconds(finding.start), seconds(finding.end), finding.ids) for finding in findings}
    fields = conf("savedsearches")[names(slug)["normalized"]]["alert.suppress.fields"].split(",")
    found = {
        tuple(str(row[field]).lower() for field in fields): (
            float(row["window_start"]), float(row["window_end"]), frozenset(map(str, values_of(row["event_ids"]))),
        )
        for row in results(slug, "normalized")
    }  # fmt: skip
    assert found == wanted


@pytest.mark.parametrize(
    ("hours", "found"), [(0, True), (23.75, True), (-23.75, True), (24, False), (-24, False), (25, False), (-25, False)]
)
def test_a_partner_is_found_before_and_after_within_a_common_window(hours: float, found: bool) -> None:
    sign_in, change = matching("third-party-changes").records
    moved = datetime.fromisoformat(str(change[1]["activityDateTime"]).replace("Z", "+00:00")) + timedelta(hours=hours)
    records = [(sign_in[0], {**sign_in[1], "createdDateTime": moved.strftime("%Y-%m-%dT%H:%M:%SZ")}), change]
    told_once(
        "third-party-changes", replace(matching("third-party-changes"), records=tuple(records)), "normalized", (0,)
    )
    alert = scheduled("third-party-changes", "normalized", indexed(records, "normalized", cycle([0])))
    assert bool(alert.told) is found


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("slug", CATALOGUE.rules)
def test_what_throttling_risk_and_titles_ask_for_are_columns_with_values(slug: str, profile: str) -> None:
    settings = conf("savedsearches")[names(slug)[profile]]
    (first, *_) = results(slug, profile)
    for field in settings["alert.suppress.fields"].split(","):
        assert first[field] not in ("", None)
    risk = json.loads(settings["action.risk.param._risk"])
    fields = [one.get("risk_object_field") or one["threat_object_field"] for one in risk]
    assert set(fields) <= columns(slug, profile)
    assert any(field in first for field in fields)
    for key in ("action.risk.param._risk_message", "action.notable.param.rule_title"):
        tokens = settings.get(key, "").split("$")[1::2]
        assert set(tokens) <= columns(slug, profile)
        assert tokens or key not in settings
    assert first["severity"] == first["level"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("slug", CATALOGUE.rules)
def test_drilldowns_find_something_and_the_first_leads_back_to_the_finding(slug: str, profile: str) -> None:
    settings = conf("savedsearches")[names(slug)[profile]]
    if "action.notable.param.drilldown_searches" not in settings:
        assert CATALOGUE.rules[slug].level in {"low", "informational"}
        return
    (result, *_) = results(slug, profile)
    drilldowns = json.loads(settings["action.notable.param.drilldown_searches"])
    assert len(drilldowns) >= 2
    held = indexed(matching(slug).records, profile, cycle([0]))
    for place, drilldown in enumerate(drilldowns):
        assert set(drilldown) == {"name", "search", "earliest_offset", "latest_offset"}
        text = filled(drilldown["search"], result)
        made = Engine([one.document for one in held], macros())
        made.lookups = scheduled(slug, profile, held).lookups
        end = max(one.at for one in held) + MINUTE
        found = made.run(text, end - 10 * 86_400, end)
        assert found
        if place == 0:
            fields = settings["alert.suppress.fields"].split(",")
            assert [[row[field] for field in fields] for row in found] == [[result[field] for field in fields]]


def filled(search: str, result: dict[str, Any]) -> str:
    """The search with the result's values for its tokens, as Enterprise Security fills them in."""
    pieces = search.split("$")
    assert len(pieces) % 2, "a dollar that is no token's"
    out = [pieces[0]]
    for token, rest in zip(pieces[1::2], pieces[2::2]):
        field, _, how = token.partition("|")
        assert how in ("", "s")
        value = str(result[field])
        out += [f'"{value}"' if how else value, rest]
    return "".join(out)
