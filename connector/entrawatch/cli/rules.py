"""`entrawatch rules`: list, show and check rules, and say which language can carry which."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    import argparse

NAME = "rules"
HELP = "List the detection rules, show one in a query language, check rule files."
EXAMPLES = """\
  entrawatch rules list
  entrawatch rules show password-spray                              what it looks for and what to do
  entrawatch rules show password-spray --dialect sql --sql-dialect postgres
  entrawatch rules validate my-rules/                               Sigma rules and correlations too
  entrawatch rules coverage --navigator layer.json                  an ATT&CK Navigator layer
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    from entrawatch.cli.main import Parser
    from entrawatch.dialects import NAMES

    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action", parser_class=Parser)
    listing = actions.add_parser("list", help="every rule, a line each")
    listing.add_argument("--format", choices=("table", "json"), default="table")
    showing = actions.add_parser("show", help="one rule, in words or in a query language")
    showing.add_argument("slug", metavar="SLUG")
    showing.add_argument("--dialect", choices=NAMES)
    showing.add_argument("--sql-dialect", default="", metavar="ENGINE", help="duckdb (default), postgres, snowflake …")
    showing.add_argument("--profile", default="", help="the shape of the events, where a language knows several")
    checking = actions.add_parser("validate", help="read rule files and say every fault")
    checking.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    covering = actions.add_parser("coverage", help="rule by language, with the reason for each refusal")
    covering.add_argument("--navigator", type=Path, metavar="FILE", help="write an ATT&CK Navigator layer")


def run(arguments: argparse.Namespace) -> int:
    """Run the action."""
    actions = {"list": _list, "show": _show, "validate": _validate, "coverage": _coverage}
    return actions[arguments.action](arguments)


def _list(arguments: argparse.Namespace) -> int:
    from rich.table import Table

    from entrawatch.cli.console import out
    from entrawatch.jsontext import dumps
    from entrawatch.rules.shipped import shipped

    rules = list(shipped().rules.values())
    if arguments.format == "json":
        told = [
            {
                "rule": rule.slug, "rule_id": rule.id, "title": rule.title, "level": rule.level, "source": rule.source,
                "techniques": list(rule.techniques), "keys": [key.name for key in rule.keys],
            }
            for rule in rules
        ]  # fmt: skip
        sys.stdout.buffer.write(dumps(told) + b"\n")
        return 0
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("rule", "level", "source", "title"):
        table.add_column(column, no_wrap=True, overflow="ellipsis", min_width=0 if column == "title" else 6)
    for rule in rules:
        table.add_row(rule.slug, rule.level.replace("informational", "info"), rule.source, rule.title)
    console = out()
    if not console.is_terminal:
        console.width = 200  # what is piped is searched and cut by others
    console.print(table)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from entrawatch.rules.shipped import chosen

    rule = chosen([arguments.slug], "rules show").rules[arguments.slug]
    print(_query(rule, arguments) if arguments.dialect else _words(rule), end="")
    return 0


def _query(rule: Any, arguments: argparse.Namespace) -> str:
    from entrawatch.dialects import dialect
    from entrawatch.dialects.base import Refusal
    from entrawatch.rules.shipped import shipped

    profile = arguments.sql_dialect if arguments.dialect == "sql" else arguments.profile
    answer = dialect(arguments.dialect, shipped().baselines, profile).compile(rule)
    if isinstance(answer, Refusal):
        raise ConfigError([f"{rule.slug}: {arguments.dialect} cannot say it exactly: {answer.why} ({answer.node})"])
    return answer.text


def _words(rule: Any) -> str:
    parts = [
        f"{rule.title}\n{rule.slug}, {rule.level}, {' '.join(rule.techniques)}\n\n{rule.description}\n",
        "parameters\n" + "".join(f"  {p.name} = {p.default}: {p.description}\n" for p in rule.parameters),
        "what to do\n" + "".join(f"  {place}. {step}\n" for place, step in enumerate(rule.triage, 1)),
        "may be harmless when\n" + "".join(f"  - {case}\n" for case in rule.false_positives),
        "read on\n" + "".join(f"  {reference}\n" for reference in rule.references),
    ]
    return "\n".join(part for part in parts if "\n  " in part or part is parts[0])


def _validate(arguments: argparse.Namespace) -> int:
    from entrawatch.rules.community import validate

    valid, faults = validate(arguments.paths)
    if faults:
        raise ConfigError(faults)
    print(f"{valid} rule{'' if valid == 1 else 's'}, no fault")
    return 0


def _coverage(arguments: argparse.Namespace) -> int:
    from rich.table import Table

    from entrawatch.cli.console import out
    from entrawatch.dialects import NAMES, coverage
    from entrawatch.dialects.base import Refusal
    from entrawatch.rules.navigator import layer
    from entrawatch.rules.shipped import shipped

    catalogue = shipped()
    answers = coverage(catalogue.rules.values(), catalogue.baselines)
    table = Table("rule", *NAMES)
    for slug, row in answers.items():
        table.add_row(slug, *("no" if isinstance(row[name], Refusal) else "yes" for name in NAMES))
    out().print(table)
    for row in answers.values():
        for name, answer in row.items():
            if isinstance(answer, Refusal):
                out().print(f"{answer.rule}: {name}: {answer.why}", markup=False, soft_wrap=True)
    if arguments.navigator:
        arguments.navigator.write_text(layer(catalogue.rules.values()), encoding="utf-8")
        print(f"layer: {arguments.navigator}")
    return 0
