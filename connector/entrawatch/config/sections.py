"""Sections of the file read against their table of keys; what is wrong goes on the list, the rest is read on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.config import secrets
from entrawatch.config.nodes import Faults, Item, mapping, sequence
from entrawatch.config.values import READERS, Wrong, duration, moment
from entrawatch.schema.streams import STREAMS
from entrawatch.words import near

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from entrawatch.config.keys import Key

#: what stands for a value that had a fault: the fault is on the list, and no second one is made of its absence
FAULTY = object()
Values = dict[str, Any]


@dataclass(frozen=True)
class Reader:
    """Reads sections of one file.

    :param folder: where relative paths begin.
    """

    folder: Path
    environ: Mapping[str, str]
    faults: Faults

    def section(self, item: Item, keys: Mapping[str, Key], but: Iterable[str] = ()) -> tuple[Values, dict[str, Item]]:
        """The values of a mapping by key, and where each stands; keys in `but` are left to the caller."""
        given = mapping(item, self.faults)
        values = {name: self.value(name, keys[name], given[name]) for name in given if name in keys and name not in but}
        values.update(self._secrets(given, keys))
        self._unknown(given, keys)
        for name, key in keys.items():
            if key.required and name not in given and name not in values:
                self.faults.at(item, f"{spelled(name, keys)} is missing: {key.help}")
        return values, given

    def _unknown(self, given: Mapping[str, Item], keys: Mapping[str, Key]) -> None:
        known = {name for name, key in keys.items() if key.kind != "secret"} | set(secret_names(keys))
        for name, item in given.items():
            if name not in known and not (name in keys and keys[name].kind == "secret"):
                self.faults.at(item, f"is not known here; {near(name, sorted(known))}")

    def value(self, name: str, key: Key, item: Item) -> Any:
        """One value; FAULTY when it has a fault."""
        try:
            return self._read(name, key, item)
        except Wrong as wrong:
            self.faults.at(item, str(wrong))
            return FAULTY

    def _read(self, name: str, key: Key, item: Item) -> Any:
        if key.kind == "secret":
            raise Wrong(secrets.literal(name))
        if key.kind in _STRUCTURED:
            return _STRUCTURED[key.kind](self, item, key)
        if item.scalar is None:
            raise Wrong(f"is a {'list' if item.tag == 'seq' else 'mapping'}; write one value")
        if item.empty:
            raise Wrong("has nothing behind it; write a value or leave the key out")
        return self.path(item.scalar) if key.kind == "path" else READERS[key.kind](item.scalar, key)

    def path(self, text: str) -> Path:
        """A path, from the configuration's own folder; ~ is the home folder."""
        if not text.strip():
            raise Wrong("is empty; write a path")
        if not text.isprintable():
            raise Wrong("has a control character in it; write a path")
        try:
            return self.folder / Path(text).expanduser()
        except RuntimeError:
            raise Wrong(f"{text!r} begins with a user this machine does not know; write the whole path") from None

    def _secrets(self, given: Mapping[str, Item], keys: Mapping[str, Key]) -> Values:
        values = {}
        for name in (name for name, key in keys.items() if key.kind == "secret"):
            sources = [name + form for form in secrets.FORMS if name + form in given]
            if len(sources) > 1:
                self.faults.at(given[sources[1]], f"{' and '.join(sources)} are both given; keep one")
            if sources:
                values[name] = self._secret(given[sources[0]], from_file=sources[0].endswith("_file"))
        return values

    def _secret(self, item: Item, *, from_file: bool) -> Any:
        try:
            text = "" if item.empty else item.scalar or ""
            return secrets.from_file(self.path(text)) if from_file else secrets.from_environment(text, self.environ)
        except Wrong as wrong:
            self.faults.at(item, str(wrong))
            return FAULTY

    def members(self, item: Item) -> list[Any]:
        """A list of scalars as items."""
        return [member for member in sequence(item, self.faults) if self._is_scalar(member)]

    def _is_scalar(self, item: Item) -> bool:
        if item.scalar is None or item.empty:
            self.faults.at(item, "is no single word")
            return False
        return True


def secret_names(keys: Mapping[str, Any]) -> list[str]:
    """The keys that a table's secrets are given by."""
    return [name + form for name, key in keys.items() if key.kind == "secret" for form in secrets.FORMS]


def spelled(name: str, keys: Mapping[str, Any]) -> str:
    """How the file writes a key: a secret is given by one of two."""
    return " or ".join(secret_names({name: keys[name]})) or name


def _sweeps(reader: Reader, item: Item, _: Key) -> tuple[timedelta, ...]:
    sweeps = [duration(str(member.scalar)) for member in reader.members(item)]
    if sweeps != sorted(set(sweeps)) or any(not sweep for sweep in sweeps):
        raise Wrong("sweeps go from the shortest to the longest, none of them 0 or given twice")
    return tuple(sweeps)


def _streams(reader: Reader, item: Item, _: Key) -> tuple[str, ...]:
    names = []
    for member in reader.members(item):
        if member.scalar not in STREAMS:
            reader.faults.at(member, f"{member.scalar!r} is no stream; {near(str(member.scalar), STREAMS)}")
        elif member.scalar in names:
            reader.faults.at(member, f"{member.scalar} is given twice; keep one")
        else:
            names.append(str(member.scalar))
    return tuple(names)


def _range(reader: Reader, item: Item, _: Key) -> Optional[tuple[datetime, datetime]]:
    given = mapping(item, Faults(""))
    if set(given) != {"from", "to"}:
        raise Wrong("is no range; write {from: 2026-11-01T00:00:00Z, to: 2026-11-08T00:00:00Z}")
    start, end = (moment(str(given[name].scalar)) for name in ("from", "to"))
    if start >= end:
        raise Wrong("ends before it begins; swap from and to")
    return start, end


_STRUCTURED = {"sweeps": _sweeps, "streams": _streams, "range": _range}
