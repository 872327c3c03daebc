"""What came back instead of a page, read without trusting it: status, Graph's code and words, Retry-After."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Optional

from entrawatch import jsontext

if TYPE_CHECKING:
    from collections.abc import Mapping

#: pseudo statuses for what has none
TOO_LONG, MALFORMED, TIMED_OUT, UNREACHABLE = 596, 597, 598, 599
_WORDS = 300
#: seconds; no longer pause is believed: Graph's are minutes, and a gateway's slip must not silence us for years
_LONGEST = 3600.0


@dataclass(frozen=True)
class Refusal:
    """An answer that is no page.

    :param status: HTTP status or one of the pseudo statuses.
    :param code: Graph's own error code, "" where the body is no Graph error (an HTML page of a gateway).
    :param message: Graph's words, or ours for a pseudo status; one line.
    :param retry_after: seconds the service asks to wait, None where it does not say.
    """

    status: int
    code: str = ""
    message: str = ""
    retry_after: Optional[float] = None

    @property
    def text(self) -> str:
        """What the policy's patterns are matched with."""
        return f"{self.code} {self.message}"


def refusal(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Refusal:
    """The refusal in an HTTP answer; any body will do.

    :param now: what a Retry-After date is counted from when the answer has no Date of its own.
    """
    code, message = _graph_error(body)
    return Refusal(status, code, message, retry_after(headers, now))


def _graph_error(body: bytes) -> tuple[str, str]:
    try:
        value = jsontext.loads(body)
    except ValueError:
        return "", ""
    error = value.get("error") if isinstance(value, dict) else None
    if isinstance(error, dict):
        return _line(error.get("code")), _line(error.get("message"))
    return (_line(error), _line(value.get("error_description"))) if isinstance(error, str) else ("", "")


def _line(value: Any) -> str:
    return " ".join(str(value or "").split())[:_WORDS]


def retry_after(headers: Mapping[str, str], now: datetime) -> Optional[float]:
    """Seconds in Retry-After: whole, with decimals (Graph sends `2.128`), or an HTTP date; at most an hour.

    None where it is absent or cannot be read.
    """
    given = headers.get("Retry-After", "").strip()
    if not given:
        return None
    try:
        seconds = float(given)
    except ValueError:
        moment = http_date(given)
        seconds = (moment - (http_date(headers.get("Date", "")) or now)).total_seconds() if moment else math.nan
    return min(max(0.0, seconds), _LONGEST) if math.isfinite(seconds) else None


def http_date(text: str) -> Optional[datetime]:
    """The aware UTC time of an HTTP date, None when it is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
