"""Log lines, as text or JSON, and the last place where a secret could still be stopped."""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from typing import TYPE_CHECKING

from entrawatch.cli.console import clean
from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "[hidden]"
#: what looks like a credential whoever wrote it: tokens (JWT), authorization headers, secrets in forms and URLs
_LOOKS_SECRET = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"
    r"|(?i:(?<=bearer )|(?<=splunk )|(?<=apikey )|(?<=basic ))[\w.~+/=-]{12,}"
    r"|(?i:(?<=client_secret=)|(?<=client_assertion=)|(?<=refresh_token=)|(?<=access_token=)|(?<=password=))[^\s&\"']+"
)
_TEXT = "%(asctime)s %(levelname)-7s %(message)s"
_TIME = "%Y-%m-%dT%H:%M:%S%z"
#: libraries that tell of each request, URLs included
_TALKATIVE = ("urllib3", "msal", "elastic_transport", "elasticsearch", "requests")
_known: set[str] = set()


def hide(secrets: Iterable[str]) -> None:
    """Never show these texts, in any form a log line may give them."""
    for secret in secrets:
        if len(secret) >= 4:  # a shorter one would blot out ordinary words
            _known.update({secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]})


def redact(text: str) -> str:
    """The text without what is, or looks like, a secret.

    The rooms never put one in a message; this is the second line of defence.
    """
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _LOOKS_SECRET.sub(HIDDEN, text)


def traceback_of(error: BaseException) -> str:
    """What Python prints of an error, without secrets: an exception of a library may hold a URL, a header, a body."""
    return _safe("".join(traceback.format_exception(None, error, error.__traceback__)))


def _safe(text: str) -> str:
    """Without secrets, and no line with what moves a terminal's cursor: servers' words stand in our messages."""
    return "\n".join(clean(line) for line in redact(text).split("\n"))


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    def format(self, record: logging.LogRecord) -> str:
        return _safe(super().format(record))


def setup(form: str, level: str, *, debug: bool = False) -> None:
    """Log to standard error.

    :param form: text or json.
    :raises ConfigError: JSON lines need a package that is not installed.
    """
    handler = _Handler(sys.stderr)
    handler.setFormatter(_json() if form == "json" else logging.Formatter(_TEXT, _TIME))
    logging.basicConfig(level="DEBUG" if debug else level.upper(), handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _json() -> logging.Formatter:
    try:
        from pythonjsonlogger.json import JsonFormatter
    except ImportError:
        fault = "log_format: json needs the package python-json-logger; pip install 'entrawatch[logs]'"
        raise ConfigError([fault]) from None
    names = {"asctime": "time", "levelname": "level", "name": "logger"}
    form = "%(asctime)s %(levelname)s %(name)s %(threadName)s %(message)s"
    return JsonFormatter(form, datefmt=_TIME, rename_fields=names)
