"""`hunt` as a person types it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Callable

import pytest

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
