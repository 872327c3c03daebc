"""`hunt` over a time at which its rules had not learnt what is usual, and over a range in which nothing lies."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from io import StringIO
from typing import TYPE_CHECKING, Any, Callable

import pytest
from rich.console import Console

from entrawatch.cli import demo_hunt

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Done

BEGUN = datetime(2026, 10, 5, 8, tzinfo=timezone.utc)
RULE = "single-factor-from-new-network"
WHY = "organisation-networks is learnt from 7 days of sign-ins, and these begin on 2026-10-05 08:00 UTC"
NONE = "where none of the 26 sign-ins and 0 audit events lies"
HINDSIGHT = (
    f"in hindsight only: {WHY}; what is before 2026-10-12 08:00 UTC is held against what was usual by then, where a "
    "network that an attacker used on several days may count as usual"
)


def sign_in(day: int, person: str, address: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"{day}-{person}", "createdDateTime": f"{BEGUN + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}", "appId": "a",
        "userPrincipalName": f"{person}@contoso.example", "ipAddress": address, "status": {"errorCode": 0},
        "location": {"countryOrRegion": "NL"}, **more,
    }  # fmt: skip


def stolen(day: int, person: str) -> dict[str, Any]:
    return sign_in(
        day, person, "203.0.113.77", isInteractive=True, authenticationRequirement="singleFactorAuthentication",
        location={"countryOrRegion": "KP"},
    )  # fmt: skip


def logs(folder: Path, days: int) -> Path:
    """An office of two people; on the second and the third day an attacker signs in with two accounts."""
    office = [sign_in(day, person, "198.51.100.1") for day in range(days + 1) for person in ("ada", "bob")]
    attack = [stolen(day, person) for day in (1, 2) for person in ("eve", "mallory")]
    file = folder / "events" / "logs.json"
    file.parent.mkdir()
    file.write_text(json.dumps([*office, *attack]), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("days", "options", "told"),
    [
        (4, "", f": not judged: {WHY}: nothing is judged before 2026-10-12 08:00 UTC"),
        (4, "--since 2026-10-08", f": not judged: {WHY}: nothing is judged before 2026-10-12 08:00 UTC"),
        (10, "", f": judged from 2026-10-12 08:00 UTC to 2026-10-15 08:00 UTC, and before that {HINDSIGHT}"),
        (10, "--until 2026-10-09", f": judged {HINDSIGHT}"),
        (10, "--since 2026-10-06 --until 2026-10-12", f": judged {HINDSIGHT}"),
        (10, "--since 2026-10-13", None),
        (10, "--since 2026-10-12T08:00:00Z", None),
        (10, "--since 2026-10-05T09:00:00Z --until 2026-10-06", None),
        (4, "--rules brute-force", None),
    ],
)
def test_that_a_rule_has_not_learnt_is_told_with_findings_and_without(
    call: Callable[..., Done], tmp_path: Path, days: int, options: str, told: str | None
) -> None:
    page = tmp_path / "page.html"
    done = call("hunt", logs(tmp_path, days), "--report", page, *options.split())
    head = re.sub("<[^>]*>", "", page.read_text(encoding="utf-8").partition('<div class="tiles">')[0])
    line = f"{RULE}{told}"
    assert done.code == 0
    assert [one for one in done.err.splitlines() if "report: " not in one] == (
        [f"entrawatch: {line}; add earlier logs, and --since where to begin"] if told else []
    )
    assert (f"Not everything was judged: {line}" in head, "Not everything was judged" in head) == (bool(told),) * 2


def test_the_demo_tells_it_too(tmp_path: Path) -> None:
    shown = Console(file=StringIO(), width=100)
    demo_hunt.hunted(shown, logs(tmp_path, 1).parent, tmp_path / "page.html")
    assert f"{RULE}: not judged: " in " ".join(shown.file.getvalue().split())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "no findings in 26 sign-ins and 0 audit events"),
        ("--since 2026-10-06", "no findings from 2026-10-06 00:00 UTC on, in 26 sign-ins and 0 audit events"),
        (
            "--until 2026-09-01",
            f"no findings until 2026-09-01 00:00 UTC, {NONE}",
        ),
        (
            "--since 2026-10-05T09:00:00Z --until 2026-10-06",
            f"no findings from 2026-10-05 09:00 UTC until 2026-10-06 00:00 UTC, {NONE}",
        ),
    ],
)
def test_the_first_line_names_the_range_that_was_asked_for_and_whether_anything_lies_in_it(
    call: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str, said: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    page = tmp_path / "page.html"
    words = ["--rules", "brute-force", "--report", page]
    assert call("hunt", logs(tmp_path, 10), *words, *options.split()).out.strip() == said
    html = page.read_text(encoding="utf-8")
    assert "<p>Nothing. 1 rule ran over the records above" in html
    assert ("of which none lies in the range that was asked for" in html) is ("none" in said)
