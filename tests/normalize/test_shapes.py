"""One record in every shape it can come in, and what cannot be told is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.normalize.test_audit import audit, change, target
from tests.normalize.test_signin import sign_in
from tests.normalize.typed import misfits

from entrawatch.errors import RecordError
from entrawatch.normalize import normalize
from entrawatch.normalize.envelope import wrap
from entrawatch.normalize.shapes import recognise
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from entrawatch.interfaces import Record

RISK = {
    "id": "r",
    "requestId": "q",
    "correlationId": "c",
    "riskEventType": "anonymizedIPAddress",
    "riskLevel": "high",
    "riskState": "atRisk",
    "riskDetail": "none",
    "ipAddress": "198.51.100.7",
    "activityDateTime": "2026-11-24T08:00:00Z",
    "detectedDateTime": "2026-11-24T08:05:00Z",
    "lastUpdatedDateTime": "2026-11-24T09:00:00Z",
    "userId": "u",
    "userPrincipalName": "ann@contoso.example",
    "userDisplayName": "Ann",
    "location": {"city": "Oslo"},
    "additionalInfo": '[{"Key":"userAgent","Value":"curl/8"},{"Key":"mitreTechniques","Value":"T1090.003,T1078"}]',
}
SP_RISK = {
    **{key: RISK[key] for key in ("id", "riskEventType", "riskLevel", "activityDateTime", "detectedDateTime")},
    "servicePrincipalId": "sp",
    "servicePrincipalDisplayName": "App",
    "keyIds": ["k"],
}
USER = {
    "id": "u",
    "riskLevel": "hidden",
    "riskState": "atRisk",
    "userPrincipalName": "ann@contoso.example",
    "isDeleted": False,
    "riskLastUpdatedDateTime": "2026-11-24T08:00:00.5Z",
    "userDisplayName": "Ann",
}
PRINCIPAL = {
    "id": "sp",
    "riskLevel": "low",
    "appId": "a",
    "displayName": "App",
    "isEnabled": True,
    "riskLastUpdatedDateTime": "2026-11-24T08:00:00Z",
    "servicePrincipalType": "Application",
}
PROVISIONING = {
    "id": "p",
    "activityDateTime": "2026-11-24T08:00:00Z",
    "tenantId": "t",
    "jobId": "j",
    "cycleId": "y",
    "changeId": "c",
    "provisioningAction": "create",
    "durationInMilliseconds": 1500,
    "initiatedBy": {"id": "", "displayName": "Sync", "initiatorType": "system"},
    "servicePrincipal": {"id": "sp", "displayName": "Dropbox"},
    "modifiedProperties": [],
    "provisioningStatusInfo": {"status": "failure", "errorInformation": {"errorCode": "Conflict", "reason": "Twice"}},
    "provisioningSteps": [{"name": "import", "details": {"objectId": "o"}, "status": "success"}],
    "sourceIdentity": {"id": "s", "displayName": "Ann", "identityType": "User", "details": {"odatatype": "User"}},
}
SIGN_IN = sign_in(correlationId="c", isInteractive=True, deviceDetail={"browser": "Edge 131.0", "trustType": "Joined"})
AUDIT = audit(target("Policy", change("ConditionalAccessPolicy", "{}", None)))
ALL = [
    ("interactive", SIGN_IN),
    ("directory_audits", AUDIT),
    ("provisioning", PROVISIONING),
    ("risk_detections", RISK),
    ("service_principal_risk_detections", SP_RISK),
    ("risky_users", USER),
    ("risky_service_principals", PRINCIPAL),
]
EACH = pytest.mark.parametrize(("stream", "record"), ALL, ids=[name for name, _ in ALL])

#: stream → its table, and the columns that differ from "the property with a capital letter"
COLUMNS: dict[str, tuple[str, dict[str, str]]] = {
    "interactive": ("SigninLogs", {"ipAddress": "IPAddress", "location": "LocationDetails"}),
    "directory_audits": ("AuditLogs", {"operationType": "AADOperationType"}),
    "provisioning": ("AADProvisioningLogs", {"tenantId": "AADTenantId", "durationInMilliseconds": "DurationMs"}),
    "risk_detections": ("AADUserRiskEvents", {}),
    "service_principal_risk_detections": ("AADServicePrincipalRiskEvents", {}),
    "risky_users": ("AADRiskyUsers", {}),
    "risky_service_principals": ("AADRiskyServicePrincipals", {}),
}


def row_of(stream: str, record: Record, *, as_text: bool) -> Record:
    table, columns = COLUMNS[stream]
    row: Record = {
        "TimeGenerated": "2026-11-24T10:00:00Z",
        "Type": table,
        "TenantId": "workspace",
        "_BilledSize": 1.0,
        "SourceSystem": "Azure AD",
        "Level": "4",
    }
    for key, value in record.items():
        text = json.dumps(value) if as_text and isinstance(value, (dict, list)) else value
        row[columns.get(key, key[:1].upper() + key[1:])] = text
    if stream == "interactive":
        row.update(
            ResultType=str(record["status"]["errorCode"]), Category="SignInLogs", OperationName="Sign-in activity"
        )
    return row


def essence(event: dict[str, Any]) -> dict[str, Any]:
    """The event without what only one shape tells: what stands around the resource."""
    out = {key: value for key, value in event.items() if key not in ("log", "azure", "message")}
    inner = {key: value for key, value in event["event"].items() if key not in ("duration", "action", "reason")}
    root = next(part for key, part in event["azure"].items() if isinstance(part, dict) and "properties" in part)
    return {**out, "event": inner, "properties": root["properties"]}


@EACH
def test_a_graph_record_is_recognised(stream: str, record: Record) -> None:
    assert recognise(record) == ("graph", STREAMS[stream])


@EACH
def test_what_wrap_makes_is_recognised_and_says_the_same(stream: str, record: Record) -> None:
    wrapped = wrap(record, STREAMS[stream], "t")
    assert recognise(wrapped) == ("envelope", STREAMS[stream])
    assert essence(normalize(wrapped)) == essence(normalize(record, STREAMS[stream], tenant_id="t"))
    assert wrapped["properties"] is record


@EACH
def test_properties_may_be_text(stream: str, record: Record) -> None:
    wrapped = wrap(record, STREAMS[stream], "t")
    assert normalize({**wrapped, "properties": json.dumps(record)}) == normalize(wrapped)


@EACH
@pytest.mark.parametrize("as_text", [False, True], ids=["dynamic", "text"])
def test_a_table_row_says_the_same(stream: str, record: Record, as_text: bool) -> None:
    row = row_of(stream, record, as_text=as_text)
    assert recognise(row) == ("table", STREAMS[stream])
    from_row, from_graph = normalize(row, tenant_id="t"), normalize(record, STREAMS[stream], tenant_id="t")
    assert misfits(from_row, (STREAMS[stream].family, "common")) == []
    assert essence(from_row) == essence(from_graph)


@EACH
def test_a_row_without_its_table_name_is_told_by_its_columns(stream: str, record: Record) -> None:
    row = row_of(stream, record, as_text=False)
    del row["Type"]
    assert recognise(row)[1] == STREAMS[stream]


@EACH
def test_an_event_of_ours_passes_through(stream: str, record: Record) -> None:
    event = normalize(record, STREAMS[stream], tenant_id="t")
    assert recognise(event) == ("event", STREAMS[stream])
    assert normalize(event) == event


def test_resource_id_is_the_diagnostic_settings_and_resource_identity_the_sign_ins() -> None:
    row = {
        **row_of("interactive", SIGN_IN, as_text=False),
        "ResourceId": "/tenants/t/providers/Microsoft.aadiam",
        "ResourceIdentity": "00000003",
    }
    azure = normalize(row)["azure"]
    assert azure["signinlogs"]["properties"]["resource_id"] == "00000003"
    assert azure["resource"] == {"id": "/tenants/t/providers/Microsoft.aadiam", "provider": "Microsoft.aadiam"}


@pytest.mark.parametrize(
    ("columns", "code", "reason"),
    [
        ({"ResultType": "50126", "ResultDescription": "Bad."}, 50126, "Bad."),
        ({"ResultType": "50126", "Status": '{"errorCode":50140,"failureReason":"Kept."}'}, 50140, "Kept."),
        ({"ResultType": "0", "Status": {}}, 0, None),
        ({}, None, None),
    ],
)
def test_the_result_of_a_row_stands_in_columns_or_in_status(columns: Record, code: Any, reason: Any) -> None:
    event = normalize({"TimeGenerated": "2026-11-24T08:00:00Z", "Type": "SigninLogs", "Id": "s", **columns})
    assert event["azure"]["signinlogs"]["properties"]["status"].get("error_code") == code
    assert event["event"].get("reason") == reason


@pytest.mark.parametrize(
    ("more", "stream"),
    [
        ({"signInEventTypes": ["nonInteractiveUser"]}, "non_interactive"),
        ({"signInEventTypes": ["servicePrincipal"]}, "service_principal"),
        ({"signInEventTypes": ["managedIdentity"]}, "managed_identity"),
        ({"signInEventTypes": '["nonInteractiveUser"]'}, "non_interactive"),
        ({"userId": "", "servicePrincipalId": "sp"}, "service_principal"),
        (
            {"userId": "", "servicePrincipalId": "sp", "managedServiceIdentity": {"msiType": "userAssigned"}},
            "managed_identity",
        ),
        ({"isInteractive": False}, "interactive"),
        ({}, "interactive"),
    ],
)
def test_the_kind_of_sign_in(more: Record, stream: str) -> None:
    assert recognise(sign_in(**more))[1].name == stream


@pytest.mark.parametrize(
    ("category", "stream"),
    [
        ("SignInLogs", "interactive"),
        ("NonInteractiveUserSignInLogs", "non_interactive"),
        ("ServicePrincipalSignInLogs", "service_principal"),
        ("ManagedIdentitySignInLogs", "managed_identity"),
        ("MicrosoftServicePrincipalSignInLogs", "service_principal"),
        ("ADFSSignInLogs", "interactive"),
        ("noninteractiveusersigninlogs", "non_interactive"),
        ("Unheard", "interactive"),
        (None, "interactive"),
    ],
)
def test_the_category_tells_the_stream(category: Any, stream: str) -> None:
    assert recognise({"category": category, "properties": sign_in()})[1].name == stream
    assert recognise({"Category": category, "properties": sign_in()})[1].name == stream


@pytest.mark.parametrize(
    "record",
    [
        None,
        1,
        "x",
        [],
        {},
        {"a": 1},
        {"properties": {}},
        {"properties": "text"},
        {"TimeGenerated": "x"},
        {"category": "AzureActivity", "properties": {"x": 1}},
        {"@timestamp": "2026-11-24T08:00:00Z"},
        {"@timestamp": "x", "event": {"id": "1"}, "entra": {"stream": "no such"}},
        {"createdDateTime": "2026-11-24T08:00:00Z"},
    ],
)
def test_what_tells_nothing_is_refused_in_one_line(record: Any) -> None:
    with pytest.raises(RecordError) as refused:
        recognise(record)
    assert refused.value.reason
    assert "\n" not in refused.value.reason


def test_the_callers_word_for_the_stream_counts() -> None:
    assert normalize({"id": "x"}, STREAMS["risky_users"])["entra"]["stream"] == "risky_users"


# --- what stands around the resource ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("around", "path", "value"),
    [
        ({"Level": 4}, "log.level", "4"),
        ({"level": "Informational"}, "log.level", "Informational"),
        ({"resultType": 50126}, "azure.signinlogs.result_type", "50126"),
        ({"identity": "Ann"}, "azure.signinlogs.identity", "Ann"),
        ({"callerIpAddress": "198.51.100.9"}, "azure.signinlogs.caller_ip_address", "198.51.100.9"),
        ({"durationMs": "3343"}, "event.duration", 3_343_000_000),
        ({"time": "8/22/2022 6:07:16 PM"}, "azure.signinlogs.time", "2022-08-22T18:07:16Z"),
        ({"resourceId": "/tenants/t/providers/Microsoft.aadiam"}, "azure.resource.provider", "Microsoft.aadiam"),
        ({"correlationId": "outer"}, "azure.correlation_id", "outer"),
        ({"tenantId": "t2"}, "azure.tenant_id", "t2"),
        ({"odd": {"innerKey": 1}}, "azure.signinlogs.odd.inner_key", 1),
    ],
)
def test_what_stands_around_the_resource_has_its_place(around: Record, path: str, value: Any) -> None:
    event: Any = normalize({"category": "SignInLogs", **around, "properties": sign_in()})
    for step in path.split("."):
        event = event[step]
    assert event == value


@pytest.mark.parametrize(
    ("details", "country"),
    [
        ({"city": "Oslo", "countryOrRegion": "NO"}, "NO"),
        ({"city": "Oslo"}, "SE"),
        ('{"countryOrRegion": "NO"}', "NO"),
        ("", "SE"),
        (None, "SE"),
    ],
)
def test_a_row_without_the_details_has_its_country_in_a_column(details: Any, country: str) -> None:
    row = {**row_of("interactive", SIGN_IN, as_text=False), "Location": "SE", "LocationDetails": details}
    envelope = {**wrap(SIGN_IN, STREAMS["interactive"], "t"), "location": "SE"}
    envelope["properties"] = {**SIGN_IN, "location": details}
    for record in (row, envelope):
        assert normalize(record)["source"]["geo"]["country_iso_code"] == country


def test_the_exports_time_is_the_last_resort() -> None:
    record = {"category": "SignInLogs", "time": "11/24/2026 9:00:00 AM", "properties": sign_in(createdDateTime="bad")}
    event = normalize(record)
    assert event["@timestamp"] == "2026-11-24T09:00:00.000Z"
    assert "time_missing" not in event["entra"]


def test_wrap_says_what_an_export_would() -> None:
    wrapped = wrap(sign_in(status={"errorCode": 50126, "failureReason": "Bad."}), STREAMS["non_interactive"], "t")
    del wrapped["properties"]
    assert wrapped == {
        "time": "2026-11-24T08:00:00Z",
        "resourceId": "/tenants/t/providers/Microsoft.aadiam",
        "operationName": "Sign-in activity",
        "operationVersion": "1.0",
        "category": "NonInteractiveUserSignInLogs",
        "tenantId": "t",
        "resultSignature": "None",
        "durationMs": 0,
        "callerIpAddress": "198.51.100.7",
        "identity": "Ann",
        "Level": 4,
        "location": "NO",
        "resultType": "50126",
        "resultDescription": "Bad.",
    }


@pytest.mark.parametrize("record", [{}, {"status": 1, "location": "x", "initiatedBy": [], "createdDateTime": 5}])
@pytest.mark.parametrize("stream", sorted(STREAMS))
def test_wrap_takes_any_record(record: Record, stream: str) -> None:
    assert wrap(record, STREAMS[stream], "")["properties"] is record


# --- risk and provisioning --------------------------------------------------------------------------------------------


def test_a_risk_detection_is_an_alert_at_the_time_of_the_activity() -> None:
    event = normalize(RISK)
    assert (event["@timestamp"], event["event"]["kind"]) == ("2026-11-24T08:00:00.000Z", "alert")
    assert event["event"]["created"] == "2026-11-24T08:05:00Z"
    assert event["threat"]["technique"]["id"] == ["T1090.003", "T1078"]
    assert event["user_agent"]["original"] == "curl/8"
    assert (event["rule"]["name"], event["event"]["severity"]) == ("anonymizedIPAddress", 73)


@pytest.mark.parametrize(
    ("info", "kept"),
    [
        ("[]", []),
        ("", None),
        (None, None),
        ("free text", [{"Value": "free text"}]),
        ("[1]", None),
        ('[{"Key":"a","Value":[1]}]', [{"Key": "a", "Value": [1]}]),
        ('{"a":1}', [{"a": 1}]),
    ],
)
def test_additional_info_is_read_out_of_its_text(info: Any, kept: Any) -> None:
    properties = normalize({**RISK, "additionalInfo": info})["azure"]["identityprotection"]["properties"]
    assert properties.get("additional_info") == kept


@pytest.mark.parametrize(
    ("level", "severity"), [("low", 21), ("medium", 47), ("hidden", None), ("none", None), (None, None)]
)
def test_a_hidden_level_is_no_severity(level: Any, severity: Any) -> None:
    event = normalize({**RISK, "riskLevel": level})
    assert event["event"].get("severity") == severity
    assert event["azure"]["identityprotection"]["properties"].get("risk_level") == level


def test_each_update_of_a_risky_user_is_an_event_of_its_own() -> None:
    later = {**USER, "riskLastUpdatedDateTime": "2026-11-24T09:00:00Z"}
    assert normalize(USER)["event"]["id"] == "u:2026-11-24T08:00:00.5Z"
    assert normalize(later)["event"]["id"] == "u:2026-11-24T09:00:00Z"
    assert normalize({**USER, "riskLastUpdatedDateTime": None}, STREAMS["risky_users"])["event"]["id"] == "u"


def test_an_agents_detection_is_read_by_its_own_names() -> None:
    event = normalize({"id": "g", "agentId": "a", "riskEventType": "x", "lastModifiedDateTime": "2026-11-24T08:00:00Z"})
    assert (event["@timestamp"], event["entra"]["stream"]) == (
        "2026-11-24T08:00:00.000Z",
        "service_principal_risk_detections",
    )


def test_a_provisioning_failure_says_why() -> None:
    event = normalize(PROVISIONING)
    inner = event["event"]
    assert (inner["outcome"], inner["code"], inner["reason"]) == ("failure", "Conflict", "Twice")
    assert (inner["duration"], inner["type"]) == (1_500_000_000, ["creation"])
    assert event["service"] == {"id": "sp", "name": "Dropbox"}
    assert event["azure"]["provisioning"]["properties"]["initiated_by"] == {"id": "", "name": "Sync", "type": "system"}


@pytest.mark.parametrize("status", ["skipped", "warning", "success", "failure", None])
def test_a_skipped_step_is_neither(status: Any) -> None:
    outcome = normalize({**PROVISIONING, "provisioningStatusInfo": {"status": status}})["event"]["outcome"]
    assert outcome == (status if status in ("success", "failure") else "unknown")


# --- records of others ------------------------------------------------------------------------------------------------

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"


def samples() -> list[tuple[str, Record]]:
    found: list[tuple[str, Record]] = []
    lines = [
        *SAMPLES.glob("**/*.log"),
        *SAMPLES.glob("**/*.*l"),
        *SAMPLES.glob("**/*.ndjson"),
        *SAMPLES.glob("otrf/*.json"),
    ]
    for file in {*lines}:
        found += [(file.name, json.loads(line)) for line in file.read_text("utf-8").splitlines() if line.strip()]
    for file in SAMPLES.glob("graph-docs/*.json"):
        page = json.loads(file.read_text("utf-8"))
        value = page.get("value", page)
        found += [(file.name, record) for record in (value if isinstance(value, list) else [value])]
    return found


@pytest.mark.skipif(not SAMPLES.exists(), reason="../shared/samples is not here: the samples are not ours")
def test_every_sample_becomes_a_typed_event() -> None:
    found = samples()
    assert len(found) > 130
    for name, record in found:
        _, stream = recognise(record)
        event = normalize(record)
        assert misfits(event, (stream.family, "common")) == [], name
        readable = "String (timestamp)" not in record.values()  # a documentation page that shows types for values
        assert ("unfit" not in event["entra"] and "time_missing" not in event["entra"]) == readable, name
        assert event["event"]["id"]
        assert not event["event"]["id"].startswith("sha256:"), name
