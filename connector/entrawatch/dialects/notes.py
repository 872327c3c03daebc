"""What a query's comments say beside its rule: when it runs and over what, what one of its rows is, what it must know.

All numbers are those of the rule and of the schedules that packages take, so that no comment gainsays a package. Each
function of a language gives its comments, a line each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from entrawatch.dialects.esql_baseline import lookup_name
from entrawatch.dialects.kql_schedule import schedule
from entrawatch.dialects.spl_schedule import reach
from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from entrawatch.rules.rule import Baseline, Rule

_ANY = "time range: any"
_ONE = "its rows of overlapping windows are one finding"
_RUNS = f"{_ONE}, over several runs too"
_HUNT = "older logs: entrawatch hunt"


def said(length: timedelta) -> str:
    """A span as people write it: 7d, 1h, 25h15m."""
    seconds = int(length.total_seconds())
    if seconds % 86400 == 0:
        return f"{seconds // 86400}d"
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)


def asked(rule: Rule, baselines: Mapping[str, Baseline]) -> Optional[Baseline]:
    """The baseline that a rule asks, if any."""
    outside = _outside(rule.query)
    return baselines[outside.baseline] if outside else None


def known(baseline: Baseline) -> str:
    """What a baseline's numbers mean, and which file says them."""
    return (
        f"{baseline.name} (baselines/{baseline.name}.yml in the catalogue): addresses, and their countries, from which "
        f"on at least {baseline.days} days of the {said(baseline.lookback)} before at least {baseline.users} persons "
        "a day signed in"
    )


def lookups(rule: Rule, baseline: Baseline) -> dict[str, str]:
    """Column → the lookup index that a rule's ES|QL takes it from, of all that a baseline knows."""
    outside = _outside(rule.query)
    country = {"country_days": lookup_name(baseline, "countries")} if outside and outside.country else {}
    return {"network_days": lookup_name(baseline, "networks"), **country}


# --- the languages ---


def spl(rule: Rule, baseline: Optional[Baseline]) -> list[str]:
    """Of a search that finds what the time range of its run holds."""
    query, (back, every) = rule.query, reach(rule.query)
    scheduled = f"every {said(every)} over the last {said(back)}: earliest={_earliest(back)} latest=@m"
    if isinstance(query, ir.EventQuery):
        return [f"{_ANY}; scheduled {scheduled}; {_row(rule)}", *_lookup(baseline)]
    if isinstance(query, ir.FollowedQuery):
        why = f"it finds what followed in the last {said(every)} of its time range; {_HUNT}"
    else:
        what = "pairs what lies anywhere in" if isinstance(query, ir.JoinQuery) else "counts over all of"
        windows = "windows apart: entrawatch hunt, or a catalogue rule's search in the Splunk app"
        why = f"it {what} its time range; for a longer one take what keeps {windows}"
    return [f"run {scheduled}; {why}", f"{_row(rule)}; {_RUNS}", *_lookup(baseline)]


def spl_alert(rule: Rule, baseline: Optional[Baseline], late: timedelta) -> list[str]:
    """Of a search that keeps windows apart by itself.

    :param late: how late an event may come and still be waited for.
    """
    query = rule.query
    if isinstance(query, ir.EventQuery):
        return [f"{_ANY}; {_row(rule)}", *_lookup(baseline)]
    if isinstance(query, ir.FollowedQuery):
        when = f"finds what followed in the last {said(query.every + late)} of its time range"
    elif isinstance(query, ir.JoinQuery):
        when = f"{_ANY}; pairs what one window of {said(query.length)} holds"
    else:
        when = f"{_ANY}; counts in windows of {said(query.length)}, one each {said(query.every)}"
    return [f"{when}; {_row(rule)}, its windows as one finding", *_lookup(baseline)]


def kql(rule: Rule, baseline: Optional[Baseline], period: timedelta, every: timedelta) -> list[str]:
    """Of a query that looks at what ended last.

    :param period: how far back a rule on single events looks that asks a baseline.
    :param every: how often such a rule is run.
    """
    query = rule.query
    if isinstance(query, ir.EventQuery) and not baseline:
        return [f"{_ANY}; {_row(rule)}"]
    last, rows = f"last {said(period)}", _row(rule)
    if not isinstance(query, ir.EventQuery):
        every, rows = query.every, f"{rows}; {_RUNS}"
        last = f"{said(_apart(query))} that ended with the last whole {said(every)}"
    run = f"looks at the {last}, whatever time range is chosen: run it every {said(every)}"
    older = f"{_HUNT}, or the hunting query that Sentinel has of each rule of the catalogue"
    return [f"{run}; {older}", rows, *_history(baseline, "of sign-ins before that")]


