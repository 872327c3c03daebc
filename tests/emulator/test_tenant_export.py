"""The synthetic tenant as files: whole or not at all, final forms, and labels that lead to their records."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from entrawatch import jsontext
from entrawatch.emulator import export
from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.errors import SinkRefusedError
from entrawatch.schema.streams import STREAMS, default_streams

if TYPE_CHECKING:
    from pathlib import Path

    from entrawatch.interfaces import Record

OPTIONS = TenantOptions(seed=3, users=8, end=datetime(2026, 10, 9, tzinfo=timezone.utc))
NAMES = {f"{stream.name}.jsonl" for stream in default_streams()} | {"labels.jsonl"}


def lines(path: Path) -> list[Record]:
    return [jsontext.loads(line) for line in path.read_bytes().splitlines()]


def test_a_file_a_stream_and_the_labels(tmp_path: Path) -> None:
    counts = export.write(OPTIONS, tmp_path / "made" / "here")
    assert {path.name for path in (tmp_path / "made" / "here").iterdir()} == NAMES
    for name, count in counts.items():
        assert len(lines(tmp_path / "made" / "here" / f"{name}.jsonl")) == count > 0


def test_every_record_stands_once_in_its_last_form(tmp_path: Path) -> None:
    options = replace(OPTIONS, users=3, end=datetime(2026, 10, 15, tzinfo=timezone.utc))  # programs are risky again
    export.write(options, tmp_path)
    last: dict[tuple[str, str], Record] = {}
    for emitted in sorted(generate(options), key=lambda emitted: emitted.arrives):
        last[emitted.stream, emitted.record["id"]] = emitted.record
    written = {
        (stream, record["id"]): record
        for stream in STREAMS
        if STREAMS[stream].default
        for record in lines(tmp_path / f"{stream}.jsonl")
    }
    assert written == last
    assert sum(len(lines(tmp_path / f"{stream.name}.jsonl")) for stream in default_streams()) == len(last)


def test_with_revisions_every_form_is_there(tmp_path: Path) -> None:
    counts = export.write(OPTIONS, tmp_path, revisions=True)
    records = lines(tmp_path / "risky_users.jsonl")
    assert counts["risky_users"] == len(records)
    assert {record["riskState"] for record in records} > {"atRisk"}
    assert sum(counts.values()) > sum(export.write(OPTIONS, tmp_path / "final").values())


def test_labels_lead_to_records(tmp_path: Path) -> None:
    export.write(OPTIONS, tmp_path)
    for label in lines(tmp_path / "labels.jsonl"):
        assert list(label) == ["stream", "id", "scenario", "case", "group", "keys"]
    spray = [label for label in lines(tmp_path / "labels.jsonl") if label["scenario"] == "password-spray"]
    ids = {record["id"]: record for record in lines(tmp_path / "interactive.jsonl")}
    for label in spray:
        record = ids[label["id"]]
        assert all(record[name] == value for name, value in label["keys"].items())


def test_the_same_options_give_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        export.write(OPTIONS, tmp_path / name)
    for name in NAMES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_run_that_breaks_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "interactive.jsonl").write_text("older\n")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export.write(OPTIONS, tmp_path, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["interactive.jsonl"]
    assert (tmp_path / "interactive.jsonl").read_text() == "older\n"


def test_progress_counts_by_the_thousand(tmp_path: Path) -> None:
    told: list[int] = []
    export.write(OPTIONS, tmp_path, progress=told.append)
    assert told[:2] == [1000, 2000]


def test_a_place_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkRefusedError, match=r"file: .*; choose a directory") as caught:
        export.write(OPTIONS, tmp_path / "file")
    assert os.linesep not in str(caught.value)
