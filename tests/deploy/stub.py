"""A real HTTPS server that plays a product: a subclass answers, this keeps the log and plays the faults."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import parse_qsl, unquote, urlsplit

from entrawatch.emulator.certificate import server_context

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=bool(self.body)))


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


@dataclass
class Fault:
    """An answer in place of the product's own, for the next `times` requests that it fits."""

    fits: Callable[[Asked], bool]
    reply: Optional[Reply]
    times: int = 1
    #: done before it is answered: the world changes meanwhile
    before: Callable[[], None] = lambda: None


class Stub:
    """Serves on loopback from when it is entered."""

    def __init__(self, folder: Path) -> None:
        self.log: list[Asked] = []
        self.faults: list[Fault] = []
        self._context, self.ca_file = server_context(folder)
        self._lock = threading.Lock()

    def answer(self, asked: Asked) -> Reply:
        raise NotImplementedError

    @property
    def writes(self) -> list[Asked]:
        """What was asked that may have changed something."""
        return [one for one in self.log if one.method != "GET"]

    def __enter__(self) -> Stub:
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.socket = self._context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"https://localhost:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reply(self, asked: Asked) -> Reply:
        with self._lock:
            self.log.append(asked)
            for fault in self.faults:
                if fault.times > 0 and fault.fits(asked):
                    fault.times -= 1
                    fault.before()
                    if fault.reply is not None:
                        return fault.reply
            return self.answer(asked)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust us hangs up: nothing to tell."""


def _handler(stub: Stub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            pass

        def _any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            headers = {name.lower(): value for name, value in self.headers.items()}
            # the path stays as it came, so that what is escaped in it is seen
            reply = stub.reply(Asked(self.command, parts.path, query, headers, body))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.bytes)))
            self.end_headers()
            self.wfile.write(reply.bytes)

        do_GET = do_POST = do_PUT = do_DELETE = _any  # noqa: N815 - http.server's names

    return Handler


def last(path: str) -> str:
    """The last part of a path, unescaped."""
    return unquote(path.rpartition("/")[2])
