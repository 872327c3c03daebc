"""Result rows of the rules to findings: neighbouring hits of one key are one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from entrawatch.dialects.sql import evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from entrawatch.rules.rule import Rule

LEVELS = ("informational", "low", "medium", "high", "critical")
#: event ids that a finding tells; `events` counts them all
_IDS = 100


@dataclass(frozen=True)
class Finding:
    """One finding.

    :param start: beginning of its first window, or the event's time.
    :param end: end of its last window (not in it), or the event's time.
    :param measures: what was counted, by name.
    :param evidence: different values of the fields worth seeing first.
    """

    rule: Rule
    level: str
    start: datetime
    end: datetime
    keys: dict[str, Any]
    measures: dict[str, int]
    event_ids: tuple[str, ...]
    evidence: dict[str, tuple[str, ...]]

    @property
    def severity(self) -> int:
        """The level's place, 0 for informational."""
        return LEVELS.index(self.level)

    def entities(self) -> list[dict[str, str]]:
        """What the finding is about: kind, identifier and value, each once."""
        named = {key.field.name: [str(self.keys[key.name])] for key in self.rule.keys if self.keys[key.name]}
        found = {
            (entity.kind, entity.identifier, value): None
            for entity in self.rule.entities
            for value in (*named.get(entity.field.name, ()), *self.evidence.get(entity.field.name, ()))
        }
        return [{"kind": kind, "identifier": identifier, "value": value} for kind, identifier, value in found]

    def line(self) -> dict[str, Any]:
        """The finding as one JSON object, as the product promises it."""
        return {
            "rule": self.rule.slug,
            "rule_id": self.rule.id,
            "title": self.rule.title,
            "level": self.level,
            "window": {"start": iso(self.start), "end": iso(self.end)},
            "keys": self.keys,
            "measures": self.measures,
            "event_ids": list(self.event_ids[:_IDS]),
            "entities": self.entities(),
        }


def iso(time: datetime) -> str:
    """ISO 8601 in UTC with Z, milliseconds only where there are some."""
    text = time.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    return text.replace(".000", "").replace("+00:00", "Z")


def findings(rule: Rule, rows: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """The findings of one rule's result rows, in time."""
    made = sorted((_finding(rule, row) for row in rows), key=lambda one: (_folded(one), one.start, one.end))
    merged: list[Finding] = []
    for one in made:
        if merged and _folded(merged[-1]) == _folded(one) and one.start <= merged[-1].end:
            merged[-1] = _joined(merged[-1], one)
        else:
            merged.append(one)
    return sorted(merged, key=lambda one: (one.start, _folded(one)))


def _finding(rule: Rule, row: Mapping[str, Any]) -> Finding:
    counted = {name: row[name] for name in row if name == "attempts" or name.startswith("distinct ")}
    ids = tuple(sorted(str(one) for one in row["event_ids"] if one is not None))
    return Finding(
        rule=rule,
        level=row["level"],
        start=row["window_start"],
        end=row["window_end"],
        keys={key.name: row[key.name] for key in rule.keys},
        measures={**counted, "events": row["events"]},
        event_ids=ids,
        evidence={field.name: _values(row[field.name]) for field in evidence(rule)},
    )


def _values(found: Any) -> tuple[str, ...]:
    return tuple(sorted({str(value) for value in found or () if value not in (None, "")}))


def _folded(finding: Finding) -> tuple[str, ...]:
    return tuple(str(value).lower() for value in finding.keys.values())


def _joined(one: Finding, other: Finding) -> Finding:
    ids = tuple(sorted({*one.event_ids, *other.event_ids}))
    measures = {name: max(value, other.measures[name]) for name, value in one.measures.items()}
    return replace(
        one,
        level=max(one.level, other.level, key=LEVELS.index),
        end=max(one.end, other.end),
        measures={**measures, "events": len(ids)},
        event_ids=ids,
        evidence={name: tuple(sorted({*seen, *other.evidence[name]})) for name, seen in one.evidence.items()},
    )
