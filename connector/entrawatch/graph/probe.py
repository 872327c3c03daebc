"""doctor's checks of one tenant's Graph: token, permissions, each stream, licence, clock, how far back logs reach."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Optional

from entrawatch import jsontext
from entrawatch.errors import AuthError, SourceError
from entrawatch.graph import query
from entrawatch.graph.auth import TokenSource
from entrawatch.graph.budget import Budgets
from entrawatch.graph.client import GraphClient, Tokens
from entrawatch.graph.permissions import CONDITIONAL_ACCESS, LICENCES
from entrawatch.graph.policy import Ask, VersionMissingError
from entrawatch.interfaces import Window
from entrawatch.schema import times
from entrawatch.schema.streams import STREAMS, default_streams

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from entrawatch.config.model import TenantConfig
    from entrawatch.interfaces import Clock, Observer
    from entrawatch.schema.streams import Stream

OK, WARN, FAIL = "ok", "warn", "fail"
#: Entra ID refuses assertions and Graph tokens beyond 5 minutes; windows suffer earlier
SKEW_WARN, SKEW_FAIL = 30.0, 300.0
#: service plans by the names subscribedSkus gives them
#: (learn.microsoft.com/entra/identity/users/licensing-service-plan-reference)
PLANS = {"AAD_PREMIUM": "Entra ID P1", "AAD_PREMIUM_P2": "Entra ID P2", "AAD_WRKLDID_P2": "Workload Identities Premium"}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    :param name: what, e.g. "stream non_interactive".
    :param status: OK, WARN or FAIL.
    :param message: what was found, one line.
    :param advice: what to do, "" when there is nothing to do.
    """

    name: str
    status: str
    message: str
    advice: str = ""


def probe(
    tenant: TenantConfig,
    *,
    clock: Clock,
    observer: Observer,
    budgets: Optional[Budgets] = None,
    tokens: Optional[Tokens] = None,
) -> Iterator[Check]:
    """The checks, each as soon as it is made; nothing after a token that cannot be had.

    :raises ConfigError: unusable URLs or CA bundle.
    """
    tokens = tokens or TokenSource(tenant)
    try:
        token = tokens.token()
    except SourceError as error:
        what = "the credential" if isinstance(error, AuthError) else "the connection"
        yield Check("token", FAIL, str(error), f"mend {what}, then run doctor again")
        return
    yield Check("token", OK, "Entra ID gives a token")
    client = GraphClient(tenant, tokens, clock=clock, observer=observer, budgets=budgets or Budgets(clock, observer))
    try:
        yield from _Probe(tenant, client, clock, roles_in(token)).checks()
    finally:
        client.close()


def roles_in(token: str) -> Optional[frozenset[str]]:
    """The application permissions in a token, read without verifying it; None when it cannot be read."""
    parts = token.split(".")
    try:
        claims = jsontext.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return None
    roles = claims.get("roles", []) if isinstance(claims, dict) else None
    return frozenset(str(role) for role in roles) if isinstance(roles, list) else None


