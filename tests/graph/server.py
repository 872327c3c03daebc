"""A scripted HTTPS server on loopback that plays Entra ID's token endpoint and Graph, word for word as a test says."""

from __future__ import annotations

import json
import ssl
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Callable, Optional, Union
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

TENANT_ID = "11111111-2222-3333-4444-555555555555"
CLIENT_ID = "66666666-7777-8888-9999-000000000000"
#: no text of it may ever show up in a message or a log
SECRET = "s3cr~t-Value/with+odd=chars"
TOKEN = "eyTOKEN"


@dataclass
class Seen:
    """A request the server got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What the server gives."""

    status: int = 200
    body: Union[bytes, str, dict, list] = b""
    headers: dict[str, str] = field(default_factory=dict)
    #: close the connection after so many bytes of the body
    cut: Optional[int] = None
    #: seconds before the first byte, and before each byte of the body
    delay: float = 0.0
    drip: float = 0.0

    def raw(self) -> bytes:
        if isinstance(self.body, (dict, list)):
            return json.dumps(self.body).encode()
        return self.body.encode() if isinstance(self.body, str) else self.body


def page(values: list, link: Optional[str] = None) -> Answer:
    """A page of a collection."""
    body: dict[str, Any] = {"@odata.context": "x", "value": values}
    if link is not None:
        body["@odata.nextLink"] = link
    return Answer(body=body)


def error(status: int, code: str, message: str = "m", **headers: str) -> Answer:
    """An error as Graph words it."""
    inner = {"date": "2026-01-01T00:00:00", "request-id": "r"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"error": {"code": code, "message": message, "innerError": inner}}, named)


class ScriptedServer:
    """Answers Graph requests from `script` in order, then by `otherwise`; token requests by `token_answer`."""

    def __init__(self, pem: Path, ca_file: Path) -> None:
        self.ca_file = ca_file
        self.script: deque[Union[Answer, Callable[[Seen], Answer]]] = deque()
        self.otherwise: Optional[Callable[[Seen], Answer]] = None
        self.token_answer: Callable[[Seen], Answer] = self.give_token
        self.discovery: Optional[Answer] = None
        self.requests: list[Seen] = []
        self.token_requests: list[Seen] = []
        self.tokens = 0
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = f"https://localhost:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def reset(self) -> None:
        self.script.clear()
        self.otherwise, self.token_answer, self.discovery, self.tokens = None, self.give_token, None, 0
        self.requests.clear()
        self.token_requests.clear()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def give_token(self, seen: Seen) -> Answer:
        with self._lock:
            self.tokens += 1
            token = f"{TOKEN}{self.tokens}"
        return Answer(body={"token_type": "Bearer", "expires_in": 3599, "access_token": token})

    def answer(self, seen: Seen) -> Answer:
        path = urlsplit(seen.path).path
        if path.endswith("/openid-configuration"):
            return self.discovery or Answer(body=self._configuration(path.split("/")[1]))
        if path.endswith("/token"):
            with self._lock:
                self.token_requests.append(seen)
            return self.token_answer(seen)
        with self._lock:
            self.requests.append(seen)
            step = self.script.popleft() if self.script else self.otherwise
        if step is None:
            return error(500, "unscripted", seen.path)
        return step if isinstance(step, Answer) else step(seen)

    def _configuration(self, tenant: str) -> dict[str, str]:
        base = f"{self.url}/{tenant}"
        return {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Handler", (_Handler,), {"server_script": self})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_script: ScriptedServer

    def log_message(self, *args: Any) -> None:
        pass

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.server_script.answer(Seen(self.command, self.path, dict(self.headers), body))
        raw = answer.raw()
        threading.Event().wait(answer.delay)
        self.send_response_only(answer.status)
        fixed = {"Content-Type": "application/json", "Date": self.date_time_string(), "Content-Length": str(len(raw))}
        for name, value in {**fixed, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self._write(answer, raw)

    def _write(self, answer: Answer, raw: bytes) -> None:
        if answer.drip:
            for byte in raw:
                self.wfile.write(bytes([byte]))
                threading.Event().wait(answer.drip)
        elif answer.cut is not None:
            self.wfile.write(raw[: answer.cut])
            self.close_connection = True
        else:
            self.wfile.write(raw)

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ssl.SSLError, TimeoutError):
            self.close_connection = True

    do_GET = do_POST = do_PATCH = _do  # noqa: N815 - the handler's own names
