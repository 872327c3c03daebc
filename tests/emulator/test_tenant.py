"""The synthetic tenant at its door: repeatable, complete, plausible, and small in memory at any size."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import subprocess
import sys
import tracemalloc
from collections import Counter, defaultdict, deque
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from emulator.tenant_judge import Judge, seconds
from entrawatch import jsontext
from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.schema.streams import STREAMS, default_streams

if TYPE_CHECKING:
    from entrawatch.emulator.records import Emitted

MONDAY = datetime(2026, 10, 5, tzinfo=timezone.utc)
DAY = timedelta(days=1)
ALL_STREAMS = {stream.name for stream in default_streams()}


@lru_cache(maxsize=16)
def weeks(**changes: Any) -> tuple[Emitted, ...]:
    usual = {"seed": 4, "users": 40, "start": MONDAY, "end": MONDAY + 14 * DAY}
    return tuple(generate(TenantOptions(**{**usual, **changes})))


def text(records: Any) -> bytes:
    return b"\n".join(jsontext.dumps([e.stream, e.record, str(e.arrives), repr(e.label)]) for e in records)


def moment(emitted: Emitted) -> float:
    return seconds(emitted.record[STREAMS[emitted.stream].time_field])


def only(stream: str, **changes: Any) -> list[Emitted]:
    return [e for e in weeks(**changes) if e.stream == stream]


# --- repeatable ---


def test_the_same_options_give_the_same_bytes() -> None:
    options = TenantOptions(users=12, start=MONDAY, end=MONDAY + 2 * DAY)
    assert text(generate(options)) == text(generate(options))


def test_another_process_with_another_hash_seed_gives_the_same_bytes() -> None:
    script = (
        "import hashlib; from entrawatch.emulator.tenant import *; from entrawatch import jsontext;"
        "h = hashlib.sha256();"
        "[h.update(jsontext.dumps([e.stream, e.record, str(e.arrives)])) for e in generate(TenantOptions(users=3,"
        "end=datetime(2026, 10, 7, tzinfo=timezone.utc)))]; print(h.hexdigest())"
    )
    digests = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
        digests.add(done.stdout)
    assert len(digests) == 1
    assert len(digests.pop().strip()) == hashlib.sha256().digest_size * 2


def test_another_seed_is_another_company() -> None:
    one, two = (
        {e.record["id"] for e in generate(TenantOptions(seed=seed, users=12, end=MONDAY + DAY))} for seed in (1, 2)
    )
    assert one
    assert not one & two


def test_an_hour_is_the_same_in_every_range_that_holds_it() -> None:
    def hour(start: datetime, end: datetime) -> set[bytes]:
        options = TenantOptions(users=20, start=start, end=end, scenarios="none", changes=False)
        kept = (e for e in generate(options) if e.stream in {"interactive", "non_interactive", "service_principal"})
        return {jsontext.canonical(e.record) for e in kept if e.record["createdDateTime"].startswith("2026-10-06T09:3")}

    short, long = hour(MONDAY + DAY, MONDAY + 2 * DAY), hour(MONDAY, MONDAY + 5 * DAY)
    assert short
    assert short == long


# --- complete ---


@pytest.mark.parametrize(("users", "days"), [(2, 2), (5, 2), (40, 2), (400, 1)])
def test_every_stream_has_records_at_every_size(users: int, days: int) -> None:
    options = TenantOptions(users=users, start=MONDAY, end=MONDAY + days * DAY)
    counts = Counter(e.stream for e in generate(options))
    assert set(counts) == ALL_STREAMS
    assert counts["non_interactive"] > users * 12


def test_a_giant_company_starts_at_once_and_is_that_large() -> None:
    options = TenantOptions(users=300_000, start=MONDAY + timedelta(hours=9), end=MONDAY + 30 * DAY, scenarios="none")
    signins = [e.record for e in islice(generate(options), 6000) if e.stream in {"interactive", "non_interactive"}]
    assert len({record["userId"] for record in signins}) > 1000
    assert {record["createdDateTime"][:16] for record in signins} <= {"2026-10-05T09:00", "2026-10-05T09:01"}


def test_memory_does_not_grow_with_the_range() -> None:
    def peak(days: int) -> int:
        tracemalloc.start()
        deque(generate(TenantOptions(users=20, start=MONDAY, end=MONDAY + days * DAY, scenarios="none")), maxlen=0)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(1)
    assert peak(12) < peak(3) * 1.5  # caches fill up; records that were held would make it four times


def test_ids_are_unique_but_for_changes_and_state_objects() -> None:
    counts = Counter((e.stream, e.record["id"]) for e in weeks(changes=False) if not STREAMS[e.stream].snapshot)
    assert set(counts.values()) == {1}


# --- times ---


def test_nothing_arrives_before_its_time_or_happens_outside_the_range() -> None:
    start, end = MONDAY.timestamp(), (MONDAY + 14 * DAY).timestamp()
    for e in weeks():
        assert e.arrives.timestamp() >= moment(e)
        assert start - 1 < moment(e) < end


def test_a_stream_comes_in_minutes_with_a_tail_beyond_ten() -> None:
    for stream in ("interactive", "non_interactive", "directory_audits", "service_principal"):
        delays = sorted(e.arrives.timestamp() - moment(e) for e in only(stream, changes=False))
        assert 60 < delays[len(delays) // 2] < 600
        assert delays[-1] > 700


def test_offline_detections_come_hours_after_what_they_are_about() -> None:
    gaps = [e.arrives.timestamp() - seconds(e.record["activityDateTime"]) for e in only("risk_detections")]
    assert max(gaps) > 8 * 3600
    assert min(gaps) < 3600


def test_without_late_everything_is_there_at_its_time() -> None:
    records = weeks(late=False, changes=False, users=5)
    delays = [e.arrives.timestamp() - moment(e) for e in records if e.stream == "directory_audits"]
    assert max(map(abs, delays)) < 1e-3


def revisions(stream: str) -> list[list[Emitted]]:
    found: dict[str, list[Emitted]] = defaultdict(list)
    for e in only(stream):
        found[e.record["id"]].append(e)
    return [rows for rows in found.values() if len(rows) > 1]


def test_records_change_after_they_first_show() -> None:
    for stream in ("interactive", "non_interactive", "risk_detections", "service_principal_risk_detections"):
        changed = revisions(stream)
        assert changed
        for rows in changed:
            assert [e.arrives for e in rows] == sorted({e.arrives for e in rows})
            assert len({jsontext.canonical(e.record) for e in rows}) == len(rows)


def test_authentication_details_are_filled_in_within_half_an_hour() -> None:
    grown = [
        (first, last) for first, last in revisions("interactive")
        if len(first.record["authenticationDetails"]) < len(last.record["authenticationDetails"])
    ]  # fmt: skip
    assert grown
    assert all(timedelta(minutes=3) <= last.arrives - first.arrives <= timedelta(minutes=25) for first, last in grown)
    assert any(first.record["status"] != last.record["status"] for first, last in grown)


def test_risk_ends_and_the_state_objects_say_so() -> None:
    ends = {"risk_detections": "dismissed", "risky_users": "remediated", "risky_service_principals": "dismissed"}
    for stream, state in ends.items():
        told = [rows[-1].record["riskState"] for rows in revisions(stream)]
        assert state in told
        assert all(rows[0].record["riskState"] == "atRisk" for rows in revisions(stream))


def test_without_changes_each_record_is_made_once_in_its_final_form() -> None:
    final = {(e.stream, e.record["id"]): e for e in weeks()}
    once = {(e.stream, e.record["id"]): e for e in weeks(changes=False)}
    assert final.keys() == once.keys()
    assert {key: e.record for key, e in final.items()} == {key: e.record for key, e in once.items()}


# --- plausible ---


def test_every_address_is_from_a_reserved_range() -> None:
    reserved = [ipaddress.ip_network(text) for text in (
        "198.18.0.0/15", "100.64.0.0/10", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32",
    )]  # fmt: skip
    addresses = {e.record.get("ipAddress") for e in weeks()} - {None, ""}
    addresses |= {(e.record["initiatedBy"]["user"] or {}).get("ipAddress") for e in only("directory_audits")} - {None}
    assert len(addresses) > 50
    assert any(":" in address for address in addresses)
    for address in map(ipaddress.ip_address, addresses):
        assert any(address in network for network in reserved if network.version == address.version)


@pytest.mark.parametrize("users", [2, 5, 40])
def test_the_organisation_networks_emerge_and_only_offices_are_among_them(users: int) -> None:
    records = weeks(users=users)
    baseline = Judge((e.stream, e.record) for e in records).baseline
    signins = [e.record for e in records if e.stream == "interactive"]
    offices = {record["ipAddress"] for record in signins if record["networkLocationDetails"]}
    for day in range(7, 15):
        end = (MONDAY + day * DAY).timestamp()
        assert {address for address in baseline.addresses if baseline.network(address, end)} == offices
        assert baseline.countries(end) <= {"DE", "GB"}


def test_two_people_are_enough_for_a_network() -> None:
    for seed in range(4):
        options = TenantOptions(seed=seed, users=2, start=MONDAY, end=MONDAY + 9 * DAY, scenarios="none")
        kept = [(e.stream, e.record) for e in generate(options) if e.stream == "interactive"]
        baseline = Judge(kept).baseline
        desk = next(iter({record["ipAddress"] for _, record in kept if record["networkLocationDetails"]}))
        assert all(baseline.network(desk, (MONDAY + day * DAY).timestamp()) for day in (7, 8, 9))


def test_at_most_four_people_mistype_behind_one_address_on_a_day() -> None:
    options = TenantOptions(seed=5, users=80, start=MONDAY, end=MONDAY + 5 * DAY, scenarios="none")
    wrong: dict[tuple[str, str], list[str]] = defaultdict(list)
    for e in generate(options):
        if e.stream == "interactive" and e.record["status"]["errorCode"] in {50126, 50053}:
            wrong[e.record["ipAddress"], e.record["createdDateTime"][:10]].append(e.record["userPrincipalName"])
    assert sum(map(len, wrong.values())) > 20
    assert max(len(set(people)) for people in wrong.values()) <= 4
    assert max(Counter(people).most_common(1)[0][1] for people in wrong.values()) <= 2


def test_offices_ask_for_one_factor_and_other_places_for_two() -> None:
    for e in only("interactive", scenarios="none", changes=False):
        office, code = bool(e.record["networkLocationDetails"]), e.record["status"]["errorCode"]
        assert not (office and code in {50074, 50076, 500121})
        if code == 0:
            assert e.record["authenticationRequirement"] == ("single" if office else "multi") + "FactorAuthentication"


def test_people_work_by_day_and_rest_on_weekends() -> None:
    days = Counter(e.record["createdDateTime"][:10] for e in only("interactive", scenarios="none", changes=False))
    assert max(days["2026-10-10"], days["2026-10-11"]) * 3 < min(days["2026-10-07"], days["2026-10-08"])
    hours = Counter(
        int(e.record["createdDateTime"][11:13]) for e in only("non_interactive", scenarios="none", changes=False)
        if e.record["location"]["countryOrRegion"] == "DE"
    )  # fmt: skip
    assert hours[9] > 5 * hours[1]


def test_interrupts_and_success_share_a_correlation_and_not_an_id() -> None:
    attempts: dict[str, list[int]] = defaultdict(list)
    for e in only("interactive", scenarios="none", changes=False):
        attempts[e.record["correlationId"]].append(e.record["status"]["errorCode"])
    chains = [codes for codes in attempts.values() if len(codes) > 1]
    assert [50074, 50140, 0] in chains
    assert all(codes[-1] in {0, 53003, 50126, 50053} for codes in chains)


def test_wrong_passwords_carry_no_authentication_details() -> None:
    failed = [e.record for e in only("interactive") if e.record["status"]["errorCode"] in {50126, 50053}]
    assert len(failed) > 10
    assert all(record["authenticationDetails"] == [] for record in failed)


def test_guests_come_from_another_tenant() -> None:
    guests = [e.record for e in only("interactive", scenarios="none") if e.record["userType"] == "guest"]
    assert guests
    for record in guests:
        assert record["resourceTenantId"] == TenantOptions(seed=4, users=40).tenant_id
        assert record["homeTenantId"] != record["resourceTenantId"]
        assert record["crossTenantAccessType"] == "b2bCollaboration"


def test_programs_have_credentials_and_no_person() -> None:
    kinds = {e.record["clientCredentialType"] for e in only("service_principal")}
    assert kinds >= {"clientSecret", "certificate"}
    assert all(e.record["ipAddress"] and not e.record["userPrincipalName"] for e in only("service_principal"))
    assert all(e.record["ipAddress"] == "" and e.record["azureResourceId"] for e in only("managed_identity"))


def test_changes_by_programs_have_no_address_and_pim_writes_roles() -> None:
    audits = [e.record for e in only("directory_audits", scenarios="none")]
    by_program = [record for record in audits if record["initiatedBy"]["app"]]
    assert all(record["initiatedBy"]["user"] is None for record in by_program)
    programs = {record["initiatedBy"]["app"]["displayName"] for record in by_program}
    assert {"MS-PIM", "Device Registration Service"} <= programs
    written = [p["newValue"] for record in audits for t in record["targetResources"] for p in t["modifiedProperties"]]
    assert any(value and value.startswith('["') for value in written)
    assert '"Global Administrator"' in written


# --- what is refused ---


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"users": 1}, "users: 1"),
        ({"start": datetime(2026, 10, 5)}, "time zone"),  # noqa: DTZ001 - the fault under test
        ({"end": MONDAY}, "not after start"),
        ({"scenarios": ("brute-farce",)}, "brute-farce"),
        ({"scenarios": ("account-hijacking",), "end": MONDAY + 2 * DAY}, "needs 9 days"),
    ],
)
def test_options_that_make_no_sense_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TenantOptions(**{"start": MONDAY, "end": MONDAY + 14 * DAY, **changes})


@pytest.mark.parametrize(
    ("chosen", "told"), [("none", set()), (("guest-invited",), {"guest-invited"}), ("guest-invited", {"guest-invited"})]
)
def test_only_the_chosen_stories_are_told(chosen: Any, told: set[str]) -> None:
    records = weeks(scenarios=chosen, users=3)
    assert {e.label.scenario for e in records if e.label is not None} == told


def test_all_in_a_short_range_are_those_that_fit() -> None:
    options = TenantOptions(users=2, start=MONDAY, end=MONDAY + DAY)
    told = {e.label.scenario for e in generate(options) if e.label is not None}
    assert "brute-force" in told
    assert "account-hijacking" not in told
