"""`hunt` as a person types it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Callable

import pytest

from entrawatch.cli.hunt import lasts

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Done

AUDIT = {
    "id": "Directory_1", "activityDateTime": "2026-01-07T09:00:00Z", "activityDisplayName": "Add application",
    "category": "ApplicationManagement", "result": "success",
    "initiatedBy": {"user": {"userPrincipalName": "dev@contoso.example"}},
    "targetResources": [{"type": "Application", "displayName": "Test", "modifiedProperties": []}],
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two exports, of which one is called as a rule, and the folder of them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    for name in ("logs/a.jsonl", "b.jsonl", "guest-invited", "c,d.jsonl"):
        (tmp_path / name).write_text(json.dumps({**AUDIT, "id": name}), encoding="utf-8")
    return tmp_path


BOTH = "application-added guest-invited"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("--rules application-added logs", ["logs/a.jsonl"]),
        (f"--rules {BOTH} logs b.jsonl", ["b.jsonl", "logs/a.jsonl"]),
        (f"--rules {BOTH} -- logs", ["logs/a.jsonl"]),
        ("--rules application-added,guest-invited logs", ["logs/a.jsonl"]),
        ("--rules guest-invited, --rules application-added logs", ["logs/a.jsonl"]),
        ("--rules application-added --rules guest-invited -- logs", ["logs/a.jsonl"]),
        ("logs --rules application-added --until 2027-01-01T00:00:00Z", ["logs/a.jsonl"]),
        ("--rules application-added --until 2027-01-01T00:00:00Z logs", ["logs/a.jsonl"]),
        ("logs --rules application-added b.jsonl", ["b.jsonl", "logs/a.jsonl"]),
        ("--rules application-added c,d.jsonl", ["c,d.jsonl"]),
        (f"guest-invited --rules {BOTH}", ["guest-invited"]),
        ("--rules guest-invited logs", []),
    ],
)
def test_rules_and_paths_are_told_apart(call: Callable[..., Done], words: str, ids: list[str]) -> None:
    done = call("hunt", "--format", "jsonl", *words.split())
    assert (done.code, done.err) == (0, "")
    assert sorted(json.loads(line)["event_ids"][0] for line in done.out.splitlines()) == ids


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "hunt: no PATH; give files or folders"),
        ("--rules application-added", "hunt: no PATH; give files or folders"),
        ("--rules application-added nosuch.jsonl", "there is no rule 'nosuch.jsonl'"),
        ("logs --rules application-aded", "did you mean application-added?"),
        ("--rules nosuch.jsonl logs", "there is no rule 'nosuch.jsonl'"),
        ("logs --rules mine.yml", "mine.yml: it has no detection"),
        ("logs --rules nosuch.yml", "nosuch.yml: there is no such file or folder"),
    ],
)
def test_what_is_neither_is_said(call: Callable[..., Done], here: Path, words: str, told: str) -> None:
    (here / "mine.yml").write_text("title: mine\nlogsource: {product: azure, service: auditlogs}", encoding="utf-8")
    done = call("hunt", *words.split())
    assert (done.code, done.out) == (2, "")
    assert told in done.line


def test_standard_input_may_stand_behind_the_rules(call: Callable[..., Done], monkeypatch: Any) -> None:
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(AUDIT).encode())))
    assert "application-added" in call("hunt", "--rules", "application-added", "-").out


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, ""), (0.4, ""), (1, "1 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"),
     (172_799, "47 h"), (172_800, "2 d"), (12 * 86_400 + 5, "12 d")],
)  # fmt: skip
def test_how_long_a_finding_lasts(seconds: float, said: str) -> None:
    assert lasts(timedelta(seconds=seconds)) == said


def test_the_table_tells_when_the_first_event_was_and_how_long_it_went_on(
    call: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    failures = [
        {
            "id": str(n), "createdDateTime": f"2026-01-07T09:{n:02}:30Z", "userPrincipalName": "a@b.example",
            "ipAddress": "192.0.2.1", "appDisplayName": "x", "userAgent": "y", "appId": "z",
            "signInEventTypes": ["interactiveUser"], "status": {"errorCode": 50126},
        }
        for n in range(2, 30)
    ]  # fmt: skip
    (tmp_path / "x.json").write_text(json.dumps(failures), encoding="utf-8")
    page = tmp_path / "x.html"
    rows = [line.split() for line in call("hunt", tmp_path / "x.json", "--report", page).out.splitlines()]
    assert rows[1] == ["level", "2026,", "UTC", "lasts", "rule", "about"]
    assert rows[2] == ["medium", "Jan", "07", "09:02", "27", "min", "brute-force", "a@b.example,", "192.0.2.1"]
    html = page.read_text(encoding="utf-8")
    assert '<span class="soft at"><time>2026-01-07 09:02:30</time> to <time>09:29:30</time></span>' in html
    assert "<title>Brute force" in html
    assert "<tr><th>windows of time</th><td><time>2026-01-07 08:" in html
    assert ", 2026-01-07 09:02:30 to 2026-01-07 09:29:30: a@b.example" in html


@pytest.mark.parametrize("width", [60, 80, 119, 120, 200])
def test_the_table_cuts_nothing_however_narrow_the_terminal(
    call: Callable[..., Done], tmp_path: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    long = {"user": {"userPrincipalName": "somebody.with.a.very.long.name.indeed.and.more@contoso.example"}}
    (tmp_path / "x.json").write_text(json.dumps([{**AUDIT, "initiatedBy": long}]), encoding="utf-8")
    lines = call("hunt", tmp_path / "x.json").out.splitlines()
    assert max(map(len, lines)) <= width
    said = f"by {long['user']['userPrincipalName']}: Test"
    assert "".join("".join(lines[2:]).split()).endswith(f"application-added{''.join(said.split())}")


def test_a_level_is_called_the_same_everywhere(call: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps([AUDIT]), encoding="utf-8")
    page = tmp_path / "x.html"
    level = json.loads(call("hunt", tmp_path / "x.json", "--format", "jsonl", "--report", page).out)["level"]
    assert call("hunt", tmp_path / "x.json").out.splitlines()[2].split()[0] == level == "informational"
    assert f'<span class="badge">{level}</span>' in page.read_text(encoding="utf-8")


def test_a_range_behind_the_logs_is_said_in_one_line(call: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps([AUDIT]), encoding="utf-8")
    done = call("hunt", tmp_path / "x.json", "--since", "2026-02-01T00:00:00Z")
    assert done.code == 0
    assert done.line == (
        "entrawatch: the logs reach from 2026-01-07 09:00 UTC to 2026-01-07 09:00 UTC: they end before --since, "
        "2026-02-01 00:00 UTC, so nothing can be found there; choose another range, or leave it out"
    )


def test_a_line_of_json_says_the_same_and_moves_nothing_on_a_terminal(call: Callable[..., Done], here: Path) -> None:
    name = "\u202egpj\x9b2J\x1b[2J\ud83d\ude42".encode("utf-16", "surrogatepass").decode("utf-16")
    target = [{"type": "Application", "displayName": name, "modifiedProperties": []}]
    (here / "turned.jsonl").write_text(json.dumps({**AUDIT, "targetResources": target}), encoding="utf-8")
    done = call("hunt", "--format", "jsonl", "turned.jsonl")
    assert [one for one in json.loads(done.out)["entities"] if one["value"] == name]
    assert done.out.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    ("words", "code", "found"),
    [
        ("--since 2026-01-07", 0, 1), ("--since 2026-01-08", 0, 0), ("--until 2026-01-07", 0, 0),
        ("--until 2026-01-08", 0, 1), ("--since 2026-01-07 --until 2026-01-08", 0, 1),
        ("--since 2026-01-07T09:00:00Z", 0, 1), ("--until 2026-01-07T09:00:00Z", 0, 0),
        ("--since 2026-01-07T10:00:00+01:00 --until 2026-01-07T10:00:00.001+01:00", 0, 1),
    ],
)  # fmt: skip
def test_a_day_is_its_beginning_in_utc(
    call: Callable[..., Done], tmp_path: Path, words: str, code: int, found: int
) -> None:
    (tmp_path / "x.json").write_text(json.dumps([AUDIT]), encoding="utf-8")
    done = call("hunt", tmp_path / "x.json", "--format", "jsonl", *words.split())
    assert (done.code, len(done.out.splitlines())) == (code, found)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--since 2026-01-07 --until 2026-01-07", "--since: 2026-01-07 is not before --until: 2026-01-07"),
        ("--since 2026-01-08 --until 2026-01-07", "--since: 2026-01-08 is not before --until: 2026-01-07"),
        ("--since 2026-02-30", "--since: '2026-02-30T00:00:00Z' is no time; write 2026-11-01T00:00:00Z, the day alone"),
        ("--since 2026-01-07T09:00:00", "says no time zone; for UTC write 2026-01-07T09:00:00Z"),
        ("--until 2026-1-7", "--until: '2026-1-7' is no time"),
    ],
)
def test_a_range_that_is_none_is_one_line(call: Callable[..., Done], tmp_path: Path, words: str, told: str) -> None:
    (tmp_path / "x.json").write_text(json.dumps([AUDIT]), encoding="utf-8")
    done = call("hunt", tmp_path / "x.json", *words.split())
    assert (done.code, done.out) == (2, "")
    assert told in done.line
