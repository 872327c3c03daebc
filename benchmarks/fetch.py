"""Reading pages through GraphSource against a bare requests loop over the same pages of the same HTTPS server.

The server is a process of its own on loopback that holds the pages ready. The loop does what a script would: one
session, `response.json()`, the nextLink, until there is none. It is also run with orjson, so that the JSON library
does not decide it. Our side's extra work (token, budget, refusal table, size bound, window to the seventh digit) is in
its time; its waiting for Graph's published budget is not, for the loop would not survive that on the real service.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import parse_qs, urlsplit

import orjson
import requests

from entrawatch.clock import SystemClock
from entrawatch.config.model import AuthConfig, GraphConfig, TenantConfig
from entrawatch.emulator.certificate import server_context
from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.graph.budget import UNLIMITED, Budgets
from entrawatch.graph.source import GraphSource
from entrawatch.interfaces import Silent, Window
from entrawatch.jsontext import dumps
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

PAGES, SIZE, ROUNDS, GOAL = 12, 1000, 5, 1.3
STREAM = STREAMS["non_interactive"]
START = datetime(2026, 3, 1, tzinfo=timezone.utc)
WINDOW = Window(START, START + timedelta(days=14))


def _pages() -> list[list[dict[str, Any]]]:
    """Records of a synthetic tenant's non-interactive sign-ins, repeated until the pages are full."""
    made = generate(TenantOptions(seed=1, users=60, start=WINDOW.start, end=WINDOW.end))
    records = [one.record for one in made if one.stream == STREAM.name]
    return [[records[(page * SIZE + number) % len(records)] for number in range(SIZE)] for page in range(PAGES)]


def _serve(folder: str, pipe: Connection) -> None:
    context, ca_file = server_context(Path(folder))
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            place = int(parse_qs(urlsplit(self.path).query).get("$skiptoken", ["0"])[0])
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(bodies[place])))
            self.end_headers()
            self.wfile.write(bodies[place])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://localhost:{server.server_port}"
    for number, records in enumerate(_pages()):
        page: dict[str, Any] = {"@odata.context": f"{url}/beta/$metadata#auditLogs/signIns", "value": records}
        if number < PAGES - 1:
            page["@odata.nextLink"] = f"{url}/beta/auditLogs/signIns?$skiptoken={number + 1}"
        bodies.append(dumps(page))
    pipe.send((url, str(ca_file), sum(map(len, bodies))))
    server.serve_forever()


@contextmanager
def _server() -> Iterator[tuple[str, Path, int]]:
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        process = multiprocessing.Process(target=_serve, args=(folder, theirs), daemon=True)
        process.start()
        url, ca_file, size = ours.recv()
        try:
            yield url, Path(ca_file), size
        finally:
            process.terminate()
            process.join()


class _Tokens:
    def token(self) -> str:
        return "token"

    def renew(self, rejected: str) -> str:
        return "token"


def _entrawatch(url: str, ca_file: Path) -> int:
    clock = SystemClock()
    tenant = TenantConfig("bench", "t", "c", AuthConfig(), GraphConfig(url=url, login_url=url, ca_bundle=ca_file))
    source = GraphSource(
        tenant, clock=clock, observer=Silent(), tokens=_Tokens(), budgets=Budgets(clock, limits=UNLIMITED)
    )
    count = sum(len(page) for page in source.read(STREAM, WINDOW))
    source.close()
    return count


def _loop(url: str, ca_file: Path, parse: Callable[[requests.Response], Any]) -> int:
    count, link = 0, f"{url}/beta/auditLogs/signIns?$top=1000"
    with requests.Session() as session:
        session.headers["Authorization"] = "Bearer token"
        while link:
            page = parse(session.get(link, verify=str(ca_file), timeout=60))
            count += len(page["value"])
            link = page.get("@odata.nextLink", "")
    return count


_WAYS: dict[str, Callable[[str, Path], int]] = {
    "entrawatch": _entrawatch,
    "requests loop": lambda url, ca: _loop(url, ca, lambda response: response.json()),
    "requests loop with orjson": lambda url, ca: _loop(url, ca, lambda response: orjson.loads(response.content)),
}


def main() -> None:
    """Measure in turns, so that a busy machine is busy for all; print the best rounds and their ratios."""
    with _server() as (url, ca_file, size):
        seconds: dict[str, list[float]] = {name: [] for name in _WAYS}
        for _ in range(ROUNDS):
            for name, way in _WAYS.items():
                begun = time.perf_counter()
                count = way(url, ca_file)
                seconds[name].append(time.perf_counter() - begun)
                assert count == PAGES * SIZE, f"{name}: {count} records"
    print(f"{PAGES} pages of {SIZE} records, {size / PAGES / 1e6:.1f} MB a page, best of {ROUNDS} rounds")
    for name, measured in seconds.items():
        print(f"{name:26} {PAGES * SIZE / min(measured):10,.0f} records/s")
    for name in list(_WAYS)[1:]:
        ratio = min(seconds["entrawatch"]) / min(seconds[name])
        print(f"entrawatch / {name:26} {ratio:.2f}x (goal at most {GOAL}){'' if ratio <= GOAL else '  MISSED'}")
