"""Which derived fields of audit events KQL computes, and from which of the parts in kql_derived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from entrawatch.dialects.base import Unsupported
from entrawatch.dialects.kql_derived import PARTS

if TYPE_CHECKING:
    from entrawatch.rules import ir

_USER, _APP = "InitiatedBy.user", "InitiatedBy.app"
_UPN, _USER_ID = f"tostring({_USER}.userPrincipalName)", f"tostring({_USER}.id)"
_PERSON = f"isnotempty({_UPN}) or isnotempty({_USER_ID})"
_APP_NAME, _PRINCIPAL = f"tostring({_APP}.displayName)", f"tostring({_APP}.servicePrincipalName)"
_FIRST_NAME = "tostring(TargetResources[0].displayName)"

#: fields that one expression over the native columns gives
INLINE = {
    "ipAddress": f"trim(@'\\s+', tostring({_USER}.ipAddress))",
    "userPrincipalName": _UPN,
    "entra.initiator.name": f"iff({_PERSON}, {_UPN}, iff(isnotempty({_APP_NAME}), {_APP_NAME}, {_PRINCIPAL}))",
    "entra.target.id": "tostring(TargetResources[0].id)",
    "entra.target.name": (
        f"iff(isnotempty({_FIRST_NAME}), {_FIRST_NAME}, tostring(TargetResources[0].userPrincipalName))"
    ),
    "entra.target.type": "tostring(TargetResources[0].type)",
}
#: what is then done with their columns: the address without its port, and nothing that is no address
AFTER = {
    "ipAddress": (
        r"IpAddress = iff(IpAddress startswith '[', extract(@'^\[([^\]]*)', 1, IpAddress), IpAddress)",
        r"IpAddress = iff(IpAddress matches regex @'^[^:]*:[^:]*$', extract(@'^([^:]*)', 1, IpAddress), IpAddress)",
        r"IpAddress = iff(isempty(parse_ipv6(IpAddress)) or IpAddress matches regex @'[/%]', '', IpAddress)",
    ),
}
#: what derived fields are computed from, and the key by which they are joined back
TARGETS, HASH = "TargetResources", "Targets = hash_sha256(tostring(TargetResources))"
#: field → the part that has it as a column, one row an event
_SINGLE = {
    **{
        f"entra.target.{kind}.{what}": f"target_{kind}s" for kind in ("user", "app", "group") for what in ("id", "name")
    },
    "entra.consent.is_admin": "consent_is_admin",
    "entra.consent.is_app_only": "consent_is_app_only",
    "entra.consent.on_behalf_of_all": "consent_on_behalf_of_all",
    "entra.consent.type": "consent_types",
    **{f"entra.credentials.{what}": "credentials" for what in ("old", "new", "growth")},
    **{
        f"entra.policy.{what}": "policies"
        for what in ("name", "old_state", "new_state", "old_conditions", "new_conditions")
    },
}
#: field → the part that has its values as rows
_SEVERAL = {
    "entra.consent.scopes": "consent_scopes",
    "entra.role.name": "role_names",
    "entra.role.id": "role_ids",
    "entra.credentials.added": "keys_added",
    "entra.policy.exclusions_added": "exclusions_added",
}
#: who acted, else who was changed: needs the first target that is a user
ACTOR, ACTOR_TARGET = "userPrincipalName", "EntraTargetUserName"
ACTOR_ELSE = "UserPrincipalName = iff(isnotempty(UserPrincipalName), UserPrincipalName, EntraTargetUserName)"


def part_of(ref: ir.FieldRef) -> Optional[str]:
    """The part that a derived field is read from; None for a field that is not derived or stands in one expression.

    :raises Unsupported: a derived field that is not computed here.
    """
    if ref.name == ACTOR:
        return "target_users"
    found = _SINGLE.get(ref.name) or _SEVERAL.get(ref.name)
    if found is None and ref.name.startswith("entra.") and ref.name not in INLINE:
        raise Unsupported(ref, f"{ref.name} is derived, and KQL does not compute it from Sentinel's columns")
    return found


def with_needs(name: str) -> list[str]:
    """The part and all it is made from, in order."""
    found: list[str] = []
    for need in PARTS[name].needs:
        found += [one for one in with_needs(need) if one not in found]
    return [*found, name]
