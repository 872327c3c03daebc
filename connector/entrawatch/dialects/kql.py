"""KQL for Microsoft Sentinel: one query a rule over the native tables of a Log Analytics workspace.

A query is the scheduled one. Run every H at any moment, it looks at the windows that ended last by law
(`window_end = bin(now(), H)`), so each window is looked at once; its query period must reach over the window, a step
more, and a baseline's lookback. A rule on single events has no clock of its own, unless a baseline must be asked about
each event: then it is run every hour and looks at a quarter of an hour more, for records that come late.

Result columns are the rule's names in Pascal case without dots (`kql_text.spelled`). Distinct values are counted by
`dcount` of accuracy 2: the documentation promises a perfect count up to 8,000 for it, and none for accuracies 3 and 4.

https://learn.microsoft.com/kusto/query/dcount-aggregation-function
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Optional

from entrawatch.dialects import kql_baseline
from entrawatch.dialects.base import Dialect, Unsupported
from entrawatch.dialects.kql_predicates import PIECE
from entrawatch.dialects.kql_reading import SHOWN, Reading, with_present
from entrawatch.dialects.kql_text import Let, Pipe, Step, quoted, span, spelled, step, where, written
from entrawatch.dialects.sql import evidence
from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from entrawatch.rules.rule import Rule

#: how far back a rule on single events looks that asks a baseline; it is run every hour
PERIOD = timedelta(minutes=75)
#: Sentinel refuses longer queries
LONGEST = 10_000
#: up to here a threshold is decided by a perfect count
_COUNTED = 7_000
_LEVELS = ("informational", "low", "medium", "high", "critical")
#: days from KQL's first, which bin() counts from, to the epoch, which windows are counted from
_DAYS_BEFORE_EPOCH = 719_162
_NAMES = {"signin": "signins", "audit": "audits"}

#: what a finding measures: its column, and how it is counted
Measure = tuple[str, str]


class Kql(Dialect):
    """The KQL dialect."""

    name = "kql"

    # --- the four kinds of query ---

    def event(self, rule: Rule, query: ir.EventQuery) -> tuple[str, tuple[str, ...]]:
        moments = where(f"TimeGenerated >= ago({span(PERIOD)}) and TimeGenerated < now()") if query.outside else []
        reading = self._reading(rule, [query.where], query.outside, moments)
        hits = reading.passing(query.where)
        lets: list[Let] = []
        if query.outside:
            lets, hits = self._outside(query.outside, hits, "TimeGenerated", f"ago({span(PERIOD)})")
        found = self._finding(rule, reading, hits, "min(TimeGenerated)", "max(TimeGenerated)")
        return self._text(rule, [*reading.lets(), *lets], *found)

    def window(self, rule: Rule, query: ir.WindowQuery) -> tuple[str, tuple[str, ...]]:
        where_ = with_present(query.where, query.by)
        reading = self._reading(rule, [where_], (query.outside, query.measure), _between("window_start", "window_end"))
        hits = reading.passing(where_)
        lets: list[Let] = []
        if query.outside:
            _one_a_group(query)
            lets, hits = self._outside(query.outside, hits, "window_end", "window_end")
        bounds = [_end(query.every, query), Let("window_start", f"window_end - {span(query.length)}")]
        found = self._finding(rule, reading, hits, "window_start", "window_end", query)
        return self._text(rule, [*bounds, *reading.lets(), *lets], *found)

    def followed(self, rule: Rule, query: ir.FollowedQuery) -> tuple[str, tuple[str, ...]]:
        first = query.first
        if first.outside:
            raise Unsupported(query, "a baseline on the first step of a sequence")
        if any(ref.many for ref in query.same) or (query.among and query.among.many):
            raise Unsupported(query, "a following event that is told by a list")
        told = (*query.same, *([query.among] if query.among else []))
        wheres = [with_present(first.where, first.by), with_present(query.then, told)]
        back = f"window_end - {span(query.within)} - {span(first.length)} - {span(query.every)}"
        reading = self._reading(rule, wheres, (first, query.among), _between(back, "window_end"))
        tables = self._reached(reading, wheres[0], query)
        hits = reading.passing(wheres[1]).then(
            *where(f"TimeGenerated >= window_end - {span(query.within)}"),
            step("extend", *_folded_columns(query)),
            step(f"join kind=inner first_reached on {', '.join(_folded_names(query))}"),
            *where(f"TimeGenerated > LastTime and TimeGenerated <= LastTime + {span(query.within)}"),
            step("extend", f"Due = bin(TimeGenerated, {span(query.every)}) + {span(query.every)}"),
        )
        _aligned(query.every, query)
        found = self._finding(rule, reading, hits, f"min(Due) - {span(query.within)}", "max(Due)")
        return self._text(rule, [_end(query.every, query), *reading.lets(), *tables], *found)

    def joined(self, rule: Rule, query: ir.JoinQuery) -> tuple[str, tuple[str, ...]]:
        mine, theirs = query.on
        within = _between("window_start", "window_end")
        where_, partner_ = with_present(query.where, (mine,)), with_present(query.partner, (theirs,))
        reading = self._reading(rule, [where_], mine, within)
        partner = Reading("partners", query.source, [partner_], theirs, within)
        if mine.many or theirs.many:
            raise Unsupported(query, "a join on a list")
        keys = partner.passing(partner_).then(
            step("extend", f"JoinKey = tolower({spelled(theirs.name)})"), step("distinct", "JoinKey")
        )
        hits = reading.passing(where_).then(
            step("extend", f"JoinKey = tolower({spelled(mine.name)})"),
            step("join kind=leftsemi partner_keys on JoinKey"),
        )
        bounds = [_end(query.every, query), Let("window_start", f"window_end - {span(query.length)}")]
        found = self._finding(rule, reading, hits, "window_start", "window_end")
        lets = [*bounds, *reading.lets(), *partner.lets(), Let("partner_keys", keys)]
        return self._text(rule, lets, *found)

    # --- their parts ---

    def _reading(self, rule: Rule, wheres: Sequence[ir.Predicate], used: object, first: Sequence[Step]) -> Reading:
        shown = tuple(key.field for key in rule.keys), tuple(evidence(rule)), rule.escalations
        return Reading(_NAMES[rule.source], rule.source, wheres, (used, shown), first)

    def _outside(self, outside: ir.Outside, hits: Pipe, moment: str, since: str) -> tuple[list[Let], Pipe]:
        return kql_baseline.outside(self.baselines[outside.baseline], outside, hits, moment, since)

    def _reached(self, reading: Reading, where_: ir.Predicate, query: ir.FollowedQuery) -> list[Let]:
        """The first step's hopping windows, each row in all that hold it, and who was tried in those that count.

        Those that end behind the run are only looked into up to it; what is reached in them is reached with the same
        last event in the one that ends next to that event, so they find nothing of their own.
        """
        first = query.first
        by = [f"By{place} = tolower({_text(ref)})" for place, ref in enumerate(first.by, 1)]
        names = [f"By{place}" for place in range(1, len(first.by) + 1)]
        same = [column for column in _folded_columns(query) if column not in by]
        hops = ", ".join(str(turn) for turn in range(1, first.length // first.every + 1))
        _aligned(first.every, first)
        rows = reading.passing(where_).then(
            step("extend", *by, *same),
            step("mv-expand", f"Hop = dynamic([{hops}]) to typeof(long)"),
            step("extend", f"HopEnd = bin(TimeGenerated, {span(first.every)}) + Hop * {span(first.every)}"),
        )
        column, counted = _measure(first)
        group = f"by {', '.join(names)}, HopEnd"
        reached = Pipe("first_rows").then(
            step("summarize", f"{column} = {counted}", "LastTime = max(TimeGenerated)", end=group),
            *where(f"{column} >= {_threshold(first.measure)}"),
            step("project", *names, "HopEnd", "LastTime"),
        )
        tried = Pipe("first_rows").then(
            step(f"join kind=inner first_windows on {', '.join([*names, 'HopEnd'])}"),
            step("distinct", *_folded_names(query), "LastTime"),
        )
        return [Let("first_rows", rows), Let("first_windows", reached), Let("first_reached", tried)]

    def _finding(
        self, rule: Rule, reading: Reading, hits: Pipe, start: str, end: str, query: Optional[ir.WindowQuery] = None
    ) -> tuple[Pipe, tuple[str, ...]]:
        """The finding's columns, of whatever the rows are grouped by."""
        for key in rule.keys:
            if key.field.many:
                raise Unsupported(key.field, "a key that is a list")
        keys = [(spelled(key.name), f"take_any({spelled(key.field.name)})") for key in rule.keys]
        raised, level = _level(rule, reading)
        measures = [_measure(query)] if query else []
        fields = [(spelled(ref.name), ref) for ref in evidence(rule)]
        bounds = [("WindowStart", start), ("WindowEnd", end)]
        aggregated = [
            *keys,
            *[pair for pair in bounds if "(" in pair[1]],
            *measures,
            ("Events", "dcount(Id, 2)"),
            *[(name, f"countif({name}) > 0") for name, _ in raised],
            ("EventIds", f"make_set(Id, {SHOWN})"),
            *[(name, f"make_set({name}, {SHOWN})") for name, _ in fields],
        ]
        given = [pair for pair in bounds if "(" not in pair[1]]
        groups = query.by if query else tuple(key.field for key in rule.keys)
        by = [f"By{place} = tolower({_text(ref)})" for place, ref in enumerate(groups, 1)]
        columns = [*[name for name, _ in keys], "WindowStart", "WindowEnd", "Level", *[name for name, _ in measures]]
        columns += [name for name in ["Events", "EventIds", *[name for name, _ in fields]] if name not in columns]
        pipe = hits.then(*([step("extend", *[f"{name} = {test}" for name, test in raised])] if raised else []))
        pipe = pipe.then(
            step("summarize", *[f"{name} = {value}" for name, value in aggregated], end=f"by {', '.join(by)}")
        )
        if query:
            pipe = pipe.then(*where(f"{measures[0][0]} >= {_threshold(query.measure)}"))
        extended = [*[f"{name} = {value}" for name, value in given], f"Level = {level}"]
        return pipe.then(step("extend", *extended), step("project", *columns)), tuple(columns)

    def _text(
        self, rule: Rule, lets: Sequence[Let], pipe: Pipe, columns: tuple[str, ...]
    ) -> tuple[str, tuple[str, ...]]:
        parameters = [Let(parameter.name, _default(parameter)) for parameter in rule.parameters]
        names = [let.name for let in [*parameters, *lets]]
        taken = next((name for name in names if names.count(name) > 1), None)
        if taken:
            raise Unsupported(rule.query, f"the name {taken} stands for two things: call the parameter otherwise")
        title = " ".join(rule.title.split())
        text = written(f"{rule.id} {rule.slug}: {title}", [*parameters, *lets], pipe)
        if not text.isascii() or len(text) > LONGEST:
            raise Unsupported(rule.query, f"Sentinel takes {LONGEST} characters of ASCII, this is {len(text)}")
        return text, columns


