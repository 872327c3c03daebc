"""Everything at once: an emulated tenant over HTTPS, the real source, loop, normaliser and sinks, under random faults.

Records arrive late and change; Graph throttles, breaks, lies about its pages and forgets its tokens; the process is
stopped and started again. At the end each sink must hold the newest version of every record, each revision once.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import datetime, timedelta, timezone
from random import Random
from typing import TYPE_CHECKING, Any, Callable, Optional

import pytest

from entrawatch.config.model import AuthConfig, CollectConfig, GraphConfig, Secret, SinkConfig, TenantConfig
from entrawatch.emulator.faults import Fault
from entrawatch.emulator.records import Emitted
from entrawatch.emulator.server import Emulator
from entrawatch.graph.source import GraphSource
from entrawatch.ingest.runner import Runner
from entrawatch.ingest.store import Store
from entrawatch.interfaces import Silent
from entrawatch.normalize import normalize
from entrawatch.schema.streams import STREAMS
from entrawatch.sinks import build
from entrawatch.sinks.dead_letter import DeadLetter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

START = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)
#: hours in which things happen, and hours until the last sweep has looked at them all
BUSY, QUIET = 3, 9
SWEEPS = tuple(timedelta(minutes=minutes) for minutes in (2, 30, 360))
#: the latest a record or a change of it arrives: before the last sweep
LATEST = 5.0 * 3600
STREAM_NAMES = ("directory_audits", "non_interactive", "risk_detections")
Key = tuple[str, str]


class Clock:
    """Time that passes while anybody sleeps; `stop` is set when it reaches `end`."""

    def __init__(self) -> None:
        self._passed = 0.0
        self._lock = threading.Lock()
        self.end, self.stop = float("inf"), threading.Event()

    def now(self) -> datetime:
        return START + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return self._passed

    def sleep(self, seconds: float, until: Optional[threading.Event] = None) -> None:
        if until is not None and until.is_set():
            return
        with self._lock:
            self._passed += seconds
            if self._passed >= self.end:
                self.stop.set()


def stamp(moment: datetime, random: Random) -> str:
    """Whole seconds or seven digits, as Graph mixes them."""
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return text + random.choice(["Z", f".{random.randrange(10**7):07d}Z"])


def story(random: Random, count: int) -> Iterator[Emitted]:
    """Records of every stream, up to three versions of each, most of them late."""
    for stream in map(STREAMS.__getitem__, STREAM_NAMES):
        for number in range(count):
            time = START + timedelta(seconds=random.randrange(BUSY * 3600))
            text, identity = stamp(time, random), f"{stream.name}-{number}"
            arrives = time + timedelta(seconds=random.choice([1, 60, 600, 3600, LATEST]) * random.random())
            for version in range(random.choice([1, 1, 2, 3])):
                if version and stream.moves:
                    time = arrives = arrives + timedelta(seconds=random.uniform(1, 3600))
                    text, arrives = stamp(time, random), arrives + timedelta(seconds=random.uniform(0, 600))
                elif version:
                    arrives += (START + timedelta(seconds=LATEST) + (time - START) - arrives) * random.random()
                record = {"id": identity, stream.time_field: text, "correlationId": f"version {version}"}
                if stream.sign_in_type:
                    record["signInEventTypes"] = [stream.sign_in_type]  # type: ignore[assignment]
                yield Emitted(stream.name, record, arrives)


def mixture(random: Random) -> list[Fault]:
    """Some faults of those a client can get over, each now and then."""
    known = [
        Fault("status", status=500), Fault("status", status=502), Fault("status", status=503, retry_after=5),
        Fault("status", status=504), Fault("throttle", retry_after=2.128), Fault("throttle"), Fault("licence"),
        Fault("unauthorized"), Fault("gateway"), Fault("expired_token", page="next"), Fault("redirect"),
        Fault("drop"), Fault("truncate"), Fault("malformed"), Fault("wrong_length", count=9), Fault("repeat_link"),
        Fault("foreign_link"), Fault("empty_token_link"), Fault("empty_page"), Fault("duplicate", count=3),
        Fault("shuffle"), Fault("duplicate_key"), Fault("status", status=503, path="*/oauth2/*"),
        Fault("status", status=403, code="Forbidden"), Fault("drop", path="*/oauth2/*"),
    ]  # fmt: skip
    chosen = [Fault(**{**vars(fault), "probability": random.uniform(0.01, 0.15)}) for fault in random.sample(known, 6)]
    # What one read leaves out the next one must find: early on only, for nothing can find what the last read misses.
    return [*chosen, Fault("omit", count=2, every=3, times=4)]


class Life:
    """One emulator, and the connector's lives beside it."""

    def __init__(self, folder: Path, emulator: Emulator, clock: Clock, sinks: Sequence[SinkConfig]) -> None:
        self.folder, self.clock, self._sinks = folder, clock, sinks
        graph = GraphConfig(url=emulator.url, login_url=emulator.login_url, ca_bundle=emulator.ca_file, timeout=20)
        collect = CollectConfig(
            interval=timedelta(minutes=20), window=timedelta(hours=1), sweeps=SWEEPS, start=START, parallel=1, batch=40
        )
        auth = AuthConfig(secret=Secret(emulator.client_secret))
        self.tenant = TenantConfig(
            "t", emulator.tenant_id, emulator.client_id, auth, graph, collect, STREAM_NAMES, preserve_original=True
        )

    def run(self, hours: float = 0) -> bool:
        """The process lives for so many hours of the clock, or until it has reached the present: whether it did."""
        clock, stop = self.clock, threading.Event()
        clock.end, clock.stop = clock.monotonic() + (hours or 1e9) * 3600, stop
        source = GraphSource(self.tenant, clock=clock, observer=Silent(), stop=stop)
        sinks = [build(sink, state_dir=self.folder, clock=clock) for sink in self._sinks]
        store, letters = Store(self.folder / "state.db"), DeadLetter(self.folder / "dead.jsonl", clock=clock)
        try:
            runner = Runner([(self.tenant, source)], sinks, normalize, store, letters, clock=clock, stop=stop)
            outcome = runner.run(once=not hours)
        finally:
            for part in (source, store, letters, *sinks):
                part.close()
        assert letters.kept == 0
        return outcome.exit_code == 0 and not outcome.degraded


