"""Sign-ins: outcomes, addresses, places, users, and what must not be mistaken."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from tests.normalize.typed import misfits

from entrawatch.errors import ConfigError
from entrawatch.jsontext import dumps
from entrawatch.normalize import convert, known, normalize, plan, signin
from entrawatch.schema.outcomes import OUTCOMES, read_outcomes
from entrawatch.schema.streams import STREAMS


def sign_in(**more: Any) -> dict[str, Any]:
    return {
        "id": "s",
        "createdDateTime": "2026-11-24T08:00:00Z",
        "appId": "a",
        "appDisplayName": "App",
        "userId": "u",
        "userPrincipalName": "ann@contoso.example",
        "userDisplayName": "Ann",
        "ipAddress": "198.51.100.7",
        "status": {"errorCode": 0, "failureReason": "Other.", "additionalDetails": None},
        "location": {
            "city": "Oslo",
            "state": "Oslo",
            "countryOrRegion": "NO",
            "geoCoordinates": {"altitude": None, "latitude": 59.9, "longitude": 10.7},
        },
        **more,
    }


def event_of(stream: str = "interactive", /, **more: Any) -> dict[str, Any]:
    event = normalize(sign_in(**more), STREAMS[stream])
    assert misfits(event, ("signin", "common")) == []
    return event


def props(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = event["azure"]["signinlogs"]["properties"]
    return found


# --- outcomes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "outcome", "verified"),
    [
        (0, "success", True),
        (50126, "failure", False),
        (50053, "failure", False),
        (50057, "failure", True),
        (53003, "failure", True),
        (50076, "unknown", True),
        (50074, "unknown", True),
        (50140, "unknown", False),
        (50055, "unknown", True),
        (65001, "unknown", False),
        (70043, "unknown", False),
        (500121, "failure", False),
        ("50126", "failure", False),
        ("50140", "unknown", False),
        ("0", "success", True),
    ],
)
def test_an_interrupt_is_neither_success_nor_failure(code: Any, outcome: str, verified: bool) -> None:
    event = event_of(status={"errorCode": code})
    assert event["event"]["outcome"] == outcome
    assert event["event"]["code"] == event["azure"]["signinlogs"]["result_type"] == str(code)
    assert event["entra"]["password_verified"] is verified
    assert props(event)["status"]["error_code"] == int(code)


@pytest.mark.parametrize("status", [None, {}, {"errorCode": None}, {"errorCode": "x"}, "x"])
def test_no_code_is_no_outcome(status: Any) -> None:
    event = event_of(status=status)
    assert event["event"]["outcome"] == "unknown"
    assert "password_verified" not in event["entra"]


def test_a_service_principal_has_no_password() -> None:
    assert "password_verified" not in event_of("service_principal")["entra"]


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        ({"errorCode": 0, "failureReason": "Other.", "additionalDetails": None}, "Other.", None),
        ({"errorCode": 1, "failureReason": "Bad."}, "Bad.", "Bad."),
        ({"errorCode": 1, "failureReason": "Bad.", "additionalDetails": "MFA"}, "Bad. (MFA)", "Bad."),
        ({"errorCode": 0, "additionalDetails": "MFA"}, "MFA", None),
        ({"errorCode": 0, "failureReason": ""}, None, None),
    ],
)
def test_the_message_is_made_of_both_texts_and_success_has_no_reason(status: Any, message: Any, reason: Any) -> None:
    event = event_of(status=status)
    assert event.get("message") == message
    assert event["event"].get("reason") == reason


def test_a_person_may_say_what_a_code_means() -> None:
    text = "code\tkind\tpassword\tmeaning\n50126\tinterrupt\tyes\tours\n50140\tfailure\t\tours\n"
    table = read_outcomes(text)
    outcome = {
        code: normalize(sign_in(status={"errorCode": code}), outcomes=table)["event"]["outcome"]
        for code in (50126, 50140)
    }
    assert outcome == {50126: "unknown", 50140: "failure"}
    assert normalize(sign_in(status={"errorCode": 50140}))["event"]["outcome"] == OUTCOMES.of(50140) == "unknown"


def test_all_faults_of_an_outcome_table_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        read_outcomes("code\tkind\nx\tfailure\n1\tmaybe\n2\tfailure\tno\n", "mine.tsv")
    assert [fault.split(": ")[0] for fault in told.value.faults] == [f"mine.tsv:{n}" for n in (1, 2, 3, 4)]


# --- where from -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("198.51.100.7", {"address": "198.51.100.7", "ip": "198.51.100.7"}),
        ("2001:db8::1", {"address": "2001:db8::1", "ip": "2001:db8::1"}),
        ("198.51.100.7:443", {"address": "198.51.100.7:443", "ip": "198.51.100.7", "port": 443}),
        ("[2001:db8::1]:443", {"address": "[2001:db8::1]:443", "ip": "2001:db8::1", "port": 443}),
        ("::2a02:cf40:zz", {"address": "::2a02:cf40:zz"}),
        ("123.456.7.89", {"address": "123.456.7.89"}),
        ("fe80::1%eth0", {"address": "fe80::1%eth0"}),
        ("<null>", {"address": "<null>"}),
        ("", {}),
        (None, {}),
        (7, {}),
    ],
)
def test_an_address_is_kept_as_given_and_where_it_is_one_as_an_address(address: Any, source: Any) -> None:
    event = event_of(ipAddress=address, location=None)
    assert event.get("source", {}) == source
    assert event.get("client", {}).get("ip") == source.get("ip")
    assert event.get("related", {}).get("ip", [None])[0] == source.get("ip")


@pytest.mark.parametrize(
    ("location", "geo"),
    [
        ({"city": "Oslo", "countryOrRegion": "NO"}, {"city_name": "Oslo", "country_iso_code": "NO"}),
        ({"city": "", "state": None, "countryOrRegion": ""}, None),
        ({"geoCoordinates": {"latitude": 0, "longitude": 0}}, None),
        ({"geoCoordinates": {"latitude": 0.0, "longitude": 5}}, {"location": {"lat": 0.0, "lon": 5}}),
        ({"geoCoordinates": {"latitude": "59.9", "longitude": "10.7"}}, {"location": {"lat": 59.9, "lon": 10.7}}),
        ({"geoCoordinates": {"latitude": 91, "longitude": 0}}, None),
        ({"geoCoordinates": {}}, None),
        ({"city": ["x"], "state": {"a": 1}}, None),
        ('{"city": "Oslo"}', {"city_name": "Oslo"}),
        ("NO", None),
        (None, None),
    ],
)
def test_a_place_is_where_the_record_knows_one(location: Any, geo: Any) -> None:
    event = event_of(location=location)
    assert event.get("geo") == geo
    assert event["source"].get("geo") == geo


def test_what_of_a_location_has_no_place_survives() -> None:
    where = {"city": "Oslo", "zip": "0150", "geoCoordinates": {"altitude": 12.5, "latitude": 1, "longitude": 1}, "a": 1}
    assert props(event_of(location=where))["location"] == {"zip": "0150", "a": 1, "geo_coordinates": {"altitude": 12.5}}


# --- who --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "user"),
    [
        ("ann@contoso.example", {"name": "ann", "domain": "contoso.example", "email": "ann@contoso.example"}),
        (
            "a@b_c.com#EXT#@x.example",
            {"name": "a@b_c.com#EXT#", "domain": "x.example", "email": "a@b_c.com#EXT#@x.example"},
        ),
        ("ann", {"name": "ann"}),
        ("@x", {"name": "@x"}),
        ("", {}),
        (None, {}),
    ],
)
def test_the_principal_name_is_taken_apart_at_its_last_at(name: Any, user: Any) -> None:
    event = event_of(userPrincipalName=name)
    assert {key: value for key, value in event["user"].items() if key not in ("id", "full_name")} == user


def test_the_stream_is_stamped_where_the_record_does_not_say_it() -> None:
    assert props(event_of("interactive_v1"))["sign_in_event_types"] == ["interactiveUser"]
    assert props(event_of("non_interactive"))["sign_in_event_types"] == ["nonInteractiveUser"]
    assert props(event_of(signInEventTypes=["custom"]))["sign_in_event_types"] == ["custom"]


def test_the_stream_of_one_record_does_not_stick_to_the_next() -> None:
    streams = ["interactive", "service_principal", "interactive"]
    events = [normalize(sign_in(), STREAMS[name], tenant_id=f"t-{name}") for name in streams]
    assert [event["entra"]["stream"] for event in events] == streams
    assert [event["azure"]["tenant_id"] for event in events] == [f"t-{name}" for name in streams]


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["hidden", "none", "high"])
def test_a_hidden_risk_level_stays_hidden(level: str) -> None:
    assert props(event_of(riskLevelAggregated=level))["risk_level_aggregated"] == level


@pytest.mark.parametrize(
    ("key", "value", "name", "expected"),
    [
        ("riskEventTypes_v2", [], "risk_event_types_v2", []),
        ("riskEventTypes_v2", ["a", None], "risk_event_types_v2", ["a"]),
        ("riskEventTypes_v2", '["a"]', "risk_event_types_v2", ["a"]),
        ("authenticationMethodsUsed", "", "authentication_methods_used", None),
        ("authenticationMethodsUsed", "SMS", "authentication_methods_used", ["SMS"]),
        ("tokenIssuerName", "", "token_issuer_name", ""),
        ("tokenIssuerName", None, "token_issuer_name", None),
        ("mfaDetail", {}, "mfa_detail", {}),
        ("mfaDetail", "", "mfa_detail", None),
        ("isInteractive", "True", "is_interactive", True),
        ("isInteractive", "", "is_interactive", None),
        ("autonomousSystemNumber", "64500", "autonomous_system_number", 64500),
        ("processingTimeInMilliseconds", "239", "processing_time_ms", 239.0),
        ("conditionalAccessAudiences", ["a"], "conditional_access_audiences", [{"application_id": "a"}]),
        (
            "conditionalAccessAudiences",
            [{"applicationId": "a"}],
            "conditional_access_audiences",
            [{"application_id": "a"}],
        ),
        ("conditionalAccessAudiences", [], "conditional_access_audiences", []),
        (
            "authenticationProcessingDetails",
            [{"key": "A.b", "value": "1"}, {"key": "C", "value": None}],
            "authentication_processing_details",
            {"A.b": "1"},
        ),
        (
            "authenticationProcessingDetails",
            [{"key": "A", "value": "1"}, {"key": "A", "value": "2"}],
            "authentication_processing_details",
            {"A": ["1", "2"]},
        ),
        ("authenticationDetails", '[{"stepX": 1, "no": null}]', "authentication_details", [{"step_x": 1}]),
        ("brandNew", {"innerKey": [{"deepKey": None}, 2]}, "brand_new", {"inner_key": [{}, 2]}),
        ("brand.New", 1, "brand_new", 1),
        ("createdDateTime", "2026-11-24T08:00:00.1234567+00:00", "created_at", "2026-11-24T08:00:00.1234567Z"),
    ],
)
def test_a_value_takes_its_fields_form(key: str, value: Any, name: str, expected: Any) -> None:
    assert props(event_of(**{key: value})).get(name) == expected


@pytest.mark.parametrize(
    ("more", "unfit"),
    [
        ({"autonomousSystemNumber": "AS1"}, {"autonomousSystemNumber": "AS1"}),
        ({"isInteractive": "perhaps"}, {"isInteractive": "perhaps"}),
        ({"createdDateTime": "yesterday"}, {"createdDateTime": "yesterday"}),
        ({"appId": {"a": 1}}, {"appId": '{"a":1}'}),
        ({"status": {"errorCode": "x"}}, {"status.errorCode": "x"}),
        ({"globalSecureAccessIpAddress": "nowhere"}, {"globalSecureAccessIpAddress": "nowhere"}),
        ({"authenticationDetails": [1]}, {"authenticationDetails": "[1]"}),
        ({"created_at": "2026-11-24T09:00:00Z"}, {"created_at": "2026-11-24T09:00:00Z"}),
        ({"app_id": "b"}, {"app_id": "b"}),
        ({"newKey": 1, "new_key": 2}, {"new_key": "2"}),
        ({"status": {"errorCode": 0, "error_code": 5}}, {"status.error_code": "5"}),
        ({"autonomousSystemNumber": True}, {"autonomousSystemNumber": "true"}),
        ({"autonomousSystemNumber": 2**63}, {"autonomousSystemNumber": str(2**63)}),
        ({"deviceDetail": [1], "agent": "x"}, {"deviceDetail": "[1]", "agent": "x"}),
    ],
)
def test_a_value_that_does_not_fit_is_kept_beside_the_fields(more: dict[str, Any], unfit: dict[str, str]) -> None:
    assert event_of(**more)["entra"]["unfit"] == unfit


@pytest.mark.parametrize(
    ("times", "timestamp", "missing"),
    [
        ({}, "2026-11-24T08:00:00.000Z", None),
        ({"createdDateTime": "2026-11-24T08:00:00.1234567Z"}, "2026-11-24T08:00:00.123Z", None),
        ({"createdDateTime": "bad"}, "1970-01-01T00:00:00.000Z", True),
        ({"createdDateTime": None}, "1970-01-01T00:00:00.000Z", True),
        ({"createdDateTime": 5}, "1970-01-01T00:00:00.000Z", True),
    ],
)
def test_an_event_without_a_time_goes_out_marked(times: Any, timestamp: str, missing: Any) -> None:
    event = event_of(**times)
    assert event["@timestamp"] == timestamp
    assert event["entra"].get("time_missing") is missing


def test_an_event_without_an_identifier_gets_a_lasting_one() -> None:
    first, second = event_of(id=None), event_of(id="")
    assert first["event"]["id"] == event_of(id=None)["event"]["id"]
    assert first["event"]["id"].startswith("sha256:")
    assert first["event"]["id"] != second["event"]["id"]


def test_true_and_one_are_told_apart_after_any_other_record() -> None:
    """Remembered by content, 1, 1.0 and True would be one."""
    device: Any
    seen = []
    for device in ({"isManaged": True}, {"isManaged": 1}, {"isManaged": 1.0}, {"isManaged": True}):
        seen.append(
            (props(event_of(deviceDetail=device))["device_detail"], event_of(deviceDetail=device)["entra"].get("unfit"))
        )
    odd = [({}, {"deviceDetail.isManaged": text}) for text in ("1", "1.0")]
    assert seen == [({"is_managed": True}, None), *odd, ({"is_managed": True}, None)]


def test_two_keys_for_one_name_are_settled_for_the_one_graph_has() -> None:
    event = event_of(created_at="2026-11-24T09:00:00Z", app_id="b")
    assert (props(event)["created_at"], props(event)["app_id"]) == ("2026-11-24T08:00:00Z", "a")
    other = normalize({"id": "s", "app_id": "b", "created_at": "11/24/2026 9:00:00 AM"}, STREAMS["interactive"])
    assert (props(other)["app_id"], other["@timestamp"]) == ("b", "2026-11-24T09:00:00.000Z")


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_COMBINATIONS", 8)
    monkeypatch.setattr(convert, "_PLANS", 4)
    monkeypatch.setattr(known, "_LIMIT", 8)
    for number in range(50):
        assert props(event_of(agent={"agentType": f"t{number}"}))["agent"] == {"agent_type": f"t{number}"}
        policies = [{"id": f"p{number}"}]
        found = props(event_of(appliedConditionalAccessPolicies=policies))["applied_conditional_access_policies"]
        assert found == policies
        assert props(event_of(**{f"key{number}": 1}))[f"key{number}"] == 1
    plans = signin._CONVERT._plans
    assert len(plans) <= 4
    assert all(len(kept._order.combinations) <= 8 for kept in plans.values())


def test_what_does_not_fit_is_said_of_every_sign_in_that_has_it() -> None:
    for _ in range(3):
        event = event_of(status={"errorCode": "odd"}, agent={"agentType": ["a"]})
        assert event["entra"]["unfit"] == {"status.errorCode": "odd", "agent.agentType": '["a"]'}


def test_what_was_read_before_changes_nothing() -> None:
    """Keys are sorted by what they held so far; each order of the same records gives the same events."""
    values = (None, "x", "", True, 7, 1.5, [], {}, ["a"], [{"fooBar": None}], {"agentType": "t"}, "\ud800", ["\ud800"])
    keys = ("agent", "userType", "isInteractive", "appliedConditionalAccessPolicies", "riskEventTypes_v2", "newKey")
    records = [sign_in(**{"newKey": "n", key: value}) for key in keys for value in values]
    order = [*range(len(records))]
    seen = []
    for _ in range(6):
        signin._CONVERT._plans.clear()
        signin._CONVERT._last = plan.Plan([], (), (), "")
        events = {at: dumps(normalize(records[at])) for at in order}
        seen.append([events[at] for at in range(len(records))])
        random.Random(len(seen)).shuffle(order)
    assert all(events == seen[0] for events in seen)


def test_the_original_is_kept_on_request() -> None:
    record = sign_in()
    assert "original" not in normalize(record)["event"]
    assert json.loads(normalize(record, preserve_original=True)["event"]["original"]) == record
