"""The files sink: formats, names, rotation, faults of the disk."""

from __future__ import annotations

import csv
import errno
import gzip
import json
import os
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from entrawatch.config.model import SinkConfig
from entrawatch.errors import ConfigError, SinkRefusedError, SinkUnavailableError
from entrawatch.sinks import build, files_parts
from entrawatch.sinks.files_formats import cell

from .case_here import read_file
from .events import HOSTILE_TEXTS, event, events
from .fakes import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

#: the full-width forms of = + - @
FULL_WIDTH = "\uff1d\uff0b\uff0d\uff20"


def sink_for(folder: Path, clock: Any = None, **options: Any) -> Any:
    config = SinkConfig("disk", "files", {"path": str(folder), **options})
    return build(config, state_dir=folder, clock=clock or FakeClock())


def written(folder: Path, **options: Any) -> list[Path]:
    """The files that a sink makes of a few events."""
    sink = sink_for(folder, **options)
    sink.write([event(1), event(2, stream="directory_audits"), event(3)])
    sink.close()
    return sorted(folder.iterdir())


@pytest.mark.parametrize(
    ("options", "ending"),
    [
        ({}, "jsonl"), ({"compress": True}, "jsonl.gz"), ({"format": "json"}, "json"), ({"format": "csv"}, "csv"),
        ({"format": "parquet"}, "parquet"), ({"format": "csv", "compress": True}, "csv"),
    ],
)  # fmt: skip
def test_each_stream_has_its_files_named_by_time_and_number(
    tmp_path: Path, options: dict[str, Any], ending: str
) -> None:
    assert [path.name for path in written(tmp_path, **options)] == [
        f"directory_audits-20261124T120000Z-000002.{ending}",
        f"interactive-20261124T120000Z-000001.{ending}",
    ]


def test_files_are_for_the_owner_and_the_group(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert {path.stat().st_mode & 0o777 for path in written(tmp_path)} == {0o640}
    finally:
        os.umask(before)


def test_json_lines_and_json_are_what_they_say(tmp_path: Path) -> None:
    lines = written(tmp_path / "a")[1].read_bytes()
    assert [json.loads(line) for line in lines.splitlines()] == [event(1), event(3)]
    assert lines.endswith(b"}\n")
    packed = written(tmp_path / "b", compress=True)[1].read_bytes()
    assert gzip.decompress(packed) == lines
    array = written(tmp_path / "c", format="json")[1].read_bytes()
    assert json.loads(array) == [event(1), event(3)]
    assert len(array.splitlines()) == 4, "one event a line"


def test_the_same_events_make_the_same_bytes(tmp_path: Path) -> None:
    for options in ({"compress": True}, {"format": "csv"}, {"format": "json"}, {"format": "parquet"}):
        name = options.get("format", "gz")
        one, two = (written(tmp_path / f"{name}{number}", **options) for number in (1, 2))
        assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def test_csv_columns_are_the_field_table_s_whatever_the_events_hold(tmp_path: Path) -> None:
    full = rows(written(tmp_path / "a", format="csv")[1])
    sink = sink_for(tmp_path / "b", format="csv")
    sink.write([{"event": {"id": "x"}, "entra": {"stream": "interactive", "revision": 1}}])
    sink.close()
    bare = rows(next((tmp_path / "b").iterdir()))
    assert list(full[0]) == list(bare[0])
    assert next(iter(full[0])) == "timestamp"
    assert list(full[0])[-1] == "other"
    wanted = {"timestamp": "2026-11-24T10:00:01.123Z", "event.id": "id-1", "event.duration": "125000000",
              "ipAddress": "198.51.100.7", "source.ip": "198.51.100.7", "status.errorCode": "50126",
              "isInteractive": "true", "user.name": "user1@contoso.example", "userAgent": "", "other": ""}  # fmt: skip
    assert {name: full[0][name] for name in wanted} == wanted


def test_csv_keeps_what_has_no_column(tmp_path: Path) -> None:
    sink = sink_for(tmp_path, format="csv")
    sink.write([event(1, brand={"new": {"field": 7}}, tags=["a", "b"])])
    sink.close()
    row = rows(next(tmp_path.iterdir()))[0]
    assert json.loads(row["other"]) == {"brand.new.field": 7}
    assert json.loads(row["tags"]) == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\ufeff=1", "\xa0=1", "\u200b=1",
        *(f"{sign}1" for sign in FULL_WIDTH),
        "|cmd", "%0A", *HOSTILE_TEXTS.values(),
    ],
)  # fmt: skip
def test_no_text_reaches_a_csv_as_a_formula(tmp_path: Path, text: str) -> None:
    sink = sink_for(tmp_path, format="csv")
    sink.write([event(1, user={"name": text}, message=text, brand={"new": text})])
    sink.close()
    found = rows(next(tmp_path.iterdir()))
    assert len(found) == 1, "no text breaks out of its cell"
    for value in found[0].values():
        assert value.lstrip(" \t\r\n\ufeff\xa0\u200b")[:1] not in {*"=+-@|%\t\r\n", *FULL_WIDTH}
        assert "\x00" not in value
    plain = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    assert found[0]["user.name"] in {plain, f"'{plain}"}


