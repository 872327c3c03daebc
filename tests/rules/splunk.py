"""A Splunk of the tests own: a case indexed in one of the two shapes, a rule searched for as it is scheduled."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from entrawatch.dialects.spl_schedule import schedule
from entrawatch.normalize.envelope import wrap
from entrawatch.rules import ir
from entrawatch.schema.streams import STREAMS

from .judge import EPOCH, Row, ceiling, fold
from .spl.engine import Engine, event
from .spl.values import values_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from entrawatch.dialects.base import Compiled
    from entrawatch.dialects.spl import SplDialect
    from entrawatch.rules.rule import Baseline, Rule

ENVELOPE = "azure:monitor:aad"
_MOMENT = timedelta(milliseconds=1)


def seconds(moment: datetime) -> float:
    return round((moment - EPOCH).total_seconds(), 3)


def index(rows: Iterable[Row], macros: Mapping[str, str], profile: str, nulls: str = "text", **more: Any) -> Engine:
    """The rows as the HEC sink would have shipped them."""
    return Engine([_indexed(row, profile, nulls) for row in rows], macros, nulls, **more)


def _indexed(row: Row, profile: str, nulls: str) -> dict[str, Any]:
    if profile != ENVELOPE:
        return event(row.event, seconds(row.time), f"entrawatch:{row.source}", nulls)
    stream = STREAMS[row.event["entra"]["stream"]]
    return event(wrap(row.record, stream, "tenant"), seconds(row.time), ENVELOPE, nulls)


def found(
    dialect: SplDialect,
    query: Compiled,
    rows: list[Row],
    *,
    near: Iterable[Row] | None = None,
    engine: Engine | None = None,
    **more: Any,
) -> list[dict[str, Any]]:
    """What the scheduled search finds over all the runs that can matter.

    :param near: the rows that may be in a finding; all, where not told.
    :param engine: where the rows are indexed already.
    """
    rule = query.rule
    engine = engine or index(rows, dialect.macros([rule]), dialect.profile, **more)
    results: list[dict[str, Any]] = []
    for start, end in ranges(rule, rows if near is None else list(near)):
        _refresh(engine, dialect, rule, rows, end)
        results += engine.run(query.text, seconds(start), seconds(end))
    return results


def ranges(rule: Rule, rows: list[Row]) -> list[tuple[datetime, datetime]]:
    """Each run's time range, for the runs in whose range a row lies."""
    times = {row.time for row in rows}
    made = schedule(rule)
    if isinstance(rule.query, ir.EventQuery) and rule.query.outside:
        # a baseline is exact as of its last refresh: here it is refreshed for each event
        return [(time, time + _MOMENT) for time in sorted(times)]
    if isinstance(rule.query, (ir.EventQuery, ir.FollowedQuery)):
        ends = {ceiling(time, made.every) for time in times}
    else:
        count = made.lookback // made.every
        ends = {ceiling(time, made.every) + turn * made.every for time in times for turn in range(count)}
    return [(end - made.lookback, end) for end in sorted(ends)]


def _refresh(engine: Engine, dialect: SplDialect, rule: Rule, rows: list[Row], end: datetime) -> None:
    """The baseline's lookup as of the window's end or the event; in a cold start, as of its first whole lookback."""
    outside = getattr(rule.query, "outside", None)
    if outside is None:
        return
    baseline = dialect.baselines[outside.baseline]
    moment = end - _MOMENT if isinstance(rule.query, ir.EventQuery) else end
    refresh(engine, dialect, baseline, _warm(baseline, rows, moment))


def refresh(engine: Engine, dialect: SplDialect, baseline: Baseline, moment: datetime) -> None:
    """Run the baseline's own search up to a moment."""
    text = dialect.baseline_search(baseline)
    engine.run(text, seconds(moment - baseline.lookback), seconds(moment))


def _warm(baseline: Baseline, rows: list[Row], moment: datetime) -> datetime:
    seen = [row.time for row in rows if row.source == baseline.source]
    return max(moment, min(seen) + baseline.lookback) if seen else moment


def keys(query: Compiled, results: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    """The keys of the results, folded as the judge folds them."""
    return {tuple(fold(row.get(key.name, "")) for key in query.rule.keys) for row in results}


def ids(results: list[dict[str, Any]]) -> set[str]:
    """The events of the results."""
    return {str(one) for row in results for one in values_of(row.get("event_ids"))}
