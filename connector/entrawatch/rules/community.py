"""Rules of one's own: plain Sigma rules, Sigma correlations and documents of the catalogue's form, from anywhere.

What is plain Sigma says less than the catalogue does; `defaults` fills in what a finding needs.

https://sigmahq.io/sigma-specification/specification/sigma-rules-specification.html
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.rules import ir
from entrawatch.rules.attack import tactics
from entrawatch.rules.catalogue import read_rule
from entrawatch.rules.correlation import Faulty, names_in, window_of
from entrawatch.rules.defaults import entities, shown, triage
from entrawatch.rules.document import read_documents
from entrawatch.rules.faults import Faults, Refused
from entrawatch.rules.files import Fault, files_of, in_order, text_of
from entrawatch.rules.names import SOURCES, resolver
from entrawatch.rules.rule import Key, Rule
from entrawatch.rules.shipped import shipped
from entrawatch.rules.sigma_faults import check_header, predicate_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from entrawatch.rules.document import Document

_TECHNIQUE = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)", re.IGNORECASE)
#: keys that only the catalogue's documents have; a correlation stands beside a detection there
_OURS = {"triage", "tests", "entities", "escalate", "unless_baseline", "join", "parameters", "keys", "shown"}
#: documents that stand beside rules, and why they are not read
_NO_RULES = {
    "filter": "a Sigma filter changes other rules; write the exception into the rule itself",
    "action": "old collections (action: global, repeat) mean more than one rule in a document; write each out",
}


@dataclass(frozen=True)
class Own:
    """A rule and where it was read.

    :param counted: whether it is only what a correlation counts over.
    :param line: where in the file what it looks for stands.
    """

    rule: Rule
    path: Path
    counted: bool = False
    line: int = 0


def load(paths: Iterable[Path]) -> tuple[list[Own], list[Fault]]:
    """The rules of files and folders, typed, and every fault of those that cannot be."""
    reader = _Reader()
    for path in files_of(paths, reader.faults):
        reader.file(path)
    reader.correlations()
    return reader.named(), in_order(reader.faults)


class _Reader:
    """The documents of several files on their way to rules; a correlation names rules of any of them."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._found: list[tuple[Own, Document]] = []
        self._names: dict[str, Own] = {}
        self._faulty: dict[str, Faulty] = {}
        self._later: list[tuple[Document, Path, Faults]] = []
        self._counted: set[str] = set()

    def file(self, path: Path) -> None:
        """Read a file; its correlations wait for the others."""
        faults = Faults(str(path))
        text = text_of(path, faults)
        documents = read_documents(text, faults) if text is not None else []
        self._tell(path, faults)
        for document in documents:
            own = Faults(str(path), places=document.places)
            if "correlation" in document and "detection" not in document:
                self._later.append((document, path, own))
                continue
            rule = _rule(document, text or "", path, own)
            if rule is not None and not own.lines:
                self._keep(Own(rule, path, line=document.places["detection"]), document, own)
            else:
                where = f"line {min(document.places.values(), default=1)} of {path}"
                self._faulty.update(dict.fromkeys(_called(document).values(), Faulty(where, _source_in(document))))
            self._tell(path, own)

    def correlations(self) -> None:
        """Read what waited."""
        plain: dict[str, Rule | Faulty] = {**self._faulty, **{name: own.rule for name, own in self._names.items()}}
        for document, path, faults in self._later:
            rule = _correlation(document, plain, faults)
            self._counted.update(names_in(document["correlation"]))  # where it is refused, too: its part is no rule
            if rule is not None:
                self._found.append((Own(rule, path, line=document.places["correlation"]), document))
            self._tell(path, faults)

    def _tell(self, path: Path, faults: Faults) -> None:
        self.faults += [Fault(path, told, line) for line, told in faults.noted]

    def _keep(self, own: Own, document: Document, faults: Faults) -> None:
        """Take the rule, and remember it by what correlations may call it; a second one of a name or id is none."""
        called = _called(document)
        for key, name in called.items():
            if name in self._names:
                other = self._names[name].path
                faults.add(key, f"{name} is the {key} of another rule, too ({other}); make a new one, or leave one out")
        if not faults.lines:
            self._names.update(dict.fromkeys(called.values(), own))
            self._found.append((own, document))

    def named(self) -> list[Own]:
        """The rules, each with its slug: the file's name where it is the only one that hunts there."""
        counted = {id(self._names[name]) for name in self._counted if name in self._names}
        found = [(replace(own, counted=id(own) in counted), document) for own, document in self._found]
        many = Counter(own.path for own, _ in found if not own.counted)
        return [
            replace(own, rule=replace(own.rule, slug=_slug(own, document, alone=many[own.path] == 1)))
            for own, document in found
        ]


def _called(document: Document) -> dict[str, str]:
    return {key: str(document[key]) for key in ("name", "id") if document.get(key)}


