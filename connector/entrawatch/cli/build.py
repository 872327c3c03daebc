"""`entrawatch build`: the catalogue → content/, which is committed and never edited by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    import argparse

NAME = "build"
HELP = "Write the rules' queries for every language into content/, or check that they stand there."
EXAMPLES = """\
  entrawatch build                       write content/splunk, content/elastic, content/sentinel and content/sql
  entrawatch build --check               exit 1 when a file is not what the rules say; for CI
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and say what differs")
    parser.add_argument("--content", type=Path, default=Path("content"), metavar="DIR", help="folder (default content)")


def run(arguments: argparse.Namespace) -> int:
    """Build or check."""
    from entrawatch.packages.queries import OWNED, queries
    from entrawatch.packages.tree import drift, write
    from entrawatch.rules.catalogue import load_catalogue

    folder = arguments.content / "catalogue"
    if not folder.is_dir():
        raise ConfigError([f"--content: {arguments.content} has no catalogue; run it in a checkout"])
    tree = queries(load_catalogue(folder))
    found = (drift if arguments.check else write)(arguments.content, tree, OWNED)
    for line in found.lines():
        print(f"{arguments.content}/{line}")
    if arguments.check:
        return 1 if found.lines() else 0
    print(f"{len(tree)} files, {len(found.lines())} written or removed")
    return 0
