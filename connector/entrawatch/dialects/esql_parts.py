"""What the queries of ES|QL are put together from.

Every run looks at the windows that ended with one of the hops of the last hour (`LATE`), for events that arrive behind
their time, and tells of a finding when one of its events has arrived within the last hops (`fresh`): so a window is
told of when it is complete, whether its events came in time or not, and not again with every run that still sees it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Optional, Union

from entrawatch.dialects import notes
from entrawatch.dialects.base import Unsupported, of_list
from entrawatch.dialects.comments import about
from entrawatch.dialects.esql_predicates import EsqlPredicates, parameter_name, parameter_value, used
from entrawatch.dialects.esql_text import column_of, command, name_of, number, some, span, string
from entrawatch.dialects.esql_tree import Clause, Test, lines, one_line
from entrawatch.dialects.sql import evidence
from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from entrawatch.rules.rule import Baseline, Escalation, Rule

EVENT_IDS = "event_ids"
#: how long behind its time an event may arrive and still be judged with its window
LATE = timedelta(hours=1)
#: level → the alert's risk score, as Elastic's own rules have it
# https://www.elastic.co/docs/solutions/security/detect-and-alert/create-detection-rule (Default risk score)
RISK = {"informational": 5, "low": 21, "medium": 47, "high": 73, "critical": 99}
_LEVELS = tuple(RISK)
#: when an event arrived: not before it happened, whatever the clock that stamped it says, and then where nothing did
_ARRIVED = "CASE(event.ingested > @timestamp, event.ingested, @timestamp)"
#: keys by which Kibana can suppress alerts
_MOST_KEYS = 3
#: the keys behind the first two in one column, where there are more than Kibana takes
REST = "further_keys"
#: what Elastic's own integration folds into `message` and has no field for, as our events have it there too
_IN_WORDS = {
    "azure.signinlogs.properties.status.failure_reason",
    "azure.signinlogs.properties.status.additional_details",
}
#: how long a time is as text (2026-01-07T09:00:00.000Z)
_TIME = 24
#: what a result can hold at most; without it, it would be cut off at 1,000
_LIMIT = "| LIMIT 10000"


class Rows:
    """A rule's own events: names of their columns, and what is computed of them."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.predicates = EsqlPredicates(rule.source)
        self.keys = [self.column(key.field) for key in rule.keys]
        self.evidence = list(dict.fromkeys(name for name in self._shown() if name not in self.keys))

    def column(self, ref: ir.FieldRef) -> str:
        """A field's column."""
        return self.predicates.column(ref)

    @property
    def identity(self) -> str:
        """What tells two events apart: Graph's identifier, which every way into Elasticsearch keeps."""
        return self.column(ir.FieldRef("id"))

    def _shown(self) -> list[str]:
        """What a finding shows: the rule's fields, the values it counts, and those whose risk Elastic's engine raises.

        It goes by `user.name`: accounts that were only tried stand under their principal names alone.
        """
        names = ["message" if name in _IN_WORDS else name for name in map(self.column, evidence(self.rule))]
        measure = getattr(self.rule.query, "measure", None)
        if isinstance(measure, ir.Distinct):
            names.append(self.column(measure.field))
        people = any(entity.kind == "account" and entity.risk for entity in self.rule.entities)
        if self.rule.source == "signin" and people:
            names += ["user.id", "user.name"]
        return names

    def group(self, ref: ir.FieldRef) -> str:
        """The column that groups by a field, in the form in which it compares."""
        if ref.many:
            raise Unsupported(ref, of_list(ref, "grouping by"))
        return f"group_{name_of(ref.name)}"

    def parameters(self) -> list[str]:
        """The parameters that the tests of single events read."""
        in_tests = set(_parameters(self.rule.query, self.rule.escalations))
        found = [f"{parameter_name(one)} = {parameter_value(one)}" for one in used(self.rule) if one in in_tests]
        return [command("EVAL", found)] if found else []

    def measured(self, measure: Union[ir.Count, ir.Distinct]) -> tuple[str, str]:
        """A measure's name and how it is counted."""
        if isinstance(measure, ir.Count):
            return "attempts", f"MV_COUNT(VALUES({self.identity}))"
        if measure.field.many:
            raise Unsupported(measure, of_list(measure.field, "counting the values of"))
        return f"distinct_{name_of(measure.field.name)}", f"MV_COUNT({self.values(measure.field)})"

    def values(self, ref: ir.FieldRef) -> str:
        """The different values of a field, as they compare, absent ones left out."""
        column = self.predicates.compared(ref)
        if ref.kind != "text":
            return f"VALUES({column})"
        return f"VALUES(CASE({one_line(self.predicates.present(ir.Present(ref)))}, {column}))"

    def threshold(self, name: str, at_least: ir.Value, unless: str = "") -> list[str]:
        """Only groups that reach it; the parameter has a line of its own.

        :param unless: what stands before the test, for rows that are no such group.
        """
        if isinstance(at_least, ir.Parameter):
            named = f"{parameter_name(at_least)} = {parameter_value(at_least)}"
            return [f"| EVAL {named}", f"| WHERE {unless}{name} >= {parameter_name(at_least)}"]
        if isinstance(at_least, (str, bool)):
            raise Unsupported(self.rule.query, f"{at_least!r} is no threshold")
        return [f"| WHERE {unless}{name} >= {number(self.rule.query, at_least)}"]

    def tests(self) -> list[Clause]:
        """The tests that raise the level, the highest level first."""
        return [self.predicates.write(step.when) for step in _steps(self.rule)]


