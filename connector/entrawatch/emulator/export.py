"""The synthetic tenant as files: what `entrawatch simulate` leaves in a directory."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Optional

from entrawatch import jsontext
from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.errors import SinkRefusedError
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from entrawatch.emulator.records import Emitted
    from entrawatch.interfaces import Record

#: the labels' file
LABELS = "labels.jsonl"
#: the streams that the synthetic tenant fills; the older form of the interactive one is the server's to make
STREAM_NAMES = tuple(name for name, stream in STREAMS.items() if stream.default)


def write(
    options: TenantOptions,
    out_dir: Path,
    *,
    revisions: bool = False,
    progress: Optional[Callable[[int], None]] = None,
) -> dict[str, int]:
    """Write one `<stream>.jsonl` a stream and `labels.jsonl`: one JSON object a line, in Graph's beta shape.

    All files are complete before the first of them appears under its name; older ones of the same names are replaced.
    A label's line holds stream, id, scenario, case, group and keys.

    :param out_dir: made where it is missing.
    :param revisions: every form of a changed record, one line each, in place of the final one alone.
    :param progress: told the number of lines so far, every thousand lines.
    :returns: lines a file, by stream name, and "labels".
    :raises SinkRefusedError: the directory cannot be written.
    """
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".simulate-", dir=out_dir))
        try:
            counts = _fill(replace(options, changes=revisions), scratch, progress)
            for name in (*(f"{stream}.jsonl" for stream in STREAM_NAMES), LABELS):
                os.replace(scratch / name, out_dir / name)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SinkRefusedError(f"{out_dir}: {reason}; choose a directory that can be written") from error
    return counts


def _fill(options: TenantOptions, scratch: Path, progress: Optional[Callable[[int], None]]) -> dict[str, int]:
    counts = dict.fromkeys((*STREAM_NAMES, "labels"), 0)
    states: dict[tuple[str, str], Emitted] = {}
    with contextlib.ExitStack() as stack:
        files = {name: stack.enter_context((scratch / f"{name}.jsonl").open("wb")) for name in counts}
        for total, emitted in enumerate(generate(options), 1):
            if STREAMS[emitted.stream].snapshot and not options.changes:
                _keep_latest(states, emitted)
            else:
                _line(files, counts, emitted.stream, emitted.record)
            if emitted.label is not None:
                _line(files, counts, "labels", label_line(emitted))
            if progress is not None and total % 1000 == 0:
                progress(total)
        for emitted in states.values():
            _line(files, counts, emitted.stream, emitted.record)
        for file in files.values():
            file.flush()
            os.fsync(file.fileno())
    return counts


def _keep_latest(states: dict[tuple[str, str], Emitted], emitted: Emitted) -> None:
    """State objects are one an id, however often their state changes; there are few of them."""
    key = (emitted.stream, emitted.record["id"])
    if key not in states or states[key].arrives <= emitted.arrives:
        states[key] = emitted


def _line(files: Mapping[str, IO[bytes]], counts: dict[str, int], name: str, value: Record) -> None:
    files[name].write(jsontext.dumps(value) + b"\n")
    counts[name] += 1


def label_line(emitted: Emitted) -> Record:
    """What `labels.jsonl` says of a labelled record."""
    label = emitted.label
    if label is None:
        raise ValueError(f"{emitted.stream} {emitted.record['id']}: has no label")
    return {
        "stream": emitted.stream, "id": emitted.record["id"], "scenario": label.scenario, "case": label.case,
        "group": label.group, "keys": label.keys,
    }  # fmt: skip
