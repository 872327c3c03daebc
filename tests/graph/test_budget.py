"""The budgets: never more starts than published in any stretch of time, whoever asks; the present first."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Callable
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.graph.conftest import FakeClock, Notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from entrawatch.graph.budget import Gate

from entrawatch.errors import TransientError
from entrawatch.graph import budget
from entrawatch.graph.budget import BACKFILL, LIMITS, LIVE, UNLIMITED, Budgets, Gate
from entrawatch.schema.streams import STREAMS


class Turns:
    """Enters gates from many threads at once on one fake clock, and notes each start that was counted."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.budgets = Budgets(self.clock, Notes())

    def run(
        self, threads: int, each: int, gate: Callable[[int], Gate], pauses: Sequence[float] = (0.0,)
    ) -> list[float]:
        starts: list[float] = []
        take = budget._Starts.take

        def noted(counter: budget._Starts, now: float) -> None:
            if counter._starts.maxlen != 122:  # each start is counted by the narrower limit once
                starts.append(now)
            take(counter, now)

        def work(number: int) -> None:
            for turn in range(each):
                gate(number).enter()
                self.clock.sleep(pauses[(number + turn) % len(pauses)])

        crew = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        with mock.patch.object(budget._Starts, "take", noted):
            for one in crew:
                one.start()
            for one in crew:
                one.join(30)
        assert len(starts) == threads * each
        return sorted(starts)


def most_in_any(starts: list[float], seconds: float) -> int:
    return max(sum(1 for other in starts if start <= other <= start + seconds) for start in starts)


@settings(max_examples=25, deadline=None)
@given(
    threads=st.integers(1, 8),
    each=st.integers(1, 6),
    pauses=st.lists(st.floats(0, 15), min_size=1, max_size=5),
)
def test_never_more_than_five_in_any_ten_seconds(threads: int, each: int, pauses: list[float]) -> None:
    turns = Turns()
    starts = turns.run(threads, each, lambda number: turns.budgets.gate("reporting", "t", "c"), pauses)
    assert most_in_any(starts, 10) <= 5


def test_a_burst_takes_its_time_and_is_not_slower_than_the_limit_asks() -> None:
    turns = Turns()
    starts = turns.run(1, 20, lambda number: turns.budgets.gate("reporting", "t", "c"))
    assert most_in_any(starts, 10) == 5
    assert 30 <= starts[-1] - starts[0] < 31


def test_identity_protection_is_one_a_second_for_a_tenant_whatever_the_application() -> None:
    turns = Turns()
    starts = turns.run(4, 5, lambda number: turns.budgets.gate("identity_protection", "t", f"c{number}"))
    assert most_in_any(starts, 1) == 1


def test_one_application_over_many_tenants_keeps_to_122_in_ten_seconds() -> None:
    clock = FakeClock()
    budgets = Budgets(clock)
    for turn in range(150):
        budgets.gate("reporting", f"tenant{turn}", "c").enter()
    assert 10 <= clock.passed < 11


def test_tenants_and_applications_do_not_wait_for_each_other_nor_reporting_for_identity_protection() -> None:
    clock = FakeClock()
    budgets = Budgets(clock)
    for _ in range(5):
        for tenant, client in [("a", "x"), ("b", "x"), ("a", "y")]:
            budgets.gate("reporting", tenant, client).enter()
    budgets.gate("identity_protection", "a", "x").enter()
    assert clock.passed == 0


def test_the_gate_is_the_same_for_every_stream_and_spelling() -> None:
    budgets = Budgets(FakeClock())
    assert budgets.gate("reporting", "ABC", "c") is budgets.gate("reporting", "abc", "C")
    assert {stream.limit for stream in STREAMS.values()} <= set(LIMITS)


def test_a_cool_down_holds_for_everybody_and_a_shorter_one_does_not_end_it() -> None:
    clock = FakeClock()
    budgets = Budgets(clock)
    budgets.gate("reporting", "t", "c").cool_down(60)
    budgets.gate("reporting", "t", "c").cool_down(1)
    budgets.gate("reporting", "t", "other").enter()
    assert clock.passed == 0
    assert budgets.gate("reporting", "t", "c").enter() == pytest.approx(60)


def test_the_present_goes_before_backfill_and_each_kind_in_its_order() -> None:
    from entrawatch.clock import SystemClock

    gate = Budgets(SystemClock()).gate("reporting", "t", "c")
    gate.cool_down(0.4)
    order: list[str] = []

    def enter(name: str, priority: int) -> None:
        gate.enter(priority)
        order.append(name)

    crew = []
    for name, priority in [("b1", BACKFILL), ("b2", BACKFILL), ("l1", LIVE), ("l2", LIVE)]:
        crew.append(threading.Thread(target=enter, args=(name, priority)))
        crew[-1].start()
        while len(gate._queue) < len(crew):
            time.sleep(0.001)
    for one in crew:
        one.join(10)
    assert order == ["l1", "l2", "b1", "b2"]


def test_one_who_stops_waiting_leaves_the_queue() -> None:
    budgets = Budgets(FakeClock())
    gate, stop = budgets.gate("reporting", "t", "c"), threading.Event()
    gate.cool_down(5)
    stop.set()
    with pytest.raises(TransientError, match="stopped"):
        gate.enter(LIVE, stop)
    gate.enter()
    assert gate._queue == []


def test_without_limits_nobody_waits_but_a_cool_down_still_holds() -> None:
    clock = FakeClock()
    gate = Budgets(clock, limits=UNLIMITED).gate("reporting", "t", "c")
    for _ in range(100):
        gate.enter()
    assert clock.passed == 0
    gate.cool_down(3)
    gate.enter()
    assert clock.passed == pytest.approx(3)
