"""The HTTP side of the HEC sink: one connection, one token, one channel."""

from __future__ import annotations

import gzip
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Optional
from urllib.parse import urlsplit

import requests

from entrawatch import bodies, jsontext, tls
from entrawatch.errors import ConfigError, SinkRefusedError, SinkUnavailableError
from entrawatch.sinks import hec_protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from entrawatch.config.model import Secret

#: bytes of an answer that are read: HEC's are a line, and the list of acknowledgements is short
_LARGEST = 4 * 2**20
#: seconds to reach the server; answering may take as long as the sink's timeout says
_CONNECT = 10.0


class _Token(requests.auth.AuthBase):
    """Sets the header on each request. As an `auth` object it also keeps requests from taking one out of ~/.netrc."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Splunk {self._token.reveal()}"
        return request


class Reply(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HecClient:
    """Speaks to one HEC.

    :param url: scheme, host and port; the collector's path may stand behind them.
    :param ca_bundle: CA certificates trusted instead of the system's; verification itself has no switch.
    :param timeout: seconds an answer may take.
    :param name: the sink's name, for messages.
    :raises ConfigError: the token cannot stand in a header; the environment's CA bundle cannot be read.
    """

    def __init__(
        self, url: str, token: Secret, *, name: str, ca_bundle: Optional[Path] = None, proxy: str = "",
        timeout: float = 60.0, compress: bool = True, channels: bool = True,
    ) -> None:  # fmt: skip
        self.base = url.split("/services/collector", 1)[0].rstrip("/")
        self.name = name
        self.channel = ""
        self._compress = compress
        self._channels = channels
        self._timeout = timeout
        local = urlsplit(self.base).scheme == "http"
        self._verify: Any = str(ca_bundle or ("" if local else tls.bundle_of_environment())) or True
        self._session = requests.Session()
        if not (token.reveal().isascii() and token.reveal().isprintable()):
            raise ConfigError([f"sinks.{name}: token has characters no HEC token has; copy it anew"])
        self._session.auth = _Token(token)
        if local:
            self._session.trust_env = False  # it is this machine (sinks.options): a proxy would read the token
        elif proxy:
            self._session.proxies = {"http": proxy, "https": proxy}
        self.renew_channel()

    def renew_channel(self) -> None:
        """Use a new channel from here on: a restarted server counts its ackIds anew, and the same number on the same
        channel would then speak of another request."""
        self.channel = str(uuid.uuid4()) if self._channels else ""

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def post(self, body: bytes) -> hec_protocol.Answer:
        """Send events (JSON objects one after the other) and read what became of them."""
        headers = {"Content-Type": "application/json"}
        if self._compress and body:
            body, headers["Content-Encoding"] = gzip.compress(body, compresslevel=3, mtime=0), "gzip"
        if self.channel:
            headers["X-Splunk-Request-Channel"] = self.channel
        return self._read(self._request("POST", "event", headers=headers, data=body))

    def acknowledged(self, ack_ids: list[int], channel: str) -> set[int]:
        """Which of these requests are indexed. HEC forgets a number once it has answered true for it."""
        reply = self._request(
            "POST", "ack", params={"channel": channel}, data=jsontext.dumps({"acks": ack_ids}),
            headers={"Content-Type": "application/json", "X-Splunk-Request-Channel": channel},
        )  # fmt: skip
        acks = hec_protocol.document(reply.body).get("acks")
        if reply.status != 200 or not isinstance(acks, dict):
            self.fail(self._read(reply))
        with suppress(ValueError):
            return {int(key) for key, done in acks.items() if done is True} & set(ack_ids)
        return set()

    def check(self) -> None:
        """Ask for HEC's health, then send nothing at all: a token that may write is told "No data"."""
        health = self._read(self._request("GET", "health"))
        if health.meaning != hec_protocol.TAKEN:
            self.fail(health)
        answer = self.post(b"")
        if answer.code != hec_protocol.NO_DATA:
            self.fail(answer)

    def fail(self, answer: hec_protocol.Answer) -> NoReturn:
        """Raise what the answer means.

        :raises SinkUnavailableError: try again later.
        :raises SinkRefusedError: a person must mend it.
        """
        line = f"sink {self.name}: {self.base} answered {answer.reason}"
        if answer.meaning == hec_protocol.REFUSED:
            raise SinkRefusedError(f"{line}; {answer.advice or 'check url and token'}")
        raise SinkUnavailableError(f"{line}; it will be tried again", answer.retry_after)

    def _read(self, reply: Reply) -> hec_protocol.Answer:
        return hec_protocol.read(reply.status, reply.headers, reply.body)

    def _request(self, method: str, what: str, **more: Any) -> Reply:
        url = f"{self.base}/services/collector/{what}"
        try:
            # A redirect is never followed: it would carry the token to a host nobody configured. `verify` goes with
            # each request, for on a session an environment variable would win over it.
            with self._session.request(
                method, url, verify=self._verify, allow_redirects=False, timeout=(_CONNECT, self._timeout),
                stream=True, **more,
            ) as response:  # fmt: skip
                return Reply(response.status_code, response.headers, self._body(response))
        except requests.exceptions.SSLError as error:
            raise self._tls(error) from None
        except (requests.RequestException, OSError) as error:
            kind = type(error).__name__
            raise SinkUnavailableError(f"sink {self.name}: no answer from {self.base} ({kind})") from None

    def _body(self, response: requests.Response) -> bytes:
        """What the server says; nothing where it is more than HEC ever says."""
        return bodies.read(response, _LARGEST, self._timeout, time.monotonic) or b""

    def _tls(self, error: Exception) -> Exception:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return SinkRefusedError(
                f"sink {self.name}: the certificate of {self.base} is not trusted; give its CA's file as ca_bundle"
            )
        said = tls.plain(error, self.base) or f"TLS with {self.base} failed"
        return SinkUnavailableError(f"sink {self.name}: {said}; it will be tried again")
