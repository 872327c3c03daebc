"""`entrawatch simulate`: the synthetic tenant as files, with labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    import argparse

NAME = "simulate"
HELP = "Write a synthetic tenant's logs, with labelled attacks and near misses, as JSON lines."
EXAMPLES = """\
  entrawatch simulate --out sample                       200 people, two weeks of October 2026
  entrawatch simulate --out big --users 20000 --since 2026-11-01T00:00:00Z --until 2026-11-08T00:00:00Z
  entrawatch simulate --out quiet --scenarios none
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files")
    parser.add_argument("--users", type=int, default=200, help="employees (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="another number is another company")
    parser.add_argument("--since", default="2026-10-05T00:00:00Z", metavar="TIME", help="first moment")
    parser.add_argument("--until", default="2026-10-19T00:00:00Z", metavar="TIME", help="first moment after")
    parser.add_argument("--scenarios", default="all", metavar="all|none|SLUG,…", help="which attacks (default all)")
    parser.add_argument(
        "--revisions", action="store_true", help="each form of a record that changed, not the last alone"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write, and say how much."""
    from entrawatch.cli.console import number, out
    from entrawatch.cli.progress import bars
    from entrawatch.emulator import export

    options = _options(arguments)
    with bars() as progress:
        counts = export.write(options, arguments.out, revisions=arguments.revisions, progress=progress.total("writing"))
    for name, lines in counts.items():
        out().print(f"{number(lines):>12}  {name}", markup=False)
    out().print(f"files in {arguments.out}", markup=False, soft_wrap=True)
    return 0


def _options(arguments: argparse.Namespace) -> Any:
    from datetime import datetime, timezone

    from entrawatch.cli.fetch import moment
    from entrawatch.emulator.tenant import TenantOptions

    now = datetime.now(timezone.utc).replace(microsecond=0)
    start, end = moment(arguments.since, "since", now), moment(arguments.until, "until", now)
    chosen: Any = arguments.scenarios
    if chosen not in {"all", "none"}:
        chosen = tuple(slug.strip() for slug in chosen.split(","))
    try:
        return TenantOptions(seed=arguments.seed, users=arguments.users, start=start, end=end, scenarios=chosen)
    except (ValueError, OverflowError) as error:
        raise ConfigError([" ".join(str(error).split())]) from None
