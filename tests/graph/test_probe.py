"""doctor's Graph checks: what they find in a tenant that is well, and in each kind that is not."""

from __future__ import annotations

import base64
import dataclasses
import json
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Optional

import pytest
from tests.graph.conftest import NOW, FakeClock, Notes
from tests.graph.server import Answer, Seen, error, page

from entrawatch.graph import probe as probing
from entrawatch.graph.budget import UNLIMITED, Budgets
from entrawatch.graph.probe import FAIL, OK, WARN, Check, licences_in, probe, roles_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from entrawatch.config.model import TenantConfig

ALL = ("AuditLog.Read.All", "Policy.Read.ConditionalAccess", "Organization.Read.All")
SKUS = {"value": [{"capabilityStatus": "Enabled", "servicePlans": [{"servicePlanName": "AAD_PREMIUM_P2"}]}]}


def token_with(claims: Any) -> str:
    return "eyJhbGciOiJub25lIn0." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".x"


class Tokens:
    def __init__(self, text: str) -> None:
        self.text = text

    def token(self) -> str:
        return self.text

    def renew(self, rejected: str) -> str:
        return self.text


def checks(
    tenant: TenantConfig, server: Any, roles: Optional[Sequence[str]] = ALL, streams: Sequence[str] = ("interactive",)
) -> dict[str, Check]:
    clock = FakeClock()
    given = Tokens("opaque" if roles is None else token_with({"roles": list(roles)}))
    tenant = dataclasses.replace(tenant, streams=tuple(streams))
    budgets = Budgets(clock, limits=UNLIMITED)
    found = list(probe(tenant, clock=clock, observer=Notes(), budgets=budgets, tokens=given))
    assert all("\n" not in check.message + check.advice for check in found)
    assert all(check.advice for check in found if check.status != OK)
    return {check.name: check for check in found}


def healthy(skew: float = 0.0, oldest: timedelta = timedelta(days=20)) -> Any:
    def answer(seen: Seen) -> Answer:
        date = {"Date": format_datetime(NOW - timedelta(seconds=skew), usegmt=True)}
        if "subscribedSkus" in seen.path:
            return Answer(200, SKUS, date)
        age = oldest if seen.query.get("$orderby", "").endswith("asc") else timedelta(minutes=7)
        name = seen.query["$filter"].split()[0]
        return Answer(200, page([{"id": "1", name: (NOW - age).isoformat()}]).body, date)

    return answer


def test_a_tenant_that_is_well(tenant: TenantConfig, server: Any) -> None:
    server.otherwise = healthy()
    found = checks(tenant, server)
    assert {check.status for check in found.values()} == {OK}
    assert found["stream interactive"].message.endswith("; newest record 7 minutes ago")
    assert "20 days ago" in found["reach of interactive"].message
    assert "Entra ID P2" in found["licence"].message
    assert {seen.query["$top"] for seen in server.requests if "$top" in seen.query} == {"1"}


def test_no_token_ends_the_checks(tenant: TenantConfig, server: Any) -> None:
    server.token_answer = lambda seen: Answer(401, {"error": "invalid_client", "error_codes": [7000222]})
    (check,) = probe(tenant, clock=FakeClock(), observer=Notes())
    assert (check.name, check.status) == ("token", FAIL)
    assert "expired" in check.message
    assert check.advice == "mend the credential, then run doctor again"


def test_no_connection_is_no_fault_of_the_credential(tenant: TenantConfig, server: Any) -> None:
    gone = dataclasses.replace(tenant, graph=dataclasses.replace(tenant.graph, login_url="https://127.0.0.1:9"))
    (check,) = probe(gone, clock=FakeClock(), observer=Notes())
    assert (check.name, check.status) == ("token", FAIL)
    assert check.advice == "mend the connection, then run doctor again"


def test_a_missing_permission_is_named_for_its_stream(tenant: TenantConfig, server: Any) -> None:
    server.otherwise = healthy()
    found = checks(tenant, server, ALL, ("interactive", "risky_users"))
    assert found["permission for risky_users"].status == FAIL
    assert "IdentityRiskyUser.Read.All" in found["permission for risky_users"].advice
    assert "permission for interactive" not in found


def test_policies_that_are_silently_left_out_are_told_of(tenant: TenantConfig, server: Any) -> None:
    server.otherwise = healthy()
    name = "permission for Conditional Access details"
    assert checks(tenant, server, ("AuditLog.Read.All",))[name].status == WARN
    assert name not in checks(tenant, server, ("AuditLog.Read.All", "Policy.Read.All"))
    assert name not in checks(tenant, server, ("AuditLog.Read.All",), ("directory_audits",))


