"""How an emulator can be set, and what it remembers of each request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Optional, Union

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from entrawatch.emulator.throttle import Limits

#: what an application is granted unless the caller says otherwise
DEFAULT_ROLES = frozenset(
    {
        "AuditLog.Read.All", "Directory.Read.All", "IdentityRiskEvent.Read.All", "IdentityRiskyUser.Read.All",
        "IdentityRiskyServicePrincipal.Read.All", "Policy.Read.ConditionalAccess",
    }
)  # fmt: skip
ALL_LICENCES = frozenset({"Entra ID P1", "Entra ID P2", "Workload Identities Premium"})


@dataclass(frozen=True)
class Logged:
    """One request that was answered.

    :param at: the clock's monotonic seconds when it came in.
    """

    method: str
    path: str
    query: Mapping[str, str]
    status: int
    at: float


@dataclass(frozen=True)
class Options:
    """How the emulator behaves.

    :param throttle: False for none; True for the published limits, or limits of one's own.
    :param latency: seconds every answer takes.
    :param token_lifetime: seconds an access token is good for.
    :param skip_token_lifetime: seconds a nextLink is good for; None for ever.
    :param skip_token_uses: times a nextLink may be followed; None for any number.
    :param retention: how far back the reporting paths answer.
    :param shifting: whether late arrivals move the pages of a walk.
    :param roles: application permissions of the tenant's one application.
    :param licences: names as the stream table writes them.
    :param device_interval: seconds a device-code client is told to wait between polls.
    :param device_polls: polls that are answered "pending" before the person has signed in; None waits for
        `Emulator.devices.decide`.
    :param port: 0 for a free one.
    :param keep: folder that certificates and the application's secret are kept in, and taken from where they are
        there; None for a temporary one, which is gone at the end.
    :param tenant_id: a GUID.
    :param domain: the tenant's verified domain.
    """

    throttle: Union[bool, Limits] = True
    latency: float = 0.0
    token_lifetime: int = 3599
    skip_token_lifetime: Optional[float] = 3600.0
    skip_token_uses: Optional[int] = None
    retention: timedelta = timedelta(days=90)
    shifting: bool = False
    roles: frozenset[str] = DEFAULT_ROLES
    licences: frozenset[str] = ALL_LICENCES
    device_interval: int = 5
    device_polls: Optional[int] = 1
    port: int = 0
    keep: Optional[Path] = None
    tenant_id: str = "5a3e0c4e-7f0b-4d8e-9a51-0c0ffee0e7a1"
    domain: str = "contoso.example"
