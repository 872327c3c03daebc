"""The DuckDB sink: tables, types, the key, and what happens when the file is not ours alone."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from entrawatch.config.model import SinkConfig
from entrawatch.errors import SinkRefusedError, SinkUnavailableError
from entrawatch.sinks import build
from entrawatch.sinks import duckdb as duckdb_sink
from entrawatch.sinks.columns import FAMILIES, columns

from .events import event, events

duckdb = pytest.importorskip("duckdb")
QUERIES = Path(__file__).parents[2] / "content" / "queries" / "duckdb"


def sink_for(path: Path, **options: Any) -> Any:
    return build(SinkConfig("db", "duckdb", {"path": str(path), **options}), state_dir=path.parent)


def ask(path: Path, query: str) -> list[Any]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


def types(path: Path, table: str) -> dict[str, str]:
    query = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = "
    return dict(ask(path, f"{query} '{table}' ORDER BY ordinal_position"))


def test_each_family_has_a_table_with_the_field_table_s_columns_and_types(tmp_path: Path) -> None:
    path = tmp_path / "below" / "events.duckdb"
    sink = sink_for(path)
    sink.check()
    sink.close()
    for family in FAMILIES:
        assert list(types(path, family)) == [*(column.name for column in columns(family)), "event"]
    wanted = {"@timestamp": "TIMESTAMP WITH TIME ZONE", "status.errorCode": "BIGINT", "isInteractive": "BOOLEAN",
              "tags": "VARCHAR[]", "ipAddress": "VARCHAR", "location.geoCoordinates": "JSON"}  # fmt: skip
    assert wanted.items() <= types(path, "signin").items()


def test_values_stand_in_their_columns_with_their_types(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    sink = sink_for(path)
    sink.write([event(1, tags=["a", "b"]), event(2, stream="directory_audits"), event(3, stream="unheard_of")])
    sink.close()
    names = '"event.id", "@timestamp", "status.errorCode", "isInteractive", tags, "ipAddress", "userAgent"'
    row = ask(path, f"SELECT {names} FROM signin")
    assert row == [
        (
            "id-1",
            datetime.fromisoformat("2026-11-24T10:00:01.123000+00:00"),
            50126,
            True,
            ["a", "b"],
            "198.51.100.7",
            None,
        )
    ]
    found = ask(path, "SELECT family, \"event.id\", event->>'$.user.name' FROM events ORDER BY 2")
    assert found == [
        ("signin", "id-1", "user1@contoso.example"), ("audit", "id-2", "user2@contoso.example"),
        ("other", "id-3", "user3@contoso.example"),
    ]  # fmt: skip


def test_a_value_of_another_type_is_left_out_of_its_column_and_kept_in_the_event(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    sink = sink_for(path)
    odd = {"signinlogs": {"properties": {"status": {"error_code": "50126"}, "is_interactive": "yes", "user_id": [1]}}}
    assert sink.write([event(1, azure=odd, source={"port": 2**70})]).stored == 1
    sink.close()
    row = ask(
        path, 'SELECT "status.errorCode", "isInteractive", "userId", "source.port", event->\'$.azure\' FROM signin'
    )[0]
    assert row[:4] == (None, None, "[1]", None)
    assert '"50126"' in row[4]


def test_an_event_without_a_revision_is_the_first(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    sink = sink_for(path)
    bare = {"event": {"id": "x"}, "entra": {"stream": "interactive"}}
    assert (sink.write([bare]).stored, sink.write([bare]).duplicates) == (1, 1)
    sink.close()
    assert ask(path, 'SELECT "entra.revision" FROM signin') == [(1,)]


@pytest.mark.parametrize("identifier", [None, ""], ids=str)
def test_an_event_that_cannot_be_told_from_others_comes_back(tmp_path: Path, identifier: Any) -> None:
    sink = sink_for(tmp_path / "events.duckdb")
    result = sink.write([event(1), {"event": {"id": identifier}, "entra": {"stream": "interactive"}}])
    sink.close()
    assert (result.stored, len(result.rejected)) == (1, 1)


def test_times_of_an_earlier_version_get_their_zone(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    sink = sink_for(path)
    sink.write(events(2))
    sink.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute('ALTER TABLE signin ALTER "@timestamp" TYPE TIMESTAMP')
    later = sink_for(path)
    later.write(events(2, start=2))
    later.close()
    query = 'SELECT count(*), count(DISTINCT event->>\'$."@timestamp"\'), typeof(any_value("@timestamp")) FROM events'
    assert ask(path, query) == [(4, 4, "TIMESTAMP WITH TIME ZONE")]
    wrong = 'FROM events WHERE "@timestamp" IS DISTINCT FROM (event->>\'$."@timestamp"\')::TIMESTAMPTZ'
    assert ask(path, wrong) == []


@pytest.mark.parametrize("query", sorted(QUERIES.glob("*.sql")), ids=lambda path: path.stem)
def test_the_shipped_queries_tell_all_times_in_the_zone_of_the_session(tmp_path: Path, query: Path) -> None:
    path = tmp_path / "events.duckdb"
    sink = sink_for(path)
    sink.check()
    sink.close()
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'Europe/Berlin'")
        described = connection.execute(f"DESCRIBE {query.read_text(encoding='utf-8')}").fetchall()
    kinds = {name: kind for name, kind, *_ in described if kind.startswith("TIMESTAMP")}
    assert kinds.keys() >= {"window_start", "window_end", "first_event", "last_event"}
    assert set(kinds.values()) == {"TIMESTAMP WITH TIME ZONE"}


def test_columns_that_come_with_a_later_version_are_added(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    sink = sink_for(path)
    sink.write(events(2))
    sink.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP VIEW events")
        connection.execute('ALTER TABLE signin DROP COLUMN "userAgent"')
    later = sink_for(path)
    later.write(events(2, start=2))
    later.close()
    assert ask(path, 'SELECT count(*), count("userAgent") FROM signin') == [(4, 0)]


def test_a_file_another_process_holds_is_unavailable_until_it_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        sink = sink_for(path)
        with pytest.raises(SinkUnavailableError, match="another process has it open"):
            sink.write(events(1))
        holder.communicate()
    assert sink.write(events(1)).stored == 1
    sink.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    path.write_text("this is something else, and long enough to have a header " * 200)
    with pytest.raises(SinkRefusedError, match="give another path"):
        sink_for(path).write(events(1))
    assert path.read_text().startswith("this is something else")


def test_an_empty_file_left_by_a_kill_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    path.touch()
    sink = sink_for(path)
    assert sink.write([event(1)]).stored == 1
    sink.close()
    assert ask(path, "SELECT count(*) FROM signin") == [(1,)]


def test_a_batch_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second family's insert fails, after the first one's rows went in."""
    path = tmp_path / "events.duckdb"
    sink = sink_for(path)
    sink.write(events(1))
    batch = [*events(3, start=10), event(20, stream="directory_audits")]
    real = duckdb_sink._insert
    monkeypatch.setattr(
        duckdb_sink,
        "_insert",
        lambda family: real(family) if family == "signin" else "SELECT error($1[1])",
    )
    with pytest.raises(SinkUnavailableError):
        sink.write(batch)
    monkeypatch.undo()
    assert sink.write(batch).stored == 4
    sink.close()
    assert ask(path, "SELECT count(*) FROM events") == [(5,)]


def test_memory_can_be_bounded(tmp_path: Path) -> None:
    sink = sink_for(tmp_path / "events.duckdb", memory_bytes=256 * 2**20)
    assert sink.write(events(100)).stored == 100
    sink.close()


def test_the_files_are_not_for_all_to_read(tmp_path: Path) -> None:
    former = os.umask(0o022)
    try:
        sink = sink_for(tmp_path / "events.duckdb")
        for number in range(3):
            sink.write([event(number)])
            modes = {path.name: path.stat().st_mode & 0o007 for path in tmp_path.iterdir()}
            assert set(modes) == {"events.duckdb", "events.duckdb.wal"}
            assert set(modes.values()) == {0}
        sink.close()
    finally:
        os.umask(former)
