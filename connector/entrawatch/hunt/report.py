"""The hunt's report: one HTML file without scripts, network or anything that is not escaped.

Jinja2 escapes every value (autoescape is on, and no template marks a value safe), and spells out what nobody sees in
it, as what would show a name in another order than it has (`finalize` sees every value that is written). A content
security policy keeps a browser from loading or running anything even if a value got through.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from entrawatch.hunt import words
from entrawatch.hunt.changes import changes
from entrawatch.hunt.findings import LEVELS
from entrawatch.hunt.timeline import covered, timeline
from entrawatch.hunt.unread import UNREAD
from entrawatch.redaction import visible
from entrawatch.rules.attack import TACTICS, TECHNIQUES, Technique

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from entrawatch.hunt.findings import Finding
    from entrawatch.hunt.run import Hunt
    from entrawatch.rules.rule import Rule

#: findings that are written out; a report with more would not open
_WRITTEN = 500
#: findings on the time line
_DRAWN = 5000


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
    covers = covered(hunt)
    return environment.get_template("report.html.j2").render(
        hunt=hunt,
        unread=UNREAD,
        levels=[(level, sum(one.level == level for one in hunt.findings)) for level in reversed(LEVELS)],
        findings=list(enumerate(shown, 1)),
        left_out=len(hunt.findings) - len(shown),
        timeline=timeline(hunt.findings[:_DRAWN], *covers) if covers else None,
        words=words,
        written=_WRITTEN,
        drawn=_DRAWN,
        matrix=matrix(hunt.ran.values(), hunt.findings),
    )


def _finalized(value: Any) -> Any:
    """What the template writes of a value, before it is escaped; what a macro made has been through here."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def matrix(rules: Iterable[Rule], findings: Sequence[Finding]) -> list[tuple[str, list[tuple[Technique, int]]]]:
    """Tactic → the techniques that the rules look for, with the number of findings of each, in the matrix's order."""
    sought = {technique for rule in rules for technique in rule.techniques}
    counts = Counter(technique for finding in findings for technique in finding.rule.techniques)
    found = {
        name: [
            (one, counts[one.id]) for one in TECHNIQUES.values() if tactic in one.tactics and one.id in sought
        ]
        for tactic, name in TACTICS.items()
    }  # fmt: skip
    return [(name, techniques) for name, techniques in found.items() if techniques]
