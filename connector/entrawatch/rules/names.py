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
#: what rules of the community often ask of a whole object, and how it is asked here
_HINTS = {
    ("signin", "status"): "; what succeeded has status.errorCode: 0",
    ("signin", "location"): "; a country is location.countryOrRegion",
}
#: fields with one value of a list that many rules ask for
_ONE_OF = {
    "targetResources.id": "entra.target.id",
    "targetResources.displayName": "entra.target.name",
    "targetResources.type": "entra.target.type",
    "targetResources.userPrincipalName": "entra.target.user.name",
}


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
        told = _HINTS.get((source, found.name), "")
        raise Refused(f"{name} holds a whole object; name a field inside it{_inside(found)}{told}")
    return ir.FieldRef(found.name, _KINDS[found.type], _many(found))


def _many(field: Field) -> bool:
    """Whether it, or one of the objects it lies in, is a list."""
    lists = {known.name for known in FIELDS if known.family == field.family and known.many}
    parts = field.name.split(".")
    return field.many or any(".".join(parts[:length]) in lists for length in range(1, len(parts)))


def instead_of_list(name: str) -> str:
    """What to take in a list's place where one value is asked for."""
    found = resolve(_ONE_OF[name], "audit") if name in _ONE_OF else None
    if found is None:
        return "take a field of one value (docs/fields.md says which holds a list)"
    return f"{found.name} is one value, the {found.description.removeprefix('Derived: ')}"


def _suggestion(source: str, name: str) -> str:
    known = _spellings(source)
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    if not close:
        return "; docs/fields.md lists them"
    spelling, meant = known[close[0]]
    return f"; did you mean {spelling}{'' if spelling == meant else f' (here {meant})'}?"


@cache
def _spellings(source: str) -> dict[str, tuple[str, str]]:
    """Lower-case spelling → how it is written and the field it means: Graph's names, columns, the community's."""
    found: dict[str, tuple[str, str]] = {}
    for field in FIELDS:
        own = "" if field.name.startswith("envelope.") else field.name  # nobody's spelling but ours
        if field.family in {source, "common"}:
            for spelling in filter(None, (own, field.column, *field.aliases)):
                meant = resolve(spelling, source)
                found.setdefault(spelling.lower(), (spelling, meant.name if meant else field.name))
    return found


def _inside(outer: Field) -> str:
    parts = [field.name for field in FIELDS if field.family == outer.family and field.name.startswith(outer.name + ".")]
    return f" ({', '.join(parts[:4])}{' …' if len(parts) > 4 else ''})" if parts else ""
