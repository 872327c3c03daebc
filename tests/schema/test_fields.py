"""The field table: complete against Microsoft's own lists, consistent in itself, and readable by every known name."""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from pathlib import Path

import pytest

from entrawatch.schema import doc
from entrawatch.schema.fields import FIELDS, ROOTS, TYPES, Field, of_family, resolve

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="../shared, Microsoft's and Elastic's lists, is not here")

#: Graph resource → the family that must have its properties
RESOURCES = {
    "SignIn": "signin",
    "DirectoryAudit": "audit",
    "ProvisioningObjectSummary": "provisioning",
    "RiskDetection": "risk_detection",
    "ServicePrincipalRiskDetection": "risk_detection",
    "AgentRiskDetection": "risk_detection",
    "RiskyUser": "risky_object",
    "RiskyServicePrincipal": "risky_object",
}
#: what a list's or object's inner type is called in Microsoft's SDK → its properties; Identity is inherited
SECTION = re.compile(r"^## (\w+) \(\s*([\w, ]+?)\s*\)\n((?:- .*\n)*)", re.MULTILINE)
PROPERTY = re.compile(r"^- ([\w@.]+): (\S+) \|", re.MULTILINE)


def resources(file: str) -> dict[str, dict[str, str]]:
    text = (SHARED / "schemas" / file).read_text(encoding="utf-8") + "\n"
    found = {name: dict(PROPERTY.findall(body)) for name, _, body in SECTION.findall(text)}
    bases = {name: base.split(",")[0] for name, base, _ in SECTION.findall(text)}
    return {name: {**found.get(bases[name], {}), **own} for name, own in found.items()}


def types_of(name: str) -> dict[str, str]:
    return {key: kind for key, kind in resources("beta_types_enums.md").get(name, {}).items() if "@" not in key}


def inner(kind: str) -> str:
    return kind.removeprefix("list[").removesuffix("]").removeprefix("Optional[")


def expected(resource: dict[str, str], above: str = "") -> set[str]:
    """Every property of a resource and, where its type's properties are known, of what it holds."""
    out = set()
    for name, kind in resource.items():
        out.add(above + name)
        parts = types_of(inner(kind))
        if parts and above.count(".") < 2:
            out |= expected(parts, f"{above}{name}.")
    return out


@needs_shared
@pytest.mark.parametrize(("file", "flag"), [("v1_resources.md", "v1"), ("beta_resources.md", "beta")])
@pytest.mark.parametrize(("resource", "family"), RESOURCES.items())
def test_every_property_of_the_graph_resources_has_a_row(file: str, flag: str, resource: str, family: str) -> None:
    listed = resources(file)
    if resource not in listed:
        pytest.skip(f"{resource} is not in {file}")
    have = {field.name: field for field in of_family(family)}
    assert {name for name in expected(listed[resource]) if name not in have} <= BECOME_KEYS
    assert {name for name in listed[resource] if not getattr(have[name], flag)} == set()


#: a list of pairs that becomes an object: the pairs' parts have no place of their own
BECOME_KEYS = {"authenticationProcessingDetails.key", "authenticationProcessingDetails.value"}


@needs_shared
def test_no_row_claims_a_version_that_lacks_the_property() -> None:
    for file, flag in (("v1_resources.md", "v1"), ("beta_resources.md", "beta")):
        listed = resources(file)
        known: dict[str, set[str]] = defaultdict(set)
        for resource, family in RESOURCES.items():
            known[family] |= set(listed.get(resource, ()))
        known["risky_object"] |= {"agentDisplayName", "blueprintId", "identityType", "riskLastModifiedDateTime"}
        claimed = [f for f in FIELDS if getattr(f, flag) and "." not in f.name and f.name != "id"]
        assert [field.name for field in claimed if field.name not in known[field.family]] == []


