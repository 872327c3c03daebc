"""The products of `entrawatch deploy`: their options, and the parts of a deployment that these make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Callable, NamedTuple

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from entrawatch.config.model import AuthConfig, Secret, TenantConfig
    from entrawatch.deploy.content import Package
    from entrawatch.deploy.rest import Rest
    from entrawatch.deploy.run import Part

    _Headers = Callable[[], Mapping[str, str]]


class Product(NamedTuple):
    """One product.

    :param add: adds its options.
    :param parts: where it is, in words, and what is deployed there.
    """

    help: str
    add: Callable[[argparse.ArgumentParser], None]
    parts: Callable[[argparse.Namespace, Mapping[str, str]], tuple[str, list[Part]]]


def _rest(arguments: argparse.Namespace, url: str, headers: _Headers, advice: Mapping[int, str]) -> Rest:
    from entrawatch.deploy.rest import Connection, Rest

    return Rest(Connection(url, headers, advice, arguments.ca_bundle, arguments.timeout))


# --- Splunk ---


def _add_splunk(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Splunk")
    group.add_argument("--url", default="", help="the management port's address (default: $SPLUNK_URL)")
    group.add_argument(
        "--token-env", default="SPLUNK_TOKEN", metavar="NAME",
        help="environment variable with the authentication token (default SPLUNK_TOKEN)",
    )  # fmt: skip
    group.add_argument("--token-file", type=Path, metavar="FILE", help="or the file it is in, readable by you only")
    group.add_argument(
        "--profile", default="normalized", choices=("normalized", "azure:monitor:aad"),
        help="the shape of events that the searches read (default normalized)",
    )  # fmt: skip


def _splunk(arguments: argparse.Namespace, environ: Mapping[str, str]) -> tuple[str, list[Part]]:
    from entrawatch.deploy import settings, splunk, splunk_parts
    from entrawatch.deploy.content import package
    from entrawatch.deploy.run import Part

    url, token, _ = settings.together(
        lambda: settings.address("--url", arguments.url, "SPLUNK_URL", environ),
        lambda: settings.secret("--token-file", arguments.token_file, arguments.token_env, environ),
        lambda: settings.bundle(arguments.ca_bundle),
    )
    rest = _rest(arguments, url, lambda: {"Authorization": f"Bearer {token.reveal()}"}, splunk.ADVICE)
    made = package("splunk", arguments.content, arguments.rules)
    searches = splunk_parts.searches(made, arguments.profile)
    where = f"Splunk {url}, {arguments.profile} events{splunk.version_note(splunk.app_version(rest))}"
    return where, [
        Part(splunk.Macros(rest), splunk_parts.macros(made)),
        Part(splunk.SavedSearches(rest, searches.wanted, enable=arguments.enable), searches),
    ]


# --- Elastic ---


def _add_elastic(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Elastic")
    group.add_argument("--kibana-url", default="", metavar="URL", help="Kibana's address (default: $KIBANA_URL)")
    group.add_argument("--space", default="", help="the Kibana space (default: the default one)")
    group.add_argument(
        "--assets", nargs="+", default=[], choices=("baseline", "integration", "dashboard"), metavar="PART",
        help="also what the rules lean on: baseline (indices, transforms), integration (fields for Elastic's own azure "
        "integration), dashboard",
    )  # fmt: skip
    group.add_argument(
        "--elasticsearch-url", default="", metavar="URL",
        help="Elasticsearch's address, for --assets (default: $ELASTICSEARCH_URL)",
    )  # fmt: skip
    group.add_argument(
        "--api-key-env", default="ELASTIC_API_KEY", metavar="NAME",
        help="environment variable with the API key (default ELASTIC_API_KEY)",
    )  # fmt: skip
    group.add_argument("--api-key-file", type=Path, metavar="FILE", help="or the file it is in, readable by you only")


def _elastic(arguments: argparse.Namespace, environ: Mapping[str, str]) -> tuple[str, list[Part]]:
    from entrawatch.deploy import elastic, elastic_parts, settings
    from entrawatch.deploy.content import package
    from entrawatch.deploy.run import Part
    from entrawatch.redaction import hide

    url, key, search, space, _ = settings.together(
        lambda: settings.address("--kibana-url", arguments.kibana_url, "KIBANA_URL", environ),
        lambda: settings.secret("--api-key-file", arguments.api_key_file, arguments.api_key_env, environ),
        lambda: _elasticsearch_url(arguments, environ),
        lambda: settings.space(arguments.space),
        lambda: settings.bundle(arguments.ca_bundle),
    )
    hide(elastic.spellings(key.reveal()))
    rest = _rest(arguments, url, lambda: elastic.headers(key.reveal()), elastic.ADVICE)
    made = package("elastic", arguments.content, arguments.rules)
    rules = elastic.KibanaRules(rest, space, enable=arguments.enable)
    parts = _assets(arguments, search, made, rest, key, space)
    where = f"Kibana {url}, space {space or 'default'}"
    return where, [*parts, Part(rules, elastic_parts.rules(made))]


def _elasticsearch_url(arguments: argparse.Namespace, environ: Mapping[str, str]) -> str:
    """Elasticsearch's address, "" where nothing chosen goes there."""
    from entrawatch.deploy import elastic_parts, settings

    if not set(arguments.assets) - {elastic_parts.DASHBOARD}:
        return ""
    return settings.address("--elasticsearch-url", arguments.elasticsearch_url, "ELASTICSEARCH_URL", environ)


