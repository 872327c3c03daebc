"""What is wrong with a Sigma document, part by part, so that one run tells all of it with its keys.

pySigma reads a rule whole and stops at what it cannot bear; here it reads each key beside ones that are surely right.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Optional

from sigma.rule import SigmaRule

from entrawatch.rules.conditions import Detection, Resolve, by_pysigma
from entrawatch.rules.faults import Faults, Refused, refusal
from entrawatch.words import near

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from entrawatch.rules import ir

#: what a condition is made of, and what of it are no names
_WORD = re.compile(r"[A-Za-z0-9_*-]+")
_JOINING = {"and", "or", "not", "of", "them", "1", "any", "all"}
#: a rule that pySigma reads: a key is read beside its others
_RIGHT: dict[str, Any] = {
    "title": "x",
    "logsource": {"product": "azure", "service": "signinlogs"},
    "detection": {"x": {"x": "x"}, "condition": "x"},
}
#: what each key takes, for what is said of a wrong one
_TAKES = {
    "title": "a text of at most 256 characters",
    "id": "a UUID, as python -c 'import uuid; print(uuid.uuid4())' makes them",
    "name": "a text",
    "status": "stable, test, experimental, deprecated or unsupported",
    "level": "informational, low, medium, high or critical",
    "date": "a date as 2026-11-24",
    "modified": "a date as 2026-11-24",
    "description": "a text",
    "author": "a text",
    "license": "a text",
    "taxonomy": "a text",
    "tags": "a list of texts as attack.t1110",
    "references": "a list of texts",
    "fields": "a list of fields",
    "falsepositives": "a list of texts",
    "related": "a list of {id, type}",
    "logsource": "product azure and service signinlogs or auditlogs",
}


def check_header(document: Mapping[str, Any], required: tuple[str, ...], faults: Faults) -> None:
    """Note what pySigma says of each key but the detection and the correlation, which mean something here."""
    for key in required:
        if key not in document:
            faults.add("", f"it has no {key}; {_missing(key, document)}")
    for key, value in document.items():
        if key not in {"detection", "correlation"}:
            for told in _told(key, value):
                faults.add(str(key), f"{told}{f'; it takes {_TAKES[key]}' if key in _TAKES else ''}")


def _missing(key: str, document: Mapping[str, Any]) -> str:
    """A key that is nearly it, or what to add."""
    told = near(key, (str(one) for one in document if one not in _TAKES))
    return f"is {told.split()[-1].rstrip('?')} meant to be it?" if told.startswith("did") else _ADD[key]


_ADD = {
    "title": "add a line that names it",
    "logsource": f"it takes {_TAKES['logsource']}",
    "detection": "add {selection: {FIELD: VALUE}, condition: selection}",
}


def _told(key: Any, value: Any) -> Iterator[str]:
    if not isinstance(key, str):
        yield f"{key} is a key that is no text"
        return
    try:
        rule = by_pysigma(lambda: SigmaRule.from_dict({**_RIGHT, key: value}, collect_errors=True))
    except Refused as refused:
        yield str(refused)
        return
    yield from (" ".join(str(error).split()) for error in rule.errors)


def predicate_of(
    detection: Any, resolve: Resolve, parameters: Mapping[str, ir.Parameter], key: str, faults: Faults
) -> Optional[ir.Predicate]:
    """The predicate of a detection; None where it has faults, which are noted below `key`, all of them."""
    reader = Detection(resolve, parameters)
    try:
        return reader.predicate(detection)
    except Refused as refused:
        told = list(_parts(reader, detection)) or [("", str(refused))]
    for inner, reason in told:
        faults.add(f"{key}.{inner}" if inner else key, reason)
    return None


def _parts(reader: Detection, detection: Any) -> Iterator[tuple[str, str]]:
    """The key and the reason of everything in a detection that is refused for itself."""
    if not isinstance(detection, dict):
        yield "", "it is a mapping of names to what they select, with a condition"
        return
    named = {name: part for name, part in detection.items() if name != "condition"}
    for name, part in named.items():
        yield from _items(reader, str(name), part)
    yield from _condition(reader, named, detection.get("condition"))


def _items(reader: Detection, key: str, part: Any) -> Iterator[tuple[str, str]]:
    if isinstance(part, dict) and part:
        for name, value in part.items():
            yield from _item(reader, f"{key}.{name}", {name: value})
    elif isinstance(part, list) and part:
        for place, one in enumerate(part):
            inner = f"{key}.{place}" if isinstance(one, (dict, list)) else key
            yield from _items(reader, inner, one)
    else:
        yield from _item(reader, key, part)


def _item(reader: Detection, key: str, part: Any) -> Iterator[tuple[str, str]]:
    """What is refused of one field's values: each of them, for one that is wrong hides the next."""
    whole = _refusal(reader, {"x": part, "condition": "x"})
    if not whole:
        return
    if isinstance(next(iter(part.values()), None) if isinstance(part, dict) else None, dict):
        yield key, "a value is a text, a number, true, false, null or a list; write the path, as deviceDetail.trustType"
        return
    ((name, values),) = part.items() if isinstance(part, dict) and part else [("", None)]
    told = []
    if isinstance(values, list):
        told = [_refusal(reader, {"x": {name: value}, "condition": "x"}) for value in values]
    reasons = list(filter(None, told)) or [whole]
    for reason in dict.fromkeys([*_unknown(reader, name, values), *reasons]):
        yield key, reason


def _unknown(reader: Detection, name: Any, values: Any) -> Iterator[str]:
    """Why the fields of a test are none, whatever is wrong with its modifiers beside them."""
    field, *modifiers = name.split("|") if isinstance(name, str) else [""]
    others = values if isinstance(values, list) else [values]
    for one in (field, *(others if "fieldref" in modifiers else ())):
        if isinstance(one, str) and one:
            yield from filter(None, [refusal(partial(reader.resolve, one))])


def _condition(reader: Detection, named: Mapping[Any, Any], condition: Any) -> Iterator[tuple[str, str]]:
    """What is refused of the condition, whatever its parts are."""
    if not named:
        yield "", "it selects nothing; add selection: {FIELD: VALUE}, and condition: selection"
    elif isinstance(condition, str) and "|" in condition:
        yield "condition", "Sigma has dropped aggregations (| count, near); write a correlation, a document of its own"
    elif condition is None:
        yield "", f"it has no condition; add one, as condition: {next(iter(named))}"
    else:
        reason = _refusal(reader, {**{name: {"id": "x"} for name in named}, "condition": condition})
        if reason:
            if undefined := _undefined(list(map(str, named)), condition if isinstance(condition, str) else ""):
                reason = f"the detection has no {', no '.join(undefined)}"
            yield "condition", f"{reason}; it joins {', '.join(map(str, named))} with and, or, not, 1 of and all of"


def _undefined(named: Sequence[str], condition: str) -> list[str]:
    """Each word of a condition that is no part of the detection, nor a pattern of some; with what it nearly is."""
    words = _WORD.findall(condition)
    told = {}
    for before, word in zip(["", *words], words):
        known = fnmatch.filter(named, word) if before == "of" else word in named
        if not known and word not in _JOINING:
            meant = {word.lower()} & _JOINING
            close = [*meant] or difflib.get_close_matches(word, named, n=1)
            told[word] = f"{word} (did you mean {close[0]}?)" if close else word
    return list(told.values())


def _refusal(reader: Detection, detection: dict[Any, Any]) -> str:
    return refusal(lambda: reader.predicate(detection))
