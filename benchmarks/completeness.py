"""What three ways of reading a log make of the same tenant, whose records arrive late and change after the fact.

- "largest time seen": the Splunk add-on for Microsoft Azure: `createdDateTime gt <largest seen> and le <now - 420 s>`.
- "lag and overlap": graph2otel: from the last end less 2 h to now less 15 min, ids of the overlap remembered.
- "sweeps": ours, the loop itself with its state on disk.

All run every five minutes on a clock of their own over the same records, from a source that shows each version from its
arrival on. *Lost*: never delivered. *Doubled*: a delivery of content that was delivered before. *Stale*: what was
delivered last is not what the tenant shows at the end. Requests are pages of a thousand.

The delays are modelled on what was measured (a minute or two as a rule, 739 s once, hours for what waits on another
system); the shares of late and changing records are assumptions, and printed.
"""

from __future__ import annotations

import bisect
import logging
import tempfile
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.config.model import AuthConfig, CollectConfig, TenantConfig
from entrawatch.ingest.runner import Runner
from entrawatch.ingest.store import Store
from entrawatch.interfaces import Window, WriteResult

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2026, 3, 2, tzinfo=timezone.utc)
RECORDS, HOURS, AFTER = 20_000, 24, 30
INTERVAL = timedelta(minutes=5)
PAGE = 1000
#: share of the records → seconds of delay, at random in that range
DELAYS = ((0.965, (20, 200)), (0.02, (200, 900)), (0.01, (900, 7200)), (0.005, (7200, 72000)))
#: share of the records → seconds after the first version at which they change
CHANGES = ((0.90, None), (0.07, (30, 700)), (0.02, (700, 7000)), (0.01, (7000, 70000)))


