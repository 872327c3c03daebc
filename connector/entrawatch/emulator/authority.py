"""The token endpoint: OpenID discovery, client credentials, and tokens that expire.

Bodies and codes: https://learn.microsoft.com/entra/identity-platform/reference-error-codes, and the messages that
users quote of them.
"""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Optional

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from entrawatch.emulator.answers import Answer, RefusedError, json_answer
from entrawatch.emulator.credentials import App, TokenRefusedError, check_credential, form_of
from entrawatch.jsontext import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from entrawatch.emulator.answers import Request
    from entrawatch.interfaces import Clock

#: Graph's own application, whose URL names the token's audience in every cloud
GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
_UNTIMED: jwt.types.Options = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}


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
        self._federation = ec.generate_private_key(ec.SECP256R1())

    @property
    def graph_audience(self) -> str:
        """The resource that Graph's scopes name here."""
        return self._base

    @property
    def admin(self) -> str:
        """The administrator who signs in by device code."""
        return f"admin@{self.domain}"

    # Federation: the emulator is its own outside issuer, under whatever name it is given.

    @property
    def federation_key(self) -> str:
        """The public key (PEM) that outside tokens are verified with."""
        return self._federation.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def federated_token(self, issuer: str, subject: str) -> str:
        """A token as an outside issuer (a Kubernetes cluster, say) gives a workload; good for an hour."""
        now = int(time.time())
        claims = {"iss": issuer, "sub": subject, "aud": "api://AzureADTokenExchange", "iat": now, "exp": now + 3600}
        return jwt.encode(claims, self._federation, algorithm="ES256")

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
        check_credential(app, form, [f"{self._base}/{tenant}/oauth2/v2.0/token", f"{self._base}/{tenant}/v2.0"])
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
