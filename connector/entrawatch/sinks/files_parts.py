"""The open part of a file: appended, committed, mended after a crash, and at last made into the file itself.

A part is JSON lines. Each batch ends with a commit line that gives the batch's length and CRC, so that after a crash
whatever follows the last whole batch is known and cut off. The file is written beside the part, flushed to the disk
and renamed to its name; only then is the part removed. So at every moment the committed events stand in exactly one
place that counts: the file where it exists, the part where it does not.
"""

from __future__ import annotations

import os
import re
import zlib
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Optional

from entrawatch.errors import StateError
from entrawatch.sinks.files_formats import COMMIT, FORMATS, event_lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: stream, when it was opened, number: sorts by time, and is used once
_NAME = re.compile(r"(?P<stream>.+)-(?P<opened>\d{8}T\d{6}Z)-(?P<number>\d{6,})\.(?P<ending>[a-z.]+)")
_TIME = "%Y%m%dT%H%M%SZ"
#: owner writes, group reads: the events are personal data
_MODE = 0o640


def sync_folder(folder: Path) -> None:
    """Make names created in or moved into a folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _commit_line(length: int, crc: int) -> bytes:
    return b"%s%d %08x\n" % (COMMIT, length, crc)


def committed_length(path: Path) -> int:
    """How much of a part is whole batches."""
    good, here, crc = 0, 0, 0
    with path.open("rb") as part:
        for line in part:
            if not line.startswith(COMMIT):
                crc = zlib.crc32(line, crc)
            elif line == _commit_line(here - good, crc):
                good, crc = here + len(line), 0
            else:
                break
            here += len(line)
    return good


class Part:
    """One open part.

    :param file: the file it will become; the part stands beside it, ending in `.part`.
    :ivar length: bytes committed.
    """

    def __init__(self, file: Path, *, length: int = 0) -> None:
        match = _NAME.fullmatch(file.name)
        if match is None or match["ending"] not in FORMATS:
            raise StateError(f"{file}: is no name of a file of ours")
        self.file = file
        self.path = file.with_name(file.name + ".part")
        self.stream, self.ending = match["stream"], match["ending"]
        self.opened = datetime.strptime(match["opened"], _TIME).replace(tzinfo=timezone.utc)
        self.length = self._appended = length
        self._handle: Optional[int] = None

    @classmethod
    def create(cls, folder: Path, stream: str, ending: str, opened: datetime, number: int) -> Part:
        """A new part; a number that is taken is passed over, so that no file is ever written over."""
        while True:
            part = cls(folder / f"{stream}-{opened.strftime(_TIME)}-{number:06d}.{ending}")
            with suppress(FileExistsError):
                if not part.file.exists():
                    part._open(os.O_CREAT | os.O_EXCL)
                    sync_folder(folder)
                    return part
            number += 1

    @property
    def number(self) -> int:
        """Its place in the order of files."""
        return int(self.file.name.split(".")[0].rpartition("-")[2])

    def append(self, lines: Sequence[bytes]) -> None:
        """Write a batch and see it to the disk; it counts once `keep` is called.

        :param lines: JSON texts without newline.
        """
        body = b"\n".join(lines) + b"\n"
        batch = body + _commit_line(len(body), zlib.crc32(body))
        self.trim()
        _write_all(self._open(), batch)
        os.fsync(self._open())
        self._appended = self.length + len(batch)

    def keep(self) -> None:
        """What was appended counts from here on."""
        self.length = self._appended

    def trim(self) -> None:
        """Cut off what does not count, and stand at the end of what does."""
        handle = self._open()
        if os.fstat(handle).st_size != self.length:
            os.ftruncate(handle, self.length)
        os.lseek(handle, self.length, os.SEEK_SET)

    def finish(self) -> None:
        """Become the file, or vanish where nothing was committed."""
        self.trim()
        self.release()
        if self.length:
            self._make_file()
        with suppress(FileNotFoundError):
            os.unlink(self.path)

    def release(self) -> None:
        """Close the handle; the part stays."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def _open(self, more: int = 0) -> int:
        if self._handle is None:
            self._handle = os.open(self.path, os.O_RDWR | more, _MODE)
        return self._handle

    def _make_file(self) -> None:
        beside = self.file.with_name(self.file.name + ".tmp")
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
        with os.fdopen(handle, "wb") as out, self.path.open("rb") as part:
            FORMATS[self.ending](event_lines(part), out)
            out.flush()
            os.fsync(out.fileno())
        os.replace(beside, self.file)
        sync_folder(self.file.parent)


def numbers(folder: Path) -> int:
    """The highest number any file of ours in a folder has; 0 where there is none."""
    names = (_NAME.match(path.name) for path in folder.iterdir())
    return max((int(match["number"]) for match in names if match), default=0)


def recover(folder: Path) -> list[Part]:
    """The parts a stopped or killed run left, mended: whole batches only, none that already is a file."""
    for rest in folder.glob("*.tmp"):
        if _NAME.fullmatch(rest.name[: -len(".tmp")]):
            os.unlink(rest)
    parts = []
    for path in sorted(folder.glob("*.part")):
        file = path.with_name(path.name[: -len(".part")])
        if not _NAME.fullmatch(file.name):
            continue
        if file.exists():
            os.unlink(path)
        else:
            parts.append(Part(file, length=committed_length(path)))
    return parts
