"""How `hunt` ends: its exit code, what its last lines say of what was left out, and numbers that add up."""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING, Any, Callable

import pytest

from entrawatch.cli import hunt

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Done

AUDIT = {
    "id": "Directory_1", "activityDateTime": "2026-01-07T09:00:00Z", "activityDisplayName": "Add application",
    "category": "ApplicationManagement", "result": "success", "targetResources": [],
}  # fmt: skip
SIGN_IN = {
    "id": "s1", "createdDateTime": "2026-01-07T09:00:00Z", "appId": "a", "userPrincipalName": "a@contoso.example",
    "status": {"errorCode": 0},
}  # fmt: skip


def lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


GOOD = lines(AUDIT)
PORTAL = b"\xef\xbb\xbfDate (UTC),Request ID,User,Status\r\n2026-01-07T09:00:00Z,r1,Ann,Failure\r\n" * 3
CUT = gzip.compress(lines(*({**AUDIT, "id": f"Directory_{n}"} for n in range(2000))))[:-2000]


@pytest.mark.parametrize(
    ("files", "more", "code", "said"),
    [
        ({"a.jsonl": GOOD}, [], 0, ""),
        ({"a.jsonl": GOOD + b"{no\n" * 2}, [], 2, "2 lines not read"),
        ({"a.jsonl": GOOD, "b.jsonl.gz": CUT}, [], 2, "1 file not read to the end"),
        ({"a.jsonl": GOOD + b"?\n", "b.jsonl.gz": CUT}, [], 2, "1 line not read, 1 file not read to the end"),
        ({"a.jsonl": GOOD, "b.json": b"[" + GOOD + b","}, [], 2, "1 file not read to the end"),
        ({"a.jsonl": GOOD, "b.json": b'{"value": [' + GOOD[:-9]}, [], 2, "1 file not read to the end"),
        ({"a.jsonl": GOOD, "notes.txt": b"Dear all,\nthe logs.\n"}, [], 2, "2 lines not read"),
        ({"a.jsonl": GOOD, "b.parquet": b"PAR1 no"}, [], 2, "1 file not read to the end"),
        ({"a.jsonl": GOOD, "b.jsonl": lines({"a": 1}) * 1200}, [], 2, "1,200 lines not read"),
        ({"a.jsonl": GOOD, "b.csv": PORTAL}, [], 2, "1 file not read to the end"),
        ({"a.jsonl": b"\0" * 9 + GOOD + b"\0", "b.json": ("\ufeff" + GOOD.decode()).encode("utf-16-le")}, [], 0, ""),
        ({"a.jsonl": GOOD.replace(b"\n", b"\r\n") + b'{"a":' * 100_000 + b"\r\n"}, [], 2, "1 line not read"),
        ({"a.jsonl": GOOD}, ["--fail"], 1, ""),
        ({"a.jsonl": GOOD + b"{no\n"}, ["--fail"], 1, "1 line not read"),
        ({"a.jsonl": lines(SIGN_IN) + b"{no\n"}, ["--fail"], 2, "1 line not read"),
    ],
)
def test_what_was_not_read_is_said_last_and_in_the_exit_code(
    call: Callable[..., Done], tmp_path: Path, files: dict[str, bytes], more: list[str], code: int, said: str
) -> None:
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    done = call("hunt", tmp_path, "--rules", "application-added", *more)
    assert done.code == code
    assert done.out.splitlines()[0].rstrip().partition("; ")[2] == said
    *listed, last = done.err.splitlines() or [""]
    assert last.startswith(f"entrawatch: {said}: what stood there was not hunted through; " if said else "")
    assert len(listed) == min(sum(int(number) for number in re.findall(r"\d+", said.replace(",", "", 1))), hunt._LISTED)
    assert all(line.startswith("entrawatch: not read: ") for line in listed)
    jsonl = call("hunt", tmp_path, "--rules", "application-added", *more, "--format", "jsonl")
    assert (jsonl.code, jsonl.err) == (code, done.err)


def test_the_exit_codes_stand_in_the_help(call: Callable[..., Done]) -> None:
    told = call("hunt", "--help").out.partition("exit codes:")[2]
    assert [line.strip()[0] for line in told.splitlines() if line.startswith("  ") and line[2] != " "] == [*"0123"]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([SIGN_IN, AUDIT], "1 sign-in and 1 audit event"),
        ([SIGN_IN, {**SIGN_IN, "riskState": "atRisk"}], "1 sign-in (1 revised or read twice) and 0 audit events"),
        ([SIGN_IN, SIGN_IN, {**SIGN_IN, "id": "s2"}], "2 sign-ins (1 revised or read twice) and 0 audit events"),
        (
            [SIGN_IN] * 3 + [AUDIT] * 2,
            "1 sign-in (1 revised or read twice) and 1 audit event (1 revised or read twice)",
        ),
    ],
)
def test_a_revision_is_no_further_sign_in(
    call: Callable[..., Done], tmp_path: Path, records: list[Any], said: str
) -> None:
    for place, record in enumerate(records):  # an event may come over several files
        (tmp_path / f"{place}.jsonl").write_bytes(lines(record))
    done = call("hunt", tmp_path, "--rules", "brute-force")
    assert (done.code, done.out.splitlines()[0].strip()) == (0, f"no findings in {said}")


@pytest.mark.parametrize("zone", ["+14:00", "-12:00", "Z", "+23:59"])
@pytest.mark.parametrize("time", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
def test_a_time_at_the_end_of_all_times_ends_no_hunt(
    call: Callable[..., Done], tmp_path: Path, time: str, zone: str
) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines({**AUDIT, "activityDateTime": time + zone}))
    done = call("hunt", tmp_path, "--since", "1960-01-01", "--until", "2026-01-01", "--format", "jsonl")
    assert done.code == 0
    assert "audit events without a time, or with an impossible one: 1." in done.err


def test_a_folder_that_is_linked_into_itself_is_read_once(call: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    (tmp_path / "in").symlink_to(tmp_path)
    done = call("hunt", tmp_path)
    assert (done.code, done.out.splitlines()[0].strip()) == (0, "1 finding in 0 sign-ins and 1 audit event")
