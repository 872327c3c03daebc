"""Predicates in KQL on many records at once: reading KQL is slow, so one query asks them all."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from entrawatch.dialects.base import Unsupported
from entrawatch.dialects.kql_predicates import KqlPredicates
from entrawatch.dialects.kql_reading import Reading
from entrawatch.dialects.kql_text import Pipe, step, written

from .judge import holds, identity, rows
from .kql_engine import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from entrawatch.rules import ir

NOW = datetime(2026, 2, 1, tzinfo=timezone.utc)


def sayable(predicates: Iterable[ir.Predicate]) -> list[ir.Predicate]:
    """Those that KQL does not refuse; it refuses what is not ASCII."""
    found = []
    for one in predicates:
        try:
            KqlPredicates(lambda ref: (ref.name, "values")).write(one)
        except Unsupported as answer:
            if "ASCII" not in answer.why:
                raise
        else:
            found.append(one)
    return found


def question(predicates: Sequence[ir.Predicate]) -> str:
    """A query with one row for every record and one column for every predicate."""
    reading = Reading("signins", "signin", predicates, ())
    tests = [f"P{place} = {reading.predicates.write(one).text}" for place, one in enumerate(predicates)]
    names = [test.partition(" = ")[0] for test in tests]
    return written(reading.lets(), Pipe("signins").then(step("extend", *tests), step("project", "Id", *names)))


def differences(predicates: Iterable[ir.Predicate], records: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Any]:
    """Predicates on which KQL and the judge disagree, with the records' ids.

    A table that KQL leaves out has no rows in the answer, so they must pass none of the predicates.
    """
    records = list(records)
    asked = sayable(predicates)
    answers = {found["Id"]: found for found in Workspace(records).run(question(asked), NOW)} if asked else {}
    found = []
    for row in rows(records):
        answer = answers.get(identity(row))
        found += [
            (one, row.record)
            for place, one in enumerate(asked)
            if holds(one, row) is not (answer is not None and answer[f"P{place}"] is True)
        ]
    return found
