"""`entrawatch fetch`: a range of the logs into files."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from entrawatch.config.model import Config, TenantConfig
    from entrawatch.interfaces import Window

NAME = "fetch"
HELP = "Export a range of the logs to files; a fetch that was cut off goes on where it stood."
EXAMPLES = """\
  entrawatch fetch --config entrawatch.yml --out logs --since 7d
  entrawatch fetch --tenant-id TENANT --client-id APP --out logs --format parquet \\
      --since 2026-11-01T00:00:00Z --until 2026-11-08T00:00:00Z --streams interactive,non_interactive

without --config the client secret is read from the environment variable ENTRAWATCH_CLIENT_SECRET,
and --tenant-id and --client-id may be given as ENTRAWATCH_TENANT_ID and ENTRAWATCH_CLIENT_ID
"""
SECRET = "ENTRAWATCH_CLIENT_SECRET"  # noqa: S105 - the variable's name
#: beside the exported files, hidden: what was fetched so far
_STATE = ".entrawatch"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files")
    parser.add_argument("--format", choices=("jsonl", "json", "csv", "parquet"), default="jsonl")
    parser.add_argument(
        "--since",
        default="24h",
        metavar="TIME",
        help="2026-11-01T00:00:00Z, 2026-11-01 (00:00 UTC), or how long ago (default 24h)",
    )
    parser.add_argument(
        "--until", default="0s", metavar="TIME", help="the first moment not wanted, said the same way (default: now)"
    )
    parser.add_argument("--streams", metavar="NAME,…", help="streams to fetch (default: all)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="take tenants and credentials from there")
    parser.add_argument("--tenant-id", default=os.environ.get("ENTRAWATCH_TENANT_ID", ""))
    parser.add_argument("--client-id", default=os.environ.get("ENTRAWATCH_CLIENT_ID", ""))
    parser.add_argument("--cloud", default="global", choices=("global", "usgov", "usgov_dod", "china"))


def run(arguments: argparse.Namespace) -> int:
    """Fetch, and say what there is now."""
    import threading

    from entrawatch.cli import collect, logs, progress
    from entrawatch.cli.console import out, say
    from entrawatch.cli.tally import Tally, stream_table
    from entrawatch.cli.watch import Many
    from entrawatch.ingest.runner import stop_on_signals

    logs.setup("text", "warning", debug=arguments.debug)
    window = _window(arguments)
    config = _config(arguments)
    tally, stop = Tally(), threading.Event()
    with stop_on_signals(stop), ExitStack() as stack:
        observer = Many([tally, stack.enter_context(progress.bars())])
        loop = stack.enter_context(collect.runner(config, observer=observer, stop=stop))
        outcome = loop.read_range(window)
    out().print(stream_table(tally, f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC"))
    if stop.is_set():
        say(f"entrawatch: stopped; the same command goes on where this one stood ({arguments.out})")
        return 130
    out().print(f"files in {arguments.out}", markup=False, soft_wrap=True)
    return collect.told(outcome, say)


def moment(text: str, option: str, now: datetime) -> datetime:
    """A time, or how long before now; a day alone is its beginning in UTC.

    :raises ConfigError: it is neither.
    """
    from datetime import timedelta

    from entrawatch.config.keys import Key
    from entrawatch.config.values import READERS, Wrong

    try:
        value = READERS["start"](f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text, Key("start", ""))
        return now - value if isinstance(value, timedelta) else value
    except (Wrong, OverflowError) as wrong:
        ago = ", the day alone, or how long ago: 7d" if f"{wrong}".endswith("write 2026-11-01T00:00:00Z") else ""
        raise ConfigError([f"--{option}: {wrong}{ago}"]) from None


def _window(arguments: argparse.Namespace) -> Window:
    from datetime import datetime, timezone

    from entrawatch.interfaces import Window

    now = datetime.now(timezone.utc)
    since, until = moment(arguments.since, "since", now), moment(arguments.until, "until", now)
    if since >= until:
        raise ConfigError([f"--since: {arguments.since} is not before --until {arguments.until}; swap them"])
    return Window(since, min(until, now))


def _config(arguments: argparse.Namespace) -> Config:
    from dataclasses import replace
    from datetime import timedelta

    from entrawatch.cli import collect
    from entrawatch.config.model import Config, SinkConfig

    streams = stream_names(arguments.streams)
    out = arguments.out.absolute()
    if out.exists() and not out.is_dir():
        raise ConfigError([f"--out: {arguments.out} is a file; give a folder"])
    # a format of its own is a sink of its own: what was fetched as CSV is still to be fetched as Parquet
    sink = SinkConfig(f"files-{arguments.format}", "files", {"path": out, "format": arguments.format})
    if arguments.config:
        given = collect.load_config(arguments.config)
        tenants = tuple(replace(tenant, streams=streams or tenant.streams) for tenant in given.tenants)
    else:
        tenants = (_tenant(arguments, streams),)
    # A long window costs the fewest requests of Graph's budget; one that proves too large is bisected.
    tenants = tuple(replace(t, collect=replace(t.collect, window=timedelta(days=1))) for t in tenants)
    return Config(tenants=tenants, sinks=(sink,), state_dir=out / _STATE)


def stream_names(text: Optional[str]) -> tuple[str, ...]:
    """The streams of a list with commas.

    :raises ConfigError: one is unknown.
    """
    from entrawatch.schema.streams import STREAMS
    from entrawatch.words import near

    names = tuple(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))
    unknown = [name for name in names if name not in STREAMS]
    if unknown:
        raise ConfigError([f"--streams: {name!r} is no stream; {near(name, STREAMS)}" for name in unknown])
    return names


def _tenant(arguments: argparse.Namespace, streams: tuple[str, ...]) -> TenantConfig:
    from entrawatch.config.keys import Key
    from entrawatch.config.model import AuthConfig, GraphConfig, Secret, TenantConfig
    from entrawatch.config.values import READERS, Wrong
    from entrawatch.redaction import hide

    faults = []
    for option, kind in (("tenant_id", "tenant"), ("client_id", "guid")):
        name, value = f"--{option.replace('_', '-')}", getattr(arguments, option)
        if not value:
            faults.append(f"{name} is missing; give it, or --config")
            continue
        try:
            READERS[kind](value, Key(kind, ""))
        except Wrong as wrong:
            faults.append(f"{name}: {wrong}")
    secret: Any = os.environ.get(SECRET, "").strip()
    if not secret:
        faults.append(f"the environment variable {SECRET} is not set; export it, or give --config")
    if faults:
        raise ConfigError(faults)
    hide([secret])
    return TenantConfig(
        arguments.tenant_id, arguments.tenant_id, arguments.client_id, AuthConfig(secret=Secret(secret)),
        GraphConfig(cloud=arguments.cloud), streams=streams,
    )  # fmt: skip
