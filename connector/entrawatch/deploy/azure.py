"""Azure Resource Manager: where it is in each cloud, and tokens for it.

Hosts: learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure and
learn.microsoft.com/azure/china/resources-developer-guide. The sign-in is the connector's own (`graph.auth`): a token
for Resource Manager is one of the same application, for another address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from entrawatch.errors import ConfigError, SourceError, TargetError
from entrawatch.graph import clouds
from entrawatch.graph.auth import TokenSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from entrawatch.config.model import Secret, TenantConfig
    from entrawatch.deploy.rest import Rest

#: cloud, as the connector calls it → its Resource Manager
HOSTS = {
    "global": "https://management.azure.com",
    "usgov": "https://management.usgovcloudapi.net",
    "usgov_dod": "https://management.usgovcloudapi.net",
    "china": "https://management.chinacloudapi.cn",
}
ADVICE = {
    401: "the token is expired or not for this cloud; get a new one",
    403: "give the identity the role Microsoft Sentinel Contributor on the resource group (docs/deploy.md)",
    404: "check subscription, resource group and workspace, and that Sentinel is enabled on it",
    409: "somebody changed it meanwhile, or one of that id was deleted a short while ago; run it again later",
    412: "somebody changed it meanwhile; look at a new plan",
}
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
#: resource groups: letters, digits, . _ - ( ), no dot at the end; workspaces: letters, digits, -
_NAME = re.compile(r"[\w.()-]{0,89}[\w()-]")
_PAGES = 1000
#: environment variable with the subscription's id
SUBSCRIPTION = "AZURE_SUBSCRIPTION_ID"
_WHICH = "az account show --query id"


@dataclass(frozen=True)
class Workspace:
    """A Log Analytics workspace that Sentinel is enabled on."""

    subscription: str
    resource_group: str
    name: str

    def __post_init__(self) -> None:
        faults = []
        if not self.subscription:
            faults.append(f"--subscription: not given; write --subscription GUID, or set {SUBSCRIPTION} ({_WHICH})")
        elif not _GUID.fullmatch(self.subscription):
            faults.append(f"--subscription: is no GUID; write the subscription's id ({_WHICH})")
        faults += [
            f"{option}: {value!r} is no name of one" if value else f"{option}: not given; write {option} NAME"
            for option, value in (("--resource-group", self.resource_group), ("--workspace", self.name))
            if not _NAME.fullmatch(value)
        ]
        if faults:
            raise ConfigError(faults)

    @property
    def path(self) -> str:
        """Its path in Resource Manager."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{quote(self.resource_group, safe='')}"
            f"/providers/Microsoft.OperationalInsights/workspaces/{quote(self.name, safe='')}"
        )


class GivenToken:
    """A token that somebody else got: `az account get-access-token`."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def headers(self) -> Mapping[str, str]:
        """The headers of each request."""
        return {"Authorization": f"Bearer {self._token.reveal()}"}


class OwnToken:
    """A token of an application or managed identity, renewed when it is near its end.

    :param tenant: whose; its Graph is Resource Manager's address.
    """

    def __init__(self, tenant: TenantConfig) -> None:
        self._source = TokenSource(tenant)

    def headers(self) -> Mapping[str, str]:
        """The headers of each request.

        :raises TargetError: no token; the message says why.
        """
        try:
            return {"Authorization": f"Bearer {self._source.token()}"}
        except SourceError as error:
            raise TargetError(_with_our_options(str(error)), 401) from None


#: the configuration's keys that the sign-in speaks of → this command's options
_OPTIONS = {
    "graph.ca_bundle": "--ca-bundle", "graph.proxy": "HTTPS_PROXY", "graph.cloud": "--cloud",
    "graph.login_url": "--login-url", "graph.url": "--management-url", "auth.secret": "AZURE_CLIENT_SECRET",
    "auth.certificate": "--certificate", "auth.token_file": "AZURE_FEDERATED_TOKEN_FILE",
}  # fmt: skip


def _with_our_options(text: str) -> str:
    for key, option in _OPTIONS.items():
        text = text.replace(key, option)
    return text


def pages(rest: Rest, path: str, version: str) -> Iterator[dict[str, Any]]:
    """The objects of a collection, page after page.

    :raises TargetError: a page leads to another host, or there is no end of them.
    """
    params: Mapping[str, str] = {"api-version": version}
    for _ in range(_PAGES):
        value = rest.get(path, params=params).value
        listed = value.get("value") if isinstance(value, dict) else None
        if not isinstance(listed, list):
            raise TargetError(f"{rest.host}: GET {path.partition('?')[0]} gave no list; is it Azure Resource Manager?")
        yield from (one for one in listed if isinstance(one, dict))
        link = value.get("nextLink")
        if not link:
            return
        path, params = below(rest, str(link)), {}
    raise TargetError(f"{rest.host}: {path.partition('?')[0]} has no end of pages")


def below(rest: Rest, link: str) -> str:
    """The path and query of a link that stays on the API's own host.

    :raises TargetError: it does not.
    """
    base = urlsplit(rest.url).path
    try:
        parts = urlsplit(link)
        same = clouds.origin(link) == clouds.origin(rest.url) and parts.path.startswith(base)
    except ValueError:
        same = False
    if not same:
        raise TargetError(f"{rest.host}: the list goes on at another host, which is not followed")
    return parts.path[len(base) :] + (f"?{parts.query}" if parts.query else "")
