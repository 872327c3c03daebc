"""What a value in the file means, kind by kind: text → value, or a sentence that says what to write instead."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import urlsplit

from entrawatch.words import near

if TYPE_CHECKING:
    from entrawatch.config.keys import Key

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")
_PORT = re.compile(r"[0-9]{1,5}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PART = re.compile(r"(\d+)(s|m|h|d|w)")
_DURATION = re.compile(r"(\d+(s|m|h|d|w))+")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_NO_URL = "is no URL; write scheme, host, port and path and nothing else: https://host:443"
#: longer than anyone waits or looks back, and short enough to be added to any time of ours
_LONGEST = timedelta(days=100 * 365)
#: hosts that plain http may reach: nothing leaves the machine
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Wrong(ValueError):  # noqa: N818 - a sentence on its way to the list of faults, never seen by callers
    """The value is not what its key wants; the text says what to write."""


def duration(text: str) -> timedelta:
    """ "15m", "24h", "7d", "1h30m" as a timedelta.

    :raises Wrong: it is none.
    """
    if not _DURATION.fullmatch(text):
        raise Wrong(f"{text!r} is no duration; write 30s, 15m, 24h or 7d")
    try:
        length = timedelta(**_summed(text))
    except (OverflowError, ValueError):  # ValueError: Python reads no number of thousands of digits
        length = timedelta.max
    if length > _LONGEST:
        raise Wrong(f"{text[:40]!r} is longer than a hundred years; write 30s, 15m, 24h or 7d")
    return length


def _summed(text: str) -> dict[str, int]:
    parts: dict[str, int] = {}
    for amount, unit in _PART.findall(text):
        parts[_UNITS[unit]] = parts.get(_UNITS[unit], 0) + int(amount)
    return parts


def moment(text: str) -> datetime:
    """An ISO 8601 time with Z or an offset, in UTC; "2026-11-01" alone is no time.

    :raises Wrong: it is none, or has no zone.
    """
    spelled = text[:-1] + "+00:00" if text[-1:] in {"Z", "z"} else text
    try:
        time = datetime.fromisoformat(spelled)
        if time.tzinfo is not None:
            return time.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise Wrong(f"{text!r} is no time; write 2026-11-01T00:00:00Z") from None
    raise Wrong(f"{text!r} says no time zone; for UTC write {time:%Y-%m-%dT%H:%M:%S}Z")


def _text(text: str, _: Key) -> str:
    if not text.strip():
        raise Wrong("is empty")
    return text


def _matching(pattern: re.Pattern[str], want: str) -> Callable[[str, Key], str]:
    def read(text: str, _: Key) -> str:
        if not pattern.fullmatch(text):
            raise Wrong(f"{text!r} is no {want}")
        return text

    return read


def _tenant(text: str, _: Key) -> str:
    if not (GUID.fullmatch(text) or _DOMAIN.fullmatch(text)):
        raise Wrong(f"{text!r} is no tenant; write its GUID or a verified domain (contoso.onmicrosoft.com)")
    return text


def _split(text: str) -> tuple[str, str]:
    """Scheme and host of a URL without user, query and fragment."""
    # Nothing of the text is shown, and of the error neither: a password may stand in any part of a URL that is none.
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError:
        raise Wrong(_NO_URL) from None
    if parts.password:
        raise Wrong("has a password in it; give it apart, by the environment or a file")
    if not parts.hostname or parts.query or parts.fragment or "\\" in text:
        raise Wrong(_NO_URL)
    return parts.scheme, parts.hostname


def url(text: str, _: Key) -> str:
    """An https URL: Graph and the token authority are never asked in the clear.

    :raises Wrong: it is none.
    """
    scheme, host = _split(text)
    if scheme != "https" or "@" in text:
        raise Wrong(f"{scheme}://{host} is not plain https; write https://host")
    return text.rstrip("/")


def _proxy(text: str, _: Key) -> str:
    scheme, _host = _split(text)
    if scheme not in {"http", "https"}:
        raise Wrong(f"{scheme}: is no kind of proxy known here; write http://proxy.example:3128")
    return text


def listen(text: str, _: Key) -> str:
    """host:port.

    :raises Wrong: it is none.
    """
    host, _colon, port = text.rpartition(":")
    if not _HOST.fullmatch(host) or not _PORT.fullmatch(port) or not int(port) < 65536:
        raise Wrong(f"{text!r} is no host:port; write 127.0.0.1:9464")
    return text


def _number(text: str, key: Key) -> Any:
    try:
        value = int(text) if key.kind == "int" else float(text)
    except ValueError:
        raise Wrong(f"{text!r} is no {'whole number' if key.kind == 'int' else 'number'}") from None
    return within(value, key)


def within(value: Any, key: Key) -> Any:
    """The value, between the key's least and most.

    :raises Wrong: it is not (NaN never is).
    """
    if key.least is not None and not value >= key.least:
        raise Wrong(f"is below {shown(key.least)}, the least")
    if key.most is not None and not value <= key.most:
        raise Wrong(f"is above {shown(key.most)}, the most")
    return value


def shown(value: Any) -> str:
    """A number or a duration as the file writes it."""
    if not isinstance(value, timedelta):
        return str(value)
    seconds = int(value.total_seconds())
    size, unit = next((s, u) for s, u in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")) if seconds % s == 0)
    return f"{seconds // size}{unit}"


def _bool(text: str, _: Key) -> bool:
    if text.lower() not in {"true", "false"}:
        raise Wrong(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _choice(text: str, key: Key) -> str:
    if text not in key.choices:
        raise Wrong(f"{text!r} is not known; {near(text, key.choices)}")
    return text


def _start(text: str, _: Key) -> Any:
    return duration(text) if _DURATION.fullmatch(text) else moment(text)


#: kind → reader of a scalar
READERS: dict[str, Callable[[str, Key], Any]] = {
    "text": _text,
    "name": _matching(_NAME, "name; use letters, digits, . _ and - (100 at most)"),
    "guid": _matching(GUID, "GUID; write 00000000-0000-0000-0000-000000000000's form"),
    "tenant": _tenant,
    "url": url,
    "proxy": _proxy,
    "listen": listen,
    "int": _number,
    "float": _number,
    "bool": _bool,
    "choice": _choice,
    "duration": lambda text, key: within(duration(text), key),
    "start": _start,
}
