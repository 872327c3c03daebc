"""That Sentinel's runs tell a finding once, whenever its records were generated and however late each of them comes.

What a run cannot know, it cannot mind: where two findings have been told and a late record then shows them to be one,
that one was told twice. So the alerts are held against what each run could know, alert by alert, and then against what
was true in the end.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.rules.judge import fold

from entrawatch.dialects.kql_text import spelled
from entrawatch.rules import ir
from entrawatch.schema.streams import STREAMS

from .sentinel_content import BY_ID, CATALOGUE, SCHEDULED, duration
from .sentinel_engine import APART, Sentinel, Story
from .sentinel_oracle import Oracle, Told

if TYPE_CHECKING:
    from collections.abc import Sequence

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
_START = datetime(2026, 1, 7, 9, tzinfo=timezone.utc)
#: slug → the rule's file
FILES = {BY_ID[one["id"]].slug: one for one in SCHEDULED.values()}


@dataclass(frozen=True)
class Event:
    """Minutes after nine, minutes late, about whom, and whether it is of the other kind, where the rule has two."""

    minute: int
    late: int = 1
    person: int = 1
    other: bool = False


@dataclass(frozen=True)
class Play:
    """What may happen in a rule's stories.

    :param minutes: how long they are; not so long that a run does not see where a finding began.
    :param people: how many people play,
    :param fewest: and how many events
    :param most: they have.
    :param named: the field that says about whom an event is.
    """

    minutes: int
    people: int
    fewest: int
    most: int
    named: str = "userPrincipalName"

    def events(self) -> st.SearchStrategy[list[Event]]:
        """A story's; every other one's arrive in the order in which they were generated."""
        late, other = (
            st.one_of(st.integers(0, 60), st.sampled_from([0, 0, 12, 60])),
            st.sampled_from([False] * 3 + [True]),
        )
        event = st.builds(Event, st.integers(0, self.minutes), late, st.integers(1, self.people), other)
        drawn = st.lists(event, min_size=self.fewest, max_size=self.most)
        return st.one_of(drawn, drawn.map(in_order))


def in_order(events: list[Event]) -> list[Event]:
    """The same, none arriving before one that was generated earlier; none is later than the latest was."""
    ordered = sorted(events, key=lambda event: event.minute)
    arrivals = accumulate((event.minute + event.late for event in ordered), max)
    return [replace(event, late=arrival - event.minute) for event, arrival in zip(ordered, arrivals)]


PLAYS = {
    "brute-force": Play(minutes=240, people=2, fewest=5, most=28),
    "password-spray": Play(minutes=300, people=8, fewest=5, most=32),
    "multiple-lockouts": Play(minutes=300, people=8, fewest=5, most=32),
    "mfa-failures": Play(minutes=400, people=2, fewest=2, most=16),
    "disabled-user-signin": Play(minutes=600, people=3, fewest=1, most=12),
    "password-spray-success": Play(minutes=300, people=7, fewest=8, most=32),
    # the rows of a few sign-ins
    "sync-account-abuse": Play(minutes=45, people=4, fewest=1, most=12, named="id"),
    "third-party-changes": Play(minutes=600, people=3, fewest=2, most=12, named="correlationId"),
}


def story(slug: str, events: Sequence[Event]) -> Story:
    """Events like the first and the last of the rule's first case that it finds something in."""
    case = next(case for case in CATALOGUE.rules[slug].cases if case.match)
    records, ordered = [], sorted(events, key=lambda event: event.minute)
    for place, event in enumerate(ordered):
        stream, record = case.records[-1 if event.other else 0]
        named = {"id": f"event{place}", PLAYS[slug].named: f"person{event.person}@contoso.example"}
        time = (_START + event.minute * MINUTE).isoformat()
        records.append((stream, {**record, **named, STREAMS[stream].time_field: time}))
    return Story(records, [event.late * MINUTE for event in ordered])


def alerts(slug: str, sentinel: Sentinel) -> tuple[list[list[datetime]], list[list[list[Told]]]]:
    """When the rule runs, story by story, and what it tells: whichever moment `now()` is."""
    one, rule = FILES[slug], CATALOGUE.rules[slug]
    every, period = duration(one["queryFrequency"]), duration(one["queryPeriod"])
    after = HOUR + 2 * every + 20 * MINUTE
    found = sentinel.alerts(one["query"], every, period, after)
    return sentinel.moments(every, after), [
        [sorted(_told(rule, alert, place * APART) for alert in told) for place, told in enumerate(mode)]
        for mode in found
    ]


def _told(rule: Any, alert: Any, shift: timedelta) -> Told:
    keys = tuple(fold(alert[spelled(key.name)]) for key in rule.keys)
    return Told(alert["now"] - shift, keys, alert["WindowEnd"] - shift)


