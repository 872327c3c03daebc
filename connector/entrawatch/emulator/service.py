"""What answers a request: the token side, the log paths, the directory; no sockets here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from entrawatch.emulator.answers import Answer, RefusedError, refused, unlicensed
from entrawatch.emulator.authority import TokenRefusedError
from entrawatch.emulator.resources import RESOURCES
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from entrawatch.emulator.answers import Request
    from entrawatch.emulator.authority import Authority
    from entrawatch.emulator.faults import Fault
    from entrawatch.emulator.mischief import Mischief
    from entrawatch.emulator.reports import Reports
    from entrawatch.emulator.throttle import Throttle
    from entrawatch.interfaces import Clock

#: what each log path asks for: permissions, one of which is needed, and a licence
_NEEDS = {stream.path.lower(): (frozenset(stream.permissions), stream.licence) for stream in STREAMS.values()}


def not_found(segment: str) -> RefusedError:
    """A path Graph does not know (msgraph-sdk-powershell issue 3189)."""
    return RefusedError(400, "BadRequest", f"Resource not found for the segment '{segment}'.")


def _missing(reporting: bool, permissions: frozenset[str]) -> RefusedError:
    if reporting:
        # microsoft-graph-explorer-v4 issue 3165
        text = f"Calling principal does not have required MSGraph permissions {min(permissions)}"
        return RefusedError(403, "Authentication_MSGraphPermissionMissing", text)
    text = "You cannot perform the requested operation, required scopes are missing in the token."
    return RefusedError(403, "Forbidden", text)


class Service:
    """The emulator without its sockets.

    :param throttle: None answers every request.
    :param licences: names as the stream table writes them.
    """

    def __init__(
        self,
        authority: Authority,
        reports: Reports,
        clock: Clock,
        throttle: Optional[Throttle],
        licences: frozenset[str],
        mischief: Mischief,
    ) -> None:
        self._authority, self._reports, self._clock = authority, reports, clock
        self._throttle, self.licences, self._mischief = throttle, licences, mischief

    def answer(self, request: Request) -> Answer:
        """The answer to a request, refusals included."""
        try:
            return self._altered(request)
        except RefusedError as refusal:
            return refused(refusal, request, self._clock.now())
        except TokenRefusedError as refusal:
            return self._authority.refused(refusal)

    def _altered(self, request: Request) -> Answer:
        faults = self._mischief.chosen(request)
        answer = self._mischief.before(faults, request, "/auditlogs/" in request.path.lower())
        return answer or self._mischief.after(faults, self._route(request, faults))

    def _route(self, request: Request, faults: Sequence[Fault]) -> Answer:
        first, _, rest = request.path.strip("/").partition("/")
        if first.lower() in {"v1.0", "beta"}:
            return self._graph(first.lower(), "/" + rest, request, faults)
        return self._login(first, "/" + rest, request)

    def _login(self, tenant: str, path: str, request: Request) -> Answer:
        handlers: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", "/v2.0/.well-known/openid-configuration"): lambda: self._authority.discovery(tenant),
            ("POST", "/oauth2/v2.0/token"): lambda: self._authority.token(tenant, request),
        }
        handler = handlers.get((request.method, path.lower()))
        if handler is None:
            return Answer(404, b"<html><body>404 Not Found</body></html>", "text/html; charset=us-ascii")
        return handler()

    def _graph(self, version: str, path: str, request: Request, faults: Sequence[Fault]) -> Answer:
        claims = self._authority.claims(request.headers.get("authorization"))
        resource = RESOURCES.get(path.lower())
        if resource is None:
            raise not_found(path.rpartition("/")[2])
        if request.method != "GET":
            raise RefusedError(
                405, "Request_BadRequest", f"The method {request.method} is not allowed on this resource."
            )
        if self._throttle is not None:
            self._throttle.check(resource.reporting, str(claims["appid"]))
        roles = frozenset(claims.get("roles", ())) | frozenset(str(claims.get("scp", "")).split())
        self._check_rights(path, resource.reporting, roles)
        page = self._reports.page(version, path, request, roles)
        return self._reports.write(self._mischief.page(faults, page, self._reports))

    def _check_rights(self, path: str, reporting: bool, roles: frozenset[str]) -> None:
        permissions, licence = _NEEDS[path.lower()]
        if permissions.isdisjoint(roles):
            raise _missing(reporting, permissions)
        if licence and licence not in self.licences:
            raise unlicensed(reporting)
