"""What a hunt says to people: a field's name in words, a technique's name, JSON laid out, and how many there are."""

from __future__ import annotations

import json
import re
from datetime import timezone
from typing import TYPE_CHECKING, Any, Optional

from entrawatch import jsontext
from entrawatch.rules.attack import TECHNIQUES
from entrawatch.schema.fields import resolve

if TYPE_CHECKING:
    from datetime import datetime

    from entrawatch.hunt.load import Loaded

#: parts of a path that say nothing to a reader
_SILENT = frozenset({"entra", "properties"})
_SPELT = {"ip": "IP", "id": "ID", "os": "OS", "upn": "UPN", "mfa": "MFA", "app": "application", "url": "URL"}
_DISTINCT = "distinct "


def read(time: datetime, after: Optional[datetime] = None) -> str:
    """The time in UTC as people read it, to the second.

    :param after: a time that was just read; its day is not said again.
    """
    texts = [one.astimezone(timezone.utc).isoformat(" ", "seconds").partition("+")[0] for one in (time, after) if one]
    day, _, clock = texts[0].partition(" ")
    return clock if texts[-1].startswith(day) and after else texts[0]


def label(name: str) -> str:
    """A field's path, or a measure's name, in words: `entra.role.name` is "role name"."""
    if name.startswith(_DISTINCT):
        return f"different values of {label(name[len(_DISTINCT) :])}"
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^A-Z._\s]+", name)
    words = [part.lower() for part in parts if part.lower() not in _SILENT] or [name]
    once = [word for place, word in enumerate(words) if words[place - 1 : place] != [word]]
    return " ".join(_SPELT.get(word, word) for word in once)


def meaning(name: str, source: str) -> str:
    """The field's path and what the field table says of it, for a tooltip."""
    path = name.removeprefix(_DISTINCT)
    known = resolve(path, source)
    return f"{path}: {known.description}" if known else path


def technique(identifier: str) -> str:
    """T1110.003 Password Spraying; the identifier alone where the table does not have it."""
    known = TECHNIQUES.get(identifier)
    return f"{identifier} {known.name.rpartition(': ')[2]}" if known else identifier


def laid_out(value: str) -> Optional[str]:
    """JSON of several values, one a line; None for other text."""
    found = parsed(value)
    if not found:
        return None
    try:
        return json.dumps(found, indent=2, ensure_ascii=False)
    except RecursionError:
        return None


def parsed(value: str) -> Any:
    """The object or list of a JSON text; None for every other text."""
    if not value.startswith(("{", "[")):
        return None
    try:
        found = jsontext.loads(value)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, (dict, list)) else None


def counted(count: int, what: str) -> str:
    """1 line, 1,234 lines."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def unread(loaded: Loaded) -> str:
    """What could not be read, in words: `2 lines not read, 1 file not read to the end`; nothing where all was read."""
    lines = counted(loaded.bad_lines, "line") + " not read" if loaded.bad_lines else ""
    files = counted(loaded.bad_files, "file") + " not read to the end" if loaded.bad_files else ""
    return ", ".join(filter(None, (lines, files)))
