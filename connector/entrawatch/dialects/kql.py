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

from entrawatch.dialects import kql_baseline, notes
from entrawatch.dialects.base import Dialect, Unsupported
from entrawatch.dialects.comments import about
from entrawatch.dialects.kql_parts import (
    aligned,
    between,
    default_of,
    folded_columns,
    folded_names,
    level_of,
    measured,
    one_a_group,
    steps_of,
    text_of,
    threshold,
    window_end,
)
from entrawatch.dialects.kql_reading import SHOWN, Reading, with_present
from entrawatch.dialects.kql_text import Let, Pipe, Step, span, spelled, step, where, written
from entrawatch.dialects.sql import evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from entrawatch.rules import ir
    from entrawatch.rules.rule import Rule

#: how far back a rule on single events looks that asks a baseline, and how often it is run
PERIOD, EVERY = timedelta(minutes=75), timedelta(hours=1)
#: Sentinel refuses longer queries
LONGEST = 10_000
_NAMES = {"signin": "signins", "audit": "audits"}


class Kql(Dialect):
    """The KQL dialect."""

    name = "kql"
    #: what else a finding tells: column, what it aggregates
    also: tuple[tuple[str, str], ...] = ()

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
        reading = self._reading(rule, [where_], (query.outside, query.measure), between("window_start", "window_end"))
        hits = reading.passing(where_)
        lets: list[Let] = []
        if query.outside:
            one_a_group(query)
            lets, hits = self._outside(query.outside, hits, "window_end", "window_end")
        bounds = [window_end(query.every, query), Let("window_start", f"window_end - {span(query.length)}")]
        found = self._finding(rule, reading, hits, "window_start", "window_end", query)
        return self._text(rule, [*bounds, *reading.lets(), *lets], *found)

    def followed(self, rule: Rule, query: ir.FollowedQuery) -> tuple[str, tuple[str, ...]]:
        first = query.first
        wheres = steps_of(query)
        back = f"window_end - {span(query.within)} - {span(first.length)} - {span(query.every)}"
        reading = self._reading(rule, wheres, (first, query.among), between(back, "window_end"))
        tables = self._reached(reading, wheres[0], query)
        hits = reading.passing(wheres[1]).then(
            *where(f"TimeGenerated >= window_end - {span(query.within)}"),
            step("extend", *folded_columns(query)),
            step(f"join kind=inner first_reached on {', '.join(folded_names(query))}"),
            *where(f"TimeGenerated > LastTime and TimeGenerated <= LastTime + {span(query.within)}"),
            step("extend", f"Due = bin(TimeGenerated, {span(query.every)}) + {span(query.every)}"),
        )
        aligned(query.every, query)
        found = self._finding(rule, reading, hits, f"min(Due) - {span(query.within)}", "max(Due)")
        return self._text(rule, [window_end(query.every, query), *reading.lets(), *tables], *found)

    def joined(self, rule: Rule, query: ir.JoinQuery) -> tuple[str, tuple[str, ...]]:
        mine, theirs = query.on
        within = between("window_start", "window_end")
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
        bounds = [window_end(query.every, query), Let("window_start", f"window_end - {span(query.length)}")]
        found = self._finding(rule, reading, hits, "window_start", "window_end")
        lets = [*bounds, *reading.lets(), *partner.lets(), Let("partner_keys", keys)]
        return self._text(rule, lets, *found)

    # --- their parts ---

    def _reading(self, rule: Rule, wheres: Sequence[ir.Predicate], used: object, first: Sequence[Step]) -> Reading:
        shown = tuple(key.field for key in rule.keys), tuple(evidence(rule)), rule.escalations
        return Reading(_NAMES[rule.source], rule.source, wheres, (used, shown), first)

    def _outside(self, outside: ir.Outside, hits: Pipe, moment: str, since: str) -> tuple[list[Let], Pipe]:
        return kql_baseline.outside(self.baselines[outside.baseline], outside, hits, moment, since)

    def _reached(
        self,
        reading: Reading,
        where_: ir.Predicate,
        query: ir.FollowedQuery,
        apart: tuple[Sequence[Step], Sequence[str]] = ((), ()),
    ) -> list[Let]:
        """The first step's hopping windows, each row in all that hold it, and who was tried in those that count.

        Those that end behind the run are only looked into up to it; what is reached in them is reached with the same
        last event in the one that ends next to that event, so they find nothing of their own.

        :param apart: steps that tell rows apart, and the columns by which they then are told apart.
        """
        first = query.first
        by = [f"By{place} = tolower({text_of(ref)})" for place, ref in enumerate(first.by, 1)]
        names = [f"By{place}" for place in range(1, len(first.by) + 1)]
        same = [column for column in folded_columns(query) if column not in by]
        hops = ", ".join(str(turn) for turn in range(1, first.length // first.every + 1))
        aligned(first.every, first)
        rows = reading.passing(where_).then(
            step("extend", *by, *same),
            *apart[0],
            step("mv-expand", f"Hop = dynamic([{hops}]) to typeof(long)"),
            step("extend", f"HopEnd = bin(TimeGenerated, {span(first.every)}) + Hop * {span(first.every)}"),
        )
        column, counted = measured(first)
        names += apart[1]
        group = f"by {', '.join(names)}, HopEnd"
        reached = Pipe("first_rows").then(
            step("summarize", f"{column} = {counted}", "LastTime = max(TimeGenerated)", end=group),
            *where(f"{column} >= {threshold(first.measure)}"),
            step("project", *names, "HopEnd", "LastTime"),
        )
        tried = Pipe("first_rows").then(
            step(f"join kind=inner first_windows on {', '.join([*names, 'HopEnd'])}"),
            step("distinct", *folded_names(query), "LastTime", *apart[1]),
        )
        return [Let("first_rows", rows), Let("first_windows", reached), Let("first_reached", tried)]

    def _finding(
        self,
        rule: Rule,
        reading: Reading,
        hits: Pipe,
        start: str,
        end: str,
        query: Optional[ir.WindowQuery] = None,
        apart: Sequence[str] = (),
        kept: tuple[Sequence[str], Sequence[Step]] = ((), ()),
    ) -> tuple[Pipe, tuple[str, ...]]:
        """The finding's columns, of whatever the rows are grouped by.

        :param apart: further columns that findings are told apart by.
        :param kept: what else is aggregated, and the steps that keep findings by it.
        """
        for key in rule.keys:
            if key.field.many:
                raise Unsupported(key.field, "a key that is a list")
        keys = [(spelled(key.name), f"take_any({spelled(key.field.name)})") for key in rule.keys]
        raised, level = level_of(rule, reading)
        measures = [measured(query)] if query else []
        fields = [(spelled(ref.name), ref) for ref in evidence(rule)]
        bounds = [("WindowStart", start), ("WindowEnd", end)]
        aggregated = [
            *keys,
            *[pair for pair in bounds if "(" in pair[1]],
            *self.also,
            *measures,
            ("Events", "dcount(Id, 2)"),
            *[(name, value) for name, _, value in (one.partition(" = ") for one in kept[0])],
            *[(name, f"countif({name}) > 0") for name, _ in raised],
            ("EventIds", f"make_set(Id, {SHOWN})"),
            *[(name, f"make_set({name}, {SHOWN})") for name, _ in fields],
        ]
        given = [pair for pair in bounds if "(" not in pair[1]]
        groups = query.by if query else tuple(key.field for key in rule.keys)
        by = [f"By{place} = tolower({text_of(ref)})" for place, ref in enumerate(groups, 1)]
        told = [*keys, *self.also]
        columns = [*[name for name, _ in told], "WindowStart", "WindowEnd", "Level", *[name for name, _ in measures]]
        columns += [name for name in ["Events", "EventIds", *[name for name, _ in fields]] if name not in columns]
        pipe = hits.then(*([step("extend", *[f"{name} = {test}" for name, test in raised])] if raised else []))
        group = f"by {', '.join([*by, *apart])}"
        pipe = pipe.then(step("summarize", *[f"{name} = {value}" for name, value in aggregated], end=group), *kept[1])
        if query:
            pipe = pipe.then(*where(f"{measures[0][0]} >= {threshold(query.measure)}"))
        extended = [*[f"{name} = {value}" for name, value in given], f"Level = {level}"]
        return pipe.then(step("extend", *extended), step("project", *columns)), tuple(columns)

    def _notes(self, rule: Rule) -> list[str]:
        """What the comments say beside the rule."""
        return notes.kql(rule, notes.asked(rule, self.baselines), PERIOD, EVERY)

    def _text(
        self, rule: Rule, lets: Sequence[Let], pipe: Pipe, columns: tuple[str, ...]
    ) -> tuple[str, tuple[str, ...]]:
        parameters = [Let(parameter.name, default_of(parameter)) for parameter in rule.parameters]
        names = [let.name for let in [*parameters, *lets]]
        taken = next((name for name in names if names.count(name) > 1), None)
        if taken:
            raise Unsupported(rule.query, f"the name {taken} stands for two things: call the parameter otherwise")
        query = written([*parameters, *lets], pipe)
        # comments need not be exact, and explanations need not stand there: what is asked stays as it is
        told = [f"// {line.encode('ascii', 'replace').decode()}\n" for line in about(rule, self._notes(rule))]
        explained = told[0], "".join([told[0], *told[1 + len(rule.parameters) :]]), "".join(told)
        text = max((one + query for one in explained if len(one + query) <= LONGEST), key=len, default=told[0] + query)
        if not text.isascii() or len(text) > LONGEST:
            raise Unsupported(rule.query, f"Sentinel takes {LONGEST} characters of ASCII, this is {len(text)}")
        return text, columns
