"""A threshold and then another event, in one pass over both.

The windows of the first step hop as those of its own rule do: `mvrange` names the ends of all windows that an event
lies in, and `stats` puts a row into each group that one of its BY fields' values names
(https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/Stats), so that no event is copied. An event that
may follow has a slot of its own. After that only what reached the threshold is left, and what happened in the last
step; in the order of time `streamstats` tells each of these how long ago the last threshold was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.dialects.base import Unsupported
from entrawatch.dialects.spl_search import RANGE, Search, given, listed, seconds, single
from entrawatch.dialects.spl_text import Spl, all_of, any_of, name, word
from entrawatch.rules import ir

if TYPE_CHECKING:
    from entrawatch.dialects.spl_search import Result
    from entrawatch.rules.rule import Rule


def followed(made: Search, query: ir.FollowedQuery) -> Result:
    """The search's text and columns."""
    rule = made.rule
    if query.first.outside:
        raise Unsupported(query, "a baseline on the first step of a sequence")
    if set(query.same) - set(query.first.by) or {key.field for key in rule.keys} - set(_shared(query)):
        raise Unsupported(query, "a key, or what stays the same, is no part of the first step's group")
    made.base(ir.Or((query.first.where, query.then)))
    _slots(made, query)
    _reached(made, query)
    made.stats(made.measured_again(), made.columns)
    made.add(RANGE)
    made.assign(window_start=Spl(f"info_max_time-{seconds(query.within)}"), window_end=Spl("info_max_time"))
    return made.finished()


def _shared(query: ir.FollowedQuery) -> list[ir.FieldRef]:
    """What the steps have in common."""
    return [*query.same, *([query.among] if query.among else [])]


def _slots(made: Search, query: ir.FollowedQuery) -> None:
    """Which step an event is, and the slots it stands in."""
    first, tests, rule = query.first, made.tests, made.rule
    fields = dict.fromkeys([*first.by, *_shared(query)])
    _, counted = made.measure(first)
    made.add(RANGE)
    made.assign_all([(_called(rule, ref), tests.folded(single(ref))) for ref in fields])
    made.assign_all([*counted, *made.flags()])
    group = [given(_called(rule, ref)) for ref in first.by]
    shared = [given(_called(rule, ref)) for ref in _shared(query)]
    latest = Spl(f"_time>=info_max_time-{seconds(query.every + made.late)}")
    made.assign(
        starts=Spl(f"if({all_of([tests.write(first.where), *group])}, 1, 0)"),
        follows=Spl(f"if({all_of([tests.write(query.then), latest, *shared])}, 1, 0)"),
    )
    made.where(any_of([Spl("starts=1"), Spl("follows=1")]))
    step = seconds(first.every)
    made.assign(
        window=Spl(f"(floor(_time/{step})+1)*{step}"),
        own=Spl(f'"follows " . _time . " " . {made.names.value(made.names.id)}'),
    )
    windows = Spl(f"mvrange(window, window+{seconds(first.length)}, {step})")
    made.assign(slot=Spl(f"case(follows=0, {windows}, starts=0, own, true(), mvappend({windows}, own))"))


def _reached(made: Search, query: ir.FollowedQuery) -> None:
    """The windows that reach the threshold; then, in the order of time, what follows one of them."""
    first, rule = query.first, made.rule
    measure, _ = made.measure(first)
    groups = [_called(rule, field) for field in first.by]
    among = [_called(rule, field) for field in _shared(query) if field not in first.by]
    tried = [f"values({name(field)}) AS {name(field)}" for field in among]
    made.stats([*made.measured(measure), *tried], [*groups, "slot"])
    made.assign(follows=Spl('if(match(slot, "^follows "), 1, 0)'))
    made.where(any_of([Spl("follows=1"), Spl(f"{measure[0]}>={made.tests.value(first.measure.at_least)}")]))
    made.add(*[Spl(f"mvexpand {name(field)}") for field in among], Spl("sort 0 last_time, -follows"))
    made.assign(reached=Spl("if(follows=1, null(), last_time)"))
    shared = [_called(rule, field) for field in _shared(query)]
    made.add(Spl(f"streamstats max(reached) AS last_reached BY {listed(shared)}"))
    latest = Spl(f"last_reached>=last_time-{seconds(query.within)}")
    made.where(Spl("follows=1"), Spl("last_reached<last_time"), latest)


def _called(rule: Rule, ref: ir.FieldRef) -> str:
    """A field that the steps compare: under its key's name, or one that no shown field has."""
    return next((word(key.name) for key in rule.keys if key.field == ref), f"first_{word(ref.name)}")
