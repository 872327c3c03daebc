"""register-app against the emulator's directory: what is made, found again and refused, and what is printed."""

from __future__ import annotations

import dataclasses
import shlex
import subprocess
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from tests.graph import certificates
from tests.graph.conftest import with_graph
from tests.graph.server import Answer, error

from entrawatch.clock import SystemClock
from entrawatch.config.keys import SinkTables
from entrawatch.config.load import load
from entrawatch.config.model import AuthConfig, GraphConfig, Secret, TenantConfig
from entrawatch.emulator.server import Emulator
from entrawatch.errors import AuthError, ConfigError, TransientError
from entrawatch.graph import certificate, policy, register, register_text
from entrawatch.graph.auth import TokenSource
from entrawatch.graph.budget import UNLIMITED, Budgets
from entrawatch.graph.client import GraphClient
from entrawatch.graph.permissions import GRAPH_APP_ID, ROLE_IDS, needed
from entrawatch.graph.probe import roles_in
from entrawatch.graph.register import Directory, Plan
from entrawatch.graph.signin import PUBLIC_CLIENT, DeviceSignIn
from entrawatch.interfaces import Silent
from entrawatch.schema.streams import STREAMS, default_streams

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READ = ("AuditLog.Read.All", "Policy.Read.ConditionalAccess")


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(throttle=False, device_interval=1, device_polls=0) as running:
        yield running


@pytest.fixture(scope="module")
def graph(emulator: Emulator) -> GraphConfig:
    return GraphConfig(url=emulator.url, login_url=emulator.login_url, ca_bundle=emulator.ca_file)


@pytest.fixture(scope="module")
def signed_in(emulator: Emulator, graph: GraphConfig) -> DeviceSignIn:
    return DeviceSignIn(graph, emulator.tenant_id, register.SCOPES + register.GRANT_SCOPES, lambda line: None)


@pytest.fixture
def directory(signed_in: DeviceSignIn) -> Iterator[Directory]:
    clock = SystemClock()
    client = GraphClient(
        signed_in.tenant(), signed_in, clock=clock, observer=Silent(), budgets=Budgets(clock, limits=UNLIMITED)
    )
    yield Directory(client, clock)
    client.close()


def roles_of(graph: GraphConfig, tenant_id: str, app_id: str, auth: AuthConfig) -> Any:
    return roles_in(TokenSource(TenantConfig("new", tenant_id, app_id, auth, graph)).token())


def test_a_new_application_gets_its_secret_and_its_consent_and_can_sign_in(
    directory: Directory, emulator: Emulator, graph: GraphConfig
) -> None:
    done = register.register(directory, Plan("First's app", READ, grant=True))
    assert (done.created, done.granted, done.missing) == (True, READ, ())
    assert done.secret is not None
    assert done.secret.reveal() not in repr(done)
    assert roles_of(graph, emulator.tenant_id, done.app_id, AuthConfig(secret=done.secret)) == set(READ)


def test_registering_again_uses_the_same_application_and_adds_what_is_new(directory: Directory) -> None:
    first = register.register(directory, Plan("Again", READ[:1], grant=True))
    second = register.register(directory, Plan("Again", READ, grant=True))
    assert second.app_id == first.app_id
    assert second.principal_id == first.principal_id
    assert not second.created
    assert "used again" in second.notes[0]
    assert second.granted == READ
    assert second.secret != first.secret
    (application,) = directory.find("/applications", "displayName", "Again")
    (access,) = application["requiredResourceAccess"]
    assert access["resourceAppId"] == GRAPH_APP_ID
    assert [entry["id"] for entry in access["resourceAccess"]] == [ROLE_IDS[name] for name in READ]


def test_without_a_grant_the_permissions_are_still_missing(directory: Directory) -> None:
    done = register.register(directory, Plan("Ungranted", READ))
    assert (done.granted, done.missing) == ((), READ)


def test_a_certificate_is_uploaded_once_beside_the_others(
    directory: Directory, emulator: Emulator, graph: GraphConfig, tmp_path: Path
) -> None:
    pem, other = tmp_path / "app.pem", tmp_path / "other.pem"
    certificate.make(pem, "Certified", 30)
    certificate.make(other, "Certified", 30)
    assert pem.stat().st_mode & 0o077 == 0
    done = register.register(directory, Plan("Certified", READ[:1], certificate=pem, grant=True))
    assert done.secret is None
    auth = AuthConfig("certificate", certificate=pem)
    assert roles_of(graph, emulator.tenant_id, done.app_id, auth) == {READ[0]}
    again = register.register(directory, Plan("Certified", READ[:1], certificate=pem))
    assert any("already registered" in note for note in again.notes)
    register.register(directory, Plan("Certified", READ[:1], certificate=other))
    (application,) = directory.find("/applications", "displayName", "Certified")
    assert len(application["keyCredentials"]) == 2
    with pytest.raises(AuthError, match="not written over"):
        certificate.make(pem, "Certified", 30)
    with pytest.raises(AuthError, match="no certificate"):
        certificate.key_credential(tmp_path / "absent.pem")


