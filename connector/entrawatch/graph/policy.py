"""What Graph's refusals mean and what is done about them: one table, read from the top.

Sources: learn.microsoft.com/graph/errors and /graph/throttling for the documented ones; the others are what users
met: the skip token's many spellings (msgraph-sdk-powershell #451, #1388, #2941), the licence 403 on licensed tenants
(microsoft-graph-docs #14118), "Invalid filter clause" for dates that are too old (#5676), broken JSON in a 200
(#3648), v1.0 without signInEventTypes, clouds without the segment (msgraph-sdk-powershell #3189).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Optional

from entrawatch import errors
from entrawatch.graph.answers import MALFORMED, TIMED_OUT, TOO_LONG, UNREACHABLE, Refusal

if TYPE_CHECKING:
    from collections.abc import Container
    from datetime import datetime

    from entrawatch.schema.streams import Stream

#: the shortest retention there is (Entra ID Free); a younger range is never out of reach
SHORTEST_RETENTION = timedelta(days=7)


class VersionMissingError(errors.DegradedError):
    """The stream's API version or path does not exist in this cloud; an older form may."""


class NotThereError(errors.DegradedError):
    """Graph does not know the path or object, or not yet: what was just made takes seconds to spread."""


@dataclass(frozen=True)
class Ask:
    """One request's circumstances, for the budget and for messages.

    :param what: what is read, in words or a stream's name.
    :param limit: the budget it draws on.
    :param priority: LIVE or BACKFILL of the budget.
    :param stream: the stream entry asked at, None for other requests.
    :param start: the window's start, None for other requests.
    """

    what: str
    limit: str = "reporting"
    priority: int = 0
    stream: Optional[Stream] = None
    start: Optional[datetime] = None


@dataclass(frozen=True)
class Row:
    """One kind of refusal.

    :param name: what metrics call it.
    :param statuses: the statuses it covers.
    :param tries: how often the request is sent before `error` is raised.
    :param error: what the caller gets.
    :param says: explanation; {permissions}, {licence}, {code}, {message}, {status} are filled in.
    :param pattern: what Graph's code or words must contain; None for anything.
    :param graph: False where only a body that is no Graph error counts.
    :param renew: ask for a new token before the next try.
    :param shared: the pause holds for everybody on the same budget.
    :param pause: seconds of the first pause where the service names none; it doubles each time.
    """

    name: str
    statuses: Container[int]
    tries: int
    error: type[errors.SourceError]
    says: str
    pattern: Optional[re.Pattern[str]] = None
    graph: bool = True
    renew: bool = False
    shared: bool = False
    pause: float = field(default=1.0)

    def covers(self, refusal: Refusal) -> bool:
        """Whether this row speaks of that refusal."""
        if refusal.status not in self.statuses or (not self.graph and refusal.code):
            return False
        return self.pattern is None or self.pattern.search(refusal.text) is not None


def _any(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts), re.IGNORECASE)


_CLIENT = range(400, 500)
_SKIP = _any(r"skip ?-?token", "page ?token", "token is either invalid or expired", "Directory_ExpiredPageToken")
_LICENCE = _any("RequestFromNonPremiumTenant", "premium licen[cs]e", "not licensed", "license required")
_PERMISSION = _any(
    "MSGraphPermissionMissing", "required Microsoft Graph permission", "Authorization_RequestDenied",
    "insufficient privileges", "missing application permission", "required scopes are missing",
)  # fmt: skip
_ROLE = _any("not in the allowed roles", "RequiredRole", "required roles", "allowed roles")
_VERSION = _any("signInEventTypes", "not found for the segment", "invalid version", "version .{0,20}not supported")
_GRAPH_SAYS = "Graph says {code}: {message}"

