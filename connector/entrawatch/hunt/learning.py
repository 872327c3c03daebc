"""What to say of rules that had to judge before they had learnt what is usual.

Where nobody has signed in for a lookback yet, an attacker's network is as unknown as the organisation's, and one that
was used on some days may count as usual in hindsight. So no finding says nothing there, and that is told whenever a
rule with a baseline ran over such a time: with candidates or without.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from entrawatch.hunt.judged import NAMES, Span, baseline_of, minute, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from entrawatch.hunt.findings import Finding
    from entrawatch.rules.catalogue import Catalogue
    from entrawatch.rules.rule import Baseline

_MEND = "add earlier logs, and --since where to begin"


def unlearnt(
    catalogue: Catalogue,
    ran: Iterable[str],
    unjudged: Iterable[Finding],
    spans: Mapping[str, Span],
    looked: Mapping[str, Span],
) -> Iterator[str]:
    """A line for each baseline with rules that looked at a time at which it was not learnt yet.

    :param ran: the rules that ran.
    :param spans: of the logs, by source; `looked` of what lies in the range that was asked for.
    """
    counts = Counter(one.rule.slug for one in unjudged)
    learning: dict[str, list[str]] = {}
    for slug in ran:
        known = baseline_of(catalogue, catalogue.rules[slug])
        if known and _is_early(looked[catalogue.rules[slug].source], spans[known.source], known):
            learning.setdefault(known.name, []).append(slug)
    for name, slugs in learning.items():
        known = catalogue.baselines[name]
        parts = {slug: looked[catalogue.rules[slug].source] for slug in slugs}
        names = ", ".join(slug + _possible(counts[slug]) for slug in slugs)
        yield f"{names}: {_told(known, spans[known.source], whole(parts))}; {_MEND}"


def _is_early(looked: Span, learnt: Span, known: Baseline) -> bool:
    """Whether an event that is looked at comes before the end of the first lookback."""
    if looked.first is None:
        return False
    return learnt.first is None or looked.first < learnt.first + known.lookback


def _possible(count: int) -> str:
    return f" ({count:,} possible finding{'' if count == 1 else 's'})" if count else ""


def _told(known: Baseline, learnt: Span, looked: Span) -> str:
    what = NAMES[known.source]
    why = f"{known.name} is learnt from {known.lookback.days} days of {what}"
    if learnt.first is None or looked.first is None or looked.last is None:
        return f"not judged: {why}, and there are no {what}"
    full = learnt.first + known.lookback
    why += f", and these begin on {minute(learnt.first)}"
    late = f"from {minute(full)} to {minute(looked.last)}" if looked.last >= full else ""
    if learnt.holds(known.lookback):
        how = f"judged {late}, and before that in hindsight" if late else "judged in hindsight"
        return (
            f"{how} only: {why}; what is before {minute(full)} is held against what was usual by then, where a network "
            "that an attacker used on several days may count as usual"
        )
    how = f"judged {late} only" if late else "not judged"
    return f"{how}: {why}: nothing is judged before {minute(full)}"
