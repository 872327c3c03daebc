"""The token endpoint: OpenID discovery, client credentials, and tokens that expire.

Bodies and codes: https://learn.microsoft.com/entra/identity-platform/reference-error-codes, and the messages that
users quote of them.
"""

from __future__ import annotations

import secrets
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import parse_qs

import jwt

from entrawatch.emulator.answers import Answer, RefusedError, json_answer
from entrawatch.jsontext import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from entrawatch.emulator.answers import Request
    from entrawatch.interfaces import Clock

#: Graph's own application, whose URL names the token's audience in every cloud
GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_UNTIMED: jwt.types.Options = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}


class TokenRefusedError(Exception):
    """An answer of the token endpoint in OAuth's error shape.

    :param number: the AADSTS number.
    """

    def __init__(self, error: str, number: int, text: str, status: int = 400) -> None:
        self.error, self.number, self.text, self.status = error, number, text, status
        super().__init__(text)


@dataclass
class App:
    """One application of the tenant.

    :param roles: application permissions that were granted; a token holds those of the moment it was issued.
    :param certificates: public keys (PEM) whose assertions are taken.
    :param federated: (issuer, subject, public key PEM) of federated credentials.
    """

    client_id: str
    name: str
    secrets: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    certificates: list[str] = field(default_factory=list)
    federated: list[tuple[str, str, str]] = field(default_factory=list)


def _unknown_app(client_id: str, tenant: str) -> TokenRefusedError:
    text = (
        f"Application with identifier '{client_id}' was not found in the directory '{tenant}'. This can happen if the "
        "application has not been installed by the administrator of the tenant or consented to by any user in the "
        "tenant. You may have sent your authentication request to the wrong tenant."
    )
    return TokenRefusedError("unauthorized_client", 700016, text)


