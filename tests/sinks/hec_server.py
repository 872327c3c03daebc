"""An HTTP Event Collector on loopback that behaves as Splunk's does, so far as that is documented.

It reads gzip and concatenated JSON, takes the events in front of the first bad one and drops the rest, keeps
acknowledgements per channel and forgets an ackId once it has said true for it, and makes the faults a test orders.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections import deque
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Optional
from urllib.parse import parse_qs, urlsplit

TEXTS = {
    0: "Success", 2: "Token is required", 4: "Invalid token", 5: "No data", 6: "Invalid data format",
    7: "Incorrect index", 9: "Server is busy", 10: "Data channel is missing", 13: "Event field cannot be blank",
    14: "ACK is disabled", 17: "HEC is healthy", 18: "HEC is unhealthy, queues are full",
}  # fmt: skip
#: a fault: gets the handler, answers or not; returns True when it dealt with the request
Fault = Callable[["_Handler", bytes], bool]


def answer(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer so, whatever was sent; nothing is stored."""

    def fault(handler: _Handler, _: bytes) -> bool:
        handler.reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})
        return True

    return fault


def code(status: int, number: int, **more: Any) -> Fault:
    """One of HEC's own answers; nothing is stored."""
    return answer(status, json.dumps({"text": TEXTS.get(number, "?"), "code": number, **more}).encode())


def hang_up(handler: _Handler, _: bytes) -> bool:
    """Close the connection without an answer; nothing is stored."""
    handler.close_connection = True
    return True


def store_and_hang_up(handler: _Handler, body: bytes) -> bool:
    """Take the events and die before the answer: the sender cannot know."""
    handler.hec.take(body, handler.channel())
    handler.close_connection = True
    return True


def busy_at(number: int) -> Fault:
    """503 after some events were taken, as a full queue does it."""

    def fault(handler: _Handler, body: bytes) -> bool:
        handler.hec.indexed.extend(handler.hec.parse(body)[0][:number])
        return code(503, 9, **{"invalid-event-number": number})(handler, body)

    return fault


class HecServer:
    """`with HecServer() as hec:`; what it holds stands in `indexed`, what it was asked in `requests`.

    :param acknowledge: the token asks for indexer acknowledgement (useACK).
    :param polls: questions until a request is acknowledged; None for never.
    :param refuse: event → HEC code it is refused with, or None.
    :param names: whether a refusal names the event.
    """

    def __init__(
        self, *, token: str = "c0ffee00-1111-2222-3333-444444444444", acknowledge: bool = False,
        polls: Optional[int] = 1, refuse: Callable[[Any], Optional[int]] = lambda _: None, names: bool = True,
        most_bytes: int = 800_000_000, tls: Any = None,
    ) -> None:  # fmt: skip
        self.token, self.acknowledge, self.polls = token, acknowledge, polls
        self.refuse, self.names, self.most_bytes = refuse, names, most_bytes
        self.indexed: list[dict[str, Any]] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.faults: deque[Fault] = deque()
        self.ack_faults: deque[Fault] = deque()
        self.healthy = True
        self.waiting: dict[str, dict[int, list[Any]]] = {}
        self.next_ack: dict[str, int] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.hec = self  # type: ignore[attr-defined]
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> HecServer:
        # shutdown() waits for the loop to look up; half a second of that a test would be most of the suite
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def restart(self) -> None:
        """Forget every channel and count ackIds anew, as a restarted indexer does; what was not indexed is lost."""
        self.waiting.clear()
        self.next_ack.clear()

    def events(self) -> list[Any]:
        """The indexed events themselves."""
        return [item["event"] for item in self.indexed]

    def parse(self, body: bytes) -> tuple[list[dict[str, Any]], Optional[int]]:
        """The good events in front of the first bad one, and the bad one's code (None where all are good)."""
        text, decoder, good, at = body.decode(), json.JSONDecoder(), [], 0
        while at < len(text):
            try:
                item, at = decoder.raw_decode(text, at)
            except ValueError:
                return good, 6
            refused = 13 if item.get("event") in ("", None) else self.refuse(item["event"])
            if refused is not None:
                return good, refused
            good.append(item)
        return good, None

    def take(self, body: bytes, channel: str) -> tuple[int, dict[str, Any]]:
        """Status and body for a request with events."""
        if not body:
            return 400, {"text": TEXTS[5], "code": 5}
        good, bad = self.parse(body)
        with self._lock:
            if bad is not None:
                # With acknowledgement nobody promises the events in front of the bad one: no ackId comes for them.
                self.indexed.extend([] if self.acknowledge else good)
                named = {"invalid-event-number": len(good)} if self.names else {}
                return 400, {"text": TEXTS[bad], "code": bad, **named}
            if not self.acknowledge:
                self.indexed.extend(good)
                return 200, {"text": "Success", "code": 0}
            number = self.next_ack.get(channel, 0)
            self.next_ack[channel] = number + 1
            self.waiting.setdefault(channel, {})[number] = [self.polls, good]
            return 200, {"text": "Success", "code": 0, "ackId": number}

    def acks(self, body: bytes, channel: str) -> dict[str, bool]:
        """What is indexed by now."""
        with self._lock:
            return {str(number): self._done(channel, number) for number in json.loads(body)["acks"]}

    def _done(self, channel: str, number: int) -> bool:
        entry = self.waiting.get(channel, {}).get(number)
        if entry is None or entry[0] is None:
            return False
        entry[0] -= 1
        if entry[0] > 0:
            return False
        self.indexed.extend(self.waiting[channel].pop(number)[1])
        return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def hec(self) -> HecServer:
        return self.server.hec  # type: ignore[attr-defined,no-any-return]

    def channel(self) -> str:
        """The request's channel, from its header or its query."""
        query = parse_qs(urlsplit(self.path).query)
        return self.headers.get("X-Splunk-Request-Channel") or "".join(query.get("channel", []))

    def reply(self, status: int, body: bytes, headers: Optional[dict[str, str]] = None) -> None:
        with suppress(OSError):
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def reply_json(self, status: int, body: dict[str, Any]) -> None:
        self.reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def do_GET(self) -> None:
        self.hec.requests.append((self.path, dict(self.headers), b""))
        number = 17 if self.hec.healthy else 18
        self.reply_json(200 if self.hec.healthy else 503, {"text": TEXTS[number], "code": number})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.hec.requests.append((self.path, dict(self.headers), body))
        path = urlsplit(self.path).path
        faults = self.hec.ack_faults if path.endswith("/ack") else self.hec.faults
        if faults and faults.popleft()(self, body):
            return
        self._answer(path, body)

    def _answer(self, path: str, body: bytes) -> None:
        given = self.headers.get("Authorization", "")
        if given != f"Splunk {self.hec.token}":
            number = 4 if given else 2
            self.reply_json(403 if given else 401, {"text": TEXTS[number], "code": number})
        elif len(body) > self.hec.most_bytes:
            self.reply(413, b"<title>413 Content-Length too large</title>")
        elif self.hec.acknowledge and not self.channel():
            self.reply_json(400, {"text": TEXTS[10], "code": 10})
        elif path == "/services/collector/event":
            self.reply_json(*self.hec.take(body, self.channel()))
        elif path == "/services/collector/ack" and self.hec.acknowledge:
            self.reply_json(200, {"acks": self.hec.acks(body, self.channel())})
        elif path == "/services/collector/ack":
            self.reply_json(400, {"text": TEXTS[14], "code": 14})
        else:
            self.reply(404, b"")

    def log_message(self, *_: object) -> None:
        """Quiet."""
