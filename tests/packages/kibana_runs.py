"""A rule of the import file as Kibana runs it: on its schedule, over what has arrived, with its alerts put together.

A run sees the documents whose `timestamp_override` lies between its start less `from`, and its start. One document
makes one alert, however often it is found; a row of an aggregation makes one each run; suppression folds an alert into
the one with the same values of `group_by` that is younger than its duration. What is told and what joins an alert
count together towards `max_signals`; a document that was told before does not.
(Kibana, security_solution/server/lib/detection_engine/rule_types: esql/esql.ts, esql/utils/generate_alert_id.ts,
utils/get_suppression…)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from entrawatch.dialects.esql_text import dataset
from rules import eql_engine, esql_engine, esql_runs
from rules.judge import Networks, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from entrawatch.rules.rule import Rule

Document = dict[str, Any]
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def span(text: str) -> timedelta:
    """now-15m, 15m → 15 minutes."""
    found = re.fullmatch(r"(?:now-)?(\d+)([smhd])", text)
    assert found, text
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def arriving(rows: list[Row], delay: Callable[[int, int], timedelta]) -> list[Document]:
    """The rows' documents, each with its arrival.

    :param delay: place among the rows by time, count of rows → how late it arrives.
    """
    ordered = sorted(rows, key=lambda row: row.time)
    made = []
    for place, row in enumerate(ordered):
        document = esql_runs.stored(row)
        document["event.ingested"] = document["@timestamp"] + delay(place, len(ordered))
        made.append(document)
    return made


@dataclass
class Kibana:
    """One enabled rule.

    :param line: the rule as it was imported.
    :param rows: the records, for what the baselines know.
    :param licensed: whether the subscription has alert suppression.
    """

    line: dict[str, Any]
    rule: Rule
    rows: list[Row]
    baselines: list[Any]
    licensed: bool = True
    #: when an alert was made, the row it was made of
    alerts: list[tuple[datetime, Document]] = field(default_factory=list)
    suppressed: int = 0
    #: runs that left something out
    cut: int = 0

    def __post_init__(self) -> None:
        self.interval, self.lookback = span(self.line["interval"]), span(self.line["from"])
        self._seen: set[Any] = set()
        self._networks = [Networks(one, self.rows) for one in self.baselines] if self._outside() else []
        if self.line["type"] == "esql":
            self._tree = esql_engine.parsed(self.line["query"], esql_runs.OLDEST, esql_runs.lookup_types())

    def _outside(self) -> bool:
        return getattr(self.rule.query, "outside", None) is not None

    def run(self, documents: list[Document], start: datetime, *, every: int = 1) -> None:
        """All runs of a schedule that begins at a moment, until nothing can be found any more.

        :param every: how many of the runs there are: 2 for every other one.
        """
        end = max(one["event.ingested"] for one in documents) + 8 * self.interval
        now = start
        while now <= end:
            self._once(documents, now)
            now += every * self.interval

    def _once(self, documents: list[Document], now: datetime) -> None:
        there = [one for one in documents if now - self.lookback <= one["event.ingested"] <= now]
        if not there:
            return
        most, told = self.line["max_signals"], 0
        # an ES|QL rule asks for more where some of the first were told before, up to three times as many
        for found in self._results(there, now)[: most * (3 if self.line["type"] == "esql" else 1)]:
            told += self._alert(found, now)
            if told == most:
                self.cut += 1
                break

    def _results(self, there: list[Document], now: datetime) -> list[Document]:
        if self.line["type"] == "eql":
            return eql_engine.run(self.line["query"], dataset(self.rule.source), there)
        seen = esql_engine.columns(there, self.line["query"])
        # a transform makes an address's row anew when it is seen again, and leaves it as it is until then
        known = esql_runs.lookups(self._networks, max(one["@timestamp"] for one in there))
        return esql_engine.Run(seen, now, known).result(self._tree)

    def _alert(self, found: Document, now: datetime) -> bool:
        """Whether it was told of, by an alert of its own or by one that it joins."""
        identity = (found["_id"], found["_index"], found["_version"]) if "_id" in found else None
        if identity in self._seen:
            return False
        if identity:
            self._seen.add(identity)
        if self.licensed and self._folded(found, now):
            self.suppressed += 1
        else:
            self.alerts.append((now, found))
        return True

    def _folded(self, found: Document, now: datetime) -> bool:
        said = self.line["alert_suppression"]
        lasts = timedelta(**{_UNITS[said["duration"]["unit"]]: said["duration"]["value"]})
        group = _group(found, said["group_by"])
        assert all(group), f"{said['group_by']}: a field is missing, and each alert would stand alone"
        return any(_group(one, said["group_by"]) == group and now - made < lasts for made, one in self.alerts)

    def found(self) -> list[tuple[str, ...]]:
        """The alerts' keys, as the judge folds them."""
        return [key for _, one in self.alerts for key in esql_keys(self.rule, [one])]


def esql_keys(rule: Rule, found: Iterable[Document]) -> set[tuple[str, ...]]:
    """The keys of results, EQL's or ES|QL's."""
    names = [esql_runs.column_of(key.field, rule.source).ecs for key in rule.keys]
    return {tuple(str("" if one.get(name) is None else one[name]).lower() for name in names) for one in found}


def _group(found: Document, names: list[str]) -> tuple[str, ...]:
    return tuple(str("" if found.get(name) is None else found[name]) for name in names)
