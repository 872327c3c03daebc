"""The Elasticsearch sink against the official client's own helper, on ready-made events and the same server.

The server is a process of its own that reads each bulk request and answers as Elasticsearch does, storing nothing.
What the sink does beside shipping is part of its time: id and data stream of each document, `event.ingested`, the
outcome of each. The helper is given finished actions, once with the client as it comes (the standard library's JSON)
and once with the sink's serializer, so that orjson does not decide it. Both send requests of the same size.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import time
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk

from entrawatch.config.model import SinkConfig
from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.normalize import normalize
from entrawatch.schema.streams import STREAMS
from entrawatch.sinks import build
from entrawatch.sinks.elasticsearch_client import Json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

EVENTS, BATCH, ROUNDS, GOAL = 20_000, 1000, 5, 0.8
_ITEM = json.dumps({"create": {
    "_index": ".ds-logs-azure.signinlogs-bench-2026.11.24-000001", "_id": "00000000-0000-4000-8000-000000000000",
    "_version": 1, "result": "created", "_shards": {"total": 2, "successful": 1, "failed": 0}, "_seq_no": 123456,
    "_primary_term": 1, "status": 201,
}}).encode()  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._answer(404, b'{"error": {"type": "index_not_found_exception"}}')

    def do_PUT(self) -> None:
        documents = self.rfile.read(int(self.headers["Content-Length"])).count(b"\n") // 2
        self._answer(200, b'{"took":1,"errors":false,"items":[' + b",".join([_ITEM] * documents) + b"]}")

    do_POST = do_PUT  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Quiet."""


def _serve(tell: Connection) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    tell.send(server.server_address[1])
    server.serve_forever()


@contextmanager
def _server() -> Iterator[str]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _events() -> list[dict[str, Any]]:
    """Common events of the synthetic tenant."""
    options = TenantOptions(users=400, start=datetime(2026, 10, 5, tzinfo=timezone.utc), changes=False)
    made = islice(generate(options), EVENTS)
    return [{**normalize(e.record, STREAMS[e.stream])} for e in made]


def _actions(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "_op_type": "create", "_index": f"logs-{event['data_stream']['dataset']}-bench",
            "_id": event["event"]["id"], "_source": event,
        }
        for event in events
    ]  # fmt: skip


def _rate(ship: Callable[[list[Any]], None], items: list[Any]) -> float:
    """Events a second, over all batches."""
    start = time.perf_counter()
    for at in range(0, len(items), BATCH):
        ship(items[at : at + BATCH])
    return len(items) / (time.perf_counter() - start)


def _helper(url: str, **options: Any) -> Callable[[list[Any]], None]:
    client = Elasticsearch(url, **options)

    def ship(actions: list[Any]) -> None:
        stored, _ = bulk(client, actions, chunk_size=BATCH, require_data_stream=True)
        assert stored == len(actions)

    return ship


def _sink(url: str) -> Callable[[list[Any]], None]:
    options = {"hosts": url, "namespace": "bench", "compress": False}
    sink = build(SinkConfig("es", "elasticsearch", options), state_dir=Path())

    def ship(events: list[Any]) -> None:
        assert sink.write(events).stored == len(events)

    return ship


def main() -> None:
    """Measure in turns, so that a busy machine is busy for all; print the medians and the ratios."""
    events = _events()
    actions = _actions(events)
    with _server() as url:
        ways: dict[str, tuple[Callable[[list[Any]], None], list[Any]]] = {
            "helpers.bulk": (_helper(url), actions),
            "helpers.bulk, same JSON": (_helper(url, serializer=Json()), actions),
            "entrawatch": (_sink(url), events),
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, (ship, items) in ways.items():
                rates[name].append(_rate(ship, items))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    size = sum(len(json.dumps(event)) for event in events) / len(events)
    print(f"{len(events):,} events of {size:,.0f} bytes, {BATCH} a request, median of {ROUNDS} rounds")
    for name, rate in medians.items():
        print(f"{name:26} {rate:10,.0f} events/s")
    for name in list(ways)[:-1]:
        ratio = medians["entrawatch"] / medians[name]
        print(f"entrawatch / {name:26} {ratio:.2f} (goal at least {GOAL}){'' if ratio >= GOAL else '  MISSED'}")


if __name__ == "__main__":
    main()
