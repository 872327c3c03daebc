"""Result rows of the rules to findings: neighbouring hits of one key are one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.dialects.sql import evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from entrawatch.rules.rule import Rule

LEVELS = ("informational", "low", "medium", "high", "critical")
#: event ids that a line tells, and values of a field; `events` and the measures count them all
_TOLD = 100
#: who made a change: a user's principal name or an application's name
ACTOR = "entra.initiator.name"
_FIRST, _LAST = datetime(1, 1, 1, tzinfo=timezone.utc), datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Finding:
    """One finding.

    :param start: beginning of its first window, or the event's time.
    :param end: end of its last window (not in it), or the event's time.
    :param first_event: time of the first of all the events it rests on; of a sequence or a join, both sides' events.
    :param last_event: time of the last one.
    :param measures: what was counted, by name.
    :param event_ids: all its events; of a sequence or a join, of the others those that the query names.
    :param own_ids: of a sequence or a join, the events that it is about; they are the first of `event_ids`.
    :param evidence: different values of the fields worth seeing first.
    """

    rule: Rule
    level: str
    start: datetime
    end: datetime
    first_event: datetime
    last_event: datetime
    keys: dict[str, Any]
    measures: dict[str, int]
    event_ids: tuple[str, ...]
    evidence: dict[str, tuple[str, ...]]
    own_ids: tuple[str, ...] = ()

    @property
    def severity(self) -> int:
        """The level's place, 0 for informational."""
        return LEVELS.index(self.level)

    def entities(self, most: Optional[int] = None) -> list[dict[str, str]]:
        """What the finding is about: kind, identifier and value, each once.

        :param most: how many values of a field, the first in order; all, where not told.
        """
        named = {key.field.name: [str(self.keys[key.name])] for key in self.rule.keys if self.keys[key.name]}
        found = {
            (entity.kind, entity.identifier, value): None
            for entity in self.rule.entities
            for value in (*named.get(entity.field.name, ()), *self.evidence.get(entity.field.name, ())[:most])
        }
        return [{"kind": kind, "identifier": identifier, "value": value} for kind, identifier, value in found]

    def about(self, most: int = 3) -> str:
        """Whom and what it concerns in a few words, and who did it from where, where that is told."""
        actors = self.evidence.get(ACTOR, ())
        entities = self.entities()
        named = [str(value) for value in self.keys.values()] if not (actors or entities) else []
        # beside who did it, an address is where it was done from, and no thing that it was done to
        places = dict.fromkeys(entity["value"] for entity in entities if actors and entity["kind"] == "ip")
        values = dict.fromkeys([*(entity["value"] for entity in entities), *named])
        known = {actor.lower() for actor in actors} | {place.lower() for place in places}
        others = [value for value in values if value.lower() not in known]
        by = f"by {_some(actors, most)}" if actors else ""
        at = f"from {_some([*places], most)}" if places else ""
        return ": ".join(filter(None, (" ".join(filter(None, (by, at))), _some(others, most))))

    def line(self) -> dict[str, Any]:
        """The finding as one JSON object, as the product promises it."""
        return {
            "rule": self.rule.slug,
            "rule_id": self.rule.id,
            "title": self.rule.title,
            "level": self.level,
            "window": {"start": iso(self.start), "end": iso(self.end)},
            "first_event": iso(self.first_event),
            "last_event": iso(self.last_event),
            "keys": self.keys,
            "measures": self.measures,
            "event_ids": list(self.event_ids[:_TOLD]),
            "entities": self.entities(_TOLD),
        }


def _some(values: Sequence[str], most: int) -> str:
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(values[:most]) + more


def iso(time: datetime) -> str:
    """ISO 8601 in UTC with Z, milliseconds only where there are some."""
    text = time.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    return text.replace(".000", "").replace("+00:00", "Z")


def findings(rule: Rule, rows: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """The findings of one rule's result rows, in time."""
    made = sorted((_finding(rule, row) for row in rows), key=lambda one: (_folded(one), one.start, one.end))
    runs: list[list[Finding]] = []
    end = None
    for one in made:
        if end is not None and _folded(runs[-1][0]) == _folded(one) and one.start <= end:
            runs[-1].append(one)
            end = max(end, one.end)
        else:
            runs.append([one])
            end = one.end
    merged = [_joined(run) if len(run) > 1 else run[0] for run in runs]
    return sorted(merged, key=lambda one: (one.first_event, one.last_event, _folded(one)))


def _finding(rule: Rule, row: Mapping[str, Any]) -> Finding:
    counted = {name: row[name] for name in row if name == "attempts" or name.startswith("distinct ")}
    own = _ids(row.get("own_ids", ()))
    return Finding(
        rule=rule,
        level=row["level"],
        start=_moment(row["window_start"]),
        end=_moment(row["window_end"]),
        first_event=_moment(row["first_event"]),
        last_event=_moment(row["last_event"]),
        keys={key.name: row[key.name] for key in rule.keys},
        measures={**counted, "events": row["events"]},
        event_ids=_ordered(own, _ids(row["event_ids"])),
        evidence={field.name: _values(row[field.name]) for field in evidence(rule)},
        own_ids=own,
    )


def _ids(found: Iterable[Any]) -> tuple[str, ...]:
    return tuple(sorted(str(one) for one in found if one is not None))


def _ordered(own: Iterable[str], all_: Iterable[str]) -> tuple[str, ...]:
    """A line tells a hundred of them: the success of a spray is to be one."""
    return tuple(dict.fromkeys((*own, *all_)))


def _moment(found: Any) -> datetime:
    """DuckDB tells a time beyond Python's years as text: a window that begins before the year 1 or ends behind 9999."""
    if isinstance(found, datetime):
        return found
    return _FIRST if "BC" in str(found) else _LAST


def _values(found: Any) -> tuple[str, ...]:
    return tuple(sorted({str(value) for value in found or () if value not in (None, "")}))


def _folded(finding: Finding) -> tuple[str, ...]:
    return tuple(str(value).lower() for value in finding.keys.values())


def _others(finding: Finding) -> int:
    """How many events led to those that it is about, named or not."""
    return finding.measures["events"] - len(finding.own_ids)


def _joined(run: list[Finding]) -> Finding:
    """One finding of several: all at once, for a year of hits is one run."""
    own = tuple(sorted({event for one in run for event in one.own_ids}))
    ids = _ordered(own, sorted({event for one in run for event in one.event_ids}))
    measures = {name: max(one.measures[name] for one in run) for name in run[0].measures}
    return replace(
        run[0],
        level=max((one.level for one in run), key=LEVELS.index),
        end=max(one.end for one in run),
        first_event=min(one.first_event for one in run),
        last_event=max(one.last_event for one in run),
        measures={**measures, "events": len(own) + max(map(_others, run)) if own else len(ids)},
        event_ids=ids,
        own_ids=own,
        evidence={
            name: tuple(sorted({value for one in run for value in one.evidence[name]})) for name in run[0].evidence
        },
    )
