"""The token side: what msal accepts, what wrong credentials get, and how long a token opens Graph."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import jwt
import msal
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.emulator.conftest import AUDITS, RISKS, audit

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests
    from tests.emulator.conftest import Client, MovedClock

ISSUER, SUBJECT = "https://cluster.example", "system:serviceaccount:logs:entrawatch"


def confidential(client: Client, credential: Any, tenant: str = "") -> msal.ConfidentialClientApplication:
    emulator = client.emulator
    return msal.ConfidentialClientApplication(
        emulator.client_id, credential, authority=f"{emulator.login_url}/{tenant or emulator.tenant_id}",
        instance_discovery=False, http_client=client.session,
    )  # fmt: skip


def opens(client: Client, token: str, path: str = AUDITS) -> requests.Response:
    return client.get(path, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture(scope="module")
def certificate() -> tuple[bytes, bytes, str]:
    """A private key, its self-signed certificate (PEM), and the thumbprint."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "entrawatch")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    der = made.public_bytes(serialization.Encoding.DER)
    return private, made.public_bytes(serialization.Encoding.PEM), hashlib.sha1(der).hexdigest()


@pytest.mark.parametrize("tenant", ["", "contoso.example"])
def test_msal_signs_in_with_a_secret(emulate: Callable[..., Any], tenant: str) -> None:
    with emulate([audit(1, 60)]) as client:
        app = confidential(client, client.emulator.client_secret, tenant)
        answer = app.acquire_token_for_client([f"{client.emulator.url}/.default"])
        assert answer["token_type"] == "Bearer"
        assert answer["expires_in"] == 3599
        assert opens(client, answer["access_token"]).status_code == 200
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert claims["tid"] == client.emulator.tenant_id
    assert claims["appid"] == client.emulator.client_id
    assert "AuditLog.Read.All" in claims["roles"]
    assert claims["aud"] == client.emulator.url
    assert claims["exp"] - claims["iat"] == 3599


def test_msal_signs_in_with_a_certificate(emulate: Callable[..., Any], certificate: tuple[bytes, bytes, str]) -> None:
    private, public, thumbprint = certificate
    credential = {"private_key": private.decode(), "thumbprint": thumbprint, "public_certificate": public.decode()}
    with emulate([audit(1, 60)]) as client:
        scope = [f"{client.emulator.url}/.default"]
        refused = confidential(client, credential).acquire_token_for_client(scope)
        client.emulator.register_certificate(public)
        taken = confidential(client, credential).acquire_token_for_client(scope)
        assert opens(client, taken["access_token"]).status_code == 200
    assert refused["error"] == "invalid_client"
    assert refused["error_codes"] == [700027]


def test_msal_signs_in_with_an_outside_token(emulate: Callable[..., Any]) -> None:
    with emulate([audit(1, 60)]) as client:
        token = client.emulator.federated_token(ISSUER, SUBJECT)
        app = confidential(client, {"client_assertion": lambda: token})
        answer = app.acquire_token_for_client([f"{client.emulator.url}/.default"])
        assert opens(client, answer["access_token"]).status_code == 200


def test_a_managed_identity_signs_in(emulate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with emulate([audit(1, 60)]) as client:
        monkeypatch.setenv("IDENTITY_ENDPOINT", client.emulator.identity_endpoint)
        monkeypatch.setenv("IDENTITY_HEADER", client.emulator.identity_header)
        identity = msal.ManagedIdentityClient(msal.SystemAssignedManagedIdentity(), http_client=client.session)
        answer = identity.acquire_token_for_client(resource=client.emulator.url)
        assert opens(client, answer["access_token"]).status_code == 200


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({}, "api-version=2019-08-01&resource=https://graph.microsoft.com", 401),
        ({"X-IDENTITY-HEADER": "wrong"}, "api-version=2019-08-01&resource=https://graph.microsoft.com", 401),
        (None, "resource=https://graph.microsoft.com", 400),
        (None, "api-version=2019-08-01", 400),
        (None, "api-version=2019-08-01&resource=https://graph.microsoft.com&client_id=other", 400),
        (None, "api-version=2019-08-01&resource=https://vault.azure.net", 400),
    ],
)
def test_a_managed_identity_is_refused(emulate: Callable[..., Any], headers: Any, query: str, status: int) -> None:
    with emulate() as client:
        sent = {"X-IDENTITY-HEADER": client.emulator.identity_header} if headers is None else headers
        assert client.get(f"{client.emulator.identity_endpoint}?{query}", headers=sent).status_code == status


