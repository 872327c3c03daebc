"""Whom TLS trusts by the environment; a server that speaks no TLS where https was asked for.

A CA bundle mends nothing in the latter, though TLS has failed.

OpenSSL names what it met in place of a handshake (openssl/sslerr.h): by its version, plain http is a wrong version
number or a record layer failure; urllib3 knows a plain proxy by the same words (urllib3/connection.py).
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"}
)
_DO = "check the port, turn TLS on there, or write http:// where it is this machine itself"


def bundle_of_environment() -> str:
    """The file or folder of CA certificates that requests takes from the environment; "" for its own.

    :raises ConfigError: there is none where a variable says; requests would not name the variable.
    """
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        path = os.environ.get(name)
        if path and not os.access(path, os.R_OK):
            raise ConfigError([f"{name}: cannot read {path}; name a PEM file of CA certificates, or unset {name}"])
        if path:
            return path
    return ""


def plain(error: BaseException, url: str = "") -> str:
    """What to say of a server that does not seem to speak TLS; "" where that is not the trouble.

    :param error: whatever a client raised; what it was raised from is looked at, too.
    :param url: whom it asked, where that is known; host and port of it are told.
    """
    at = urlsplit(url)
    server = f"the server at {at.hostname}:{at.port or 443}" if at.hostname else "the server"
    for link in chain(error):
        if isinstance(link, ssl.SSLError) and link.reason in _PLAIN:
            return f"{server} seems to speak plain http, not https; {_DO}"
        if isinstance(link, ssl.SSLEOFError):
            return f"{server} hangs up before TLS begins and may speak plain http; {_DO}"
    return ""


def chain(error: object) -> Iterator[BaseException]:
    """An error and all that it was made of, from the outside in: causes, reasons and what stands in its arguments."""
    seen: set[int] = set()
    queue: list[object] = [error]
    while queue:
        link = queue.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        queue += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]
