"""The HTTPS server on loopback: HTTP/1.1 with keep-alive, a thread a connection, gone without a trace when stopped."""

from __future__ import annotations

import gzip
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Union
from urllib.parse import parse_qs, unquote, urlsplit

from entrawatch.emulator.answers import Answer, Request

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

#: bytes of the largest request body that is read
_LARGEST = 1 << 20
#: bytes below which an answer is not worth compressing
_SMALLEST = 1024


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens on loopback only.

    :param answer: called for each request; its Answer is what is sent.
    """

    allow_reuse_address = True
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, port: int, context: ssl.SSLContext, answer: Callable[[Request], Answer]) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answer, self._context = answer, context
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name="emulator", daemon=True)

    def start(self) -> None:
        """Answer from now on, in threads of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, end the open connections and wait for their threads."""
        self.shutdown()
        self._thread.join()
        with self._open_lock:
            for connection in self._open:
                _end(connection)
        self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection; its handshake waits for the connection's own thread."""
        connection, address = super().get_request()
        wrapped = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._open_lock:
            self._open.add(wrapped)
        return wrapped, address

    def shutdown_request(self, request: Any) -> None:
        """End one connection."""
        with self._open_lock:
            self._open.discard(request)
        _end(request)
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke (reset, bad handshake, garbage) is the client's affair and no news."""


def _end(connection: socket.socket) -> None:
    try:
        # Not SSLSocket.shutdown: it takes the TLS state from under the thread that reads.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "Microsoft-IIS/10.0"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    timeout = 60
    server: Server
    connection: ssl.SSLSocket

    def setup(self) -> None:
        super().setup()
        self.connection.do_handshake()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Nothing: the emulator keeps its own record."""

    def _serve(self) -> None:
        request = self._request()
        if isinstance(request, Answer):
            self.close_connection = True
            self._send(request, gzipped=False)
        else:
            self._send(self.server.answer(request), gzipped=_takes_gzip(request))

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815 - http.server's names

    def _request(self) -> Union[Request, Answer]:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isascii() or not length.isdigit():
            return Answer(411, b"Length Required", "text/plain")
        if int(length[:12]) > _LARGEST:
            return Answer(413, b"Payload Too Large", "text/plain")
        body = self.rfile.read(int(length))
        try:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query, keep_blank_values=True, max_num_fields=50)
        except ValueError:
            return Answer(400, b"Bad Request", "text/plain")
        headers = {name.lower(): value for name, value in self.headers.items()}
        values = {name: found[-1] for name, found in query.items()}
        return Request(self.command, unquote(parts.path), values, parts.query, headers, body)

    def _send(self, answer: Answer, gzipped: bool) -> None:
        if not answer.share:
            self.close_connection = True
            return
        body, headers = answer.body, dict(answer.headers)
        if gzipped and len(body) >= _SMALLEST:
            body, headers["Content-Encoding"] = gzip.compress(body, compresslevel=1), "gzip"
        declared = max(0, len(body) + answer.excess)
        self.close_connection |= answer.share < 1 or declared != len(body)
        if self.close_connection:
            headers["Connection"] = "close"
        self.send_response(answer.status)
        for name, value in {"Content-Type": answer.content_type, **headers, "Content-Length": str(declared)}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: int(len(body) * answer.share)])


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "").lower()
