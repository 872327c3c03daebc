"""The meaning of a rule, in plain Python and without haste: every dialect is held against it.

Written from the laws in rules/ir.py and the design, not from any dialect. It reads rows, one per record, and gives
findings; nothing here is clever, so that it can be read beside the laws.
"""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING, Any

from entrawatch.normalize import normalize
from entrawatch.rules import ir
from entrawatch.schema.fields import resolve
from entrawatch.schema.streams import STREAMS
from entrawatch.schema.times import parse

if TYPE_CHECKING:
    from entrawatch.rules.rule import Baseline, Rule

DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Row:
    """A record as a rule sees it."""

    source: str
    time: datetime
    record: Mapping[str, Any]
    event: Mapping[str, Any]

    def values(self, field: ir.FieldRef) -> list[Any]:
        """What the field holds, absent values left out."""
        known = resolve(field.name, self.source)
        assert known is not None, field
        stored = known.derived or known.family == "common"
        path = [known.ecs] if known.ecs.startswith("@") else known.ecs.split(".")
        found = _walk(self.event, path) if stored else _walk(self.record, known.name.split("."))
        return [value for value in found if value is not None and value != ""]


def _walk(value: Any, path: list[str]) -> list[Any]:
    if isinstance(value, list):
        return [found for item in value for found in _walk(item, path)]
    if not path:
        return [value]
    return _walk(value.get(path[0]), path[1:]) if isinstance(value, Mapping) else []


def rows(records: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Row]:
    """Rows of the sign-in and audit records among these."""
    found = []
    for name, record in records:
        stream = STREAMS[name]
        if stream.family in {"signin", "audit"}:
            event = normalize(dict(record), stream)
            time = parse(record[stream.time_field])
            assert time is not None
            found.append(Row(stream.family, time, record, event))
    return found


def fold(value: Any) -> str:
    """Text as the law compares it."""
    return str(value).lower()


# --- predicates -------------------------------------------------------------------------------------------------------


def holds(where: ir.Predicate, row: Row) -> bool:
    """Whether the row passes."""
    if isinstance(where, ir.And):
        return all(holds(part, row) for part in where.of)
    if isinstance(where, ir.Or):
        return any(holds(part, row) for part in where.of)
    if isinstance(where, ir.Not):
        return not holds(where.of, row)
    if isinstance(where, ir.SameAs):
        others = {fold(value) for value in row.values(where.other)}
        return any(fold(value) in others for value in row.values(where.field))
    values = row.values(where.field)
    return bool(values) if isinstance(where, ir.Present) else any(_passes(where, value) for value in values)


def _plain(value: Any) -> Any:
    return value.default if isinstance(value, ir.Parameter) else value


def _passes(test: ir.Predicate, value: Any) -> bool:
    if isinstance(test, ir.Equals):
        return _equal(value, _plain(test.value))
    if isinstance(test, ir.OneOf):
        return any(_equal(value, one) for one in _plain(test.values))
    if isinstance(test, ir.ContainsAny):
        return any(fold(piece) in fold(value) for piece in _plain(test.pieces))
    if isinstance(test, ir.Like):
        return re.fullmatch(_pattern(test.parts), str(value), re.IGNORECASE | re.DOTALL) is not None
    if isinstance(test, ir.Compares):
        return _compares(test.op, value, _plain(test.value))
    if isinstance(test, ir.Matches):
        return re.search(test.pattern, str(value), re.IGNORECASE) is not None
    assert isinstance(test, ir.InNetwork)
    return _in_network(value, test.networks)


