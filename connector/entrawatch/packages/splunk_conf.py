r"""Splunk's .conf files as text: the one place where they are written.

A value goes on in the next line where the line ends in a backslash; so no line of a value may end in one by itself, and
a value begins and ends with something that is no space, since those are cut off. Where a line of a value begins with
what begins a comment or a stanza, readers differ. A stanza's name stands in brackets and may not hold `]`.

https://docs.splunk.com/Documentation/Splunk/latest/Admin/Howtoeditaconfigurationfile,
https://docs.splunk.com/Documentation/Splunk/latest/Admin/Configurationfiledirectories
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Value = Union[str, int, bool]

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.@:-]*", re.ASCII)
_HEAD = "Generated from the rules and the schema: do not edit; settings of your own belong into local/."


@dataclass(frozen=True)
class Stanza:
    """One stanza.

    :param name: what stands in its brackets; nothing stands for all, in metadata/default.meta.
    :param settings: key → value; texts may have several lines.
    :param comment: lines above it, for people.
    """

    name: str
    settings: Mapping[str, Value] = field(hash=False)
    comment: tuple[str, ...] = ()


def conf(stanzas: Iterable[Stanza], head: str = _HEAD) -> bytes:
    """A .conf file, its stanzas in the order given.

    :raises ValueError: a name, a key or a value that Splunk would read otherwise, or a stanza that stands twice.
    """
    parts, seen = [f"# {head}\n"], set()
    for stanza in stanzas:
        if stanza.name in seen:
            raise ValueError(f"the stanza [{stanza.name}] stands twice")
        seen.add(stanza.name)
        parts.append(_stanza(stanza))
    return "\n".join(parts).encode()


def _stanza(stanza: Stanza) -> str:
    if stanza.name != stanza.name.strip() or re.search(r"[\[\]\r\n]", stanza.name):
        raise ValueError(f"no stanza name for Splunk: {stanza.name!r}")
    comments = [f"# {line}".rstrip() for text in stanza.comment for line in text.splitlines()]
    settings = [f"{_key(key)} = {_value(value)}" for key, value in stanza.settings.items()]
    return "".join(f"{line}\n" for line in (*comments, f"[{stanza.name}]", *settings))


def _key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"no key for Splunk: {key!r}")
    return key


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    text = str(value)
    lines = text.rstrip("\n").split("\n")
    if any(line.lstrip()[:1] in ("#", ";", "[") for line in lines[1:]):
        raise ValueError(f"a line of a value that Splunk takes for a comment or a stanza: {text!r}")
    if any(line.endswith("\\") or "\r" in line for line in lines):
        raise ValueError(f"a line of a value ends in what Splunk takes for a continuation: {text!r}")
    if any(not line.isprintable() for line in lines) or lines[0][:1].isspace() or lines[-1][-1:].isspace():
        raise ValueError(f"a value that Splunk would cut: {text!r}")
    return " \\\n".join(lines)


def one_line(text: str) -> str:
    """Text for people as one line; `$` is doubled nowhere in Splunk, so a text that has one is refused.

    :raises ValueError: Splunk would take a part of it for a token.
    """
    if "$" in text:
        raise ValueError(f"Splunk takes this for a token: {text!r}")
    return " ".join(text.split())


def json_value(value: Any) -> str:
    """JSON in one line, as several of Splunk's keys want it."""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
