"""Plans and outcomes as a person reads them, and as JSON for a pipeline. Every text of a product's is made safe."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from entrawatch.deploy.plan import CHANGED, DRIFTED, KINDS_OF_DIFFERENCE, NEW, REMOVED, UNCHANGED
from entrawatch.deploy.target import DONE
from entrawatch.redaction import redact, safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from entrawatch.deploy.plan import Difference, Plan
    from entrawatch.deploy.target import Outcome

_SIGNS = {NEW: "+", CHANGED: "~", DRIFTED: "!", REMOVED: "-"}
_COUNTED = {NEW: "new", CHANGED: "changed", DRIFTED: "drifted by hand", REMOVED: "removed", UNCHANGED: "unchanged"}
KEPT = "kept"
#: what a person may do about objects that a deployment leaves alone
_LEFT = {
    DRIFTED: "drifted: left as they are; --overwrite-drift puts the catalogue's back (choose some with --rules)",
    REMOVED: "removed: no longer in the catalogue, left as they are; --prune deletes them (with --overwrite-drift "
    "also those that somebody changed by hand)",
    KEPT: "kept: never deleted by this command, for they are not its own; delete or disable them in the product",
}


def plan_lines(plans: Sequence[Plan], where: str, left: Sequence[Difference]) -> Iterator[str]:
    """A line an object that differs, and the counts.

    :param left: differences that a deployment with these options would not touch.
    """
    yield safe(where)
    for difference in (one for plan in plans for one in plan.changes):
        yield _line(_SIGNS[difference.what], difference.what, difference, _what(difference))
    yield ", ".join(f"{sum(plan.count(what) for plan in plans)} {word}" for what, word in _COUNTED.items())
    yield from (_LEFT[reason] for reason in _LEFT if any(_reason(one) == reason for one in left))


def _reason(difference: Difference) -> str:
    """Why a deployment leaves an object alone."""
    standing = difference.standing
    return KEPT if difference.what == REMOVED and standing is not None and standing.kept else difference.what


def _line(sign: str, word: str, difference: Difference, told: str) -> str:
    return safe(
        f"  {sign} {word:<9} {difference.kind} {difference.name}{f': {told}' if told else ''}".replace("\n", " ")
    )


def _what(difference: Difference) -> str:
    fields = ", ".join(difference.fields)
    return f"{fields} ({difference.note})" if fields and difference.note else fields or difference.note


def outcome_line(outcome: Outcome) -> str:
    """What became of a step."""
    difference, done = outcome.step.difference, DONE[outcome.step.action]
    if outcome.error:
        return _line("x", "failed", difference, outcome.error)
    return _line("*", done, difference, outcome.note)


def as_json(target: str, where: str, plans: Sequence[Plan], outcomes: Sequence[Outcome]) -> str:
    """Everything as one JSON document, for a pipeline to read."""
    counts = {what: sum(plan.count(what) for plan in plans) for what in (*KINDS_OF_DIFFERENCE, UNCHANGED)}
    document: dict[str, Any] = {
        "target": target,
        "where": where,
        "counts": counts,
        "differences": [_difference(one) for plan in plans for one in plan.changes],
    }
    if outcomes:
        document["outcomes"] = [_outcome(one) for one in outcomes]
    return redact(json.dumps(document, indent=2))


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "what": one.what, "kind": one.kind, "name": one.name, "rule": one.slug, "key": one.key,
        "fields": list(one.fields), "note": one.note,
    }  # fmt: skip


def _outcome(one: Outcome) -> dict[str, Any]:
    return {
        "action": one.step.action, "kind": one.step.difference.kind, "name": one.step.difference.name,
        "key": one.step.difference.key, "done": not one.error, "error": one.error, "note": one.note,
    }  # fmt: skip
