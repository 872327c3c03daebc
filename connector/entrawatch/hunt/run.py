"""The hunt: load, run every rule's SQL, gather findings."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable, Optional

import duckdb

from entrawatch.dialects.base import Compiled
from entrawatch.dialects.sql import Sql
from entrawatch.hunt.columns import columns
from entrawatch.hunt.findings import Finding, findings
from entrawatch.hunt.load import Loaded, Loader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from entrawatch.reading import Item
    from entrawatch.rules.catalogue import Catalogue

SOURCES = ("signin", "audit")


@dataclass(frozen=True)
class Hunt:
    """What a hunt found.

    :param refused: rules that SQL cannot say, with the reason.
    :param seconds: how long loading and each rule took.
    """

    findings: tuple[Finding, ...]
    loaded: Loaded
    rules: tuple[str, ...]
    refused: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def hunt(
    catalogue: Catalogue,
    items: Iterable[Item],
    *,
    since: Optional[datetime] = None,
    until: Optional[datetime] = None,
    progress: Optional[Callable[[int], None]] = None,
) -> Hunt:
    """Run a catalogue's rules over records.

    :param since: only findings that end behind it; earlier records still teach the baselines.
    :param until: only findings that begin before it.
    :param progress: called with the number of records read so far.
    """
    connection = duckdb.connect()
    try:
        connection.execute("SET TimeZone = 'UTC'")
        described = {
            source: columns(source, catalogue.rules.values(), catalogue.baselines.values()) for source in SOURCES
        }
        begun = time.perf_counter()
        loaded = Loader(connection, described, progress).load(items)
        seconds = {"loading": time.perf_counter() - begun}
        found, refused = _run(catalogue, connection, seconds)
    finally:
        connection.close()
    wanted = [one for one in found if (not since or one.end >= since) and (not until or one.start < until)]
    wanted.sort(key=lambda one: (-one.severity, one.start, one.rule.slug))
    return Hunt(tuple(wanted), loaded, tuple(catalogue.rules), refused, seconds)


def _run(
    catalogue: Catalogue, connection: duckdb.DuckDBPyConnection, seconds: dict[str, float]
) -> tuple[list[Finding], dict[str, str]]:
    dialect = Sql(catalogue.baselines)
    found: list[Finding] = []
    refused: dict[str, str] = {}
    for slug, rule in catalogue.rules.items():
        begun = time.perf_counter()
        answer = dialect.compile(rule)
        if isinstance(answer, Compiled):
            result = connection.execute(answer.text)
            names = [column[0] for column in result.description or []]
            found += findings(rule, [dict(zip(names, row)) for row in result.fetchall()])
        else:
            refused[slug] = answer.why
        seconds[slug] = time.perf_counter() - begun
    return found, refused