class Authority:
    """The token side of one tenant.

    :param base: the login URL.
    :param domain: the tenant's verified domain, which names it as well as its id does.
    :param lifetime: seconds a token is good for.
    """

    def __init__(self, clock: Clock, base: str, tenant_id: str, domain: str, lifetime: int) -> None:
        self._clock, self._base, self.lifetime = clock, base, lifetime
        self.tenant_id, self.domain = tenant_id, domain
        self.apps: dict[str, App] = {}
        self.lock = threading.RLock()
        self._key = secrets.token_bytes(32)

    # Discovery

    def discovery(self, tenant: str) -> Answer:
        """OpenID configuration of a tenant; what msal reads of it and what goes with it."""
        self.check_tenant(tenant)
        base = f"{self._base}/{tenant}"
        return json_answer(
            {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "issuer": f"{self._base}/{self.tenant_id}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            }
        )

    def check_tenant(self, tenant: str) -> None:
        """Refuse a tenant that is not ours.

        :raises TokenRefusedError: AADSTS90002.
        """
        if tenant.lower() not in {self.tenant_id, self.domain, "common", "organizations"}:
            text = (
                f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into "
                "the correct cloud. Check with your subscription administrator, this may happen if there are no "
                "active subscriptions for the tenant."
            )
            raise TokenRefusedError("invalid_request", 90002, text)

    def refused(self, refusal: TokenRefusedError) -> Answer:
        """The refusal in the token endpoint's shape."""
        now, trace, correlation = self._clock.now(), str(uuid.uuid4()), str(uuid.uuid4())
        stamp = now.strftime("%Y-%m-%d %H:%M:%SZ")
        parts = [f"AADSTS{refusal.number}: {refusal.text}", f"Trace ID: {trace}", f"Correlation ID: {correlation}"]
        body = {
            "error": refusal.error,
            "error_description": " ".join([*parts, f"Timestamp: {stamp}"]),
            "error_codes": [refusal.number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"{self._base}/error?code={refusal.number}",
        }
        return Answer(refusal.status, dumps(body), "application/json; charset=utf-8", {"Cache-Control": "no-store"})

    # Tokens

    def token(self, tenant: str, request: Request) -> Answer:
        """A token for a POST to the token endpoint.

        :raises TokenRefusedError: as Entra ID refuses it.
        """
        self.check_tenant(tenant)
        form = form_of(request)
        if form.get("grant_type") != "client_credentials":
            text = "The provided value for the input parameter 'grant_type' is not supported."
            raise TokenRefusedError("unsupported_grant_type", 70003, text)
        app = self.app(form.get("client_id", ""))
        self._check_credential(app, tenant, form)
        audience = self.audience(form.get("scope", ""))
        return self.issued(self.sign(app, audience, roles=app.roles))

    def app(self, client_id: str) -> App:
        """The application of an id.

        :raises TokenRefusedError: AADSTS700016.
        """
        with self.lock:
            found = self.apps.get(client_id.lower())
        if found is None:
            raise _unknown_app(client_id, self.domain)
        return found

    def audience(self, scope: str) -> str:
        """The resource of a `…/.default` scope.

        :raises TokenRefusedError: no such scope, or a resource that is not Graph.
        """
        if not scope.endswith("/.default"):
            text = (
                f"The provided request must include a 'scope' input parameter. The scope {scope} is not valid: the "
                "client credential flow needs a scope that ends with /.default"
            )
            raise TokenRefusedError("invalid_scope", 1002012, text)
        resource = scope[: -len("/.default")]
        if resource.rstrip("/") not in {self._base, "https://graph.microsoft.com", GRAPH_APP_ID}:
            text = f"The resource principal named {resource} was not found in the tenant named {self.domain}."
            raise TokenRefusedError("invalid_resource", 500011, text)
        return resource

    def _check_credential(self, app: App, tenant: str, form: Mapping[str, str]) -> None:
        if "client_assertion" in form:
            self._check_assertion(app, tenant, form)
        elif "client_secret" not in form:
            text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            raise TokenRefusedError("invalid_client", 7000218, text, 401)
        elif form["client_secret"] not in app.secrets:
            text = (
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{app.client_id}'."
            )
            raise TokenRefusedError("invalid_client", 7000215, text, 401)

    def _check_assertion(self, app: App, tenant: str, form: Mapping[str, str]) -> None:
        if form.get("client_assertion_type") != _ASSERTION:
            raise TokenRefusedError("invalid_request", 900144, "The request body must contain 'client_assertion_type'.")
        assertion = form["client_assertion"]
        try:
            issuer = str(jwt.decode(assertion, options={"verify_signature": False}).get("iss"))
        except jwt.InvalidTokenError:
            raise TokenRefusedError("invalid_client", 50027, "JWT token is invalid or malformed.", 401) from None
        if issuer.lower() == app.client_id:
            self._check_certificate(app, tenant, assertion)
        else:
            self._check_federated(app, issuer, assertion)

    def _check_certificate(self, app: App, tenant: str, assertion: str) -> None:
        audiences = [f"{self._base}/{tenant}/oauth2/v2.0/token", f"{self._base}/{tenant}/v2.0"]
        if not any(_verifies(assertion, key, audiences) for key in app.certificates):
            text = "Client assertion failed signature validation, or its certificate is not registered on the app."
            raise TokenRefusedError("invalid_client", 700027, text, 401)

    def _check_federated(self, app: App, issuer: str, assertion: str) -> None:
        keys = [key for known, _, key in app.federated if known == issuer]
        if not keys:
            text = f"No matching federated identity record found for presented assertion issuer '{issuer}'."
            raise TokenRefusedError("invalid_client", 700211, text, 401)
        subjects = {subject for known, subject, _ in app.federated if known == issuer}
        audience = ["api://AzureADTokenExchange"]
        if not any(_verifies(assertion, key, audience, subjects) for key in keys):
            text = "No matching federated identity record found for presented assertion subject."
            raise TokenRefusedError("invalid_client", 700213, text, 401)

    def sign(self, app: App, audience: str, roles: Iterable[str] = (), **claims: Any) -> str:
        """An access token: a JWT that only this authority can read, as clients must treat it."""
        now = int(self._clock.now().timestamp())
        with self.lock:
            payload = {
                "aud": audience,
                "iss": f"https://sts.windows.net/{self.tenant_id}/",
                "iat": now,
                "nbf": now,
                "exp": now + self.lifetime,
                "appid": app.client_id,
                "app_displayname": app.name,
                "oid": str(uuid.uuid5(uuid.NAMESPACE_URL, app.client_id)),
                "tid": self.tenant_id,
                "ver": "1.0",
                "uti": secrets.token_urlsafe(16),
                **(claims or {"roles": sorted(roles), "idtyp": "app"}),
            }
        return jwt.encode(payload, self._key, algorithm="HS256")

    def issued(self, token: str, **more: Any) -> Answer:
        """The token endpoint's answer with a token in it."""
        body = {"token_type": "Bearer", "expires_in": self.lifetime, "ext_expires_in": self.lifetime}
        answer = {**body, "access_token": token, **more}
        return Answer(200, dumps(answer), "application/json; charset=utf-8", {"Cache-Control": "no-store"})

    def claims(self, authorization: Optional[str]) -> dict[str, Any]:
        """What the bearer token of a request to Graph says.

        :raises RefusedError: 401 InvalidAuthenticationToken in Graph's words.
        """
        token = (authorization or "").partition(" ")[2].strip()
        if not token or not (authorization or "").lower().startswith("bearer "):
            raise _unauthorized("Access token is empty.")
        try:
            # The emulator's clock decides what is over, not the machine's.
            claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=["HS256"], options=_UNTIMED)
        except jwt.InvalidTokenError:
            raise _unauthorized("Access token validation failure. Invalid audience.") from None
        if claims["exp"] <= self._clock.now().timestamp():
            raise _unauthorized("Lifetime validation failed, the token is expired.")
        return claims


def _unauthorized(message: str) -> RefusedError:
    challenge = 'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"'
    return RefusedError(401, "InvalidAuthenticationToken", message, WWW_Authenticate=challenge)


def _verifies(assertion: str, key: str, audiences: list[str], subjects: Optional[set[str]] = None) -> bool:
    try:
        claims = jwt.decode(assertion, key, algorithms=["RS256", "PS256", "ES256"], audience=audiences)
    except (jwt.InvalidTokenError, ValueError):
        return False
    return subjects is None or claims.get("sub") in subjects


def form_of(request: Request) -> dict[str, str]:
    """The fields of a posted form; of equal names the last one counts."""
    fields = parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}
