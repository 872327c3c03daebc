"""What a finding needs and plain Sigma does not say: whom it is about, what to see first, what to do."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from entrawatch.rules import ir
from entrawatch.rules.names import resolver
from entrawatch.rules.rule import Entity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from entrawatch.rules.rule import Key

#: kind, identifier, field: what a record of the source is about, the first ones first
_ENTITIES = {
    "signin": (
        ("account", "upn", "userPrincipalName"),
        ("ip", "address", "ipAddress"),
        ("application", "name", "appDisplayName"),
    ),
    "audit": (
        ("account", "upn", "initiatedBy.user.userPrincipalName"),
        ("application", "name", "initiatedBy.app.displayName"),
        ("account", "upn", "entra.target.user.name"),
        ("application", "name", "entra.target.app.name"),
    ),
}
_SHOWN = {
    "signin": ("status.errorCode", "status.failureReason", "clientAppUsed", "location.countryOrRegion"),
    "audit": ("activityDisplayName", "result", "entra.target.name"),
}
_TRIAGE = {
    "signin": (
        "See whether the address, the device and the application are usual for the account; look at its week before.",
        "Look at what else came from the same address, and at what the account did after the sign-in.",
        "Ask the person by another channel. If it was not them, revoke the sessions and reset the password.",
    ),
    "audit": (
        "See who made the change, from where, and whether it is part of their work; find the change request.",
        "Look at their sign-ins of the hours before, and at what else they changed since.",
        "If nobody vouches for it, undo the change, and revoke the sessions of the account that made it.",
    ),
}


def entities(source: str, keys: Sequence[Key]) -> tuple[Entity, ...]:
    """What a finding is about; what it is grouped by comes first.

    :param source: signin or audit.
    """
    resolve = resolver(source)
    found = [Entity(kind, identifier, resolve(field)) for kind, identifier, field in _ENTITIES[source]]
    named = {key.field for key in keys}
    return tuple(sorted(found, key=lambda entity: entity.field not in named))


def shown(source: str, where: ir.Predicate) -> tuple[ir.FieldRef, ...]:
    """The fields worth seeing first: those that the rule tests, then some of the source."""
    resolve = resolver(source)
    found = [*_tested(where), *map(resolve, _SHOWN[source])]
    return tuple(dict.fromkeys(ref for ref in found if ref.name != "id"))


def triage(source: str) -> tuple[str, ...]:
    """What to do about a finding of which no more is known than its source."""
    return _TRIAGE[source]


def _tested(node: Any) -> Iterator[ir.FieldRef]:
    if isinstance(node, ir.FieldRef):
        yield node
    elif isinstance(node, tuple):
        for part in node:
            yield from _tested(part)
    elif is_dataclass(node):
        for part in fields(node):
            yield from _tested(getattr(node, part.name))
