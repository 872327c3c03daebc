"""SPL: one search per rule, to be scheduled every H over the last W (`spl_schedule`), for Splunk 8.2 and later.

A search leaves its time range to the dispatch: it finds what the window [earliest, latest) holds, and `addinfo` tells
the window's bounds. Its source, its parameters and its filter are macros: what an analyst tunes (`SplDialect.macros`).
Keys that are grouped by are shown in lower case; `window_start` and `window_end` are seconds since the epoch.

What the searches keep clear of, because Splunk truncates it in silence: subsearches and `join` (10,000 and 50,000 rows,
60 seconds: https://docs.splunk.com/Documentation/Splunk/latest/Search/Aboutsubsearches), `eventstats` (it gives up at
max_mem_usage_mb), `list()` (100 values), and `mvexpand` of many rows (500 MB a chunk; it is left with what reached a
threshold: https://help.splunk.com/splunk-cloud-platform/spl-search-reference/10.0.2503/search-commands/mvexpand).
`stats` spills to disk and loses nothing; `sort 0` and `streamstats` take all rows that are left.
An event longer than limits.conf's [kv] maxchars (10,240 characters) loses fields on the way in: raise it for both
shapes, since a sign-in with many policies is longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.dialects import notes, spl_baseline, spl_macros
from entrawatch.dialects.base import Dialect, Unsupported
from entrawatch.dialects.spl_fields import ENVELOPE, NORMALIZED, Names
from entrawatch.dialects.spl_search import RANGE, WINDOW, Search, given, single
from entrawatch.dialects.spl_sequence import followed
from entrawatch.dialects.spl_text import Spl, all_of, any_of, name, word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from entrawatch.dialects.spl_search import Result
    from entrawatch.rules import ir
    from entrawatch.rules.rule import Baseline, Rule


class SplDialect(Dialect):
    """The SPL dialect; its profiles are the shapes in which the HEC sink sends events."""

    name = "spl"
    profiles = (NORMALIZED, ENVELOPE)

    def event(self, rule: Rule, query: ir.EventQuery) -> Result:
        made = self.search(rule)
        made.base(query.where)
        made.assign_all([*made.keys(), *made.flags()])
        if query.outside:
            asked = _asked(query.outside)
            # what is absent is not looked up: the lookup's rows have "" where they say nothing
            texts = [(what, made.tests.folded(single(ref))) for what, ref in asked]
            made.assign_all([(f"asked_{what}", Spl(f'nullif({text}, "")')) for what, text in texts])
            self._outside(made, query.outside, [(what, f"asked_{what}") for what, _ in asked])
        made.stats(made.measured(), made.columns)
        made.assign(window_start=Spl("first_time"), window_end=Spl("last_time"))
        return made.finished()

    def window(self, rule: Rule, query: ir.WindowQuery) -> Result:
        made = self.search(rule)
        made.base(query.where)
        grouped = _grouped(rule, query)
        made.assign_all([(field, made.tests.folded(single(ref))) for ref, field in grouped.items()])
        made.where(*[given(field) for field in grouped.values()])
        measure, counted = made.measure(query)
        made.assign_all([*counted, *made.flags()])
        self.reached(made, query, measure, list(grouped.values()))
        if query.outside:
            self._outside(made, query.outside, _asked_of(query.outside, grouped))
        self.bounds(made, query)
        return made.finished(measure[0])

    def followed(self, rule: Rule, query: ir.FollowedQuery) -> Result:
        return followed(self.search(rule), query)

    def joined(self, rule: Rule, query: ir.JoinQuery) -> Result:
        made, other = self.search(rule), self.search(rule)
        other.names.source = query.source
        other.names.computed = made.names.computed
        made.base_of_two(query.where, other, query.partner)
        mine = all_of([made.of_source(), made.tests.write(query.where)])
        theirs = all_of([other.of_source(), other.tests.write(query.partner)])
        keys = [one.tests.folded(single(ref)) for one, ref in zip((made, other), query.on)]
        made.assign(is_event=Spl(f"if({mine}, 1, 0)"), is_partner=Spl(f"if({theirs}, 1, 0)"))
        made.assign(shared_key=Spl(f"if(is_event=1, {keys[0]}, {keys[1]})"))
        made.where(any_of([Spl("is_event=1"), Spl("is_partner=1")]), given("shared_key"))
        made.assign_all([*made.keys(), *made.flags()])
        self.partnered(made, query)
        made.stats(made.measured(), made.columns)
        made.add(RANGE, WINDOW)
        return made.finished()

    # --- what another kind of search does in its own way ---

    def search(self, rule: Rule) -> Search:
        """The search of a rule, empty as yet."""
        return Search(rule, self.profile, notes.asked(rule, self.baselines))

    def reached(self, made: Search, query: ir.WindowQuery, measure: tuple[str, Spl], by: list[str]) -> None:
        """One row for each group that meets the threshold in the run's range."""
        made.stats(made.measured(measure), by)
        made.where(Spl(f"{measure[0]}>={made.tests.value(query.measure.at_least)}"))

    def bounds(self, made: Search, query: ir.WindowQuery) -> None:
        """The window's bounds: the run's."""
        del query
        made.add(RANGE, WINDOW)

    def partnered(self, made: Search, query: ir.JoinQuery) -> None:
        """Keep the events that have a partner in the run's range."""
        del query
        # partners first, so that every event knows of its partner when it comes
        made.add(Spl("sort 0 -is_partner"), Spl("streamstats max(is_partner) AS partnered BY shared_key"))
        made.where(Spl("is_event=1"), Spl("partnered=1"))

    # --- what packages need beside the searches ---

    def macros(self, rules: Iterable[Rule]) -> dict[str, str]:
        """Macros that the texts name: the sources, each rule's parameters and its filter, with their definitions."""
        return spl_macros.macros(rules, self.profile)

    def baseline_search(self, baseline: Baseline) -> str:
        """The search that keeps a baseline's lookup fresh, to be scheduled over the baseline's lookback."""
        return spl_baseline.search_text(baseline, Names(baseline.source, self.profile))

    def _outside(self, made: Search, outside: ir.Outside, asked: list[tuple[str, str]]) -> None:
        """Keep what the baseline does not know.

        :param asked: address or country, and the field that holds it.
        """
        made.where(*[given(field) for what, field in asked if what == "address"])
        lookup = spl_baseline.lookup_name(self.baselines[outside.baseline])
        for what, field in asked:
            made.add(Spl(f"lookup {lookup} {what} AS {name(field)} OUTPUT {what} AS known_{what}"))
        made.where(*[Spl(f"isnull(known_{what})") for what, _ in asked])


def _grouped(rule: Rule, query: ir.WindowQuery) -> dict[ir.FieldRef, str]:
    """The group's fields under the names of the keys they are."""
    called = {key.field: word(key.name) for key in rule.keys}
    if set(called) - set(query.by):
        raise Unsupported(query, "a key that the window is not grouped by")
    return {ref: called.get(ref, f"by_{word(ref.name)}") for ref in query.by}


def _asked(outside: ir.Outside) -> list[tuple[str, ir.FieldRef]]:
    """What the baseline is asked for."""
    return [("address", outside.address), *([("country", outside.country)] if outside.country else [])]


def _asked_of(outside: ir.Outside, grouped: dict[ir.FieldRef, str]) -> list[tuple[str, str]]:
    """The same of a group, whose events have it in common."""
    asked = _asked(outside)
    if any(ref not in grouped for _, ref in asked):
        raise Unsupported(outside, "the events of one group may differ in what the baseline is asked for")
    return [(what, grouped[ref]) for what, ref in asked]
