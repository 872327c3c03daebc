"""The Microsoft clouds by name, and free URLs for those that have none.

Login hosts: learn.microsoft.com/entra/identity-platform/authentication-national-cloud (China: docs.azure.cn has
login.partner.microsoftonline.cn; msal calls the older login.chinacloudapi.cn deprecated). Graph hosts:
learn.microsoft.com/graph/deployments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from entrawatch.config.model import GraphConfig


@dataclass(frozen=True)
class Cloud:
    """Where one cloud has its token authority and its Graph, both without a slash at the end."""

    login_url: str
    graph_url: str


CLOUDS: dict[str, Cloud] = {
    "global": Cloud("https://login.microsoftonline.com", "https://graph.microsoft.com"),
    "usgov": Cloud("https://login.microsoftonline.us", "https://graph.microsoft.us"),
    "usgov_dod": Cloud("https://login.microsoftonline.us", "https://dod-graph.microsoft.us"),
    "china": Cloud("https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn"),
}


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL: what a token may be sent to.

    :raises ValueError: the URL has a port that is no number, or a user in it: requests would send that for the token.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("a user in the URL")
    return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def scope(graph_url: str) -> str:
    """What a token is asked for: every permission granted on that Graph."""
    parts = urlsplit(graph_url)
    return f"{parts.scheme}://{parts.netloc}/.default"


def resolve(config: GraphConfig) -> Cloud:
    """The URLs a configuration means: its cloud's, each replaced by its own where it gives one.

    :raises ConfigError: unknown cloud, or a URL that is not https or carries more than host and path.
    """
    faults = []
    if config.cloud not in CLOUDS:
        faults.append(f"graph.cloud: unknown cloud {config.cloud!r}; choose one of {', '.join(CLOUDS)}")
    for name in ("url", "login_url"):
        faults.extend(_faults(f"graph.{name}", getattr(config, name)))
    if faults:
        raise ConfigError(faults)
    cloud = CLOUDS[config.cloud]
    return Cloud((config.login_url or cloud.login_url).rstrip("/"), (config.url or cloud.graph_url).rstrip("/"))


def _faults(where: str, url: str) -> list[str]:
    if not url:
        return []
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" and bool(parts.hostname) and (parts.port or 443) > 0
    except ValueError:
        return [f"{where}: not a URL; write https://host[:port]"]
    if not usable:
        return [f"{where}: only https:// URLs are used, the token would travel in the clear; write https://host[:port]"]
    return _extras(where, parts)


def _extras(where: str, parts: SplitResult) -> list[str]:
    if parts.username or parts.query or parts.fragment:
        return [f"{where}: user, query and fragment do not belong there; write https://host[:port]"]
    return []
