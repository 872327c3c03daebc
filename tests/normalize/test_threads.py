"""The streams' threads share what the normaliser has learnt of records: what one learns must not disturb another."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from entrawatch.normalize import normalize
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

_VALUES = ("text", "other", None, True, False, 7, [], ["a"], {"b": None})


@pytest.fixture
def _impatient() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def records(turn: int) -> list[dict[str, Any]]:
    """Sign-ins with the same keys, which no plan knows yet, whose values turn out to be of one kind after another."""
    dice = Random(turn)
    keys = [f"turn{turn}key{number}" for number in range(30)]
    likely = {key: dice.choice(_VALUES) for key in keys}
    return [
        {
            "id": f"r{number}",
            "createdDateTime": "2026-01-07T09:00:00Z",
            **{key: dice.choice(_VALUES) if dice.random() < number / 400 else likely[key] for key in keys},
        }
        for number in range(60)
    ]


def kept(record: dict[str, Any]) -> dict[str, Any]:
    """What becomes of the keys of this test."""
    event = normalize(dict(record), STREAMS["interactive"])
    properties: dict[str, Any] = event["azure"]["signinlogs"]["properties"]
    return {name: value for name, value in properties.items() if name.startswith("turn")}


@pytest.mark.usefixtures("_impatient")
def test_records_read_in_several_threads_become_what_they_are_by_themselves() -> None:
    with ThreadPoolExecutor(4) as threads:
        for turn in range(12):
            made = records(turn)
            together = list(threads.map(kept, [*made, *reversed(made)]))
            assert together == [kept(one) for one in [*made, *reversed(made)]]
