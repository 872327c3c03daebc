"""Streams that are read by the time of the last update: a change carries a record into another window."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.ingest.world import NOON, FakeSink, Rig, ago, tenant

if TYPE_CHECKING:
    from pathlib import Path

STREAM = "risk_detections"


def test_a_change_that_is_read_between_two_pages_of_a_hole_gets_a_revision_of_its_own(tmp_path: Path) -> None:
    config = tenant(start=ago(hours=3, minutes=30), interval=timedelta(minutes=10), streams=(STREAM,))
    rig = Rig(tmp_path, FakeSink(deduplicates=False), page=1, cost=100.0, config=config)
    rig.world.add("changing", ago(hours=3), stream=STREAM, state=0)
    for minutes in range(1, 12):
        rig.world.add(f"other-{minutes}", ago(hours=3, minutes=minutes), stream=STREAM, state=0)
    changed = NOON + timedelta(seconds=390)
    rig.world.add("changing", changed, arrives=changed, stream=STREAM, state=1)
    rig.run(hours=4)
    assert rig.sink.newest()["changing"]["state"] == 1
    assert rig.sink.doubled() == {}
