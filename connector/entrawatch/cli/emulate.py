"""`entrawatch emulate`: a Microsoft Graph on this machine, with a synthetic tenant in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    import threading
    from collections.abc import Iterator

    from entrawatch.emulator.server import Emulator

NAME = "emulate"
HELP = "Serve an emulated Graph with a synthetic tenant on loopback, and print the configuration that connects to it."
EXAMPLES = """\
  entrawatch emulate --port 8443 --keep emulated/keys --write-config emulator.yml
  entrawatch doctor --config emulator.yml                          in a second terminal
  entrawatch fetch --config emulator.yml --out logs --since 7d
  entrawatch run --config emulator.yml --once
  entrawatch emulate --tenant-size 2000 --days 3 --faults faults.yml
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--port", type=int, default=0, help="0 for a free one (default)")
    parser.add_argument("--tenant-size", type=int, default=200, metavar="USERS", help="employees (default 200)")
    parser.add_argument("--days", type=int, default=7, help="days of activity before now (default 7)")
    parser.add_argument("--seed", type=int, default=1, help="another number is another company")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="what goes wrong, and when (docs/emulator.md)")
    parser.add_argument("--no-throttle", action="store_true", help="answer without Graph's limits")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR",
        help="keep certificates and client secret there and use them again at the next start, so that a configuration "
        "stays good (with --port); otherwise they are in a temporary folder and gone at the end",
    )  # fmt: skip
    parser.add_argument("--write-config", type=Path, metavar="FILE", help="write the configuration there as well")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    import threading

    from entrawatch.cli.console import say
    from entrawatch.emulator.server import Emulator
    from entrawatch.ingest.runner import stop_on_signals

    options, stop = _options(arguments), threading.Event()
    say("making the tenant …")
    with stop_on_signals(stop), Emulator(_until(stop, _tenant(arguments)), **options) as emulator:
        text = config_of(emulator)
        say(f"CA certificate: {emulator.ca_file}; client secret: {emulator.secret_file}, readable by you only")
        if arguments.write_config:
            arguments.write_config.write_text(text, encoding="utf-8")
        print(text, end="", flush=True)
        if arguments.write_config:
            say(f"in a second terminal: entrawatch doctor --config {arguments.write_config}, then fetch or run --once")
        say(f"serving {emulator.url}; Ctrl-C ends it")
        while not stop.wait(0.5):
            pass
        say(f"answered {len(emulator.requests)} requests")
    return 0


def _until(stop: threading.Event, emitted: Iterator[Any]) -> Iterator[Any]:
    """The same, ended by a signal as any command is: a large tenant takes minutes."""
    for one in emitted:
        if stop.is_set():
            raise KeyboardInterrupt
        yield one


def _tenant(arguments: argparse.Namespace) -> Any:
    from datetime import datetime, timedelta, timezone

    from entrawatch.emulator.tenant import TenantOptions, generate

    now = datetime.now(timezone.utc).replace(microsecond=0)
    try:
        # a day more than there is yet: records arrive while it serves
        return generate(
            TenantOptions(
                seed=arguments.seed, users=arguments.tenant_size, start=now - timedelta(days=arguments.days),
                end=now + timedelta(days=1),
            )
        )  # fmt: skip
    except (ValueError, OverflowError) as error:
        raise ConfigError([f"--tenant-size, --days: {error}"]) from None


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    from entrawatch.emulator.faults import load_faults

    if not 0 <= arguments.port < 65536:
        raise ConfigError([f"--port: {arguments.port} is no port; 0 takes a free one"])
    _free(arguments.port)
    faults, seed = load_faults(arguments.faults) if arguments.faults else ((), 0)
    given = {"faults": faults, "seed": seed, "throttle": not arguments.no_throttle, "port": arguments.port}
    return {**given, "keep": _keep(arguments.keep)}


def _keep(folder: Optional[Path]) -> Optional[Path]:
    """:raises ConfigError: nothing can be kept there."""
    if folder is None:
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise ConfigError([f"--keep: {folder} cannot be written ({error.strerror}); give another folder"]) from None
    return folder.absolute()  # the configuration that names its files may lie elsewhere


def _free(port: int) -> None:
    """Said before the tenant is made, which takes a while.

    :raises ConfigError: somebody else has the port, or only root may.
    """
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError([f"--port: {port} cannot be had ({error.strerror}); 0 takes a free one"]) from None


def config_of(emulator: Emulator) -> str:
    """A configuration that connects to it; its secret is in the emulator's file."""
    import yaml

    graph = {"url": emulator.url, "login_url": emulator.login_url, "ca_bundle": str(emulator.ca_file)}
    whole = {
        "tenant_id": emulator.tenant_id,
        "client_id": emulator.client_id,
        "auth": {"method": "client_secret", "secret_file": str(emulator.secret_file)},
        "graph": graph,
        "state_dir": "emulated/state",
        "sinks": [{"type": "files", "path": "emulated/events"}],
    }
    return yaml.safe_dump(whole, sort_keys=False)
