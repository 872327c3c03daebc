"""Requests to a product's API: verified TLS, no redirect followed, pauses that are asked for waited out.

The session is the one that Graph is read with (`graph.transport`): it closes requests' own habits that leak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional
from urllib.parse import urlsplit

import requests

from entrawatch import bodies, jsontext, tls
from entrawatch.clock import SystemClock
from entrawatch.config.model import GraphConfig
from entrawatch.errors import TargetError
from entrawatch.graph.answers import retry_after
from entrawatch.graph.transport import PinnedSession, meaning
from entrawatch.redaction import clean, redact

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from pathlib import Path

    from entrawatch.interfaces import Clock

#: bytes of one answer: a list of some thousand rules
_LARGEST = 64 * 2**20
_TRIES = 5
#: of a request that is not answered at all: a name that is wrong stays wrong
_TRIES_UNANSWERED = 3
#: seconds; who asks for a longer pause is not waited for
_LONGEST_PAUSE = 120.0
_WORDS = 300
#: a server's passing troubles: what changes nothing, or gives the same however often it is sent, is sent again
_PASSING = frozenset({500, 502, 503, 504})
_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
_THROTTLED = 429


@dataclass(frozen=True)
class Connection:
    """Where a product's API is and how it is reached.

    :param url: scheme, host, port and the path below which the API lies, without a slash at its end.
    :param headers: those of each request; asked for anew each time, for a token may have been renewed.
    :param advice: HTTP status → what the person is told to do about it.
    :param ca_bundle: file of CA certificates trusted instead of the system's.
    :param timeout: seconds one request may take.
    """

    url: str
    headers: Callable[[], Mapping[str, str]]
    advice: Mapping[int, str]
    ca_bundle: Optional[Path] = None
    timeout: float = 60.0


class Answer(NamedTuple):
    """What a product answered.

    :param value: the body's JSON, None where it has none.
    """

    status: int
    value: Any
    headers: Mapping[str, str]


class _Headers(requests.auth.AuthBase):
    """Sets the headers last of all, so that nothing of requests' own replaces them."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


class Rest:
    """One product's API."""

    def __init__(self, connection: Connection, clock: Optional[Clock] = None) -> None:
        self._at = connection
        self._clock: Clock = clock or SystemClock()
        self._session = PinnedSession(GraphConfig(ca_bundle=connection.ca_bundle, timeout=connection.timeout))
        self.host = urlsplit(connection.url).netloc

    @property
    def url(self) -> str:
        """What paths are below."""
        return self._at.url

    def get(self, path: str, *, accept: Container[int] = (), **more: Any) -> Answer:
        """Read; `accept` has the statuses of 400 and above that are answers too.

        :raises TargetError: no answer, or a refusal.
        """
        return self.ask("GET", path, accept=accept, **more)

    def ask(self, method: str, path: str, *, accept: Container[int] = (), **more: Any) -> Answer:
        """A request, repeated where the product asks for a pause, or fails and it does no harm.

        :param path: below the connection's URL, escaped.
        :param more: what requests takes: params, json, data, files, headers.
        :raises TargetError: no answer, or a refusal.
        """
        for tried in range(1, _TRIES + 1):
            try:
                answer = self._once(method, path, more)
            except requests.RequestException as error:
                last = tried == _TRIES_UNANSWERED or isinstance(error, requests.exceptions.SSLError)
                if method != "GET" or last:
                    raise self._silent(error) from None
                self._clock.sleep(2.0 ** (tried - 1))
                continue
            pause = self._pause(method, answer, tried)
            if pause is None:
                break
            self._clock.sleep(pause)
        if answer.status < 300 or answer.status in accept:
            return answer
        raise self.refusal(method, path, answer)

    def refusal(self, method: str, path: str, answer: Answer) -> TargetError:
        """What is said of an answer that is none."""
        if 300 <= answer.status < 400:
            return TargetError(
                f"{self.host}: {method} {path} is answered with a redirect ({answer.status}), which is not followed; "
                f"give the address where the API itself is",
                answer.status,
            )
        advice = self._at.advice.get(answer.status, "")
        told = ": ".join(filter(None, (f"{method} {path} answered {answer.status}", words(answer.value))))
        return TargetError(f"{self.host}: {told}" + (f"; {advice}" if advice else ""), answer.status)

    def _pause(self, method: str, answer: Answer, tried: int) -> Optional[float]:
        """Seconds to wait before the same again, None where it is not sent again."""
        again = answer.status == _THROTTLED or (method in _REPEATABLE and answer.status in _PASSING)
        if not again or tried == _TRIES:
            return None
        asked = retry_after(answer.headers, self._clock.now())
        pause = 2.0 ** (tried - 1) if asked is None else asked
        return pause if pause <= _LONGEST_PAUSE else None

    def _once(self, method: str, path: str, more: Mapping[str, Any]) -> Answer:
        headers = _Headers(self._at.headers())
        with self._session.request(method, f"{self.url}{path}", auth=headers, stream=True, **more) as response:
            body = bodies.read(response, _LARGEST, self._at.timeout, self._clock.monotonic)
            if body is None:
                raise requests.ConnectionError("an answer too large to be one")
            return Answer(response.status_code, _json(body), response.headers)

    def _silent(self, error: Exception) -> TargetError:
        if isinstance(error, requests.Timeout):
            return TargetError(f"{self.host}: no answer within {self._at.timeout:g} s; give it more with --timeout")
        if self.url.startswith("http:") and any(isinstance(link, ConnectionResetError) for link in tls.chain(error)):
            return TargetError(f"{self.host}: the server hangs up on plain http and may speak TLS; write https://")
        options = ("--ca-bundle", "HTTPS_PROXY and NO_PROXY")
        return TargetError(meaning(error, self.url, options=options))


def _json(body: bytes) -> Any:
    try:
        return jsontext.loads(body) if body else None
    except (ValueError, RecursionError):
        return None


def words(value: Any) -> str:
    """A product's own words of an error, in one line without secrets; "" where the body is none of theirs.

    Kibana says `message`, Elasticsearch `error.reason`, Azure `error.message`, Splunk `messages[].text`.
    """
    if not isinstance(value, dict):
        return ""
    error = value.get("error")
    inner = error if isinstance(error, dict) else {}
    said = value.get("message") or inner.get("message") or inner.get("reason") or _messages(value.get("messages"))
    return line(said or (error if isinstance(error, str) else ""))


def _messages(messages: Any) -> str:
    if not isinstance(messages, list):
        return ""
    return "; ".join(str(one.get("text", "")) for one in messages if isinstance(one, dict))


def line(text: Any) -> str:
    """Any text of a server's as one short line, safe to show."""
    return clean(redact(" ".join(str(text).split())))[:_WORDS]


def rows(value: Any, name: str) -> list[dict[str, Any]]:
    """The list of objects under a name of an answer; empty where there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
