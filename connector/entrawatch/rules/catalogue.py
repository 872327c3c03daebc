"""The catalogue's documents to typed rules.

`content/catalogue/<source>/<slug>.yml` is a Sigma document with our keys beside it; `baselines/<name>.yml` what a rule
may be measured against. Everything is checked before anything is used, and all faults of all files come at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

from entrawatch.errors import ConfigError
from entrawatch.rules import ir
from entrawatch.rules.attack import tactics, technique, unknown
from entrawatch.rules.cases import read_cases
from entrawatch.rules.conditions import Detection
from entrawatch.rules.document import check, read_documents
from entrawatch.rules.faults import Faults, Further, Refused
from entrawatch.rules.mended import mended
from entrawatch.rules.names import SOURCES, resolver
from entrawatch.rules.rule import Baseline, Entity, Escalation, Key, Rule
from entrawatch.rules.sigma_faults import predicate_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

T = TypeVar("T")

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
#: H where a rule does not say: W/12, at least five minutes (design law 4)
_SHORTEST_STEP = timedelta(minutes=5)


@dataclass(frozen=True)
class Catalogue:
    """Every rule by slug and every baseline by name."""

    rules: Mapping[str, Rule]
    baselines: Mapping[str, Baseline]


def load_catalogue(root: Path) -> Catalogue:
    """Read a catalogue folder.

    :raises ConfigError: with the faults of all its files.
    """
    faults: list[str] = []
    baselines = _load_folder(root / "baselines", _baseline, faults)
    rules: dict[str, Rule] = {}
    for source in SOURCES.values():
        rules |= _load_folder(
            root / source, lambda text, f, slug: read_rule(text, f, slug, baselines, filed=True), faults
        )
    faults += _twins(rules)
    if not rules and not faults:
        faults.append(f"{root}: it holds no rules; a catalogue has the folders {', '.join(SOURCES.values())}")
    if faults:
        raise ConfigError(faults)
    return Catalogue(rules, baselines)


def _load_folder(root: Path, read: Callable[[str, Faults, str], Optional[T]], faults: list[str]) -> dict[str, T]:
    found: dict[str, T] = {}
    for path in sorted(root.glob("*.yml")):
        own = Faults(f"{path.parent.name}/{path.name}")
        document = read(path.read_text(encoding="utf-8"), own, path.stem)
        faults += own.lines
        if document is not None:
            found[path.stem] = document
    return found


def _twins(rules: Mapping[str, Rule]) -> list[str]:
    first: dict[str, str] = {}
    return [
        f"{slug}.yml: id: {rule.id} is the id of {first[rule.id]} too; make a new one"
        for slug, rule in rules.items()
        if first.setdefault(rule.id, slug) != slug
    ]


def duration(text: str) -> timedelta:
    """ "15m" → 15 minutes; units s, m, h, d."""
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def read_rule(
    text: str, faults: Faults, slug: str, baselines: Mapping[str, Baseline], *, filed: bool = False
) -> Optional[Rule]:
    """One rule of the catalogue, None where it has faults (they are in `faults`).

    :param filed: whether packages are made of it, which need ATT&CK's own names for its tags.
    """
    documents = read_documents(text, faults)
    if len(documents) != 1:
        if documents:
            faults.add("", "a catalogue file holds one rule")
        return None
    if check(documents[0], "rule", faults):
        rule = _read(documents[0], slug, faults, baselines, filed)
        return None if faults.lines else rule
    if document := mended(documents[0]):
        _read(document, slug, Further(faults), baselines, filed, str(documents[0]))
    return None


def _read(
    document: dict[str, Any], slug: str, faults: Faults, baselines: Mapping[str, Baseline], filed: bool, whole: str = ""
) -> Optional[Rule]:
    """
    :param whole: all that the file says, where some of it stands aside: a parameter that is named there is used.
    """
    for told in unknown(document["tags"]) if filed else ():
        faults.add("tags", told)
    reader = _RuleReader(document, slug, faults, baselines)
    reader.used.update(re.findall(r"%(\w+)%", whole))
    return reader.rule()


class _RuleReader:
    """One document on its way to a rule; faults are gathered, nothing is raised."""

    def __init__(self, document: dict[str, Any], slug: str, faults: Faults, baselines: Mapping[str, Baseline]) -> None:
        self.document, self.slug, self.faults, self.baselines = document, slug, faults, baselines
        self.source = SOURCES[document["logsource"]["service"]]
        self.parameters = self._parameters()
        self.used: set[str] = set()

    def rule(self) -> Optional[Rule]:
        document = self.document
        query = self._query()
        keys = self._keys(query)
        rule = Rule(
            slug=self.slug, id=document["id"], title=document["title"], description=document["description"].strip(),
            level=document["level"], source=self.source, query=query, keys=keys,
            shown=self._fields("shown", document.get("shown", [])),
            techniques=tuple(filter(None, map(technique, document["tags"]))),
            references=tuple(document["references"]), false_positives=tuple(document["falsepositives"]),
            triage=tuple(document["triage"]), entities=self._entities(),
            parameters=tuple(self.parameters.values()), escalations=self._escalations(),
            tactics=tactics(document["tags"]), stories=tuple(document.get("stories", [])),
            date=document.get("modified", document["date"]),
            cases=read_cases(document["tests"], self.faults, {key.name for key in keys}),
        )  # fmt: skip
        for name in sorted(set(self.parameters) - self.used):
            self.faults.add(f"parameters.{name}", "no part of the rule uses it")
        return rule

    # --- names and values ---

    def _field(self, key: str, name: str, source: str = "") -> ir.FieldRef:
        try:
            return resolver(source or self.source)(name)
        except Refused as refusal:
            self.faults.add(key, str(refusal))
            return ir.FieldRef(name)

    def _fields(self, key: str, names: list[str]) -> tuple[ir.FieldRef, ...]:
        return tuple(self._field(key, name) for name in names)

    def _predicate(self, key: str, detection: dict[str, Any], source: str = "") -> ir.Predicate:
        self.used.update(re.findall(r"%(\w+)%", str(detection)))
        found = predicate_of(detection, resolver(source or self.source), self.parameters, key, self.faults)
        return ir.Or(()) if found is None else found

    def _parameters(self) -> dict[str, ir.Parameter]:
        found = {}
        for name, said in self.document.get("parameters", {}).items():
            default = tuple(said["default"]) if isinstance(said["default"], list) else said["default"]
            fits = {"integer": int, "text": str, "list": tuple}[said["type"]]
            if not isinstance(default, fits):
                self.faults.add(f"parameters.{name}.default", f"{default!r} is no {said['type']}")
            found[name] = ir.Parameter(name, said["type"], default, said["description"], said.get("minimum", 0))
        return found

    def _number(self, key: str, value: Any) -> ir.Value:
        if isinstance(value, int):
            return value
        name = value.strip("%")
        self.used.add(name)
        if name in self.parameters and self.parameters[name].kind == "integer":
            return self.parameters[name]
        self.faults.add(key, f"{value} names no integer parameter of this rule")
        return 1

    # --- the query ---

    def _query(self) -> ir.Query:
        document = self.document
        where, outside = self._predicate("detection", document["detection"]), self._outside()
        if "join" in document:
            return self._join(where, document["join"])
        if "correlation" not in document:
            return ir.EventQuery(where, outside)
        window = self._window(where, outside, document["correlation"])
        then = document["correlation"].get("then")
        return self._followed(window, then) if then else window

    def _window(self, where: ir.Predicate, outside: Optional[ir.Outside], said: dict[str, Any]) -> ir.WindowQuery:
        length = duration(said["timespan"])
        every = duration(said["every"]) if "every" in said else max(length / 12, _SHORTEST_STEP)
        self._whole("correlation.every", length, every, said["timespan"])
        at_least = self._number("correlation.at_least", said["at_least"])
        measure: ir.Count | ir.Distinct = ir.Count(at_least)
        if "distinct" in said:
            measure = ir.Distinct(self._field("correlation.distinct", said["distinct"]), at_least)
        return ir.WindowQuery(
            where, self._fields("correlation.group-by", said["group-by"]), measure, length, every, outside
        )

    def _followed(self, first: ir.WindowQuery, said: dict[str, Any]) -> ir.FollowedQuery:
        key = "correlation.then"
        same = self._fields(f"{key}.same", said["same"])
        for field in set(same) - set(first.by):
            self.faults.add(f"{key}.same", f"{field.name} is no field of the group; it takes those of group-by")
        among = self._field(f"{key}.among", said["among"]) if "among" in said else None
        then = self._predicate(f"{key}.detection", said["detection"])
        within, every = duration(said["within"]), duration(said["every"])
        self._whole(f"{key}.every", within, every, said["within"])
        return ir.FollowedQuery(first, then, same, within, every, among)

    def _whole(self, key: str, length: timedelta, every: timedelta, said: str) -> None:
        """A window's length is so many steps: else what one run sees first, no run sees last."""
        if length % every:
            self.faults.add(key, f"a window of {said} is no whole number of its steps")

    def _join(self, where: ir.Predicate, said: dict[str, Any]) -> ir.JoinQuery:
        source = SOURCES[said["logsource"]["service"]]
        on = (self._field("join.field", said["field"]), self._field("join.field", said["field"], source))
        partner = self._predicate("join.detection", said["detection"], source)
        length, every = duration(said["timespan"]), duration(said["every"])
        self._whole("join.every", length, every, said["timespan"])
        return ir.JoinQuery(where, source, partner, on, length, every)

    def _outside(self) -> Optional[ir.Outside]:
        said = self.document.get("unless_baseline")
        if said is None:
            return None
        if said["name"] not in self.baselines:
            known = ", ".join(sorted(self.baselines)) or "none"
            self.faults.add("unless_baseline.name", f"there is no baseline {said['name']!r} (there are: {known})")
        country = self._field("unless_baseline.country", said["country"]) if "country" in said else None
        return ir.Outside(said["name"], self._field("unless_baseline.address", said["address"]), country)

    # --- what is around it ---

    def _keys(self, query: ir.Query) -> tuple[Key, ...]:
        if "keys" in self.document:
            return tuple(Key(name, self._field(f"keys.{name}", path)) for name, path in self.document["keys"].items())
        group = query.by if isinstance(query, ir.WindowQuery) else (self._field("keys", "id"),)
        return tuple(Key(field.name, field) for field in group)

    def _entities(self) -> tuple[Entity, ...]:
        found = tuple(
            Entity(
                said["kind"],
                said["identifier"],
                self._field(f"entities.{place}.field", said["field"]),
                said.get("risk", True),
            )
            for place, said in enumerate(self.document["entities"])
        )
        if not any(entity.risk for entity in found):
            self.faults.add("entities", "one of them raises risk: leave out `risk: false` at what the finding is about")
        return found

    def _escalations(self) -> tuple[Escalation, ...]:
        return tuple(
            Escalation(self._predicate(f"escalate.{place}", said["detection"]), said["level"], said["why"])
            for place, said in enumerate(self.document.get("escalate", []))
        )


def _baseline(text: str, faults: Faults, name: str) -> Optional[Baseline]:
    documents = read_documents(text, faults)
    if len(documents) != 1 or not check(documents[0], "baseline", faults):
        return None
    said = documents[0]
    source = SOURCES[said["logsource"]["service"]]
    try:
        resolve = resolver(source)
        return Baseline(
            name=name, source=source, where=Detection(resolve, {}).predicate(said["detection"]),
            address=resolve(said["address"]), country=resolve(said["country"]), user=resolve(said["user"]),
            users=said["users"], days=said["days"], lookback=duration(said["lookback"]),
            description=said["description"].strip(),
        )  # fmt: skip
    except Refused as refusal:
        faults.add("", str(refusal))
        return None
