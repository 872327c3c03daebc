"""`entrawatch rules`: list, show and check rules, and say which language can carry which."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from entrawatch.cli.own import Answer
    from entrawatch.rules.asked import Asked
    from entrawatch.rules.community import Own
    from entrawatch.rules.files import Fault

NAME = "rules"
HELP = "List the detection rules, show one in a query language, check rule files."
EXAMPLES = """\
  entrawatch rules list
  entrawatch rules show password-spray                              what it looks for and what to do
  entrawatch rules show password-spray --dialect sql --sql-dialect postgres
  entrawatch rules show my-rule.yml --dialect kql                   a Sigma rule or correlation of your own
  entrawatch rules validate my-rules/                               every fault, or which language can say what
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
    showing.add_argument("rule", metavar="RULE", help="a name, or a file or folder of Sigma rules of your own")
    showing.add_argument("--dialect", choices=NAMES)
    showing.add_argument("--sql-dialect", default="", metavar="ENGINE", help="duckdb (default), postgres, snowflake …")
    showing.add_argument("--profile", default="", help="the shape of the events, where a language knows several")
    checking = actions.add_parser("validate", help="read rule files: every fault, or the languages that can say each")
    checking.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="Sigma files of your own, and folders")
    checking.add_argument("--format", choices=("table", "json"), default="table")
    covering = actions.add_parser("coverage", help="rule by language, with the reason for each refusal")
    covering.add_argument("rules", nargs="*", metavar="RULE", help="names, files or folders (default: the catalogue)")
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
    from entrawatch.cli.own import asked
    from entrawatch.cli.rule_shown import profile_of, say_needs, words

    profile = profile_of(arguments)
    found = asked([arguments.rule], "rules show")
    if arguments.dialect:
        found, told = _queries(found, arguments, profile)
    else:
        told = [words(rule, found.catalogue.baselines) for rule in found.catalogue.rules.values()]
    print("\n".join(told), end="")
    say_needs(found, arguments.dialect, "".join(told), profile)
    return 2 if found.left_out else 0


def _queries(found: Asked, arguments: argparse.Namespace, profile: str) -> tuple[Asked, list[str]]:
    """What of it the language can say, and the texts.

    :raises ConfigError: it cannot say a rule that is no part of a folder.
    """
    from entrawatch.cli.own import said
    from entrawatch.dialects import dialect

    language = dialect(arguments.dialect, found.catalogue.baselines, profile)
    found, texts = said(found, language, [arguments.rule], found.catalogue.rules)
    return found, [one.text for one in texts.values()]


def _validate(arguments: argparse.Namespace) -> int:
    from entrawatch.cli.own import covered
    from entrawatch.rules.community import load
    from entrawatch.rules.files import in_order
    from entrawatch.rules.shipped import shipped

    found, faults = load(arguments.paths)
    answers = covered([own.rule for own in found], shipped().baselines)
    faults = in_order([*faults, *_unsayable(found, answers)])
    if arguments.format == "json":
        sys.stdout.buffer.write(_as_json(found, answers) + b"\n")
    elif found:
        _table([own.rule.slug for own in found], answers)
        print(f"{_counted(len(found), 'rule')}, {_counted(len(faults), 'fault')}")
    if faults:
        sys.stdout.flush()  # before what standard error says of it
        raise ConfigError([fault.line for fault in faults])
    return 0


def _unsayable(found: Sequence[Own], answers: Sequence[Mapping[str, Answer]]) -> list[Fault]:
    """A rule that every language refuses is as good as none."""
    from entrawatch.dialects.base import Refusal
    from entrawatch.rules.files import Fault

    told = "no language can say it exactly, so nothing would run it; write it otherwise, as the reasons tell"
    return [
        Fault(own.path, f"{own.path}: line {own.line}: {own.rule.slug}: {told}", own.line)
        for own, row in zip(found, answers)
        if all(isinstance(answer, Refusal) for answer in row.values())
    ]


def _counted(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'s' if count > 1 else ''}"


def _as_json(found: Sequence[Own], answers: Sequence[Mapping[str, Answer]]) -> bytes:
    """Each rule with what its languages say: null, or why one refuses."""
    from entrawatch.dialects.base import Refusal
    from entrawatch.jsontext import dumps

    return dumps(
        [
            {
                "rule": own.rule.slug, "rule_id": own.rule.id, "title": own.rule.title, "level": own.rule.level,
                "source": own.rule.source, "file": str(own.path),
                "refused": {name: answer.why if isinstance(answer, Refusal) else None for name, answer in row.items()},
            }
            for own, row in zip(found, answers)
        ]
    )  # fmt: skip


def _table(slugs: Sequence[str], answers: Sequence[Mapping[str, Answer]]) -> None:
    """Rule by language, and a line for each refusal."""
    from rich.table import Table

    from entrawatch.cli.console import out
    from entrawatch.cli.own import refusals
    from entrawatch.dialects import NAMES
    from entrawatch.dialects.base import Refusal

    console = out()
    if not console.is_terminal:
        console.width = 200  # what is piped is searched and cut by others
    table = Table("rule", *NAMES, box=None, pad_edge=False, header_style="dim")
    for slug, row in zip(slugs, answers):
        table.add_row(slug, *("no" if isinstance(row[name], Refusal) else "yes" for name in NAMES))
    console.print(table)
    for line in refusals(answer for row in answers for answer in row.values()):
        console.print(line, markup=False, soft_wrap=True)


def _coverage(arguments: argparse.Namespace) -> int:
    from entrawatch.cli.own import asked, covered
    from entrawatch.rules.navigator import layer

    found = asked(arguments.rules, "rules coverage")
    rules = list(found.catalogue.rules.values())
    _table(list(found.catalogue.rules), covered(rules, found.catalogue.baselines))
    if arguments.navigator:
        arguments.navigator.write_text(layer(rules), encoding="utf-8")
        print(f"layer: {arguments.navigator}")
    return 2 if found.left_out else 0
