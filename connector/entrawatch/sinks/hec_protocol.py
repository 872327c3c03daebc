"""What Splunk's HTTP Event Collector answers, and what each answer means for the batch that was sent.

Codes and HTTP statuses: "Troubleshoot HTTP Event Collector", possible error codes
(https://docs.splunk.com/Documentation/Splunk/latest/Data/TroubleshootHTTPEventCollector).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

from entrawatch import jsontext

if TYPE_CHECKING:
    from collections.abc import Mapping

#: what the sender does next
TAKEN = "taken"  # the batch was received
EVENT = "event"  # one event of the batch is refused; the others may be taken without it
BUSY = "busy"  # the same batch may be sent again later
REFUSED = "refused"  # nothing will be taken until a person mends the configuration

_TOKEN = "check the token and that it is enabled in Settings > Data inputs > HTTP Event Collector"  # noqa: S105 - advice
_CHANNEL = "set acknowledge to auto or always: the token asks for indexer acknowledgement"

#: HEC's code → what it means, its text, and what to do where a person must
CODES: dict[int, tuple[str, str, str]] = {
    0: (TAKEN, "Success", ""),
    1: (REFUSED, "Token disabled", _TOKEN),
    2: (REFUSED, "Token is required", _TOKEN),
    3: (REFUSED, "Invalid authorization", _TOKEN),
    4: (REFUSED, "Invalid token", _TOKEN),
    5: (EVENT, "No data", ""),
    6: (EVENT, "Invalid data format", ""),
    # All events of a sink go to one index, so this is the configuration's fault and not an event's.
    7: (REFUSED, "Incorrect index", "create the index, or allow the token to write to it"),
    8: (BUSY, "Internal server error", ""),
    9: (BUSY, "Server is busy", ""),
    10: (REFUSED, "Data channel is missing", _CHANNEL),
    11: (REFUSED, "Invalid data channel", _CHANNEL),
    12: (EVENT, "Event field is required", ""),
    13: (EVENT, "Event field cannot be blank", ""),
    14: (REFUSED, "ACK is disabled", "enable indexer acknowledgement for the token, or set acknowledge to never"),
    15: (EVENT, "Error in handling indexed fields", ""),
    16: (REFUSED, "Query string authorization is not enabled", _TOKEN),
    17: (TAKEN, "HEC is healthy", ""),
    18: (BUSY, "HEC is unhealthy, queues are full", ""),
    19: (BUSY, "HEC is unhealthy, ack service unavailable", ""),
    20: (BUSY, "HEC is unhealthy, queues are full, ack service unavailable", ""),
    21: (REFUSED, "Invalid token", _TOKEN),
    22: (REFUSED, "Token disabled", _TOKEN),
    23: (BUSY, "Server is shutting down", ""),
    # 24 and 25 come with HTTP 200: the events are in, a queue is filling up.
    24: (TAKEN, "HEC queue is nearing capacity", ""),
    25: (TAKEN, "HEC ack channel is nearing capacity", ""),
    26: (BUSY, "HEC queue is at capacity", ""),
    27: (BUSY, "HEC ack channel is at capacity", ""),
}

NO_DATA = 5

#: HTTP status → meaning, where the body is not HEC's (a proxy, a load balancer, a wrong port)
_STATUS = {
    400: (REFUSED, "check that url is a HEC address"),
    401: (REFUSED, _TOKEN),
    403: (REFUSED, _TOKEN),
    404: (REFUSED, "check url, and that HEC is enabled (Global Settings: All Tokens enabled)"),
    405: (REFUSED, "check that url is a HEC address"),
    407: (REFUSED, "the proxy asks for credentials"),
    408: (BUSY, ""),
    413: (EVENT, ""),
    429: (BUSY, ""),
}


@dataclass(frozen=True)
class Answer:
    """One answer of HEC.

    :param meaning: TAKEN, EVENT, BUSY or REFUSED.
    :param reason: status, code and text in one line; nothing of it is the server's own free text.
    :param advice: what a person does about it, "" where nothing.
    :param code: HEC's own code, None where the body was not HEC's.
    :param invalid: index of the event HEC stopped at, from 0, where it named one.
    :param ack_id: number to ask for the acknowledgement with, where the token asks for that.
    :param retry_after: seconds the server asked to wait.
    """

    meaning: str
    reason: str
    advice: str = ""
    code: Optional[int] = None
    invalid: Optional[int] = None
    ack_id: Optional[int] = None
    retry_after: Optional[float] = None


def document(body: bytes) -> dict[str, Any]:
    """The body's JSON object; empty where it is none."""
    try:
        value = jsontext.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def number(value: Any) -> Optional[int]:
    """A whole number that may come as text; None where it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def seconds(headers: Mapping[str, str]) -> Optional[float]:
    """Retry-After in seconds; None where it is absent or a date."""
    value = headers.get("Retry-After", "").strip()
    return float(value) if value.isascii() and value.isdigit() else None


def _meaning(status: int, code: Optional[int], taken: bool) -> tuple[str, str, str]:
    if code is not None and code in CODES and (status != 200 or CODES[code][0] == TAKEN):
        meaning, text, advice = CODES[code]
        if meaning == TAKEN and status != 200:
            return BUSY, f"HTTP {status}, though with code {code}", ""
        return meaning, f"HTTP {status}, code {code} ({text})", advice
    if status == 200 and taken:
        return TAKEN, "HTTP 200", ""
    if status == 200:
        # A 200 that is not HEC's (a portal, a proxy's page) says nothing about our events.
        return BUSY, "HTTP 200, but not HEC's answer", ""
    if 300 <= status < 400:
        return REFUSED, f"HTTP {status} (redirect)", "give the address it leads to as url"
    meaning, advice = _STATUS.get(status, (BUSY if status >= 500 else REFUSED, ""))
    return meaning, f"HTTP {status}" + ("" if code is None else f", code {code}"), advice


def read(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """What an answer to an event request means."""
    found = document(body)
    code = number(found.get("code"))
    # Splunk writes ackId; its documentation of some versions writes ackID.
    ack_id = number(found.get("ackId", found.get("ackID")))
    meaning, reason, advice = _meaning(status, code, taken=code is None and ack_id is not None)
    return Answer(meaning, reason, advice, code, number(found.get("invalid-event-number")), ack_id, seconds(headers))
