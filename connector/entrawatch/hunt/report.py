"""The hunt's report: one HTML file without scripts, network or anything that is not escaped.

Jinja2 escapes every value (autoescape is on, and no template marks a value safe), and spells out what nobody sees in
it, as what would show a name in another order than it has (`finalize` sees every value that is written). A content
security policy keeps a browser from loading or running anything even if a value got through.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from entrawatch.hunt import words
from entrawatch.hunt.changes import changes
from entrawatch.hunt.findings import LEVELS
from entrawatch.hunt.unread import UNREAD
from entrawatch.redaction import visible
from entrawatch.rules.attack import TACTICS, TECHNIQUES, Technique

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from entrawatch.hunt.findings import Finding
    from entrawatch.hunt.run import Hunt

#: findings that are written out; a report with more would not open
_WRITTEN = 500
#: findings on the time line
_DRAWN = 5000
_WIDTH, _ROW = 960, 26


@dataclass(frozen=True)
class Dot:
    """A finding on the time line."""

    x: float
    width: float
    y: int
    level: str
    title: str
    anchor: str


@dataclass(frozen=True)
class Timeline:
    """The picture of when, one row a level."""

    dots: tuple[Dot, ...]
    rows: tuple[tuple[int, str], ...]
    ticks: tuple[tuple[float, str], ...]
    width: int
    height: int


def report(hunt: Hunt) -> str:
    """The report of a hunt as HTML text."""
    environment = Environment(
        loader=PackageLoader("entrawatch.hunt", ""),
        autoescape=True,
        finalize=_finalized,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        read=words.read, label=words.label, meaning=words.meaning, technique=words.technique, laid_out=words.laid_out,
        changes=changes,
    )  # fmt: skip
    shown = hunt.findings[:_WRITTEN]
    return environment.get_template("report.html.j2").render(
        hunt=hunt,
        unread=UNREAD,
        levels=[(level, sum(one.level == level for one in hunt.findings)) for level in reversed(LEVELS)],
        findings=list(enumerate(shown, 1)),
        left_out=len(hunt.findings) - len(shown),
        timeline=timeline(hunt.findings[:_DRAWN]),
        matrix=matrix(hunt.findings),
    )


def _finalized(value: Any) -> Any:
    """What the template writes of a value, before it is escaped; what a macro made has been through here."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def matrix(findings: Sequence[Finding]) -> list[tuple[str, list[tuple[Technique, int]]]]:
    """Tactic → its techniques with the number of findings that name them, in the matrix's order."""
    counts = Counter(technique for finding in findings for technique in finding.rule.techniques)
    return [
        (name, [(technique, counts[technique.id]) for technique in TECHNIQUES.values() if tactic in technique.tactics])
        for tactic, name in TACTICS.items()
    ]


def timeline(findings: Sequence[Finding]) -> Timeline:
    """Where each finding stands between the first and the last."""
    rows = tuple((place * _ROW + 20, level) for place, level in enumerate(reversed(LEVELS)))
    height = len(rows) * _ROW + 40
    if not findings:
        return Timeline((), rows, (), _WIDTH, height)
    start = min(finding.first_event for finding in findings)
    end = max(finding.last_event for finding in findings)
    span = max((end - start).total_seconds(), 1.0)

    def place(time: datetime) -> float:
        return round(110 + (_WIDTH - 130) * (time - start).total_seconds() / span, 1)

    heights = {level: y for y, level in rows}
    dots = tuple(
        Dot(
            x=place(finding.first_event),
            width=max(place(finding.last_event) - place(finding.first_event), 8),
            y=heights[finding.level],
            level=finding.level,
            title=f"{finding.rule.title}, {words.read(finding.first_event)}: {finding.about()}",
            anchor=f"finding-{number}" if number <= _WRITTEN else "left-out",
        )
        for number, finding in enumerate(findings, 1)
    )
    ticks = tuple((place(moment), moment.strftime("%b %d %H:%M")) for moment in _ticks(start, end))
    return Timeline(dots, rows, ticks, _WIDTH, height)


def _ticks(start: datetime, end: datetime) -> list[datetime]:
    return [start + (end - start) * part / 4 for part in range(5)] if end > start else [start]
