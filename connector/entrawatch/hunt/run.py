"""The hunt: load, run every rule's SQL, gather findings."""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Callable, Optional, Union

import duckdb

from entrawatch.dialects.base import Compiled
from entrawatch.dialects.sql import Sql
from entrawatch.hunt.columns import columns
from entrawatch.hunt.findings import Finding, findings
from entrawatch.hunt.load import Loaded, Loader
from entrawatch.reading import files_in, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from entrawatch.reading import Item
    from entrawatch.rules.catalogue import Catalogue
    from entrawatch.rules.rule import Baseline, Rule

SOURCES = ("signin", "audit")
#: reading processes: beyond them this one, which fills the database, is what one waits for
_MOST = 8


@dataclass(frozen=True)
class Hunt:
    """What a hunt found.

    :param refused: rules that SQL cannot say, with the reason.
    :param notes: what to know when the findings are read, a line each.
    :param seconds: how long loading and each rule took.
    """

    findings: tuple[Finding, ...]
    loaded: Loaded
    rules: tuple[str, ...]
    refused: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


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
    return _hunt(catalogue, lambda loader: loader.load(items), since, until, progress)


def hunt_files(
    catalogue: Catalogue,
    paths: Sequence[Union[str, Path]],
    *,
    since: Optional[datetime] = None,
    until: Optional[datetime] = None,
    progress: Optional[Callable[[int], None]] = None,
    processes: int = 0,
) -> Hunt:
    """The same over files, folders, and `-` for standard input; large files are read by several processes.

    :param processes: how many there may be; 0 is one a processor, 1 is this one alone.
    """
    if "-" in map(str, paths):
        return hunt(catalogue, read(paths), since=since, until=until, progress=progress)
    files = [file for path in paths for file in files_in(Path(path)) or [Path(path)]]
    many = processes or _processors()
    return _hunt(catalogue, lambda loader: loader.load_files(files, many), since, until, progress)


def _processors() -> int:
    mine = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return min(len(mine), _MOST)


def _hunt(
    catalogue: Catalogue,
    load: Callable[[Loader], Loaded],
    since: Optional[datetime],
    until: Optional[datetime],
    progress: Optional[Callable[[int], None]],
) -> Hunt:
    with _database() as connection:
        described = {
            source: columns(source, catalogue.rules.values(), catalogue.baselines.values()) for source in SOURCES
        }
        begun = time.perf_counter()
        loaded = load(Loader(connection, described, progress))
        seconds = {"loading": time.perf_counter() - begun}
        found, refused = _run(catalogue, connection, seconds)
        first = _first(connection)
    wanted = [one for one in found if (not since or one.end >= since) and (not until or one.start < until)]
    wanted.sort(key=lambda one: (-one.severity, one.start, one.rule.slug))
    notes = tuple(unlearnt(catalogue, wanted, first))
    return Hunt(tuple(wanted), loaded, tuple(catalogue.rules), refused, seconds, notes)


@contextmanager
def _database() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database in memory; what does not fit goes to a folder of its own, which only we may read.

    Some of the machine's memory stays for the processes that read, and for others.
    """
    with TemporaryDirectory(prefix="entrawatch-hunt-") as folder:
        connection = duckdb.connect(config={"temp_directory": folder})
        try:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET memory_limit = '60%'")
            connection.execute("SET preserve_insertion_order = false")
            yield connection
        finally:
            connection.close()


def _first(connection: duckdb.DuckDBPyConnection) -> dict[str, Optional[datetime]]:
    """The time of the first record, by source."""
    # a record without a time stands at the epoch
    query = """SELECT min("@timestamp") FROM {} WHERE "@timestamp" > '1971-01-01'"""
    rows = {source: connection.execute(query.format(source)).fetchone() for source in SOURCES}
    return {source: row[0] if row else None for source, row in rows.items()}


def unlearnt(catalogue: Catalogue, found: Iterable[Finding], first: Mapping[str, Optional[datetime]]) -> Iterator[str]:
    """A line for each rule with findings from a time in which its baseline had seen too few days to know anything."""
    early = Counter(
        (one.rule.slug, known)
        for one in found
        if (known := _baseline(catalogue, one.rule)) and _too_early(one, first.get(known.source), known.days)
    )
    for (slug, known), count in early.items():
        yield (
            f"{slug}: {count} of its findings are from the first {known.days} days of these logs, when {known.name} "
            f"was not learnt yet; give {known.lookback.days} days more before them, and --since where to begin"
        )


def _too_early(one: Finding, begun: Optional[datetime], days: int) -> bool:
    return begun is None or one.start < begun + timedelta(days=days)


def _baseline(catalogue: Catalogue, rule: Rule) -> Optional[Baseline]:
    outside = getattr(rule.query, "outside", None)
    return catalogue.baselines[outside.baseline] if outside else None


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