def _slug(own: Own, document: Document, *, alone: bool) -> str:
    """What it is called in Latin letters; where they spell none of it, its id, else its file."""
    said = own.path.stem if alone and not own.counted else str(document.get("name") or own.rule.title)
    return next(filter(None, map(_latin, (said, own.rule.id, own.path.stem))), "rule")


def _latin(said: str) -> str:
    plain = unicodedata.normalize("NFKD", said.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80]


# --- documents --------------------------------------------------------------------------------------------------------


def _rule(document: Document, text: str, path: Path, faults: Faults) -> Optional[Rule]:
    ours = sorted(_OURS & set(document)) or (["correlation"] if "correlation" in document else [])
    if "triage" in ours or "tests" in ours:
        return read_rule(text, faults, path.stem, shipped().baselines)
    if ours:
        faults.add(
            ours[0],
            "beside a detection it is the catalogue's, with triage and tests; Sigma's correlation is its own document",
        )
        return None
    kind = next((key for key in _NO_RULES if key in document), None)
    if kind:
        faults.add(kind, _NO_RULES[kind])
        return None
    return _plain(document, faults)


def _plain(document: Document, faults: Faults) -> Optional[Rule]:
    check_header(document, ("title", "logsource", "detection"), faults)
    source = _source(document.get("logsource"), faults) if "logsource" in document else None
    detection = document.get("detection")
    if isinstance(detection, dict) and "timeframe" in detection:
        faults.add("detection.timeframe", "it belongs to the aggregations that Sigma has dropped; write a correlation")
        detection = {name: part for name, part in detection.items() if name != "timeframe"}
    if source is None or "detection" not in document:
        return None
    where = predicate_of(detection, resolver(source), {}, "detection", faults)
    fields = _fields(document, source, faults)
    if where is None or faults.lines:
        return None
    return _made(document, source, ir.EventQuery(where), (Key("id", resolver(source)("id")),), fields)


def _correlation(document: Document, plain: Mapping[str, Rule | Faulty], faults: Faults) -> Optional[Rule]:
    check_header(document, ("title",), faults)
    read = window_of(document["correlation"], plain, faults)
    fields = _fields(document, read[0].source, faults) if read else ()
    if read is None or faults.lines:
        return None
    base, query = read
    keys = tuple(Key(field.name, field) for field in query.by)
    made = _made(document, base.source, query, keys, fields)
    return replace(
        made, level=made.level if document.get("level") else base.level, parameters=base.parameters,
        techniques=made.techniques or base.techniques, tactics=made.tactics or base.tactics,
        references=made.references or base.references, false_positives=made.false_positives or base.false_positives,
    )  # fmt: skip


def _made(
    document: Document, source: str, query: ir.EventQuery | ir.WindowQuery, keys: tuple[Key, ...],
    fields: tuple[ir.FieldRef, ...],
) -> Rule:  # fmt: skip
    tags = [tag.lower().replace("_", "-") for tag in _listed(document, "tags")]
    title = " ".join(str(document["title"]).split())
    return Rule(
        slug="", id=str(document.get("id") or ""), title=title,
        description=str(document.get("description") or "").strip(),
        level=str(document.get("level") or "medium").lower(), source=source, query=query, keys=keys,
        shown=fields or shown(source, query.where),
        techniques=tuple(m[1].upper() for tag in tags if (m := _TECHNIQUE.fullmatch(tag))), tactics=tactics(tags),
        references=tuple(_listed(document, "references")), false_positives=tuple(_listed(document, "falsepositives")),
        triage=triage(source), entities=entities(source, keys),
        date=str(document.get("modified") or document.get("date") or "").replace("/", "-"),
    )  # fmt: skip


def _listed(document: Document, key: str) -> list[str]:
    """A list, which may be missing, null, or a single text."""
    said = document.get(key) or []
    return list(map(str, [said] if isinstance(said, str) else said))


def _source_in(document: Document) -> str:
    """What a document with faults reads; "" where it does not say."""
    return _source(document.get("logsource"), Faults("")) or ""


def _source(said: Any, faults: Faults) -> Optional[str]:
    """
    :returns: signin or audit: where it is neither, which is a fault, what it nearly is, or None.
    """
    if not isinstance(said, dict):
        return None  # pySigma has said so
    product, service = said.get("product"), str(said.get("service"))
    if service in SOURCES and product in ("azure", "m365", None) and not said.get("category"):
        return SOURCES[service]
    told = ", ".join(f"{key} {value}" for key, value in said.items() if key != "definition")
    close = next(iter(get_close_matches(service, SOURCES, n=1)), "")
    hint = f"; is {close} meant?" if close not in ("", service) else ""
    faults.add(
        "logsource",
        f"{told} is none of Entra ID's; it takes product azure, service signinlogs or auditlogs, no category{hint}",
    )
    return SOURCES.get(close)


def _fields(document: Document, source: str, faults: Faults) -> tuple[ir.FieldRef, ...]:
    found = []
    for name in _listed(document, "fields"):
        try:
            found.append(resolver(source)(name))
        except Refused as refusal:
            faults.add("fields", str(refusal))
    return tuple(found)
