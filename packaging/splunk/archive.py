"""A folder as the archive that Splunk installs: the same bytes for the same files, whoever packs them and when."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def pack(app: Path, archive: Path, moment: int) -> None:
    """Write the app's folder as a gzipped tar.

    :param moment: every file's time, seconds since 1970.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in [app, *sorted(app.rglob("*"))]:
            member = tarfile.TarInfo(path.relative_to(app.parent).as_posix())
            member.mtime = moment
            if path.is_dir():
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(member)
            else:
                data = path.read_bytes()
                member.size, member.mode = len(data), 0o644
                tar.addfile(member, io.BytesIO(data))
    archive.parent.mkdir(parents=True, exist_ok=True)
    with archive.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as out:
        out.write(packed.getvalue())