def _parameters(*nodes: object) -> list[ir.Parameter]:
    """Parameters anywhere below, but for a measure's threshold."""
    found: list[ir.Parameter] = []
    for node in nodes:
        if isinstance(node, ir.Parameter):
            found.append(node)
        elif isinstance(node, tuple):
            found += _parameters(*node)
        elif hasattr(node, "__dataclass_fields__") and not isinstance(node, (ir.Count, ir.Distinct)):
            found += _parameters(*[getattr(node, name) for name in node.__dataclass_fields__])
    return found


def _steps(rule: Rule) -> list[Escalation]:
    return sorted(rule.escalations, key=lambda step: -_LEVELS.index(step.level))


def levels(rows: Rows) -> list[str]:
    """Aggregates that tell whether one of a group's events raises the level."""
    return [f"raised_{turn} = MAX(CASE({one_line(test)}, 1, 0))" for turn, test in enumerate(rows.tests(), 1)]


def level(rule: Rule, tests: Sequence[Clause] = ()) -> list[str]:
    """The level's assignment, by tests of the event or by what `levels` has found; where there is one to choose, the
    risk score's too."""
    steps = _steps(rule)
    asked = tests or [Test(f"raised_{turn} == 1") for turn in range(1, len(steps) + 1)]
    if not steps:
        return [f"level = {string(rule.level)}"]
    raised = [f"{lines(test, '            ')}, {string(step.level)}" for test, step in zip(asked, steps)]
    scores = [f"level == {string(one)}, {RISK[one]}" for one in dict.fromkeys(step.level for step in steps)]
    return [
        "level = CASE(\n        " + ",\n        ".join([*raised, string(rule.level)]) + "\n    )",
        f"risk_score = CASE({', '.join([*scores, str(RISK[rule.level])])})",
    ]


def hop(every: timedelta) -> str:
    """The last hop that has ended."""
    return f"DATE_TRUNC({span(every, days=False)}, NOW())"


def lookback(every: timedelta, length: timedelta) -> str:
    """Only what can have part in a finding: a window's length, and as long as an event may be late.

    :param length: how far apart a finding's events can be.
    """
    return f"| WHERE @timestamp >= {hop(every)} - {span(length + LATE)} AND @timestamp < {hop(every)}"