def _assets(
    arguments: argparse.Namespace, url: str, made: Package, kibana: Rest, key: Secret, space: str
) -> list[Part]:
    """What the rules lean on comes before them.

    :param url: Elasticsearch's address, "" where nothing chosen goes there.
    """
    from entrawatch.deploy import elastic, elastic_assets, elastic_parts
    from entrawatch.deploy.run import Part
    from entrawatch.deploy.target import Content

    parts, chosen = [], tuple(arguments.assets)
    if url:
        said = {"Authorization": elastic.headers(key.reveal())["Authorization"]}
        rest = _rest(arguments, url, lambda: said, elastic_assets.ADVICE)
        content = elastic_parts.assets(made, chosen)
        parts.append(Part(elastic_assets.Assets(rest, content.wanted), content))
    if elastic_parts.DASHBOARD in chosen:
        one = elastic_parts.dashboard(made)
        parts.append(Part(elastic_assets.Dashboards(kibana, one, space), Content((one,), whole=False)))
    return parts


# --- Sentinel ---


def _add_sentinel(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Sentinel")
    group.add_argument("--subscription", default="", metavar="GUID", help="its id (default: $AZURE_SUBSCRIPTION_ID)")
    # missing ones are told together with all else that is missing, which argparse's `required` would not do
    group.add_argument("--resource-group", default="", metavar="NAME", help="the workspace's resource group; needed")
    group.add_argument("--workspace", default="", metavar="NAME", help="the Log Analytics workspace; needed")
    group.add_argument("--no-hunting", action="store_true", help="leave the hunting queries out")
    identity = parser.add_argument_group("who signs in")
    identity.add_argument(
        "--auth", default="token",
        choices=("token", "client_secret", "certificate", "managed_identity", "workload_identity"),
        help="token: the one in $AZURE_ACCESS_TOKEN, from az account get-access-token (default); or an application "
        "($AZURE_TENANT_ID, $AZURE_CLIENT_ID) with $AZURE_CLIENT_SECRET or --certificate; or the machine's identity",
    )  # fmt: skip
    identity.add_argument("--secret-file", type=Path, metavar="FILE", help="the token or client secret from a file")
    identity.add_argument("--tenant-id", default="", help="the application's tenant (default: $AZURE_TENANT_ID)")
    identity.add_argument("--client-id", default="", help="the application's id (default: $AZURE_CLIENT_ID)")
    identity.add_argument(
        "--certificate",
        type=Path,
        metavar="PEM",
        help="certificate with its private key, whose password is in $AZURE_CLIENT_CERTIFICATE_PASSWORD",
    )
    identity.add_argument("--cloud", default="global", choices=("global", "usgov", "usgov_dod", "china"))
    identity.add_argument(
        "--management-url", default="", metavar="URL", help="Resource Manager, where it is no cloud's"
    )
    identity.add_argument("--login-url", default="", metavar="URL", help="the token authority, likewise")


def _sentinel(arguments: argparse.Namespace, environ: Mapping[str, str]) -> tuple[str, list[Part]]:
    from entrawatch.deploy import azure, sentinel, sentinel_parts, settings
    from entrawatch.deploy.content import package
    from entrawatch.deploy.run import Part

    subscription = arguments.subscription or environ.get(azure.SUBSCRIPTION, "")
    given = arguments.management_url or azure.HOSTS[arguments.cloud]
    workspace, url, signed_in, _ = settings.together(
        lambda: azure.Workspace(subscription, arguments.resource_group, arguments.workspace),
        lambda: settings.address("--management-url", given, "", environ),
        lambda: _sign_in(arguments, environ),
        lambda: settings.bundle(arguments.ca_bundle),
    )
    rest = _rest(arguments, url, signed_in(url), azure.ADVICE)
    made = package("sentinel", arguments.content, arguments.rules)
    parts = [Part(sentinel.AlertRules(rest, workspace, enable=arguments.enable), sentinel_parts.rules(made))]
    if not arguments.no_hunting:
        parts.append(Part(sentinel.HuntingQueries(rest, workspace), sentinel_parts.hunts(made)))
    return f"Sentinel workspace {workspace.name} in {workspace.resource_group}", parts


def _sign_in(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Callable[[str], _Headers]:
    """Resource Manager's address → what gives each request its headers.

    :raises ConfigError: all that the chosen way of signing in misses.
    """
    from entrawatch.deploy import azure, settings

    if arguments.auth == "token":
        token = settings.secret("--secret-file", arguments.secret_file, "AZURE_ACCESS_TOKEN", environ)
        return lambda url: azure.GivenToken(token).headers
    tenant, client, auth = settings.together(
        lambda: _given(arguments.tenant_id, "--tenant-id", "AZURE_TENANT_ID", arguments.auth, environ),
        lambda: _given(arguments.client_id, "--client-id", "AZURE_CLIENT_ID", arguments.auth, environ),
        lambda: _credential(arguments, environ),
    )
    return lambda url: azure.OwnToken(_tenant(arguments, tenant, client, auth, url)).headers


def _given(text: str, option: str, variable: str, method: str, environ: Mapping[str, str]) -> str:
    """:raises ConfigError: it is missing, and the way of signing in needs it."""
    from entrawatch.errors import ConfigError

    found = text or environ.get(variable, "")
    if not found and method != "managed_identity":
        raise ConfigError([f"{option}: not given; --auth {method} needs it: write {option} ID, or set {variable}"])
    return found


def _credential(arguments: argparse.Namespace, environ: Mapping[str, str]) -> AuthConfig:
    """:raises ConfigError: the secret or the certificate is missing."""
    from entrawatch.config.model import AuthConfig, Secret
    from entrawatch.deploy import settings
    from entrawatch.errors import ConfigError

    method, secret = arguments.auth, None
    if method == "certificate" and arguments.certificate is None:
        raise ConfigError([f"--certificate: not given; --auth {method} needs it, a PEM file with certificate and key"])
    if method == "client_secret":
        secret = settings.secret("--secret-file", arguments.secret_file, "AZURE_CLIENT_SECRET", environ)
    password = environ.get("AZURE_CLIENT_CERTIFICATE_PASSWORD")
    return AuthConfig(method, secret, arguments.certificate, Secret(password) if password else None)


def _tenant(arguments: argparse.Namespace, tenant: str, client: str, auth: AuthConfig, url: str) -> TenantConfig:
    """The application or identity as the connector's sign-in knows one; its Graph is Resource Manager."""
    from dataclasses import replace

    from entrawatch.config.model import GraphConfig, TenantConfig

    auth = replace(auth, identity_client_id=client if auth.method == "managed_identity" else "")
    graph = GraphConfig(arguments.cloud, url, arguments.login_url, arguments.ca_bundle, timeout=arguments.timeout)
    return TenantConfig(tenant or "of this machine", tenant, client, auth, graph)


PRODUCTS: dict[str, Product] = {
    "splunk": Product("Saved searches and macros into a Splunk that has the app.", _add_splunk, _splunk),
    "elastic": Product("Detection rules into Elastic Security (Kibana).", _add_elastic, _elastic),
    "sentinel": Product("Analytics rules and hunting queries into Microsoft Sentinel.", _add_sentinel, _sentinel),
}
