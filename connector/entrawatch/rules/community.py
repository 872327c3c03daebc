"""Rules from elsewhere: plain Sigma rules and Sigma correlations, read into the same typed form as the catalogue's.

https://sigmahq.io/sigma-specification/specification/sigma-rules-specification.html
https://sigmahq.io/sigma-specification/specification/sigma-correlation-rules-specification.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Callable, Optional

from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

from entrawatch.rules import ir
from entrawatch.rules.catalogue import duration, read_rule
from entrawatch.rules.conditions import Detection, by_pysigma
from entrawatch.rules.document import read_documents
from entrawatch.rules.faults import Faults, Refused
from entrawatch.rules.names import SOURCES, resolver
from entrawatch.rules.rule import Key, Rule
from entrawatch.rules.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta
    from pathlib import Path

_TECHNIQUE = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)")
_COUNTS = {"event_count", "value_count"}
#: keys that only the catalogue's documents have
_OURS = {"triage", "tests", "entities", "escalate", "unless_baseline", "join"}
#: documents that stand beside rules, and why they are not read
_NO_RULES = {
    "filter": "a Sigma filter changes other rules; write the exception into the rule itself",
    "action": "old collections (action: global, repeat) mean more than one rule in a document; write each out",
}
_ENDINGS = {".yml", ".yaml"}


def validate(paths: Iterable[Path]) -> tuple[int, list[str]]:
    """Read rule files and the files of folders.

    :returns: how many rules are understood, and a line for everything that is not.
    """
    read, faults = load(paths)
    return len(read), faults


def load(paths: Iterable[Path]) -> tuple[list[Rule], list[str]]:
    """The rules of files and folders, typed, and the faults of those that cannot be."""
    plain: dict[str, Rule] = {}
    found: list[Rule] = []
    later: list[tuple[dict[str, Any], Faults]] = []
    lines: list[str] = []
    for path in _files(paths, lines):
        faults = Faults(str(path))
        text = path.read_text(encoding="utf-8", errors="replace")
        for document in read_documents(text, faults):
            if "correlation" in document and "detection" not in document:
                later.append((document, Faults(str(path))))
            elif (rule := _rule(document, text, path, faults)) is not None:
                found.append(rule)
                _name(rule, document, plain, faults)
        lines += faults.lines
    for document, faults in later:
        correlated = _correlation(document, plain, faults)
        found += [] if correlated is None else [correlated]
        lines += faults.lines
    return found, lines


def _name(rule: Rule, document: dict[str, Any], plain: dict[str, Rule], faults: Faults) -> None:
    """Remember the rule by what correlations may call it."""
    for key in ("name", "id"):
        name = document.get(key)
        if name and plain.setdefault(name, rule) is not rule:
            faults.add(key, f"{name} is the {key} of another rule too; a correlation could mean either")


def _files(paths: Iterable[Path], lines: list[str]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        inside = sorted(one for one in path.rglob("*") if one.suffix in _ENDINGS) if path.is_dir() else [path]
        if not path.exists():
            lines.append(f"{path}: there is no such file or folder")
        elif not inside:
            lines.append(f"{path}: no .yml file in it")
        files += [one for one in inside if one.is_file() and "baselines" not in one.parts]
    return files


def _rule(document: dict[str, Any], text: str, path: Path, faults: Faults) -> Optional[Rule]:
    if _OURS & set(document):
        return read_rule(text, faults, path.stem, shipped().baselines)
    kind = next((key for key in _NO_RULES if key in document), None)
    if kind:
        faults.add(kind, _NO_RULES[kind])
        return None
    if not _read(lambda: SigmaRule.from_dict(document), faults):
        return None
    try:
        return _plain(document, path, _source(document.get("logsource", {})))
    except Refused as refusal:
        faults.add("detection", str(refusal))
    return None


def _read(by: Callable[[], object], faults: Faults) -> bool:
    try:
        by_pysigma(by)
    except Refused as refusal:
        faults.add("", str(refusal))
        return False
    return True


def _listed(document: dict[str, Any], key: str) -> list[Any]:
    """A list, which may be missing, null, or a single text."""
    said = document.get(key) or []
    return [said] if isinstance(said, str) else list(said)


def _source(logsource: Any) -> str:
    said = logsource if isinstance(logsource, dict) else {}
    product, service = said.get("product"), said.get("service")
    if product not in {"azure", "m365", None} or service not in SOURCES:
        told = ", ".join(f"{key} {value}" for key, value in said.items())
        raise Refused(
            f"logsource {told} is none of Entra ID's: it takes product azure, service signinlogs or auditlogs"
        )
    return SOURCES[service]


def _plain(document: dict[str, Any], path: Path, source: str) -> Rule:
    detection = document["detection"]
    if "timeframe" in detection:
        raise Refused("timeframe belongs to the aggregations that Sigma has dropped; write a correlation")
    resolve = resolver(source)
    return Rule(
        slug=path.stem.replace("_", "-"), id=str(document.get("id", "")), title=str(document["title"]),
        description=str(document.get("description", "")).strip(), level=str(document.get("level", "medium")),
        source=source, query=ir.EventQuery(Detection(resolve, {}).predicate(detection)),
        keys=(Key("id", resolve("id")),), shown=tuple(_shown(document, resolve)),
        techniques=tuple(m[1].upper() for tag in _listed(document, "tags") if (m := _TECHNIQUE.fullmatch(tag))),
        references=tuple(map(str, _listed(document, "references"))),
        false_positives=tuple(map(str, _listed(document, "falsepositives"))), triage=(), entities=(),
    )  # fmt: skip


def _shown(document: dict[str, Any], resolve: Any) -> list[ir.FieldRef]:
    return [resolve(name) for name in _listed(document, "fields")]


# --- correlations -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Threshold:
    at_least: int
    field: str


def _correlation(document: dict[str, Any], plain: Mapping[str, Rule], faults: Faults) -> Optional[Rule]:
    if not _read(lambda: SigmaCorrelationRule.from_dict(document), faults):
        return None
    try:
        return _correlated(document, plain)
    except Refused as refusal:
        faults.add("correlation", str(refusal))
    return None


def _correlated(document: dict[str, Any], plain: Mapping[str, Rule]) -> Rule:
    said = document["correlation"]
    if said["type"] not in _COUNTS:
        raise Refused(f"type {said['type']} has no exact form in every language; it takes event_count and value_count")
    if said.get("aliases"):
        raise Refused("aliases: every spelling of a field is one field here; name it in group-by")
    base = _only(said, plain)
    threshold = _threshold(said)
    resolve = resolver(base.source)
    by = tuple(resolve(name) for name in _listed(said, "group-by"))
    if not by:
        raise Refused("group-by: a count over a whole tenant is no finding about anything; name at least one field")
    length = _length(said["timespan"])
    measure: ir.Count | ir.Distinct = ir.Count(threshold.at_least)
    if said["type"] == "value_count":
        measure = ir.Distinct(resolve(threshold.field), threshold.at_least)
    where = base.query.where if isinstance(base.query, ir.EventQuery) else ir.Or(())
    every = _step(length)
    return replace(
        base, id=str(document.get("id", base.id)), title=str(document["title"]),
        level=str(document.get("level", base.level)), keys=tuple(Key(field.name, field) for field in by),
        query=ir.WindowQuery(where, by, measure, length, every),
    )  # fmt: skip


def _length(text: str) -> timedelta:
    """
    :raises Refused: months and years have no length of their own.
    """
    if text[-1] == "w":
        return 7 * duration(f"{text[:-1]}d")
    if text[-1] not in "smhd":
        raise Refused(f"timespan: {text} is none of a fixed length; write it in days")
    return duration(text)


def _step(length: Any) -> Any:
    """W/12 in whole minutes, at least five, and a whole part of W."""
    from datetime import timedelta

    minutes = int(length.total_seconds()) // 60
    if minutes < 5 or length != timedelta(minutes=minutes):
        raise Refused("timespan: at least five minutes, in whole minutes")
    return timedelta(minutes=next(step for step in range(max(5, minutes // 12), minutes + 1) if minutes % step == 0))


def _only(said: dict[str, Any], plain: Mapping[str, Rule]) -> Rule:
    names = _listed(said, "rules")
    if len(names) != 1:
        raise Refused(f"rules: a count is over the events of one rule, and here are {len(names)}")
    if names[0] not in plain:
        raise Refused(f"rules: {names[0]} is the name or id of no rule that was read with it, or of a correlation")
    return plain[names[0]]


def _threshold(said: dict[str, Any]) -> _Threshold:
    condition = dict(said.get("condition", {}))
    field = condition.pop("field", "")
    if not isinstance(field, str):
        raise Refused("condition.field: it counts the values of one field")
    (operator, bound), *more = condition.items()
    if not isinstance(bound, int) or bound + (operator == "gt") < 1:
        raise Refused(f"condition: {operator} {bound} is no threshold; it takes a whole number that one event can miss")
    if operator in {"gte", "gt"} and not more:
        return _Threshold(bound + (operator == "gt"), field)
    raise Refused("condition: only gte and gt are thresholds that a growing count can reach once and for all")