def newest_of(events: list[dict[str, Any]]) -> tuple[dict[Key, Any], dict[Any, int]]:
    """(stream, id) → record of its highest revision; and what came twice."""
    best: dict[Key, tuple[tuple[int, str], Any]] = {}
    counts: Counter[Any] = Counter()
    for event in events:
        entra, record = event["entra"], json.loads(event["event"]["original"])
        key, revision = (entra["stream"], record["id"]), entra["revision"]
        counts[key, revision] += 1
        rank = revision, record[STREAMS[key[0]].time_field]
        best[key] = max(best.get(key, ((0, ""), None)), (rank, record), key=lambda pair: pair[0])
    # Not of snapshots: each of their states is a record of its own, and its first revision is number 1.
    doubled = {key: n for key, n in counts.items() if n > 1 and not STREAMS[key[0][0]].snapshot}
    return {key: record for key, (_, record) in best.items()}, doubled


def files_events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.rglob("*.jsonl")) for line in path.read_text().splitlines()]


def duckdb_events(path: Path) -> list[dict[str, Any]]:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = [name for (name,) in connection.execute("SELECT DISTINCT family FROM events").fetchall()]
        rows = [row for name in tables for row in connection.execute(f'SELECT event FROM "{name}"').fetchall()]
    return [json.loads(text) for (text,) in rows]


#: sink → where it writes, and how its events are read back
SINKS: dict[str, tuple[str, Callable[..., list[dict[str, Any]]]]] = {
    "files": ("out", files_events),
    "duckdb": ("out.duckdb", duckdb_events),
}


def check(folder: Path, seed: int, count: int, lives: Sequence[float], sinks: Sequence[str], **options: Any) -> None:
    """One story under one mixture of faults, into these sinks.

    :param lives: hours after which the process is stopped and started again.
    """
    random, clock = Random(seed), Clock()
    emitted, faults = list(story(random, count)), mixture(random)
    configs = [SinkConfig(name, name, {"path": str(folder / SINKS[name][0])}) for name in sinks]
    with Emulator(emitted, clock=clock, faults=faults, seed=seed, **{**FAST, **options}) as emulator:
        life = Life(folder, emulator, clock, configs)
        for hours in lives:
            life.run(hours)
        # The clock runs while a worker waits for the machine: what is due by now is read to the end.
        assert any(life.run() for _ in range(20))
        struck = {logged.status for logged in emulator.requests} - {200}
    assert emulator.failures == []
    assert struck, "no fault befell anything"
    expected: dict[Key, Any] = {}
    for item in sorted(emitted, key=lambda item: item.arrives):
        expected[item.stream, item.record["id"]] = item.record
    for name in sinks:
        newest, doubled = newest_of(SINKS[name][1](folder / SINKS[name][0]))
        lost = sorted(set(expected) - set(newest))
        stale = sorted(key for key in expected if key in newest and newest[key] != expected[key])
        assert (name, lost, stale, doubled) == (name, [], [], {}), faults
        assert set(newest) == set(expected)


@pytest.fixture(autouse=True)
def _no_minute_of_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """MSAL repeats a failed answer for seconds of real time without asking again: on this clock, that is hours."""
    monkeypatch.setattr("msal.throttled_http_client.RetryAfterParser.parse", lambda *_, **__: 0)


#: tokens and links that do not last
FAST = {"skip_token_uses": 3, "token_lifetime": 1800}


@pytest.mark.parametrize(("seed", "sink"), [(0, "files"), (1, "duckdb"), (2, "files")])
def test_nothing_is_lost_doubled_or_stale(tmp_path: Path, seed: int, sink: str) -> None:
    check(tmp_path, seed, 60, [BUSY + QUIET], [sink])


def test_not_even_when_it_is_stopped_and_started_again(tmp_path: Path) -> None:
    check(tmp_path, 100, 60, [1, 1.5, 0.25, 9.25], ["files"])


def test_nor_when_late_arrivals_shift_the_pages(tmp_path: Path) -> None:
    check(tmp_path, 101, 60, [BUSY + QUIET], ["files"], shifting=True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1040))
def test_nothing_is_lost_doubled_or_stale_many_times(tmp_path: Path, seed: int) -> None:
    lives = [[BUSY + QUIET], [2, BUSY + QUIET - 2], [0.5, 0.5, 0.5, 0.5, 1, BUSY + QUIET - 3]][seed % 3]
    check(tmp_path, seed, 400, lives, ["files", "duckdb"], shifting=seed % 5 == 0)
