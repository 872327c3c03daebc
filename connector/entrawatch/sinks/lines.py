"""An event as text and as a moment: what every sink here needs of it."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Optional

from entrawatch import jsontext
from entrawatch.errors import RecordError
from entrawatch.schema import times
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from entrawatch.interfaces import Event

#: the sourcetype Splunk's own add-on gives to diagnostic-settings records
ENVELOPE_SOURCETYPE = "azure:monitor:aad"

#: what is long though it is no list: the records themselves, and an audit's targets, which are counted "0", "1" …
_LONG = frozenset({"azure", "properties", "target_resources"})
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+", re.ASCII)


def encode(event: Event) -> bytes:
    """The event as one line of JSON, without the newline.

    :raises RecordError: it holds something JSON cannot say, or is nested beyond what JSON writers take.
    """
    try:
        return jsontext.dumps(event)
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordError(f"cannot be written as JSON ({type(error).__name__})") from error


def lists_last(event: Event) -> Event:
    """The same event, its short values first and its lists after them; nothing of it is copied deeper than that.

    Splunk finds fields in the beginning of an event only (limits.conf: [spath] extraction_cutoff, 5,000 bytes, and [kv]
    maxchars, 10,240 characters), and a sign-in that many policies were weighed for is longer than that. What
    searches ask for stands before them this way.
    """
    ordered = {name: value for name, value in event.items() if name not in _LONG}
    if "properties" in event:
        ordered["properties"] = _reordered(event["properties"])
    if "azure" in event:
        azure = event["azure"]
        ordered["azure"] = {name: _with_properties(of) for name, of in azure.items()} if type(azure) is dict else azure
    return ordered


def _with_properties(dataset: Any) -> Any:
    if type(dataset) is not dict or "properties" not in dataset:
        return dataset
    light = {name: value for name, value in dataset.items() if name != "properties"}
    return {**light, "properties": _reordered(dataset["properties"])}


def _reordered(properties: Any) -> Any:
    if type(properties) is not dict:
        return properties
    late = {name: value for name, value in properties.items() if type(value) is list or name in _LONG}
    return {**{name: value for name, value in properties.items() if name not in late}, **late}


def epoch(event: Event) -> Optional[float]:
    """When the event happened, seconds since 1970 to the millisecond, as Splunk has its times: `@timestamp`, or `time`
    in the envelope's shape; None where neither can be read."""
    text = event.get("@timestamp")
    if isinstance(text, str) and len(text) == 24 and text.endswith("Z"):
        # The normaliser's form, and a shorter way for it: this is done for every event.
        try:
            return datetime.fromisoformat(f"{text[:23]}+00:00").timestamp()
        except ValueError:
            return _any_form(event)
    return _any_form(event)


def _any_form(event: Event) -> Optional[float]:
    ticks = times.ticks(event.get("@timestamp"))
    if ticks is None:
        ticks = times.ticks(event.get("time"))
    return None if ticks is None else ticks // 10_000 / 1000


def entra(event: Event) -> dict[str, Any]:
    """The event's `entra` block; empty where it has none."""
    block = event.get("entra")
    return block if isinstance(block, dict) else {}


def stream_of(event: Event) -> str:
    """The stream's name as a file's name may have it; "events" where the event names none."""
    return _UNSAFE.sub("_", str(entra(event).get("stream") or "events"))[:80]


def sourcetype_of(event: Event, shape: str) -> str:
    """Splunk's sourcetype: the vendor's for an envelope, else `entrawatch:` and the stream's family."""
    return ENVELOPE_SOURCETYPE if shape == "envelope" else _sourcetype(str(entra(event).get("stream")))


@lru_cache
def _sourcetype(name: str) -> str:
    stream = STREAMS.get(name)
    return f"entrawatch:{stream.family if stream else 'event'}"
