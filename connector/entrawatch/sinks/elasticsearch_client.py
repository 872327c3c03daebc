"""The official client, made from a sink's options, and its errors put into ours.

TLS is verified against the CA bundle or the client's own store. A certificate fingerprint is no option: the client
turns chain verification off for it and looks for the fingerprint in a chain whose signatures nobody checked
(elastic-transport, `_node/_urllib3_chain_certs.py`), so the CA's certificate itself is asked for instead.
"""

from __future__ import annotations

import base64
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Optional

from elasticsearch import (
    ApiError,
    ConnectionError,  # noqa: A004 - the client's name for it
    Elasticsearch,
    SerializationError,
    TransportError,
    UnsupportedProductError,
)
from elasticsearch.serializer import JsonSerializer

from entrawatch import jsontext, tls
from entrawatch.config.model import Secret
from entrawatch.errors import ConfigError, SinkRefusedError, SinkUnavailableError
from entrawatch.sinks.options import Option, faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: statuses after which the same request may go well: time-outs, too many requests, the server's own troubles
TRANSIENT = frozenset({408, 429})
_LONGEST = 300
_PRIVILEGES = "create_doc, auto_configure, read and view_index_metadata"


class Json(JsonSerializer):
    """The product's own JSON, so that orjson is used where it is installed and odd text is written all the same."""

    def json_dumps(self, data: Any) -> bytes:
        return jsontext.dumps(data)

    def json_loads(self, data: bytes) -> Any:
        return jsontext.loads(data)


def is_transient(status: int) -> bool:
    """Whether a request or document answered with this HTTP status may be sent again."""
    return status in TRANSIENT or status >= 500


def hosts_of(where: str, text: str) -> list[str]:
    """The URLs of the `hosts` option.

    :raises ConfigError: one of them is no URL, is plain http to another machine, or carries a user or password.
    """
    urls = [part.strip() for part in text.split(",") if part.strip()]
    found = [f for url in urls for f in faults({"hosts": Option("url", "a node's URL", required=True)}, {"hosts": url})]
    if found or not urls:
        raise ConfigError([f"{where}: {fault}" for fault in found or ["hosts is empty; write https://host:9200"]])
    return [_with_port(url) for url in urls]


def _with_port(url: str) -> str:
    """The client wants the port written out."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    has_port = ":" in host.rpartition("]")[2]
    return f"{scheme}://{host if has_port else host + (':443' if scheme == 'https' else ':9200')}{slash}{path}"


def _identity(where: str, options: Mapping[str, Any]) -> dict[str, Any]:
    key, user, password = options["api_key"], options["user"], options["password"]
    if key is not None and (user or password):
        raise ConfigError([f"{where}: api_key and user are both given; keep one"])
    if bool(user) != (password is not None):
        raise ConfigError([f"{where}: user and password go together; give both or neither"])
    if key is not None:
        text = key.reveal()
        return {"api_key": tuple(text.split(":", 1)) if ":" in text else text}
    return {"basic_auth": (user, password.reveal())} if user else {}


def _place(where: str, options: Mapping[str, Any]) -> dict[str, Any]:
    if bool(options["hosts"]) == bool(options["cloud_id"]):
        raise ConfigError([f"{where}: give hosts or cloud_id, one of them"])
    if options["cloud_id"]:
        return {"cloud_id": options["cloud_id"]}
    return {"hosts": hosts_of(where, options["hosts"])}


def _trust(where: str, bundle: Optional[Path]) -> dict[str, Any]:
    if bundle is None:
        return {}
    if not bundle.is_file():
        raise ConfigError([f"{where}: ca_bundle {bundle} is no file; name a PEM file of CA certificates"])
    return {"ca_certs": str(bundle)}


def connect(where: str, options: Mapping[str, Any]) -> Elasticsearch:
    """A client for the options of the sink; makes no request.

    :param where: how messages name the sink.
    :raises ConfigError: options that contradict each other or cannot be right.
    """
    # At DEBUG it logs whole requests, which are our events; its INFO has method, URL and status.
    logging.getLogger("elastic_transport.node").setLevel(logging.INFO)
    place = _place(where, options)
    given = {**place, **_identity(where, options), **_trust(where, options["ca_bundle"])}
    try:
        return Elasticsearch(
            **given,
            serializer=Json(),
            request_timeout=options["timeout_seconds"],
            http_compress=options["compress"],
            # another node may be asked when one does not answer; a status is the sink's own business
            max_retries=len(place.get("hosts", [1])) - 1,
            retry_on_status=(),
        )
    except ValueError as error:
        raise ConfigError([f"{where}: cloud_id or hosts cannot be used ({type(error).__name__})"]) from None


def _spellings(secret: str, user: Optional[str]) -> Iterator[str]:
    """How a password or API key may turn up: as given, encoded for its header, and an API key's second half alone."""
    try:
        plain = base64.b64decode(secret, validate=True).decode()
    except ValueError:
        plain = secret
    for text in (secret, plain, plain.partition(":")[2]):
        yield text
    for text in (secret, f"{user}:{secret}"):
        yield base64.b64encode(text.encode()).decode()


