"""A person's sign-in by device code, for the commands that an administrator runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import requests

from entrawatch.config.model import AuthConfig, TenantConfig
from entrawatch.errors import SourceError, TransientError
from entrawatch.graph import aadsts, clouds
from entrawatch.graph.transport import PinnedSession, trouble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from entrawatch.config.model import GraphConfig

#: "Microsoft Graph Command Line Tools", the public client that Connect-MgGraph and mgc sign in with: Microsoft's own,
#: in every tenant, and may ask for any delegated Graph permission (learn.microsoft.com/powershell/microsoftgraph/
#: authentication-commands). Azure CLI's client has a fixed set.
PUBLIC_CLIENT = "14d82eec-204b-4c2f-b7e8-296a70dab67e"


class DeviceSignIn:
    """Tokens of the person who signed in; the shape `client.GraphClient` asks for.

    :param scopes: delegated Graph permissions, by name.
    :param show: given the line with address and code that the person must see.
    :raises ConfigError: unusable URLs or CA bundle.
    :raises AuthError: the person declined, the code expired, or the tenant does not allow it.
    :raises TransientError: no answer from the login host.
    """

    def __init__(self, graph: GraphConfig, tenant_id: str, scopes: Sequence[str], show: Callable[[str], None]) -> None:
        cloud = clouds.resolve(graph)
        self._graph = graph
        self._login_url = cloud.login_url
        self._scopes = [f"{cloud.graph_url}/{scope}" for scope in scopes]
        self._tenant_id = tenant_id
        self._app = self._guard(self._build)
        self._first = self._guard(lambda: self._sign_in(show))

    def tenant(self) -> TenantConfig:
        """The configuration a client of the signed-in person works with."""
        return TenantConfig("register-app", self._tenant_id, PUBLIC_CLIENT, AuthConfig("device_code"), self._graph)

    def token(self) -> str:
        """The token, renewed by msal when it is near its end."""
        accounts = self._app.get_accounts()
        answer = self._guard(lambda: self._app.acquire_token_silent(self._scopes, accounts[0] if accounts else None))
        return str(answer["access_token"]) if answer and "access_token" in answer else self._first

    def renew(self, rejected: str) -> str:
        """The same one: nothing but a new sign-in gives another."""
        return self.token()

    def _build(self) -> Any:
        import msal

        return msal.PublicClientApplication(
            PUBLIC_CLIENT,
            authority=f"{self._login_url}/{self._tenant_id}",
            http_client=PinnedSession(self._graph),
            instance_discovery=False,
        )

    def _sign_in(self, show: Callable[[str], None]) -> str:
        flow = self._app.initiate_device_flow(scopes=self._scopes)
        if "user_code" not in flow:
            raise aadsts.explain(flow, self._tenant_id)
        show(str(flow["message"]))
        answer = self._app.acquire_token_by_device_flow(flow)
        if "access_token" not in answer:
            raise aadsts.explain(answer, self._tenant_id)
        return str(answer["access_token"])

    def _guard(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except SourceError:
            raise
        except requests.RequestException as error:
            raise trouble(error, self._login_url, self._graph.proxy) from None
        except (ValueError, KeyError) as error:
            codes = aadsts.codes_in(f"{error} {error.__context__ or ''}")
            words = f"{self._login_url} does not know the tenant; check it and the cloud"
            raise aadsts.explain({"error": words, "error_codes": codes}, self._tenant_id) from None
        except Exception as error:  # msal's own errors derive from Exception alone and hold no more than a status
            raise TransientError(f"{self._login_url} failed ({error}); try again") from None
