"""What logs are long enough to judge: a rule with a baseline asks what was usual in the days before.

The rule's query judges the first days as of the end of the first lookback, lest a cold start flags everything. Logs
that do not reach that moment cannot be judged so: what the query gives there is kept apart, and told as not judged.
What follows a full lookback is judged as of its own time.

Nor do the logs say what is usual behind their end, though windows that hold the last events end as late as their length
behind it. The schedule is replayed up to the first run that sees all events, and what later ones alone find is dropped:
they hold no event that it did not hold, and only forgot the organisation's networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timezone
from typing import TYPE_CHECKING, Optional

from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    import duckdb

    from entrawatch.hunt.findings import Finding
    from entrawatch.rules.catalogue import Catalogue
    from entrawatch.rules.rule import Baseline, Rule

#: what people call a source's events
NAMES = {"signin": "sign-ins", "audit": "audit events"}


@dataclass(frozen=True)
class Span:
    """The times of a source's records.

    :param first: of those that have one; None where there is none.
    :param timeless: how many stand at the epoch, for want of a time that can be read, or at another impossible time.
    """

    first: Optional[datetime]
    last: Optional[datetime]
    timeless: int

    @property
    def empty(self) -> bool:
        """Whether there is no record at all."""
        return self.first is None and not self.timeless

    def holds(self, lookback: timedelta) -> bool:
        """Whether a whole lookback lies in the logs: then the query judges what is before its end as of that end.

        A record at the epoch moves that end there, where nothing is known.
        """
        return (
            self.first is not None
            and self.last is not None
            and not self.timeless
            and self.last - self.first >= lookback
        )

    def reached(self, moment: datetime, lookback: timedelta) -> bool:
        """Whether a lookback of logs lies before the moment, or the query judges it as of the end of the first one."""
        return self.first is not None and (moment - self.first >= lookback or self.holds(lookback))


def spans(
    connection: duckdb.DuckDBPyConnection,
    sources: Sequence[str],
    since: Optional[datetime] = None,
    until: Optional[datetime] = None,
) -> dict[str, Span]:
    """The span of each table, of which what lies in [since, until)."""
    query = """SELECT min("@timestamp") FILTER (timed), max("@timestamp") FILTER (timed), count(*) FILTER (NOT timed)
        FROM (SELECT "@timestamp", "@timestamp" > '1971-01-01' AND "@timestamp" < '9999-01-01' AS timed FROM {}
        WHERE ($1 IS NULL OR "@timestamp" >= $1) AND ($2 IS NULL OR "@timestamp" < $2))"""
    found = {}
    for source in sources:
        row = connection.execute(query.format(source), [since, until]).fetchone()
        first, last, timeless = row or (None, None, 0)
        found[source] = Span(first, last, timeless)
    return found


def minute(time: datetime) -> str:
    """The time as people read it."""
    return f"{time.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"


def whole(spans_: Mapping[str, Span]) -> Span:
    """The span of all sources together."""
    firsts = [span.first for span in spans_.values() if span.first]
    lasts = [span.last for span in spans_.values() if span.last]
    return Span(min(firsts, default=None), max(lasts, default=None), sum(span.timeless for span in spans_.values()))


def out_of_range(span: Span, since: Optional[datetime], until: Optional[datetime]) -> Iterator[str]:
    """A line where the logs end before the range that was asked for, or begin behind it."""
    if span.first is None or span.last is None:
        return
    if since and span.last < since:
        wrong = f"they end before --since, {minute(since)}"
    elif until and until <= span.first:
        wrong = f"they begin behind --until, {minute(until)}"
    else:
        return
    yield (
        f"the logs reach from {minute(span.first)} to {minute(span.last)}: {wrong}, so nothing can be found "
        "there; choose another range, or leave it out"
    )


def sorted_out(
    catalogue: Catalogue, found: Iterable[Finding], spans_: Mapping[str, Span]
) -> tuple[list[Finding], list[Finding]]:
    """The findings that were judged, and those that these logs are too short to judge."""
    last = whole(spans_).last
    judged: list[Finding] = []
    unjudged: list[Finding] = []
    for one in found:
        known = baseline_of(catalogue, one.rule)
        if known and last and _behind(one, last):
            continue
        moment = min(one.end, last) if last else one.end
        fits = known is None or spans_[known.source].reached(moment, known.lookback)
        (judged if fits else unjudged).append(one)
    return judged, unjudged


def _behind(finding: Finding, last: datetime) -> bool:
    """Whether its first window already ends behind the first run of the schedule that sees the last record."""
    query = finding.rule.query
    return isinstance(query, ir.WindowQuery) and finding.start + query.length - query.every > last


def notes(spans_: Mapping[str, Span]) -> Iterator[str]:
    """A line for each source with records that have no time."""
    for source, span in spans_.items():
        if span.timeless:
            yield (
                f"{NAMES[source]} without a time, or with an impossible one: {span.timeless}. A time that cannot be "
                "read is taken for 1970-01-01, so findings of that day may join what did not happen together"
            )


def baseline_of(catalogue: Catalogue, rule: Rule) -> Optional[Baseline]:
    """What the rule asks to be usual; None where it asks nothing."""
    outside = getattr(rule.query, "outside", None)
    return catalogue.baselines[outside.baseline] if outside else None
