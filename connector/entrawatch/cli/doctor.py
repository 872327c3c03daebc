"""`entrawatch doctor`: looks at everything a configuration needs, and says what to mend."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from entrawatch.errors import ConfigError, EntrawatchError, SinkError, StateError, StateHeldError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from rich.console import Console
    from rich.table import Table

    from entrawatch.config.model import Config, SinkConfig, TenantConfig

NAME = "doctor"
HELP = "Test permissions, licences, clock, sinks and state of a configuration, and say what to fix."
EXAMPLES = """\
  entrawatch doctor --config entrawatch.yml
  entrawatch doctor --config entrawatch.yml --format json     for a machine; exit code 3 where something fails
"""
OK, WARN, FAIL = "ok", "warn", "fail"
_RUNNING = "running"
_WAITING = "asking the sinks and Graph, whose limits make this take up to a minute …"
_WIDE_STATUS, _WIDE_CHECK = 4, 33
_STYLE = {OK: "green", WARN: "yellow", FAIL: "bold red"}


class Line(NamedTuple):
    """One thing that was looked at."""

    part: str
    check: str
    status: str
    message: str
    advice: str = ""


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration (YAML)")
    parser.add_argument("--format", choices=("table", "json"), default="table")


def run(arguments: argparse.Namespace) -> int:
    """Look at everything, and tell each thing as soon as it was looked at; 3 where something fails."""
    from entrawatch.cli import collect, logs
    from entrawatch.cli.console import out, say

    config = collect.load_config(arguments.config)
    logs.setup("text", "error", debug=arguments.debug)
    found = (_shown(line) for line in checks(config))
    console = out()
    if not console.is_terminal:
        say(_WAITING)
    with console.status(_WAITING):  # a terminal shows it below what is printed meanwhile, a pipe not at all
        lines = list(found if arguments.format == "json" else _printed(found, console))
    if arguments.format == "json":
        print(json.dumps([line._asdict() for line in lines], indent=2))
    else:
        _print_verdict(lines, arguments.config)
    return 3 if _failed(lines) else 0


def _failed(lines: list[Line]) -> bool:
    return any(line.status == FAIL for line in lines)


def checks(config: Config) -> Iterator[Line]:
    """Everything that is looked at, one after the other."""
    state = list(_state(config.state_dir))
    yield from state
    running = any(line.check == _RUNNING for line in state)
    for sink in config.sinks:
        yield _sink(sink, config.state_dir, running=running)
    for tenant in config.tenants:
        yield from _tenant(tenant)


def _state(folder: Path) -> Iterator[Line]:
    from entrawatch.cli import collect
    from entrawatch.ingest.store import Store

    try:
        collect.state_folder(folder)
        if (folder / collect.STATE).exists():
            Store(folder / collect.STATE).close()
    except StateHeldError:
        yield Line("state", _RUNNING, WARN, f"{folder} is in use by a connector that runs now",
                   "nothing, if it is this configuration's own; else give this one its own state_dir")  # fmt: skip
    except StateError as error:
        yield Line("state", "folder", FAIL, str(error), "mend it, or restore it from a backup; never delete it unread")
        return
    yield Line("state", "folder", OK, f"{folder} can be written")
    letters = [letter for letter in sorted(folder.glob(f"{collect.DEAD_LETTER}*")) if letter.stat().st_size]
    if letters:
        yield Line("state", "dead letter", WARN, f"{letters[0]} holds what was not taken",
                   "look at its reasons, mend them, send it in again, then move it away")  # fmt: skip


def _sink(config: SinkConfig, state: Path, *, running: bool) -> Line:
    from entrawatch import sinks

    part = f"sink {config.name}"
    try:
        sink = sinks.build(config, state_dir=state)
    except ConfigError as error:
        return Line(part, "options", FAIL, str(error), "mend the configuration")
    except SinkError as error:
        return _refused(part, error, running=running)
    try:
        sink.check()
    except SinkError as error:
        return _refused(part, error, running=running)
    finally:
        with suppress(SinkError):  # what a folder refused when it was opened it refuses again
            sink.close()
    return Line(part, "reach", OK, f"{config.type} takes events")


def _refused(part: str, error: SinkError, *, running: bool) -> Line:
    if running and "another process" in str(error):  # files and DuckDB take one writer, which the connector is
        return Line(part, "reach", WARN, "not tried, the connector that runs now writes to it")
    return Line(part, "reach", FAIL, str(error), "mend it, then run doctor again")


def _tenant(tenant: TenantConfig) -> Iterator[Line]:
    from entrawatch.clock import SystemClock
    from entrawatch.graph.probe import probe
    from entrawatch.interfaces import Silent

    part = f"tenant {tenant.name}"
    try:
        for check in probe(tenant, clock=SystemClock(), observer=Silent()):
            yield Line(part, check.name, check.status, check.message, check.advice)
    except EntrawatchError as error:
        yield Line(part, "graph", FAIL, str(error), "mend it, then run doctor again")


def _shown(line: Line) -> Line:
    from entrawatch.redaction import clean, redact

    return Line(*(clean(redact(" ".join(text.split()))) for text in line))


def _printed(lines: Iterable[Line], console: Console) -> Iterator[Line]:
    """The lines, each printed when it comes, below the name of its part."""
    part = None
    for line in lines:
        if line.part != part:
            console.print(line.part, style="bold", markup=False, soft_wrap=True)
            part = line.part
        console.print(_row(line))
        yield line


def _row(line: Line) -> Table:
    """A table of one row, as wide for every line: rows that come one by one stand in columns all the same."""
    from rich.markup import escape
    from rich.table import Table

    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_column(width=_WIDE_STATUS)
    row.add_column(width=_WIDE_CHECK, overflow="fold")
    row.add_column(overflow="fold")
    advice = f"\n[cyan]→ {escape(line.advice)}[/]" if line.advice else ""
    row.add_row(f"[{_STYLE[line.status]}]{line.status}[/]", escape(line.check), escape(line.message) + advice)
    return row


def _print_verdict(lines: list[Line], config: Path) -> None:
    from entrawatch.cli.console import out

    out().print(verdict(lines), soft_wrap=True)
    if not _failed(lines):
        out().print(f"next: entrawatch run --config {config}", markup=False, soft_wrap=True)


def verdict(lines: list[Line]) -> str:
    """The last line: how it stands."""
    failed, warned = (sum(line.status == status for line in lines) for status in (FAIL, WARN))
    if failed:
        return f"[bold red]{failed} to mend[/]" + (f", {warned} to look at" if warned else "")
    return f"[green]ready[/]{f', {warned} to look at' if warned else ''}"