def _text(ref: ir.FieldRef) -> str:
    if ref.many:
        raise Unsupported(ref, "a group's key that is a list")
    return spelled(ref.name) if ref.kind in {"text", "address"} else f"tostring({spelled(ref.name)})"


def _folded_columns(query: ir.FollowedQuery) -> list[str]:
    refs = [*query.same, *([query.among] if query.among else [])]
    return [f"Same{place} = tolower({_text(ref)})" for place, ref in enumerate(refs, 1)]


def _folded_names(query: ir.FollowedQuery) -> list[str]:
    return [column.partition(" ")[0] for column in _folded_columns(query)]


def _between(start: str, end: str) -> list[Step]:
    return where(f"TimeGenerated >= {start} and TimeGenerated < {end}")


def _aligned(every: timedelta, node: object) -> None:
    """Refuse steps that KQL's bin() would count from another beginning than the epoch."""
    if _DAYS_BEFORE_EPOCH * 86400 % int(every.total_seconds()):
        raise Unsupported(node, f"KQL counts steps of {span(every)} from another beginning than the epoch")


def _end(every: timedelta, node: object) -> Let:
    _aligned(every, node)
    return Let("window_end", f"bin(now(), {span(every)})")


def _one_a_group(query: ir.WindowQuery) -> None:
    """Refuse a baseline that is asked about what differs within a group."""
    asked = query.outside
    if asked and not {ref.name for ref in (asked.address, asked.country) if ref} <= {ref.name for ref in query.by}:
        raise Unsupported(asked, "a baseline is asked about the group's own address and country")


