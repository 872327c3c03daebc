"""The dead letter: what could not become an event, or what a sink will never take, kept with the reason.

JSON lines: `{"time", "where", "reason", "item"}`. It is for a person to read and to send in again, so nothing in it is
ever deleted by us: when its files have reached their number, `keep` refuses, and the run stops with a clear message.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Optional

from entrawatch import jsontext
from entrawatch.clock import SystemClock
from entrawatch.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

    from entrawatch.interfaces import Clock

#: only the owner: it holds personal data, and records nobody has looked at yet
_MODE = 0o600


class DeadLetter:
    """Keeps items in `path`, and when it is full in `path` with .1, .2 … behind the name, oldest first.

    :param most_bytes: size from which on the next item begins a new file.
    :param most_files: files there may be; the one after that is refused.
    """

    def __init__(
        self, path: Path, *, clock: Optional[Clock] = None, most_bytes: int = 64 * 2**20, most_files: int = 16
    ) -> None:
        self.path = path
        self._clock = clock or SystemClock()
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._handle: Optional[int] = None
        self._lock = threading.Lock()
        #: items kept since it was opened
        self.kept = 0

    def keep(self, item: Any, reason: str, where: str) -> None:
        """Keep one item; it is on the disk when this returns.

        :param item: the record or event; bytes or text where it could not even be read.
        :param reason: what is wrong with it, one line.
        :param where: file and line, or tenant and stream.
        :raises StateError: the disk or the files' number is full. The item is not kept.
        """
        line = self._line(item, reason, where)
        with self._lock:
            try:
                self._append(line)
            except OSError as error:
                raise StateError(
                    f"dead letter {self.path}: {error.strerror or error}; "
                    "make room or mend its permissions, then start again"
                ) from error
            self.kept += 1

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._lock:
            self._release()

    def _line(self, item: Any, reason: str, where: str) -> bytes:
        time = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        entry = {"time": time, "where": where, "reason": reason, "item": item}
        try:
            return jsontext.dumps(entry) + b"\n"
        except (TypeError, ValueError, RecursionError):
            # What JSON cannot say is kept as Python shows it: this is the last place it can go.
            text = item.decode("utf-8", "backslashreplace") if isinstance(item, bytes) else _shown(item)
            return jsontext.dumps({**entry, "item": text}) + b"\n"

    def _append(self, line: bytes) -> None:
        if self._moved():
            self._release()
        handle = self._open()
        before = os.fstat(handle).st_size
        if before and before + len(line) > self._most_bytes:
            self._rotate()
            handle, before = self._open(), 0
        try:
            _write(handle, line)
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, before)
            raise

    def _open(self) -> int:
        if self._handle is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, _MODE)
            _mend(self._handle)
            _sync_folder(self.path.parent)
        return self._handle

    def _moved(self) -> bool:
        """Whether a person has moved or deleted the file that is open, as they are told to once they have read it."""
        try:
            return self._handle is not None and not os.path.samestat(os.fstat(self._handle), os.stat(self.path))
        except FileNotFoundError:
            return True

    def _rotate(self) -> None:
        taken = [number for number in range(1, self._most_files) if self._numbered(number).exists()]
        if len(taken) >= self._most_files - 1:
            raise StateError(
                f"dead letter {self.path}: all {self._most_files} files are full; "
                "look at what is in them, mend its cause, and move them away"
            )
        self._release()
        # The number behind the highest, not the first free one: the numbers tell the order.
        os.rename(self.path, self._numbered(max(taken, default=0) + 1))

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _release(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def _shown(item: Any) -> str:
    try:
        return repr(item)
    except RecursionError:
        return f"a {type(item).__name__}, nested too deep to show"


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _mend(handle: int) -> None:
    """Cut off a line that a crash left without its end: `keep` had not returned for it."""
    size = os.fstat(handle).st_size
    end = size
    while end and os.pread(handle, 1, end - 1) != b"\n":
        end -= 1
    if end != size:
        os.ftruncate(handle, end)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
