"""Sentinel's own part, played: what it does with a rule's query, run by run.

A run sees the records that are there by then and that were generated in the query period before it. Whether `now()` is
the end of that period, or five minutes later when the rule is really run, is told nowhere: both are played.

Reading a query's plan costs far more than its runs, so many stories are told in one workspace, weeks apart.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING, Any

import duckdb_kql
import pyarrow as pa
from duckdb_kql.engine import schema
from tests.rules.kql_rows import TABLES, described, row

from entrawatch.schema.streams import STREAMS
from entrawatch.schema.times import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: how much later than scheduled Sentinel runs a rule
DELAY = timedelta(minutes=5)
#: two stories are this far apart: further than any query looks back
APART = timedelta(days=35)
#: runs are at any offset, in each story at another
OFFSET = timedelta(minutes=2, seconds=17)
#: what Sentinel itself writes, as far as the workbook reads it
OWN = """
    CREATE TABLE SecurityAlert (TimeGenerated TIMESTAMP, SystemAlertId VARCHAR, ProviderName VARCHAR, AlertType VARCHAR,
        DisplayName VARCHAR, AlertSeverity VARCHAR);
    CREATE TABLE SecurityIncident (TimeGenerated TIMESTAMP, IncidentNumber INTEGER, Status VARCHAR,
        RelatedAnalyticRuleIds JSON);
"""
_TABLES = re.compile(rf'FROM "({"|".join(TABLES.values())})"')
#: what of a table a run sees
_SEEN = (
    r'FROM (SELECT * FROM "\1" WHERE "TimeGenerated" > runs.since AND "TimeGenerated" <= runs.until'
    r' AND "IngestedAt" <= runs.there)'
)


@dataclass(frozen=True)
class Run:
    """One run of a rule.

    :param real: whether `now` is the moment of the run itself, not the one that it was scheduled for.
    :param since: what it sees was generated after this,
    :param until: and by then,
    :param there: and is there by then.
    """

    story: int
    real: bool
    now: datetime
    since: datetime
    until: datetime
    there: datetime


@dataclass(frozen=True)
class Story:
    """Records, and how late each of them came; the last lateness holds for the rest."""

    records: Sequence[tuple[str, Mapping[str, Any]]]
    late: Sequence[timedelta] = (timedelta(0),)

    def rows(self, shift: timedelta) -> Iterable[tuple[str, list[Any]]]:
        """Table and row of each record that has a table, `shift` later than it was."""
        for place, (stream, record) in enumerate(self.records):
            if stream in TABLES:
                field = STREAMS[stream].time_field
                time = _time(record[field]) + shift
                moved = {**record, field: time.isoformat()}
                arrived = time + self.late[min(place, len(self.late) - 1)]
                yield TABLES[stream], [*row(TABLES[stream], moved), arrived.isoformat()]

    def times(self) -> list[datetime]:
        """When its records were generated."""
        return sorted(_time(record[STREAMS[stream].time_field]) for stream, record in self.records)


def _time(text: Any) -> datetime:
    time = parse(str(text))
    assert time is not None
    return time.astimezone(timezone.utc).replace(tzinfo=None)


class Sentinel:
    """A workspace in which these stories happen, one after the other."""

    def __init__(self, stories: Sequence[Story]) -> None:
        self.stories = stories
        self.connection = duckdb_kql.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute("SET threads = 1")
        filled: dict[str, list[list[Any]]] = defaultdict(list)
        for place, story in enumerate(stories):
            for table, one in story.rows(place * APART):
                filled[table].append(one)
        self.connection.execute(OWN)
        for table in TABLES.values():
            self.connection.execute(f"CREATE TABLE {table} ({described(table)}, IngestedAt TIMESTAMP)")
            if filled[table]:
                rows = pa.table({str(place): list(values) for place, values in enumerate(zip(*filled[table]))})
                self.connection.register("filled", rows)
                self.connection.execute(f"INSERT INTO {table} SELECT * FROM filled")

    def moments(self, every: timedelta, after: timedelta) -> list[list[datetime]]:
        """When the rule runs, story by story, by the story's own clock.

        :param after: how long behind the last record it goes on to run.
        """
        found = []
        for place, story in enumerate(self.stories):
            times = story.times()
            first = times[0] + OFFSET * (1 + 5 * place) % every
            found.append([first + turn * every for turn in range((times[-1] + after - first) // every + 1)])
        return found

    def alerts(
        self, query: str, every: timedelta, period: timedelta, after: timedelta
    ) -> tuple[list[list[dict[str, Any]]], list[list[dict[str, Any]]]]:
        """The result rows of the rule's runs, each an alert, story by story: where `now()` is the moment that a run was
        scheduled for, and where it is the real one. A row's `now` says which run it is of.
        """
        moments = [(now + place * APART, place) for place, own in enumerate(self.moments(every, after)) for now in own]
        runs = [Run(place, False, now, now - period, now, now + DELAY) for now, place in moments]
        runs += [Run(place, True, now, now - DELAY - period, now - DELAY, now) for now, place in moments]
        found: tuple[list[list[dict[str, Any]]], ...] = tuple([[] for _ in self.stories] for _ in range(2))
        for one in self._run(query, runs):
            found[one.pop("real")][one.pop("story")].append(one)
        return found[0], found[1]

    def hunt(self, query: str) -> list[dict[str, Any]]:
        """The result rows of a query that has no clock, over all that there is."""
        return self._run(query, [])

    def _run(self, text: str, runs: list[Run]) -> list[dict[str, Any]]:
        """All runs as one query of DuckDB, with a run's moments as columns."""
        translated = _translated(text)
        if runs:
            columns = {name: [getattr(run, name) for run in runs] for name in Run.__dataclass_fields__}
            self.connection.register("runs", pa.table(columns))
            translated = _TABLES.sub(_SEEN, translated.replace("$kqlnow", "runs.now"))
            translated = f"SELECT runs.story, runs.real, runs.now, found.* FROM runs, LATERAL ({translated}) AS found"
        result = self.connection.execute(translated)
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, values)) for values in result.fetchall()]


@cache
def _translated(text: str) -> str:
    text = text.replace("ingestion_time()", "IngestedAt")
    return str(duckdb_kql.to_sql(text, schema=_schema(), query_now="1901-02-03T04:05:06Z"))


@cache
def _schema() -> Any:
    return schema(Sentinel([]).connection)
