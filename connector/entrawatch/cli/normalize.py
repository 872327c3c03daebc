"""`entrawatch normalize`: records in any known shape → one common event a line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

from entrawatch.errors import ConfigError, RecordError

if TYPE_CHECKING:
    import argparse

    from entrawatch.schema.streams import Stream

NAME = "normalize"
HELP = "Turn records in any known shape into one common event a line, on standard output."
EXAMPLES = """\
  entrawatch normalize export.json logs/*.jsonl.gz > events.jsonl
  zcat insights-logs-*.gz | entrawatch normalize --dead-letter bad.jsonl -
  entrawatch normalize --format envelope signins.json     the shape that azure:monitor:aad has
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="files, folders, or - for standard input")
    parser.add_argument("--format", choices=("event", "envelope"), default="event")
    parser.add_argument("--stream", help="what the records are, where they do not tell it themselves")
    parser.add_argument("--tenant-id", default="", help="the tenant, where the records do not tell it")
    parser.add_argument("--preserve-original", action="store_true", help="keep each record's JSON in event.original")
    parser.add_argument("--dead-letter", type=Path, metavar="FILE", help="keep what is no record there, with its text")
    parser.add_argument("--strict", action="store_true", help="exit 1 when there was a bad record")


def run(arguments: argparse.Namespace) -> int:
    """Normalise; a bad record costs a line on standard error, and nothing else."""
    from entrawatch.jsontext import dumps
    from entrawatch.reading import Found, read

    render = _renderer(arguments)
    refuse = Refusals(arguments.dead_letter)
    write = sys.stdout.buffer.write
    try:
        for item in read(arguments.files):
            if not isinstance(item, Found):
                refuse(item.text, item.reason, item.where)
                continue
            try:
                write(dumps(render(item.record)) + b"\n")
            except RecordError as error:
                refuse(item.record, error.reason, item.where)
        sys.stdout.buffer.flush()
    finally:
        refuse.close()
    if refuse.unread:
        return 2
    return 1 if arguments.strict and refuse.count else 0


class Refusals:
    """Tells of what is no record, and keeps it where that is asked for."""

    def __init__(self, path: Optional[Path]) -> None:
        from entrawatch.sinks.dead_letter import DeadLetter

        self.count = 0
        #: files that could not be read at all
        self.unread = 0
        self._keep = DeadLetter(path) if path else None

    def __call__(self, item: Any, reason: str, where: Any) -> None:
        """One line: where, and why."""
        from entrawatch.cli.console import say
        from entrawatch.redaction import clean

        say(f"{clean(str(where))}: {clean(reason)}")
        self.count += 1
        if not where.line:
            self.unread += 1
        elif self._keep:
            self._keep.keep(item, reason, str(where))

    def close(self) -> None:
        """Let go of the file."""
        if self._keep:
            self._keep.close()


def _renderer(arguments: argparse.Namespace) -> Callable[[Any], Any]:
    from entrawatch.cli.fetch import stream_names
    from entrawatch.normalize import normalize
    from entrawatch.schema.streams import STREAMS

    names = stream_names(arguments.stream)
    if len(names) > 1:
        raise ConfigError(["--stream: is one stream; run it once for each"])
    stream = STREAMS[names[0]] if names else None
    if arguments.format == "envelope":
        return lambda record: envelope(record, stream, arguments.tenant_id)
    return lambda record: normalize(
        record, stream, tenant_id=arguments.tenant_id, preserve_original=arguments.preserve_original
    )


def envelope(record: Any, stream: Optional[Stream], tenant_id: str) -> Any:
    """The record in the shape of diagnostic settings; one that has it already stays as it is.

    :raises RecordError: nothing tells what it is, or it is in a shape that lost what the envelope needs.
    """
    from entrawatch.normalize import shapes
    from entrawatch.normalize.envelope import wrap

    opened = shapes.opened_as(record, stream)
    if opened.shape == shapes.ENVELOPE:
        return record
    if opened.shape == shapes.EVENT:
        raise RecordError("is a common event, which does not hold the record whole; give the records themselves")
    return wrap(dict(opened.props), opened.stream, tenant_id or str(opened.meta.get("tenantId") or ""))
