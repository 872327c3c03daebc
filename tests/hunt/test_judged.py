"""Takeovers in logs that begin or end around them: what is usual is known neither before the logs nor behind them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from entrawatch.hunt.run import hunt
from entrawatch.reading import Found, Where

from .test_hunt import CATALOGUE

MORNING = datetime(2026, 10, 7, 9, tzinfo=timezone.utc)
OFFICE, ELSEWHERE = "203.0.113.1", "198.51.100.9"
STEPS = (
    "Reset password (self-service)", "Self-service password reset flow activity progress", "User deleted security info",
    "User registered security info", "User started security info registration",
)  # fmt: skip


def office(days: int) -> list[dict[str, Any]]:
    """Two people signed in at the office on each of the last days and of this one."""
    return [
        {
            "id": f"{day}-{person}", "createdDateTime": _text(MORNING - timedelta(days=day)), "appId": "a",
            "userPrincipalName": f"{person}@contoso.example", "ipAddress": OFFICE, "status": {"errorCode": 0},
        }
        for day in range(days + 1)
        for person in ("ada", "bob")
    ]  # fmt: skip


def steps(address: str, days: int) -> list[dict[str, Any]]:
    """The steps of a takeover in the hour from this morning on, so many days ago."""
    user = {"userPrincipalName": "ada@contoso.example", "ipAddress": address}
    return [
        {
            "id": f"step-{number}", "activityDateTime": _text(MORNING + timedelta(days=-days, minutes=10 * number)),
            "activityDisplayName": step, "result": "success", "initiatedBy": {"user": user}, "targetResources": [],
        }
        for number, step in enumerate(STEPS)
    ]  # fmt: skip


def _text(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize(
    ("days", "address", "ago", "found", "unjudged"),
    [
        (20, ELSEWHERE, 0, 1, 0),
        (20, ELSEWHERE, 5, 1, 0),
        (20, OFFICE, 0, 0, 0),
        (20, OFFICE, 5, 0, 0),
        (7, ELSEWHERE, 0, 1, 0),
        (7, OFFICE, 0, 0, 0),
        (6, ELSEWHERE, 0, 0, 1),
        (0, OFFICE, 0, 0, 1),
    ],
)
def test_windows_that_reach_behind_the_logs_find_nobody_from_the_office(
    days: int, address: str, ago: int, found: int, unjudged: int
) -> None:
    records = [*office(days), *steps(address, ago)]
    result = hunt(CATALOGUE, [Found(Where("-", n), record) for n, record in enumerate(records)])
    of = [
        [one for one in those if one.rule.slug == "account-hijacking"] for those in (result.findings, result.unjudged)
    ]
    assert [len(those) for those in of] == [found, unjudged]