class _Probe:
    def __init__(
        self, tenant: TenantConfig, client: GraphClient, clock: Clock, roles: Optional[frozenset[str]]
    ) -> None:
        self._tenant = tenant
        self._client = client
        self._clock = clock
        self._roles = roles
        self._skew: Optional[float] = None
        named = tuple(STREAMS[name] for name in tenant.streams if name in STREAMS)
        self._streams = named or default_streams()

    def checks(self) -> Iterator[Check]:
        yield from self._permissions()
        for stream in self._streams:
            yield self._stream(stream)
        yield self._clocks()
        yield self._licences()
        yield from self._reach()

    def _permissions(self) -> Iterator[Check]:
        if self._roles is None:
            yield Check("permissions", WARN, "the token cannot be read", "look at the streams' own checks below")
            return
        for stream in self._streams:
            if not self._roles.intersection(stream.permissions):
                wanted = " or ".join(stream.permissions)
                yield Check(f"permission for {stream.name}", FAIL, f"the token lacks {wanted}",
                            f"grant {wanted} (application) and admin consent")  # fmt: skip
        yield from self._more_and_less(self._roles)

    def _more_and_less(self, roles: frozenset[str]) -> Iterator[Check]:
        signins = any(stream.family == "signin" for stream in self._streams)
        if signins and not roles.intersection(CONDITIONAL_ACCESS):
            yield Check(
                "permission for Conditional Access details", WARN,
                "appliedConditionalAccessPolicies will be missing from sign-ins, and Graph does not say so",
                f"grant {' or '.join(CONDITIONAL_ACCESS)} (application) and admin consent",
            )  # fmt: skip
        writing = sorted(role for role in roles if "ReadWrite" in role or ".Write" in role)
        if writing:
            yield Check("permissions beyond reading", WARN, f"the application may also write: {', '.join(writing)}",
                        "take them away; reading logs needs none of them")  # fmt: skip
        yield Check("permissions", OK, f"the token carries {', '.join(sorted(roles)) or 'no permission'}")

    def _stream(self, stream: Stream) -> Check:
        name, now = f"stream {stream.name}", self._clock.now()
        try:
            newest, note = self._newest(stream, Window(now - timedelta(days=1), now))
        except SourceError as error:
            return Check(name, FAIL, str(error), "do what the message says, or leave the stream out")
        served = self._client.served_at
        if served is not None:
            self._skew = (self._clock.now() - served).total_seconds()
        return Check(name, OK, f"readable{note}; {'newest record ' if newest else ''}{_age(newest, now)}")

    def _newest(self, stream: Stream, window: Window) -> tuple[Optional[datetime], str]:
        try:
            return self._edge(stream, window, "desc"), ""
        except VersionMissingError:
            if stream.fallback is None:
                raise
            older = STREAMS[stream.fallback]
            return self._edge(older, window, "desc"), f", with Graph {older.version} only (fewer fields)"

    def _edge(self, stream: Stream, window: Window, order: str) -> Optional[datetime]:
        """The time of a window's newest or oldest record; any record's where the order cannot be asked for."""
        asked = " and ".join(text for text in (query.time_filter(stream, window), stream.filter) if text)
        options = {"$filter": asked, "$top": "1"}
        if stream.order:
            options["$orderby"] = f"{stream.time_field} {order}"
        url = query.collection(self._client.url, stream, options)
        values = self._client.page(url, Ask(stream.name, stream.limit, 0, stream, window.start))["value"]
        first = values[0] if values and isinstance(values[0], dict) else {}
        return times.parse(first.get(stream.time_field))

    def _clocks(self) -> Check:
        if self._skew is None:
            return Check("clock", WARN, "no answer told the service's time", "run doctor again when a stream reads")
        words = f"this machine is {abs(self._skew):.0f} s {'ahead of' if self._skew > 0 else 'behind'} Graph"
        if abs(self._skew) < SKEW_WARN:
            return Check("clock", OK, words)
        status = FAIL if abs(self._skew) >= SKEW_FAIL else WARN
        return Check("clock", status, words, "keep this machine's clock by NTP")

    def _licences(self) -> Check:
        wanted = sorted({stream.licence for stream in self._streams if stream.licence})
        if self._roles is not None and not self._roles.intersection(LICENCES):
            return Check("licence", OK, f"not looked up ({', '.join(wanted)} wanted); readable streams show it",
                         f"to see licences here, grant {LICENCES[0]}")  # fmt: skip
        try:
            skus = self._client.call("GET", f"{self._client.url}/v1.0/subscribedSkus", Ask("licences", "directory"))
        except SourceError as error:
            return Check("licence", WARN, str(error), "licences could not be looked up; the streams' checks tell")
        plans = licences_in(skus)
        missing = [name for name in wanted if name not in plans]
        if missing:
            return Check("licence", WARN, f"the tenant has {', '.join(sorted(plans)) or 'no premium licence'}; some "
                         f"streams want {', '.join(missing)}", "buy it, or leave those streams out")  # fmt: skip
        return Check("licence", OK, f"the tenant has {', '.join(sorted(plans))}")

    def _reach(self) -> Iterator[Check]:
        """How far back the ordered streams go, against how far back the configuration wants to begin."""
        now = self._clock.now()
        # one of a family: they are kept equally long, and each look costs a request of the budget
        for stream in {stream.family: stream for stream in self._streams if stream.order}.values():
            kept = timedelta(days=stream.retention_days)
            try:
                oldest = self._edge(stream, Window(now - kept, now), "asc")
            except SourceError:
                continue  # its own check above has said why
            yield self._compare(stream, now, oldest)

    def _compare(self, stream: Stream, now: datetime, oldest: Optional[datetime]) -> Check:
        name, start = f"reach of {stream.name}", self._tenant.collect.start
        begin = now - start if isinstance(start, timedelta) else start
        words = f"the oldest record kept: {_age(oldest, now)}"
        if begin < now - timedelta(days=stream.retention_days):
            advice = f"Entra ID keeps {stream.retention_days} days (7 without a licence); what is older is a gap"
            return Check(name, WARN, f"{words}; collection wants to begin {_age(begin, now)}", advice)
        return Check(name, OK, words)


def licences_in(skus: dict[str, Any]) -> frozenset[str]:
    """The premium licences among subscribedSkus, by the stream table's names; P2 holds P1."""
    found: set[str] = set()
    for sku in skus.get("value") or []:
        if isinstance(sku, dict) and sku.get("capabilityStatus", "Enabled") in {"Enabled", "Warning"}:
            plans = (plan for plan in sku.get("servicePlans") or [] if isinstance(plan, dict))
            found.update(PLANS[str(p.get("servicePlanName"))] for p in plans if p.get("servicePlanName") in PLANS)
    return frozenset(found | ({"Entra ID P1"} if "Entra ID P2" in found else set()))


def _age(moment: Optional[datetime], now: datetime) -> str:
    if moment is None:
        return "no record in the range"
    minutes = (now - moment).total_seconds() / 60
    if minutes < 120:
        return f"{minutes:.0f} minutes ago"
    return f"{minutes / 60:.0f} hours ago" if minutes < 2880 else f"{minutes / 1440:.0f} days ago"
