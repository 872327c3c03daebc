"""Shipping to HEC: the sink (wrap, serialise, batch, compress, judge each answer) against a bare requests loop that
serialises and posts documents wrapped beforehand. Goal: at least 0.8 of the bare loop's events a second with gzip,
which is what the sink sends by default; without it the loop has next to nothing to do, and its ratio is only told.

The server stands in a process of its own, reads each body to its end and says "Success". What is counted is the
client's CPU time: on a busy machine the wait for the server's turn would drown the difference.
"""

from __future__ import annotations

import gzip
import multiprocessing
import random
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable

import requests

from entrawatch import jsontext
from entrawatch.clock import SystemClock
from entrawatch.config.model import Secret, SinkConfig
from entrawatch.sinks import build

EVENTS, BATCH, ROUNDS, GOAL = 20_000, 1_000, 5, 0.8


class _Hole(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"text":"Success","code":0}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _serve(pipe: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hole)
    pipe.send(server.server_address[1])
    server.serve_forever()


def events() -> list[dict[str, Any]]:
    """Normalised sign-ins of a size met in practice, about 2 kB of JSON each."""
    dice = random.Random(7)
    names = [f"property_{number}" for number in range(25)]
    return [
        {
            "@timestamp": f"2026-11-24T10:{number // 60 % 60:02d}:{number % 60:02d}.123Z",
            "event": {"id": f"9f8c5a2e-0000-4000-8000-{number:012d}", "dataset": "azure.signinlogs"},
            "source": {"ip": f"198.51.100.{number % 250}", "geo": {"country_iso_code": "DE"}},
            "user": {"name": f"user{number}", "email": f"user{number}@contoso.example"},
            "azure": {"signinlogs": {"properties": {name: f"{dice.getrandbits(64):x} and words" for name in names}}},
            "entra": {"stream": "interactive", "revision": 1, "tenant_id": "11111111-2222-3333-4444-555555555555"},
        }
        for number in range(EVENTS)
    ]


def wrapped(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The documents HEC gets, made beforehand."""
    more = {"time": 1795514405.123, "source": "bench", "sourcetype": "entrawatch:signin"}
    return [{**more, "event": item} for item in made]


def bare(url: str, ready: list[dict[str, Any]], compress: bool) -> None:
    """The loop that is measured against."""
    headers = {"Authorization": "Splunk x", "Content-Type": "application/json"}
    with requests.Session() as session:
        for start in range(0, len(ready), BATCH):
            data = b"".join(map(jsontext.dumps, ready[start : start + BATCH]))
            if compress:
                data, headers["Content-Encoding"] = gzip.compress(data, 3, mtime=0), "gzip"
            session.post(f"{url}/services/collector/event", data=data, headers=headers).raise_for_status()


def ours(url: str, made: list[dict[str, Any]], compress: bool) -> None:
    """The same through the sink."""
    options = {"url": url, "token": Secret("x"), "compress": compress, "batch_bytes": 10**8}
    sink = build(SinkConfig("bench", "splunk_hec", options), state_dir=Path(), clock=SystemClock())
    for start in range(0, len(made), BATCH):
        sink.write(made[start : start + BATCH])
    sink.close()


def seconds(work: Callable[[], None]) -> float:
    """The CPU time it takes."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def main() -> None:
    """Print both rates and their ratio, plain and compressed."""
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("fork").Process(target=_serve, args=(there,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}"
    made = events()
    ready = wrapped(made)
    print(f"{EVENTS} events, {len(jsontext.dumps(ready[0]))} bytes each, {BATCH} a request, best of {ROUNDS}")
    for compress in (False, True):
        # In turn, so that a busy machine slows both.
        rounds = [
            (seconds(lambda: bare(url, ready, compress)), seconds(lambda: ours(url, made, compress)))  # noqa: B023
            for _ in range(ROUNDS)
        ]
        theirs, mine = (EVENTS / min(times) for times in zip(*rounds))
        name = "gzip " if compress else "plain"
        verdict = f" (goal {GOAL}: {'met' if mine / theirs >= GOAL else 'missed'})" if compress else ""
        print(f"  {name} bare {theirs:9,.0f}/s  sink {mine:9,.0f}/s  ratio {mine / theirs:.2f}{verdict}")
    server.terminate()
    server.join()