def test_two_applications_of_one_name_are_not_chosen_between(directory: Directory) -> None:
    for _ in range(2):
        directory.post("/applications", {"displayName": "Twin"})
    with pytest.raises(ConfigError, match="2 applications are called 'Twin'"):
        register.register(directory, Plan("Twin", READ))


def test_an_unknown_permission_is_refused_before_anything_is_made(directory: Directory) -> None:
    with pytest.raises(ConfigError, match=r"unknown permission Mail\.Read"):
        register.register(directory, Plan("Never", ("Mail.Read",)))
    assert directory.find("/applications", "displayName", "Never") == []


def test_who_may_not_consent_is_told_who_may(emulator: Emulator, graph: GraphConfig) -> None:
    person = DeviceSignIn(graph, emulator.tenant_id, register.SCOPES, lambda line: None)
    clock = SystemClock()
    client = GraphClient(
        person.tenant(), person, clock=clock, observer=Silent(), budgets=Budgets(clock, limits=UNLIMITED)
    )
    done = register.register(Directory(client, clock), Plan("Unconsented", READ, grant=True))
    client.close()
    assert done.missing == READ
    assert any("Privileged Role Administrator" in note for note in done.notes)


def test_what_was_just_made_may_take_a_while_to_be_known(client: GraphClient, server: Any, clock: Any) -> None:
    not_yet = error(404, "Request_ResourceNotFound", "Resource 'x' does not exist")
    server.script.extend([not_yet, not_yet, Answer(200, {"secretText": "abc"})])
    assert register.add_secret(Directory(client, clock), "x", Plan("a", READ)) == Secret("abc")
    assert clock.passed == 6
    assert server.requests[2].json["passwordCredential"]["endDateTime"] == "2026-09-06T12:00:00Z"


def test_what_is_never_known_fails_in_the_end(client: GraphClient, server: Any, clock: Any) -> None:
    server.otherwise = lambda seen: error(404, "Request_ResourceNotFound", "m")
    with pytest.raises(policy.NotThereError):
        register.add_secret(Directory(client, clock), "x", Plan("a", READ))
    assert len(server.requests) == 6


def test_permissions_of_other_apis_and_older_ones_stay() -> None:
    other = {"resourceAppId": "other", "resourceAccess": [{"id": "1", "type": "Role"}]}
    mine = {"resourceAppId": GRAPH_APP_ID, "resourceAccess": [{"id": "2", "type": "Scope"}]}
    assert register.required_access(READ[:1], [other, mine]) == [
        other,
        {"resourceAppId": GRAPH_APP_ID, "resourceAccess": [
            {"id": "2", "type": "Scope"}, {"id": ROLE_IDS[READ[0]], "type": "Role"},
        ]},
    ]  # fmt: skip


def test_the_least_permissions_for_streams() -> None:
    assert needed([STREAMS["directory_audits"]]) == ("AuditLog.Read.All",)
    assert needed([STREAMS["interactive"]]) == READ
    assert set(needed(default_streams())) == {
        "AuditLog.Read.All", "IdentityRiskEvent.Read.All", "IdentityRiskyUser.Read.All",
        "IdentityRiskyServicePrincipal.Read.All", "Policy.Read.ConditionalAccess",
    }  # fmt: skip


def test_the_person_sees_address_and_code(emulator: Emulator, graph: GraphConfig) -> None:
    seen: list[str] = []
    signed = DeviceSignIn(graph, emulator.tenant_id, register.SCOPES, seen.append)
    assert "devicelogin" in seen[0]
    assert signed.tenant().client_id == PUBLIC_CLIENT
    assert signed.token() == signed.renew("x")
    assert signed.token() not in repr(signed)


STARTED = Answer(body={"user_code": "ABC", "device_code": "d", "verification_uri": "https://x", "message": "go",
                       "interval": 1, "expires_in": 900})  # fmt: skip
FAILED_SIGN_INS = [
    (STARTED, Answer(400, {"error": "authorization_declined", "error_description": "AADSTS65004: declined"}),
     AuthError, "65004"),
    (STARTED, Answer(503), TransientError, "503"),
    (Answer(400, {"error": "invalid_client", "error_description": "AADSTS7000218: no"}), Answer(500),
     AuthError, "7000218"),
]  # fmt: skip


@pytest.mark.parametrize(("device", "token", "kind", "says"), FAILED_SIGN_INS)
def test_a_sign_in_that_fails_is_explained(
    tenant: TenantConfig, server: Any, device: Answer, token: Answer, kind: type, says: str
) -> None:
    server.otherwise = lambda seen: device
    server.token_answer = lambda seen: token
    with pytest.raises(kind, match=says):
        DeviceSignIn(tenant.graph, "t", register.SCOPES, lambda line: None)


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [({"login_url": "https://localhost:1"}, TransientError, "refused"), ({}, AuthError, "does not know the tenant")],
)
def test_a_login_host_that_cannot_serve_is_explained(
    tenant: TenantConfig, server: Any, change: dict[str, Any], kind: type, says: str
) -> None:
    server.discovery = Answer(404, "no")
    with pytest.raises(kind, match=says):
        DeviceSignIn(with_graph(tenant, **change).graph, "t", register.SCOPES, lambda line: None)


