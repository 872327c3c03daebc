"""Who gives nothing, or half of it, is told everything that is missing at once, and how to give it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest

if TYPE_CHECKING:
    from tests.commands import Done

VARIABLES = (
    "SPLUNK_URL", "SPLUNK_TOKEN", "KIBANA_URL", "ELASTICSEARCH_URL", "ELASTIC_API_KEY", "AZURE_SUBSCRIPTION_ID",
    "AZURE_ACCESS_TOKEN", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET",
)  # fmt: skip
SUBSCRIPTION = (
    "--subscription: not given; write --subscription GUID, or set AZURE_SUBSCRIPTION_ID (az account show --query id)"
)
GUID = "00000000-0000-0000-0000-000000000000"
PLACE = ("--subscription", GUID, "--resource-group", "soc", "--workspace", "soc")
MISSING = [
    (("splunk",), [
        "--url: not given; write --url https://host, or set SPLUNK_URL",
        "the environment variable SPLUNK_TOKEN is not set; export it first; or name a file with --token-file",
    ]),
    (("elastic", "--ca-bundle", "/nowhere/ca.pem"), [
        "--kibana-url: not given; write --kibana-url https://host, or set KIBANA_URL",
        "the environment variable ELASTIC_API_KEY is not set; export it first; or name a file with --api-key-file",
        "--ca-bundle: cannot read /nowhere/ca.pem; give a PEM file of CA certificates",
    ]),
    (("elastic", "--assets", "baseline", "dashboard", "--kibana-url", "kibana", "--api-key-env", "NOT_SET"), [
        "--kibana-url: is no URL; write https://host:port",
        "the environment variable NOT_SET is not set; export it first; or name a file with --api-key-file",
        "--elasticsearch-url: not given; write --elasticsearch-url https://host, or set ELASTICSEARCH_URL",
    ]),
    (("elastic", "--assets", "dashboard", "--kibana-url", "https://localhost"), [  # Kibana's alone
        "the environment variable ELASTIC_API_KEY is not set; export it first; or name a file with --api-key-file",
    ]),
    (("sentinel",), [
        SUBSCRIPTION,
        "--resource-group: not given; write --resource-group NAME",
        "--workspace: not given; write --workspace NAME",
        "the environment variable AZURE_ACCESS_TOKEN is not set; export it first; or name a file with --secret-file",
    ]),
    (("sentinel", "--subscription", "mine", "--management-url", "http://management.example", "--auth", "certificate"), [
        "--subscription: is no GUID; write the subscription's id (az account show --query id)",
        "--resource-group: not given; write --resource-group NAME",
        "--workspace: not given; write --workspace NAME",
        "--management-url: is plain http to management.example; write https, the credential would travel in the clear",
        "--tenant-id: not given; --auth certificate needs it: write --tenant-id ID, or set AZURE_TENANT_ID",
        "--client-id: not given; --auth certificate needs it: write --client-id ID, or set AZURE_CLIENT_ID",
        "--certificate: not given; --auth certificate needs it, a PEM file with certificate and key",
    ]),
    (("sentinel", "--auth", "managed_identity", "--subscription", GUID, "--workspace", "soc"), [  # no ids are needed
        "--resource-group: not given; write --resource-group NAME",
    ]),
    (("sentinel", *PLACE, "--auth", "client_secret"), [
        "--tenant-id: not given; --auth client_secret needs it: write --tenant-id ID, or set AZURE_TENANT_ID",
        "--client-id: not given; --auth client_secret needs it: write --client-id ID, or set AZURE_CLIENT_ID",
        "the environment variable AZURE_CLIENT_SECRET is not set; export it first; or name a file with --secret-file",
    ]),
    (("sentinel", *PLACE, "--auth", "workload_identity", "--client-id", GUID), [
        "--tenant-id: not given; --auth workload_identity needs it: write --tenant-id ID, or set AZURE_TENANT_ID",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "lines"), MISSING, ids=[" ".join(given) for given, _ in MISSING])
def test_all_that_is_missing_is_told_at_once(
    call: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], lines: list[str]
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    done = call("deploy", *given, "--plan")
    assert done.code == 2
    assert done.err.splitlines() == [f"entrawatch: {line}" for line in lines]
