"""Single values: text of any sort into the type the field table declares, or the word that it does not fit.

All functions are total: they never raise. What does not fit is UNFIT, what is not there is None.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Callable, Optional

from entrawatch.jsontext import dumps, loads
from entrawatch.schema import times


class Unfit:
    """The value of what cannot take its field's type."""

    def __repr__(self) -> str:
        return "UNFIT"


UNFIT = Unfit()
_LONG = 2**63
_FIRST, _LAST = times.ticks("1000-01-01T00:00:00Z") or 0, times.ticks("9999-12-31T23:59:59Z") or 0


@lru_cache(maxsize=8192)
def instant(text: str) -> Optional[tuple[str, str]]:
    """A time as UTC text: to the millisecond, and with the digits it came with.

    Reads what schema.times reads, and hours without their leading zero, dates alone and `/Date(1661191636000)/`.

    :returns: None where the text is no time.
    """
    if len(text) > 19 and text[10] == "T" and text[-1] == "Z" and _plain(text):  # what nearly all records have
        seconds, digits = text[:19], text[20:-1]
        if not digits:
            return (seconds + ".000Z", text) if text[19] == "Z" else None
        if text[19] == "." and digits.isdigit():
            return f"{seconds}.{digits[:3]:0<3}Z", f"{seconds}.{digits[:9]}Z"
    count = _ticks(text.strip())
    if count is None or not _FIRST <= count < _LAST:
        return None
    seconds, _, digits = times.iso(count)[:-1].partition(".")
    digits = digits and digits.rstrip("0").ljust(3, "0")
    return f"{seconds}.{digits[:3]:0<3}Z", f"{seconds}.{digits}Z" if digits else seconds + "Z"


def _plain(text: str) -> bool:
    """Whether the first 19 characters are a date and a clock that exist."""
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        return False
    return text.isascii() and text[4] == text[7] == "-" and text[13] == text[16] == ":"


def _ticks(text: str) -> Optional[int]:
    if text.startswith("/Date("):
        digits = text[6:].rstrip("/").rstrip(")")
        return int(digits) * 10_000 if len(digits) < 20 and digits.isascii() and digits.isdigit() else None
    if "W" in text:
        return None  # week dates, which only some versions of Python read
    if len(text) == 10:
        text += "T00:00:00"
    elif text[12:13] == ":" and "/" not in text:
        text = f"{text[:11]}0{text[11:]}"
    return times.ticks(text)


@lru_cache(maxsize=32768)
def address(text: str) -> tuple[Optional[str], Optional[int]]:
    """The IP address in a text and its port: `203.0.113.7`, `203.0.113.7:443`, `[2001:db8::1]:443`.

    :returns: None for what is no address (`{ipAddress}`, `123.456.7.89`, an address with a scope).
    """
    host, port = text.strip(), ""
    if host.startswith("["):
        host, _, port = host[1:].partition("]")
        port = port[1:]
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if "%" in host or "/" in host:
        return None, None
    try:
        ip_address(host)
    except ValueError:
        return None, None
    return host, int(port) if port.isascii() and port.isdigit() and int(port) < 65536 else None


def as_text(value: Any, _: Any = None) -> Any:
    """Text of a scalar; numbers and booleans in JSON's spelling."""
    if type(value) is float and not -1e300 < value < 1e300:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return dumps(value).decode()
    return UNFIT if value else None


def as_long(value: Any, _: Any = None) -> Any:
    """A whole number of 64 bits."""
    if type(value) is int and -_LONG <= value < _LONG:
        return value
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        if not (value.isascii() and value.lstrip("-").isdigit()) or len(value) > 20:
            return UNFIT
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and -_LONG <= value < _LONG else UNFIT


def as_double(value: Any, _: Any = None) -> Any:
    """A finite number."""
    if type(value) is float and -1e300 < value < 1e300:
        return value
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            value = float(value)
        except ValueError:
            return UNFIT
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return UNFIT
    return value if -1e300 < value < 1e300 else None  # no log has such a number; JSON has no infinity


def as_boolean(value: Any, _: Any = None) -> Any:
    """True or False; their names in any case, bare or quoted as JSON once or twice."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip('"\\ \t').lower()
        return {"true": True, "false": False, "": None}.get(word, UNFIT)
    return UNFIT


def as_date(value: Any, _: Any = None) -> Any:
    """A time as UTC text, with the digits it came with."""
    if type(value) is not str:
        return UNFIT
    both = instant(value)
    return both[1] if both else UNFIT if value.strip() else None


def as_ip(value: Any, _: Any = None) -> Any:
    """An address without its port."""
    if not isinstance(value, str):
        return UNFIT
    return address(value)[0] or (UNFIT if value.strip() else None)


#: type in the field table → how a value takes it
SCALARS: dict[str, Callable[..., Any]] = {
    "keyword": as_text, "text": as_text, "long": as_long, "double": as_double, "boolean": as_boolean,
    "date": as_date, "ip": as_ip,
}  # fmt: skip


def parsed(value: Any) -> Any:
    """The value of JSON text that holds a list or an object; anything else as it is."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def shown(value: Any) -> str:
    """Any value as text: itself, or its JSON."""
    if isinstance(value, str):
        return value
    try:
        return dumps(value).decode()
    except (TypeError, ValueError, RecursionError):
        return repr(type(value))
