"""What KQL's kinds of query are put together from."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from entrawatch.dialects.base import Unsupported, of_list
from entrawatch.dialects.kql_predicates import PIECE
from entrawatch.dialects.kql_reading import with_present
from entrawatch.dialects.kql_text import Let, Step, quoted, span, spelled, where
from entrawatch.rules import ir
from entrawatch.rules.steps import step_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrawatch.dialects.kql_reading import Reading
    from entrawatch.rules.rule import Rule

#: up to here a threshold is decided by a perfect count
_COUNTED = 7_000
_LEVELS = ("informational", "low", "medium", "high", "critical")
#: days from KQL's first, which bin() counts from, to the epoch, which windows are counted from
_DAYS_BEFORE_EPOCH = 719_162
_DAY = timedelta(days=1)
#: the shortest timespan and step of a rule
_SHORTEST = timedelta(minutes=5)

#: what a finding measures: its column, and how it is counted
Measure = tuple[str, str]


def text_of(ref: ir.FieldRef) -> str:
    """A field as text, a group's key.

    :raises Unsupported: it is a list.
    """
    if ref.many:
        raise Unsupported(ref, of_list(ref, "grouping by"))
    return spelled(ref.name) if ref.kind in {"text", "address"} else f"tostring({spelled(ref.name)})"


def steps_of(query: ir.FollowedQuery) -> list[ir.Predicate]:
    """What each of a sequence's two events must hold.

    :raises Unsupported: a sequence that is not said here.
    """
    first, told = query.first, (*query.same, *([query.among] if query.among else []))
    if first.outside:
        raise Unsupported(query, "a baseline on the first step of a sequence")
    if any(ref.many for ref in told):
        raise Unsupported(query, "a following event that is told by a list")
    return [with_present(first.where, first.by), with_present(query.then, told)]


def folded_columns(query: ir.FollowedQuery) -> list[str]:
    """What a group and the event that follows have in common, without case."""
    refs = [*query.same, *([query.among] if query.among else [])]
    return [f"Same{place} = tolower({text_of(ref)})" for place, ref in enumerate(refs, 1)]


def folded_names(query: ir.FollowedQuery) -> list[str]:
    """The names of those columns."""
    return [column.partition(" ")[0] for column in folded_columns(query)]


def between(start: str, end: str) -> list[Step]:
    """Only what was generated in [start, end)."""
    return where(f"TimeGenerated >= {start} and TimeGenerated < {end}")


def aligned(every: timedelta, node: ir.Query) -> None:
    """Refuse steps that KQL's bin() would count from another beginning than the epoch.

    :raises Unsupported: these are such steps; it names the nearest ones that are not.
    """
    if not _from_epoch(every):
        why = f"KQL counts steps of {span(every)} from another beginning than the epoch"
        raise Unsupported(node, f"{why}; {_way_out(every, node)}")


def _from_epoch(every: timedelta) -> bool:
    return _DAYS_BEFORE_EPOCH * 86400 % int(every.total_seconds()) == 0


def _way_out(every: timedelta, node: ir.Query) -> str:
    """The nearest timespans whose own steps KQL counts rightly; where the rule says its steps, the nearest of those."""
    length = node.length if isinstance(node, ir.WindowQuery) else None
    if length and every == step_of(length):
        near = _nearest(length, lambda one: _from_epoch(step_of(one)))
        return f"they follow from the timespan (a twelfth of it): {' or '.join(map(span, near))} works"
    near = _nearest(every, lambda one: _from_epoch(one) and not (length and length % one))
    return f"every: {' or '.join(map(span, near))} works"


def _nearest(said: timedelta, fits: Callable[[timedelta], bool]) -> list[timedelta]:
    """The next shorter and the next longer one that fits, in the unit of what is said; at least five minutes."""
    unit = next((unit for unit in (_DAY, _DAY / 24) if said % unit == timedelta(0)), _DAY / 1440)
    count = said // unit
    found = []
    for way in (range(count - 1, 0, -1), range(count + 1, 4 * count)):
        candidates = (number * unit for number in way if number * unit >= _SHORTEST)
        found += list(islice(filter(fits, candidates), 1))
    return found


def window_end(every: timedelta, node: ir.Query) -> Let:
    """The end of the last window that has ended.

    :raises Unsupported: see `aligned`.
    """
    aligned(every, node)
    return Let("window_end", f"bin(now(), {span(every)})")


def one_a_group(query: ir.WindowQuery) -> None:
    """Refuse a baseline that is asked about what differs within a group.

    :raises Unsupported: this one is.
    """
    asked = query.outside
    if asked and not {ref.name for ref in (asked.address, asked.country) if ref} <= {ref.name for ref in query.by}:
        raise Unsupported(asked, "a baseline is asked about the group's own address and country")


def measured(query: ir.WindowQuery, only: str = "") -> Measure:
    """How a window is measured.

    :param only: a test of the rows that are counted, all of them without it.
    :raises Unsupported: the values of a list.
    """
    measure = query.measure
    if isinstance(measure, ir.Count):
        return "Attempts", f"dcountif(Id, {only}, 2)" if only else "dcount(Id, 2)"
    if measure.field.many:
        raise Unsupported(measure, of_list(measure.field, "counting the values of"))
    value = text_of(measure.field)
    test = " and ".join([f"isnotempty({value})", *([only] if only else [])])
    return f"Distinct{spelled(measure.field.name)}", f"dcountif(tolower({value}), {test}, 2)"


def threshold(measure: ir.Count | ir.Distinct) -> str:
    """What a window must reach.

    :raises Unsupported: more than is counted perfectly.
    """
    value = measure.at_least
    number = value.default if isinstance(value, ir.Parameter) else value
    if not isinstance(number, int) or number > _COUNTED:
        raise Unsupported(measure, f"KQL counts perfectly up to 8000; a threshold above {_COUNTED} would be a guess")
    return value.name if isinstance(value, ir.Parameter) else str(number)


def level_of(rule: Rule, reading: Reading) -> tuple[list[tuple[str, str]], str]:
    """Columns that say whether an event raises the level, and the level as an expression of them."""
    raised, level = [], quoted(rule.level)
    for place, one in enumerate(sorted(rule.escalations, key=lambda step: _LEVELS.index(step.level)), 1):
        raised.append((f"Raised{place}", reading.predicates.write(one.when).text))
        level = f"iff(Raised{place}, {quoted(one.level)}, {level})"
    return raised, level


def default_of(parameter: ir.Parameter) -> str:
    """A parameter's default, as the `let` at the top has it."""
    value = parameter.default
    if isinstance(value, tuple):
        return f"datatable({PIECE}: string) [{', '.join(map(quoted, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str) else str(value)
