"""A rule's own tests: short to write, whole when read.

A case's records are made from a named base and what differs; times are written from a fixed beginning, so that a test
means the same on every day. Dotted keys reach into the record.
"""

from __future__ import annotations

import copy
import re
import uuid
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from entrawatch.rules.faults import Refused
from entrawatch.rules.rule import Case
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrawatch.rules.faults import Faults
    from entrawatch.schema.streams import Stream

#: where "0m" is: a Wednesday, 09:00 UTC
BEGINNING = datetime(2026, 1, 7, 9, tzinfo=timezone.utc)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_OWN_KEYS = {"base", "at", "repeat", "step", "stream"}


def read_cases(said: dict[str, Any], faults: Faults, keys: set[str]) -> tuple[Case, ...]:
    """The cases of a rule; at least one matches and two do not."""
    cases = tuple(_case(place, case, said["base"], faults, keys) for place, case in enumerate(said["cases"]))
    if not any(case.match for case in cases):
        faults.add("tests.cases", "no case matches: one with `match` is needed")
    if sum(not case.match for case in cases) < 2:
        faults.add("tests.cases", "a rule has at least two near misses: cases without `match`")
    return cases


def _case(place: int, said: dict[str, Any], bases: dict[str, Any], faults: Faults, keys: set[str]) -> Case:
    where = f"tests.cases.{place}"
    for found in said.get("match", []):
        if set(found) != keys:
            faults.add(f"{where}.match", f"its keys are {', '.join(found)}; the rule's are {', '.join(sorted(keys))}")
    records = tuple(
        record
        for number, entry in enumerate(said["records"])
        for record in _records(f"{where}.records.{number}", f"{said['name']} {number}", entry, bases, faults)
    )
    return Case(said["name"], records, "match" in said, tuple(said.get("match", [])))


def _records(
    where: str, seed: str, entry: dict[str, Any], bases: dict[str, Any], faults: Faults
) -> Iterator[tuple[str, dict[str, Any]]]:
    base = bases.get(entry["base"])
    if base is None or base["stream"] not in STREAMS:
        known = ", ".join(sorted(bases))
        faults.add(f"{where}.base", f"{entry['base']!r} is no base with a known stream (there are: {known})")
        return
    try:
        yield from _repeated(STREAMS[base["stream"]], seed, entry, base)
    except Refused as refused:
        faults.add(where, str(refused))


def _repeated(
    stream: Stream, seed: str, entry: dict[str, Any], base: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    start, step = _offset(entry["at"]), _offset(entry.get("step", "1m"))
    for turn in range(entry.get("repeat", 1)):
        record = _expanded({key: value for key, value in base.items() if key not in _OWN_KEYS})
        _merge(record, _expanded({k: _numbered(v, turn) for k, v in entry.items() if k not in _OWN_KEYS}))
        record.setdefault("id", str(uuid.uuid5(uuid.NAMESPACE_OID, f"{seed} {turn}")))
        record.setdefault(stream.time_field, (BEGINNING + start + turn * step).strftime("%Y-%m-%dT%H:%M:%SZ"))
        yield stream.name, record


def _numbered(value: Any, turn: int) -> Any:
    """`{n}` in a text is the number of the repetition, from 1."""
    return value.replace("{n}", str(turn + 1)) if isinstance(value, str) else value


def _offset(text: str) -> timedelta:
    seconds = sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", text))
    return timedelta(seconds=-seconds if text.startswith("-") else seconds)


def _expanded(flat: dict[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` → `{"a": {"b": 1}}`.

    :raises Refused: a key lies in what is no object.
    """
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        at = nested
        *parents, last = path.split(".")
        for parent in parents:
            at = at.setdefault(parent, {})
            if not isinstance(at, dict):
                raise Refused(f"{path} lies in {parent}, which is no object beside it")
        at[last] = copy.deepcopy(value)
    return nested


def _merge(into: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
