"""The state file: what it keeps, and every way in which it can be unusable."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Callable

import pytest

from entrawatch.errors import StateError
from entrawatch.ingest import opening
from entrawatch.ingest.keys import TIMELESS, time_prefix
from entrawatch.ingest.position import Job, Position, Span
from entrawatch.ingest.store import Entry, Known, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with_store = Store(tmp_path / "state.db")
    yield with_store
    with_store.close()


def entry(time: int, name: bytes = b"a", revision: int = 1, content: bytes = b"h") -> Entry:
    return Entry(time_prefix(time) + name * 12, content * 16, revision, time)


def test_positions_last(tmp_path: Path) -> None:
    store = Store(tmp_path / "folder" / "state.db")
    position = store.feed("acme", "interactive", "splunk")
    assert position == Position(1)
    position.begin, position.marks = 5, [50, 40, 30]
    position.jobs = [Job("hole", 1, 9, 4), Job("backfill", 0, 5, 5)]
    store.save([position])
    store.close()
    store.close()
    store = Store(tmp_path / "folder" / "state.db")
    again = store.feed("acme", "interactive", "splunk")
    assert sorted(again.jobs, key=lambda job: job.kind) == sorted(position.jobs, key=lambda job: job.kind)
    assert (again.begin, again.marks) == (5, [50, 40, 30])
    assert store.feed("acme", "interactive", "elastic").feed != again.feed
    store.close()


def test_an_intent_is_unknown_until_it_is_confirmed_or_doubted(store: Store) -> None:
    feed = store.feed("acme", "interactive", "splunk").feed
    one, two = entry(1), entry(2)
    batch = store.intend(feed, [one])
    assert store.lookup(feed, [one.key]) == {}
    store.confirm(batch, feed, [one])
    store.doubt(store.intend(feed, [two]), feed, [two])
    assert store.lookup(feed, [one.key, two.key, b"never"]) == {
        one.key: Known(one.hash, 1, False, 1), two.key: Known(two.hash, 1, True, 2),
    }  # fmt: skip
    assert store.lookup(feed + 1, [one.key]) == {}


def test_a_batch_under_way_at_the_end_is_unsure_to_its_feed_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    first, second = store.feed("a", "s", "one").feed, store.feed("a", "s", "two").feed
    store.confirm(0, first, [entry(1, content=b"o")])
    store.intend(first, [entry(1, revision=2, content=b"n")])
    store.intend(second, [entry(1)])
    store.close()
    store = Store(tmp_path / "state.db")
    store.feed("a", "s", "one")
    key = entry(1).key
    assert store.lookup(first, [key])[key] == Known(b"n" * 16, 2, True, 1)
    assert store.lookup(second, [key]) == {}
    store.feed("a", "s", "two")
    assert store.lookup(second, [key])[key].unsure
    store.close()


def test_more_keys_than_one_statement_takes(store: Store) -> None:
    entries = [Entry(number.to_bytes(16, "big"), b"h" * 16, 1, 0) for number in range(1777)]
    store.confirm(0, 1, entries)
    assert len(store.lookup(1, [each.key for each in entries])) == 1777


def test_what_no_read_will_ask_for_is_forgotten(store: Store) -> None:
    store.confirm(0, 1, [entry(time) for time in range(0, 100, 10)])
    store.confirm(
        0, 1, [Entry(TIMELESS + b"old_________", b"h" * 16, 1, 20), Entry(TIMELESS + b"new_________", b"h" * 16, 1, 40)]
    )
    store.confirm(0, 2, [entry(10)])
    store.forget(1, 70, [Span(15, 31), Span(48, 50)], timeless=40)
    kept = [time for time in range(0, 100, 10) if store.lookup(1, [entry(time).key])]
    assert kept == [20, 30, 70, 80, 90]
    assert store.size(1) == 6
    assert store.lookup(1, [TIMELESS + b"new_________"])
    assert store.size(2) == 1


def damage_text(path: Path) -> None:
    path.write_text("this was no database at any time, and it is long enough to be read as one" * 20)


def damage_header(path: Path) -> None:
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_schema(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 3996 + path.read_bytes()[4096:])


def become_newer(path: Path) -> None:
    _pragma(path, "PRAGMA user_version=99")


def become_foreign(path: Path) -> None:
    _pragma(path, "PRAGMA application_id=7")


def _pragma(path: Path, sql: str) -> None:
    connection = sqlite3.connect(str(path))
    connection.execute(sql)
    connection.close()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_text, "cannot be used"), (damage_header, "cannot be used"), (damage_empty, "empty"),
        (damage_schema, "cannot be used"), (become_newer, "install the newer version"),
        (become_foreign, "not an Entrawatch"),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)  # fmt: skip
def test_a_state_that_cannot_be_read_is_an_error_and_stays_as_it_is(
    tmp_path: Path, damage: Callable[[Path], None], words: str
) -> None:
    path = tmp_path / "state.db"
    Store(path).close()
    damage(path)
    before = path.read_bytes()
    with pytest.raises(StateError, match=words) as caught:
        Store(path).feed("acme", "s", "k")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_a_folder_in_the_states_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()
    with pytest.raises(StateError, match="cannot be used"):
        Store(tmp_path / "state.db")


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be used"):
        Store(tmp_path / "file" / "state.db")


def test_damage_that_shows_later_is_an_error_too(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    store.confirm(0, 1, [Entry(os.urandom(16), b"h" * 16, 1, 0) for _ in range(5000)])
    store.close()
    content = bytearray((tmp_path / "state.db").read_bytes())
    content[8192:] = b"\x5a" * (len(content) - 8192)
    (tmp_path / "state.db").write_bytes(content)
    store = Store(tmp_path / "state.db")
    with pytest.raises(StateError, match="cannot be used"):
        store.lookup(1, [os.urandom(16) for _ in range(500)])
    store.close()


def test_a_second_holder_is_told_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    with pytest.raises(StateError, match="another process holds"):
        Store(tmp_path / "state.db")
    code = "import sys, pathlib; from entrawatch.ingest.store import Store; Store(pathlib.Path(sys.argv[1]))"
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "state.db")], capture_output=True, text=True, check=False
    )
    assert "another process holds" in other.stderr
    store.close()
    Store(tmp_path / "state.db").close()


def test_only_the_owner_may_read_the_state(tmp_path: Path) -> None:
    Store(tmp_path / "folder" / "state.db").close()
    assert (tmp_path / "folder" / "state.db").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in (tmp_path / "folder").iterdir()] == ["state.db"]


def test_an_older_state_is_brought_up_to_date_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "state.db")
    store.confirm(0, 1, [entry(1)])
    store.close()
    monkeypatch.setattr(opening, "UPGRADES", [*opening.UPGRADES, "ALTER TABLE feed ADD COLUMN note TEXT;"])
    for _ in range(2):
        store = Store(tmp_path / "state.db")
        assert store.lookup(1, [entry(1).key])
        store.close()
    monkeypatch.undo()
    with pytest.raises(StateError, match="version 2"):
        Store(tmp_path / "state.db")


def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path / "state.db").close()
    monkeypatch.setattr(opening, "UPGRADES", [*opening.UPGRADES, "DROP TABLE feed; ALTER TABLE nowhere ADD COLUMN x;"])
    with pytest.raises(StateError):
        Store(tmp_path / "state.db")
    monkeypatch.undo()
    store = Store(tmp_path / "state.db")
    assert store.feed("a", "b", "c").feed == 1
    store.close()


def test_a_full_disk_stops_the_run_and_does_not_advise_to_begin_anew(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    feed = store.feed("t", "s", "k").feed
    store._connection.execute("PRAGMA max_page_count=40")
    sure: list[int] = []

    def fill() -> None:
        for number in range(10_000):
            entries = [Entry(number.to_bytes(16, "big"), bytes(16), 1, 5)]
            store.confirm(store.intend(feed, entries), feed, entries)
            sure.append(number)

    with pytest.raises(StateError, match="make room") as caught:
        fill()
    assert "begin anew" not in str(caught.value)
    store.close()
    store = Store(tmp_path / "state.sqlite")
    assert store.size(feed) == len(sure)
    store.close()


def test_every_commit_lasts_a_power_failure(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    asked = [store._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert asked == ["wal", 2]
    store.close()