def test_a_harmless_text_and_a_number_stay_as_they_are() -> None:
    for value, text in [("a=b", "a=b"), ("", ""), (-5, "-5"), (1.5, "1.5"), (True, "true"), (None, ""), ([], "[]")]:
        assert cell(value) == text


def test_parquet_has_typed_columns_and_the_whole_event(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    sink = sink_for(tmp_path, format="parquet")
    odd = event(2, source={"ip": 5, "as": {"number": "64500"}, "port": 2**70}, tags="one")
    sink.write([event(1), {**odd, "@timestamp": "2026-11-24T12:00:00+02:00"}])
    sink.close()
    table = parquet.read_table(next(tmp_path.iterdir()))
    kinds = {name: str(table.schema.field(name).type) for name in ("@timestamp", "status.errorCode", "source.ip")}
    assert kinds == {"@timestamp": "timestamp[us, tz=UTC]", "status.errorCode": "int64", "source.ip": "string"}
    first, second = table.to_pylist()
    assert first["@timestamp"] == datetime(2026, 11, 24, 10, 0, 1, 123000, tzinfo=timezone.utc)
    assert (first["status.errorCode"], first["isInteractive"], first["source.as.number"]) == (50126, True, 64500)
    assert (second["source.ip"], second["source.as.number"], second["source.port"]) == ("5", None, None)
    assert (second["tags"], second["@timestamp"].hour) == (["one"], 10)
    assert json.loads(second["event"])["source"] == odd["source"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("options", "pause", "files"),
    [
        ({"rotate_bytes": 1}, 0, 3),
        ({"rotate_bytes": 10**6}, 0, 1),
        ({"rotate_seconds": 60}, 61, 3),
        ({"rotate_seconds": 60}, 40, 2),
        ({"rotate_daily": True}, 5 * 3600, 1),
        ({"rotate_daily": True}, 13 * 3600, 2),
        ({"rotate_daily": False, "rotate_seconds": 10**6}, 13 * 3600, 1),
    ],
)
def test_a_new_file_begins_with_size_age_and_day(
    tmp_path: Path, options: dict[str, Any], pause: float, files: int
) -> None:
    clock = FakeClock()
    sink = sink_for(tmp_path, clock, **options)
    for number in range(3):
        sink.write(events(2, start=2 * number))
        clock.sleep(pause)
    sink.close()
    found = names(tmp_path)
    assert len(found) == files
    stored = [item["event"]["id"] for name in found for item in read_file(tmp_path / name)]
    assert stored == [f"id-{number}" for number in range(6)], "names sort by time"


def test_no_file_is_ever_written_over(tmp_path: Path) -> None:
    tmp_path.joinpath("interactive-20261124T120000Z-000001.jsonl").write_text("theirs\n")
    for number in range(2):
        sink = sink_for(tmp_path)
        sink.write(events(1, start=number))
        sink.close()
    assert [path.read_text().count("id-") for path in sorted(tmp_path.iterdir())] == [0, 1, 1]
    assert len(names(tmp_path)) == 3


def test_a_part_of_a_killed_run_is_gone_on_with(tmp_path: Path) -> None:
    sink = sink_for(tmp_path)
    sink.write(events(2))
    part = next(tmp_path.glob("*.part"))
    left = part.read_bytes()
    sink.close()
    for path in tmp_path.iterdir():
        path.unlink()
    part.write_bytes(left + b'{"event": {"id": "torn')
    later = sink_for(tmp_path)
    later.write(events(1, start=2))
    later.close()
    assert names(tmp_path) == [part.name[: -len(".part")]]
    assert [item["event"]["id"] for item in read_file(next(tmp_path.iterdir()))] == ["id-0", "id-1", "id-2"]


def test_a_part_of_another_format_becomes_the_file_it_was_meant_for(tmp_path: Path) -> None:
    sink = sink_for(tmp_path, format="csv")
    sink.write(events(2))
    part = next(tmp_path.glob("*.part"))
    left = part.read_bytes()
    sink.close()
    next(tmp_path.glob("*.csv")).unlink()
    part.write_bytes(left)
    later = sink_for(tmp_path, format="jsonl")
    later.write(events(3, start=10))
    later.close()
    assert len(rows(next(tmp_path.glob("*.csv")))) == 2
    assert len(read_file(next(tmp_path.glob("*.jsonl")))) == 3
    assert len(names(tmp_path)) == 2


def test_a_part_that_already_is_a_file_is_not_gone_on_with(tmp_path: Path) -> None:
    """Killed between the file's renaming and the part's removal: the file is done, and stays as it was."""
    sink = sink_for(tmp_path)
    sink.write(events(2))
    part = next(tmp_path.glob("*.part"))
    left = part.read_bytes()
    sink.close()
    file = next(tmp_path.iterdir())
    before = file.read_bytes()
    part.write_bytes(left)
    later = sink_for(tmp_path)
    later.write(events(1, start=2))
    later.close()
    assert file.read_bytes() == before
    assert len(names(tmp_path)) == 2


def test_a_name_that_someone_took_meanwhile_is_passed_over(tmp_path: Path) -> None:
    sink = sink_for(tmp_path, rotate_bytes=1)
    sink.write(events(1))
    theirs = tmp_path / "interactive-20261124T120000Z-000002.jsonl"
    theirs.write_text("theirs\n")
    sink.write(events(1, start=1))
    sink.close()
    assert theirs.read_text() == "theirs\n"
    assert [name[-12:-6] for name in names(tmp_path)] == ["000001", "000002", "000003"]


def test_what_could_not_be_cut_off_at_once_never_reaches_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = sink_for(tmp_path)
    sink.write(events(2))
    real = os.write

    def torn(handle: int, data: Any) -> int:
        real(handle, bytes(data)[:100])
        raise OSError(errno.EIO, "Input/output error")

    def stuck(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files_parts.os, "write", torn)
    monkeypatch.setattr(files_parts.os, "ftruncate", stuck)
    with pytest.raises(SinkUnavailableError):
        sink.write(events(2, start=2))
    monkeypatch.undo()
    sink.close()
    assert [item["event"]["id"] for item in read_file(next(tmp_path.iterdir()))] == ["id-0", "id-1"]


@pytest.mark.parametrize(
    "tail",
    [
        b"", b"{", b'{"a": 1}\n', b'{"a": 1}\n#9 00000000\n', b"#9 ", b"\x00" * 5000, b'{"a": 1}\n#8 d9e6a2fc\n',
        b'{"a": 1}\n' * 3 + b"#27 zzzzzzzz\n", b"#0 00000000\n",
    ],
)  # fmt: skip
def test_whatever_follows_the_last_whole_batch_is_cut_off(tmp_path: Path, tail: bytes) -> None:
    sink = sink_for(tmp_path)
    sink.write(events(2))
    part = next(tmp_path.glob("*.part"))
    good = part.read_bytes()
    part.write_bytes(good + tail)
    length = files_parts.committed_length(part)
    assert part.read_bytes()[:length] == good or tail == b"#0 00000000\n"
    sink.close()


@pytest.mark.parametrize("flip", range(0, 1200, 97))
def test_a_batch_with_a_changed_byte_does_not_count(tmp_path: Path, flip: int) -> None:
    sink = sink_for(tmp_path)
    sink.write(events(2))
    part = next(tmp_path.glob("*.part"))
    data = bytearray(part.read_bytes())
    data[flip % len(data)] ^= 0x01
    part.write_bytes(bytes(data))
    assert files_parts.committed_length(part) == 0
    sink.close()


def test_two_processes_do_not_write_to_one_folder(tmp_path: Path) -> None:
    first, second = sink_for(tmp_path), sink_for(tmp_path)
    first.write(events(1))
    with pytest.raises(SinkRefusedError, match="another process"):
        second.write(events(1))
    second.check()
    first.close()
    assert second.write(events(1)).stored == 1
    second.close()
    assert len(names(tmp_path)) == 2


@pytest.mark.parametrize("call", ["write", "fsync", "open"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_full_disk_leaves_nothing_of_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """The batch has two streams, so the first one's events are on the disk already when the second one's fail."""
    sink = sink_for(tmp_path)
    sink.write(events(3))
    real, calls = getattr(os, call), []

    def failing(*given: Any, **more: Any) -> Any:
        calls.append(given)
        if len(calls) == 2:
            if call == "write":
                real(given[0], bytes(given[1])[:10])
            raise OSError(number, os.strerror(number))
        return real(*given, **more)

    batch = [*events(3, start=10), *events(3, start=20, stream="directory_audits")]
    monkeypatch.setattr(files_parts.os, call, failing)
    with pytest.raises(SinkUnavailableError, match=os.strerror(number)):
        sink.write(batch)
    monkeypatch.undo()
    on_disk = [item["event"]["id"] for path in tmp_path.glob("*.part") for item in read_file(path)]
    assert on_disk == ["id-0", "id-1", "id-2"]
    assert sink.write(batch).stored == 6
    sink.close()
    stored = sorted(item["event"]["id"] for path in tmp_path.iterdir() for item in read_file(path))
    assert stored == sorted(f"id-{n}" for n in [0, 1, 2, 10, 11, 12, 20, 21, 22])


def test_a_failed_rotation_does_not_lose_or_double_the_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = sink_for(tmp_path, rotate_bytes=1)
    sink.write(events(2))

    def failing(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files_parts.os, "replace", failing)
    with pytest.raises(SinkUnavailableError):
        sink.write(events(2, start=2))
    with pytest.raises(SinkUnavailableError):
        sink.close()
    monkeypatch.undo()
    later = sink_for(tmp_path)
    later.write(events(2, start=2))
    later.close()
    stored = [item["event"]["id"] for name in names(tmp_path) for item in read_file(tmp_path / name)]
    assert stored == [f"id-{number}" for number in range(4)]


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    for path in (file, file / "below"):
        for action in (lambda sink: sink.write(events(1)), lambda sink: sink.check()):
            with pytest.raises(SinkRefusedError, match="cannot be written"):
                action(sink_for(path))
    assert file.read_text() == "not a folder"


def test_a_missing_package_is_said_when_the_sink_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigError, match=r"pip install 'entrawatch\[parquet\]'"):
        sink_for(tmp_path, format="parquet")
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ConfigError, match=r"sinks\.db: .*pip install 'entrawatch\[duckdb\]'"):
        build(SinkConfig("db", "duckdb", {"path": "x"}), state_dir=tmp_path)


def test_a_stream_s_name_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    sink = sink_for(tmp_path / "out")
    streams: list[Any] = ["../../evil", "/etc/passwd", "", "a\x00b", "x" * 500, ".hidden", 7, None, {"a": 1}]
    for number, stream in enumerate(streams):
        sink.write([event(number, stream=stream)])
    sink.close()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    stored = [item["event"]["id"] for path in (tmp_path / "out").iterdir() for item in read_file(path)]
    assert sorted(stored) == [f"id-{number}" for number in range(9)]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="asks Linux which file a handle is")
def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_the_part_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = sink_for(tmp_path)
    sink.write(events(2))
    calls: list[str] = []
    sync, replace, unlink = os.fsync, os.replace, os.unlink

    def synced(handle: int) -> None:
        name = os.path.basename(os.readlink(f"/proc/self/fd/{handle}"))
        calls.append("sync " + (name.rpartition(".")[2] if name != tmp_path.name else "folder"))
        sync(handle)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("name"), replace(*names)))
    monkeypatch.setattr(os, "unlink", lambda name: (calls.append("part goes"), unlink(name)))
    sink.close()
    assert calls == ["sync tmp", "name", "sync folder", "part goes"]