def _measure(query: ir.WindowQuery) -> Measure:
    measure = query.measure
    if isinstance(measure, ir.Count):
        return "Attempts", "dcount(Id, 2)"
    if measure.field.many:
        raise Unsupported(measure, "counting the values of a list")
    value = _text(measure.field)
    return f"Distinct{spelled(measure.field.name)}", f"dcountif(tolower({value}), isnotempty({value}), 2)"


def _threshold(measure: ir.Count | ir.Distinct) -> str:
    value = measure.at_least
    number = value.default if isinstance(value, ir.Parameter) else value
    if not isinstance(number, int) or number > _COUNTED:
        raise Unsupported(measure, f"KQL counts perfectly up to 8000; a threshold above {_COUNTED} would be a guess")
    return value.name if isinstance(value, ir.Parameter) else str(number)


def _level(rule: Rule, reading: Reading) -> tuple[list[tuple[str, str]], str]:
    """Columns that say whether an event raises the level, and the level as an expression of them."""
    raised, level = [], quoted(rule.level)
    for place, one in enumerate(sorted(rule.escalations, key=lambda step: _LEVELS.index(step.level)), 1):
        raised.append((f"Raised{place}", reading.predicates.write(one.when).text))
        level = f"iff(Raised{place}, {quoted(one.level)}, {level})"
    return raised, level


def _default(parameter: ir.Parameter) -> str:
    value = parameter.default
    if isinstance(value, tuple):
        return f"datatable({PIECE}: string) [{', '.join(map(quoted, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str) else str(value)
