"""Files: JSON lines, JSON, CSV or Parquet, one row of files for each stream, exact across crashes."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.errors import RecordError, SinkRefusedError, SinkUnavailableError
from entrawatch.interfaces import Rejected, WriteResult
from entrawatch.sinks.files_parts import Part, numbers, recover, sync_folder
from entrawatch.sinks.lines import encode, stream_of
from entrawatch.sinks.options import Option

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has none: there the person sees to it that one process writes
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from entrawatch.interfaces import Clock, Event, Observer

OPTIONS: Mapping[str, Option] = {
    "path": Option("path", "folder to write to; made where it is missing", required=True),
    "format": Option("choice", "format of the files", default="jsonl", choices=("jsonl", "json", "csv", "parquet")),
    "compress": Option("bool", "gzip for jsonl (Parquet is compressed by nature)", default=False),
    "rotate_bytes": Option("int", "begin a new file when one has this much JSON", default=256 * 2**20, least=1),
    "rotate_seconds": Option("float", "begin a new file when one is this old", default=86400.0, least=1),
    "rotate_daily": Option("bool", "begin a new file with each UTC day", default=True),
}
#: what a person must mend; any other fault of the disk may pass
_REFUSALS = (PermissionError, FileExistsError, NotADirectoryError, IsADirectoryError)


class FilesSink:
    """Events to files in one folder.

    What `write` returned for is on the disk, in a part (`NAME.part`) that becomes the file with the first write after
    it is full or old, and when the sink is closed. A batch that failed in the middle, or was cut off by a crash, leaves
    nothing behind.
    """

    deduplicates = False
    shape = "event"

    def __init__(self, name: str, options: Mapping[str, Any], *, clock: Clock) -> None:
        self.name = name
        self._folder: Path = options["path"]
        self._options = options
        self._ending = options["format"] + (".gz" if options["compress"] and options["format"] == "jsonl" else "")
        self._clock = clock
        self._parts: dict[str, Part] = {}
        self._number = 0
        self._held: Optional[int] = None
        self._mutex = threading.Lock()

    @classmethod
    def from_options(
        cls, name: str, options: Mapping[str, Any], *, state_dir: Path, observer: Observer, clock: Clock,
        stop: Optional[threading.Event] = None,
    ) -> FilesSink:  # fmt: skip
        """See `sinks.build`. Only `clock` is used: it tells when a file is old."""
        if options["format"] == "parquet":
            import pyarrow.parquet  # noqa: F401 - a missing package is said now and not at the first rotation
        return cls(name, options, clock=clock)

    def write(self, events: Sequence[Event]) -> WriteResult:
        """See the protocol.

        :raises SinkUnavailableError: the disk is full or does not answer.
        :raises SinkRefusedError: the folder may not be written, or another process writes to it.
        """
        lines: dict[str, list[bytes]] = {}
        rejected = []
        for event in events:
            try:
                lines.setdefault(stream_of(event), []).append(encode(event))
            except RecordError as error:
                rejected.append(Rejected(event, error.reason))
        with self._mutex:
            self._guarded(self._store, {stream: found for stream, found in lines.items() if found})
        return WriteResult(len(events) - len(rejected), rejected=tuple(rejected))

    def check(self) -> None:
        """Make the folder where it is missing, and see whether a file can be made in it."""
        self._guarded(self._try_folder)

    def close(self) -> None:
        """Make files of all parts, those of an earlier run that was killed too.

        :raises SinkUnavailableError: the disk is full: the parts stay, and the next run makes files of them.
        """
        with self._mutex:
            if self._held is None and not self._left_behind():
                return
            self._guarded(self._finish_all)

    def _guarded(self, action: Any, *given: Any) -> None:
        try:
            action(*given)
        except _REFUSALS as error:
            raise SinkRefusedError(f"sink {self.name}: {self._folder} cannot be written ({error.strerror})") from error
        except OSError as error:
            raise SinkUnavailableError(f"sink {self.name}: {self._folder}: {error.strerror or error}") from error

    def _store(self, lines: dict[str, list[bytes]]) -> None:
        if not lines:
            return
        self._hold()
        self._rotate()
        parts = []
        try:
            for stream, found in lines.items():
                parts.append(self._part(stream))
                parts[-1].append(found)
        except OSError:
            # Cut at once what was written; where the disk refuses that too, the next write or the next run cuts it.
            with suppress(OSError):
                for part in parts:
                    part.trim()
            raise
        for part in parts:
            part.keep()

    def _part(self, stream: str) -> Part:
        if stream not in self._parts:
            self._number += 1
            part = Part.create(self._folder, stream, self._ending, self._clock.now(), self._number)
            self._number = part.number
            self._parts[stream] = part
        return self._parts[stream]

    def _due(self, part: Part) -> bool:
        now = self._clock.now()
        return (
            part.length >= self._options["rotate_bytes"]
            or (now - part.opened).total_seconds() >= self._options["rotate_seconds"]
            or (self._options["rotate_daily"] and now.date() != part.opened.date())
        )

    def _rotate(self) -> None:
        # Before the batch is written, never after: a failure here must not make a stored batch look like a failed one.
        for stream, part in list(self._parts.items()):
            if part.length and self._due(part):
                self._finish(stream)

    def _finish(self, stream: str) -> None:
        self._parts[stream].finish()
        del self._parts[stream]

    def _hold(self) -> None:
        """Take the folder for this process, and mend what the last one left."""
        if self._held is not None:
            return
        self._make_folder()
        # The folder itself is locked, so that no lock file lies between the events.
        held = os.open(self._folder, os.O_RDONLY)
        try:
            self._lock(held)
            self._take_over()
        except BaseException:
            os.close(held)
            raise
        self._held = held

    def _lock(self, held: int) -> None:
        try:
            if fcntl is not None:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SinkRefusedError(
                f"sink {self.name}: another process writes to {self._folder}; give each its own folder"
            ) from None

    def _take_over(self) -> None:
        parts: dict[str, Part] = {}
        for part in recover(self._folder):
            if part.length and part.ending == self._ending and part.stream not in parts:
                parts[part.stream] = part
            else:
                part.finish()
        self._number = numbers(self._folder)
        self._parts = parts

    def _make_folder(self) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            sync_folder(self._folder.parent)

    def _try_folder(self) -> None:
        self._make_folder()
        probe = self._folder / f".entrawatch.{os.getpid()}.check"
        probe.write_bytes(b"")
        probe.unlink()

    def _left_behind(self) -> bool:
        return self._folder.is_dir() and any(self._folder.glob("*.part"))

    def _finish_all(self) -> None:
        self._hold()
        try:
            for stream in list(self._parts):
                self._finish(stream)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        for part in self._parts.values():
            part.release()
        self._parts = {}
        held, self._held = self._held, None
        if held is not None:
            os.close(held)
