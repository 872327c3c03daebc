"""What a rule that is run by a schedule can know, and so must tell, run by run: in plain Python, from no query.

At a run the records are known that have arrived by then, and of their windows and sequences those that are over. What
belongs together among them is one finding. The run tells each finding that holds nothing that the run before knew: one
that does has been told, or goes on from one that has.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple

from tests.rules.judge import Finding, Judge, merged, once, rows

from entrawatch.rules import ir

from .sentinel_engine import DELAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from entrawatch.rules.rule import Rule

    from .sentinel_engine import Story


class Told(NamedTuple):
    """An alert: the run that tells it, whom it is about, and the end of the window with which the finding begins."""

    run: datetime
    keys: tuple[str, ...]
    end: datetime


class Oracle:
    """A rule without a baseline, and a story.

    A record counts as arrived five minutes after it was generated at the earliest: so late Sentinel runs its rules.
    """

    def __init__(self, rule: Rule, story: Story) -> None:
        self.rule, self.judge = rule, Judge({})
        self.arrivals = []
        for place, record in enumerate(story.records):
            late = story.late[min(place, len(story.late) - 1)]
            self.arrivals += [(row.time + max(late, DELAY), row) for row in rows([record])]
        self.hits: dict[tuple[bool, ...], list[Finding]] = {}

    def known(self, moment: datetime) -> list[Finding]:
        """The hits that are known at a moment, each by itself."""
        arrived = tuple(arrival <= moment for arrival, _ in self.arrivals)
        if arrived not in self.hits:
            there = [row for come, (_, row) in zip(arrived, self.arrivals) if come]
            self.hits[arrived] = self.judge.hits(self.rule, there)
        return [hit for hit in self.hits[arrived] if hit.end <= moment]

    def findings(self) -> list[Finding]:
        """Those of all records, once they all are there."""
        return self.judge.findings(self.rule, [row for _, row in self.arrivals])

    def told(self, moments: Sequence[datetime], every: timedelta) -> list[Told]:
        """What the runs at these moments tell."""
        found, together = [], once if isinstance(self.rule.query, ir.EventQuery) else merged
        for moment in moments:
            now = moment.replace(tzinfo=timezone.utc)
            before, known = self.known(now - every), self.known(now)
            for finding in together([*before, *known]):
                if not any(within(hit, finding) for hit in before):
                    ends = [hit.end for hit in known if within(hit, finding)]
                    found.append(Told(moment, finding.keys, min(ends).replace(tzinfo=None)))
        return sorted(found)


def within(hit: Finding, finding: Finding) -> bool:
    """Whether the hit is part of the finding."""
    return hit.keys == finding.keys and finding.start <= hit.start and hit.end <= finding.end
