"""Requests to Graph: one at a time per thread, in their budget's turn, repeated as the policy says.

The token goes to the configured host and nowhere else: redirects are followed by hand, on the same origin only, and
paging checks nextLink the same way.
"""

from __future__ import annotations

import random
import threading
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any, Callable, NoReturn, Optional, Protocol, Union
from urllib.parse import urljoin

import requests
from urllib3.exceptions import ReadTimeoutError

from entrawatch import bodies, jsontext
from entrawatch.errors import TransientError
from entrawatch.graph import clouds, policy
from entrawatch.graph.answers import MALFORMED, TIMED_OUT, TOO_LONG, UNREACHABLE, Refusal, http_date, refusal
from entrawatch.graph.transport import PinnedSession, trouble

if TYPE_CHECKING:
    from datetime import datetime

    from entrawatch.config.model import TenantConfig
    from entrawatch.graph.budget import Budgets
    from entrawatch.graph.policy import Ask, Row
    from entrawatch.interfaces import Clock, Observer

#: bytes of one page, unpacked: 1,000 sign-ins of beta are 5 to 30 MB
LARGEST_PAGE = 128 * 1024 * 1024
#: bytes of an error's body that are read
LARGEST_ERROR = 64 * 1024
#: seconds; a longer pause is left to the loop
LONGEST_PAUSE = 300.0
#: requests in a row for one page, whatever the refusals were
MOST_TRIES = 12
_REDIRECTS = 3


class Tokens(Protocol):
    """Where the token comes from; see `auth.TokenSource`."""

    def token(self) -> str:
        """A token that is valid now."""
        ...

    def renew(self, rejected: str) -> str:
        """Another one than the rejected."""
        ...


