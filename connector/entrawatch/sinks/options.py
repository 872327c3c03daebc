"""What a sink's table of options says, and the one place options are read against it.

Each sink module holds a table `OPTIONS` (name → `Option`); the configuration's loader checks a file against it, and
`build` checks again, so that a sink made in code is as safe as one made from a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import urlsplit

from entrawatch.config.model import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

#: hosts that plain http may reach: nothing leaves the machine
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
#: the largest numbers an option can be: 16 TiB, and the seconds that every system's clocks and sockets take
_MOST = {"int": 2**44, "float": 10**9}


@dataclass(frozen=True)
class Option:
    """One setting of a sink.

    :param kind: text, url, path, int, float, bool, choice or secret. Seconds and bytes are plain numbers; their
        option's name ends in `_seconds` or `_bytes`.
    :param help: one line for the documentation.
    :param default: what holds when it is not given; None for "not set".
    :param choices: the words a choice may be.
    :param least: the smallest number allowed.
    """

    kind: str
    help: str
    default: Any = None
    required: bool = False
    choices: tuple[str, ...] = ()
    least: Optional[float] = None

    @property
    def secret(self) -> bool:
        """Whether its text comes from the environment or a file (`NAME_env`, `NAME_file`), never from the YAML."""
        return self.kind == "secret"


def _url(option: Option, value: Any) -> str:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        host = parts.hostname if parts and parts.port != 0 else None  # reading the port checks it
    except ValueError:
        parts, host = None, None
    if parts is None or not host or parts.scheme not in {"https", "http"}:
        return "is no URL; write https://host:port"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "has a user, a password or a query in it; write scheme, host, port and path only"
    if parts.scheme == "http" and host not in LOOPBACK:
        return f"is plain http to {host}; write https (http is for the machine itself only)"
    return ""


def _number(types: tuple[type, ...], what: str) -> Callable[[Option, Any], str]:
    def fault(option: Option, value: Any) -> str:
        if isinstance(value, bool) or type(value) not in types or value != value:
            return f"is no {what}"
        if value > _MOST[option.kind]:
            return f"is above {_MOST[option.kind]}"
        return f"is below {option.least:g}" if option.least is not None and value < option.least else ""

    return fault


def _of(*types: type) -> Callable[[Option, Any], str]:
    return lambda option, value: "" if isinstance(value, types) and value != "" else f"is no {option.kind}"


def _choice(option: Option, value: Any) -> str:
    return "" if value in option.choices else f"is none of {', '.join(option.choices)}"


#: kind → the fault of a value of it, "" for none. A secret's value is never part of the answer.
_FAULTS: dict[str, Callable[[Option, Any], str]] = {
    "text": _of(str),
    "path": _of(str, Path),
    "bool": _of(bool),
    "secret": _of(Secret),
    "url": _url,
    "int": _number((int,), "whole number"),
    "float": _number((int, float), "number"),
    "choice": _choice,
}


def _fault(name: str, option: Option, given: Mapping[str, Any]) -> str:
    value = given.get(name)
    if value is None:
        return f"{name} is missing: {option.help}" if option.required else ""
    fault = _FAULTS[option.kind](option, value)
    return f"{name} {fault}" if fault else ""


def faults(table: Mapping[str, Option], given: Mapping[str, Any]) -> list[str]:
    """What is wrong with the given options, one clause a fault, in the table's order; empty where all is well.

    Values are those the loader makes: a `Secret` for a secret, numbers for numbers, text or Path for a path.
    """
    unknown = sorted(set(given) - set(table), key=str)
    return [
        *(f"{name} is no option of this sink; there are: {', '.join(table)}" for name in unknown),
        *filter(None, (_fault(name, option, given) for name, option in table.items())),
    ]


def filled(table: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options with the defaults of those that are not given; paths as Path."""
    values = {name: option.default if given.get(name) is None else given[name] for name, option in table.items()}
    for name, option in table.items():
        if option.kind == "path" and values[name] is not None:
            values[name] = Path(values[name])
    return values
