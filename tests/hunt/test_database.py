"""A DuckDB file is hunted through where our own sink wrote it, and refused in one line where it is another's."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from entrawatch import sinks
from entrawatch.clock import SystemClock
from entrawatch.config.model import SinkConfig
from entrawatch.hunt.run import hunt, hunt_files
from entrawatch.interfaces import Silent
from entrawatch.normalize import normalize
from entrawatch.reading import Bad, read
from entrawatch.schema.streams import STREAMS

from .test_hunt import CATALOGUE, found, tenant

if TYPE_CHECKING:
    from pathlib import Path


def stored(path: Path, events: list[Any]) -> Path:
    """The events in a database, as the sink leaves it."""
    config = SinkConfig("duckdb", "duckdb", {"path": path, "memory_bytes": None})
    sink = sinks.build(config, state_dir=path.parent, observer=Silent(), clock=SystemClock(), stop=threading.Event())
    sink.write(events)
    sink.close()
    return path


def test_what_the_sink_stored_is_hunted_through(tmp_path: Path) -> None:
    records, _ = tenant(1)
    audits = [normalize(record, STREAMS["directory_audits"]) for record in records["directory_audits"]]
    database = stored(tmp_path / "x.db", audits)
    before = database.read_bytes()
    result = hunt_files(CATALOGUE, [database])
    assert found(result) == found(hunt(CATALOGUE, read_events(audits)))
    assert len(result.findings) > 10
    assert (result.loaded.records["audit"], result.loaded.bad_count) == (len(audits), 0)
    assert database.read_bytes() == before


def read_events(events: list[Any]) -> Any:
    from entrawatch.reading import Found, Where

    return [Found(Where("-", n), event) for n, event in enumerate(events, 1)]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("CREATE TABLE t (a INT)", "is a DuckDB database, but none of our duckdb sink's; give exported logs"),
        ("CREATE VIEW events AS SELECT 1 AS other", "is a DuckDB database, but none of our duckdb sink's"),
        ("CREATE TABLE events (event VARCHAR); INSERT INTO events VALUES ('[1]')", "holds no event"),
        ("CREATE TABLE events (event VARCHAR); INSERT INTO events VALUES ('{')", "holds no event"),
        ("CREATE TABLE events (event VARCHAR); INSERT INTO events VALUES (NULL)", "holds no event"),
        ("CREATE VIEW events AS SELECT content AS event FROM read_text('SECRET')", "cannot be read"),
    ],
)
def test_another_database_is_one_line(tmp_path: Path, made: str, told: str) -> None:
    (tmp_path / "secret").write_text('{"secret": 1}', encoding="utf-8")
    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        connection.execute(made.replace("SECRET", str(tmp_path / "secret")))
    (item,) = read([tmp_path / "x.duckdb"])
    assert isinstance(item, Bad)
    assert told in item.reason
    assert "\n" not in item.reason


@pytest.mark.parametrize("reads", [True, False])
def test_others_may_read_a_database_meanwhile_and_one_that_is_written_to_is_one_line(
    tmp_path: Path, reads: bool
) -> None:
    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        connection.execute("CREATE TABLE events (event VARCHAR); INSERT INTO events VALUES ('{}')")
    opened = f"duckdb.connect({str(tmp_path / 'x.duckdb')!r}, read_only={reads})"
    holding = f"import duckdb; c = {opened}; print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline()
        (item,) = read([tmp_path / "x.duckdb"])
        holder.communicate("\n", timeout=30)
    assert isinstance(item, Bad) is not reads
    assert reads or item.reason.startswith("another process has this database open; ")


def test_a_damaged_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.duckdb").write_bytes(b"12345678DUCK" + b"x" * 5000)
    (item,) = read([tmp_path / "x.duckdb"])
    assert isinstance(item, Bad)
    assert "is a DuckDB database that cannot be read" in item.reason
