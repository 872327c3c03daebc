"""An Elasticsearch on loopback, as far as the sink talks to it, that makes the faults a test orders.

It keeps data streams with their rolled-over indices and creates by id in the newest one only, as the real server
does (tests/server holds the sink against that one).
"""

from __future__ import annotations

import gzip
import json
import threading
from collections import deque
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Optional
from urllib.parse import unquote, urlsplit

#: a fault: gets the handler and the request's body, answers or not; returns True when it dealt with the request
Fault = Callable[["_Handler", bytes], bool]
#: what a document meets: status and error object, or None for "stored"
Refusal = Optional[tuple[int, dict[str, Any]]]
CREATED = 1_795_000_000_000  # the first index of a stream: 2026-11-18T11:06:40Z


def answer(status: int, body: bytes = b"", content_type: str = "application/json", **headers: str) -> Fault:
    """Answer so, whatever was sent; nothing is stored."""

    def fault(handler: _Handler, _: bytes) -> bool:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        handler.reply(status, body, {"Content-Type": content_type, **named})
        return True

    return fault


def error(status: int, kind: str, reason: str = "why", **headers: str) -> Fault:
    """One of Elasticsearch's own errors for a whole request."""
    cause = {"type": kind, "reason": reason}
    return answer(status, json.dumps({"error": {**cause, "root_cause": [cause]}, "status": status}).encode(), **headers)


def hang_up(handler: _Handler, _: bytes) -> bool:
    """Close the connection without an answer; nothing is stored."""
    handler.close_connection = True
    return True


