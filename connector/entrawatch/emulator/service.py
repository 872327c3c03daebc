"""What answers a request: the token side, the log paths, the directory; no sockets here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

from entrawatch.emulator.answers import Answer, RefusedError, refused, unlicensed
from entrawatch.emulator.credentials import TokenRefusedError, form_of
from entrawatch.emulator.devices import GRANT
from entrawatch.emulator.resources import RESOURCES
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from entrawatch.emulator.answers import Request
    from entrawatch.emulator.authority import Authority
    from entrawatch.emulator.devices import Devices
    from entrawatch.emulator.directory import Directory
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


@dataclass(frozen=True)
class Service:
    """The emulator without its sockets.

    :param throttle: None answers every request.
    :param licences: names as the stream table writes them.
    :param identity: answers the managed identity's endpoint.
    """

    authority: Authority
    devices: Devices
    directory: Directory
    reports: Reports
    mischief: Mischief
    clock: Clock
    throttle: Optional[Throttle]
    licences: frozenset[str]
    identity: Callable[[Request], Answer]

    def answer(self, request: Request) -> Answer:
        """The answer to a request, refusals included."""
        try:
            return self._altered(request)
        except RefusedError as refusal:
            return refused(refusal, request, self.clock.now())
        except TokenRefusedError as refusal:
            return self.authority.refused(refusal)

    def _altered(self, request: Request) -> Answer:
        faults = self.mischief.chosen(request)
        answer = self.mischief.before(faults, request, "/auditlogs/" in request.path.lower())
        return answer or self.mischief.after(faults, self._route(request, faults))

    def _route(self, request: Request, faults: Sequence[Fault]) -> Answer:
        first, _, rest = request.path.strip("/").partition("/")
        if first.lower() in {"v1.0", "beta"}:
            return self._graph(first.lower(), "/" + rest, request, faults)
        return self._login(first, "/" + rest, request)

    def _login(self, tenant: str, path: str, request: Request) -> Answer:
        handlers: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", "/v2.0/.well-known/openid-configuration"): lambda: self.authority.discovery(tenant),
            ("GET", "/token"): lambda: self.identity(request),
            ("POST", "/oauth2/v2.0/token"): lambda: self._token(tenant, request),
            ("POST", "/oauth2/v2.0/devicecode"): lambda: self.devices.start(tenant, request),
        }
        is_ours = (path.lower() == "/token") == (tenant == "msi")
        handler = handlers.get((request.method, path.lower())) if is_ours else None
        if handler is None:
            return Answer(404, b"<html><body>404 Not Found</body></html>", "text/html; charset=us-ascii")
        return handler()

    def _token(self, tenant: str, request: Request) -> Answer:
        by_device = form_of(request).get("grant_type") == GRANT
        return self.devices.poll(tenant, request) if by_device else self.authority.token(tenant, request)

    def _graph(self, version: str, path: str, request: Request, faults: Sequence[Fault]) -> Answer:
        claims = self.authority.claims(request.headers.get("authorization"))
        roles = frozenset(claims.get("roles", ())) | frozenset(str(claims.get("scp", "")).split())
        resource = RESOURCES.get(path.lower())
        if resource is None:
            answer = self.directory.answer(path, request, roles)
            if answer is None:
                raise not_found(path.strip("/").partition("/")[0])
            return answer
        if request.method != "GET":
            raise RefusedError(
                405, "Request_BadRequest", f"The method {request.method} is not allowed on this resource."
            )
        if self.throttle is not None:
            self.throttle.check(resource.reporting, str(claims["appid"]))
        self._check_rights(path, resource.reporting, roles)
        page = self.reports.page(version, path, request, roles)
        return self.reports.write(self.mischief.page(faults, page, self.reports))

    def _check_rights(self, path: str, reporting: bool, roles: frozenset[str]) -> None:
        permissions, licence = _NEEDS[path.lower()]
        if permissions.isdisjoint(roles):
            raise _missing(reporting, permissions)
        if licence and licence not in self.licences:
            raise unlicensed(reporting)
