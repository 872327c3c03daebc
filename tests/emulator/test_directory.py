"""Directory objects: an administrator registers an application, which can then read the logs."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Optional

import pytest
from tests.emulator.conftest import AUDITS, audit

from entrawatch.emulator.directory_parts import APP_ROLES
from entrawatch.emulator.options import ALL_LICENCES

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests
    from tests.emulator.conftest import Client

GRAPH = "00000003-0000-0000-c000-000000000000"


class Admin:
    """A person who signed in by device code."""

    def __init__(self, client: Client, scope: str = "https://graph.microsoft.com/.default") -> None:
        self.client, emulator = client, client.emulator
        base = f"{emulator.login_url}/{emulator.tenant_id}/oauth2/v2.0"
        form = {"client_id": "14d82eec-204b-4c2f-b7e8-296a70dab67e", "scope": scope}
        code = client.session.post(f"{base}/devicecode", data=form).json()["device_code"]
        grant = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": code}
        client.session.post(f"{base}/token", data={**form, **grant})
        self.token = client.session.post(f"{base}/token", data={**form, **grant}).json()["access_token"]

    def ask(self, method: str, path: str, body: Optional[Any] = None, **query: str) -> requests.Response:
        url, headers = f"{self.client.emulator.url}/v1.0{path}", {"Authorization": f"Bearer {self.token}"}
        params = {f"${name}": value for name, value in query.items()}
        return self.client.session.request(method, url, json=body, params=params, headers=headers)

    def made(self, method: str, path: str, body: Optional[Any] = None) -> dict[str, Any]:
        answer = self.ask(method, path, body)
        assert answer.status_code in {200, 201}, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def graph(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", "/servicePrincipals", filter=f"appId eq '{GRAPH}'").json()["value"][0]
        return found


@pytest.fixture
def admin(emulate: Callable[..., Any]) -> Any:
    with emulate([audit(1, 60)], device_interval=0) as client:
        yield Admin(client)


def test_an_application_is_made_granted_and_used(admin: Admin) -> None:
    app = admin.made("POST", "/applications", {"displayName": "Log reader", "signInAudience": "AzureADMyOrg"})
    secret = admin.made("POST", f"/applications/{app['id']}/addPassword", {"passwordCredential": {"displayName": "x"}})
    form = {"client_id": app["appId"], "client_secret": secret["secretText"]}
    assert admin.client.token(**form).json()["error_codes"] == [700016]
    principal = admin.made("POST", "/servicePrincipals", {"appId": app["appId"]})
    before = admin.client.token(**form).json()["access_token"]
    grant = {
        "principalId": principal["id"],
        "resourceId": admin.graph()["id"],
        "appRoleId": APP_ROLES["AuditLog.Read.All"],
    }
    admin.made("POST", f"/servicePrincipals/{principal['id']}/appRoleAssignments", grant)
    after = admin.client.token(**form).json()["access_token"]
    statuses = [
        admin.client.get(AUDITS, headers={"Authorization": f"Bearer {token}"}).status_code for token in (before, after)
    ]
    assert statuses == [403, 200]
    assert secret["hint"] == secret["secretText"][:3]
    shown = admin.ask("GET", f"/applications/{app['id']}").json()
    assert shown["passwordCredentials"][0]["displayName"] == "x"
    assert secret["secretText"] not in str(shown)
    assigned = admin.ask("GET", f"/servicePrincipals/{principal['id']}/appRoleAssignments").json()["value"]
    assert [item["appRoleId"] for item in assigned] == [APP_ROLES["AuditLog.Read.All"]]


def test_graphs_own_roles(admin: Admin) -> None:
    roles = {role["value"]: role["id"] for role in admin.graph()["appRoles"]}
    assert roles["AuditLog.Read.All"] == "b0afded3-3588-46d8-8b3d-9842eff778da"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 3),
        ({"filter": "displayName eq 'one'"}, 1),
        ({"filter": "displayName eq 'o''two'"}, 1),
        ({"filter": "displayName eq 'none'"}, 0),
    ],
)
def test_objects_are_found(admin: Admin, query: dict[str, str], count: int) -> None:
    for name in ("one", "o'two"):
        admin.made("POST", "/applications", {"displayName": name})
    assert len(admin.ask("GET", "/applications", **query).json()["value"]) == count


def test_fields_are_chosen_and_objects_keyed_by_app_id(admin: Admin) -> None:
    app = admin.made("POST", "/applications", {"displayName": "one"})
    found = admin.ask("GET", f"/applications(appId='{app['appId']}')", select="id,appId").json()
    assert {name: found[name] for name in ("id", "appId")} == {"id": app["id"], "appId": app["appId"]}
    assert "displayName" not in found


def test_an_object_changes_and_goes(admin: Admin) -> None:
    app = admin.made("POST", "/applications", {"displayName": "one"})
    path = f"/applications/{app['id']}"
    admin.made("POST", "/servicePrincipals", {"appId": app["appId"]})
    assert admin.ask("PATCH", path, {"displayName": "two", "id": "x"}).status_code == 204
    assert admin.ask("GET", path).json()["displayName"] == "two"
    assert admin.ask("DELETE", path).status_code == 204
    assert admin.ask("GET", path).json()["error"]["code"] == "Request_ResourceNotFound"
    assert admin.ask("GET", "/servicePrincipals", filter=f"appId eq '{app['appId']}'").json()["value"] == []
    assert admin.client.token(client_id=app["appId"]).json()["error_codes"] == [700016]


def test_a_federated_credential(admin: Admin) -> None:
    app = admin.made("POST", "/applications", {"displayName": "one"})
    admin.made("POST", "/servicePrincipals", {"appId": app["appId"]})
    body = {"name": "k8s", "issuer": "https://k8s.example", "subject": "s", "audiences": ["api://AzureADTokenExchange"]}
    admin.made("POST", f"/applications/{app['id']}/federatedIdentityCredentials", body)
    token = admin.client.emulator.authority.federated_token("https://k8s.example", "s")
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    form = {"client_id": app["appId"], "client_secret": "", "client_assertion": token, "client_assertion_type": kind}
    assert admin.client.token(**form).status_code == 200


def _twice(admin: Admin) -> requests.Response:
    app = admin.made("POST", "/applications", {"displayName": "one"})
    admin.made("POST", "/servicePrincipals", {"appId": app["appId"]})
    return admin.ask("POST", "/servicePrincipals", {"appId": app["appId"]})


def _granted_twice(admin: Admin) -> requests.Response:
    graph = admin.graph()["id"]
    body = {"principalId": graph, "resourceId": graph, "appRoleId": APP_ROLES["AuditLog.Read.All"]}
    principal = admin.ask("GET", "/servicePrincipals", filter=f"appId eq '{admin.client.emulator.client_id}'")
    body["principalId"] = principal.json()["value"][0]["id"]
    return admin.ask("POST", f"/servicePrincipals/{graph}/appRoleAssignedTo", body)


def _unknown_role(admin: Admin) -> requests.Response:
    graph = admin.graph()["id"]
    body = {"principalId": graph, "resourceId": graph, "appRoleId": "00000000-0000-0000-0000-000000000001"}
    return admin.ask("POST", f"/servicePrincipals/{graph}/appRoleAssignments", body)


def _certificate(admin: Admin) -> requests.Response:
    key = {"type": "AsymmetricX509Cert", "usage": "Verify", "key": base64.b64encode(b"nonsense").decode()}
    return admin.ask("POST", "/applications", {"displayName": "one", "keyCredentials": [key]})


def _raw(admin: Admin) -> requests.Response:
    url, headers = f"{admin.client.emulator.url}/v1.0/applications", {"Authorization": f"Bearer {admin.token}"}
    return admin.client.session.post(url, data=b"[" * 100_000, headers=headers)


REFUSED: list[tuple[Any, int, str]] = [
    (_twice, 409, "Request_MultipleObjectsWithSameKeyValue"),
    (_granted_twice, 400, "Request_BadRequest"),
    (_unknown_role, 400, "Request_BadRequest"),
    (_certificate, 400, "Request_BadRequest"),
    (_raw, 400, "Request_BadRequest"),
    (lambda admin: admin.ask("POST", "/applications", {}), 400, "Request_BadRequest"),
    (lambda admin: admin.ask("POST", "/applications", [1]), 400, "Request_BadRequest"),
    (lambda admin: admin.ask("POST", "/servicePrincipals", {"appId": "x"}), 400, "Request_BadRequest"),
    (lambda admin: admin.ask("GET", "/applications/none"), 404, "Request_ResourceNotFound"),
    (lambda admin: admin.ask("GET", "/applications", filter="tags ne 'x'"), 400, "Request_UnsupportedQuery"),
    (lambda admin: admin.ask("DELETE", "/organization"), 400, "BadRequest"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "status", "code"), REFUSED)
def test_what_the_directory_refuses(admin: Admin, act: Any, status: int, code: str) -> None:
    answer = act(admin)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        ("Application.Read.All", "GET", "/applications", 200),
        ("Application.Read.All", "POST", "/applications", 403),
        ("User.Read", "GET", "/applications", 403),
        ("User.Read", "GET", "/organization", 403),
        ("Organization.Read.All", "GET", "/subscribedSkus", 200),
    ],
)
def test_permissions(emulate: Callable[..., Any], scope: str, method: str, path: str, status: int) -> None:
    with emulate(device_interval=0) as client:
        answer = Admin(client, scope).ask(method, path, {"displayName": "x"} if method == "POST" else None)
    assert answer.status_code == status


@pytest.mark.parametrize("licences", [frozenset(), frozenset({"Entra ID P1"}), ALL_LICENCES])
def test_the_tenant_and_its_licences(emulate: Callable[..., Any], licences: frozenset[str]) -> None:
    names = {
        "Entra ID P1": "AAD_PREMIUM",
        "Entra ID P2": "AAD_PREMIUM_P2",
        "Workload Identities Premium": "AAD_WRKLDID_P2",
    }
    with emulate(licences=licences) as client:
        organisation = client.get("/v1.0/organization").json()["value"][0]
        plans = [
            sku["servicePlans"][0]["servicePlanName"] for sku in client.get("/v1.0/subscribedSkus").json()["value"]
        ]
    assert organisation["id"] == client.emulator.tenant_id
    assert organisation["verifiedDomains"][0]["name"] == "contoso.example"
    assert sorted(plans) == sorted(names[licence] for licence in licences)
