"""Tokens through msal against a token endpoint on loopback: every credential, every refusal, no secret in any word."""

from __future__ import annotations

import builtins
import dataclasses
import logging
import pickle
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from tests.graph import certificates
from tests.graph.conftest import with_auth, with_graph
from tests.graph.server import CLIENT_ID, SECRET, TENANT_ID, TOKEN, Answer

from entrawatch.config.model import GraphConfig, Secret
from entrawatch.errors import AuthError, ConfigError, SourceError, TransientError
from entrawatch.graph import clouds
from entrawatch.graph.auth import TokenSource
from entrawatch.graph.transport import PinnedSession

if TYPE_CHECKING:
    from pathlib import Path

    from entrawatch.config.model import TenantConfig


def refused(code: int, words: str, status: int = 401, name: str = "invalid_client") -> Answer:
    """A refusal as the token endpoint words it."""
    return Answer(status, {
        "error": name,
        "error_description": f"AADSTS{code}: {words} Trace ID: 0000-aa Correlation ID: 1111-bb "
        "Timestamp: 2026-03-10 12:00:00Z",
        "error_codes": [code], "timestamp": "2026-03-10 12:00:00Z", "trace_id": "0000-aa",
    })  # fmt: skip


def test_a_client_secret_gets_a_token_for_the_configured_graph(tenant: TenantConfig, server: Any) -> None:
    source = TokenSource(tenant)
    assert source.token() == TOKEN + "1"
    form = server.token_requests[0].form
    assert form["client_secret"] == SECRET
    assert form["client_id"] == CLIENT_ID
    assert form["grant_type"] == "client_credentials"
    assert form["scope"] == f"{server.url}/.default"
    assert server.token_requests[0].path == f"/{TENANT_ID}/oauth2/v2.0/token"


def test_a_token_is_kept_until_it_is_rejected_and_then_renewed_once_for_all_threads(
    tenant: TenantConfig, server: Any
) -> None:
    source = TokenSource(tenant)
    first = source.token()
    assert source.token() == first
    with ThreadPoolExecutor(4) as pool:
        renewed = set(pool.map(source.renew, [first] * 4))
    assert renewed == {TOKEN + "2"}
    assert len(server.token_requests) == 2


@pytest.mark.parametrize(
    "answer", [Answer(200, "x" * 1000, drip=0.02), Answer(200, " " * (5 * 2**20) + "{}")], ids=["trickles", "too large"]
)
def test_a_token_answer_is_read_within_bounds(tenant: TenantConfig, server: Any, answer: Answer) -> None:
    server.token_answer = lambda seen: answer
    began = time.monotonic()
    with pytest.raises(TransientError):
        TokenSource(with_graph(tenant, timeout=0.3)).token()
    assert time.monotonic() - began < 10  # the whole trickle would have taken twenty seconds


def test_a_token_near_its_end_is_replaced_before_it_expires(tenant: TenantConfig, server: Any) -> None:
    server.token_answer = lambda seen: Answer(body={
        "token_type": "Bearer", "expires_in": 200, "access_token": f"short{len(server.token_requests)}",
    })  # fmt: skip
    source = TokenSource(tenant)
    assert [source.token(), source.token()] == ["short1", "short2"]


REFUSED = [
    (refused(7000215, "Invalid client secret provided."), AuthError, "secret's value"),
    (refused(7000222, "The provided client secret keys for app 'x' are expired."), AuthError, "expired"),
    (refused(700016, "Application with identifier 'x' was not found.", 400, "unauthorized_client"), AuthError,
     "client_id"),
    (refused(90002, "Tenant 'x' not found.", 400, "invalid_request"), AuthError, "tenant was not found"),
    (refused(50049, "Unknown or invalid instance.", 400, "invalid_instance"), AuthError, "graph.cloud"),
    (refused(700027, "Client assertion failed signature validation."), AuthError, "not registered"),
    (refused(53003, "Access has been blocked by Conditional Access policies."), AuthError, "Conditional Access"),
    (refused(424242, "Something new."), AuthError, "AADSTS424242: Something new."),
    (refused(90033, "A transient error has occurred.", 400, "temporarily_unavailable"), TransientError, "just now"),
    (refused(90055, "Too many requests for this tenant.", 400, "invalid_request"), TransientError, "just now"),
    (Answer(400, {"error": "server_error"}), TransientError, "just now"),
    (Answer(503, "busy"), TransientError, ""),
    (Answer(429, "slow down", {"Retry-After": "1"}), TransientError, ""),
    (Answer(200, "<html>proxy login</html>"), TransientError, ""),
    (Answer(307, "", {"Location": "https://evil.example/token"}), TransientError, ""),
    (Answer(200, {"token_type": "Bearer"}), SourceError, ""),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "kind", "says"), REFUSED)