REFUSED = [
    ({"client_secret": "wrong"}, 401, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret"),
    ({"client_secret": ""}, 401, "invalid_client", 7000218, "The request body must contain"),
    ({"client_id": "00000000-0000-0000-0000-000000000009"}, 400, "unauthorized_client", 700016,
     "Application with identifier '00000000-0000-0000-0000-000000000009' was not found in the directory"),
    ({"scope": "https://graph.elsewhere.example/.default"}, 400, "invalid_resource", 500011,
     "The resource principal named https://graph.elsewhere.example was not found"),
    ({"scope": "User.Read"}, 400, "invalid_scope", 1002012, "The provided request"),
    ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003, "The provided value"),
    ({"client_assertion": "x.y.z"}, 400, "invalid_request", 900144, "The request body"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "status", "error", "number", "text"), REFUSED, ids=[str(row[3]) for row in REFUSED])
def test_the_token_endpoint_refuses(
    emulate: Callable[..., Any], form: dict[str, str], status: int, error: str, number: int, text: str
) -> None:
    with emulate() as client:
        answer = client.token(**form)
    body = answer.json()
    assert (answer.status_code, body["error"], body["error_codes"]) == (status, error, [number])
    assert body["error_description"].startswith(f"AADSTS{number}: {text}")
    assert " Trace ID: " in body["error_description"]
    assert set(body) >= {"timestamp", "trace_id", "correlation_id", "error_uri"}
    assert client.emulator.client_secret not in answer.text


def test_a_wrong_secret_as_msal_sees_it(emulate: Callable[..., Any]) -> None:
    with emulate() as client:
        answer = confidential(client, "wrong").acquire_token_for_client([f"{client.emulator.url}/.default"])
    assert answer["error_codes"] == [7000215]


def test_an_unknown_tenant(emulate: Callable[..., Any]) -> None:
    with emulate() as client:
        with pytest.raises(ValueError, match="Unable to get authority configuration"):
            confidential(client, client.emulator.client_secret, "other.example")
        answer = client.get("/other.example/v2.0/.well-known/openid-configuration")
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [90002])


ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.mark.parametrize(
    ("issuer", "subject", "number"),
    [(ISSUER, SUBJECT, 0), ("https://other.example", SUBJECT, 700211), (ISSUER, "system:other", 700213)],
)
def test_outside_tokens_match_issuer_and_subject(
    emulate: Callable[..., Any], issuer: str, subject: str, number: int
) -> None:
    with emulate() as client:
        client.emulator.federated_token(ISSUER, SUBJECT)
        token = client.emulator.authority.federated_token(issuer, subject)
        answer = client.token(client_secret="", client_assertion=token, client_assertion_type=ASSERTION)
    assert answer.json().get("error_codes", [0]) == [number]