def check(slug: str, stories: Sequence[Sequence[Event]]) -> None:
    """Each alert is the one that the run could know of; and what it comes to in the end."""
    rule, told_ = CATALOGUE.rules[slug], [story(slug, events) for events in stories]
    runs, modes = alerts(slug, Sentinel(told_))
    for place, events in enumerate(stories):
        oracle = Oracle(rule, told_[place])
        right = oracle.told(runs[place], duration(FILES[slug]["queryFrequency"]))
        for mode in modes:
            assert _compared(rule, mode[place]) == _compared(rule, right), events
        if not isinstance(rule.query, ir.FollowedQuery):
            _in_the_end(oracle, right, list(events))


def _compared(rule: Any, told: list[Told]) -> list[tuple[Any, ...]]:
    """Of an event's rows, and of a key's pairs, all that are known are told at once: their end is that of the last."""
    at_once = isinstance(rule.query, (ir.EventQuery, ir.JoinQuery))
    return [one[:2] for one in told] if at_once else [*told]


def _in_the_end(oracle: Oracle, told: list[Told], events: list[Event]) -> None:
    """No finding is lost, no alert is about none, and one whose records came in order was told once."""
    findings = oracle.findings()
    counts: Counter[int] = Counter()
    for one in told:
        end = one.end.replace(tzinfo=timezone.utc)
        (held,) = [
            place
            for place, finding in enumerate(findings)
            if finding.keys == one.keys and finding.start <= end <= finding.end
        ]
        counts[held] += 1
    assert set(counts) == set(range(len(findings))), events
    if events == in_order(events):
        assert set(counts.values()) <= {1}, events


def failures(*made: tuple[int, int, int]) -> list[Event]:
    """How many at a minute, and how late."""
    return [Event(minute, late) for count, minute, late in made for _ in range(count)]


def attempts(*made: tuple[int, int, int]) -> list[Event]:
    """The same, each of another person."""
    return [replace(event, person=place) for place, event in enumerate(failures(*made))]


#: two findings, the first over at 10:25, and one record that makes them one: it decides the window that ends at 11:25
_GAP = [(5, 29, 1), (4, 100, 1), (1, 146, 1)]


@pytest.mark.parametrize(
    ("made", "ends"),
    [
        # earlier failures come late: the finding began earlier than was told, and is not told again
        ([(5, 60, 1), (5, 55, 50)], ["10:05"]),
        # the late ones are told first, and what then comes in time goes on
        ([(5, 130, 1), (5, 67, 58)], ["10:10"]),
        # what came too late to be told does not keep what it would be one finding with from being told
        ([(5, 1, 128), (5, 115, 20)], ["11:00"]),
        # the late ones decide: four in time, and a fifth
        ([(4, 60, 1), (1, 50, 55)], ["10:05"]),
        ([(4, 60, 1), (1, 50, 130)], []),
        # what shows two findings to be one is there when the second would be told
        ([*_GAP, (1, 140, 11)], ["09:30"]),
        # or comes when it has been told
        ([*_GAP, (1, 140, 55)], ["09:30", "11:30"]),
    ],
)
@pytest.mark.parametrize(("slug", "of"), [("brute-force", failures), ("password-spray", attempts)])
def test_late_records_of_a_finding(slug: str, of: Any, made: list[tuple[int, int, int]], ends: list[str]) -> None:
    _, modes = alerts(slug, Sentinel([story(slug, of(*made))]))
    for (told,) in modes:
        assert [f"{one.end:%H:%M}" for one in told] == ends


def test_a_row_of_a_sign_in_that_comes_late_is_told_with_the_first() -> None:
    """And not for itself, though the first was told an hour and more ago."""
    slug = "sync-account-abuse"
    _, modes = alerts(slug, Sentinel([story(slug, [Event(0, 0), Event(45, 60)])] * 6))
    assert [[len(told) for told in mode] for mode in modes] == [[1] * 6] * 2


@pytest.mark.parametrize(
    ("events", "kept"),
    [
        # the second waits for the first; what is late stays late
        ([Event(9, 0), Event(0, 30), Event(40, 2)], [Event(0, 30), Event(9, 21), Event(40, 2)]),
        ([Event(0, 60), Event(60, 60)], [Event(0, 60), Event(60, 60)]),
    ],
)
def test_in_order_is_in_order_of_arrival(events: list[Event], kept: list[Event]) -> None:
    assert in_order(events) == kept


#: shrinking a whole workspace of stories takes minutes; each story stands in the message. The first example is the
#: plainest, with all its stories alike
_QUICK = settings(
    max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)


def drawn(slug: str, count: int) -> st.SearchStrategy[list[list[Event]]]:
    return st.lists(PLAYS[slug].events(), min_size=count, max_size=count)


@pytest.mark.parametrize("slug", PLAYS)
@_QUICK
@given(data=st.data())
def test_each_run_tells_what_is_new_to_it(slug: str, data: st.DataObject) -> None:
    check(slug, data.draw(drawn(slug, 25)))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("slug", PLAYS)
@settings(_QUICK, max_examples=20)
@given(data=st.data())
def test_each_run_tells_what_is_new_to_it_in_many_stories(slug: str, data: st.DataObject) -> None:
    check(slug, data.draw(drawn(slug, 40)))
