"""Splunk HEC, files, DuckDB and the modular input in the conformance suite."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import TYPE_CHECKING, Any, ClassVar
from xml.etree import ElementTree as ET

import pytest

from entrawatch.config.model import Secret, SinkConfig
from entrawatch.sinks import build

from .cases import SinkCase
from .events import event
from .fakes import FakeClock
from .hec_server import HecServer, code

if TYPE_CHECKING:
    from pathlib import Path


class HecCase(SinkCase):
    """A HEC server on loopback."""

    acknowledge = False
    poison = (event(666, user={"name": "poison"}), "Invalid data format")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.hec = HecServer(acknowledge=self.acknowledge, refuse=self.refused)
        self.hec.__enter__()

    @staticmethod
    def refused(item: Any) -> Any:
        return 6 if item["user"].get("name") == "poison" else None

    def make(self) -> Any:
        options = {"url": self.hec.url, "token": Secret(self.hec.token), "batch_events": 7}
        return build(SinkConfig("hec", "splunk_hec", options), state_dir=self.folder, clock=FakeClock())

    def stored(self) -> list[dict[str, Any]]:
        return self.hec.events()

    def break_it(self) -> bool:
        self.hec.faults.extend([code(503, 9)] * 50)
        return True

    def mend(self) -> None:
        self.hec.faults.clear()

    def tear_down(self) -> None:
        self.hec.__exit__()


class AcknowledgedHecCase(HecCase):
    acknowledge = True


class FilesCase(SinkCase):
    """A folder. What is not a file yet stands in the part, which is JSON lines with commit lines between."""

    options: ClassVar[dict[str, Any]] = {"format": "jsonl"}
    package = ""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        if self.package:
            pytest.importorskip(self.package)

    def make(self) -> Any:
        options = {"path": str(self.folder / "out"), **self.options}
        return build(SinkConfig("disk", "files", options), state_dir=self.folder, clock=FakeClock())

    def stored(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for path in sorted((self.folder / "out").iterdir()):
            if not path.name.startswith("."):
                found += read_file(path)
        return found


class JsonCase(FilesCase):
    options: ClassVar[dict[str, Any]] = {"format": "json"}


class GzipCase(FilesCase):
    options: ClassVar[dict[str, Any]] = {"format": "jsonl", "compress": True}


class CsvCase(FilesCase):
    options: ClassVar[dict[str, Any]] = {"format": "csv"}


class ParquetCase(FilesCase):
    options: ClassVar[dict[str, Any]] = {"format": "parquet"}
    package = "pyarrow"


class RotatingCase(FilesCase):
    """A new file for each batch."""

    options: ClassVar[dict[str, Any]] = {"format": "jsonl", "rotate_bytes": 1}


class DuckdbCase(SinkCase):
    """A database file, read with a connection of its own."""

    close_before_reading = True
    poison = ({**event(666), "event": {"dataset": "azure.signinlogs"}}, "has no event.id")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.duckdb = pytest.importorskip("duckdb")

    @property
    def path(self) -> Path:
        return self.folder / "events.duckdb"

    def make(self) -> Any:
        return build(SinkConfig("db", "duckdb", {"path": str(self.path)}), state_dir=self.folder)

    def stored(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        with self.duckdb.connect(str(self.path), read_only=True) as connection:
            return [json.loads(row[0]) for row in connection.execute("SELECT event FROM events").fetchall()]


class ModularInputCase(SinkCase):
    """Splunk's side of the pipe."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        pytest.importorskip("splunklib")
        self.pipe = _Pipe()

    def make(self) -> Any:
        from splunklib.modularinput import EventWriter

        from entrawatch.sinks.modular_input import ModularInputSink

        writer = EventWriter(self.pipe, io.StringIO())
        writer.header_written = bool(self.pipe.getvalue())
        return ModularInputSink("entra_logs://contoso", writer)

    def stored(self) -> list[dict[str, Any]]:
        text = self.pipe.getvalue()
        stream = ET.fromstring(text + "</stream>") if text else []
        return [json.loads(item.findtext("data") or "") for item in stream]

    def break_it(self) -> bool:
        self.pipe.broken = True
        return True

    def mend(self) -> None:
        self.pipe.broken = False


class _Pipe(io.StringIO):
    """Standard output, whose reader can go."""

    broken = False

    def write(self, text: str) -> int:
        if self.broken:
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(text)


def read_file(path: Path) -> list[dict[str, Any]]:
    """The events of one file of ours, whatever its format."""
    name = path.name
    if name.endswith(".part"):
        return [json.loads(line) for line in path.read_bytes().splitlines() if not line.startswith(b"#")]
    if name.endswith(".gz"):
        return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    if name.endswith(".jsonl"):
        *lines, rest = path.read_bytes().split(b"\n")
        assert rest == b"", "a file ends with a whole line"
        return [json.loads(line) for line in lines]
    if name.endswith(".json"):
        return list(json.loads(path.read_bytes()))
    if name.endswith(".parquet"):
        from pyarrow import parquet

        return [json.loads(text) for text in parquet.read_table(path).column("event").to_pylist()]
    return read_csv(path)


def read_csv(path: Path) -> list[dict[str, Any]]:
    """The events of a CSV file, as far as names and ids go: nested by their paths, all values text."""
    csv.field_size_limit(10**8)
    with path.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    return [
        {"event": {"id": row["event.id"]}, "entra": {"revision": int(row["entra.revision"])}, "row": row}
        for row in rows
    ]


CASES = [
    ("hec", HecCase),
    ("hec-acknowledged", AcknowledgedHecCase),
    ("jsonl", FilesCase),
    ("jsonl-gz", GzipCase),
    ("json", JsonCase),
    ("csv", CsvCase),
    ("parquet", ParquetCase),
    ("rotating", RotatingCase),
    ("duckdb", DuckdbCase),
    ("modular-input", ModularInputCase),
]
