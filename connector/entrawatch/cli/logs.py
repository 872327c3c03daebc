"""Log lines, as text or JSON."""

from __future__ import annotations

import logging
import sys

from entrawatch.errors import ConfigError
from entrawatch.redaction import safe

_TEXT = "%(asctime)s %(levelname)-7s %(message)s"
_TIME = "%Y-%m-%dT%H:%M:%S%z"
#: libraries that tell of each request, URLs included
_TALKATIVE = ("urllib3", "msal", "elastic_transport", "elasticsearch", "requests")


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    def format(self, record: logging.LogRecord) -> str:
        return safe(super().format(record))


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
