"""`entrawatch normalize`: an event a record, a line a fault."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Callable

import pytest

from .conftest import start

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Done

AUDIT = {"id": "Directory_1", "activityDateTime": "2026-11-24T10:00:00Z", "activityDisplayName": "Add user",
         "loggedByService": "Core Directory", "category": "UserManagement", "result": "success"}  # fmt: skip
SIGN_IN = {"id": "s1", "createdDateTime": "2026-11-24T10:00:00.1234567Z", "signInEventTypes": ["nonInteractiveUser"],
           "userPrincipalName": "a@contoso.example", "status": {"errorCode": 0}}  # fmt: skip


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    path = tmp_path / "mixed.jsonl"
    lines = [json.dumps(AUDIT), "{broken", json.dumps({"value": [SIGN_IN]}), '{"what": "ever"}']
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_each_record_is_an_event_and_each_fault_a_line(call: Callable[..., Done], mixed: Path, tmp_path: Path) -> None:
    letters = tmp_path / "bad.jsonl"
    done = call("normalize", "--dead-letter", letters, "--tenant-id", "t-1", mixed)
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [event["entra"]["stream"] for event in events] == ["directory_audits", "non_interactive"]
    assert [event["event"]["id"] for event in events] == ["Directory_1", "s1"]
    assert {event["entra"]["tenant_id"] for event in events} == {"t-1"}
    first, second = done.err.splitlines()
    assert first.startswith(f"{mixed}:2: is no JSON")
    assert second.startswith(f"{mixed}:4: ")
    kept = [json.loads(line) for line in letters.read_text(encoding="utf-8").splitlines()]
    assert [(entry["where"], entry["item"]) for entry in kept] == [
        (f"{mixed}:2", "{broken"), (f"{mixed}:4", {"what": "ever"}),
    ]  # fmt: skip
    assert done.code == 0


def test_strict_fails_on_a_bad_record(call: Callable[..., Done], mixed: Path) -> None:
    assert call("normalize", "--strict", mixed).code == 1


def test_a_file_that_is_missing_costs_the_others_nothing(
    call: Callable[..., Done], mixed: Path, tmp_path: Path
) -> None:
    done = call("normalize", tmp_path / "none", mixed)
    assert (done.code, len(done.out.splitlines())) == (2, 2)


def test_the_envelope(call: Callable[..., Done], mixed: Path, tmp_path: Path) -> None:
    done = call("normalize", "--format", "envelope", "--tenant-id", "t-1", mixed)
    audit, sign_in = (json.loads(line) for line in done.out.splitlines())
    assert (audit["category"], audit["tenantId"], audit["properties"]) == ("AuditLogs", "t-1", AUDIT)
    assert (sign_in["category"], sign_in["properties"]) == ("NonInteractiveUserSignInLogs", SIGN_IN)
    again = tmp_path / "again.jsonl"
    again.write_text(done.out, encoding="utf-8")
    assert call("normalize", "--format", "envelope", again).out == done.out


def test_an_event_is_no_envelope(call: Callable[..., Done], mixed: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_text(call("normalize", mixed).out, encoding="utf-8")
    done = call("normalize", "--format", "envelope", events)
    assert done.out == ""
    assert [line.split(": ", 1)[1] for line in done.err.splitlines()] == [
        "is a common event, which does not hold the record whole; give the records themselves"
    ] * 2


def test_standard_input_and_the_record_itself(mixed: Path) -> None:
    with mixed.open() as stdin:
        process = start("normalize", "--preserve-original", "-", stdin=stdin)
        out, err = process.communicate(timeout=60)
    assert json.loads(json.loads(out.splitlines()[0])["event"]["original"]) == AUDIT
    assert err.startswith("-:2: ")
    assert process.returncode == 0


def test_a_full_disk_is_one_line(mixed: Path) -> None:
    with open("/dev/full", "w") as full:
        process = start("normalize", "--stream", "directory_audits", mixed, stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert err.splitlines()[-1].endswith("No space left on device")
    assert "Traceback" not in err
