"""The two functions that the app's generated script calls: check an input, and run it."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entrawatch.errors import ConfigError, EntrawatchError
from entrawatch.ingest.runner import stop_on_signals
from entrawatch.redaction import hide
from entrawatch.splunk import logs
from entrawatch.splunk.arguments import read_input, read_tenant
from entrawatch.splunk.collect import collect
from entrawatch.splunk.splunkd import Splunkd

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from splunklib.modularinput import EventWriter, InputDefinition, ValidationDefinition

    from entrawatch.ingest.runner import Outcome

_LOG = logging.getLogger(__name__)


def validate_input(definition: ValidationDefinition) -> None:
    """Check what an admin is about to save.

    :raises ValueError: all that is wrong, in one line; Splunk shows it.
    """
    try:
        read_input(str(definition.metadata["name"]), definition.parameters)
    except ConfigError as error:
        raise ValueError("; ".join(error.faults)) from None


def stream_events(inputs: InputDefinition, writer: EventWriter) -> None:
    """Run the inputs of a definition, one as a rule. Never raises: what went wrong is in the log, a line each."""
    stop = threading.Event()
    with stop_on_signals(stop):
        for stanza, values in inputs.inputs.items():
            _run(stanza.partition("://")[2], values, inputs.metadata, writer, stop)


def _run(
    name: str, values: Mapping[str, Any], metadata: Mapping[str, str], writer: EventWriter, stop: threading.Event
) -> None:
    logs.setup(name, "INFO")
    try:
        outcome = _collected(name, values, metadata, writer, stop)
    except ConfigError as error:
        _tell(error.faults)
    except EntrawatchError as error:
        _tell([f"input {name}: {error}"])
    except Exception as error:  # nothing of it may reach Splunk's own handler: that prints tracebacks unredacted
        _LOG.critical("input %s: unexpected %s; the traceback is in the input's log", name, type(error).__name__,
                      exc_info=error)  # fmt: skip
    else:
        _tell(f"input {name}: {line}" for line in _troubles(outcome))
        _LOG.info("input %s: ended", name)


def _collected(
    name: str, values: Mapping[str, Any], metadata: Mapping[str, str], writer: EventWriter, stop: threading.Event
) -> Outcome:
    given = read_input(name, values)
    splunkd = Splunkd(metadata["server_uri"], metadata["session_key"])
    hide([metadata["session_key"]])
    logs.setup(name, splunkd.log_level())
    account, proxy = splunkd.account(given.account), splunkd.proxy()
    hide(text for text in (account.get("client_secret"), proxy.get("proxy_password")) if text)
    tenant = read_tenant(given, account, proxy)
    return collect(given, tenant, writer, Path(metadata["checkpoint_dir"], name), stop)


def _troubles(outcome: Outcome) -> list[str]:
    """What did not work; one wrong secret fails ten streams for one reason, which is worth one line."""
    reasons: dict[str, list[str]] = {}
    for failures in (outcome.degraded, outcome.failed, outcome.refused):
        for where, reason in failures.items():
            names = reasons.setdefault(reason, [])
            names += [] if where.rpartition("/")[2] in names else [where.rpartition("/")[2]]
    return [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        _LOG.error("%s", line)
