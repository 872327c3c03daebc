"""Peak memory and speed of the loop at 100,000 and at 2,000,000 events; the memory should not grow with them.

The source makes its pages up, the sink throws everything away: what is measured is de-duplication, the write-ahead
intent, the state and the bookkeeping of windows. The common event is a bare wrapper, for normalising is measured by its
own benchmark.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entrawatch.config.model import AuthConfig, CollectConfig, TenantConfig
from entrawatch.ingest.runner import Runner
from entrawatch.ingest.store import Store
from entrawatch.interfaces import WriteResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrawatch.interfaces import Window

HOURS, PAGE = 20, 1000
SIZES = (100_000, 2_000_000)


def record(number: int, moment: str) -> dict[str, Any]:
    """An audit record of about 1 kB."""
    user = {
        "id": f"{number % 5000:036d}",
        "userPrincipalName": f"user{number % 5000}@contoso.example",
        "ipAddress": "203.0.113.7",
    }
    change = {"displayName": "AccountEnabled", "oldValue": "[true]", "newValue": f"[{number % 2}]"}
    target = {"id": f"{number % 700:036d}", "type": "User", "displayName": "A user", "modifiedProperties": [change] * 3}
    return {
        "id": f"Directory_{number:032x}_{number % 97}", "activityDateTime": moment, "category": "UserManagement",
        "activityDisplayName": "Update user", "operationType": "Update", "result": "success", "resultReason": "",
        "loggedByService": "Core Directory", "correlationId": f"{number:036d}",
        "initiatedBy": {"user": user, "app": None}, "targetResources": [target],
        "additionalDetails": [{"key": "User-Agent", "value": "Mozilla/5.0 (X11; Linux)"}],
    }  # fmt: skip


class Source:
    """Evenly spread records, made page by page."""

    def __init__(self, total: int, start: datetime) -> None:
        self.step, self.start = HOURS * 3600 / total, start

    def read(self, _stream: Any, window: Window) -> Iterator[list[dict[str, Any]]]:
        """Pages of the window's records."""
        first, last = (
            max(0, -int(-(edge - self.start).total_seconds() // self.step)) for edge in (window.start, window.end)
        )
        for number in range(first, last, PAGE):
            yield [record(one, self._moment(one)) for one in range(number, min(number + PAGE, last))]

    def _moment(self, number: int) -> str:
        return (self.start + timedelta(seconds=number * self.step)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Nothing:
    """The sink that stores at no cost, and the dead letter that must stay empty."""

    name, deduplicates, shape = "nothing", True, "event"
    count = 0

    def write(self, events: Any) -> WriteResult:
        """Counts."""
        self.count += len(events)
        return WriteResult(len(events))

    def keep(self, item: Any, reason: str, where: str) -> None:
        """Never called."""
        raise AssertionError(reason)

    def close(self) -> None:
        """Nothing."""


def wrap(record: dict[str, Any], stream: Any, *, tenant_id: str, preserve_original: bool) -> dict[str, Any]:
    """The least that is an event."""
    return {"event": {"id": record["id"]}, "entra": {"stream": stream.name, "tenant_id": tenant_id}, "record": record}


def measure(total: int) -> dict[str, float]:
    """One run in this process: events, seconds, peak memory in MiB, state on disk in MiB."""
    now = datetime.now(timezone.utc)
    start = now - timedelta(hours=HOURS, minutes=2)
    config = TenantConfig(
        "bench",
        "bench",
        "app",
        AuthConfig(),
        streams=("directory_audits",),
        collect=CollectConfig(start=start, parallel=1),
    )
    sink = Nothing()
    with tempfile.TemporaryDirectory() as folder:
        store, before = Store(Path(folder) / "state.db"), time.perf_counter()
        Runner([(config, Source(total, start))], [sink], wrap, store, sink).run(once=True)
        seconds = time.perf_counter() - before
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"events": sink.count, "seconds": seconds, "peak": peak, "state": size / 2**20}


def main() -> None:
    """Prints both runs, each in a process of its own, and the ratio of their peaks."""
    results = []
    for total in SIZES:
        code = f"import json; from benchmarks import memory; print(json.dumps(memory.measure({total})))"
        output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        results.append(json.loads(output))
        run = results[-1]
        print(
            f"{run['events']:>9,.0f} events  {run['events'] / run['seconds']:>7,.0f} events/s  "
            f"peak {run['peak']:.0f} MiB  state {run['state']:.0f} MiB on disk"
        )
    print(f"peak memory, 2 M against 100 k events: {results[1]['peak'] / results[0]['peak']:.2f}x (goal: flat)")
