"""KQL as Sentinel runs it: by a schedule with late records minded, minute by minute (NRT), or as a hunt over a range.

**Scheduled.** Sentinel runs a rule every F at any offset, over the records whose TimeGenerated lies in the query period
before the run's moment, and does so five minutes late. Whether `now()` then is that moment or the real one no document
says (alerts have it, as `set query_now`, at the end of the period), so neither is relied on: a record counts as arrived
when it is ingested, and not before five minutes after it was generated. By then each reading has it in sight, and runs
that are F apart tile the arrivals.

What a run tells is what it finds and the run before could not find, both from the records as they arrived:

* A single event is told by the run in whose F its first record arrived; its records may be ROWS apart.
* A window is looked at by each run until ALLOWANCE after it ended. It is told by the first run for which it holds, and
  only where a finding begins: windows of one group that overlap are one finding, and so is what goes on for days.
* A pair, and a sequence, is told once both sides have arrived.

So what arrives within ALLOWANCE is not missed, and what one run could know to be one finding is told once. It is enough
to look at a slot's neighbours, as no window is shorter than ALLOWANCE: what is new and what is old after it lie closer
than that. Two exceptions: what pauses for longer than a run can look back, a day at most, is told again when it goes
on; and two findings stay two that have been told before a late record shows them to be one.

**NRT.** Sentinel hands the query each minute what was ingested in it; the text has no clock.

**Hunting.** The text has no clock and looks at every window of the range that is asked for.

https://learn.microsoft.com/azure/sentinel/scheduled-rules-overview
https://learn.microsoft.com/azure/sentinel/ingestion-delay
https://learn.microsoft.com/azure/sentinel/near-real-time-rules
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Union

from entrawatch.dialects import kql_parts as parts
from entrawatch.dialects import notes
from entrawatch.dialects.base import Compiled, Refusal, Unsupported
from entrawatch.dialects.kql import Kql
from entrawatch.dialects.kql_entities import mapped, with_object_ids
from entrawatch.dialects.kql_reading import Reading, with_present
from entrawatch.dialects.kql_schedule import ALLOWANCE, DELAY, ROWS, Schedule, schedule
from entrawatch.dialects.kql_text import Let, Pipe, Step, span, spelled, step, where
from entrawatch.dialects.sql import evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from entrawatch.rules import ir
    from entrawatch.rules.rule import Rule

_SCHEDULED = "scheduled"
#: characters that a list is told in: an alert has room for 64 KB, and a user agent is an attacker's to choose
_LONGEST = 2_000
#: the level in the words that an alert's severity knows
_SEVERITY = (
    'case(Level in ("critical", "high"), "High", Level == "medium", "Medium", Level == "low", "Low", "Informational")'
)


class SentinelKql(Kql):
    """KQL for Sentinel's rules and hunts; its profile says which."""

    profiles = (_SCHEDULED, "nrt", "hunting")
    #: an alert begins, and a bookmark is set, where the result says; without it an alert spans the whole query period
    #: https://learn.microsoft.com/azure/sentinel/security-alert-schema (StartTime)
    also = (("TimeGenerated", "min(TimeGenerated)"),)

    def compile(self, rule: Rule) -> Union[Compiled, Refusal]:
        answer = super().compile(with_object_ids(rule))
        return answer if isinstance(answer, Refusal) else replace(answer, rule=rule)

    # --- the four kinds of query ---

    def event(self, rule: Rule, query: ir.EventQuery) -> tuple[str, tuple[str, ...]]:
        if query.outside and self.profile == "nrt":
            raise Unsupported(query.outside, "a baseline reaches further back than NRT sees")
        every = self._schedule(rule).every
        since = f"ago({span(every + ALLOWANCE + ROWS)})" if self._timed else ""
        reading = self._reading(rule, [query.where], query.outside, _since(since))
        hits = reading.passing(query.where).then(*self._arrived())
        lets: list[Let] = []
        if query.outside:
            lets, hits = self._outside(query.outside, hits, "TimeGenerated", since)
        kept = (
            (["FirstArrived = min(Arrived)"], where(f"FirstArrived > ago({span(every)})")) if self._timed else ((), ())
        )
        found = self._finding(rule, reading, hits, "min(TimeGenerated)", "max(TimeGenerated)", kept=kept)
        return self._text(rule, [*reading.lets(), *lets], *found)

    def window(self, rule: Rule, query: ir.WindowQuery) -> tuple[str, tuple[str, ...]]:
        self._not_nrt(query)
        parts.aligned(query.every, query)
        where_ = with_present(query.where, query.by)
        hops = self._schedule(rule).hops
        oldest = f"bin(now(), {span(query.every)}) - {span(hops * query.every)}"
        since = f"{oldest} - {span(query.length)}" if self._timed else ""
        reading = self._reading(rule, [where_], (query.outside, query.measure), _since(since))
        rows = reading.passing(where_).then(*self._arrived(), step("extend", *_by(query)), *self._windows(query, hops))
        lets: list[Let] = []
        if query.outside:
            parts.one_a_group(query)
            lets, rows = self._outside(query.outside, rows, "HopEnd", oldest if self._timed else "")
        lets += [Let("rows", rows), *self._told(query, self._schedule(rule))]
        told = Pipe("rows").then(step(f"join kind=inner told on {', '.join(_names(query))}, HopEnd"))
        if self._timed:
            found = self._finding(
                rule, reading, told, f"HopEnd - {span(query.length)}", "HopEnd", query, apart=["HopEnd"]
            )
        else:
            found = self._finding(rule, reading, told, f"min(HopEnd) - {span(query.length)}", "max(HopEnd)", query)
        return self._text(rule, [*reading.lets(), *lets], *found)

    def joined(self, rule: Rule, query: ir.JoinQuery) -> tuple[str, tuple[str, ...]]:
        self._not_nrt(query)
        mine, theirs = query.on
        if mine.many or theirs.many:
            raise Unsupported(query, "a join on a list")
        parts.aligned(query.every, query)
        where_, partner_ = with_present(query.where, (mine,)), with_present(query.partner, (theirs,))
        when = self._schedule(rule)
        since = _since(f"ago({span(when.period)})") if self._timed else []
        reading = self._reading(rule, [where_], mine, since)
        partner = Reading("partners", query.source, [partner_], theirs, since, self._beside())
        columns = [f"JoinKey = tolower({spelled(theirs.name)})", "PartnerTime = TimeGenerated"]
        columns += ["PartnerArrived = Arrived"] if self._timed else []
        every = span(query.every)
        hits = reading.passing(where_).then(
            step("extend", f"JoinKey = tolower({spelled(mine.name)})"),
            step("join kind=inner partner_rows on JoinKey"),
            step("extend", f"Due = bin(max_of(TimeGenerated, PartnerTime), {every}) + {every}"),
            *where(f"min_of(TimeGenerated, PartnerTime) >= Due - {span(query.length)}"),
        )
        kept: tuple[Sequence[str], Sequence[Step]] = ((), ())
        if self._timed:
            known = "Known = max_of(Arrived, PartnerArrived, Due)"
            hits = hits.then(step("extend", known), *where("Known <= now()"))
            kept = (["FirstKnown = min(Known)"], where(f"FirstKnown > ago({span(when.every)})"))
        found = self._finding(rule, reading, hits, f"min(Due) - {span(query.length)}", "max(Due)", kept=kept)
        rows = partner.passing(partner_).then(step("project", *columns))
        return self._text(rule, [*reading.lets(), *partner.lets(), Let("partner_rows", rows)], *found)

    def followed(self, rule: Rule, query: ir.FollowedQuery) -> tuple[str, tuple[str, ...]]:
        self._not_nrt(query)
        parts.aligned(query.every, query)
        when, wheres = self._schedule(rule), parts.steps_of(query)
        since = _since(f"ago({span(when.period)})") if self._timed else []
        reading = self._reading(rule, wheres, (query.first, query.among), since)
        # the sprays that this run knows of, and those that the run before knew of
        runs = [step("mv-expand", "Run = dynamic([0, 1]) to typeof(long)"), *where(f"Arrived <= {_asof(when)}")]
        tables = self._reached(reading, wheres[0], query, (runs, ["Run"]) if self._timed else ((), ()))
        same, within, every = ", ".join(parts.folded_names(query)), span(query.within), span(query.every)
        hits = reading.passing(wheres[1]).then(
            step("extend", *parts.folded_columns(query)),
            step(f"join kind=inner first_reached on {same}"),
            *where(f"TimeGenerated > LastTime and TimeGenerated <= LastTime + {within}"),
            step("extend", f"Due = bin(TimeGenerated, {every}) + {every}"),
        )
        if self._timed:
            hits = hits.then(*where(f"Arrived <= {_asof(when)} and Due <= {_asof(when)}"))
            tables += self._slots(rule, hits, within)
            by = ", ".join(name for name, _ in _keys(rule))
            hits = Pipe("found").then(*where("Run == 0"), step(f"join kind=inner told on {by}, Due"))
        found = self._finding(rule, reading, hits, f"min(Due) - {within}", "max(Due)")
        return self._text(rule, [*reading.lets(), *tables], *found)

    # --- their parts ---

    @property
    def _timed(self) -> bool:
        return self.profile == _SCHEDULED

    def _schedule(self, rule: Rule) -> Schedule:
        return schedule(rule, notes.asked(rule, self.baselines))

    def _notes(self, rule: Rule) -> list[str]:
        return notes.sentinel(rule, notes.asked(rule, self.baselines), self.profile)

    def _not_nrt(self, query: ir.Query) -> None:
        if self.profile == "nrt":
            raise Unsupported(query, "NRT hands a query the records of one minute")

    def _beside(self) -> list[str]:
        return [f"Arrived = max_of(ingestion_time(), TimeGenerated + {span(DELAY)})"] if self._timed else []

    def _arrived(self) -> list[Step]:
        return where("Arrived <= now()") if self._timed else []

    def _reading(self, rule: Rule, wheres: Sequence[ir.Predicate], used: object, first: Sequence[Step]) -> Reading:
        plain = super()._reading(rule, wheres, used, first)
        return Reading(plain.name, plain.source, wheres, (used, _shown(rule)), first, self._beside())

    def _windows(self, query: ir.WindowQuery, hops: int) -> list[Step]:
        """Each row in all windows that hold it and matter."""
        every, length = span(query.every), span(query.length)
        if not self._timed:
            turns = _listed(range(1, query.length // query.every + 1))
            ends = f"HopEnd = bin(TimeGenerated, {every}) + Hop * {every}"
            return [step("mv-expand", f"Hop = {turns} to typeof(long)"), step("extend", ends)]
        return [
            step("mv-expand", f"Back = {_listed(range(hops + 1))} to typeof(long)"),
            step("extend", f"HopEnd = bin(now(), {every}) - Back * {every}"),
            *where(f"TimeGenerated < HopEnd and TimeGenerated >= HopEnd - {length}"),
        ]

    def _told(self, query: ir.WindowQuery, when: Schedule) -> list[Let]:
        """The windows that reach the threshold; by a schedule those with which a finding begins that is new."""
        name, counted = parts.measured(query)
        names, least = ", ".join(_names(query)), parts.threshold(query.measure)
        reached = [step("summarize", f"{name} = {counted}", end=f"by {names}, HopEnd"), *where(f"{name} >= {least}")]
        if not self._timed:
            return [Let("told", Pipe("rows").then(*reached, step("project", *_names(query), "HopEnd")))]
        before, late = f"ago({span(when.every)})", span(ALLOWANCE)
        # what the runs before could know, and could tell: they look at a window no longer than that
        known = parts.measured(query, f"Arrived <= {before} and Arrived <= HopEnd + {late}")[1]
        reached[0] = step("summarize", f"{name} = {counted}", f"Known = {known}", end=f"by {names}, HopEnd")
        slots = Pipe("rows").then(
            *reached,
            step("extend", f"Old = Known >= {least} and HopEnd <= {before}"),
            *where(f"Old or HopEnd > ago({span(when.every + ALLOWANCE)})"),
        )
        return [Let("slots", _once(slots)), *_begun(names, "HopEnd", span(query.length))]

    def _slots(self, rule: Rule, hits: Pipe, within: str) -> list[Let]:
        """What follows, and when it is due; where findings begin."""
        by = ", ".join(name for name, _ in _keys(rule))
        found = hits.then(step("extend", *[f"{name} = {value}" for name, value in _keys(rule)]))
        slots = Pipe("found").then(step("summarize", "Old = countif(Run == 1) > 0", end=f"by {by}, Due"))
        kept = [Let(name, _once(pipe)) for name, pipe in (("found", found), ("slots", slots))]
        return [*kept, *_begun(by, "Due", within)]

    def _finding(self, rule: Rule, *given: Any, **more: Any) -> tuple[Pipe, tuple[str, ...]]:
        pipe, columns = super()._finding(rule, *given, **more)
        return _enriched(rule, pipe, columns)


def _enriched(rule: Rule, pipe: Pipe, columns: tuple[str, ...]) -> tuple[Pipe, tuple[str, ...]]:
    """The finding with columns that alerts can be made of: entities, lists as texts, the level in Sentinel's words."""
    entities = [column for one in mapped(rule) for column in one.columns]
    lists = [
        (name, f'substring(strcat_array({name}, ", "), 0, {_LONGEST})')
        for name in (spelled(ref.name) for ref in evidence(rule))
    ]
    severity = [("AlertSeverity", _SEVERITY)] if rule.escalations else []
    names = tuple(dict.fromkeys([*columns, *[name for name, _ in (*severity, *entities)]]))
    steps = [step("extend", *[f"{name} = {value}" for name, value in made]) for made in (entities, [*lists, *severity])]
    return pipe.then(*[one for one in steps if one.items], step("project", *names)), names


def _shown(rule: Rule) -> object:
    """What of an event a finding shows."""
    return tuple(key.field for key in rule.keys), tuple(evidence(rule)), rule.escalations


def _since(moment: str) -> list[Step]:
    return where(f"TimeGenerated >= {moment}") if moment else []


def _asof(when: Schedule) -> str:
    """The moment of a run: this one, or the one before."""
    return f"now() - Run * {span(when.every)}"


def _by(query: ir.WindowQuery) -> list[str]:
    return [f"{name} = tolower({parts.text_of(ref)})" for name, ref in zip(_names(query), query.by)]


def _names(query: ir.WindowQuery) -> list[str]:
    return [f"By{place}" for place in range(1, len(query.by) + 1)]


def _keys(rule: Rule) -> list[tuple[str, str]]:
    return [(f"By{place}", f"tolower({parts.text_of(key.field)})") for place, key in enumerate(rule.keys, 1)]


def _once(pipe: Pipe) -> Pipe:
    """The pipe, worked out once: what a name stands for is worked out again wherever it is read.

    https://learn.microsoft.com/kusto/query/named-expressions
    """
    return pipe.wrapped("materialize(", ")")


def _listed(turns: Sequence[int]) -> str:
    return f"dynamic([{', '.join(map(str, turns))}])"


def _begun(by: str, end: str, length: str) -> list[Let]:
    """Where a finding begins: with a slot that is new, and that overlaps none before it, nor an old one after it."""
    near = Pipe("slots").then(
        step(f"join kind=inner (slots | project {by}, Other = {end}, OtherOld = Old) on {by}"),
        *where(
            f"(Other < {end} and Other >= {end} - {length})"
            f" or (OtherOld and Other > {end} and Other <= {end} + {length})"
        ),
        step("distinct", by, end),
    )
    told = Pipe("slots").then(
        *where("not(Old)"), step(f"join kind=leftanti near on {by}, {end}"), step("project", by, end)
    )
    return [Let("near", near), Let("told", told)]
