"""What the report shows to people: a field's name in words, JSON laid out, and what a change changed."""

from __future__ import annotations

import json
import re
from datetime import timezone
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from entrawatch import jsontext
from entrawatch.rules.attack import TECHNIQUES
from entrawatch.schema.fields import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

#: parts of a path that say nothing to a reader
_SILENT = frozenset({"entra", "properties"})
_SPELT = {"ip": "IP", "id": "ID", "os": "OS", "upn": "UPN", "mfa": "MFA", "app": "application", "url": "URL"}
_DISTINCT = "distinct "
#: below this nobody reads on, and hostile JSON goes on for ever
_DEPTH = 20


class Change(NamedTuple):
    """One value that a change replaced.

    :param field: whose, in words.
    :param before: "" for nothing.
    """

    field: str
    before: str
    after: str


def read(time: datetime) -> str:
    """The time in UTC as people read it, to the second."""
    return time.astimezone(timezone.utc).isoformat(sep=" ", timespec="seconds").partition("+")[0]


def label(name: str) -> str:
    """A field's path, or a measure's name, in words: `entra.role.name` is "role name"."""
    if name.startswith(_DISTINCT):
        return f"different values of {label(name[len(_DISTINCT) :])}"
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^A-Z._\s]+", name)
    words = [part.lower() for part in parts if part.lower() not in _SILENT] or [name]
    return " ".join(_SPELT.get(word, word) for word in words)


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
    found = _parsed(value)
    if not found:
        return None
    try:
        return json.dumps(found, indent=2, ensure_ascii=False)
    except RecursionError:
        return None


def _parsed(value: str) -> Any:
    if not value.startswith(("{", "[")):
        return None
    try:
        found = jsontext.loads(value)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, (dict, list)) else None


def changes(evidence: Mapping[str, Sequence[str]]) -> list[Change]:
    """What stood in fields that tell the old and the new of something, where they differ."""
    found: list[Change] = []
    for name, after in evidence.items():
        above, _, last = name.rpartition(".")
        if last != "new" and not last.startswith("new_"):
            continue
        old = f"{above}.old{last[len('new') :]}"
        if old in evidence and len(evidence[old]) <= 1 and len(after) <= 1:
            what = label(f"{above}.{last[len('new_') :]}")
            found += _differing(what, "".join(evidence[old]), "".join(after))
    return found


def _differing(what: str, before: str, after: str) -> Iterator[Change]:
    old, new = _parsed(before), _parsed(after)
    if old is None and new is None:
        if before != after:
            yield Change(what, before, after)
        return
    leaves = _leaves(old or {}), _leaves(new or {})
    for path in dict.fromkeys([*leaves[0], *leaves[1]]):
        was, now = (leaf.get(path, "") for leaf in leaves)
        if was != now:
            yield Change(f"{what}: {' > '.join(map(label, path))}" if path else what, was, now)


def _leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """The values at the ends of the paths, a list of them as one text."""
    if isinstance(value, dict) and len(path) < _DEPTH:
        return {at: text for key, inner in value.items() for at, text in _leaves(inner, (*path, str(key))).items()}
    if isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value):
        return {path: ", ".join(map(_text, value))}
    return {path: _text(value)}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return jsontext.dumps(value).decode()
    except RecursionError:
        return "…"
