"""Graph's application permissions that reading logs takes, with the ids that a registration names them by.

Ids and meanings: learn.microsoft.com/graph/permissions-reference; that Conditional Access details are left out of
sign-ins without a Policy permission: learn.microsoft.com/graph/api/signin-list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from entrawatch.schema.streams import Stream

#: Microsoft Graph's own application id, the same in every cloud
GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"

ROLE_IDS: dict[str, str] = {
    "AuditLog.Read.All": "b0afded3-3588-46d8-8b3d-9842eff778da",
    "IdentityRiskEvent.Read.All": "6e472fd1-ad78-48da-a0f0-97ab2c6b769e",
    "IdentityRiskyUser.Read.All": "dc5007c0-2d7d-4c42-879c-2dab87571379",
    "IdentityRiskyServicePrincipal.Read.All": "607c7344-0eed-41e5-823a-9695ebe1b7b0",
    "Policy.Read.ConditionalAccess": "37730810-e9ba-4e46-b07e-8ca78d182097",
    "Policy.Read.All": "246dd0d5-5bd0-4def-940b-0421030a5b68",
    "Directory.Read.All": "7ab1d382-f21e-4acd-a863-ba3e13f7da61",
    "Organization.Read.All": "498476ce-e0fe-48b0-b801-37ba7e2685c6",
}
#: without one of these `appliedConditionalAccessPolicies` is left out of sign-ins, and nothing says so
CONDITIONAL_ACCESS = ("Policy.Read.ConditionalAccess", "Policy.Read.All")
#: one of these shows the tenant's licences
LICENCES = ("Organization.Read.All", "Directory.Read.All")


def needed(streams: Iterable[Stream]) -> tuple[str, ...]:
    """The least permissions that read these streams, in the table's order, Conditional Access details included."""
    streams = tuple(streams)
    names = {stream.permissions[0] for stream in streams}
    if any(stream.family == "signin" for stream in streams):
        names.add(CONDITIONAL_ACCESS[0])
    return tuple(name for name in ROLE_IDS if name in names)
