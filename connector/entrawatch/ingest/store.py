"""The checkpoint store: watermarks, what was seen, and what was about to be written.

One SQLite file a process. What a table holds:

- `feed`: one row a (tenant, stream, sink); all other rows name it by number, so no two feeds can meet in a key.
- `watermark`, `job`: the feed's position (`position.py`).
- `seen`: key, content hash and revision of each record the feed's sink was given and that may be read again. `unsure`
  marks one whose write was begun and not confirmed.
- `pending`: the write-ahead intent: one row a batch on its way to the sink, with the entries it will make in `seen`.

Bounded: `forget` drops what no sweep and no job will read again. Every method that changes something is one
transaction and lasts when it returns. Every failure of the database is a StateError.
"""

from __future__ import annotations

import sqlite3
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from entrawatch.ingest.keys import TIMELESS, time_prefix
from entrawatch.ingest.opening import connect, state_error
from entrawatch.ingest.position import Job, Position, Span, outside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_ENTRY = struct.Struct(">16s16sIq")
#: keys asked for in one statement; SQLite before 3.32 takes at most 999 parameters
_ASKED = 500
_LOOKUP = f"SELECT key, hash, revision, unsure, time FROM seen WHERE feed = ? AND key IN ({','.join('?' * _ASKED)})"  # noqa: S608 - question marks only
_SEE = "INSERT OR REPLACE INTO seen (feed, key, hash, revision, unsure, time) VALUES (?, ?, ?, ?, ?, ?)"


class Known(NamedTuple):
    """What `seen` says of a key."""

    hash: bytes
    revision: int
    unsure: bool
    time: int


class Entry(NamedTuple):
    """What `seen` will say of a key when the batch it goes out with is stored."""

    key: bytes
    hash: bytes
    revision: int
    time: int


class Store:
    """The open state of one process.

    :raises StateError: from every method; see `opening.connect` for what opening can meet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._connection = connect(path)

    def close(self) -> None:
        """Lets go of the file and of its lock. Safe to call twice."""
        with self._lock, self._guarded():
            self._connection.close()

    def feed(self, tenant: str, stream: str, sink: str) -> Position:
        """The position of a feed, made when it is new; a batch under way at the last run's end becomes unsure."""
        names = (tenant, stream, sink)
        with self._transaction() as run:
            run.execute("INSERT OR IGNORE INTO feed (tenant, stream, sink) VALUES (?, ?, ?)", names)
            number, begin = run.execute(
                "SELECT id, begin FROM feed WHERE tenant = ? AND stream = ? AND sink = ?", names
            ).fetchone()
            for batch, entries in run.execute("SELECT id, entries FROM pending WHERE feed = ?", (number,)).fetchall():
                self._resolve(batch, number, _ENTRY.iter_unpack(entries), unsure=True)
            marks = run.execute("SELECT at FROM watermark WHERE feed = ? ORDER BY sweep", (number,)).fetchall()
            jobs = run.execute("SELECT kind, start, end, at FROM job WHERE feed = ?", (number,)).fetchall()
        return Position(number, begin, [at for (at,) in marks], [Job(*job) for job in jobs])

    def save(self, positions: Iterable[Position]) -> None:
        """Writes whole positions, all or none."""
        with self._transaction() as run:
            for position in positions:
                feed = position.feed
                run.execute("UPDATE feed SET begin = ? WHERE id = ?", (position.begin, feed))
                run.execute("DELETE FROM watermark WHERE feed = ?", (feed,))
                run.execute("DELETE FROM job WHERE feed = ?", (feed,))
                run.executemany(
                    "INSERT INTO watermark (feed, sweep, at) VALUES (?, ?, ?)",
                    [(feed, sweep, mark) for sweep, mark in enumerate(position.marks)],
                )
                run.executemany(
                    "INSERT INTO job (feed, kind, start, end, at) VALUES (?, ?, ?, ?, ?)",
                    [(feed, job.kind, job.start, job.end, job.at) for job in position.jobs],
                )

    def lookup(self, feed: int, keys: Sequence[bytes]) -> dict[bytes, Known]:
        """What is known of these keys; keys never seen are absent."""
        found: dict[bytes, Known] = {}
        with self._lock, self._guarded():
            for first in range(0, len(keys), _ASKED):
                some = keys[first : first + _ASKED]
                asked = (feed, *some, *(b"",) * (_ASKED - len(some)))
                for key, *rest in self._connection.execute(_LOOKUP, asked):
                    found[key] = Known(*rest)
        return found

    def intend(self, feed: int, entries: Iterable[Entry]) -> int:
        """Notes that a batch is about to be written; the number is for `confirm` or `doubt`."""
        packed = b"".join([_ENTRY.pack(*entry) for entry in entries])
        with self._transaction() as run:
            return int(run.execute("INSERT INTO pending (feed, entries) VALUES (?, ?)", (feed, packed)).lastrowid or 0)

    def confirm(self, batch: int, feed: int, entries: Iterable[Entry]) -> None:
        """The batch is stored: its entries are seen, for good."""
        with self._transaction():
            self._resolve(batch, feed, entries, unsure=False)

    def doubt(self, batch: int, feed: int, entries: Iterable[Entry]) -> None:
        """The batch was given up: its records will be read again, and what they look like then decides."""
        with self._transaction():
            self._resolve(batch, feed, entries, unsure=True)

    def _resolve(self, batch: int, feed: int, entries: Iterable[Sequence[object]], *, unsure: bool) -> None:
        rows = [(feed, key, content, revision, unsure, time) for key, content, revision, time in entries]
        self._connection.executemany(_SEE, rows)
        self._connection.execute("DELETE FROM pending WHERE id = ?", (batch,))

    def forget(self, feed: int, horizon: int, keep: Iterable[Span], timeless: int) -> None:
        """Drops entries that will not be asked for again.

        :param horizon: entries of an earlier second go, but for those in the ranges of `keep`.
        :param timeless: of the entries whose keys carry no time, those last changed before this second go.
        """
        with self._transaction() as run:
            for span in outside(keep, horizon):
                edges = (feed, time_prefix(span.start), time_prefix(span.end))
                run.execute("DELETE FROM seen WHERE feed = ? AND key >= ? AND key < ?", edges)
            run.execute("DELETE FROM seen WHERE feed = ? AND key >= ? AND time < ?", (feed, TIMELESS, timeless))

    def size(self, feed: int) -> int:
        """How many records are remembered for a feed."""
        with self._lock, self._guarded():
            return int(self._connection.execute("SELECT count(*) FROM seen WHERE feed = ?", (feed,)).fetchone()[0])

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise state_error(self.path, error) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._guarded():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._commit()
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _commit(self) -> None:
        self._connection.execute("COMMIT")
