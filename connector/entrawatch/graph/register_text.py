"""What register-app prints: the consent link, the configuration, the same steps for the Azure CLI. Pure functions."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import quote

import yaml

from entrawatch.graph import clouds
from entrawatch.graph.permissions import GRAPH_APP_ID, ROLE_IDS

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from entrawatch.config.model import GraphConfig
    from entrawatch.graph.register import Plan

#: the environment variable the configuration names when the secret goes to no file
VARIABLE = "ENTRAWATCH_CLIENT_SECRET"


def consent_url(graph: GraphConfig, tenant_id: str, app_id: str) -> str:
    """Where an administrator consents (learn.microsoft.com/entra/identity/enterprise-apps/grant-admin-consent).

    :raises ConfigError: unusable URLs.
    """
    login = clouds.resolve(graph).login_url
    return f"{login}/{quote(tenant_id, safe='')}/adminconsent?client_id={quote(app_id, safe='')}"


def config_text(
    graph: GraphConfig, tenant_id: str, app_id: str, *, certificate: Optional[Path], secret_file: Optional[Path]
) -> str:
    """The tenant's part of the configuration file; the secret is named by its file or variable, never shown."""
    auth: dict[str, Any] = {"method": "client_secret"}
    if certificate is not None:
        auth = {"method": "certificate", "certificate": str(certificate)}
    elif secret_file is not None:
        auth["secret_file"] = str(secret_file)
    else:
        auth["secret_env"] = VARIABLE
    wanted = {"cloud": graph.cloud, "url": graph.url, "login_url": graph.login_url, "ca_bundle": graph.ca_bundle}
    plain = {"cloud": "global", "url": "", "login_url": "", "ca_bundle": None}
    where = {name: str(value) for name, value in wanted.items() if value != plain[name]}
    tenant: dict[str, Any] = {"tenant_id": tenant_id, "client_id": app_id, "auth": auth}
    return yaml.safe_dump({**tenant, **({"graph": where} if where else {})}, sort_keys=False)


def az_commands(graph: GraphConfig, tenant_id: str, plan: Plan, secret_file: Path, end: datetime) -> list[str]:
    """The same steps with the Azure CLI, one command a line, each value quoted for a POSIX shell.

    :param secret_file: where the client secret goes, and nowhere else; one that is there is not written over.
    :param end: when the secret is to end, in UTC.

    Commands: learn.microsoft.com/cli/azure/ad/app, /ad/sp, /cloud.
    """
    names = {"usgov": "AzureUSGovernment", "usgov_dod": "AzureUSGovernment", "china": "AzureChinaCloud"}
    lines = [["az", "cloud", "set", "--name", names[graph.cloud]]] if graph.cloud in names else []
    lines.append(["az", "login", "--tenant", tenant_id, "--allow-no-subscriptions"])
    commands = [shlex.join(line) for line in lines]
    make = ["az", "ad", "app", "create", "--display-name", plan.name, "--sign-in-audience", "AzureADMyOrg",
            "--query", "appId", "--output", "tsv"]  # fmt: skip
    commands.append(f"APP_ID=$({shlex.join(make)})")
    commands.append('az ad sp create --id "$APP_ID"')
    roles = shlex.join(f"{ROLE_IDS[name]}=Role" for name in plan.permissions)
    commands.append(f"# {', '.join(plan.permissions)}")
    commands.append(f'az ad app permission add --id "$APP_ID" --api {GRAPH_APP_ID} --api-permissions {roles}')
    commands.append(_credential(plan, secret_file, end))
    commands.append('az ad app permission admin-consent --id "$APP_ID"')
    return commands


def _credential(plan: Plan, secret_file: Path, end: datetime) -> str:
    reset = 'az ad app credential reset --id "$APP_ID" --append '
    if plan.certificate is not None:
        # az wants the public certificate alone, and our file holds the key too
        return f'{reset}--cert "$(openssl x509 -in {shlex.quote(str(plan.certificate))})"'
    options = shlex.join(
        ["--display-name", "entrawatch", "--end-date", f"{end:%Y-%m-%dT%H:%M:%SZ}", "--query", "password", "-o", "tsv"]
    )
    # a file that is there keeps its permissions, so it is refused (-C), and before az makes a secret
    return f"(umask 077; set -C; {reset}{options} > {shlex.quote(str(secret_file))})"
