"""Keys and hashes: what is the same record, and what is the same content."""

from __future__ import annotations

from typing import Any

import pytest

from entrawatch.ingest.keys import TIMELESS, prepare, time_of, time_prefix
from entrawatch.schema.streams import STREAMS

AUDITS, RISKS, USERS = STREAMS["directory_audits"], STREAMS["risk_detections"], STREAMS["risky_users"]
RECORD = {"id": "a", "activityDateTime": "2026-03-02T12:00:00Z", "result": "success", "list": [1, {"x": 2}]}


def keyed(record: Any, stream: Any = AUDITS) -> tuple[bytes, bytes]:
    (prepared,) = prepare([record], stream)
    return prepared.key, prepared.hash


@pytest.mark.parametrize(
    ("change", "same_key", "same_hash"),
    [
        ({}, True, True),
        ({"@odata.type": "#x"}, True, True),
        ({"initiatedBy@odata.context": "https://graph.example/$metadata"}, True, True),
        ({"list": [1, {"x": 2, "@odata.etag": "W/1"}]}, True, True),
        ({"result": "failure"}, True, False),
        ({"result": None}, True, False),
        ({"list": [1, {"x": 3}]}, True, False),
        ({"id": "b"}, False, False),
        ({"activityDateTime": "2026-03-02T12:00:00.0000000Z"}, True, False),
    ],
)
def test_what_changes_a_key_and_what_a_hash(change: dict[str, Any], same_key: bool, same_hash: bool) -> None:
    key, content = keyed({**RECORD, **change})
    assert (key == keyed(RECORD)[0], content == keyed(RECORD)[1]) == (same_key, same_hash)


def test_the_order_of_properties_is_no_content() -> None:
    assert keyed(dict(reversed(RECORD.items()))) == keyed(RECORD)


@pytest.mark.parametrize("name", [None, ""])
def test_a_record_without_an_id_is_its_content(name: Any) -> None:
    record = {**RECORD, "id": name}
    assert keyed(record) == keyed(dict(record))
    assert keyed(record)[0] != keyed({**record, "result": "failure"})[0]


def test_an_update_carries_a_risk_detection_on_and_stays_the_same_record() -> None:
    one, two = ({"id": "a", "lastUpdatedDateTime": f"2026-03-0{day}T12:00:00Z"} for day in (2, 3))
    assert keyed(one, RISKS)[0] == keyed(two, RISKS)[0]
    assert keyed(one, RISKS)[1] != keyed(two, RISKS)[1]


def test_each_state_of_a_risky_user_is_a_record() -> None:
    one, two = ({"id": "a", "riskLastUpdatedDateTime": f"2026-03-0{day}T12:00:00Z"} for day in (2, 3))
    assert keyed(one, USERS)[0] != keyed(two, USERS)[0]


@pytest.mark.parametrize("record", [None, 7, [], "text", {"id": {"a": 1}}, {"id": 7}, {"id": "\ud800"}, {}])
def test_anything_has_a_key(record: Any) -> None:
    key, content = keyed(record)
    assert (len(key), len(content), key[:4]) == (16, 16, TIMELESS)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1970-01-02T00:00:01Z", 86401), ("1970-01-02T00:00:01.9999999Z", 86401), ("1970-01-02T00:00:01+00:00", 86401),
        ("1970-01-02T01:00:01+01:00", 86401), ("1970-01-02T00:00:01", None), ("", None), (None, None), (7, None),
        ("Z", None), ("yesterday", None), ("0001-01-01T00:00:00Z", -62135596800),
    ],
)  # fmt: skip
def test_the_time_of_a_record(text: Any, time: Any) -> None:
    assert time_of({"activityDateTime": text}, AUDITS) == time


def test_keys_sort_by_time_and_those_without_one_come_last() -> None:
    prefixes = [time_prefix(time) for time in (-5, 0, 1, 255, 256, 2**31, 2**32, 2**40)]
    assert prefixes == sorted(prefixes)
    assert max(prefixes) < TIMELESS


def nested(depth: int, inner: Any, shape: type) -> Any:
    for _ in range(depth):
        inner = [inner] if shape is list else {"a": inner, "b@odata.type": depth}
    return inner


@pytest.mark.parametrize("shape", [list, dict])
def test_a_record_nested_deeper_than_json_is_written_has_a_key_and_a_hash(shape: type) -> None:
    """It must get as far as the dead letter, or it stops every run."""
    one, same, other = ({**RECORD, "x": nested(3000, leaf, shape)} for leaf in ("deep", "deep", "else"))
    assert keyed(one) == keyed(same)
    assert keyed(one)[0] == keyed(other)[0]
    assert keyed(one)[1] != keyed(other)[1]