class GraphClient:
    """Graph for one tenant; safe to share between threads, each has its own connections.

    :param stop: when set, no pause is waited out.
    :param chance: a number in [0, 1) for the jitter.
    """

    def __init__(
        self,
        tenant: TenantConfig,
        tokens: Tokens,
        *,
        clock: Clock,
        observer: Observer,
        budgets: Budgets,
        stop: Optional[threading.Event] = None,
        chance: Callable[[], float] = random.random,
        largest_page: int = LARGEST_PAGE,
    ) -> None:
        self.url = clouds.resolve(tenant.graph).graph_url
        #: the service's clock at the last answer, None where it has not told it
        self.served_at: Optional[datetime] = None
        self._origin = clouds.origin(self.url)
        self._tenant = tenant
        self._tokens = tokens
        self._clock = clock
        self._observer = observer
        self._budgets = budgets
        self._stop = stop
        self._chance = chance
        self._largest_page = largest_page
        self._mine = threading.local()
        # weak: a session goes with the thread that used it, however many threads come and go in months
        self._sessions: weakref.WeakSet[PinnedSession] = weakref.WeakSet()

    def close(self) -> None:
        """Let go of all connections; the client can still be used."""
        for session in list(self._sessions):
            session.close()

    def same_host(self, url: str) -> bool:
        """Whether a URL is on the configured Graph's origin, so that the token may go there.

        Judged as requests will send it: its parser ends a host at a backslash where Python's own does not, and of
        `https://other\\@graph` they would name different hosts.
        """
        try:
            return clouds.origin(str(requests.Request("GET", url).prepare().url)) == self._origin
        except ValueError:  # what requests cannot send is one, too
            return False

    def page(self, url: str, ask: Ask) -> dict[str, Any]:
        """A page of a collection: a JSON object whose `value` is a list.

        :raises SourceError: as the policy's table says.
        """
        return self._persist("GET", url, ask, None, collection=True)

    def call(self, method: str, url: str, ask: Ask, body: Optional[Any] = None) -> dict[str, Any]:
        """Any other request; {} where the answer has no body. Only GET is repeated after a server's failure.

        :raises SourceError: as the policy's table says.
        """
        return self._persist(method, url, ask, body, collection=False)

    def _persist(self, method: str, url: str, ask: Ask, body: Any, *, collection: bool) -> dict[str, Any]:
        tries: Counter[str] = Counter()
        while True:
            token = self._tokens.token()
            answer = self._send(method, url, ask, token, body, collection=collection)
            if isinstance(answer, dict):
                return answer
            row = policy.find(answer)
            tries[row.name] += 1
            self._observer.count("graph_refusals", tenant=self._tenant.name, stream=ask.what, reason=row.name)
            pause = self._pause(row, answer, tries[row.name])
            if row.shared:
                self._gate(ask).cool_down(pause)
            again = method == "GET" or row.shared or row.renew
            if not again or tries[row.name] >= row.tries or sum(tries.values()) >= MOST_TRIES or pause > LONGEST_PAUSE:
                self._raise(row, answer, ask)
            self._before_next(row, token, pause)

    def _raise(self, row: Row, answer: Refusal, ask: Ask) -> NoReturn:
        raise policy.error(row, answer, ask, self._tenant.name, self._clock.now())

    def _before_next(self, row: Row, token: str, pause: float) -> None:
        if row.renew:
            self._tokens.renew(token)
        elif not row.shared:  # a shared pause is waited out at the gate, by everybody
            self._clock.sleep(pause, self._stop)
            if self._stop is not None and self._stop.is_set():
                raise TransientError(f"tenant {self._tenant.name}: stopped while waiting to try again")

    def _pause(self, row: Row, answer: Refusal, tried: int) -> float:
        """What the service asks for, else the row's pause, doubled each time, cut by up to a half at random."""
        if answer.retry_after is not None:
            return answer.retry_after
        longest = min(LONGEST_PAUSE / 4, row.pause * 2.0 ** (tried - 1))
        return longest * (1 - self._chance() / 2)

    def _gate(self, ask: Ask) -> Any:
        return self._budgets.gate(ask.limit, self._tenant.tenant_id, self._tenant.client_id)

    def _session(self) -> PinnedSession:
        session: Optional[PinnedSession] = getattr(self._mine, "session", None)
        if session is None:
            session = self._mine.session = PinnedSession(self._tenant.graph)
            self._sessions.add(session)
        return session

    def _send(
        self, method: str, url: str, ask: Ask, token: str, body: Any, *, collection: bool
    ) -> Union[dict[str, Any], Refusal]:
        for _ in range(_REDIRECTS + 1):
            self._gate(ask).enter(ask.priority, self._stop)
            begun = self._clock.monotonic()
            answer = self._once(method, url, token, body, collection=collection)
            self._told(ask, answer, self._clock.monotonic() - begun)
            if not isinstance(answer, str):
                return answer
            url = answer
        return Refusal(310, "", "too many redirects")

    def _told(self, ask: Ask, answer: object, seconds: float) -> None:
        status = str(answer.status) if isinstance(answer, Refusal) else "ok"
        self._observer.count("graph_requests", tenant=self._tenant.name, stream=ask.what, status=status)
        self._observer.observe("graph_request_seconds", seconds, tenant=self._tenant.name, stream=ask.what)

    def _once(
        self, method: str, url: str, token: str, body: Any, *, collection: bool
    ) -> Union[dict[str, Any], Refusal, str]:
        """An answer's JSON, a refusal, or the URL of a redirect on the same host."""
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            # without it, enum members newer than the API's first version arrive as unknownFutureValue
            "Prefer": "include-unknown-enum-members",
        }
        try:
            with self._session().request(method, url, headers=headers, json=body, stream=True) as response:
                return self._read(response, collection=collection)
        except (requests.RequestException, ReadTimeoutError) as error:
            if _timed_out(error):
                return Refusal(TIMED_OUT, "", f"no answer within {self._tenant.graph.timeout:g} s")
            return Refusal(UNREACHABLE, "", str(trouble(error, url, self._tenant.graph.proxy)))

    def _read(self, response: requests.Response, *, collection: bool) -> Union[dict[str, Any], Refusal, str]:
        self.served_at = http_date(response.headers.get("Date", "")) or self.served_at
        if 300 <= response.status_code < 400:
            return self._redirect(response)
        good = response.status_code < 300
        body = self._body(response, self._largest_page if good else LARGEST_ERROR)
        if body is None:
            return Refusal(TOO_LONG, "", f"over {self._largest_page} bytes") if good else Refusal(response.status_code)
        if not good:
            return refusal(response.status_code, response.headers, body, self._clock.now())
        return _value(body, collection=collection)

    def _redirect(self, response: requests.Response) -> Union[Refusal, str]:
        target = urljoin(response.url, response.headers.get("Location", ""))
        if self.same_host(target):
            return target
        return Refusal(response.status_code, "", "its Location is on another host")

    def _body(self, response: requests.Response, largest: int) -> Optional[bytes]:
        """The body, None when it is longer; a body that trickles for longer than the time-out is a time-out."""
        return bodies.read(response, largest, self._tenant.graph.timeout, self._clock.monotonic)


def _value(body: bytes, *, collection: bool) -> Union[dict[str, Any], Refusal]:
    if not body and not collection:
        return {}
    try:
        value = jsontext.loads(body)
    except (ValueError, RecursionError) as error:
        return Refusal(MALFORMED, "", f"{type(error).__name__} in {len(body)} bytes")
    if not isinstance(value, dict) or (collection and not isinstance(value.get("value"), list)):
        return Refusal(MALFORMED, "", "no list of records in it")
    return value


def _timed_out(error: Exception) -> bool:
    """requests turns a time-out in the middle of a body into a ConnectionError around urllib3's."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return False
    inner = error.args[0] if error.args else None
    return isinstance(error, (requests.Timeout, ReadTimeoutError)) or isinstance(inner, ReadTimeoutError)
