"""`entrawatch deploy`: the rules into a running Splunk, Kibana or Sentinel; first the plan, then what it says."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from entrawatch.deploy.run import Deployment
    from entrawatch.deploy.target import Outcome

NAME = "deploy"
HELP = "Put the rules into a running Splunk, Elastic Security or Sentinel; show first what would change."
EXAMPLES = """\
  entrawatch deploy elastic --kibana-url https://kibana.example:5601 --plan     show, change nothing
  entrawatch deploy elastic --kibana-url https://kibana.example:5601            show, ask, do
  entrawatch deploy splunk --url https://splunk.example:8089 --yes --prune      for a pipeline
  entrawatch deploy splunk --url https://splunk.example:8089 --remove           take all of ours out again
  entrawatch deploy sentinel --subscription 00000000-0000-0000-0000-000000000000 --resource-group soc --workspace soc
"""
FAILED = 3


def add(parser: argparse.ArgumentParser) -> None:
    """A command a product, each with the common options and its own."""
    from entrawatch.cli import deploy_products

    products = parser.add_subparsers(metavar="PRODUCT", required=True, dest="product", parser_class=type(parser))
    for name, product in deploy_products.PRODUCTS.items():
        one = products.add_parser(name, help=product.help, description=product.help)
        _common(one)
        product.add(one)


def _common(parser: argparse.ArgumentParser) -> None:
    import argparse as arguments

    what = parser.add_argument_group("what to do")
    what.add_argument("--plan", "--dry-run", action="store_true", help="show what would change, and change nothing")
    what.add_argument("--check", action="store_true", help="the same, and exit 1 when anything differs; for CI")
    what.add_argument("--yes", action="store_true", help="do it without asking")
    what.add_argument("--rules", nargs="+", default=[], metavar="SLUG", help="only these rules (entrawatch rules list)")
    what.add_argument("--enable", action="store_true", help="let new rules run at once; they are put there disabled")
    what.add_argument("--prune", action="store_true", help="delete our rules that are no longer in the catalogue")
    what.add_argument("--remove", action="store_true", help="take our rules out: delete all, put none there")
    what.add_argument("--overwrite-drift", action="store_true", help="overwrite what somebody changed by hand")
    what.add_argument("--content", type=Path, metavar="DIR", help="a checkout's content folder (default: installed)")
    what.add_argument("--format", choices=("text", "json"), default="text", help="how to tell it (default text)")
    reach = parser.add_argument_group("how to reach it")
    reach.add_argument("--ca-bundle", type=Path, metavar="FILE", help="CA certificates trusted instead of the system's")
    reach.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS", help="that one request may take (default 60)"
    )
    parser.add_argument("--debug", action="store_true", default=arguments.SUPPRESS, help="show tracebacks")


def run(arguments: argparse.Namespace) -> int:
    """Plan, ask, deploy; 1 where `--check` finds a difference, 3 where an object could not be put there."""
    from entrawatch.cli import deploy_products
    from entrawatch.deploy.run import Choice, Deployment, emptied

    _check(arguments)
    only_plan = arguments.plan or arguments.check
    if not only_plan and not arguments.yes:
        _ask_whom(arguments)
    where, parts = deploy_products.PRODUCTS[arguments.product].parts(arguments, os.environ)
    choice = Choice(prune=arguments.prune or arguments.remove, overwrite_drift=arguments.overwrite_drift)
    deployment = Deployment(emptied(parts) if arguments.remove else parts, choice)
    if arguments.format == "text":
        _show(deployment, where)
    outcomes: list[Outcome] = []
    code = int(arguments.check and deployment.differs)
    if not only_plan and deployment.steps and (arguments.yes or _agreed(deployment)):
        code = _apply(arguments, deployment, outcomes)
    if arguments.format == "json":
        _print_json(arguments, where, deployment, outcomes)
    return code


def _check(arguments: argparse.Namespace) -> None:
    """:raises ConfigError: options that cannot be meant."""
    faults = []
    if not 1 <= arguments.timeout <= 3600:
        faults.append(f"--timeout: {arguments.timeout:g} is not between 1 and 3600 seconds")
    if arguments.remove and (arguments.rules or getattr(arguments, "assets", None)):
        faults.append("--remove: takes all rules out and nothing else; leave --rules and --assets out")
    if faults:
        raise ConfigError(faults)


def _ask_whom(arguments: argparse.Namespace) -> None:
    """:raises ConfigError: nobody would be asked, or without having seen what about."""
    if not sys.stdin.isatty():
        raise ConfigError(["deploy: nobody is there to be asked (no terminal); say --yes to do it, or --plan to look"])
    if arguments.format == "json":
        raise ConfigError(["--format json: is for --plan, --check and --yes; without them you are asked about a text"])


def _show(deployment: Deployment, where: str) -> None:
    from entrawatch.deploy.show import plan_lines

    for line in plan_lines(deployment.plans, where, deployment.left):
        print(line)


def _agreed(deployment: Deployment) -> bool:
    from entrawatch.cli.console import say

    print(f"do this, {len(deployment.steps)} objects? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in {"y", "yes"}:
        return True
    say("nothing was changed")
    return False


def _apply(arguments: argparse.Namespace, deployment: Deployment, outcomes: list[Outcome]) -> int:
    from entrawatch.cli.console import say
    from entrawatch.deploy.show import outcome_line
    from entrawatch.errors import TargetError

    ended: Any = None
    try:
        for outcome in deployment.apply():
            outcomes.append(outcome)
            if arguments.format == "text":
                print(outcome_line(outcome), flush=True)
    except (TargetError, KeyboardInterrupt) as error:
        ended = error
    done = sum(not outcome.error for outcome in outcomes)
    if done == len(deployment.steps):
        return 0
    if isinstance(ended, TargetError):
        from entrawatch.redaction import safe

        say(f"entrawatch: {safe(str(ended))}")
    say(f"{done} of {len(deployment.steps)} done; run it again for the rest, what is done is not done twice")
    if isinstance(ended, KeyboardInterrupt):
        raise ended
    return FAILED


def _print_json(arguments: argparse.Namespace, where: str, deployment: Deployment, outcomes: list[Outcome]) -> None:
    from entrawatch.deploy.show import as_json

    print(as_json(arguments.product, where, deployment.plans, outcomes))
