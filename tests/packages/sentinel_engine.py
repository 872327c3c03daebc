"""Sentinel's own part, played: what it does with a rule's query, run by run.

A run sees the records that are there by then and that were generated in the query period before it. Whether `now()` is
the end of that period, or five minutes later when the rule is really run, is told nowhere: both are played.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import duckdb_kql
import pyarrow as pa
from duckdb_kql.engine import schema

from entrawatch.dialects.kql_text import span

from ..rules.kql_engine import Workspace
from ..rules.kql_rows import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: how much later than scheduled Sentinel runs a rule
DELAY = timedelta(minutes=5)
_NAMES = re.compile(rf"\b({'|'.join(TABLES.values())})\b(?! = )")
_MOMENTS = pa.schema([("moment", pa.timestamp("us"))])


class Sentinel(Workspace):
    """A workspace whose records came in late.

    :param late: how late each record came, in the records' order; the last holds for the rest.
    """

    def __init__(self, records: Iterable[tuple[str, Mapping[str, Any]]], late: Iterable[timedelta] = ()) -> None:
        records, late = list(records), list(late) or [timedelta(0)]
        super().__init__(records)
        for table in TABLES.values():
            self.connection.execute(f"ALTER TABLE {table} ADD COLUMN IngestedAt TIMESTAMP")
            self.connection.execute(f"UPDATE {table} SET IngestedAt = TimeGenerated + INTERVAL '{late[-1]}'")
        for (stream, record), lateness in zip(records, late):
            if stream in TABLES:
                self.connection.execute(
                    f"UPDATE {TABLES[stream]} SET IngestedAt = TimeGenerated + ?::INTERVAL WHERE Id = ?",
                    [str(lateness), record["id"]],
                )

    def alerts(
        self, query: str, period: timedelta, moments: Iterable[datetime], now_is_late: bool = False
    ) -> list[dict[str, Any]]:
        """The result rows of these runs, a rule's alerts where each row is one."""
        return self._lateral(_within(query, period, now_is_late), moments)

    def hunt(self, query: str) -> list[dict[str, Any]]:
        """The result rows of a query that has no clock."""
        return self._lateral(query, [])

    def _lateral(self, text: str, moments: Iterable[datetime]) -> list[dict[str, Any]]:
        """All runs as one query of DuckDB, with the moment as a column."""
        translated = _translated(text)
        if "$kqlnow" in translated:
            table = pa.table({"moment": [one.replace(tzinfo=None) for one in moments]}, _MOMENTS)
            self.connection.register("runs", table)
            translated = f"SELECT found.* FROM runs, LATERAL ({translated.replace('$kqlnow', 'runs.moment')}) AS found"
        result = self.connection.execute(translated)
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, values)) for values in result.fetchall()]


def _within(query: str, period: timedelta, now_is_late: bool) -> str:
    """The query over what Sentinel lets it see: also nothing that is not there yet."""
    end = f"now() - {span(DELAY)}" if now_is_late else "now()"
    there = "now()" if now_is_late else f"now() + {span(DELAY)}"
    seen = f"TimeGenerated > {end} - {span(period)} and TimeGenerated <= {end} and IngestedAt <= {there}"
    return _NAMES.sub(rf"\1 | where {seen}", query)


@cache
def _translated(text: str) -> str:
    text = text.replace("ingestion_time()", "IngestedAt")
    return str(duckdb_kql.to_sql(text, schema=_schema(), query_now="1901-02-03T04:05:06Z"))


@cache
def _schema() -> Any:
    return schema(Sentinel([]).connection)