def _equal(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(value, bool):
        return fold(value) == fold(wanted)
    if isinstance(wanted, (int, float)):
        return _number(value) == wanted
    return fold(value) == fold(wanted)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _compares(op: str, value: Any, bound: Any) -> bool:
    number = _number(value)
    if number is None:
        return False
    return {"<": number < bound, "<=": number <= bound, ">": number > bound, ">=": number >= bound}[op]


def _pattern(parts: tuple[str | ir.Wildcard, ...]) -> str:
    wild = {ir.Wildcard.ANY: ".*", ir.Wildcard.ONE: "."}
    return "".join(wild[part] if isinstance(part, ir.Wildcard) else re.escape(part) for part in parts)


def _in_network(value: Any, networks: tuple[str, ...]) -> bool:
    try:
        address = ipaddress.ip_address(str(value))
    except ValueError:
        return False
    plain = getattr(address, "ipv4_mapped", None) or address
    # a scope is a name of the client's own interface, and no part of an address elsewhere
    return "%" not in str(value) and any(plain in ipaddress.ip_network(network) for network in networks)


# --- baselines --------------------------------------------------------------------------------------------------------


class Networks:
    """A baseline over the tenant's rows, asked for any moment."""

    def __init__(self, baseline: Baseline, rows_: list[Row]) -> None:
        self.baseline = baseline
        own = [row for row in rows_ if row.source == baseline.source and holds(baseline.where, row)]
        self.facts = [(row.time, fact) for row in own for fact in self._facts(row)]
        seen = [row.time for row in rows_ if row.source == baseline.source]
        self.begin = min(seen) if seen else EPOCH

    def at(self, moment: datetime) -> tuple[set[str], set[str]]:
        """The addresses and the countries as of a moment; in the first days, as of the end of the first lookback."""
        end = max(moment, self.begin + self.baseline.lookback)
        users: dict[tuple[str, str, int], set[str]] = defaultdict(set)
        for time, (address, country, user) in self.facts:
            if end - self.baseline.lookback <= time < end:
                users[address, country, (time - EPOCH) // DAY].add(user)
        return self._addresses(users), self._countries(users)

    def _facts(self, row: Row) -> list[tuple[str, str, str]]:
        def one(field: ir.FieldRef) -> str:
            return next(iter(map(fold, row.values(field))), "")

        address, user = one(self.baseline.address), one(self.baseline.user)
        return [(address, one(self.baseline.country), user)] if address and user else []

    def _enough(self, users: Mapping[tuple[Any, int], set[str]]) -> set[Any]:
        days: dict[Any, int] = defaultdict(int)
        for (key, _), who in users.items():
            days[key] += len(who) >= self.baseline.users
        return {key for key, count in days.items() if count >= self.baseline.days}

    def _addresses(self, users: Mapping[tuple[str, str, int], set[str]]) -> set[str]:
        merged: dict[tuple[Any, int], set[str]] = defaultdict(set)
        for (address, _, day), who in users.items():
            merged[address, day] |= who
        return self._enough(merged)

    def _countries(self, users: Mapping[tuple[str, str, int], set[str]]) -> set[str]:
        pairs = self._enough({((address, country), day): who for (address, country, day), who in users.items()})
        return {country for _, country in pairs if country}


# --- queries ----------------------------------------------------------------------------------------------------------


#: the addresses and the countries that a baseline knows as of a moment
Known = Callable[[datetime], tuple[set[str], set[str]]]


@dataclass(frozen=True)
class Finding:
    """What a rule found: the keys' values folded, and the range of its windows."""

    keys: tuple[str, ...]
    start: datetime
    end: datetime
    ids: frozenset[str]


class Judge:
    """Finds what a rule finds.

    :param baselines: the catalogue's baselines by name.
    """

    def __init__(self, baselines: Mapping[str, Baseline]) -> None:
        self.baselines = baselines

    def findings(self, rule: Rule, rows_: list[Row]) -> list[Finding]:
        """Every finding of the rule in these rows, one for neighbouring hits of a key."""
        hits = self.hits(rule, rows_)
        return once(hits) if isinstance(rule.query, ir.EventQuery) else merged(hits)

    def hits(self, rule: Rule, rows_: list[Row]) -> list[Finding]:
        """Each hit of the rule in these rows by itself: an event, a window, a pair in a window."""
        query = rule.query
        own = [row for row in rows_ if row.source == rule.source and holds(query_where(query), row)]
        if isinstance(query, ir.EventQuery):
            return self._events(rule, query, own, self._known(query.outside, rows_))
        if isinstance(query, ir.WindowQuery):
            return self._windows(rule, query, own, self._known(query.outside, rows_))
        if isinstance(query, ir.FollowedQuery):
            return self._followed(rule, query, rows_)
        return self._joined(rule, query, own, rows_)

    def _events(self, rule: Rule, query: ir.EventQuery, own: list[Row], known: Known) -> list[Finding]:
        return [
            Finding(keys, row.time, row.time, frozenset([identity(row)]))
            for row in own
            if outside(query.outside, row, row.time, known) and (keys := self._keys(rule, row))
        ]

    def _windows(self, rule: Rule, query: ir.WindowQuery, own: list[Row], known: Known) -> list[Finding]:
        found = []
        for end, group in groups(query, own):
            sample = group[0]
            if reached(query.measure, group) and outside(query.outside, sample, end, known):
                ids = frozenset(map(identity, group))
                found.append(Finding(self._keys(rule, sample), end - query.length, end, ids))
        return found

    def _followed(self, rule: Rule, query: ir.FollowedQuery, rows_: list[Row]) -> list[Finding]:
        first = [row for row in rows_ if row.source == rule.source and holds(query.first.where, row)]
        then = [row for row in rows_ if row.source == rule.source and holds(query.then, row)]
        found = []
        for _, group in groups(query.first, first):
            if not reached(query.first.measure, group):
                continue
            last = max(row.time for row in group)
            for row in then:
                if last < row.time <= last + query.within and self._follows(query, group, row):
                    ids = frozenset(map(identity, [*group, row]))
                    end = ceiling(row.time, query.every)
                    found.append(Finding(self._keys(rule, row), end - query.within, end, ids))
        return found

    def _follows(self, query: ir.FollowedQuery, group: list[Row], row: Row) -> bool:
        same = all(key_of((field,), group[0]) == key_of((field,), row) for field in query.same)
        if query.among is None:
            return same
        tried = {fold(value) for member in group for value in member.values(query.among)}
        return same and any(fold(value) in tried for value in row.values(query.among))

    def _joined(self, rule: Rule, query: ir.JoinQuery, own: list[Row], rows_: list[Row]) -> list[Finding]:
        partners: dict[tuple[str, ...], list[datetime]] = defaultdict(list)
        for row in rows_:
            if row.source == query.source and holds(query.partner, row):
                partners[key_of((query.on[1],), row)].append(row.time)
        found = []
        for row in own:
            for time in partners.get(key_of((query.on[0],), row), []) if key_of((query.on[0],), row) else []:
                ends = set(ends_of(row.time, query)) & set(ends_of(time, query))
                found += [
                    Finding(self._keys(rule, row), end - query.length, end, frozenset([identity(row)])) for end in ends
                ]
        return found

    def _known(self, asked: ir.Outside | None, rows_: list[Row]) -> Known:
        """What the rule's baseline knows as of a moment; a moment is asked about for many rows."""
        return cache(Networks(self.baselines[asked.baseline], rows_).at) if asked else lambda _: (set(), set())

    def _keys(self, rule: Rule, row: Row) -> tuple[str, ...]:
        return tuple(fold(next(iter(row.values(key.field)), "")) for key in rule.keys)


def outside(asked: ir.Outside | None, row: Row, moment: datetime, known: Known) -> bool:
    """Whether the row comes from where the baseline does not know."""
    if asked is None:
        return True
    addresses, countries = known(moment)
    address = [fold(value) for value in row.values(asked.address)]
    country = [fold(value) for value in row.values(asked.country)] if asked.country else []
    return bool(address) and not set(address) & addresses and not set(country) & countries


def query_where(query: ir.Query) -> ir.Predicate:
    """The predicate of the rule's own events."""
    return query.first.where if isinstance(query, ir.FollowedQuery) else query.where


def identity(row: Row) -> str:
    """What tells two attempts apart."""
    return str(row.event["event"]["id"])


def key_of(fields: tuple[ir.FieldRef, ...], row: Row) -> tuple[str, ...]:
    """The group a row belongs to; empty when a part of it is absent."""
    parts = [[fold(value) for value in row.values(field)] for field in fields]
    return tuple(part[0] for part in parts) if all(parts) else ()


def ceiling(time: datetime, step: timedelta) -> datetime:
    """The end of the first window behind the moment: the next multiple of the step, never the moment itself."""
    return EPOCH + ((time - EPOCH) // step + 1) * step


def ends_of(time: datetime, query: ir.WindowQuery | ir.JoinQuery) -> list[datetime]:
    """The ends of the windows that a moment lies in."""
    first = ceiling(time, query.every)
    return [first + turn * query.every for turn in range(query.length // query.every)]


def groups(query: ir.WindowQuery, own: list[Row]) -> list[tuple[datetime, list[Row]]]:
    """The window's end and the rows of one key in it, for every key and window that has rows."""
    found: dict[tuple[datetime, tuple[str, ...]], list[Row]] = defaultdict(list)
    for row in own:
        key = key_of(query.by, row)
        for end in ends_of(row.time, query) if key else []:
            found[end, key].append(row)
    return [(end, rows_) for (end, _), rows_ in sorted(found.items(), key=lambda item: item[0])]


def reached(measure: ir.Count | ir.Distinct, group: list[Row]) -> bool:
    """Whether the threshold is met."""
    if isinstance(measure, ir.Count):
        count = len({identity(row) for row in group})
    else:
        count = len({fold(value) for row in group for value in row.values(measure.field)})
    return count >= _plain(measure.at_least)


def once(hits: list[Finding]) -> list[Finding]:
    """One finding for the rows of one event."""
    found: dict[tuple[str, ...], Finding] = {}
    for hit in hits:
        first = found.get(hit.keys, hit)
        found[hit.keys] = Finding(hit.keys, min(first.start, hit.start), max(first.end, hit.end), first.ids | hit.ids)
    return list(found.values())


def merged(hits: list[Finding]) -> list[Finding]:
    """Neighbouring or overlapping hits of one key as one finding."""
    found: list[Finding] = []
    for hit in sorted(hits, key=lambda hit: (hit.keys, hit.start, hit.end)):
        last = found[-1] if found else None
        if last and last.keys == hit.keys and hit.start <= last.end:
            found[-1] = Finding(hit.keys, last.start, max(last.end, hit.end), last.ids | hit.ids)
        else:
            found.append(hit)
    return found
