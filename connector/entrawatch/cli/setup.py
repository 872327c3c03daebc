"""`entrawatch setup`: prepares a sink for its first event."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    import argparse

NAME = "setup"
HELP = "Prepare a sink: install Elasticsearch's index templates and lifecycle policy."
EXAMPLES = """\
  entrawatch setup elasticsearch --config entrawatch.yml
  entrawatch setup elasticsearch --config entrawatch.yml --dry-run     only show the requests
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("kind", choices=("elasticsearch",), help="which kind of sink")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration (YAML)")
    parser.add_argument("--sink", metavar="NAME", help="only the sink of that name")
    parser.add_argument("--dry-run", action="store_true", help="ask nothing of the cluster; show what would be sent")


def run(arguments: argparse.Namespace) -> int:
    """Install what differs in each Elasticsearch sink of the configuration; again is no harm."""
    from entrawatch.cli import collect

    config = collect.load_config(arguments.config)
    chosen = [s for s in config.sinks if s.type == arguments.kind and arguments.sink in {None, s.name}]
    if not chosen:
        wanted = f" called {arguments.sink}" if arguments.sink else ""
        raise ConfigError([f"{arguments.config}: sinks: there is no {arguments.kind} sink{wanted}; add one"])
    from entrawatch.sinks import elasticsearch_setup

    for sink in chosen:
        for change in elasticsearch_setup.setup(sink, dry_run=arguments.dry_run):
            _show(change, whole=arguments.dry_run)
    return 0


def _show(change: Any, *, whole: bool) -> None:
    if whole:
        print(f"{change.request}\n{json.dumps(change.body, indent=2)}\n")
    else:
        print(change)