def sentinel(rule: Rule, baseline: Optional[Baseline], profile: str) -> list[str]:
    """Of the queries that Sentinel is given.

    :param profile: scheduled, nrt or hunting.
    """
    query = rule.query
    if profile == "nrt":
        return [f"run each minute over what was ingested in it; {_row(rule)}"]
    if profile == "scheduled":
        when = schedule(rule, baseline)
        run = f"run every {said(when.every)} over the last {said(when.period)}; older logs: the rule's hunting query"
        rows = "a row for each finding that the run before could not know"
        return [run, rows, *_history(baseline, "of sign-ins before what is judged")]
    if isinstance(query, ir.EventQuery):
        told = f"{_ANY}; {_row(rule)}"
    else:
        length = query.first.length if isinstance(query, ir.FollowedQuery) else query.length
        told = f"{_ANY}, in each window of {said(length)}; {_row(rule)}, all its windows together"
    return [told, *_history(baseline, "of sign-ins in the time range before what is judged")]


def esql(rule: Rule, baseline: Optional[Baseline], late: timedelta) -> list[str]:
    """Of a query of events in Elasticsearch.

    :param late: how long behind its time an event may arrive.
    """
    query = rule.query
    if isinstance(query, ir.EventQuery):
        told = [f"{_ANY}; a row for each event"]
    else:
        what = "stretch" if isinstance(query, ir.FollowedQuery) else "window"
        ended = f"looks at each {what} of {said(_apart(query))} that ended in the last {said(late)}"
        new = f"where something arrived in the last {said(3 * query.every)}"
        run = f"whatever time range is chosen: run it every {said(query.every)}; {_HUNT}"
        told = [f"{ended}, {new}, {run}", f"{_row(rule)}; its neighbouring windows are one"]
    if not baseline:
        return told
    joined = lookups(rule, baseline)
    days = f"{', '.join(joined)}: on how many days, up to now; from {baseline.days} on it is known"
    return [*told, known(baseline), f"{days}; transforms fill {' and '.join(joined.values())}; {_HUNT}"]


def eql(streams: str) -> list[str]:
    """Of an EQL query.

    :param streams: the data streams that it is run on.
    """
    return [f"index: {streams}; {_ANY}; a row for each event"]


def sql(rule: Rule, baseline: Optional[Baseline]) -> list[str]:
    """Of a query over all the rows of its tables."""
    query, rows = rule.query, _row(rule)
    if isinstance(query, ir.WindowQuery):
        rows += f" and each window of {said(query.length)}, one each {said(query.every)}, that reached the threshold"
    elif isinstance(query, ir.FollowedQuery):
        rows += f" and each {said(query.every)} in which it followed"
    if isinstance(query, (ir.WindowQuery, ir.FollowedQuery)):
        rows += f"; {_ONE}, as entrawatch hunt tells them"
    if not baseline:
        return [rows]
    first = f"the first {said(baseline.lookback)} of sign-ins are judged by what they themselves hold"
    short = "where there are no more, a row is no finding, and entrawatch hunt tells it apart as not judged"
    return [rows, known(baseline), f"{first}; {short}"]


# --- their parts ---


def _outside(query: ir.Query) -> Optional[ir.Outside]:
    return query.outside if isinstance(query, (ir.EventQuery, ir.WindowQuery)) else None


def _apart(query: ir.WindowQuery | ir.FollowedQuery | ir.JoinQuery) -> timedelta:
    """How far apart two events of one finding can be: in a window; in a sequence, from its first step on."""
    if isinstance(query, ir.FollowedQuery):
        return query.within + query.every + query.first.length
    return query.length


def _row(rule: Rule) -> str:
    """What a row is told apart by."""
    query = rule.query
    names = [ref.name for ref in query.by] if isinstance(query, ir.WindowQuery) else [key.name for key in rule.keys]
    return f"a row for each {', '.join(names)}"


def _earliest(back: timedelta) -> str:
    seconds = int(back.total_seconds())
    return f"-{seconds}s@s" if seconds % 60 else f"-{seconds // 60}m@m"


def _lookup(baseline: Optional[Baseline]) -> list[str]:
    """What SPL's baselines need: their lookup, which knows what it found when it was last refreshed."""
    if not baseline:
        return []
    filled = f"filled from {said(baseline.lookback)} of sign-ins and true as of its last refresh"
    return [known(baseline), f"needs its lookup, {filled}; {_HUNT}"]


def _history(baseline: Optional[Baseline], where: str) -> list[str]:
    return [known(baseline), f"needs {said(baseline.lookback)} {where}"] if baseline else []
