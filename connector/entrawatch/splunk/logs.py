"""Where the input's log lines go: a file of its own among Splunk's, and what matters to splunkd.log.

splunkd indexes every file in var/log/splunk into _internal, and takes a modular input's standard error line by line, a
level's name first (docs.splunk.com: "Set up logging" of modular inputs). Every line passes the redaction.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

from entrawatch.redaction import safe, traceback_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIME = "%Y-%m-%dT%H:%M:%S"
#: what a file's name had better not have: a stanza's name is not checked yet
_UNSAFE = re.compile(r"\W", re.ASCII)
_BYTES, _FILES = 10 * 2**20, 3
#: libraries that tell of each request, URLs included
_TALKATIVE = ("urllib3", "msal", "requests", "solnlib", "splunklib")
#: Python's names → those splunkd knows
_SPLUNK = {"WARNING": "WARN", "CRITICAL": "FATAL"}


def setup(name: str, level: str) -> None:
    """Log for the input of that name, from that level on (one of Python's names; INFO where it is none).

    Called again, it changes the level and the name.
    """
    known = logging.getLevelName(level.upper())
    handlers: list[logging.Handler] = list(_file(name))
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(_Console())
    if handlers:  # then splunkd.log is told the outcome alone: it is one line where ten streams had one reason
        console.addFilter(logging.Filter("entrawatch.splunk"))
        console.setLevel(logging.WARNING)
    logging.basicConfig(level=known if isinstance(known, int) else "INFO", handlers=[console, *handlers], force=True)
    for library in _TALKATIVE:
        logging.getLogger(library).setLevel(logging.WARNING)


def _file(name: str) -> Iterator[logging.Handler]:
    home = os.environ.get("SPLUNK_HOME")
    if not home:
        return
    try:
        path = Path(home, "var", "log", "splunk", f"entrawatch_{_UNSAFE.sub('_', name)}.log")
        handler = RotatingFileHandler(path, maxBytes=_BYTES, backupCount=_FILES, encoding="utf-8")
    except OSError:  # then everything goes to standard error
        return
    handler.setFormatter(_Line())
    yield handler


class _Line(logging.Formatter):
    """A line with its time and zone, and the traceback of what nobody expected."""

    def format(self, record: logging.LogRecord) -> str:
        time = f"{self.formatTime(record, _TIME)}.{record.msecs:03.0f}{self.formatTime(record, '%z')}"
        line = f"{time} log_level={record.levelname} pid={record.process} thread={record.threadName} | "
        error = record.exc_info[1] if record.exc_info else None
        return safe(line + record.getMessage()) + ("" if error is None else f"\n{traceback_of(error)}")


class _Console(logging.Formatter):
    """A level and one line."""

    def format(self, record: logging.LogRecord) -> str:
        level = _SPLUNK.get(record.levelname, record.levelname)
        return f"{level} {' '.join(safe(record.getMessage()).split())}"
