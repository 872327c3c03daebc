"""Those who watch the loop: metrics for Prometheus, health per stream, and both on a port."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from entrawatch.cli.metrics import METRICS, PREFIX, Kind
from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from entrawatch.interfaces import Observer

#: seconds without movement after which a stream is not healthy
STALE = 900.0


class Many:
    """Several observers as one."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Each is told."""
        for one in self._observers:
            one.count(name, amount, **labels)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Each is told."""
        for one in self._observers:
            one.gauge(name, value, **labels)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Each is told."""
        for one in self._observers:
            one.observe(name, value, **labels)


class Prometheus:
    """Metrics as `METRICS` names them; what it does not name is left out, for an observer must not raise."""

    def __init__(self) -> None:
        import prometheus_client as client

        self.registry = client.CollectorRegistry()
        kinds: dict[Kind, Any] = {"counter": client.Counter, "gauge": client.Gauge, "histogram": client.Histogram}
        self._metrics = {
            name: kinds[metric.kind](
                PREFIX + name, metric.help, metric.labels, registry=self.registry,
                **({"buckets": metric.buckets} if metric.kind == "histogram" else {}),
            )
            for name, metric in METRICS.items()
        }  # fmt: skip

    def _of(self, name: str, labels: dict[str, str]) -> Optional[Any]:
        known = METRICS.get(name)
        if known is None or set(known.labels) != set(labels):
            return None
        return self._metrics[name].labels(**labels) if labels else self._metrics[name]

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        if metric := self._of(name, labels):
            metric.inc(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a value."""
        if metric := self._of(name, labels):
            metric.set(value)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add one observation."""
        if metric := self._of(name, labels):
            metric.observe(value)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)


class Feed(NamedTuple):
    """One stream of one tenant on its way to one sink."""

    tenant: str
    stream: str
    sink: str


class Health:
    """Per feed, how far behind it is and when it last moved.

    :param feeds: all there are; one that never moves is not healthy either.
    :param stale: seconds without movement after which a feed is not healthy.
    """

    def __init__(
        self, feeds: Iterable[Feed], *, stale: float = STALE, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = monotonic
        self._stale = stale
        self._begun = monotonic()
        self._moved: dict[Feed, Optional[tuple[float, float]]] = dict.fromkeys(feeds)
        self._degraded: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Nothing: movement is what counts."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Nothing."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Note a watermark that moved, or a stream that cannot be read."""
        with self._lock:
            if name == "watermark_age_seconds":
                self._moved[Feed(labels["tenant"], labels["stream"], labels["sink"])] = (self._now(), value)
            elif name == "stream_degraded":
                change = self._degraded.add if value else self._degraded.discard
                change((labels["tenant"], labels["stream"]))

    def report(self) -> dict[str, Any]:
        """`{"ok", "streams": [{tenant, stream, sink, ok, behind_seconds, moved_seconds_ago, reason}]}`."""
        with self._lock:
            streams = [self._feed(feed, moved) for feed, moved in sorted(self._moved.items())]
        return {"ok": all(stream["ok"] for stream in streams), "streams": streams}

    def _feed(self, feed: Feed, moved: Optional[tuple[float, float]]) -> dict[str, Any]:
        ago = self._now() - (moved[0] if moved else self._begun)
        reason = f"has not moved for {ago:.0f} s" if ago > self._stale else ""
        if (feed.tenant, feed.stream) in self._degraded:
            reason = "cannot be read: permission or licence, see the log or entrawatch doctor"
        return {
            **feed._asdict(),
            "ok": not reason,
            "behind_seconds": round(moved[1] + ago) if moved else None,
            "moved_seconds_ago": round(ago) if moved else None,
            "reason": reason,
        }


@contextmanager
def serving(listen: str, metrics: Prometheus, health: Health) -> Iterator[str]:
    """Answers /metrics and /healthz while the context lasts; gives its own URL.

    :param listen: host:port; port 0 takes a free one.
    :raises ConfigError: the address cannot be listened on.
    """
    host, _, port = listen.rpartition(":")
    try:
        server = ThreadingHTTPServer((host.strip("[]"), int(port)), _handler(metrics, health))
    except OSError as error:
        raise ConfigError([f"metrics_listen: {listen} cannot be listened on ({error.strerror})"]) from None
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(metrics: Prometheus, health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "entrawatch", ""
        timeout = 10

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics.text())
            elif path == "/healthz":
                report = health.report()
                self._answer(200 if report["ok"] else 503, "application/json", json.dumps(report).encode())
            else:
                self._answer(404, "text/plain; charset=utf-8", b"there are /metrics and /healthz\n")

        do_HEAD = do_GET  # noqa: N815 - http.server's names

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing: a scrape every few seconds is no news."""

    return Handler
