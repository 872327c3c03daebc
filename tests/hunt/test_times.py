"""When a finding happened: the times of the events it rests on, whatever windows they were seen in."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Optional

import pytest
from tests.rules.judge import Judge, identity, rows
from tests.rules.test_catalogue import CASES

from entrawatch.hunt.run import Hunt, hunt
from entrawatch.reading import Found, Where
from entrawatch.rules import ir

from .test_hunt import CATALOGUE

if TYPE_CHECKING:
    from entrawatch.interfaces import Record

BEGUN = datetime(2026, 1, 7, 9, 2, tzinfo=timezone.utc)


def at(minutes: float) -> datetime:
    return BEGUN + timedelta(minutes=minutes)


def sign_in(minutes: float, **more: Any) -> Record:
    return {
        "id": f"r{minutes}", "createdDateTime": at(minutes).isoformat(), "userPrincipalName": "a@b.example",
        "ipAddress": "192.0.2.1", "appDisplayName": "x", "userAgent": "y", "appId": "z",
        "status": {"errorCode": 50126}, **more,
    }  # fmt: skip


def spray(minutes: float, users: int = 5) -> list[Record]:
    return [sign_in(minutes + n, userPrincipalName=f"u{n}@b.example") for n in range(users)]


def success(minutes: float) -> Record:
    return sign_in(minutes, userPrincipalName="u3@b.example", status={"errorCode": 0})


def change(minutes: float) -> Record:
    return {
        "id": f"Directory_{minutes}", "activityDateTime": at(minutes).isoformat(), "correlationId": "c0de",
        "activityDisplayName": "Add member to group", "result": "success", "category": "GroupManagement",
        "targetResources": [],
    }  # fmt: skip


def hunted(records: list[Record], **options: Any) -> Hunt:
    return hunt(CATALOGUE, [Found(Where("-", n), record) for n, record in enumerate(records)], **options)


def times(result: Hunt, slug: str) -> list[tuple[datetime, datetime]]:
    return [(one.first_event, one.last_event) for one in result.findings if one.rule.slug == slug]


@pytest.mark.parametrize(("rule", "case"), [one for one in CASES if one.values[1].match])
def test_a_case_happened_from_its_first_event_to_its_last(rule: Any, case: Any) -> None:
    of = {identity(row): row.time for row in rows(case.records)}
    told = Judge(CATALOGUE.baselines).findings(rule, rows(case.records))
    result = hunted([record for _, record in case.records])
    found = [one for one in (*result.findings, *result.unjudged) if one.rule.slug == rule.slug]
    if isinstance(rule.query, ir.JoinQuery):  # the judge names the event and not its partner
        wanted = {(min(of.values()), max(of.values()))}
    else:
        wanted = {(min(of[id_] for id_ in one.ids), max(of[id_] for id_ in one.ids)) for one in told}
    assert {(one.first_event, one.last_event) for one in found} == wanted
    assert all(one.start <= one.first_event <= one.last_event <= one.end for one in found) or isinstance(
        rule.query, ir.FollowedQuery
    )


@pytest.mark.parametrize(
    ("records", "slug", "wanted"),
    [
        ([sign_in(n) for n in range(300)], "brute-force", [(0, 299)]),
        ([*map(sign_in, range(6)), *map(sign_in, range(600, 607))], "brute-force", [(0, 5), (600, 606)]),
        ([*spray(0), success(200)], "password-spray-success", [(0, 200)]),
        ([*spray(0), *spray(7.5), success(200), success(210)], "password-spray-success", [(0, 210)]),
        (
            [*spray(0), success(200), *spray(50_000), success(50_100)],
            "password-spray-success",
            [(0, 200), (50_000, 50_100)],
        ),
        ([sign_in(0, correlationId="C0DE", homeTenantId="other"), change(9)], "third-party-changes", [(0, 9)]),
        ([change(0), sign_in(9, correlationId="C0DE", homeTenantId="other")], "third-party-changes", [(0, 9)]),
        (
            [
                sign_in(0, correlationId="c0de", homeTenantId="other"), change(9),
                sign_in(20, correlationId="c0de", homeTenantId="other"),
            ],
            "third-party-changes",
            [(0, 20)],
        ),
        ([{**change(4), "activityDisplayName": "Add application"}], "application-added", [(4, 4)]),
    ],
)  # fmt: skip
def test_all_events_count_and_none_besides(records: list[Record], slug: str, wanted: list[tuple[float, float]]) -> None:
    assert times(hunted(records[::-1]), slug) == [(at(first), at(last)) for first, last in wanted]


def test_the_success_stands_with_its_spray_and_the_line_tells_both_times() -> None:
    result = hunted([*spray(0), success(200)])
    line = next(one.line() for one in result.findings if one.rule.slug == "password-spray-success")
    assert (line["first_event"], line["last_event"]) == ("2026-01-07T09:02:00Z", "2026-01-07T12:22:00Z")
    assert line["window"] == {"start": "2026-01-06T12:30:00Z", "end": "2026-01-07T12:30:00Z"}
    assert json.loads(json.dumps(line)) == line


def test_a_finding_names_the_events_that_led_to_it_with_what_they_led_to_first() -> None:
    many = [sign_in(n / 10, userPrincipalName=f"u{n}@b.example") for n in range(150)]
    result = hunted([*many, success(200)])
    found = next(one for one in result.findings if one.rule.slug == "password-spray-success")
    line = found.line()
    assert (len(line["event_ids"]), line["event_ids"][0], line["measures"]["events"]) == (100, "r200", 151)
    assert set(found.event_ids) == {"r200", *(record["id"] for record in many[:100])}
    others = [sign_in(n, correlationId="c0de", homeTenantId="other") for n in (0, 20)]
    (joined,) = (one.line() for one in hunted([*others, change(9)]).findings if one.rule.slug == "third-party-changes")
    assert joined["event_ids"] == ["Directory_9", "r0", "r20"]
    assert joined["measures"]["events"] == 3


def test_findings_of_a_level_stand_in_the_order_of_their_first_events() -> None:
    later = [{**one, "ipAddress": "192.0.2.9", "id": f"later{n}"} for n, one in enumerate(spray(3))]
    found = [one for one in hunted([*later, *spray(1)]).findings if one.rule.slug == "password-spray"]
    assert [one.keys["ipAddress"] for one in found] == ["192.0.2.1", "192.0.2.9"]
    assert found[0].start == found[1].start  # the windows do not tell them apart


def test_a_long_window_puts_no_finding_before_what_happened_earlier() -> None:
    partner = sign_in(100, correlationId="c0de", homeTenantId="other", status={"errorCode": 0})
    found = [one for one in hunted([*map(sign_in, range(6)), partner, change(109)]).findings if one.level == "medium"]
    assert [one.rule.slug for one in found] == ["brute-force", "third-party-changes"]
    assert found[1].start < found[0].start


@pytest.mark.parametrize(
    ("since", "until", "shown"),
    [
        (None, None, True),
        (0, None, True), (3, None, True), (4, None, True), (4.1, None, False),
        (None, 0, False), (None, 0.1, True), (None, 4, True),
        (1, 2, True), (-9, 0, False), (-9, 9, True), (4.5, 9, False),
        (0.5, 1, False), (1.1, 1.9, False), (1, 1.1, True), (3.9, 4, False), (3.9, 4.1, True), (-9, 0.1, True),
    ],
)  # fmt: skip
def test_a_range_keeps_the_findings_with_events_on_both_its_sides(
    since: Optional[float], until: Optional[float], shown: bool
) -> None:
    """The windows reach from an hour before the spray to an hour behind it."""
    chosen = {"since": None if since is None else at(since), "until": None if until is None else at(until)}
    result = hunted([*spray(0), sign_in(-500), sign_in(500)], **chosen)
    found = next((one for one in result.findings if one.rule.slug == "password-spray"), None)
    assert bool(found) is shown
    assert found is None or found.measures["distinct userPrincipalName"] == 5
    assert result.notes == ()


@pytest.mark.parametrize(
    ("records", "slug", "inside"),
    [
        ([*spray(0), success(200)], "password-spray-success", {0, 1, 2, 3, 4, 200}),
        (
            [sign_in(n, correlationId="c0de", homeTenantId="other") for n in (0, 10, 20)] + [change(9)],
            "third-party-changes",
            {0, 9, 10, 20},
        ),
        ([*map(sign_in, range(0, 300, 10))], "brute-force", set(range(0, 300, 10))),
    ],
)
def test_each_moment_of_an_event_is_in_its_finding_and_none_between_them(
    records: list[Record], slug: str, inside: set[int]
) -> None:
    for minute in (0, 2, 4, 5, 9, 10, 15, 20, 100, 105, 200):
        told = times(hunted(records, since=at(minute - 0.5), until=at(minute + 0.5)), slug)
        assert bool(told) is (minute in inside), minute


@pytest.mark.parametrize(
    ("since", "until", "told"),
    [
        (4.5, None, "they end before --since, 2026-01-07 09:06 UTC"),
        (None, 0, "they begin behind --until, 2026-01-07 09:02 UTC"),
        (-9, -8, "they begin behind --until, 2026-01-07 08:54 UTC"),
        (4, 9, ""), (None, 0.1, ""), (-9, 1, ""),
    ],
)  # fmt: skip
def test_a_range_without_logs_is_told(since: Optional[float], until: Optional[float], told: str) -> None:
    chosen = {"since": None if since is None else at(since), "until": None if until is None else at(until)}
    notes = hunted(spray(0), **chosen).notes
    begun = "the logs reach from 2026-01-07 09:02 UTC to 2026-01-07 09:06 UTC: "
    assert notes == (
        (f"{begun}{told}, so nothing can be found there; choose another range, or leave it out",) if told else ()
    )


def test_the_range_of_both_sources_is_told_in_utc() -> None:
    east = timezone(timedelta(hours=5))
    (note,) = hunted([change(-60), sign_in(3)], since=at(99).astimezone(east)).notes
    assert "from 2026-01-07 08:02 UTC to 2026-01-07 09:05 UTC: they end before --since, 2026-01-07 10:41 UTC" in note
    assert hunted([], since=at(0)).notes == ()
