"""Tokens for one tenant, by msal: client secret, certificate, managed identity, workload identity federation.

msal keeps the token and renews it before it expires; this module builds the right client, explains refusals and
throws a token away that Graph does not accept. msal and cryptography are loaded when first needed: the client secret
works without cryptography, which Splunk does not ship.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Callable, Optional

import requests

from entrawatch.errors import AuthError, SourceError, TransientError
from entrawatch.graph import aadsts, clouds
from entrawatch.graph.transport import PinnedSession, trouble

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrawatch.config.model import TenantConfig


class TokenSource:
    """Gives the token of one application in one tenant; shared by all threads that read it.

    :param tenant: whose token, and how to ask for it.
    :raises ConfigError: unusable URLs or CA bundle.
    """

    def __init__(self, tenant: TenantConfig) -> None:
        self._tenant = tenant
        self._cloud = clouds.resolve(tenant.graph)
        self._scope = clouds.scope(self._cloud.graph_url)
        self._lock = threading.Lock()
        self._ask: Optional[Callable[[], Mapping[str, Any]]] = None
        managed = tenant.auth.method == "managed_identity"
        self._session = PinnedSession(tenant.graph, direct=managed)
        self._last = ""

    def token(self) -> str:
        """A token that is valid now.

        :raises AuthError: Entra ID refuses; the message says why and what to do.
        :raises TransientError: no answer, or one that passes.
        """
        with self._lock:
            return self._fetch()

    def renew(self, rejected: str) -> str:
        """A token other than the one Graph rejected; asked anew only by the first thread that comes with it."""
        with self._lock:
            if rejected == self._last:
                self._ask = None  # msal offers no other way to drop a token that has not expired
            return self._fetch()

    def _fetch(self) -> str:
        answer = self._answer()
        token = answer.get("access_token")
        if not isinstance(token, str) or not token:
            raise aadsts.explain(answer, self._tenant.name) from None
        self._last = token
        return token

    def _answer(self) -> Mapping[str, Any]:
        try:
            if self._ask is None:
                self._ask = self._build()
            return self._ask()
        except SourceError:
            raise
        except requests.RequestException as error:
            # `from None` here and below: the chain holds requests' objects, and those hold the secret
            raise self._network(error) from None
        except (ValueError, RuntimeError, KeyError, OSError) as error:
            raise self._unusable(error) from None
        except Exception as error:  # msal's own errors derive from Exception alone and hold no more than a status
            raise TransientError(
                f"{self._where()}: {self._cloud.login_url} failed ({error}); it is tried again"
            ) from None

    def _where(self) -> str:
        return f"tenant {self._tenant.name}"

    def _network(self, error: requests.RequestException) -> SourceError:
        url = self._cloud.login_url
        if isinstance(error, requests.HTTPError) and error.response is not None:
            return TransientError(f"{self._where()}: {url} answered {error.response.status_code}; it is tried again")
        return trouble(error, url, self._tenant.graph.proxy)

    def _unusable(self, error: Exception) -> SourceError:
        """msal's ValueError hides the server's words in its context; they say whether the tenant exists."""
        words = f"{error} {error.__context__ or ''}"
        codes = aadsts.codes_in(words)
        if codes:
            return aadsts.explain({"error_codes": codes, "error_description": words}, self._tenant.name)
        if "authority" in words.lower():
            return AuthError(
                f"{self._where()}: {self._cloud.login_url} does not know tenant {self._tenant.tenant_id}; "
                "check tenant_id, graph.cloud and graph.login_url"
            )
        return TransientError(f"{self._where()}: {self._cloud.login_url} gave no usable token answer; tried again")

    def _build(self) -> Callable[[], Mapping[str, Any]]:
        builder = _METHODS.get(self._tenant.auth.method)
        if builder is None:
            known = ", ".join(sorted(_METHODS))
            raise AuthError(f"{self._where()}: unknown auth.method {self._tenant.auth.method!r}; choose one of {known}")
        return builder(self)

    def _confidential(self, credential: Any) -> Callable[[], Mapping[str, Any]]:
        import msal

        # instance_discovery=False: the host is ours by name or by the configuration, nobody needs to be asked about
        # it, and msal then reads the tenant's own /v2.0/.well-known/openid-configuration
        app = msal.ConfidentialClientApplication(
            self._tenant.client_id,
            client_credential=credential,
            authority=f"{self._cloud.login_url}/{self._tenant.tenant_id}",
            http_client=self._session,
            instance_discovery=False,
        )
        return lambda: _mapping(app.acquire_token_for_client(scopes=[self._scope]))

    def _by_secret(self) -> Callable[[], Mapping[str, Any]]:
        if self._tenant.auth.secret is None:
            raise AuthError(f"{self._where()}: no client secret; set auth.secret from the environment or a file")
        return self._confidential(self._tenant.auth.secret.reveal())

    def _by_certificate(self) -> Callable[[], Mapping[str, Any]]:
        from entrawatch.graph.certificate import credential

        return self._confidential(credential(self._tenant.auth, self._where()))

    def _by_workload_identity(self) -> Callable[[], Mapping[str, Any]]:
        return self._confidential({"client_assertion": self._federated_token})

    def _federated_token(self) -> str:
        """The token the platform wrote; read at each use, for it is replaced every hour or so."""
        path = self._tenant.auth.token_file or os.environ.get("AZURE_FEDERATED_TOKEN_FILE")
        if not path:
            raise AuthError(f"{self._where()}: no federated token; set auth.token_file")
        try:
            with open(path, encoding="utf-8") as file:
                return file.read().strip()
        except (OSError, ValueError):
            raise AuthError(f"{self._where()}: cannot read the federated token file {path}") from None

    def _by_managed_identity(self) -> Callable[[], Mapping[str, Any]]:
        import msal

        client_id = self._tenant.auth.identity_client_id
        identity = msal.UserAssignedManagedIdentity(client_id=client_id) if client_id else None
        client = msal.ManagedIdentityClient(identity or msal.SystemAssignedManagedIdentity(), http_client=self._session)
        return lambda: _mapping(client.acquire_token_for_client(resource=self._scope[: -len("/.default")]))


_METHODS: dict[str, Callable[[TokenSource], Callable[[], Mapping[str, Any]]]] = {
    "client_secret": TokenSource._by_secret,  # noqa: SLF001 - this class's own table
    "certificate": TokenSource._by_certificate,  # noqa: SLF001
    "workload_identity": TokenSource._by_workload_identity,  # noqa: SLF001
    "managed_identity": TokenSource._by_managed_identity,  # noqa: SLF001
}


def _mapping(answer: object) -> Mapping[str, Any]:
    """msal's answer; None is its word for "nothing in the cache"."""
    return answer if isinstance(answer, dict) else {}