class Scrubber:
    """Makes a server's text fit for a message: one short line, without our secrets, which a proxy may echo."""

    __slots__ = ("_secrets",)

    def __init__(self, options: Mapping[str, Any]) -> None:
        texts = [value.reveal() for value in options.values() if isinstance(value, Secret)]
        spellings = {spelling for text in texts for spelling in _spellings(text, options["user"])}
        # the longest first: one may be part of another
        self._secrets = sorted(filter(None, spellings), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        line = " ".join(text.split())
        return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def reason_of(error: Any) -> str:
    """Type, reason and deepest cause of an error object as Elasticsearch sends it."""
    if not isinstance(error, dict):
        return str(error)
    cause = error
    while isinstance(cause.get("caused_by"), dict):
        cause = cause["caused_by"]
    own = f"{error.get('type')}: {error.get('reason')}"
    return own if cause is error else f"{own} ({cause.get('reason')})"


def _api_message(error: ApiError) -> str:
    # The text of an answer that is not Elasticsearch's own JSON is not shown: nobody knows what it holds.
    body = error.body.get("error") if isinstance(error.body, dict) else None
    return f"answered {error.meta.status}" + (f", {reason_of(body)}" if body else "")


def _seconds(text: Optional[str]) -> Optional[float]:
    return float(text) if text is not None and text.isdecimal() else None


@contextmanager
def translated(where: str, scrubbed: Scrubber) -> Iterator[None]:
    """Turn what the client raises into what a sink raises.

    :raises SinkUnavailableError: the same request may go well later.
    :raises SinkRefusedError: it will not, until someone mends the credential, the privileges or the address.
    """
    try:
        yield
    except UnsupportedProductError:
        raise SinkRefusedError(f"{where}: the server is not Elasticsearch; check hosts") from None
    except ApiError as error:
        message = scrubbed(_api_message(error))
        if is_transient(error.meta.status):
            pause = _seconds(error.meta.headers.get("retry-after"))
            raise SinkUnavailableError(f"{where}: {message}", pause) from None
        raise SinkRefusedError(f"{where}: {message}; {_ADVICE.get(error.meta.status, _ADVICE[0])}") from None
    except SerializationError:
        raise SinkUnavailableError(f"{where}: the answer was no JSON; is something between us and it?") from None
    except ConnectionError as error:
        message = scrubbed(str(error.message))
        if "CERTIFICATE_VERIFY_FAILED" in message:
            raise SinkRefusedError(f"{where}: {message}; give its CA certificate as ca_bundle") from None
        raise SinkUnavailableError(f"{where}: {tls.plain(error) or message}") from None
    except TransportError as error:
        raise SinkUnavailableError(f"{where}: {scrubbed(str(error.message))}") from None


_ADVICE = {
    0: "check the address and the server's version (8.13 or later)",
    401: "check api_key, or user and password",
    403: f"give the credential the privileges {_PRIVILEGES} on our data streams",
    404: "check the address; run `entrawatch setup elasticsearch` if the data streams are missing",
}