@needs_shared
@pytest.mark.parametrize("family", ["signin", "audit"])
def test_types_and_paths_are_those_of_elastics_integration(family: str) -> None:
    name = ROOTS[family].replace(".", "_")
    table = json.loads((SHARED / "tables" / f"elastic_{name}.json").read_text(encoding="utf-8"))
    ours = {field.ecs: field for field in FIELDS if field.family in (family, "common")}
    same = {"float": {"double", "long"}, "match_only_text": {"text"}, "constant_keyword": {"keyword"}}
    wrong = []
    for path, kind in {**table["mapped"], **table["ecs_and_common"]}.items():
        field = ours.get(path)
        if field and not field.opaque and field.type not in same.get(kind, {kind}):
            wrong.append((path, kind, field.type))
    assert wrong == []
    missing = [path for path in table["mapped"] if path not in ours]
    assert set(missing) <= NOT_IN_THE_TABLE


#: Elastic maps these; no list of Microsoft's has them, so we have nothing to put there
NOT_IN_THE_TABLE = {
    "azure.signinlogs.tenant_id",
    "azure.signinlogs.properties.tenant_id",
    "azure.auditlogs.tenant_id",
    "azure.auditlogs.properties.target_resources.*.ip_address",
    "azure.auditlogs.properties.additional_details.user_agent",
    "azure.auditlogs.properties.authentication_protocol",
}

TABLES = {
    "SigninLogs": "signin",
    "AADNonInteractiveUserSignInLogs": "signin",
    "AADServicePrincipalSignInLogs": "signin",
    "AADManagedIdentitySignInLogs": "signin",
    "AuditLogs": "audit",
    "AADProvisioningLogs": "provisioning",
    "AADUserRiskEvents": "risk_detection",
    "AADServicePrincipalRiskEvents": "risk_detection",
    "AADRiskyUsers": "risky_object",
    "AADRiskyServicePrincipals": "risky_object",
}
#: columns that every table has and that say nothing about the record
HOUSEKEEPING = {
    "TenantId", "Type", "SourceSystem", "_BilledSize", "_IsBillable", "ResourceId", "AADTenantId", "Resource",
    "ResourceGroup", "ResourceProvider", "DurationMs", "CorrelationId", "Location",
}  # fmt: skip


@needs_shared
@pytest.mark.parametrize(("table", "family"), TABLES.items())
def test_every_log_analytics_column_resolves(table: str, family: str) -> None:
    listed = json.loads((SHARED / "tables" / f"{table}.json").read_text(encoding="utf-8"))["Properties"]
    assert [p["Name"] for p in listed if p["Name"] not in HOUSEKEEPING and not resolve(p["Name"], family)] == []


@needs_shared
def test_the_common_fields_are_fields_of_the_elastic_common_schema() -> None:
    with (SHARED / "schemas" / "ecs" / "fields.csv").open(encoding="utf-8") as file:
        known = {row["Field"] for row in csv.DictReader(file)}
    #: Elastic's integration has them outside the schema
    outside = {"geo.city_name", "geo.region_name", "geo.country_iso_code", "geo.location", "event.module"}
    ours = {f.ecs for f in of_family("common") if f.ecs.split(".")[0] not in ("azure", "entra")}
    assert ours - known - outside == set()


@needs_shared
def test_cim_names_are_those_of_the_models_or_named_as_extra() -> None:
    known = {"_time"}
    for model in ("Authentication", "Change", "Alerts"):
        for part in json.loads((SHARED / "schemas" / "cim" / f"{model}.json").read_text(encoding="utf-8"))["objects"]:
            known |= {field["name"] for field in part["fields"]}
    assert {field.cim for field in FIELDS if field.cim} - known == EXTRA


#: usual in Splunk, or ours, but in no data model
EXTRA = {
    "app_id", "src_asn", "src_city", "src_country", "src_lat", "src_long", "src_region", "src_nt_host",
    "authentication_protocol", "vendor_event_id",
}  # fmt: skip


# --- without ../shared ------------------------------------------------------------------------------------------------


def test_no_two_fields_of_a_family_share_a_name_or_a_place() -> None:
    for family in ("common", *ROOTS):
        fields = of_family(family)
        assert len({field.name for field in fields}) == len(fields)
        places = [field.ecs for field in fields]
        assert sorted(places) == sorted(set(places)), family


