"""The loop as a whole, over days of the clock: late records, changed ones, outages."""

from __future__ import annotations

from pathlib import Path
from random import Random

from .world import NOON, Rig, populate, tenant


def test_days_of_late_and_changing_records_arrive_whole_and_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path, config=tenant(start=NOON))
    populate(rig.world, Random(1), 300, NOON, 24)
    rig.run(hours=24 * 3 + 1)
    rig.expect_complete()
    assert len(rig.world.records["directory_audits"]) == len(rig.sink.newest()) == 300
    assert {sweep for name, sweep in rig.counts.counts if name == "events_added"} == {"2m", "15m", "2h", "24h"}
