"""An event as text and as a moment: what every sink here needs of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Optional

from entrawatch import jsontext
from entrawatch.errors import RecordError
from entrawatch.schema import times
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from datetime import datetime

    from entrawatch.interfaces import Event

#: the sourcetype Splunk's own add-on gives to diagnostic-settings records
ENVELOPE_SOURCETYPE = "azure:monitor:aad"

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+", re.ASCII)


def encode(event: Event) -> bytes:
    """The event as one line of JSON, without the newline.

    :raises RecordError: it holds something JSON cannot say, or is nested beyond what JSON writers take.
    """
    try:
        return jsontext.dumps(event)
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordError(f"cannot be written as JSON ({type(error).__name__})") from error


def time_of(event: Event) -> Optional[datetime]:
    """When the event happened: `@timestamp`, or `time` in the envelope's shape."""
    return times.parse(event.get("@timestamp")) or times.parse(event.get("time"))


def entra(event: Event) -> dict[str, Any]:
    """The event's `entra` block; empty where it has none."""
    block = event.get("entra")
    return block if isinstance(block, dict) else {}


def stream_of(event: Event) -> str:
    """The stream's name as a file's name may have it; "events" where the event names none."""
    return _UNSAFE.sub("_", str(entra(event).get("stream") or "events"))[:80]


def sourcetype_of(event: Event, shape: str) -> str:
    """Splunk's sourcetype: the vendor's for an envelope, else `entrawatch:` and the stream's family."""
    if shape == "envelope":
        return ENVELOPE_SOURCETYPE
    stream = STREAMS.get(str(entra(event).get("stream")))
    return f"entrawatch:{stream.family if stream else 'event'}"
