"""The log paths: what is shown, in which order, how it filters, and how the pages go on."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.conftest import AUDITS, NOW, RISKS, SIGN_INS, audit, iso, sign_in

from entrawatch.emulator.records import Emitted
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import MovedClock

HOUR = 3600.0


def risk(number: int, updated: float, detected: float, **more: Any) -> Emitted:
    record = {"id": f"risk-{number}", "lastUpdatedDateTime": iso(updated), "detectedDateTime": iso(detected), **more}
    return Emitted("risk_detections", record, NOW - timedelta(seconds=updated))


def provisioning(number: int, ago: float, **more: Any) -> Emitted:
    record = {"id": f"p-{number}", "activityDateTime": iso(ago), **more}
    return Emitted("provisioning", record, NOW - timedelta(seconds=ago))


RECORDS = [
    sign_in("interactive", 1, 60, userPrincipalName="ann@contoso.example", status={"errorCode": 0}),
    sign_in("interactive", 2, 120, userPrincipalName="bob@contoso.example", status={"errorCode": 50126}),
    sign_in("interactive", 3, 180, userPrincipalName="o'hara@contoso.example", status={"errorCode": 0}),
    sign_in("non_interactive", 1, 60),
    sign_in("service_principal", 1, 60),
    sign_in("managed_identity", 1, 60),
    audit(1, 60, activityDisplayName="Add user", targetResources=[{"id": "t-1"}, {"id": "t-2"}]),
    audit(2, 120, activityDisplayName="Add member to role", initiatedBy={"user": {"userPrincipalName": "ann@x"}}),
    risk(1, 60, 600, riskLevel="high"),
    risk(2, 120, 60, riskLevel="low"),
    provisioning(1, 60, jobId="Scim.ABC"),
    provisioning(2, 120, jobId="Scim.DEF"),
]
ONE, TWO, THREE = "interactive-1", "interactive-2", "interactive-3"
PROVISIONING = "/v1.0/auditLogs/provisioning"

FILTERS = [
    (SIGN_INS, "", [ONE, TWO, THREE]),
    (SIGN_INS, f"createdDateTime ge {iso(120)}", [ONE, TWO]),
    (SIGN_INS, f"createdDateTime le {iso(120)}", [TWO, THREE]),
    (SIGN_INS, f"createdDateTime ge {iso(120)} and createdDateTime le {iso(120)}", [TWO]),
    (SIGN_INS, f"createdDateTime eq {iso(120)}", [TWO]),
    (SIGN_INS, f"createdDateTime gt {iso(120)}", [ONE]),
    (SIGN_INS, f"createdDateTime ge {(NOW - timedelta(seconds=120)).isoformat()}", [ONE, TWO]),
    (SIGN_INS, "createdDateTime ge 2026-03-10", [ONE, TWO, THREE]),
    (SIGN_INS, "createdDateTime ge 2026-03-11", []),
    (SIGN_INS, "signInEventTypes/any(t: t eq 'interactiveUser')", [ONE, TWO, THREE]),
    (SIGN_INS, "signInEventTypes/any(t: t eq 'nonInteractiveUser')", ["non_interactive-1"]),
    (SIGN_INS, "signInEventTypes/any(x:x eq 'servicePrincipal')", ["service_principal-1"]),
    (SIGN_INS, "signInEventTypes/any(t: t eq 'managedIdentity') and createdDateTime ge 2026-03-11", []),
    (SIGN_INS, "signInEventTypes/any(t: t eq 'interactiveUser' or t eq 'noninteractiveUser')",
     ["non_interactive-1", ONE, TWO, THREE]),
    (SIGN_INS, "userPrincipalName eq 'ANN@contoso.example'", [ONE]),
    (SIGN_INS, "userPrincipalName eq 'o''hara@contoso.example'", [THREE]),
    (SIGN_INS, "startswith(userPrincipalName, 'B')", [TWO]),
    (SIGN_INS, "status/errorCode eq 50126", [TWO]),
    (SIGN_INS, "(status/errorCode eq 0 and startsWith(userPrincipalName,'ann')) or id eq 'interactive-2'", [ONE, TWO]),
    (SIGN_INS, "status/errorCode eq 0 and (id eq 'interactive-2' or id eq 'interactive-3')", [THREE]),
    (AUDITS, f"activityDateTime ge {iso(60)}", ["Directory_1"]),
    (AUDITS, "activityDisplayName eq 'add user'", ["Directory_1"]),
    (AUDITS, "startswith(initiatedBy/user/userPrincipalName, 'ann')", ["Directory_2"]),
    (AUDITS, "targetResources/any(t: t/id eq 't-2')", ["Directory_1"]),
    (PROVISIONING, f"activityDateTime gt {iso(120)}", ["p-1"]),
    (PROVISIONING, f"activityDateTime lt {iso(60)}", ["p-2"]),
    (PROVISIONING, "contains(jobId, 'ABC')", ["p-1"]),
    (PROVISIONING, "contains(jobId, 'abc')", []),
    (RISKS, f"lastUpdatedDateTime ge {iso(60)}", ["risk-1"]),
    # microsoft-graph-docs issue 13750: gt gives equals
    (RISKS, f"lastUpdatedDateTime gt {iso(60)}", ["risk-1"]),
    (RISKS, f"detectedDateTime gt {iso(300)}", ["risk-2"]),
    (RISKS, f"lastUpdatedDateTime lt {iso(60)} and riskLevel eq 'low'", ["risk-2"]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "text", "ids"), FILTERS, ids=[f"{p[-12:]} {t}" for p, t, _ in FILTERS])
def test_a_filter_chooses(emulate: Callable[..., Any], path: str, text: str, ids: list[str]) -> None:
    with emulate(RECORDS) as client:
        assert sorted(client.ids(path, filter=text)) == sorted(ids)


BAD = "Invalid filter clause"
UNKNOWN = BAD + ": Could not find a property named '{}' on type 'microsoft.graph.{}'."
SIZE = "Invalid page size specified: '{}'. Must be between 1 and {} inclusive."
REFUSED = [
    ("quoted time", SIGN_INS, {"filter": "createdDateTime ge '2026-03-10T00:00:00Z'"}, BAD),
    ("time without a zone", SIGN_INS, {"filter": "createdDateTime ge 2026-03-10T00:00:00"}, BAD),
    ("a plus that became a space", SIGN_INS, {"filter": "createdDateTime ge 2026-03-10T00:00:00 00:00"}, BAD),
    ("an impossible day", SIGN_INS, {"filter": "createdDateTime ge 2026-02-30T00:00:00Z"}, BAD),
    ("beyond retention", SIGN_INS, {"filter": "createdDateTime ge 2025-12-09T00:00:00Z"}, BAD),
    ("beyond retention, audits", AUDITS, {"filter": "activityDateTime ge 2018-01-24"}, BAD),
    ("ge on provisioning", PROVISIONING, {"filter": "activityDateTime ge 2026-03-10"}, BAD),
    ("gt on audits", AUDITS, {"filter": "activityDateTime gt 2026-03-10"}, BAD),
    ("startswith on a plain eq", SIGN_INS, {"filter": "startswith(userId, 'a')"}, BAD),
    ("users and programs", SIGN_INS,
     {"filter": "signInEventTypes/any(t: t eq 'interactiveUser' or t eq 'servicePrincipal')"}, BAD),
    ("another variable", SIGN_INS, {"filter": "signInEventTypes/any(t: x eq 'interactiveUser')"}, BAD),
    ("half a filter", SIGN_INS, {"filter": "createdDateTime ge"}, BAD),
    ("left open", SIGN_INS, {"filter": "(id eq 'a'"}, BAD),
    ("too much", SIGN_INS, {"filter": "id eq 'a')"}, BAD),
    ("no operator", SIGN_INS, {"filter": "id 'a'"}, BAD),
    ("unsupported operator", SIGN_INS, {"filter": "id ne 'a'"}, BAD),
    ("unknown property", SIGN_INS, {"filter": "IsRisky eq true"}, UNKNOWN.format("IsRisky", "signIn")),
    ("beta property on v1.0", "/v1.0/auditLogs/signIns",
     {"filter": "signInEventTypes/any(t: t eq 'nonInteractiveUser')"}, UNKNOWN.format("signInEventTypes", "signIn")),
    ("page of 1001", SIGN_INS, {"top": "1001"}, SIZE.format(1001, 1000)),
    ("page of 0", AUDITS, {"top": "0"}, SIZE.format(0, 1000)),
    ("page of 1000 of risks", RISKS, {"top": "1000"}, SIZE.format(1000, 500)),
    ("page of words", SIGN_INS, {"top": "ten"}, SIZE.format("ten", 1000)),
    ("order by another", SIGN_INS, {"orderby": "id"}, "Invalid orderby clause"),
    ("order of risks", RISKS, {"orderby": "detectedDateTime"}, "Query option 'Orderby' is not allowed"),
    ("skip", SIGN_INS, {"skip": "10"}, "Query option 'Skip' is not allowed"),
    ("count", SIGN_INS, {"count": "true"}, "Query option 'Count' is not allowed"),
    ("unknown token", SIGN_INS, {"skiptoken": "abc"}, "Token not found: token is either invalid or expired"),
    ("empty token", SIGN_INS, {"skiptoken": ""}, "Invalid Skip Token, skip token is null"),
    ("unknown path", "/beta/auditLogs/nonsense", {}, "Resource not found for the segment 'auditLogs'."),
]  # fmt: skip


@pytest.mark.parametrize(("path", "options", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refuses_as_graph_does(emulate: Callable[..., Any], path: str, options: dict[str, str], message: str) -> None:
    with emulate(RECORDS) as client:
        answer = client.get(path, headers={"client-request-id": "my-own"}, **options)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["code"] in {"BadRequest", "UnknownError"}
    assert error["message"].startswith(message)
    assert error["message"] == message or not message.startswith(BAD)
    assert set(error["innerError"]) == {"date", "request-id", "client-request-id"}
    assert error["innerError"]["client-request-id"] == "my-own"
    assert error["innerError"]["date"] == "2026-03-10T12:00:00"
    assert answer.headers["request-id"] == error["innerError"]["request-id"]


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_every_stream_of_the_table_can_be_read_as_the_table_says(emulate: Callable[..., Any], name: str) -> None:
    stream = STREAMS[name]
    time = f"{stream.time_field} {'ge' if stream.inclusive else 'gt'} {iso(HOUR)}"
    options = {"filter": " and ".join(filter(None, [time, stream.filter])), "top": str(stream.page_size)}
    if stream.order:
        options["orderby"] = stream.time_field
    records = [Emitted(other, {"id": other, STREAMS[other].time_field: iso(60)}, NOW) for other in STREAMS]
    with emulate(records) as client:
        found = client.ids(f"/{stream.version}{stream.path}", **options)
    assert found == [name] if stream.sign_in_type != "interactiveUser" else name in found


def test_newest_first_or_as_ordered(emulate: Callable[..., Any]) -> None:
    with emulate([audit(number, ago) for number, ago in enumerate((30, 10, 20))]) as client:
        assert client.ids(AUDITS) == ["Directory_1", "Directory_2", "Directory_0"]
        assert client.ids(AUDITS, top="2") == ["Directory_1", "Directory_2", "Directory_0"]
        assert client.ids(AUDITS, top="2", orderby="activityDateTime") == ["Directory_0", "Directory_2", "Directory_1"]
        assert client.ids(AUDITS, orderby="activityDateTime desc") == client.ids(AUDITS)


@pytest.mark.parametrize(("path", "default"), [(AUDITS, 1000), (RISKS, 20)])
def test_the_default_page_is_the_documented_one(emulate: Callable[..., Any], path: str, default: int) -> None:
    records = [audit(n, n) for n in range(1001)] + [risk(n, n, n) for n in range(21)]
    with emulate(records) as client:
        assert [len(page) for page in client.walk(path)] == [default, 1]


def test_pages_of_equal_times_are_complete(emulate: Callable[..., Any]) -> None:
    with emulate([audit(number, 60) for number in range(25)]) as client:
        found = client.ids(AUDITS, top="4")
    assert len(found) == len(set(found)) == 25


def test_no_link_after_a_last_page_that_is_full(emulate: Callable[..., Any]) -> None:
    with emulate([audit(number, number) for number in range(10)]) as client:
        assert [len(page) for page in client.walk(AUDITS, top="5")] == [5, 5]


def test_the_head_of_a_page(emulate: Callable[..., Any]) -> None:
    with emulate([audit(1, 60), audit(2, 70)]) as client:
        page = client.get(AUDITS, top="1", filter="activityDateTime ge 2026-03-10").json()
        chosen = client.get(AUDITS, select="id").json()
    base = client.emulator.url
    assert page["@odata.context"] == f"{base}/v1.0/$metadata#auditLogs/directoryAudits"
    assert page["@odata.nextLink"].startswith(
        f"{base}{AUDITS}?$top=1&$filter=activityDateTime%20ge%202026-03-10&$skiptoken="
    )
    assert page["@microsoft.graph.tips"].startswith("Use $select")
    assert "@microsoft.graph.tips" not in chosen
    assert chosen["value"] == [{"id": "Directory_1"}, {"id": "Directory_2"}]


def test_a_record_is_there_from_its_arrival_on(emulate: Callable[..., Any], clock: MovedClock) -> None:
    with emulate([audit(1, 60, arrives=NOW + timedelta(seconds=100))]) as client:
        assert client.ids(AUDITS) == []
        clock.passed = 99.9
        assert client.ids(AUDITS) == []
        clock.passed = 100
        assert client.ids(AUDITS) == ["Directory_1"]


def test_a_later_revision_takes_its_place(emulate: Callable[..., Any], clock: MovedClock) -> None:
    revisions = [audit(1, 60, NOW + timedelta(seconds=wait), result=f"r{wait}") for wait in (0, 200, 100)]
    with emulate(revisions) as client:
        for passed, result in ((0, "r0"), (99, "r0"), (100, "r100"), (199, "r100"), (200, "r200"), (3000, "r200")):
            clock.passed = passed
            assert [record["result"] for record in client.get(AUDITS).json()["value"]] == [result]


def test_of_two_revisions_that_arrive_at_once_the_last_holds(emulate: Callable[..., Any]) -> None:
    with emulate([audit(1, 60, result="first"), audit(1, 60, result="last")]) as client:
        assert [record["result"] for record in client.get(AUDITS).json()["value"]] == ["last"]


def test_equal_ids_of_two_streams_are_two_records(emulate: Callable[..., Any]) -> None:
    same = [sign_in(stream, 1, 60) for stream in ("interactive", "non_interactive")]
    for emitted in same:
        emitted.record["id"] = "same"
    with emulate(same) as client:
        assert client.ids(SIGN_INS) == ["same"]
        assert client.ids(SIGN_INS, filter="signInEventTypes/any(t: t eq 'nonInteractiveUser')") == ["same"]


def test_records_can_be_added_while_it_runs(emulate: Callable[..., Any]) -> None:
    with emulate([audit(1, 60, result="old"), audit(2, 50)]) as client:
        assert client.ids(AUDITS) == ["Directory_2", "Directory_1"]
        assert client.emulator.add([audit(3, 40), audit(1, 60, NOW, result="new")]) == 2
        assert client.ids(AUDITS) == ["Directory_3", "Directory_2", "Directory_1"]
        assert client.get(AUDITS).json()["value"][-1]["result"] == "new"


def test_late_arrivals_do_not_shift_a_walk(emulate: Callable[..., Any], clock: MovedClock) -> None:
    late = [audit(99, 0, arrives=NOW + timedelta(seconds=5)), audit(98, 3.5, arrives=NOW + timedelta(seconds=5))]
    with emulate([*(audit(number, number + 1) for number in range(4)), *late]) as client:
        pages = client.walk(AUDITS, top="2")
        first = next(pages)
        clock.passed = 10
        found = [record["id"] for page in (first, *pages) for record in page]
    assert found == ["Directory_0", "Directory_1", "Directory_2", "Directory_3"]


def test_or_they_do_where_it_is_asked_for(emulate: Callable[..., Any], clock: MovedClock) -> None:
    late = audit(99, 0, arrives=NOW + timedelta(seconds=5))
    with emulate([*(audit(number, number + 1) for number in range(4)), late], shifting=True) as client:
        pages = client.walk(AUDITS, top="2")
        first = next(pages)
        clock.passed = 10
        found = [record["id"] for page in (first, *pages) for record in page]
    assert found == ["Directory_0", "Directory_1", "Directory_1", "Directory_2", "Directory_3"]


def _followed(client: Any, link: str) -> str:
    answer = client.get(link)
    return "" if answer.status_code == 200 else f"{answer.status_code} {answer.json()['error']['message']}"


EXPIRED = "400 Token not found: token is either invalid or expired"


def test_skip_tokens_grow_old(emulate: Callable[..., Any], clock: MovedClock) -> None:
    with emulate([audit(1, 10), audit(2, 20)], skip_token_lifetime=60) as client:
        link = client.get(AUDITS, top="1").json()["@odata.nextLink"]
        found = []
        for passed in (0, 59, 61):
            clock.passed = passed
            found.append(_followed(client, link))
    assert found == ["", "", EXPIRED]


def test_skip_tokens_are_used_up(emulate: Callable[..., Any]) -> None:
    with emulate([audit(1, 10), audit(2, 20)], skip_token_uses=2) as client:
        link = client.get(AUDITS, top="1").json()["@odata.nextLink"]
        assert [_followed(client, link) for _ in range(3)] == ["", "", EXPIRED]


def test_v1_hides_what_only_beta_has(emulate: Callable[..., Any]) -> None:
    record = sign_in("interactive", 1, 60, authenticationProtocol="oAuth2", ipAddress="192.0.2.1", sessionId="s")
    with emulate([record, audit(1, 60, userAgent="x", result="success")]) as client:
        old, new = (client.get(f"/{version}/auditLogs/signIns").json()["value"] for version in ("v1.0", "beta"))
        audits = [
            client.get(f"/{version}/auditLogs/directoryAudits").json()["value"][0] for version in ("v1.0", "beta")
        ]
    assert set(old[0]) == {"id", "createdDateTime", "ipAddress"}
    assert new == [record.record]
    assert "userAgent" not in audits[0]
    assert audits[1]["userAgent"] == "x"


@pytest.mark.parametrize(
    ("roles", "shown"),
    [({"AuditLog.Read.All"}, False), ({"AuditLog.Read.All", "Policy.Read.All"}, True)],
)
def test_policies_are_left_out_without_the_permission(
    emulate: Callable[..., Any], roles: set[str], shown: bool
) -> None:
    with emulate(
        [sign_in("interactive", 1, 60, appliedConditionalAccessPolicies=[])], roles=frozenset(roles)
    ) as client:
        assert ("appliedConditionalAccessPolicies" in client.get(SIGN_INS).json()["value"][0]) is shown


def test_new_members_of_enumerations_only_for_those_who_ask(emulate: Callable[..., Any]) -> None:
    values = {"incomingTokenType": "refreshToken", "authenticationProtocol": "oAuth2"}
    with emulate([sign_in("interactive", 1, 60, **values)]) as client:
        plain = client.get(SIGN_INS).json()["value"][0]
        asked = client.get(SIGN_INS, headers={"Prefer": "include-unknown-enum-members"}).json()["value"][0]
    assert (plain["incomingTokenType"], plain["authenticationProtocol"]) == ("unknownFutureValue", "oAuth2")
    assert asked["incomingTokenType"] == "refreshToken"


@pytest.mark.parametrize(
    ("missing", "path", "code"),
    [
        ("AuditLog.Read.All", SIGN_INS, "Authentication_MSGraphPermissionMissing"),
        ("AuditLog.Read.All", AUDITS, "Authentication_MSGraphPermissionMissing"),
        ("IdentityRiskEvent.Read.All", RISKS, "Forbidden"),
    ],
)
def test_without_the_permission(emulate: Callable[..., Any], missing: str, path: str, code: str) -> None:
    from entrawatch.emulator.options import DEFAULT_ROLES

    with emulate(RECORDS, roles=DEFAULT_ROLES - {missing}) as client:
        answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, code)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (SIGN_INS, 403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant"),
        (RISKS, 403, "Forbidden"),
        (AUDITS, 200, ""),
    ],
)
def test_without_a_licence(emulate: Callable[..., Any], path: str, status: int, code: str) -> None:
    with emulate(RECORDS, licences=frozenset()) as client:
        answer = client.get(path)
    assert answer.status_code == status
    assert answer.json().get("error", {}).get("code", "") == code


def test_old_records_are_gone(emulate: Callable[..., Any]) -> None:
    day = 86400.0
    with emulate([audit(1, 8 * day), audit(2, 6 * day)], retention=timedelta(days=7)) as client:
        assert client.ids(AUDITS) == ["Directory_2"]
        assert client.get(AUDITS, filter=f"activityDateTime ge {iso(8 * day)}").status_code == 400
        assert client.ids(AUDITS, filter=f"activityDateTime ge {iso(7 * day)}") == ["Directory_2"]


def test_gzip_when_asked(emulate: Callable[..., Any]) -> None:
    with emulate([audit(number, number) for number in range(100)]) as client:
        packed = client.session.get(client.emulator.url + AUDITS, stream=True)
        plain = client.get(AUDITS, headers={"Accept-Encoding": "identity"})
        raw = packed.raw.read(decode_content=False)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert json.loads(gzip.decompress(raw))["value"] == plain.json()["value"]


def test_seven_digits_order_records(emulate: Callable[..., Any]) -> None:
    times = ["2026-03-10T11:00:00.0000002Z", "2026-03-10T11:00:00.0000010Z", "2026-03-10T11:00:00Z"]
    records = [Emitted("directory_audits", {"id": text, "activityDateTime": text}, NOW) for text in times]
    with emulate(records) as client:
        assert client.ids(AUDITS) == [times[1], times[0], times[2]]
        assert client.ids(AUDITS, filter=f"activityDateTime ge {times[0]}") == [times[1], times[0]]


def test_odd_records_are_kept_as_they_are(emulate: Callable[..., Any]) -> None:
    text = "\u2013 \U0001f600 \x00 \ud800"
    odd = [
        Emitted("directory_audits", {"id": "no time", "note": text}, NOW),
        Emitted("directory_audits", {"id": "bad time", "activityDateTime": "yesterday"}, NOW),
        Emitted("directory_audits", {"activityDateTime": iso(10)}, NOW),
    ]
    with emulate(odd) as client:
        found = client.get(AUDITS).json()["value"]
    assert len(found) == 3
    assert next(item for item in found if item.get("id") == "no time")["note"].startswith("\u2013 \U0001f600 \x00")


def test_the_log_of_requests_has_no_secret(emulate: Callable[..., Any]) -> None:
    with emulate(RECORDS) as client:
        client.get(AUDITS, top="1")
        log = list(client.emulator.requests)
    assert (log[-1].method, log[-1].path, log[-1].query, log[-1].status) == ("GET", AUDITS, {"$top": "1"}, 200)
    assert client.emulator.client_secret not in repr(log)
    assert base64.b64encode(client.emulator.client_secret.encode()).decode() not in repr(log)
