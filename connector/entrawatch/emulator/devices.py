"""The sign-ins besides client credentials: a person by device code, and a managed identity's local endpoint.

Sources: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code and
https://learn.microsoft.com/azure/app-service/overview-managed-identity (REST endpoint reference).
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

from entrawatch.emulator.answers import Answer, json_answer
from entrawatch.emulator.credentials import App, TokenRefusedError, form_of
from entrawatch.jsontext import dumps

if TYPE_CHECKING:
    from entrawatch.emulator.answers import Request
    from entrawatch.emulator.authority import Authority
    from entrawatch.interfaces import Clock

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
#: Microsoft's own public clients, which every tenant has: Graph Command Line Tools and Azure CLI
_PUBLIC_CLIENTS = {
    "14d82eec-204b-4c2f-b7e8-296a70dab67e": "Microsoft Graph Command Line Tools",
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46": "Microsoft Azure CLI",
}
_LIFETIME = 900
_OPENID = {"openid", "profile", "offline_access", "email"}
#: what the person who signs in may ask for: an administrator's consent to everything register-app needs
ADMIN_SCOPES = (
    "Application.ReadWrite.All AppRoleAssignment.ReadWrite.All Directory.Read.All Organization.Read.All User.Read"
)


@dataclass
class _Waiting:
    app: App
    scope: str
    until: float
    polls: int = 0
    verdict: str = ""


class Devices:
    """Device codes that wait for a person.

    :param interval: seconds a client is told to wait between polls.
    :param polls: answers "pending" before the person is taken to have signed in; None waits for `decide`.
    """

    def __init__(self, authority: Authority, clock: Clock, interval: int, polls: Optional[int]) -> None:
        self._authority, self._clock, self._interval, self._polls = authority, clock, interval, polls
        self._waiting: dict[str, _Waiting] = {}
        self._codes: dict[str, str] = {}
        self._lock = threading.Lock()

    def start(self, tenant: str, request: Request) -> Answer:
        """A new device code.

        :raises TokenRefusedError: tenant or application unknown.
        """
        self._authority.check_tenant(tenant)
        form = form_of(request)
        app = self._client(form.get("client_id", ""))
        device, user = secrets.token_urlsafe(48), secrets.token_hex(5).upper()[:9]
        with self._lock:
            until = self._clock.monotonic() + _LIFETIME
            self._waiting[device], self._codes[user] = _Waiting(app, form.get("scope", ""), until), device
        page = "https://microsoft.com/devicelogin"
        text = f"To sign in, use a web browser to open the page {page} and enter the code {user} to authenticate."
        body = {"user_code": user, "device_code": device, "verification_uri": page, "message": text}
        return json_answer({**body, "expires_in": _LIFETIME, "interval": self._interval})

    def _client(self, client_id: str) -> App:
        name = _PUBLIC_CLIENTS.get(client_id.lower())
        return App(client_id.lower(), name) if name else self._authority.app(client_id)

    def decide(self, user_code: str, verdict: str) -> None:
        """What the person does at the page: "approved" or "declined".

        :raises KeyError: no such code.
        """
        with self._lock:
            self._waiting[self._codes[user_code]].verdict = verdict

    def poll(self, tenant: str, request: Request) -> Answer:
        """The answer to one poll for a token.

        :raises TokenRefusedError: pending, declined, expired or unknown.
        """
        self._authority.check_tenant(tenant)
        waiting = self._polled(form_of(request).get("device_code", ""))
        wanted = set(waiting.scope.split()) - _OPENID
        scopes = sorted({scope.rpartition("/")[2] for scope in wanted})
        granted = ADMIN_SCOPES if ".default" in scopes else " ".join(scopes)
        audience = self._authority.graph_audience
        token = self._authority.sign(waiting.app, audience, scp=granted, idtyp="user", upn=self._authority.admin)
        return self._authority.issued(token, scope=" ".join(f"{audience}/{name}" for name in granted.split()))

    def _polled(self, device_code: str) -> _Waiting:
        with self._lock:
            waiting = self._waiting.get(device_code)
            if waiting is None:
                text = "The provided value for the input parameter 'device_code' is not valid."
                raise TokenRefusedError("bad_verification_code", 70019, text)
            if self._clock.monotonic() > waiting.until:
                text = "The provided authorization code or refresh token has expired due to inactivity."
                raise TokenRefusedError("expired_token", 70020, text)
            waiting.polls += 1
            if not waiting.verdict and self._polls is not None and waiting.polls > self._polls:
                waiting.verdict = "approved"
            if waiting.verdict == "approved":
                return self._waiting.pop(device_code)
            if waiting.verdict:
                text = "User declined to consent to access the app."
                raise TokenRefusedError("authorization_declined", 65004, text)
        text = "OAuth 2.0 device flow error. Authorization is pending. Continue polling."
        raise TokenRefusedError("authorization_pending", 70016, text)


def managed_identity(authority: Authority, app: App, header: str, request: Request, now: float) -> Answer:
    """App Service's endpoint for a managed identity's token (IDENTITY_ENDPOINT), api-version 2019-08-01.

    :param header: the secret that IDENTITY_HEADER gives a process.
    """
    if not secrets.compare_digest(request.headers.get("x-identity-header", ""), header):
        return _refused(401, "Unauthorized", "The X-IDENTITY-HEADER is missing or wrong.")
    if request.query.get("api-version") != "2019-08-01" or not request.query.get("resource"):
        return _refused(400, "BadRequest", "The request needs api-version=2019-08-01 and a resource.")
    wanted = request.query.get("client_id", app.client_id)
    if wanted != app.client_id:
        return _refused(
            400, "BadRequest", "No User Assigned or Delegated Managed Identity found for specified ClientId"
        )
    resource = authority.audience(request.query["resource"] + "/.default")
    token = authority.sign(app, resource, roles=app.roles)
    expiry = str(int(now) + authority.lifetime)
    body = {"access_token": token, "expires_on": expiry, "resource": resource, "token_type": "Bearer"}
    return Answer(200, dumps({**body, "client_id": app.client_id}), "application/json; charset=utf-8")


def _refused(status: int, code: str, message: str) -> Answer:
    return Answer(status, dumps({"statusCode": status, "message": message, "code": code}))
