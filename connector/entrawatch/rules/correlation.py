"""Sigma correlations: a count over the events of one plain rule, read into the same typed form as the catalogue's.

https://sigmahq.io/sigma-specification/specification/sigma-correlation-rules-specification.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Optional, Union

from sigma.correlations import SigmaCorrelationRule

from entrawatch.rules import ir
from entrawatch.rules.catalogue import duration
from entrawatch.rules.conditions import by_pysigma
from entrawatch.rules.faults import Faults, Refused
from entrawatch.rules.names import resolver
from entrawatch.rules.steps import step_of
from entrawatch.words import near

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from entrawatch.rules.conditions import Resolve
    from entrawatch.rules.rule import Rule

_KEYS = ("type", "rules", "generate", "group-by", "timespan", "aliases", "condition")
_COUNTS = ("event_count", "value_count")
_LONGEST = timedelta(days=365)


@dataclass(frozen=True)
class Faulty:
    """A rule that was read and has faults.

    :param where: its line and file.
    :param source: signin or audit; "" where that is one of its faults.
    """

    where: str
    source: str


def window_of(
    said: Any, plain: Mapping[str, Union[Rule, Faulty]], faults: Faults
) -> Optional[tuple[Rule, ir.WindowQuery]]:
    """The rule that a `correlation` counts over, and the count; None where it has faults, which are noted.

    :param plain: the rules it can name, by name and id.
    """
    if not isinstance(said, dict):
        faults.add("correlation", f"it is a mapping with {', '.join(_KEYS)}")
        return None
    before = len(faults.lines)
    for key in said:
        if key not in _KEYS:
            faults.add(f"correlation.{key}", f"a correlation has no such key; {near(str(key), _KEYS)}")

    def part(key: str, read: Callable[[Any], Any]) -> Any:
        try:
            return read(said.get(key))
        except Refused as refusal:
            faults.add(f"correlation.{key}", str(refusal))

    kind = part("type", _kind)
    part("aliases", _no_aliases)
    part("generate", _generate)
    base = part("rules", lambda names: _only(names, plain))
    source = base.source if base else _source_of(said.get("rules"), plain)
    resolve = resolver(source) if source else None
    by = part("group-by", lambda names: _fields(names, resolve))
    length = part("timespan", _length)
    measure = part("condition", lambda condition: _measure(condition, kind, resolve))
    if len(faults.lines) > before:
        return None
    try:
        by_pysigma(lambda: SigmaCorrelationRule.from_dict({"title": "x", "correlation": said}))
    except Refused as refusal:
        faults.add("correlation", str(refusal))
        return None
    return base, ir.WindowQuery(_where(base), by, measure, length, step_of(length))


def names_in(said: Any) -> tuple[str, ...]:
    """The names of the rules that a correlation counts over and which are no rules of their own beside it."""
    if not isinstance(said, dict) or said.get("generate") is True:
        return ()
    return tuple(map(str, _listed(said.get("rules"))))


def _listed(said: Any) -> list[Any]:
    return [] if said is None else said if isinstance(said, list) else [said]


def _kind(said: Any) -> str:
    if said not in _COUNTS:
        raise Refused(f"{said} has no exact form in every language; it takes {' or '.join(_COUNTS)}")
    return str(said)


def _no_aliases(said: Any) -> None:
    if said:
        raise Refused("every spelling of a field is one field here; name it in group-by, and leave aliases out")


def _generate(said: Any) -> None:
    if not isinstance(said, (bool, type(None))):
        raise Refused("it is true (the rule it counts over is one of its own, too) or false")


def _source_of(said: Any, plain: Mapping[str, Union[Rule, Faulty]]) -> str:
    """What the rule that is counted over reads, though it cannot be counted over; "" where that is not known."""
    names = [name for name in _listed(said) if isinstance(name, str) and name in plain]
    return plain[names[0]].source if names else ""


def _only(said: Any, plain: Mapping[str, Union[Rule, Faulty]]) -> Rule:
    names = _listed(said)
    if len(names) != 1:
        raise Refused(f"a count is over the events of one rule, and here are {len(names)}; name one")
    name = names[0]
    if not isinstance(name, str) or name not in plain:
        raise Refused(f"{name} is the name or id of no rule that was read with it, or of a correlation")
    found = plain[name]
    if isinstance(found, Faulty):
        raise Refused(f"{name} ({found.where}) has faults of its own; they come first")
    _where(found)
    return found


def _where(rule: Rule) -> ir.Predicate:
    if not isinstance(rule.query, ir.EventQuery) or rule.query.outside:
        raise Refused(f"{rule.title} is no rule on single events alone, and only those are counted over")
    return rule.query.where


def _fields(said: Any, resolve: Optional[Resolve]) -> tuple[ir.FieldRef, ...]:
    names = _listed(said)
    if not names:
        raise Refused("a count over a whole tenant is no finding about anything; name at least one field")
    found: dict[ir.FieldRef, None] = {}
    refused: list[str] = []
    for name in names:
        try:
            found[_field(name, resolve)] = None
        except Refused as refusal:
            refused.append(str(refusal))
    if refused:
        raise Refused("; ".join(refused))
    return tuple(found)


def _field(name: Any, resolve: Optional[Resolve]) -> ir.FieldRef:
    """The field; where it is not known of which source, only whether it is a name."""
    if not isinstance(name, str):
        raise Refused(f"{name} is no field's name")
    return resolve(name) if resolve else ir.FieldRef(name)


def _length(said: Any) -> timedelta:
    """
    :raises Refused: it is none, or months and years, which have no length of their own.
    """
    if not isinstance(said, str) or not re.fullmatch(r"[1-9][0-9]{0,8}[smhdwMy]", said):
        raise Refused(f"{said} is no timespan; it takes a number and s, m, h, d or w, as 1h")
    if said[-1] in "My":
        raise Refused(f"{said} is none of a fixed length; write it in days")
    length = 7 * duration(f"{said[:-1]}d") if said[-1] == "w" else duration(said)
    if length < timedelta(minutes=5) or length % timedelta(minutes=1) or length > _LONGEST:
        raise Refused(f"{said}: it takes at least five minutes, in whole minutes, and at most 365 days")
    return length


def _measure(said: Any, kind: Optional[str], resolve: Optional[Resolve]) -> ir.Count | ir.Distinct:
    if not isinstance(said, dict):
        raise Refused("it is a mapping, as {gte: 5}; value_count names its field beside it")
    condition = dict(said)
    field = condition.pop("field", None)
    at_least = _at_least(condition)
    if kind == "event_count" and field is not None:
        raise Refused("event_count counts events, and no field; take value_count for the values of one")
    if kind != "value_count":
        return ir.Count(at_least)
    if not isinstance(field, str):
        raise Refused("field: it counts the values of one field; name it beside the number")
    return ir.Distinct(_field(field, resolve), at_least)


def _at_least(condition: dict[Any, Any]) -> int:
    ((operator, bound), *more) = condition.items() or [("nothing", "")]
    if more or operator not in {"gte", "gt"}:
        raise Refused("only one of gte and gt is a threshold that a growing count can reach once and for all")
    if type(bound) is not int or not 1 <= bound + (operator == "gt") < 10**9:
        raise Refused(f"{operator} {bound} is no threshold; it takes a whole number that one event can miss")
    return bound + (operator == "gt")
