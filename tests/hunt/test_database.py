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
from entrawatch.reading import Bad, Found, read
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


#: a file's own answer to the question which tables it has
MACRO = "CREATE MACRO duckdb_tables() AS TABLE SELECT 'main' AS schema_name, 'signin' AS table_name"
#: what would compute for ever, fill the memory, or read a file, were it read
HOSTILE = (
    "CREATE VIEW signin AS WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT n AS event FROM t",
    "CREATE VIEW events AS WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT n AS event FROM t",
    "CREATE VIEW audit AS SELECT repeat(a.range::VARCHAR, 9) AS event FROM range(100000000) a, range(100000000) b",
    "CREATE VIEW signin AS SELECT content AS event FROM read_text('SECRET')",
    "CREATE TABLE signin (n INT, event VARCHAR AS (n::VARCHAR)); INSERT INTO signin VALUES (1)",
    "CREATE SCHEMA s; CREATE TABLE s.signin (event VARCHAR)",
    "CREATE TABLE t (event JSON); INSERT INTO t VALUES ('{}'); CREATE VIEW signin AS FROM t; " + MACRO,
)


def read_events(events: list[Any]) -> Any:
    from entrawatch.reading import Found, Where

    return [Found(Where("-", n), event) for n, event in enumerate(events, 1)]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("CREATE TABLE t (a INT)", "is a DuckDB database, but none of our duckdb sink's; give exported logs"),
        ("CREATE TABLE signin (event VARCHAR); INSERT INTO signin VALUES ('[1]')", "holds no event"),
        ("CREATE TABLE signin (event VARCHAR); INSERT INTO signin VALUES ('{')", "holds no event"),
        ("CREATE TABLE signin (event VARCHAR); INSERT INTO signin VALUES (NULL)", "holds no event"),
        *[(made, "none of our duckdb sink's") for made in HOSTILE],
    ],
)
@pytest.mark.timeout(60)
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
        connection.execute("CREATE TABLE signin (event VARCHAR); INSERT INTO signin VALUES ('{}')")
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


@pytest.mark.timeout(60)
@pytest.mark.parametrize("made", HOSTILE[:2])
def test_a_view_of_others_beside_stored_events_is_not_asked(tmp_path: Path, made: str) -> None:
    """Nor is a macro that has the name of a function of DuckDB's."""
    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        connection.execute("CREATE TABLE audit (event JSON); INSERT INTO audit VALUES ('{\"a\": 1}')")
        connection.execute(MACRO)
        connection.execute(made)
    (item,) = read([tmp_path / "x.duckdb"])
    assert isinstance(item, Found)
    assert item.record == {"a": 1}


def test_a_hunt_through_a_database_that_is_written_to_ends_with_one_line_and_code_2(tmp_path: Path) -> None:
    database = stored(tmp_path / "x.duckdb", [])
    holding = f"import duckdb; c = duckdb.connect({str(database)!r}); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline()
        command = [sys.executable, "-m", "entrawatch.cli.main", "hunt", str(database)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        holder.communicate("\n", timeout=30)
    told, verdict = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert told.startswith(f"entrawatch: not read: {database}: another process has this database open; let it end")
    assert verdict == "entrawatch: no record was read; nothing was hunted"