@pytest.mark.parametrize("assertion", ["", "x", "a.b.c", "e30.e30.", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0."])
def test_a_broken_assertion(emulate: Callable[..., Any], assertion: str) -> None:
    with emulate() as client:
        answer = client.token(client_secret="", client_assertion=assertion or "-", client_assertion_type=ASSERTION)
    assert answer.status_code == 401


def test_an_assertion_of_another_key(emulate: Callable[..., Any], certificate: tuple[bytes, bytes, str]) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with emulate() as client:
        client.emulator.register_certificate(certificate[1])
        audience = f"{client.emulator.login_url}/{client.emulator.tenant_id}/oauth2/v2.0/token"
        for key, aud, status in (
            (other, audience, 401),
            (certificate[0], "https://elsewhere.example", 401),
            (certificate[0], audience, 200),
        ):
            claims = {"iss": client.emulator.client_id, "sub": client.emulator.client_id, "aud": aud}
            token = jwt.encode(claims, key, algorithm="RS256")
            answer = client.token(client_secret="", client_assertion=token, client_assertion_type=ASSERTION)
            assert answer.status_code == status


def test_a_token_is_over_after_its_lifetime(emulate: Callable[..., Any], clock: MovedClock) -> None:
    with emulate([audit(1, 60)], token_lifetime=60) as client:
        clock.passed = 59
        assert client.get(AUDITS).status_code == 200
        clock.passed = 60
        answer = client.get(AUDITS)
        client.sign_in()
        again = client.get(AUDITS)
    assert (answer.status_code, again.status_code) == (401, 200)
    assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"
    assert answer.json()["error"]["message"] == "Lifetime validation failed, the token is expired."
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def _forged() -> str:
    claims = {"appid": "x", "exp": 9999999999, "roles": ["AuditLog.Read.All"]}
    return jwt.encode(claims, "k" * 32, algorithm="HS256")


def _unsigned() -> str:
    parts = [{"alg": "none", "typ": "JWT"}, {"appid": "x", "exp": 9999999999, "roles": ["AuditLog.Read.All"]}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "Access token is empty."),
        ("Bearer ", "Access token is empty."),
        ("Basic YTpi", "Access token is empty."),
        ("Bearer nonsense", "Access token validation failure."),
        (f"Bearer {_forged()}", "Access token validation failure."),
        (f"Bearer {_unsigned()}", "Access token validation failure."),
    ],
    ids=["none", "empty", "basic", "nonsense", "forged", "unsigned"],
)
def test_graph_wants_a_token_of_the_authority(emulate: Callable[..., Any], header: str, message: str) -> None:
    with emulate() as client:
        answer = client.get(AUDITS, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
    assert answer.json()["error"]["message"].startswith(message)


def test_a_grant_shows_in_the_next_token_only(emulate: Callable[..., Any]) -> None:
    with emulate(roles=frozenset({"AuditLog.Read.All"})) as client:
        assert client.get(RISKS).status_code == 403
        client.emulator.authority.app(client.emulator.client_id).roles.add("IdentityRiskEvent.Read.All")
        assert client.get(RISKS).status_code == 403
        client.sign_in()
        assert client.get(RISKS).status_code == 200


def device_client(client: Client) -> msal.PublicClientApplication:
    emulator = client.emulator
    return msal.PublicClientApplication(
        "14d82eec-204b-4c2f-b7e8-296a70dab67e", authority=f"{emulator.login_url}/{emulator.tenant_id}",
        instance_discovery=False, http_client=client.session,
    )  # fmt: skip


def test_a_person_signs_in_by_device_code(emulate: Callable[..., Any]) -> None:
    with emulate([audit(1, 60)], device_interval=0, device_polls=2) as client:
        app = device_client(client)
        flow = app.initiate_device_flow([f"{client.emulator.url}/AuditLog.Read.All"])
        assert flow["user_code"] in flow["message"]
        answer = app.acquire_token_by_device_flow(flow)
        assert opens(client, answer["access_token"]).status_code == 200
        polls = [logged for logged in client.emulator.requests if logged.path.endswith("/token")]
    assert len(polls) == 1 + 3


@pytest.mark.parametrize(
    ("verdict", "passed", "error"),
    [
        ("", 0, "authorization_pending"),
        ("declined", 0, "authorization_declined"),
        ("approved", 901, "expired_token"),
        ("approved", 0, None),
    ],
)
def test_a_device_code_waits_for_the_person(
    emulate: Callable[..., Any], clock: MovedClock, verdict: str, passed: int, error: str
) -> None:
    with emulate(device_polls=None) as client:
        flow = device_client(client).initiate_device_flow(["User.Read"])
        if verdict:
            client.emulator.devices.decide(flow["user_code"], verdict)
        clock.passed = passed
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": flow["device_code"]}
        answer = client.token(**form)
        again = client.token(**form)
    assert answer.json().get("error") == error
    assert answer.status_code == (400 if error else 200)
    assert again.json()["error"] == (error or "bad_verification_code")
