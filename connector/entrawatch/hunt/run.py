"""The hunt: load, run every rule's SQL, gather findings."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Callable, Optional, Union

import duckdb

from entrawatch.dialects.base import Compiled
from entrawatch.dialects.sql import Sql
from entrawatch.hunt.columns import columns
from entrawatch.hunt.findings import Finding, findings
from entrawatch.hunt.judged import Span, notes, out_of_range, sorted_out, spans, whole
from entrawatch.hunt.learning import unlearnt
from entrawatch.hunt.load import Loaded, Loader
from entrawatch.hunt.ranges import in_range
from entrawatch.hunt.unread import COLUMN, with_unread
from entrawatch.reading import files_in, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from entrawatch.reading import Item
    from entrawatch.rules.catalogue import Catalogue
    from entrawatch.rules.rule import Rule

SOURCES = ("signin", "audit")
#: reading processes: beyond them this one, which fills the database, is what one waits for
_MOST = 8


@dataclass(frozen=True)
class Hunt:
    """What a hunt found.

    :param rules: by name.
    :param refused: of these, those that SQL cannot say, with the reason; the others ran.
    :param notes: what to know when the findings are read, a line each.
    :param seconds: how long loading and each rule took.
    :param unlearnt: a line for each baseline that was not learnt yet at a time that was looked at.
    :param unjudged: what the logs are too short to judge; `unlearnt` says why.
    :param span: the times of all records that a rule reads; `looked` of those in the range that was asked for.
    :param since: from when on findings were asked for, None for all; `until` to when.
    """

    findings: tuple[Finding, ...]
    loaded: Loaded
    rules: Mapping[str, Rule]
    refused: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unlearnt: tuple[str, ...] = ()
    unjudged: tuple[Finding, ...] = ()
    span: Optional[Span] = None
    looked: Optional[Span] = None
    since: Optional[datetime] = None
    until: Optional[datetime] = None

    @property
    def ran(self) -> dict[str, Rule]:
        """The rules that ran."""
        return {slug: rule for slug, rule in self.rules.items() if slug not in self.refused}


def hunt(
    catalogue: Catalogue,
    items: Iterable[Item],
    *,
    since: Optional[datetime] = None,
    until: Optional[datetime] = None,
    progress: Optional[Callable[[int], None]] = None,
    running: Optional[Callable[[str], None]] = None,
) -> Hunt:
    """Run a catalogue's rules over records.

    :param since: only findings with an event then or later; what they rest on may begin earlier, and earlier records
        still teach the baselines.
    :param until: only findings with an event before it; with both, with an event between them.
    :param progress: called with the number of records read so far.
    :param running: called with the name of each rule before it runs.
    """
    return _hunt(catalogue, lambda loader: loader.load(items), since, until, progress, running)


def hunt_files(
    catalogue: Catalogue,
    paths: Sequence[Union[str, Path]],
    *,
    since: Optional[datetime] = None,
    until: Optional[datetime] = None,
    progress: Optional[Callable[[int], None]] = None,
    running: Optional[Callable[[str], None]] = None,
    processes: int = 0,
) -> Hunt:
    """The same over files, folders, and `-` for standard input; large files are read by several processes.

    :param processes: how many there may be; 0 is one a processor, 1 is this one alone.
    """
    if "-" in map(str, paths):
        return hunt(catalogue, read(paths), since=since, until=until, progress=progress, running=running)
    files = [file for path in paths for file in files_in(Path(path)) or [Path(path)]]
    many = processes or _processors()
    return _hunt(catalogue, lambda loader: loader.load_files(files, many), since, until, progress, running)


def _processors() -> int:
    mine = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return min(len(mine), _MOST)


def _hunt(
    catalogue: Catalogue,
    load: Callable[[Loader], Loaded],
    since: Optional[datetime],
    until: Optional[datetime],
    progress: Optional[Callable[[int], None]],
    running: Optional[Callable[[str], None]],
) -> Hunt:
    with _database() as connection:
        described = {
            source: columns(source, catalogue.rules.values(), catalogue.baselines.values()) for source in SOURCES
        }
        described["audit"] += (COLUMN,)
        begun = time.perf_counter()
        loaded = load(Loader(connection, described, progress))
        seconds = {"loading": time.perf_counter() - begun}
        found, refused = _run(catalogue, connection, seconds, running)
        reach, looked = spans(connection, SOURCES), spans(connection, SOURCES, since, until)
        found = with_unread(connection, found)
        found = in_range(found, connection, SOURCES, since, until)
    found.sort(key=lambda one: (-one.severity, one.first_event, one.last_event, one.rule.slug))
    judged, unjudged = sorted_out(catalogue, found, reach)
    ran = [slug for slug in catalogue.rules if slug not in refused]
    return Hunt(
        tuple(judged), loaded, catalogue.rules, refused, seconds,
        notes=(*out_of_range(whole(reach), since, until), *notes(reach)),
        unlearnt=tuple(unlearnt(catalogue, ran, unjudged, reach, looked)),
        unjudged=tuple(unjudged), span=whole(reach), looked=whole(looked), since=since, until=until,
    )  # fmt: skip


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
            connection.execute("SET enable_progress_bar = false")  # it would stand in standard output, among findings
            connection.execute("SET preserve_insertion_order = false")
            yield connection
        finally:
            connection.close()


def _run(
    catalogue: Catalogue,
    connection: duckdb.DuckDBPyConnection,
    seconds: dict[str, float],
    running: Optional[Callable[[str], None]],
) -> tuple[list[Finding], dict[str, str]]:
    dialect = Sql(catalogue.baselines)
    found: list[Finding] = []
    refused: dict[str, str] = {}
    for slug, rule in catalogue.rules.items():
        begun = time.perf_counter()
        if running:
            running(slug)
        answer = dialect.compile(rule)
        if isinstance(answer, Compiled):
            result = connection.execute(answer.text)
            names = [column[0] for column in result.description or []]
            found += findings(rule, [dict(zip(names, row)) for row in result.fetchall()])
        else:
            refused[slug] = answer.why
        seconds[slug] = time.perf_counter() - begun
    return found, refused