@dataclass
class Tenant:
    """Records by time, and a count of the pages asked for."""

    times: list[datetime] = field(default_factory=list)
    versions: list[list[tuple[datetime, dict[str, Any]]]] = field(default_factory=list)
    requests: int = 0

    def shown(self, start: datetime, end: datetime, now: datetime) -> list[dict[str, Any]]:
        """What has arrived of [start, end)."""
        found = []
        for index in range(bisect.bisect_left(self.times, start), bisect.bisect_left(self.times, end)):
            arrived = [record for arrives, record in self.versions[index] if arrives <= now]
            found.extend(arrived[-1:])
        self.requests += max(1, -(-len(found) // PAGE))
        return found


def share(random: Random, table: Any) -> Optional[float]:
    """A value of the table, by the shares of its rows."""
    (span,) = random.choices([span for _, span in table], [part for part, _ in table])
    return random.uniform(*span) if span else None


def make(seed: int = 7) -> Tenant:
    """A day of records; a tenth of them changes, one in thirty comes later than usual."""
    random, tenant = Random(seed), Tenant()
    for number in range(RECORDS):
        time = START + timedelta(seconds=int(number * HOURS * 3600 / RECORDS))
        arrives = time + timedelta(seconds=share(random, DELAYS) or 0)
        record = {"id": str(number), "activityDateTime": time.strftime("%Y-%m-%dT%H:%M:%SZ"), "risk": "none"}
        versions = [(arrives, record)]
        changes = share(random, CHANGES)
        if changes is not None:
            changed = min(max(arrives, time + timedelta(seconds=changes)), time + timedelta(hours=23))
            versions.append((changed, {**record, "risk": "high"}))
        tenant.times.append(time)
        tenant.versions.append(versions)
    return tenant


@dataclass
class Delivered:
    """What a reader handed on, judged against the tenant."""

    contents: dict[str, list[str]] = field(default_factory=dict)
    doubled: int = 0

    def take(self, record: dict[str, Any]) -> None:
        """One delivery."""
        had = self.contents.setdefault(record["id"], [])
        self.doubled += record["risk"] in had
        had.append(record["risk"])

    def row(self, name: str, tenant: Tenant) -> str:
        """The line of the table."""
        lost = sum(str(number) not in self.contents for number in range(RECORDS))
        last = ((self.contents.get(str(number)), versions[-1][1]) for number, versions in enumerate(tenant.versions))
        stale = sum(had is not None and had[-1] != record["risk"] for had, record in last)
        return f"{name:<34}{lost:>7}{self.doubled:>9}{stale:>7}{tenant.requests:>10}"


def largest_time_seen(tenant: Tenant, back_off: int = 420) -> Delivered:
    """The Splunk add-on's algorithm."""
    delivered, seen, now = Delivered(), START - timedelta(seconds=1), START
    while now < START + timedelta(hours=HOURS + AFTER):
        now += INTERVAL
        end = now - timedelta(seconds=back_off)
        if end <= seen:
            continue
        found = tenant.shown(seen + timedelta(microseconds=1), end + timedelta(microseconds=1), now)  # gt and le
        for record in found:
            delivered.take(record)
        seen = max([seen, *(datetime.fromisoformat(record["activityDateTime"][:19] + "+00:00") for record in found)])
    return delivered


def lag_and_overlap(tenant: Tenant, lag: int = 900, overlap: int = 7200) -> Delivered:
    """graph2otel's algorithm."""
    delivered, end, now = Delivered(), START, START
    known: dict[str, str] = {}
    while now < START + timedelta(hours=HOURS + AFTER):
        now += INTERVAL
        start, end = end - timedelta(seconds=overlap), max(end, now - timedelta(seconds=lag))
        for record in tenant.shown(start, end, now):
            if record["id"] not in known:
                delivered.take(record)
                known[record["id"]] = record["activityDateTime"]
        oldest = (end - timedelta(seconds=overlap)).strftime("%Y-%m-%dT%H:%M:%SZ")
        known = {name: time for name, time in known.items() if time >= oldest}
    return delivered


class Simulated:
    """Clock, source and sink of our loop, in one."""

    name, deduplicates, shape = "bench", False, "event"

    def __init__(self, tenant: Tenant) -> None:
        self.tenant, self.time, self.delivered = tenant, START, Delivered()
        self.stop = threading.Event()

    def now(self) -> datetime:
        """The simulated present."""
        return self.time

    def monotonic(self) -> float:
        """Simulated seconds."""
        return (self.time - START).total_seconds()

    def sleep(self, seconds: float, until: Optional[threading.Event] = None) -> None:
        """Moves the present; the end of time ends the run."""
        self.time += timedelta(seconds=seconds)
        if self.time > START + timedelta(hours=HOURS + AFTER):
            self.stop.set()

    def read(self, _stream: Any, window: Window) -> Iterator[list[dict[str, Any]]]:
        """The window's records, a page at a time."""
        found = self.tenant.shown(window.start, window.end, self.time)
        yield from (found[first : first + PAGE] for first in range(0, len(found), PAGE))

    def write(self, events: Any) -> WriteResult:
        """A sink that cannot de-duplicate: all the loop's own doing."""
        for event in events:
            self.delivered.take(event["record"])
        return WriteResult(len(events))

    def keep(self, item: Any, reason: str, where: str) -> None:
        """Never called."""
        raise AssertionError(reason)

    def close(self) -> None:
        """Nothing."""


def _event(record: dict[str, Any], stream: Any, *, tenant_id: str, preserve_original: bool) -> dict[str, Any]:
    return {"event": {"id": record["id"]}, "entra": {"stream": stream.name}, "record": record}


def sweeps(tenant: Tenant) -> Delivered:
    """Our own loop."""
    logging.getLogger("entrawatch").setLevel(logging.ERROR)
    simulated = Simulated(tenant)
    collect = CollectConfig(start=START, interval=INTERVAL, parallel=1)
    config = TenantConfig("bench", "bench", "app", AuthConfig(), streams=("directory_audits",), collect=collect)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "state.db")
        Runner([(config, simulated)], [simulated], _event, store, simulated, clock=simulated, stop=simulated.stop).run()
        store.close()
    return simulated.delivered


def main() -> None:
    """Prints the table."""
    print(
        f"{RECORDS:,} records in {HOURS} h; late by more than 200 s: 3.5 %, by more than 15 min: 1.5 %; changed: 10 %"
    )
    print(f"{'':<34}{'lost':>7}{'doubled':>9}{'stale':>7}{'requests':>10}")
    ways = (("largest time seen, back-off 420 s", largest_time_seen), ("lag 15 min, overlap 2 h, ids", lag_and_overlap),
            ("sweeps and revisions (entrawatch)", sweeps))  # fmt: skip
    for name, way in ways:
        tenant = make()
        print(way(tenant).row(name, tenant), flush=True)
