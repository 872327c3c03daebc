"""`entrawatch register-app`: makes the application in a tenant that the connector signs in with."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from entrawatch.config.model import GraphConfig
    from entrawatch.graph.register import Plan, Registered

NAME = "register-app"
HELP = "Make the application in your tenant: sign in by device code, create it, ask for its permissions."
EXAMPLES = """\
  entrawatch register-app --tenant-id contoso.onmicrosoft.com            sign-ins, audits, provisioning
  entrawatch register-app --tenant-id contoso.onmicrosoft.com --risk --grant
  entrawatch register-app --tenant-id contoso.onmicrosoft.com --new-certificate app.pem
  entrawatch register-app --tenant-id contoso.onmicrosoft.com --az       only print the az commands that do the same
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--tenant-id", required=True, help="the tenant's GUID or one of its domains")
    parser.add_argument("--name", default="Entrawatch", help="display name (default Entrawatch)")
    parser.add_argument("--risk", action="store_true", help="the Identity Protection permissions too (Entra ID P2)")
    parser.add_argument("--grant", action="store_true", help="give the consent at once, where you may")
    credential = parser.add_mutually_exclusive_group()
    credential.add_argument("--certificate", type=Path, metavar="PEM", help="certificate with key, instead of a secret")
    credential.add_argument(
        "--new-certificate", type=Path, metavar="PEM", help="the same, made here: a self-signed one"
    )
    parser.add_argument("--secret-file", type=Path, default=Path("entrawatch-client-secret"), metavar="FILE",
                        help="where the client secret goes (default entrawatch-client-secret)")  # fmt: skip
    parser.add_argument(
        "--days", type=int, default=180, help="how long the secret or new certificate is good for (default 180)"
    )
    parser.add_argument("--az", action="store_true", help="only print the az commands that do the same")
    parser.add_argument("--cloud", default="global", choices=("global", "usgov", "usgov_dod", "china"))
    parser.add_argument("--graph-url", default="", help="Graph's base URL, where it is no named cloud's")
    parser.add_argument("--login-url", default="", help="the token authority's, likewise")
    parser.add_argument(
        "--ca-bundle", type=Path, metavar="FILE", help="CA certificates trusted instead of the system's"
    )


def run(arguments: argparse.Namespace) -> int:
    """Register; the secret goes to its file and nowhere else."""
    from entrawatch.cli import logs
    from entrawatch.cli.console import say
    from entrawatch.config.model import GraphConfig
    from entrawatch.graph import certificate, register_text
    from entrawatch.redaction import hide

    logs.setup("text", "warning", debug=arguments.debug)
    _check(arguments)
    graph = GraphConfig(arguments.cloud, arguments.graph_url, arguments.login_url, arguments.ca_bundle)
    plan = _plan(arguments)
    if arguments.az:
        end = datetime.now(timezone.utc) + timedelta(days=plan.days)
        print("\n".join(register_text.az_commands(graph, arguments.tenant_id, plan, arguments.secret_file, end)))
        return 0
    if arguments.new_certificate:
        certificate.make(arguments.new_certificate, plan.name, plan.days)
        say(f"a new certificate with its key is in {arguments.new_certificate}, readable by you only")
    handle = None if plan.certificate else _secret_handle(arguments.secret_file)
    try:
        done = _register(graph, arguments.tenant_id, plan, say)
        if done.secret is not None and handle is not None:
            hide([done.secret.reveal()])
            os.ftruncate(handle, 0)
            os.write(handle, done.secret.reveal().encode())
            os.fsync(handle)
    finally:
        if handle is not None:
            os.close(handle)
    _tell(arguments, graph, plan, done)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    from entrawatch.config.keys import Key
    from entrawatch.config.values import READERS, Wrong

    faults = []
    for option, kind in (("tenant_id", "tenant"), ("graph_url", "url"), ("login_url", "url")):
        value = getattr(arguments, option)
        if not value and kind == "url":
            continue
        try:
            READERS[kind](value, Key(kind, ""))
        except Wrong as wrong:
            faults.append(f"--{option.replace('_', '-')}: {wrong}")
    if not 1 <= arguments.days <= 730:
        faults.append(f"--days: {arguments.days} is not between 1 and 730, the most Entra ID's portal allows")
    if arguments.certificate and not arguments.certificate.is_file():
        faults.append(f"--certificate: {arguments.certificate} is no file")
    if faults:
        raise ConfigError(faults)


def _plan(arguments: argparse.Namespace) -> Plan:
    from entrawatch.graph.permissions import needed
    from entrawatch.graph.register import Plan
    from entrawatch.schema.streams import default_streams

    streams = [stream for stream in default_streams() if arguments.risk or stream.limit == "reporting"]
    pem = arguments.certificate or arguments.new_certificate
    return Plan(arguments.name, needed(streams), pem and pem.absolute(), arguments.grant, arguments.days)


def _secret_handle(path: Path) -> int:
    """Opened before anything is made in the tenant: a secret that cannot be kept would be lost."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        os.fchmod(handle, 0o600)
    except OSError as error:
        raise ConfigError([f"--secret-file: {path} cannot be written ({error.strerror})"]) from None
    return handle


def _register(graph: GraphConfig, tenant_id: str, plan: Plan, show: Any) -> Registered:
    from entrawatch.clock import SystemClock
    from entrawatch.graph.budget import Budgets
    from entrawatch.graph.client import GraphClient
    from entrawatch.graph.register import GRANT_SCOPES, SCOPES, Directory, register
    from entrawatch.graph.signin import DeviceSignIn
    from entrawatch.interfaces import Silent

    scopes = (*SCOPES, *(GRANT_SCOPES if plan.grant else ()))
    signed_in = DeviceSignIn(graph, tenant_id, scopes, show)
    clock, observer = SystemClock(), Silent()
    client = GraphClient(
        signed_in.tenant(), signed_in, clock=clock, observer=observer, budgets=Budgets(clock, observer)
    )
    try:
        return register(Directory(client, clock), plan)
    finally:
        client.close()


def _tell(arguments: argparse.Namespace, graph: GraphConfig, plan: Plan, done: Registered) -> None:
    from entrawatch.cli.console import say
    from entrawatch.graph import register_text
    from entrawatch.redaction import clean

    say(f"{'made' if done.created else 'found'} the application {clean(plan.name)} ({done.app_id})")
    for note in done.notes:
        say(f"note: {clean(note)}")
    secret_file: Optional[Path] = None if plan.certificate else arguments.secret_file.absolute()
    if secret_file:
        say(f"the client secret is in {secret_file}, readable by you only; it ends in {plan.days} days")
    if done.missing:
        say(f"still to be consented: {', '.join(done.missing)}; an administrator opens")
        say(f"  {register_text.consent_url(graph, arguments.tenant_id, done.app_id)}")
    say("the same with the Azure CLI: run this command with --az")
    say("the configuration begins like this; add state_dir and sinks (docs/config.md), then run entrawatch doctor:")
    print(
        register_text.config_text(
            graph, arguments.tenant_id, done.app_id, certificate=plan.certificate, secret_file=secret_file
        ),
        end="",
    )