TABLE: tuple[Row, ...] = (
    Row("skip_token", {400, 404, 410, 500}, 1, errors.ReadAgainError,
        "the place in the pages was lost (skip token); the window is read again", _SKIP),
    Row("version", {400, 404, 501}, 1, VersionMissingError,
        "this cloud does not offer it in this API version. " + _GRAPH_SAYS, _VERSION),
    Row("too_old", {400}, 1, errors.UnreachableRangeError,
        "Graph refuses a start that lies so far back; it keeps {retention} days", _any("invalid filter clause")),
    Row("token", {401}, 2, errors.AuthError,
        "Graph refuses the token, a new one too. " + _GRAPH_SAYS, renew=True),
    Row("licence", {403}, 3, errors.DegradedError,
        "Graph says the tenant has no licence for it ({licence} needed; {code}). Licensed tenants see this now and "
        "then: it is tried again", _LICENCE, pause=2),
    Row("permission", {403}, 2, errors.DegradedError,
        "the application lacks a permission: grant {permissions} (application, with admin consent). If it is "
        "granted, some tenants also need Directory.Read.All. " + _GRAPH_SAYS, _PERMISSION, renew=True),
    Row("role", {403}, 1, errors.DegradedError,
        "the signed-in account lacks a role such as Reports Reader or Security Reader. " + _GRAPH_SAYS, _ROLE),
    Row("gateway", {403}, 3, errors.DegradedError,
        "403 without Graph's error body: a gateway or proxy in between refuses; check graph.proxy and the firewall",
        graph=False, pause=2),
    Row("forbidden", {403}, 2, errors.DegradedError,
        "Graph forbids it; check {permissions} and the licence ({licence}). " + _GRAPH_SAYS, pause=2),
    Row("throttled", {429}, 6, errors.ThrottledError,
        "Graph throttles the application", shared=True, pause=10),
    Row("timeout", {408, 504, TIMED_OUT}, 3, errors.WindowTooLargeError,
        "Graph does not finish in time ({status}); a smaller window may do", pause=2),
    Row("malformed", {MALFORMED}, 3, errors.WindowTooLargeError,
        "Graph's page is no valid JSON, each time ({message}); a smaller window may do"),
    Row("too_long", {TOO_LONG}, 1, errors.WindowTooLargeError,
        "Graph's page is larger than is read at once ({message}); a smaller window may do"),
    Row("unreachable", {UNREACHABLE}, 4, errors.TransientError, "{message}"),
    Row("server", range(500, 596), 5, errors.TransientError,
        "Graph fails ({status} {code}); it is tried again"),
    Row("redirect", range(300, 400), 1, errors.DegradedError,
        "Graph redirects to another host, where the token is not sent ({message}); check graph.url"),
    Row("missing", {404}, 1, NotThereError,
        "Graph does not know it (404); check graph.cloud. " + _GRAPH_SAYS),
    Row("refused", _CLIENT, 1, NotThereError, "Graph refuses the request ({status}). " + _GRAPH_SAYS),
    Row("unknown", range(1000), 2, errors.TransientError, "an answer nobody expects ({status})"),
)  # fmt: skip


def find(refusal: Refusal) -> Row:
    """The first row that covers a refusal; the last covers all."""
    return next(row for row in TABLE if row.covers(refusal))


def error(row: Row, refusal: Refusal, ask: Ask, tenant: str, now: datetime) -> errors.SourceError:
    """The error of a row, one line: tenant, what was read, what it means, what to do."""
    stream = ask.stream
    says = row.says.format(
        permissions=" or ".join(stream.permissions) if stream else "the permission",
        licence=(stream.licence if stream else "") or "a premium one",
        retention=stream.retention_days if stream else 30,
        code=refusal.code or "nothing", message=refusal.message or "no message", status=refusal.status,
    )  # fmt: skip
    line = f"tenant {tenant}: {ask.what}: {says}"
    if row.error is errors.ThrottledError:
        return errors.ThrottledError(line, refusal.retry_after)
    if row.error is errors.UnreachableRangeError and not _may_be_gone(ask, now):
        return errors.DegradedError(f"tenant {tenant}: {ask.what}: Graph refuses the filter. {refusal.message}")
    return row.error(line)


def _may_be_gone(ask: Ask, now: datetime) -> bool:
    return ask.start is not None and ask.start < now - SHORTEST_RETENTION