def test_a_refused_token_is_explained_in_one_line_without_the_secret(
    tenant: TenantConfig, server: Any, caplog: pytest.LogCaptureFixture, answer: Answer, kind: type, says: str
) -> None:
    caplog.set_level(logging.DEBUG)
    server.token_answer = lambda seen: answer
    with pytest.raises(kind) as caught:
        TokenSource(tenant).token()
    line = str(caught.value)
    assert says in line
    assert "tenant contoso" in line
    assert "\n" not in line
    assert "Trace ID" not in line
    shown = "".join(traceback.format_exception(None, caught.value, caught.value.__traceback__)) + caplog.text
    assert SECRET not in shown
    assert SECRET.replace("/", "%2F") not in shown


def test_an_unknown_tenant_is_told_by_the_discovery_document(tenant: TenantConfig, server: Any) -> None:
    server.discovery = refused(90002, "Tenant 'x' not found.", 400, "invalid_tenant")
    with pytest.raises(AuthError, match=r"tenant_id and graph\.cloud"):
        TokenSource(tenant).token()
    server.discovery = Answer(404, "nothing")
    with pytest.raises(AuthError, match="does not know tenant"):
        TokenSource(tenant).token()


def test_after_trouble_with_the_discovery_document_the_next_try_works(tenant: TenantConfig, server: Any) -> None:
    source = TokenSource(tenant)
    server.discovery = Answer(503)
    with pytest.raises(TransientError, match="503"):
        source.token()
    server.discovery = None
    assert source.token() == TOKEN + "1"