def test_permissions_to_write_are_too_many(tenant: TenantConfig, server: Any) -> None:
    server.otherwise = healthy()
    found = checks(tenant, server, (*ALL, "Directory.ReadWrite.All"))
    assert "Directory.ReadWrite.All" in found["permissions beyond reading"].message


def test_a_token_that_cannot_be_read_is_no_obstacle(tenant: TenantConfig, server: Any) -> None:
    server.otherwise = healthy()
    found = checks(tenant, server, None)
    assert found["permissions"].status == WARN
    assert found["stream interactive"].status == OK


def test_a_stream_that_cannot_be_read_says_why_and_the_others_go_on(tenant: TenantConfig, server: Any) -> None:
    good = healthy()
    licence = error(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", "no premium license")
    server.otherwise = lambda seen: licence if "signIns" in seen.path else good(seen)
    found = checks(tenant, server, ALL, ("interactive", "directory_audits"))
    assert found["stream interactive"].status == FAIL
    assert "Entra ID P1" in found["stream interactive"].message
    assert found["stream directory_audits"].status == OK


def test_a_cloud_without_beta_is_readable_with_fewer_fields(tenant: TenantConfig, server: Any) -> None:
    good = healthy()
    missing = error(400, "BadRequest", "Could not find a property named 'signInEventTypes'")
    server.otherwise = lambda seen: missing if seen.path.startswith("/beta") else good(seen)
    found = checks(tenant, server, ALL, ("interactive", "non_interactive"))
    assert "v1.0 only" in found["stream interactive"].message
    assert found["stream non_interactive"].status == FAIL


@pytest.mark.parametrize(
    ("skew", "status", "word"), [(5, OK, "ahead"), (-45, WARN, "behind"), (90, WARN, "ahead"), (-400, FAIL, "behind")]
)
def test_a_clock_that_is_wrong(tenant: TenantConfig, server: Any, skew: float, status: str, word: str) -> None:
    server.otherwise = healthy(skew)
    check = checks(tenant, server)["clock"]
    assert check.status == status
    assert word in check.message


def test_a_licence_that_is_not_there(tenant: TenantConfig, server: Any) -> None:
    good = healthy()
    server.otherwise = lambda seen: Answer(200, {"value": []}) if "Skus" in seen.path else good(seen)
    assert checks(tenant, server)["licence"].status == WARN
    server.otherwise = good
    assert checks(tenant, server, ("AuditLog.Read.All",))["licence"].status == OK
    assert not [seen for seen in server.requests[-2:] if "Skus" in seen.path]
    server.otherwise = lambda seen: error(400, "x") if "Skus" in seen.path else good(seen)
    assert checks(tenant, server)["licence"].status == WARN


def test_a_start_before_what_is_kept_is_told_of(tenant: TenantConfig, server: Any) -> None:
    server.otherwise = healthy()
    early = dataclasses.replace(tenant, collect=dataclasses.replace(tenant.collect, start=NOW - timedelta(days=45)))
    check = checks(early, server)["reach of interactive"]
    assert check.status == WARN
    assert "45 days ago" in check.message


ROLES = [
    (token_with({"roles": ["a", "b"]}), {"a", "b"}),
    (token_with({"scp": "x"}), set()),
    (token_with({"roles": "a"}), None),
    (token_with([]), None),
    ("opaque", None),
    ("a.!!.c", None),
    ("a.e30.c", set()),
]


@pytest.mark.parametrize(("token", "roles"), ROLES)
def test_roles_are_read_from_any_token(token: str, roles: Any) -> None:
    assert roles_in(token) == roles


LICENCES = [
    (SKUS, {"Entra ID P1", "Entra ID P2"}),
    ({"value": [{"servicePlans": [{"servicePlanName": "AAD_PREMIUM"}, {"servicePlanName": "EXCHANGE"}, 3]}]},
     {"Entra ID P1"}),
    ({"value": [{"capabilityStatus": "Suspended", "servicePlans": [{"servicePlanName": "AAD_PREMIUM"}]}, None]}, set()),
    ({}, set()),
]  # fmt: skip


@pytest.mark.parametrize(("skus", "names"), LICENCES)
def test_licences_are_read_from_service_plans(skus: Any, names: set[str]) -> None:
    assert licences_in(skus) == names
    assert set(probing.PLANS.values()) >= names
