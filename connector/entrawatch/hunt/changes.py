"""What a change changed: the old and the new of something side by side, and what stands there where it is no JSON.

Nothing is compared that could not be read: a value that was cut off is shown as it came, for what is missing of it
would look removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from entrawatch import jsontext
from entrawatch.hunt.words import label, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: below this nobody reads on, and hostile JSON goes on for ever
_DEPTH = 20
_DEEP = "nested too deep to compare: both as they came"


class Change(NamedTuple):
    """One value that a change replaced.

    :param field: whose, in words.
    :param before: "" for nothing; None where there is nothing, or nothing that the normaliser could read.
    :param note: why the two are shown whole, "" where they are not.
    """

    field: str
    before: Optional[str]
    after: Optional[str]
    note: str = ""


def changes(evidence: Mapping[str, Sequence[str]]) -> list[Change]:
    """What stood in fields that tell the old and the new of something, where they differ."""
    found: list[Change] = []
    for old, new, what in pairs(evidence):
        if len(evidence[old]) <= 1 and len(evidence[new]) <= 1:
            found += _compared(what, *(next(iter(evidence[side]), None) for side in (old, new)))
    return found


def pairs(names: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Names of two fields that tell the old and the new of one thing, and what it is in words."""
    for name in names:
        above, _, last = name.rpartition(".")
        old = f"{above}.old{last[len('new') :]}"
        if (last == "new" or last.startswith("new_")) and old in names:
            yield old, name, label(f"{above}.{last[len('new_') :]}")


def _compared(what: str, before: Optional[str], after: Optional[str]) -> Iterator[Change]:
    if before == after:
        return
    old, new = (None if text is None else parsed(text) for text in (before, after))
    if old is None or new is None:
        yield Change(what, before, after, _unread(before, after))
        return
    try:
        yield from list(_differing(what, old, new))
    except RecursionError:
        yield Change(what, before, after, _DEEP)


def _unread(before: Optional[str], after: Optional[str]) -> str:
    sides = [
        side
        for side, text in (("old", before), ("new", after))
        if text and text.startswith(("{", "[")) and parsed(text) is None
    ]
    if not sides:
        return ""
    values = f"{' and the '.join(sides)} value{'s are' if len(sides) > 1 else ' is'}"
    return f"the {values} cut off or damaged and cannot be read as JSON: both as they came"


def _differing(what: str, old: Any, new: Any) -> Iterator[Change]:
    leaves = _leaves(old), _leaves(new)
    for path in dict.fromkeys([*leaves[0], *leaves[1]]):
        was, now = (leaf.get(path) for leaf in leaves)
        if _spelt(was) != _spelt(now):
            yield Change(f"{what}: {' > '.join(map(label, path))}" if path else what, *_told(was, now))


def _leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """The values at the ends of the paths through objects; a list is one."""
    if isinstance(value, dict) and len(path) < _DEPTH:
        return {at: leaf for key, inner in value.items() for at, leaf in _leaves(inner, (*path, str(key))).items()}
    return {path: value}


def _spelt(value: Any) -> bytes:
    """The same for equal values alone; nothing, be it told or not, is b""."""
    return b"" if value is None or value in ("", [], {}) else jsontext.canonical(value)


def _told(was: Any, now: Any) -> tuple[str, str]:
    """Both as people read them; as JSON where those would be the same words."""
    texts = _text(was), _text(now)
    return texts if texts[0] != texts[1] else (_json(was), _json(now))


def _text(value: Any) -> str:
    """A list of plain words as one text, where nobody could take one word for two."""
    if isinstance(value, list):
        plain = all(isinstance(item, str) and item and ", " not in item for item in value)
        return ", ".join(value) if plain else _json(value)
    if value is None or isinstance(value, str):
        return value or ""
    return _json(value)


def _json(value: Any) -> str:
    return jsontext.dumps(value).decode()
