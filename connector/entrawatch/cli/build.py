"""`entrawatch build`: the catalogue → content/, which is committed and never edited by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    import argparse

NAME = "build"
HELP = "Write what the products import, and the rules' queries, into content/; or check that they stand there."
EXAMPLES = """\
  entrawatch build                       write content/queries, content/splunk, content/elastic and content/sentinel
  entrawatch build --check               exit 1 when a file is not what the rules say; for CI
  entrawatch build --release             write them, and hold their versions fast in content/versions.json
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--check", action="store_true", help="write nothing; exit 1 and say what differs")
    how.add_argument(
        "--release", action="store_true", help="what changes from here on makes new versions (see CONTRIBUTING.md)"
    )
    parser.add_argument("--content", type=Path, default=Path("content"), metavar="DIR", help="folder (default content)")


def run(arguments: argparse.Namespace) -> int:
    """Build, check or release."""
    from entrawatch.packages.content import OWNED, content, released
    from entrawatch.packages.tree import DIFFERS, MENDED, drift, write
    from entrawatch.packages.versions import LOCK, load_lock
    from entrawatch.rules.catalogue import load_catalogue

    folder, lock_file = arguments.content / "catalogue", arguments.content / LOCK
    if not folder.is_dir():
        raise ConfigError([f"--content: {arguments.content} has no catalogue; run it in a checkout"])
    catalogue = load_catalogue(folder)
    lock = load_lock(lock_file)
    tree = content(catalogue, lock)
    found, words = (drift, DIFFERS) if arguments.check else (write, MENDED)
    lines = found(arguments.content, tree, OWNED).lines(words)
    for line in lines:
        print(f"{arguments.content}/{line}")
    if arguments.check:
        print(f"{len(tree)} files, {len(lines)} not as the rules say" if lines else f"{len(tree)} files as built")
        return 1 if lines else 0
    print(f"{len(tree)} files, {len(lines)} written or removed")
    if arguments.release:
        lock_file.write_bytes(released(catalogue, lock).dump())
        print(f"{lock_file}: {len(catalogue.rules)} rules held fast")
    return 0
