"""One kind of HTTP session for tokens and for Graph: verified TLS, pinned hosts, proxy, CA bundle, time-outs.

requests' own habits that would leak or weaken are closed here: it follows redirects with the body (a client secret),
replaces our Authorization header by what ~/.netrc says, and lets the environment's CA bundle win over the configured.
"""

from __future__ import annotations

import os
import ssl
import time
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import quote, urlsplit, urlunsplit

import requests
from requests import utils

from entrawatch import __version__, bodies, tls
from entrawatch.errors import ConfigError, TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrawatch.config.model import GraphConfig

USER_AGENT = f"Entrawatch/{__version__}"
#: bytes of an answer to one who does not stream it: tokens and discovery documents are a few thousand
_LARGEST = 4 * 2**20
#: seconds to wait for a connection
CONNECT = 15.0


class PinnedSession(requests.Session):
    """A requests session that keeps to its configuration, whoever calls it (msal does).

    :param config: CA bundle, proxy and time-out.
    :param direct: never through a proxy: managed identity answers on the machine itself.
    """

    def __init__(self, config: GraphConfig, *, direct: bool = False) -> None:
        super().__init__()
        self.trust_env = False
        self.headers["User-Agent"] = USER_AGENT
        self._timeout = (min(CONNECT, config.timeout), config.timeout)
        self._direct = direct
        self._proxies = proxies(config)
        self._verify = ca_bundle(config)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send, with the session's time-out where the caller names none, and the body read within bounds for it.

        :raises requests.RequestException: no answer, one that trickles, or one larger than a token's can be.
        """
        kwargs["timeout"] = kwargs.get("timeout") or self._timeout
        if kwargs.get("stream"):
            return super().send(request, **kwargs)
        response = super().send(request, **{**kwargs, "stream": True})
        with response:
            body = bodies.read(response, _LARGEST, self._timeout[1], time.monotonic)
        if body is None:
            raise requests.ConnectionError("an answer too large to be one")
        response._content, response._content_consumed = body, True  # type: ignore[attr-defined]  # noqa: SLF001
        return response

    def get_redirect_target(self, resp: requests.Response) -> Optional[str]:
        """None: a redirect is an answer like any other, whoever asks."""
        return None

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """The configured proxy and CA bundle, else the environment's; what the caller passed does not count."""
        return {
            "proxies": self._proxies_for(str(url)),
            "stream": bool(stream),
            "verify": self._verify,
            "cert": cert,
        }

    def _proxies_for(self, url: str) -> Mapping[str, str]:
        # plain http is for this machine alone (config.values): a proxy would read the credential
        if self._direct or urlsplit(url).scheme == "http":
            return {}
        return self._proxies or utils.get_environ_proxies(url)


def ca_bundle(config: GraphConfig) -> str | bool:
    """What verifies certificates: the configured file, else REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, else requests' own.

    :raises ConfigError: the file cannot be read.
    """
    if config.ca_bundle is None:
        return tls.bundle_of_environment() or True
    if not os.access(config.ca_bundle, os.R_OK):
        raise ConfigError([f"graph.ca_bundle: cannot read {config.ca_bundle}; give a PEM file of CA certificates"])
    return str(config.ca_bundle)


def proxies(config: GraphConfig) -> dict[str, str]:
    """The configured proxy for requests, its password put in, escaped; empty when none is configured."""
    if not config.proxy:
        return {}
    parts = urlsplit(config.proxy)
    if config.proxy_password is not None and parts.username:
        host = parts.netloc.rpartition("@")[2]
        netloc = f"{parts.username}:{quote(config.proxy_password.reveal(), safe='')}@{host}"
        parts = parts._replace(netloc=netloc)
    return dict.fromkeys(("http", "https"), urlunsplit(parts))


def trouble(error: Exception, url: str, proxy: str = "") -> TransientError:
    """What a network error means, in one line that names the host and neither credentials nor the query."""
    return TransientError(meaning(error, url, urlsplit(proxy).hostname or ""))


def meaning(
    error: Exception, url: str, proxy: str = "", *, options: tuple[str, str] = ("graph.ca_bundle", "graph.proxy")
) -> str:
    """What a network error means and what to do, in one line that names the host.

    :param options: how the reader is told of the CA bundle and of the proxy.
    """
    plain = tls.plain(error, url) if isinstance(error, requests.exceptions.SSLError) else ""
    return plain or f"{urlsplit(url).netloc.rpartition('@')[2] or url}: {_meaning(error, proxy, options)}"


def _meaning(error: Exception, proxy: str, options: tuple[str, str]) -> str:
    if isinstance(error, requests.exceptions.ProxyError):
        via = proxy or "from the environment"
        return f"the proxy {via} does not let us through ({_cause(error)}); check {options[1]}"
    if isinstance(error, requests.exceptions.SSLError):
        return f"TLS failed ({_cause(error)}); give the CA that signed its certificate in {options[0]}"
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time; it is tried again"
    return f"no connection ({_cause(error)}); check name resolution, firewall and proxy"


def _cause(error: BaseException) -> str:
    """The operating system's or TLS library's own words at the bottom of the chain: those hold no credentials."""
    found: Optional[str] = None
    for link in tls.chain(error):
        found = _own_words(link) or found
    return found or type(error).__name__


def _own_words(error: BaseException) -> Optional[str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    if isinstance(error, OSError) and isinstance(error.strerror, str):
        return error.strerror
    if isinstance(error, OSError) and str(error).startswith("Tunnel connection failed"):
        return str(error)
    return None