AZ_PLAN = Plan("Entra $(reboot) 'watch'", READ)


END = datetime(2027, 5, 23, 12, 0, tzinfo=timezone.utc)
AZ = "az() { printf '%s\\n' \"$@\" >&2; echo APPID; }\n"


def az_lines(plan: Plan, secret_file: Path, graph: GraphConfig | None = None) -> list[str]:
    return register_text.az_commands(graph or GraphConfig(), "t; rm -rf", plan, secret_file, END)


def test_the_azure_cli_commands_quote_every_value(tmp_path: Path) -> None:
    secret = tmp_path / "a $(reboot) 'secret'"
    lines = az_lines(AZ_PLAN, secret)
    ran = subprocess.run(["/bin/sh", "-euc", AZ + "\n".join(lines)], capture_output=True, text=True, check=True)
    words = ran.stderr.splitlines()
    assert secret.exists()
    assert AZ_PLAN.name in words
    assert "t; rm -rf" in words
    assert words.count("APPID") == 4
    assert f"{ROLE_IDS[READ[0]]}=Role" in words
    assert f"# {', '.join(AZ_PLAN.permissions)}" in lines
    assert words[-4:] == ["permission", "admin-consent", "--id", "APPID"]


def test_the_azure_cli_puts_the_secret_into_a_file_of_the_persons_own_until_the_same_day(tmp_path: Path) -> None:
    """Not onto the terminal; and a file that is there, whoever may read it, is not written over."""
    secret = tmp_path / "secret"
    (line,) = [line for line in az_lines(AZ_PLAN, secret) if "credential reset" in line]
    script = ["/bin/sh", "-c", f"umask 022; APP_ID=x; {AZ}{line}"]
    ran = subprocess.run(script, capture_output=True, text=True, check=True)
    assert ran.stdout == ""
    assert (secret.read_text(encoding="utf-8"), secret.stat().st_mode & 0o777) == ("APPID\n", 0o600)
    words = ran.stderr.splitlines()
    assert words[words.index("--end-date") + 1] == "2027-05-23T12:00:00Z"
    secret.write_text("another", encoding="utf-8")
    again = subprocess.run(script, capture_output=True, text=True, check=False)
    assert again.returncode != 0
    assert "--end-date" not in again.stderr  # az was not asked for a secret that would be lost
    assert secret.read_text(encoding="utf-8") == "another"


def test_the_azure_cli_gets_the_public_certificate_alone(tmp_path: Path) -> None:
    pem = certificates.make(tmp_path / "an app's.pem")
    plan = dataclasses.replace(AZ_PLAN, certificate=pem)
    lines = az_lines(plan, tmp_path / "unused", GraphConfig(cloud="china"))
    assert lines[0] == "az cloud set --name AzureChinaCloud"
    (line,) = [line for line in lines if "credential reset" in line]
    assert f"openssl x509 -in {shlex.quote(str(pem))}" in line


@pytest.mark.parametrize("cloud", ["global", "usgov"])
@pytest.mark.parametrize("kind", ["certificate", "secret_file", "secret_env"])
def test_the_printed_configuration_loads(tmp_path: Path, cloud: str, kind: str) -> None:
    file = tmp_path / kind
    certificate.write_private(file, b"text")
    text = register_text.config_text(
        GraphConfig(cloud=cloud), "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000",
        certificate=file if kind == "certificate" else None, secret_file=file if kind == "secret_file" else None,
    )  # fmt: skip
    whole = tmp_path / "entrawatch.yml"
    whole.write_text(text + "state_dir: state\nsinks: [{type: none, name: none}]\n")
    config = load(whole, SinkTables({"none": {}}, lambda options, given: []), {register_text.VARIABLE: "text"})
    (tenant,) = config.tenants
    assert tenant.graph.cloud == cloud
    assert tenant.client_id == "66666666-7777-8888-9999-000000000000"
    auth = tenant.auth
    assert (auth.certificate, auth.secret) == ((file, None) if kind == "certificate" else (None, Secret("text")))


def test_the_consent_link_is_the_clouds() -> None:
    link = register_text.consent_url(GraphConfig(cloud="usgov"), "contoso.example/x", "app")
    assert link == "https://login.microsoftonline.us/contoso.example%2Fx/adminconsent?client_id=app"


def test_a_secret_lasts_as_long_as_planned(directory: Directory) -> None:
    done = register.register(directory, Plan("Short", READ[:1], days=7))
    (application,) = directory.find("/applications", "displayName", "Short")
    end = application["passwordCredentials"][0]["endDateTime"]
    expected = datetime.now(timezone.utc) + timedelta(days=7)
    assert abs((datetime.fromisoformat(end.replace("Z", "+00:00")) - expected).total_seconds()) < 300
    assert done.created