def windows(every: timedelta, length: timedelta) -> list[str]:
    """Each row once in every window that holds it and ended in time."""
    turns = ", ".join(map(str, range(-(-LATE // every) + 1)))
    milliseconds = int(every.total_seconds() * 1000)
    return [
        f"| EVAL back = [{turns}]",
        "| MV_EXPAND back",
        f"| EVAL window_end = TO_DATETIME(TO_LONG({hop(every)}) - back * {milliseconds})",
        f"| WHERE @timestamp >= window_end - {span(length)} AND @timestamp < window_end",
    ]


def arrived(only: str = "") -> str:
    """The aggregate that tells when the last of some events arrived.

    :param only: the test of those events, "" for all.
    """
    return f"MAX({_ARRIVED})" + (f" WHERE {only}" if only else "")


def stamped(*texts: str) -> str:
    """An event's arrival and further texts as one text, blanks between; `stamp` and `unstamped` take it apart."""
    return f"CONCAT({', '.join(_between([f'TO_STRING({_ARRIVED})', *texts]))})"


def _between(texts: Sequence[str]) -> list[str]:
    return [part for text in texts for part in (string(" "), text)][1:]


def stamp(text: str, place: int = 0) -> str:
    """The time that stands at a place of such a text."""
    return f"TO_DATETIME(SUBSTRING({text}, {place * (_TIME + 1) + 1}, {_TIME}))"


def unstamped(text: str, times: int = 1) -> str:
    """What stands behind the times of such a text."""
    return f"SUBSTRING({text}, {times * (_TIME + 1) + 1})"


def fresh(every: timedelta, *times: str) -> str:
    """That something arrived within the last three hops.

    One for the window that holds an event to end, one for the next run to come, one by which that may be late.
    """
    return " OR ".join(f"{time} >= NOW() - {span(3 * every)}" for time in times)


def merged(rows: Rows, groups: Sequence[str], *measures: str) -> str:
    """Neighbouring windows of a group as one row; what is counted is the largest count."""
    return command(
        "STATS",
        [
            *[f"{key} = MIN({key})" for key in rows.keys if key not in groups],
            *[f"{name} = MAX({name})" for name in measures],
            *[f"{column} = {some(f'VALUES({column})')}" for column in [EVENT_IDS, *rows.evidence]],
            *[f"raised_{turn} = MAX(raised_{turn})" for turn in range(1, len(rows.rule.escalations) + 1)],
            "first_end = MIN(window_end)",
            "window_end = MAX(window_end)",
        ],
        groups,
    )


def columns_of(rule: Rule, rows: Rows, *measures: str) -> list[str]:
    """A finding's columns, in order."""
    ends = ["window_start", "window_end", *graded(rule)]
    return list(dict.fromkeys([*rows.keys, *rest(rule), *ends, *measures, EVENT_IDS, *rows.evidence]))


def graded(rule: Rule) -> list[str]:
    """The columns that `level` assigns."""
    return ["level", "risk_score"] if rule.escalations else ["level"]


def rest(rule: Rule) -> list[str]:
    """The column of further keys, where there is one."""
    return [REST] if len(rule.keys) > _MOST_KEYS else []


def told_apart(rule: Rule) -> list[str]:
    """The at most three columns by whose values two findings of a rule are told apart."""
    columns = [column_of(key.field, rule.source).ecs for key in rule.keys]
    return columns if len(columns) <= _MOST_KEYS else [*columns[: _MOST_KEYS - 1], REST]


def head(rule: Rule, *commands: str, baseline: Optional[Baseline] = None) -> str:
    """The text: comments that name the rule and its parameters and say how to read it, then the commands.

    :param baseline: what the rule asks, if anything.
    """
    told = about(rule, notes.esql(rule, baseline, LATE), _called)
    return "\n".join([*[f"// {one}" for one in told], *commands, _LIMIT]) + "\n"


def _called(parameter: ir.Parameter) -> str:
    return f"{parameter_name(parameter)}{' (listed in the query)' if parameter.kind == 'list' else ''}"


def clause_column(name: str, clause: Clause) -> str:
    """An assignment of a test's outcome, two-valued."""
    return f"{name} = COALESCE(\n        {lines(clause, '        ')},\n        false\n    )"
