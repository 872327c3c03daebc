"""`entrawatch hunt`: the catalogue's rules, or one's own, over exported logs, without a SIEM."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional, Union

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from rich.console import Group

    from entrawatch.cli.progress import Bars, Lines
    from entrawatch.hunt.load import Loaded
    from entrawatch.hunt.run import Hunt

NAME = "hunt"
HELP = "Run the detection rules over exported logs and say what they find."
EXAMPLES = """\
  entrawatch hunt exports/                                files, folders, .gz, - for standard input
  entrawatch hunt logs.jsonl --report findings.html       a page to look at
  entrawatch hunt logs.jsonl --format jsonl --fail        one finding a line; exit 1 when there is one
  entrawatch hunt logs/ --rules password-spray,brute-force --since 2026-11-01
  entrawatch hunt logs/ --rules my-rule.yml more-rules/   Sigma rules and correlations of your own

exit codes:
  0  all was read and hunted through, whatever was found
  1  --fail, and there is a finding; this goes before 2
  2  something was left out: lines or files that could not be read, rules of a folder; the last lines say what. Or
     nothing was hunted: a wrong option or rule, no record at all
  3  it failed: no room, no rights
"""
_COLOURS = {"critical": "bold magenta", "high": "bold red", "medium": "yellow", "low": "blue", "informational": "dim"}
#: columns of a terminal from which on a finding is one line
_ROOM = 120
#: pieces that could not be read, of which each has a line
_LISTED = 5


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    # none may stand there: what stands behind --rules is sorted by what it is, and PATHs may stand among it
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files, folders, a duckdb sink's file, or -")
    parser.add_argument(
        "--rules", nargs="+", action="extend", default=[], metavar="RULE",
        help="only these (default: the catalogue): names, or Sigma files and folders; commas or blanks between them",
    )  # fmt: skip
    parser.add_argument(
        "--since", metavar="TIME",
        help="only findings with an event then or later: 2026-11-01T00:00:00Z, 2026-11-01 (00:00 UTC), or 7d ago; "
        "all records are read, and earlier ones count",
    )  # fmt: skip
    parser.add_argument(
        "--until", metavar="TIME",
        help="only findings with an event before it, and with --since between both; a day itself is not in it",
    )  # fmt: skip
    parser.add_argument("--format", choices=("table", "jsonl"), default="table")
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="write the findings as a page")
    parser.add_argument("--fail", action="store_true", help="exit 1 when there is a finding")


def run(arguments: argparse.Namespace) -> int:
    """Hunt, print, and write the page."""
    from entrawatch.cli.console import say
    from entrawatch.cli.own import asked_to_hunt
    from entrawatch.cli.progress import bars
    from entrawatch.errors import ConfigError
    from entrawatch.hunt.run import hunt_files

    words, paths = sorted_words(arguments.rules, arguments.paths)
    asked = asked_to_hunt(words)
    if not paths:
        raise ConfigError(["hunt: no PATH; give files or folders of exported logs, or - for standard input"])
    since, until = _range(arguments)
    if arguments.report:
        _writable(arguments.report)
    with bars(first="reading the logs") as seen:
        result = hunt_files(
            asked.catalogue, paths, since=since, until=until, progress=seen.total("reading"), running=running(seen)
        )
    if result.loaded.total:
        _print(result, arguments.format)
        if arguments.report:
            write_report(arguments.report, result)
            say(f"report: {arguments.report}")
    return _code(result, fail=arguments.fail) or (2 if asked.left_out else 0)


def running(seen: Union[Bars, Lines]) -> Callable[[str], None]:
    """Tells which rule runs."""
    return lambda slug: seen.step(f"rule {slug}")


def sorted_words(rules: Sequence[str], paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """What was given to --rules and as PATH: the rules, and the logs.

    `--rules password-spray logs/` gives the folder to --rules, as far as argparse knows.
    """
    from entrawatch.rules.asked import there

    words = [word for given in rules for word in ([given] if there(given) else given.split(",")) if word]
    logs = [word for word in words if _is_log(word)]
    return [word for word in words if word not in logs], [*paths, *logs]


def _is_log(word: str) -> bool:
    """Whether it is no rule's name but a file or folder, and none of rules, which are YAML."""
    from entrawatch.rules.asked import there
    from entrawatch.rules.shipped import shipped

    path = Path(word)
    if word in shipped().rules or not (there(word) or word == "-"):
        return False
    return not any(file.suffix in {".yml", ".yaml"} for file in (path.rglob("*") if path.is_dir() else [path]))


def _writable(page: Path) -> None:
    """Before hours of hunting, not after.

    :raises ConfigError: the page cannot be written there.
    """
    import os

    from entrawatch.errors import ConfigError

    if page.is_dir():
        raise ConfigError([f"--report: {page} is a folder; name a file in it, {page / 'findings.html'}"])
    if not os.access(page.parent, os.W_OK | os.X_OK):
        raise ConfigError([f"--report: {page.parent} is no folder that can be written; make it, or choose another"])


