"""Budgets: sliding windows, what 429 says, and that a refusal costs nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.conftest import AUDITS, NOW, RISKS, SIGN_INS, audit

from entrawatch.emulator.throttle import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.conftest import MovedClock


def statuses(client: Any, path: str, clock: MovedClock, at: list[float]) -> list[int]:
    found = []
    for moment in at:
        clock.passed = moment
        found.append(client.get(path).status_code)
    return found


@pytest.mark.parametrize(
    ("path", "at", "expected"),
    [
        (AUDITS, [0, 1, 2, 3, 4, 4.5, 9.9, 10, 10.5, 11], [200] * 5 + [429, 429, 200, 429, 200]),
        # A bucket that refills would let the sixth through here: the window slides instead.
        (SIGN_INS, [0, 0, 0, 0, 0, 8, 9.99, 10], [200] * 5 + [429, 429, 200]),
        (RISKS, [0, 0.5, 0.99, 1, 1.5, 2], [200, 429, 429, 200, 429, 200]),
    ],
)
def test_a_window_slides(
    emulate: Callable[..., Any], clock: MovedClock, path: str, at: list[float], expected: list[int]
) -> None:
    with emulate(throttle=True) as client:
        assert statuses(client, path, clock, at) == expected


def test_the_reporting_paths_share_a_budget(emulate: Callable[..., Any]) -> None:
    with emulate(throttle=True) as client:
        found = [client.get(path).status_code for path in (AUDITS, SIGN_INS) * 3]
        assert found == [200] * 5 + [429]
        assert client.get(RISKS).status_code == 200


@pytest.mark.parametrize(
    ("path", "limits", "header"),
    [
        (AUDITS, True, "7.500"),
        (AUDITS, Limits(retry_after=False), None),
        (AUDITS, Limits(reporting=(3, 4.0)), "1.500"),
        (RISKS, Limits(identity_protection=(3, 10.0)), None),
    ],
)
def test_what_429_says(emulate: Callable[..., Any], clock: MovedClock, path: str, limits: Any, header: str) -> None:
    with emulate(throttle=limits) as client:
        for _ in range(5):
            client.get(path)
        clock.passed = 2.5
        answer = client.get(path)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (429, header)
    assert answer.json()["error"]["code"] == "TooManyRequests"


def test_none_where_it_is_off(emulate: Callable[..., Any]) -> None:
    with emulate(throttle=False) as client:
        assert {client.get(AUDITS).status_code for _ in range(20)} == {200}


def test_tokens_and_refusals_cost_nothing(emulate: Callable[..., Any], clock: MovedClock) -> None:
    with emulate(throttle=True) as client:
        for _ in range(6):
            client.get(AUDITS, headers={"Authorization": "Bearer wrong"})
            client.sign_in()
        assert statuses(client, AUDITS, clock, [0.0] * 6) == [200] * 5 + [429]
        assert statuses(client, AUDITS, clock, [float(second) for second in range(1, 11)])[-1] == 200


def test_latency(emulate: Callable[..., Any], clock: MovedClock) -> None:
    with emulate([audit(1, 60)], latency=1.5) as client:
        before = clock.passed
        assert client.get(AUDITS).status_code == 200
        assert clock.passed - before == 1.5


def test_a_real_clock_by_default() -> None:
    from tests.emulator.conftest import Client

    from entrawatch.emulator.server import Emulator

    started = time.monotonic()
    with Emulator([audit(1, 60, arrives=NOW)], latency=0.1) as emulator, Client(emulator).session:
        assert abs(emulator.clock.monotonic() - time.monotonic()) < 1
    assert time.monotonic() - started >= 0.1
