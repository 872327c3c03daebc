"""The baseline's chain of transforms on its schedule: what the pairs hold, the countries hold too.

A transform looks every `frequency`. It makes anew what has documents whose sync field lies between the end of its last
look and the end of this one, which is `delay` ago, out of all documents before that end (Elasticsearch,
TimeBasedCheckpointProvider and CompositeBucketsChangeCollector). The first look sees everything before its end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import pytest

from entrawatch.dialects.esql_baseline import indices, lookup_name, transforms
from entrawatch.rules.catalogue import load_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "content" / "catalogue")
BASELINE = CATALOGUE.baselines["organisation-networks"]
MADE = transforms(BASELINE)
PAIRS, COUNTRIES = (MADE[lookup_name(BASELINE, what)] for what in ("pairs", "countries"))


def minutes(text: str) -> int:
    assert text.endswith("m"), text
    return int(text[:-1])


@dataclass
class Transform:
    """One of the baseline's.

    :param first: minute of its first look.
    """

    body: dict[str, Any]
    first: int
    bound: Optional[int] = field(default=None)

    def __post_init__(self) -> None:
        self.clock = self.body["sync"]["time"]["field"]
        self.delay = minutes(self.body["sync"]["time"]["delay"])

    def looks(self, now: int) -> bool:
        return now >= self.first and (now - self.first) % minutes(self.body["frequency"]) == 0

    def changed(self, documents: Iterable[dict[str, int]], now: int) -> list[dict[str, int]]:
        """The documents behind what is made anew, empty for nothing."""
        last, self.bound = self.bound, now - self.delay
        before = [one for one in documents if one[self.clock] < self.bound]
        return before if any(last is None or one[self.clock] >= last for one in before) else []


def run(signins: list[int], end: int, pairs_at: int, countries_at: int) -> tuple[int, int]:
    """The last sign-in as the pair knows it in the end, and as its country does (-1 for never)."""
    pairs, countries = Transform(PAIRS, pairs_at), Transform(COUNTRIES, countries_at)
    pair: list[dict[str, int]] = []
    known = -1
    for now in range(end):
        if countries.looks(now):
            known = max([known, *[one["pair_seen"] for one in countries.changed(pair, now)]])
        if pairs.looks(now):
            seen = pairs.changed(({"@timestamp": one} for one in signins if one <= now), now)
            pair = [{"pair_seen": max(one["@timestamp"] for one in seen), "pair_written": now}] if seen else pair
    return max([-1, *[one["pair_seen"] for one in pair]]), known


#: minutes of sign-ins; the transforms are new at 6,000
TIMES = {
    "long before the transforms were there": [100, 1500, 3000],
    "all the time": list(range(4000, 9000)),
    "once an hour": list(range(4000, 9000, 60)),
    "once": [6500],
    "now and then": [4000, 6203, 6911, 8888],
}


@pytest.mark.parametrize("countries_at", range(6000, 6015, 2))
@pytest.mark.parametrize("pairs_at", [6000, 6007])
@pytest.mark.parametrize("when", TIMES)
def test_a_country_is_known_soon_after_its_pairs_whenever_they_look(
    when: str, pairs_at: int, countries_at: int
) -> None:
    for end in (6100, 7000, 8999):
        pair, country = run(TIMES[when], end, pairs_at, countries_at)
        # as the pair was before its last two refreshes
        assert pair - 30 <= country <= pair, end
    assert pair >= 0


def test_the_countries_go_by_a_field_that_the_pairs_have() -> None:
    field_ = COUNTRIES["sync"]["time"]["field"]
    assert field_ in PAIRS["pivot"]["aggregations"]
    assert indices(BASELINE)[lookup_name(BASELINE, "pairs")]["mappings"]["properties"][field_] == {"type": "date"}
