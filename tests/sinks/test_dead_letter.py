"""The dead letter keeps what it is given, on the disk, for the owner, and refuses rather than forget."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from entrawatch.errors import StateError
from entrawatch.sinks.dead_letter import DeadLetter

from .fakes import FakeClock

if TYPE_CHECKING:
    from pathlib import Path


def kept(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_an_item_is_kept_with_time_place_and_reason_before_keep_returns(tmp_path: Path) -> None:
    path = tmp_path / "state" / "dead.jsonl"
    letter = DeadLetter(path, clock=FakeClock())
    letter.keep({"id": "1", "x": None}, "no time", "contoso/interactive")
    assert kept(path) == [
        {"time": "2026-11-24T12:00:00.000000Z", "where": "contoso/interactive", "reason": "no time",
         "item": {"id": "1", "x": None}}
    ]  # fmt: skip
    letter.keep("not json", "cannot be read", "export.json:17")
    assert letter.kept == 2
    letter.close()
    letter.close()
    letter.keep("again", "r", "w")
    letter.close()
    assert [entry["item"] for entry in kept(path)] == [{"id": "1", "x": None}, "not json", "again"]


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        letter = DeadLetter(tmp_path / "dead.jsonl", most_bytes=1)
        letter.keep("a", "r", "w")
        letter.keep("b", "r", "w")
        letter.close()
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        (b"\xff\x00raw", "\\xff\x00raw"), ({1, 2}, "{1, 2}"), ({"a": object}, "{'a': <class 'object'>}"),
        (nested(100_000), "a list, nested too deep to show"), ("\ud83d", None), (float("nan"), None),
    ],
)  # fmt: skip
def test_what_json_cannot_say_is_kept_as_text(tmp_path: Path, item: Any, shown: Any) -> None:
    path = tmp_path / "dead.jsonl"
    letter = DeadLetter(path)
    letter.keep(item, "odd", "here")
    letter.close()
    entry = kept(path)[0]
    assert entry["reason"] == "odd"
    assert shown is None or entry["item"] == shown


def test_full_files_are_numbered_and_the_last_one_refuses(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    letter = DeadLetter(path, most_bytes=200, most_files=3)
    for number in range(3):
        letter.keep({"n": number, "pad": "x" * 150}, "r", "w")
    with pytest.raises(StateError, match=r"all 3 files are full.*move them away"):
        letter.keep({"n": 3, "pad": "x" * 150}, "r", "w")
    names = ("dead.jsonl.1", "dead.jsonl.2", "dead.jsonl")
    assert [entry["item"]["n"] for name in names for entry in kept(tmp_path / name)] == [0, 1, 2]
    (tmp_path / "dead.jsonl.1").rename(tmp_path / "looked-at.jsonl")
    letter.keep({"n": 3, "pad": "x" * 150}, "r", "w")
    letter.close()
    assert kept(tmp_path / "dead.jsonl.3")[0]["item"]["n"] == 2, "the numbers tell the order"
    assert sorted(item.name for item in tmp_path.iterdir()) == [
        "dead.jsonl", "dead.jsonl.2", "dead.jsonl.3", "looked-at.jsonl",
    ]  # fmt: skip


def test_an_item_larger_than_a_file_is_kept(tmp_path: Path) -> None:
    letter = DeadLetter(tmp_path / "dead.jsonl", most_bytes=10)
    letter.keep("x" * 1000, "r", "w")
    letter.close()
    assert len(kept(tmp_path / "dead.jsonl")) == 1


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_is_said_and_leaves_no_torn_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "dead.jsonl"
    letter = DeadLetter(path)
    letter.keep("first", "r", "w")
    real = os.write

    def failing(handle: int, *data: Any) -> int:
        if data:
            real(handle, bytes(data[0])[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"entrawatch.sinks.dead_letter.os.{call}", failing)
    with pytest.raises(StateError, match="No space left on device; make room"):
        letter.keep("second", "r", "w")
    monkeypatch.undo()
    letter.keep("third", "r", "w")
    letter.close()
    assert [entry["item"] for entry in kept(path)] == ["first", "third"]


def test_a_line_a_crash_left_torn_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    for torn in (b'{"time": "20', b'{"item": "' + b"x" * 70_000):
        path.write_bytes(b'{"item": "whole"}\n' + torn)
        letter = DeadLetter(path)
        letter.keep("next", "r", "w")
        letter.close()
        assert [entry["item"] for entry in kept(path)] == ["whole", "next"]


@pytest.mark.parametrize("how", ["moved", "replaced", "deleted"])
def test_what_comes_after_the_file_was_taken_away_goes_to_a_new_one(tmp_path: Path, how: str) -> None:
    path = tmp_path / "dead.jsonl"
    letter = DeadLetter(path)
    letter.keep("first", "r", "w")
    if how == "deleted":
        path.unlink()
    else:
        path.rename(tmp_path / "looked-at.jsonl")
    if how == "replaced":
        path.write_bytes(b'{"item": "theirs"}\n')
    letter.keep("second", "r", "w")
    letter.close()
    assert [entry["item"] for entry in kept(path)] == [*(["theirs"] if how == "replaced" else []), "second"]


def test_a_place_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="dead letter"):
        DeadLetter(tmp_path / "file" / "dead.jsonl").keep("x", "r", "w")