def test_a_place_has_one_type_in_all_families() -> None:
    types: dict[str, set[tuple[str, bool]]] = defaultdict(set)
    for field in FIELDS:
        if not field.opaque:
            types[field.ecs].add((field.type, field.many))
    assert {place: kinds for place, kinds in types.items() if len(kinds) > 1} == {}


def test_a_field_lies_below_objects_only() -> None:
    plain = {f.ecs for f in FIELDS if f.type not in ("object", "flattened", "geo_point")}
    inside = [f.ecs for f in FIELDS if not f.opaque for at in range(1, f.ecs.count(".") + 1)
              if ".".join(f.ecs.split(".")[:at]) in plain]  # fmt: skip
    assert inside == []


def test_every_row_says_what_it_is() -> None:
    for field in FIELDS:
        assert field.type in TYPES
        assert len(field.description) > 2
        assert field.ecs == field.ecs.strip()


@pytest.mark.parametrize(
    ("name", "family", "field"),
    [
        ("userPrincipalName", "signin", "userPrincipalName"),
        ("USERPRINCIPALNAME", "signin", "userPrincipalName"),
        ("properties.status.errorCode", "signin", "status.errorCode"),
        ("ResultType", "signin", "status.errorCode"),
        ("azure.signinlogs.properties.status.error_code", "signin", "status.errorCode"),
        ("IPAddress", "signin", "ipAddress"),
        ("DeviceDetail.trusttype", "signin", "deviceDetail.trustType"),
        ("LocationDetails.countryOrRegion", "signin", "location.countryOrRegion"),
        ("Location", "signin", "location"),
        ("category", "audit", "category"),
        ("properties.message", "audit", "activityDisplayName"),
        ("OperationName", "audit", "activityDisplayName"),
        ("initiatedBy.app.displayName", "audit", "initiatedBy.app.displayName"),
        ("entra.consent.is_admin", "audit", "entra.consent.is_admin"),
        ("entra.stream", "signin", "entra.stream"),
        ("event.id", "audit", "event.id"),
        ("operationName", "signin", "envelope.operationName"),
    ],
)
def test_a_name_of_any_world_resolves(name: str, family: str, field: str) -> None:
    found = resolve(name, family)
    assert found is not None
    assert found.name == field


@pytest.mark.parametrize("name", ["", "userPrincipalNames", "status.errorcodes", "targetResources{}.id"])
def test_an_unknown_name_is_not_guessed(name: str) -> None:
    assert resolve(name, "signin") is None


#: what the sixteen rules read, by their Graph or derived names
RULES = {
    "signin": [
        "status.errorCode", "userPrincipalName", "ipAddress", "appDisplayName", "userAgent", "homeTenantId",
        "resourceTenantId", "correlationId", "authenticationRequirement", "isInteractive", "location.countryOrRegion",
        "id", "createdDateTime", "signInEventTypes", "entra.password_verified",
    ],
    "audit": [
        "activityDisplayName", "category", "operationType", "result", "id", "correlationId", "userPrincipalName",
        "ipAddress", "initiatedBy.app.displayName", "initiatedBy.user.userPrincipalName", "entra.consent.is_admin",
        "entra.consent.scopes", "entra.credentials.old", "entra.credentials.new", "entra.role.name",
        "entra.target.app.name", "entra.target.user.name", "entra.policy.old_conditions",
        "entra.policy.new_conditions", "entra.policy.exclusions_added", "entra.policy.new_state",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("family", "name"), [(family, name) for family, names in RULES.items() for name in names])
def test_the_catalogue_finds_its_fields(family: str, name: str) -> None:
    field = resolve(name, family)
    assert isinstance(field, Field)
    assert field.name == name


def test_the_document_is_up_to_date() -> None:
    text = (ROOT / "docs" / "fields.md").read_text(encoding="utf-8")
    assert text == doc.text(), "run: python -m entrawatch.schema.doc > docs/fields.md"
