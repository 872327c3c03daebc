"""What the queries of ES|QL are put together from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from entrawatch.dialects.base import Unsupported
from entrawatch.dialects.esql_predicates import EsqlPredicates, parameter_name, parameter_value, used
from entrawatch.dialects.esql_text import command, name_of, number, span, string
from entrawatch.dialects.esql_tree import Clause, Test, lines, one_line
from entrawatch.dialects.sql import evidence
from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from entrawatch.rules.rule import Escalation, Rule

EVENT_IDS = "event_ids"
_LEVELS = ("informational", "low", "medium", "high", "critical")
#: what a result can hold at most; without it, it would be cut off at 1,000
_LIMIT = "| LIMIT 10000"


class Rows:
    """A rule's own events: names of their columns, and what is computed of them."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.predicates = EsqlPredicates(rule.source)
        self.evidence = list(dict.fromkeys(self.column(field) for field in evidence(rule)))

    def column(self, ref: ir.FieldRef) -> str:
        """A field's column."""
        return self.predicates.column(ref)

    def group(self, ref: ir.FieldRef) -> str:
        """The column that groups by a field, in the form in which it compares."""
        if ref.many:
            raise Unsupported(ref, f"{ref.name} holds a list: groups of its values")
        return f"group_{name_of(ref.name)}"

    def parameters(self) -> list[str]:
        """The parameters that the tests of single events read."""
        in_tests = set(_parameters(self.rule.query, self.rule.escalations))
        found = [f"{parameter_name(one)} = {parameter_value(one)}" for one in used(self.rule) if one in in_tests]
        return [command("EVAL", found)] if found else []

    def measured(self, measure: Union[ir.Count, ir.Distinct]) -> tuple[str, str]:
        """A measure's name and how it is counted."""
        if isinstance(measure, ir.Count):
            return "attempts", "MV_COUNT(VALUES(event.id))"
        if measure.field.many:
            raise Unsupported(measure, "counting the values of a list column")
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


def level(rule: Rule, tests: Sequence[Clause] = ()) -> str:
    """The level's assignment: by tests of the event, or by what `levels` has found."""
    steps = _steps(rule)
    asked = tests or [Test(f"raised_{turn} == 1") for turn in range(1, len(steps) + 1)]
    if not steps:
        return f"level = {string(rule.level)}"
    raised = [f"{lines(test, '            ')}, {string(step.level)}" for test, step in zip(asked, steps)]
    return "level = CASE(\n        " + ",\n        ".join([*raised, string(rule.level)]) + "\n    )"


def window(every: timedelta, length: timedelta) -> list[str]:
    """The last whole window: it ends with the last hop that has ended."""
    return [
        f"| EVAL window_end = DATE_TRUNC({span(every, days=False)}, NOW())",
        f"| WHERE @timestamp >= window_end - {span(length)} AND @timestamp < window_end",
    ]


def columns_of(rule: Rule, rows: Rows, *measures: str) -> list[str]:
    """A finding's columns, in order."""
    keys = [name_of(key.name) for key in rule.keys]
    return list(dict.fromkeys([*keys, "window_start", "window_end", "level", *measures, EVENT_IDS, *rows.evidence]))


def head(rule: Rule, *commands: str) -> str:
    """The text: a comment that names the rule and its parameters, then the commands."""
    told = [f"// {rule.id} {rule.slug}: {_one_line(rule.title)}"]
    told += [f"// {_told(parameter)}" for parameter in rule.parameters]
    return "\n".join([*told, *commands, _LIMIT]) + "\n"


def _told(parameter: ir.Parameter) -> str:
    where = " (listed in the query)" if parameter.kind == "list" else ""
    return f"{parameter_name(parameter)}: {_one_line(parameter.description)}{where}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def clause_column(name: str, clause: Clause) -> str:
    """An assignment of a test's outcome, two-valued."""
    return f"{name} = COALESCE(\n        {lines(clause, '        ')},\n        false\n    )"
