"""`entrawatch`: finds the command, runs it, and turns how it ended into an exit code and at most a line a fault."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn, Optional

from entrawatch.cli.console import say
from entrawatch.errors import EntrawatchError
from entrawatch.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

#: the commands' modules, in the order `--help` lists them
COMMANDS = (
    "demo",
    "fetch",
    "run",
    "normalize",
    "hunt",
    "rules",
    "build",
    "deploy",
    "doctor",
    "register",
    "setup",
    "emulate",
    "simulate",
)
USAGE, FAILED, INTERRUPTED, BROKEN_PIPE = 2, 3, 130, 141
_ABOUT = "Entra ID logs to Splunk, Elasticsearch and files, losing nothing; and detections to where you need them."
_END = """\
start here:
  entrawatch demo                                    see it work, on an emulated tenant
  entrawatch register-app --tenant-id TENANT         make the application in your tenant
  entrawatch doctor --config entrawatch.yml          find out what is missing
  entrawatch run --config entrawatch.yml             collect, for ever
  entrawatch hunt logs/ --report findings.html       find attacks in logs that you have
  entrawatch deploy elastic --kibana-url URL --plan  what the rules would change in your Elastic, Splunk or Sentinel

exit codes:
  0         it is done
  1         what you asked to fail on is there: a finding (hunt --fail), a bad record (normalize --strict), a difference
            (build --check, deploy --check)
  2         a wrong option, configuration, rule or path; or something of the input was left out, and the rest is done
  3         it failed: the source, a sink or a product, no room, no rights
  130, 141  Ctrl-C; who read the output went away
"""


class Parser(argparse.ArgumentParser):
    """A parser whose faults are one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is; exit 2."""
        self.exit(2, f"{self.prog}: {clean(message)}; see {self.prog} --help\n")


def parser() -> Parser:
    """The whole command line."""
    from entrawatch import __version__

    whole = Parser(prog="entrawatch", description=_ABOUT, epilog=_END)
    whole.add_argument("--version", action="version", version=f"entrawatch {__version__}")
    common = Parser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show tracebacks and debug messages")
    groups = whole.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for name in COMMANDS:
        module: Any = import_module(f"entrawatch.cli.{name}")
        one = groups.add_parser(
            module.NAME, help=module.HELP, description=module.HELP, epilog=f"examples:\n{module.EXAMPLES}",
            parents=[common],
        )  # fmt: skip
        module.add(one)
        one.set_defaults(run=module.run)
    return whole


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run a command.

    :param argv: the arguments; the process's own by default.
    :returns: the exit code, see `--help`; 130 after Ctrl-C, 141 where the reader of our output went away.
    """
    _open_streams()
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 2
    try:
        code = int(arguments.run(arguments))
        sys.stdout.flush()
    except BaseException as error:
        if arguments.debug and not isinstance(error, (KeyboardInterrupt, BrokenPipeError)):
            from entrawatch.redaction import traceback_of

            say(traceback_of(error))  # ours and not Python's own, which would show what a library's exception holds
        return _ended(error)
    return code


def _open_streams() -> None:
    """A shell's `>&-` or a daemon's starter leaves Python without a stream, and every print would be a fault."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open as long as the process


def _ended(error: BaseException) -> int:
    if isinstance(error, EntrawatchError):
        for line in str(error).splitlines():
            say(f"entrawatch: {_safe(line)}")
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        say("entrawatch: interrupted")
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # Python would complain once more when it flushes at the end: there is nothing left to flush to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("entrawatch"):
        say(f"entrawatch: {_missing(str(error.name))}")
        return USAGE
    if isinstance(error, OSError):
        say(f"entrawatch: {_safe(f'{error.filename or error.__class__.__name__}: {error.strerror or error}')}")
        return FAILED
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILED
    what = f"{error.__class__.__name__}: {_safe(str(error))}"
    say(f"entrawatch: internal error ({what}); run it again with --debug, and report it")
    return FAILED


def _missing(package: str) -> str:
    if sys.version_info < (3, 11) and package.partition(".")[0] == "sigma":
        return f"hunt and rules need Python 3.11 or newer, this is {sys.version_info[0]}.{sys.version_info[1]}"
    return f"needs the package {package}, which is not installed; pip install 'entrawatch[all]'"


def _safe(text: str) -> str:
    from entrawatch.redaction import redact

    return clean(redact(" ".join(text.split())))[:2000]


if __name__ == "__main__":
    sys.exit(main())