def _range(arguments: argparse.Namespace) -> tuple[Optional[datetime], Optional[datetime]]:
    """
    :raises ConfigError: a time is none, or the range is empty.
    """
    from datetime import datetime, timezone

    from entrawatch.cli.fetch import moment
    from entrawatch.errors import ConfigError

    now = datetime.now(timezone.utc)
    since, until = (
        None if text is None else moment(text, option, now)
        for text, option in ((arguments.since, "since"), (arguments.until, "until"))
    )
    if since and until and since >= until:
        raise ConfigError([f"--since: {arguments.since} is not before --until: {arguments.until}"])
    return since, until


def _code(result: Hunt, *, fail: bool) -> int:
    from entrawatch.cli.console import say
    from entrawatch.hunt.words import unread
    from entrawatch.redaction import clean

    loaded = result.loaded
    for line in loaded.bad[:_LISTED]:
        say(f"entrawatch: not read: {clean(line)}")
    if not loaded.total:
        say("entrawatch: no record was read; nothing was hunted")
        return 2
    for note in (*result.notes, *result.unlearnt):
        say(f"entrawatch: {clean(note)}")
    if loaded.bad_count:
        where = "see above" if loaded.bad_count <= _LISTED else f"the first {_LISTED} are above, --report lists more"
        say(f"entrawatch: {unread(loaded)}: what stood there was not hunted through; {where}")
    if fail and result.findings:
        return 1
    return 2 if loaded.bad_count or result.refused else 0


def _print(result: Hunt, form: str) -> None:
    from entrawatch.cli.console import out
    from entrawatch.jsontext import dumps
    from entrawatch.redaction import visible

    if form == "jsonl":
        for finding in result.findings:
            sys.stdout.buffer.write(visible(dumps(finding.line()).decode()).encode() + b"\n")
        sys.stdout.buffer.flush()
    else:
        console = out()
        console.print(findings_table(result, console.width))


def findings_table(result: Hunt, width: int) -> Group:
    """The findings, the worst first, as a table for the terminal, times in UTC.

    What a finding is about stands beside its rule, and below it where there is little room; nothing of it is cut, for
    a part of an address is none.

    :param width: columns that the terminal has.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from entrawatch.redaction import clean

    headline = Text(_headline(result), "bold")
    if not result.findings:
        return Group(headline)
    table = Table(box=None, pad_edge=False)
    years = {finding.first_event.year for finding in result.findings}
    times = "%b %d %H:%M" if len(years) == 1 else "%Y-%m-%d %H:%M"
    table.add_column("level", no_wrap=True)
    table.add_column(f"{min(years)}, UTC" if len(years) == 1 else "UTC", no_wrap=True)
    table.add_column("lasts", no_wrap=True, justify="right")
    beside = width >= _ROOM
    for column in ("rule", "about") if beside else ("rule, and what it is about",):
        table.add_column(column, overflow="fold")
    for finding in result.findings:
        level = Text(finding.level, _COLOURS[finding.level])
        when = (finding.first_event.strftime(times), lasts(finding.last_event - finding.first_event))
        what = (finding.rule.slug, Text(clean(finding.about())))
        table.add_row(level, *when, *(what if beside else (Text("\n").join((Text(what[0]), what[1])),)))
    return Group(headline, table)


def _headline(result: Hunt) -> str:
    from entrawatch.cli.console import number
    from entrawatch.hunt.words import counted, unread

    events = f"{_events(result.loaded, 'signin')} and {_events(result.loaded, 'audit')}"
    found = counted(len(result.findings), "finding") if result.findings else "no findings"
    asked = _asked(result)
    told = f"{found} in {events}"
    if asked and result.looked and result.looked.empty:
        told = f"{found} {asked}, where none of the {events} lies"
    elif asked:
        told = f"{found} {asked}, in {events}"
    unjudged = f"{number(len(result.unjudged))} not judged" if result.unjudged else ""
    return "; ".join(filter(None, (told, unjudged, unread(result.loaded))))


def _asked(result: Hunt) -> str:
    """The range that was asked for; "" where none was."""
    from entrawatch.hunt.judged import minute

    since = f"from {minute(result.since)} on" if result.since else ""
    until = f"until {minute(result.until)}" if result.until else ""
    return " ".join(filter(None, (since.removesuffix(" on") if until else since, until)))


def _events(loaded: Loaded, source: str) -> str:
    """How many there are; one that came in several records is one."""
    from entrawatch.cli.console import number
    from entrawatch.hunt.words import counted

    what = "sign-in" if source == "signin" else "audit event"
    several = loaded.repeated[source]
    return counted(loaded.records[source], what) + (f" ({number(several)} revised or read twice)" if several else "")


def lasts(span: timedelta) -> str:
    """How long, in the largest unit of which it is at least two: 90 s, 42 min, 26 h, 3 d; "" for a moment."""
    seconds = round(span.total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s" if seconds else ""


def write_report(path: Path, result: Hunt) -> None:
    """Write the page, whole or not at all."""
    from entrawatch.hunt.report import report

    if path.exists() and not path.is_file():  # /dev/stdout, a pipe: nothing to put in its place
        path.write_text(report(result), encoding="utf-8")
        return
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(report(result), encoding="utf-8")
    partial.replace(path)
