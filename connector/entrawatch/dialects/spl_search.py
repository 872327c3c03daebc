"""A rule's search in SPL as it grows: its base search, what is computed of an event, and what a finding shows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Optional

from entrawatch.dialects import notes, spl_macros
from entrawatch.dialects.base import Unsupported, of_list
from entrawatch.dialects.comments import about
from entrawatch.dialects.spl_changes import commands
from entrawatch.dialects.spl_fields import MARKS, Names
from entrawatch.dialects.spl_predicates import Conditions, search
from entrawatch.dialects.spl_text import (
    Spl,
    any_of,
    assignable,
    clauses,
    comment,
    macro,
    name,
    string,
    variable,
    word,
)
from entrawatch.dialects.sql import evidence
from entrawatch.rules import ir

if TYPE_CHECKING:
    from entrawatch.rules.rule import Baseline, Rule

Result = tuple[str, tuple[str, ...]]

#: how many values a list in a result shows, the first ones in order
LISTED = 100
_LEVELS = ("informational", "low", "medium", "high", "critical")
#: the time range of the run
RANGE = Spl("addinfo")
WINDOW = Spl("eval window_start=info_min_time, window_end=info_max_time")


class Search:
    """One rule's search.

    :ivar lines: the commands, the base search first.
    :cvar late: how late an event may come and still be waited for.
    """

    late = timedelta(0)

    def __init__(self, rule: Rule, profile: str, baseline: Optional[Baseline]) -> None:
        self.rule = rule
        self.names = Names(rule.source, profile)
        self.tests = Conditions(self.names, lambda parameter: macro(spl_macros.parameter_name(rule, parameter)))
        self.lines: list[Spl] = []
        said = self.notes(baseline)
        told = about(rule, said, lambda parameter: spl_macros.parameter_name(rule, parameter))
        self._title, *self._meant = map(comment, told)

    def notes(self, baseline: Optional[Baseline]) -> list[str]:
        """What the comments say of this kind of search."""
        return notes.spl(self.rule, baseline)

    # --- commands ---

    def add(self, *lines: Spl) -> None:
        """Further commands."""
        self.lines += lines

    def where(self, *tests: Spl) -> None:
        """Keep the rows that pass all tests."""
        if tests:
            self.add(Spl("where " + clauses(tests[0], *[f"AND {test}" for test in tests[1:]])))

    def assign(self, **values: Spl) -> None:
        """Compute fields, none of which needs another of them to be of the same command."""
        self.assign_all(list(values.items()))

    def assign_all(self, values: list[tuple[str, Spl]]) -> None:
        """The same from a list."""
        if values:
            self.add(_evaluated(values))

    def stats(self, measured: list[str], by: list[str]) -> None:
        """One row for each group."""
        self.add(Spl("stats " + clauses(*measured, f"BY {listed(by)}")))

    # --- the beginning ---

    def base(self, where: ir.Predicate) -> None:
        """The source with what the search command can say, then the rest."""
        said = [(part, search(part, self.names)) for part in _conjuncts(where)]
        source = self.source()
        self.add(clauses(f"{source} {self._title}", *self._meant, *[text for _, text in said if text]))
        self.where(*[self.tests.write(part) for part, text in said if not text])

    def base_of_two(self, where: ir.Predicate, other: Search, others: ir.Predicate) -> None:
        """Two sources in one search; which of the two an event is of, and whether it holds, is for later."""
        mine, theirs = self._terms(where), other._terms(others)
        self.add(clauses(f"(({mine}) {self._title}", *self._meant, f"OR ({theirs}))"))

    def _terms(self, where: ir.Predicate) -> str:
        said = [search(part, self.names) for part in _conjuncts(where)]
        return " ".join([self.source(), *filter(None, said)])

    def source(self) -> Spl:
        """The macro of the source's events."""
        return macro(spl_macros.source_name(self.names.source, self.names.profile))

    def of_source(self) -> Spl:
        """That an event is of the source, as an expression."""
        field, values = MARKS[self.names.profile][self.names.source]
        return any_of([Spl(f"{variable(field)}={string(value)}") for value in values])

    # --- what is computed of an event, and of a finding's events ---

    def keys(self) -> list[tuple[str, Spl]]:
        """The keys of a single event, as they came."""
        fields = [(word(key.name), self.names.value(single(key.field))) for key in self.rule.keys]
        return [(field, Spl(f'coalesce({value}, "")')) for field, value in fields]

    @property
    def columns(self) -> list[str]:
        """The keys' names as eval can assign to them: what is no letter or digit is an underscore."""
        return [word(key.name) for key in self.rule.keys]

    def flags(self) -> list[tuple[str, Spl]]:
        """Whether an event raises the level, one field a step."""
        steps = enumerate(self.rule.escalations)
        return [(_flag(place), Spl(f"if({self.tests.write(step.when)}, 1, 0)")) for place, step in steps]

    def measure(self, query: ir.WindowQuery) -> tuple[tuple[str, Spl], list[tuple[str, Spl]]]:
        """The measure's column and the statistic in it; and what must be computed of an event before."""
        measure = query.measure
        if isinstance(measure, ir.Count):
            return ("attempts", Spl(f"dc({self.names.name(self.names.id)})")), []
        if measure.field.many:
            raise Unsupported(measure, of_list(measure.field, "counting the values of"))
        counted = Spl(f'nullif({self.tests.folded(measure.field)}, "")')
        return (f"distinct_{word(measure.field.name)}", Spl("dc(counted)")), [("counted", counted)]

    def measured(self, *measures: tuple[str, Spl]) -> list[str]:
        """The statistics that tell of a finding's events."""
        ids = self.names.name(self.names.id)
        return [
            *[f"{value} AS {field}" for field, value in measures],
            "min(_time) AS first_time",
            "max(_time) AS last_time",
            f"dc({ids}) AS events",
            f"values({ids}) AS event_ids",
            *self._raised(),
            *[f"values({self.names.name(ref)}) AS {name(ref.name)}" for ref in evidence(self.rule)],
        ]

    def measured_again(self) -> list[str]:
        """The same of rows that are findings' parts already."""
        return [
            "min(first_time) AS first_time",
            "max(last_time) AS last_time",
            "dc(event_ids) AS events",
            "values(event_ids) AS event_ids",
            *self._raised(),
            *[f"values({name(ref.name)}) AS {name(ref.name)}" for ref in evidence(self.rule)],
        ]

    def _raised(self) -> list[str]:
        return [f"max({_flag(place)}) AS {_flag(place)}" for place in range(len(self.rule.escalations))]

    # --- the end ---

    def finished(self, *measures: str) -> Result:
        """The whole text, what must be computed before what needs it, and its columns."""
        shown = [ref.name for ref in evidence(self.rule)]
        lists = ["event_ids", *self._long(shown)]
        capped = [(field, Spl(f"mvindex({variable(field)}, 0, {LISTED - 1})")) for field in lists]
        self.assign_all([("level", self._level()), *capped])
        columns = [*self.columns, "window_start", "window_end", "level", *measures, "events", "event_ids", *shown]
        table = Spl("table " + clauses(*[f"{name(column)}," for column in columns[:-1]], name(columns[-1])))
        head, *rest = self.lines
        more = self.more(columns)
        ending = [*([_evaluated(more)] if more else []), macro(spl_macros.filter_name(self.rule))]
        pipeline = [head, *[f"| {line}" for line in (*commands(self.names.computed), *rest, table, *ending)]]
        return "\n".join(pipeline) + "\n", (*columns, *[column for column, _ in more])

    def more(self, columns: list[str]) -> list[tuple[str, Spl]]:
        """Further columns, made of these, which the filter can use too."""
        del columns
        return []

    def _long(self, shown: list[str]) -> list[str]:
        """The lists that can grow with the events: what lies inside an object (the status, the location) has few
        values in a group, and eval assigns to no name with a dot."""
        grouped = isinstance(self.rule.query, (ir.WindowQuery, ir.FollowedQuery))
        return [field for field in shown if grouped and variable(field) == field]

    def _level(self) -> Spl:
        """The rule's level, or the highest that one of the finding's events raises it to."""
        steps = sorted(enumerate(self.rule.escalations), key=lambda step: -_LEVELS.index(step[1].level))
        raised = [f"{_flag(place)}=1, {string(step.level)}" for place, step in steps]
        plain = string(self.rule.level)
        return Spl(f"case({', '.join(raised)}, true(), {plain})") if raised else plain


def _evaluated(values: list[tuple[str, Spl]]) -> Spl:
    """The command that computes fields."""
    assigned = [f"{assignable(field)}={value}" for field, value in values]
    return Spl("eval " + clauses(*[f"{one}," for one in assigned[:-1]], assigned[-1]))


def single(ref: ir.FieldRef) -> ir.FieldRef:
    """A field that rows are grouped by: a list would put a row into several groups."""
    if ref.many:
        raise Unsupported(ref, of_list(ref, "grouping by"))
    return ref


def given(field: str) -> Spl:
    """That a computed text is there."""
    return Spl(f'{variable(field)}!=""')


def listed(fields: list[str]) -> str:
    """Fields behind BY."""
    return " ".join(map(name, fields))


def seconds(span: timedelta) -> int:
    """A span as Splunk counts it."""
    return int(span.total_seconds())


def _conjuncts(where: ir.Predicate) -> tuple[ir.Predicate, ...]:
    return where.of if isinstance(where, ir.And) else (where,)


def _flag(place: int) -> str:
    return f"raised_{place + 1}"
