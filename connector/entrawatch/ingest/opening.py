"""Opening the state file: made whole or not at all, known by its number, held by one process, never taken for empty.

The file is an SQLite database. A new one is made beside its place and moved there when it is complete, so that an empty
file under the state's name is damage and not a beginning. `locking_mode=EXCLUSIVE` keeps SQLite's own lock for as
long as the connection lives: a second process is told so, and a killed one leaves nothing behind
(https://www.sqlite.org/pragma.html#pragma_locking_mode). `synchronous=FULL` makes every commit last a power failure
in WAL mode (https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

from entrawatch.errors import StateError, StateHeldError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: "Entw": tells our files from other SQLite databases
APPLICATION = 0x456E7477

#: SQLite's words for a place that is at fault, not the file (https://www.sqlite.org/rescode.html)
_PLACE = ("disk is full", "readonly", "No space", "Permission denied", "Read-only")

#: the first schema; times are whole seconds since 1970
_FIRST = """
CREATE TABLE feed (
    id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, stream TEXT NOT NULL, sink TEXT NOT NULL, begin INTEGER,
    UNIQUE (tenant, stream, sink));
CREATE TABLE watermark (
    feed INTEGER NOT NULL, sweep INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (feed, sweep)) WITHOUT ROWID;
CREATE TABLE job (
    feed INTEGER NOT NULL, kind TEXT NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (feed, kind, start, end)) WITHOUT ROWID;
CREATE TABLE seen (
    feed INTEGER NOT NULL, key BLOB NOT NULL, hash BLOB NOT NULL, revision INTEGER NOT NULL, unsure INTEGER NOT NULL,
    time INTEGER NOT NULL, PRIMARY KEY (feed, key)) WITHOUT ROWID;
CREATE TABLE pending (id INTEGER PRIMARY KEY, feed INTEGER NOT NULL, entries BLOB NOT NULL);
"""
#: one script a schema version: the n-th makes version n out of version n - 1
UPGRADES: Sequence[str] = (_FIRST,)


def connect(path: Path) -> sqlite3.Connection:
    """The state file's connection, exclusively ours, at the present schema version; the file is made when missing.

    :raises StateError: the file cannot be read, is not ours, is newer than we are, or another process holds it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _create(path)
        elif path.stat().st_size == 0:
            raise StateError(f"{path}: the state file is empty, which it never is unless damaged; restore it from a "
                             "backup, or move it away to begin anew")  # fmt: skip
        connection = _held(path)
    except (OSError, sqlite3.Error) as error:
        raise state_error(path, error) from error
    try:
        _check(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def state_error(path: Path, error: Exception) -> StateError:
    """One line about what the system said of the state file."""
    if "locked" in str(error):
        return StateHeldError(
            f"{path}: another process holds the state; stop it first, or give this one its own state_dir"
        )
    if any(word in str(error) for word in _PLACE):
        # Never "begin anew" here: the state is whole, and doing so would send a day's events a second time.
        return StateError(f"{path}: the state cannot be written ({error}); make room or mend the folder's permissions, "
                          "then start again")  # fmt: skip
    return StateError(f"{path}: the state cannot be used ({error}); restore it from a backup, or move it away to "
                      "begin anew")  # fmt: skip


def _create(path: Path) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    connection = sqlite3.connect(str(fresh), isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=FULL")
        _upgrade(connection, 0)
    finally:
        connection.close()
    _publish(fresh, path)


def _publish(fresh: Path, path: Path) -> None:
    """Gives the finished file its name, unless another process was first: then theirs is the state."""
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        if not path.exists():
            fresh.rename(path)
    fresh.unlink(missing_ok=True)
    _last(path.parent)


def _last(folder: Path) -> None:
    """Makes the new name last a power failure, where a folder can be synced (not on Windows)."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _held(path: Path) -> sqlite3.Connection:
    # The store's own lock lets one thread in at a time, so SQLite need not check for threads.
    connection = sqlite3.connect(str(path), timeout=0.2, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA cache_size=-8000")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _check(path: Path, connection: sqlite3.Connection) -> None:
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if application != APPLICATION:
            raise StateError(f"{path}: this is not an Entrawatch state file; give state_dir a folder of its own")
        if version > len(UPGRADES):
            raise StateError(f"{path}: the state has version {version}, this Entrawatch reads up to {len(UPGRADES)}; "
                             "install the newer version again")  # fmt: skip
        _upgrade(connection, version)
    except sqlite3.Error as error:
        raise state_error(path, error) from error


def _upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Brings the schema from that version to the present one, in one transaction a step."""
    for number, script in enumerate(UPGRADES[version:], version + 1):
        connection.executescript(
            f"BEGIN; {script} PRAGMA application_id={APPLICATION}; PRAGMA user_version={number}; COMMIT;"
        )
