"""A source whose records arrive late and change, sinks that can fail, and a clock that tests own."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from random import Random  # noqa: TC003
from typing import Any, Callable, Optional

from entrawatch.config.model import AuthConfig, CollectConfig, TenantConfig
from entrawatch.errors import RecordError
from entrawatch.ingest.keys import at, seconds
from entrawatch.ingest.policy import Policy
from entrawatch.ingest.runner import Outcome, Runner
from entrawatch.ingest.store import Store
from entrawatch.interfaces import Rejected, Window, WriteResult
from entrawatch.schema.streams import STREAMS

#: noon, so that no test depends on a day's edge
NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)
AUDITS = STREAMS["directory_audits"]


def ago(**delta: float) -> datetime:
    return NOON - timedelta(**delta)


class FakeClock:
    """Sleeping moves it; `end` sets the stop event when that time is reached."""

    def __init__(self, now: datetime = NOON) -> None:
        self._start = self._now = now
        self._lock = threading.Lock()
        self.end: Optional[tuple[datetime, threading.Event]] = None

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    def sleep(self, seconds: float, until: Optional[threading.Event] = None) -> None:
        if until is not None and until.is_set():
            return
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += timedelta(seconds=seconds)
            if self.end is not None and self._now >= self.end[0]:
                self.end[1].set()

    def set_back(self, seconds: float) -> None:
        """The time of day; what is measured goes on."""
        with self._lock:
            self._now -= timedelta(seconds=seconds)
            self._start -= timedelta(seconds=seconds)


@dataclass
class Version:
    arrives: datetime
    record: dict[str, Any]


def newest(records: dict[str, list[Version]], moment: datetime) -> dict[str, dict[str, Any]]:
    shown = {}
    for name, versions in records.items():
        arrived = [version for version in versions if version.arrives <= moment]
        if arrived:
            shown[name] = arrived[-1].record
    return shown


@dataclass
class World:
    """What Graph holds: per stream and id the versions of a record."""

    records: dict[str, dict[str, list[Version]]] = field(default_factory=lambda: defaultdict(dict))

    def add(
        self, name: str, time: datetime, *, arrives: Optional[datetime] = None, stream: str = AUDITS.name, **more: Any
    ) -> None:
        """A record, or the next version of one, that appears at `arrives`."""
        record = {"id": name, STREAMS[stream].time_field: time.strftime("%Y-%m-%dT%H:%M:%SZ"), **more}
        self.records[stream].setdefault(name, []).append(Version(arrives or time, record))

    def shown(self, stream: str, moment: datetime) -> dict[str, dict[str, Any]]:
        """id → the newest version that has arrived."""
        return newest(self.records[stream], moment)

    def between(self, stream: str, start: str, end: str) -> dict[str, list[Version]]:
        """The records of which any version lies there."""
        place = STREAMS[stream].time_field
        records = self.records[stream].items()
        return {name: all_ for name, all_ in records if any(start <= one.record[place] < end for one in all_)}

    def forget(self, stream: str, before: datetime) -> None:
        """Drops the records whose last version is older."""
        edge, field_name = before.strftime("%Y-%m-%dT%H:%M:%SZ"), STREAMS[stream].time_field
        kept = {name: all_ for name, all_ in self.records[stream].items() if all_[-1].record[field_name] >= edge}
        self.records[stream] = kept


Fault = Callable[[str, Window, int], Optional[BaseException]]


class FakeSource:
    """Serves the world as it is when each page is asked for."""

    def __init__(self, world: World, clock: FakeClock, page: int = 50, cost: float = 0.0) -> None:
        self.world, self.clock, self.page, self.cost = world, clock, page, cost
        self.fault: Fault = lambda stream, window, number: None
        self.requests: list[tuple[str, Window, int, datetime]] = []
        self._lock = threading.Lock()

    def read(self, stream: Any, window: Window) -> Any:
        given: set[str] = set()
        start, end = (edge.strftime("%Y-%m-%dT%H:%M:%SZ") for edge in (window.start, window.end))
        ever = self.world.between(stream.name, start, end)
        number = 0
        while True:
            with self._lock:
                self.requests.append((stream.name, window, number, self.clock.now()))
            error = self.fault(stream.name, window, number)
            if error is not None:
                raise error
            self.clock.advance(self.cost)
            shown = [record for name, record in newest(ever, self.clock.now()).items() if name not in given]
            left = [record for record in shown if start <= record[stream.time_field] < end]
            page = sorted(left, key=lambda record: record[stream.time_field], reverse=True)[: self.page]
            given.update(record["id"] for record in page)
            yield page
            number += 1
            if len(left) <= self.page:
                return

    def windows(self, stream: str = AUDITS.name) -> list[Window]:
        return [window for name, window, page, _ in self.requests if name == stream and page == 0]


class FakeSink:
    """Keeps what it is given; by (id, revision) where it de-duplicates."""

    def __init__(self, name: str = "sink", *, deduplicates: bool = True, shape: str = "event") -> None:
        self.name, self.deduplicates, self.shape = name, deduplicates, shape
        self.events: list[dict[str, Any]] = []
        self.batches: list[list[dict[str, Any]]] = []
        self.keys: Counter[tuple[str, int]] = Counter()
        self.fault: Callable[[list[dict[str, Any]]], Optional[BaseException]] = lambda events: None
        self.after: Callable[[list[dict[str, Any]]], Optional[BaseException]] = lambda events: None
        self.reject: Callable[[dict[str, Any]], str] = lambda event: ""
        self._inside = threading.Lock()

    def write(self, events: Any) -> WriteResult:
        assert self._inside.acquire(blocking=False), "two threads in one sink"
        try:
            return self._write(list(events))
        finally:
            self._inside.release()

    def _write(self, events: list[dict[str, Any]]) -> WriteResult:
        error = self.fault(events)
        if error is not None:
            raise error
        rejected = [Rejected(event, self.reject(event)) for event in events if self.reject(event)]
        stored = 0
        for event in events:
            key = (self.name_of(event), event["entra"]["revision"])
            if not self.reject(event) and not (self.deduplicates and self.keys[key]):
                self.keys[key] += 1
                self.events.append(event)
                stored += 1
        self.batches.append(events)
        error = self.after(events)
        if error is not None:
            raise error
        return WriteResult(stored, len(events) - stored - len(rejected), rejected)

    def close(self) -> None:
        pass

    @staticmethod
    def name_of(event: dict[str, Any]) -> str:
        return str(event["event"]["id"] if "event" in event else event["entra"]["id"])

    def newest(self) -> dict[str, dict[str, Any]]:
        """id → the record of the highest revision; of snapshots the one updated last."""
        best: dict[str, dict[str, Any]] = {}
        for event in self.events:
            if "body" in event:
                name = str(event["body"]["id"])
                if name not in best or self._age(best[name]) < self._age(event):
                    best[name] = event
        return {name: event["body"] for name, event in best.items()}

    @staticmethod
    def _age(event: dict[str, Any]) -> tuple[str, int]:
        return event["body"].get("riskLastUpdatedDateTime", ""), event["entra"]["revision"]

    def gaps(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("event", {}).get("action") == "gap"]

    def doubled(self) -> dict[tuple[str, int], int]:
        return {key: count for key, count in self.keys.items() if count > 1}


def normalise(record: Any, stream: Any, *, tenant_id: str = "", preserve_original: bool = False) -> dict[str, Any]:
    if not isinstance(record, dict) or record.get("bad"):
        raise RecordError("it is bad")
    name = f"{record.get('id')}@{record[stream.time_field]}" if stream.snapshot else record.get("id")
    return {"event": {"id": name}, "entra": {"stream": stream.name, "tenant_id": tenant_id}, "body": record}


class DeadLetters:
    def __init__(self) -> None:
        self.kept: list[tuple[Any, str, str]] = []

    def keep(self, item: Any, reason: str, where: str) -> None:
        self.kept.append((item, reason, where))


class Counts:
    """An observer that adds up."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.gauges: dict[tuple[str, str], float] = {}
        self.seen: dict[str, list[float]] = defaultdict(list)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counts[name, labels.get("sweep", labels.get("error", ""))] += int(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self.gauges[name, labels.get("stream", "")] = value

    def observe(self, name: str, value: float, **labels: str) -> None:
        self.seen[f"{name} {labels['sweep']}"].append(value)


def tenant(name: str = "acme", streams: tuple[str, ...] = (AUDITS.name,), **collect: Any) -> TenantConfig:
    values: dict[str, Any] = {"parallel": 1, "start": timedelta(hours=6), "window": timedelta(hours=1), **collect}
    return TenantConfig(name, f"{name}.example", "app", AuthConfig(), collect=CollectConfig(**values), streams=streams)


class Rig:
    """A world with everything around the loop; `run` is one life of the process."""

    def __init__(
        self, path: Any, *sinks: FakeSink, page: int = 50, cost: float = 0.0, config: Optional[TenantConfig] = None
    ) -> None:
        self.path = path / "state.db"
        self.clock, self.world = FakeClock(), World()
        self.source = FakeSource(self.world, self.clock, page, cost)
        self.sinks = list(sinks) or [FakeSink()]
        self.config = config or tenant()
        self.letters, self.counts = DeadLetters(), Counts()
        self.policy = Policy()

    @property
    def sink(self) -> FakeSink:
        return self.sinks[0]

    def run(
        self, *, once: bool = True, hours: float = 0, configs: Any = None, store: Optional[Store] = None
    ) -> Outcome:
        """To the present, or for some hours of the clock."""
        stop = threading.Event()
        self.clock.end = (self.clock.now() + timedelta(hours=hours), stop) if hours else None
        store = store or Store(self.path)
        try:
            return self.runner(store, stop, configs).run(once=once and not hours)
        finally:
            store.close()

    def read_range(self, start: datetime, end: datetime) -> Outcome:
        store = Store(self.path)
        try:
            return self.runner(store, threading.Event(), None).read_range(Window(start, end))
        finally:
            store.close()

    def runner(self, store: Store, stop: threading.Event, configs: Any) -> Runner:
        return Runner(
            [(config, self.source) for config in configs or [self.config]], self.sinks, normalise, store, self.letters,
            wrap=lambda record, stream, tenant_id: {"properties": record}, clock=self.clock, observer=self.counts,
            stop=stop, policy=self.policy,
        )  # fmt: skip

    def expect_complete(self, *streams: str) -> None:
        self.expect_complete_but("", streams=streams)

    def expect_complete_but(self, without: str, *, streams: tuple[str, ...] = ()) -> None:
        """Each sink holds the newest version of every record but that one, each revision once."""
        for stream in streams or (AUDITS.name,):
            shown = self.world.shown(stream, self.clock.now())
            shown.pop(without, None)
            for sink in self.sinks:
                newest = sink.newest()
                lost = sorted(set(shown) - set(newest))
                stale = sorted(name for name in shown if name in newest and newest[name] != shown[name])
                assert (sink.name, lost, stale, sink.doubled()) == (sink.name, [], [], {})


def populate(
    world: World, random: Random, count: int, start: datetime, hours: float, stream: str = AUDITS.name
) -> None:
    """Records that arrive 0 s to 20 h late, and change up to three times in the 20 hours after their time.

    In streams that are read by the time of the last update each change carries its own time, and comes up to 20
    minutes late.
    """
    moves = STREAMS[stream].moves
    for number in range(count):
        time = at(seconds(start + timedelta(seconds=int(random.uniform(0, hours * 3600)))))
        arrives = time + timedelta(seconds=random.choice([0.0, 30.0, 100.0, 600.0, 3600.0, 72000.0]) * random.random())
        last = time + timedelta(hours=20)
        world.add(f"r{number}", time, arrives=arrives, stream=stream, state=0)
        for state in range(1, random.choice([1, 1, 1, 2, 3])):
            changed = at(seconds(arrives + (last - arrives) * random.random()))
            late = timedelta(seconds=random.uniform(0, 1200) if moves else 0)
            arrives = changed + late
            world.add(f"r{number}", changed if moves else time, arrives=arrives, stream=stream, state=state)
