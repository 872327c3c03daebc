"""What a finding is about, as columns that Sentinel's entity mapping can take: scalars, by strong identifiers.

A mapping takes a column of text, so a list gives one column for each of its first few values; an empty one is no
entity. A person is told by name and suffix of the principal name, and by object id where the source has one.

https://learn.microsoft.com/azure/sentinel/entities-reference
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from entrawatch.dialects.kql_text import spelled
from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrawatch.rules.rule import Entity, Rule

#: how many values of a list become entities
_LISTED = 3
#: the catalogue's kind of thing → Sentinel's type; the other kinds (role, policy) have none there
TYPES = {"account": "Account", "ip": "IP", "application": "CloudApplication"}
#: where the object id of a person stands whose principal name stands in this field
_OBJECT_IDS = {
    ("signin", "userPrincipalName"): "userId",
    ("audit", "initiatedBy.user.userPrincipalName"): "initiatedBy.user.id",
    ("audit", "entra.target.user.name"): "entra.target.user.id",
}


@dataclass(frozen=True)
class Mapped:
    """One entity of a finding.

    :param type: Account, IP or CloudApplication.
    :param identifiers: identifier → column, none of them another's.
    :param columns: column → the expression that gives it, from the finding's own columns.
    """

    type: str
    identifiers: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]


def with_object_ids(rule: Rule) -> Rule:
    """The rule, with the object ids of the people it is about among what it shows; not of a list, which has no use for
    them and would fill the alert twice."""
    fields = [entity.field.name for entity in rule.entities if _values(rule, entity) == 1]
    names = [_OBJECT_IDS[rule.source, name] for name in fields if (rule.source, name) in _OBJECT_IDS]
    return replace(rule, shown=(*rule.shown, *map(ir.FieldRef, names)))


def mapped(rule: Rule) -> list[Mapped]:
    """The entities of the rule's findings, the catalogue's first ones first."""
    found: list[Mapped] = []
    for entity in rule.entities:
        for place in range(_values(rule, entity)):
            kind = TYPES.get(entity.kind)
            number = 1 + sum(one.type == kind for one in found)
            if kind == "Account":
                found.append(_account(rule, entity, place, f"Account{number}"))
            elif kind == "IP":
                found.append(_plain(rule, entity, place, ("IP", "Address", f"Address{number}")))
            elif kind == "CloudApplication":
                found.append(_plain(rule, entity, place, ("CloudApplication", "Name", f"Application{number}")))
    return found


def _values(rule: Rule, entity: Entity) -> int:
    """How many values of the entity's field a finding may have."""
    single = isinstance(rule.query, (ir.EventQuery, ir.JoinQuery))
    return 1 if single or entity.field in {key.field for key in rule.keys} else _LISTED


def _value(rule: Rule, ref: ir.FieldRef, place: int) -> str:
    """One value of the finding's column: a key has one, what is shown beside it is a list."""
    key = next((key for key in rule.keys if key.field.name == ref.name), None)
    return spelled(key.name) if key else f"tostring({spelled(ref.name)}[{place}])"


def _plain(rule: Rule, entity: Entity, place: int, named: tuple[str, str, str]) -> Mapped:
    kind, identifier, column = named
    return Mapped(kind, ((identifier, column),), ((column, _value(rule, entity.field, place)),))


def _account(rule: Rule, entity: Entity, place: int, name: str) -> Mapped:
    parts = tuple(_parts(rule, entity, place, name))
    identifiers = tuple((identifier, column) for identifier, column, _ in parts)
    return Mapped("Account", identifiers, tuple((column, value) for _, column, value in parts))


def _parts(rule: Rule, entity: Entity, place: int, name: str) -> Iterator[tuple[str, str, str]]:
    """Identifier, column and expression. A list's object ids are in another order than its names, so it has none."""
    value = _value(rule, entity.field, place)
    yield "Name", f"{name}Name", f'tostring(split({value}, "@")[0])'
    yield "UPNSuffix", f"{name}UPNSuffix", f'tostring(split({value}, "@")[1])'
    object_id = _OBJECT_IDS.get((rule.source, entity.field.name))
    if object_id and _values(rule, entity) == 1:
        yield "AadUserId", f"{name}ObjectId", _value(rule, ir.FieldRef(object_id), 0)
