"""What a rule calls a field, to the field: the schema's names and the spellings the community uses."""

from __future__ import annotations

import difflib
from functools import cache
from typing import TYPE_CHECKING

from entrawatch.rules import ir
from entrawatch.rules.faults import Refused
from entrawatch.schema.fields import FIELDS, Field, resolve

if TYPE_CHECKING:
    from entrawatch.rules.conditions import Resolve

#: Sigma's logsource service → the source a rule reads
SOURCES = {"signinlogs": "signin", "auditlogs": "audit"}

_KINDS = {
    "keyword": "text",
    "text": "text",
    "long": "number",
    "double": "number",
    "boolean": "boolean",
    "date": "time",
    "ip": "address",
}  # fmt: skip


@cache
def resolver(source: str) -> Resolve:
    """Names to fields for one source.

    :param source: signin or audit.
    """
    return lambda name: _field(source, name)


@cache
def _field(source: str, name: str) -> ir.FieldRef:
    found = resolve(name, source)
    if found is None:
        raise Refused(f"the {source} source has no field {name!r}{_suggestion(source, name)}")
    if found.type not in _KINDS:
        raise Refused(f"{name} holds a whole {found.type}; name a field inside it{_inside(found)}")
    return ir.FieldRef(found.name, _KINDS[found.type], _many(found))


def _many(field: Field) -> bool:
    """Whether it, or one of the objects it lies in, is a list."""
    lists = {known.name for known in FIELDS if known.family == field.family and known.many}
    parts = field.name.split(".")
    return field.many or any(".".join(parts[:length]) in lists for length in range(1, len(parts)))


def _suggestion(source: str, name: str) -> str:
    known = {field.name.lower(): field.name for field in FIELDS if field.family in {source, "common"}}
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return f"; did you mean {known[close[0]]}?" if close else "; docs/fields.md lists them"


def _inside(outer: Field) -> str:
    parts = [field.name for field in FIELDS if field.family == outer.family and field.name.startswith(outer.name + ".")]
    return f" ({', '.join(parts[:4])}{' …' if len(parts) > 4 else ''})" if parts else ""