@pytest.mark.parametrize(
    ("graph", "says"), [({"login_url": "https://localhost:1"}, "refused"), ({"ca_bundle": None}, "certificate")]
)
def test_an_unreachable_login_host_is_transient_and_explained(
    tenant: TenantConfig, graph: dict[str, Any], says: str, monkeypatch: Any
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with pytest.raises(TransientError, match=says):
        TokenSource(with_graph(tenant, **graph)).token()


@pytest.mark.parametrize("password", [None, "hunter2"])
@pytest.mark.parametrize("graph_text", ["", "# a comment\nBag Attributes\n"])
def test_a_certificate_signs_an_assertion_with_its_thumbprint(
    tenant: TenantConfig, server: Any, tmp_path: Path, password: str, graph_text: str
) -> None:
    pem = certificates.make(tmp_path / "app.pem", elliptic=False, password=password.encode() if password else None)
    pem.write_text(graph_text + pem.read_text())
    secret = Secret(password) if password else None
    source = TokenSource(with_auth(tenant, method="certificate", certificate=pem, certificate_password=secret))
    assert source.token() == TOKEN + "1"
    form = server.token_requests[0].form
    assert form["client_assertion_type"].endswith("jwt-bearer")
    assert "client_secret" not in form
    header = jwt.get_unverified_header(form["client_assertion"])
    assert header["alg"] == "PS256"
    assert header["x5t#S256"]
    claims = jwt.decode(form["client_assertion"], options={"verify_signature": False})
    assert claims["iss"] == CLIENT_ID


def bad_pems(folder: Path) -> list[tuple[Path, Any, str]]:
    good = certificates.make(folder / "good.pem", elliptic=False)
    locked = certificates.make(folder / "locked.pem", elliptic=False, password=b"right")
    old = certificates.make(folder / "old.pem", elliptic=False, days=-1)
    key, certificate = good.read_text().split("-----BEGIN CERTIFICATE-----")
    other = certificates.make(folder / "other.pem", elliptic=False).read_text()
    (folder / "key.pem").write_text(key)
    (folder / "certificate.pem").write_text("-----BEGIN CERTIFICATE-----" + certificate)
    (folder / "mixed.pem").write_text(key + other[other.index("-----BEGIN CERTIFICATE-----") :])
    (folder / "broken.pem").write_text(key + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (folder / "binary.pem").write_bytes(b"\x30\x82\xff")
    return [
        (folder / "absent.pem", None, "cannot read"), (folder / "binary.pem", None, "cannot read"),
        (folder / "key.pem", None, "no certificate"), (folder / "certificate.pem", None, "no private key"),
        (locked, None, "password is wrong"), (locked, Secret("wr0ng-pass"), "password is wrong"),
        (old, None, "expired"),
        (folder / "mixed.pem", None, "does not belong"), (folder / "broken.pem", None, "cannot be read"),
    ]  # fmt: skip


def test_an_unusable_certificate_is_explained(tenant: TenantConfig, tmp_path: Path, server: Any) -> None:
    for path, password, says in bad_pems(tmp_path):
        auth = with_auth(tenant, method="certificate", certificate=path, certificate_password=password)
        with pytest.raises(AuthError, match=says) as caught:
            TokenSource(auth).token()
        assert "wr0ng" not in str(caught.value)
    with pytest.raises(AuthError, match=r"set auth\.certificate"):
        TokenSource(with_auth(tenant, method="certificate")).token()
    assert server.token_requests == []


def test_without_cryptography_a_secret_works_and_a_certificate_says_what_is_missing(
    tenant: TenantConfig, server: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    """Splunk's Python has no cryptography."""
    plain = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "cryptography":
            raise ImportError(name)
        return plain(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    assert TokenSource(tenant).token() == TOKEN + "1"
    pem = tmp_path / "app.pem"
    with pytest.raises(AuthError, match="pip install cryptography"):
        TokenSource(with_auth(tenant, method="certificate", certificate=pem)).token()


def test_a_federated_token_is_read_again_at_each_use(
    tenant: TenantConfig, server: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    source = TokenSource(with_auth(tenant, method="workload_identity", token_file=file))
    token = source.token()
    file.write_text("second\n")
    source.renew(token)
    assert [seen.form["client_assertion"] for seen in server.token_requests] == ["first", "second"]
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(file))
    assert TokenSource(with_auth(tenant, method="workload_identity")).token()


def test_a_missing_federated_token_is_explained(tenant: TenantConfig, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("AZURE_FEDERATED_TOKEN_FILE", raising=False)
    with pytest.raises(AuthError, match=r"set auth\.token_file"):
        TokenSource(with_auth(tenant, method="workload_identity")).token()
    gone = tmp_path / "gone"
    with pytest.raises(AuthError, match="cannot read the federated token file"):
        TokenSource(with_auth(tenant, method="workload_identity", token_file=gone)).token()


@pytest.mark.parametrize(("identity", "named"), [("", None), ("abcd", "abcd")])
def test_a_managed_identity_asks_the_machine_and_no_proxy(
    tenant: TenantConfig, server: Any, monkeypatch: Any, identity: str, named: Any
) -> None:
    """App Service's endpoint stands in for the machine's; msal knows them all."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", server.url + "/msi/give")
    monkeypatch.setenv("IDENTITY_HEADER", "h3ader")
    monkeypatch.setenv("HTTPS_PROXY", "http://localhost:1")
    monkeypatch.setenv("NO_PROXY", "")
    server.otherwise = lambda seen: Answer(body={
        "access_token": "managed", "expires_on": "4102444800", "resource": "r", "token_type": "Bearer",
    })  # fmt: skip
    source = TokenSource(with_auth(tenant, method="managed_identity", identity_client_id=identity))
    assert source.token() == "managed"
    assert server.requests[0].query["resource"] == server.url
    assert server.requests[0].query.get("client_id") == named


def test_a_managed_identity_that_is_not_there_is_explained(tenant: TenantConfig, server: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", server.url + "/msi/give")
    monkeypatch.setenv("IDENTITY_HEADER", "h3ader")
    server.otherwise = lambda seen: Answer(400, {"statusCode": 400, "message": "No identity"})
    with pytest.raises(AuthError, match="tenant contoso"):
        TokenSource(with_auth(tenant, method="managed_identity", identity_client_id="x")).token()


def test_an_unknown_method_and_a_missing_secret_are_explained(tenant: TenantConfig) -> None:
    with pytest.raises(AuthError, match="choose one of"):
        TokenSource(with_auth(tenant, method="password")).token()
    with pytest.raises(AuthError, match=r"auth\.secret"):
        TokenSource(with_auth(tenant)).token()


def test_no_representation_shows_a_secret_or_a_token(tenant: TenantConfig, server: Any) -> None:
    source = TokenSource(tenant)
    token = source.token()
    assert SECRET not in repr(tenant)
    assert token not in repr(source)
    with pytest.raises(TypeError):
        pickle.dumps(tenant)


def test_the_proxy_gets_its_password_escaped_and_the_environment_counts_only_without_one(monkeypatch: Any) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://fromenv:1")
    monkeypatch.setenv("NO_PROXY", "")
    config = GraphConfig(proxy="http://user@proxy:3128", proxy_password=Secret("p@ss/word:1"))
    given = PinnedSession(config).merge_environment_settings("https://graph.microsoft.com", {}, False, False, None)
    assert given["proxies"]["https"] == "http://user:p%40ss%2Fword%3A1@proxy:3128"
    assert given["verify"] is not False
    plain = PinnedSession(GraphConfig()).merge_environment_settings(
        "https://graph.microsoft.com", {}, False, None, None
    )
    assert plain["proxies"]["https"] == "http://fromenv:1"


def test_tls_verification_has_no_off_switch(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    monkeypatch.setenv("CURL_CA_BUNDLE", "")
    session = PinnedSession(GraphConfig())
    session.verify = False
    assert session.merge_environment_settings("https://x", {}, False, False, None)["verify"] is True
    monkeypatch.setenv("CURL_CA_BUNDLE", "/env.pem")
    bundle = tmp_path / "ca.pem"
    bundle.write_text("x")
    assert PinnedSession(GraphConfig(ca_bundle=bundle)).merge_environment_settings("https://x", {}, 0, None, None)[
        "verify"
    ] == str(bundle)
    with pytest.raises(ConfigError, match=r"graph\.ca_bundle"):
        PinnedSession(GraphConfig(ca_bundle=tmp_path / "absent"))


CLOUDS = [
    ("global", "https://login.microsoftonline.com", "https://graph.microsoft.com"),
    ("usgov", "https://login.microsoftonline.us", "https://graph.microsoft.us"),
    ("usgov_dod", "https://login.microsoftonline.us", "https://dod-graph.microsoft.us"),
    ("china", "https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn"),
]


@pytest.mark.parametrize(("name", "login", "graph"), CLOUDS)
def test_clouds_by_name(name: str, login: str, graph: str) -> None:
    cloud = clouds.resolve(GraphConfig(cloud=name))
    assert (cloud.login_url, cloud.graph_url) == (login, graph)
    assert clouds.scope(cloud.graph_url) == graph + "/.default"


def test_a_url_of_ones_own_replaces_the_clouds() -> None:
    cloud = clouds.resolve(GraphConfig(cloud="usgov", url="https://graph.example:8443/"))
    assert cloud == clouds.Cloud("https://login.microsoftonline.us", "https://graph.example:8443")
    assert clouds.scope("https://graph.example:8443/base") == "https://graph.example:8443/.default"


BAD_URLS = ["http://graph.example", "http://localhost:1", "ftp://x", "graph.example", "https://", "https://x:notaport",
            "https://user:pw@x", "https://x/?a=b", "https://x/#f"]  # fmt: skip


@pytest.mark.parametrize("url", BAD_URLS)
@pytest.mark.parametrize("name", ["url", "login_url"])
def test_an_unusable_url_is_a_fault_of_the_configuration(url: str, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"graph\.{name}: ") as caught:
        clouds.resolve(dataclasses.replace(GraphConfig(), **{name: url}))
    assert "pw" not in str(caught.value)


def test_an_unknown_cloud_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="usgov_dod"):
        clouds.resolve(GraphConfig(cloud="mars"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_that_others_can_read_is_refused(tenant: TenantConfig, tmp_path: Path, mode: int) -> None:
    pem = certificates.make(tmp_path / "app.pem")
    pem.chmod(mode)
    with pytest.raises(AuthError, match="chmod 600"):
        TokenSource(with_auth(tenant, method="certificate", certificate=pem)).token()