def store_and_cut(handler: _Handler, body: bytes) -> bool:
    """Take the documents, then break off in the middle of the answer: the sender cannot know."""
    text = json.dumps(handler.elastic.bulk(body)).encode()
    handler.reply(200, text[: len(text) // 2], {"Content-Type": "application/json"}, length=len(text))
    handler.close_connection = True
    return True


class ElasticServer:
    """`with ElasticServer() as elastic:`; what it holds stands in `streams`, what it was asked in `requests`.

    :param refuse: document and how often it came before → what it meets.
    :param most_bytes: the largest request it takes.
    """

    def __init__(
        self, *, refuse: Callable[[dict[str, Any], int], Refusal] = lambda *_: None, most_bytes: int = 100_000_000,
        tls: Any = None,
    ) -> None:  # fmt: skip
        self.refuse, self.most_bytes = refuse, most_bytes
        self.streams: dict[str, list[tuple[str, int, dict[str, Any]]]] = {}
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.queries: dict[str, str] = {}
        self.faults: deque[Fault] = deque()
        self.lookup_faults: deque[Fault] = deque()
        self.privileges: Optional[set[str]] = None
        self.installed: dict[str, dict[str, Any]] = {}
        self.outdone: set[str] = set()
        self._seen: dict[str, int] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.elastic = self  # type: ignore[attr-defined]
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ElasticServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def rollover(self, stream: str, created: int = CREATED + 86_400_000) -> None:
        """Give the stream a new index, made at `created` (milliseconds since the epoch)."""
        indices = self.streams.setdefault(stream, [])
        indices.append((f".ds-{stream}-{len(indices) + 1:06d}", created, {}))

    def documents(self) -> list[dict[str, Any]]:
        """Every stored document."""
        return [doc for indices in self.streams.values() for _, _, held in indices for doc in held.values()]

    def ids(self) -> list[str]:
        """Every stored id, as often as it is stored."""
        return [id_ for indices in self.streams.values() for _, _, held in indices for id_ in held]

    def bulks(self) -> list[list[str]]:
        """The ids each bulk request asked to create."""
        return [
            [json.loads(line)["create"]["_id"] for line in body.splitlines()[::2]]
            for _, path, _, body in self.requests
            if path.startswith("/_bulk")
        ]

    def bulk(self, body: bytes) -> dict[str, Any]:
        """The answer to a bulk request, after it was carried out."""
        lines = body.splitlines()
        with self._lock:
            items = [self._create(json.loads(a)["create"], json.loads(b)) for a, b in zip(lines[::2], lines[1::2])]
        return {"errors": any(item["create"]["status"] >= 300 for item in items), "took": 1, "items": items}

    def _create(self, action: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
        stream, id_ = action["_index"], action["_id"]
        if stream not in self.streams:
            self.rollover(stream, CREATED)
        index, _, held = self.streams[stream][-1]
        refusal = self.refuse(document, self._seen.get(id_, 0))
        self._seen[id_] = self._seen.get(id_, 0) + 1
        if refusal is None and id_ in held:
            refusal = 409, {"type": "version_conflict_engine_exception", "reason": f"[{id_}]: document already exists"}
        if refusal is not None:
            return {"create": {"_index": index, "_id": id_, "status": refusal[0], "error": refusal[1]}}
        held[id_] = document
        return {"create": {"_index": index, "_id": id_, "status": 201, "result": "created"}}

    def settings(self, name: str) -> tuple[int, dict[str, Any]]:
        """Creation dates of the indices of one or several streams."""
        found = [index for stream in name.split(",") for index in self.streams.get(stream, [])]
        if not found and "," not in name:
            return 404, {"error": {"type": "index_not_found_exception", "reason": f"no such index [{name}]"}}
        return 200, {index: {"settings": {"index.creation_date": str(created)}} for index, created, _ in found}

    def mget(self, index: str, body: bytes) -> dict[str, Any]:
        """Which of the ids an index holds."""
        held = next(held for indices in self.streams.values() for name, _, held in indices if name == index)
        return {"docs": [{"_index": index, "_id": i, "found": i in held} for i in json.loads(body)["ids"]]}

    def install(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Take a policy or template."""
        self.installed[path] = json.loads(body)
        return 200, {"acknowledged": True}

    def template(self, path: str) -> tuple[int, dict[str, Any]]:
        """A policy or template, wrapped as each kind is."""
        kind, _, name = path.strip("/").rpartition("/")
        body = self.installed.get(path)
        if body is None:
            return 404, {"error": {"type": "resource_not_found_exception", "reason": f"{name} not found"}}
        if kind == "_ilm/policy":
            return 200, {name: {"version": 1, **body}}
        inner = kind.strip("_")
        return 200, {f"{inner}s": [{"name": name, inner: body}]}

    def simulate(self, stream: str) -> dict[str, Any]:
        """What a new data stream of this name would be made of."""
        meta = {} if stream in self.outdone else {"_meta": {"managed_by": "entrawatch"}}
        return {"template": {"mappings": meta}}

    def has_privileges(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Which of the privileges asked for the credential has; without security there is no such path."""
        if self.privileges is None:
            return 405, {"error": "Incorrect HTTP method for uri"}
        asked = json.loads(body)["index"][0]
        have = {privilege: privilege in self.privileges for privilege in asked["privileges"]}
        return 200, {"has_all_requested": all(have.values()), "index": dict.fromkeys(asked["names"], have)}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def elastic(self) -> ElasticServer:
        return self.server.elastic  # type: ignore[attr-defined,no-any-return]

    def reply(self, status: int, body: bytes, headers: dict[str, str], length: Optional[int] = None) -> None:
        with suppress(OSError):
            self.send_response(status)
            for name, value in {"X-Elastic-Product": "Elasticsearch", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)

    def _json(self, status: int, body: dict[str, Any]) -> None:
        self.reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        path = unquote(urlsplit(self.path).path)
        self.elastic.queries[path] = urlsplit(self.path).query
        self.elastic.requests.append((self.command, path, dict(self.headers), body))
        faults = self.elastic.faults if path == "/_bulk" else self.elastic.lookup_faults
        if not (faults and faults.popleft()(self, body)):
            self._answer(path, body)

    def _answer(self, path: str, body: bytes) -> None:
        if len(body) > self.elastic.most_bytes:
            self.reply(413, b"", {"Content-Type": "text/plain"})
        elif path == "/_bulk":
            self._json(200, self.elastic.bulk(body))
        elif path.endswith("/_mget"):
            self._json(200, self.elastic.mget(path.split("/")[1], body))
        elif path.endswith("/_has_privileges"):
            self._json(*self.elastic.has_privileges(body))
        elif "/_simulate_index/" in path:
            self._json(200, self.elastic.simulate(path.rpartition("/")[2]))
        elif path.startswith(("/_ilm/", "/_component_template/", "/_index_template/")):
            put = self.command == "PUT"
            self._json(*(self.elastic.install(path, body) if put else self.elastic.template(path)))
        else:
            self._json(*self.elastic.settings(path.split("/")[1]))

    def do_HEAD(self) -> None:
        there = urlsplit(self.path).path.strip("/") in self.elastic.streams
        self.reply(200 if there else 404, b"", {"Content-Type": "application/json"})

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Quiet."""
