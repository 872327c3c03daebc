"""Whatever comes in: an event whose every field has its type, or a RecordError; and always the same one."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.normalize.typed import misfits

from entrawatch.errors import RecordError
from entrawatch.jsontext import canonical, dumps, loads
from entrawatch.normalize import normalize
from entrawatch.normalize.envelope import wrap
from entrawatch.schema.fields import ROOTS, of_family
from entrawatch.schema.streams import STREAMS

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        [
            "",
            "true",
            "False",
            '"True"',
            "0",
            "50126",
            "-7",
            "1e400",
            "198.51.100.7",
            "::1",
            "198.51.100.7:443",
            "{ipAddress}",
            "2026-11-24T08:00:00Z",
            "2026-11-24T08:00:00.1234567+01:00",
            "11/24/2026 8:00:00 AM",
            "[]",
            "{}",
            "[1]",
            '{"a":1}',
            '[{"key":"k","value":"v"}]',
            "a@b",
            "@",
            "hidden",
            "success",
            "\u00dcn\u2013",
            "\ud800",
        ]
    )
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def graph_keys(family: str) -> list[str]:
    return [field.name for field in of_family(family) if field.envelope.startswith("properties.")]


def nested(pairs: dict[str, Any]) -> dict[str, Any]:
    """{"a.b": 1} → {"a": {"b": 1}}; a list where the table has one is the business of the values."""
    out: dict[str, Any] = {}
    for path, value in pairs.items():
        *above, last = path.split(".")
        at = out
        for step in above:
            inner = at.get(step)
            if not isinstance(inner, dict):
                at[step] = inner = {}
            at = inner
        at[last] = value
    return {
        key: [value] if key == "targetResources" and isinstance(value, dict) else value for key, value in out.items()
    }


@st.composite
def records(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    stream = draw(st.sampled_from(sorted(STREAMS)))
    keys = graph_keys(STREAMS[stream].family)
    known = draw(st.dictionaries(st.sampled_from(keys), JSON, max_size=12))
    return stream, nested({**draw(st.dictionaries(st.text(max_size=6), JSON, max_size=2)), **known})


quick = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))


def families_of(stream: str) -> tuple[str, ...]:
    return STREAMS[stream].family, "common"


def check(event: dict[str, Any], stream: str) -> None:
    assert misfits(event, families_of(stream)) == []
    assert event["event"]["id"]
    assert event["entra"]["stream"] == stream
    assert event["data_stream"]["type"] == "logs"
    assert event["event"]["dataset"] == event["data_stream"]["dataset"] == STREAMS[stream].dataset
    dumps(event)


@quick
@given(records())
def test_a_graph_record_becomes_a_typed_event(given_record: tuple[str, dict[str, Any]]) -> None:
    stream, record = given_record
    before = copy.deepcopy(record)
    event = normalize(record, STREAMS[stream], tenant_id="t")
    check(event, stream)
    assert record == before
    assert canonical(normalize(copy.deepcopy(record), STREAMS[stream], tenant_id="t")) == canonical(event)


@quick
@given(
    records(),
    st.dictionaries(
        st.sampled_from(
            [
                "time",
                "Level",
                "level",
                "durationMs",
                "callerIpAddress",
                "resultType",
                "identity",
                "correlationId",
                "resourceId",
                "location",
                "category",
                "operationName",
                "odd",
            ]
        ),
        JSON,
    ),
)
def test_an_envelope_becomes_a_typed_event(given_record: tuple[str, dict[str, Any]], around: dict[str, Any]) -> None:
    stream, record = given_record
    check(normalize({**wrap(record, STREAMS[stream], "t"), **around}, STREAMS[stream]), stream)


@quick
@given(records(), st.booleans())
def test_a_table_row_becomes_a_typed_event(given_record: tuple[str, dict[str, Any]], as_text: bool) -> None:
    stream, record = given_record
    row = {
        key[:1].upper() + key[1:]: dumps(value).decode() if as_text and isinstance(value, (dict, list)) else value
        for key, value in record.items()
    }
    check(normalize({"TimeGenerated": "2026-11-24T08:00:00Z", **row}, STREAMS[stream]), stream)


@quick
@given(
    JSON
    | st.dictionaries(
        st.sampled_from(
            [
                "properties",
                "category",
                "TimeGenerated",
                "Type",
                "@timestamp",
                "event",
                "entra",
                "createdDateTime",
                "appId",
                "riskEventType",
                "activityDisplayName",
                "id",
            ]
        ),
        JSON,
    )
)
def test_anything_at_all_is_an_event_or_a_record_error(value: Any) -> None:
    with suppress(RecordError):
        event = normalize(value)
        check(event, event["entra"]["stream"])


@quick
@given(records())
def test_an_event_normalises_to_itself(given_record: tuple[str, dict[str, Any]]) -> None:
    stream, record = given_record
    event = normalize(record, STREAMS[stream], tenant_id="t", preserve_original=True)
    again = normalize(event)
    assert again == event
    again["entra"]["revision"] = 2
    assert "revision" not in event["entra"]


@quick
@given(records(), records())
def test_what_was_read_before_changes_nothing(
    first: tuple[str, dict[str, Any]], second: tuple[str, dict[str, Any]]
) -> None:
    """The normaliser remembers shapes and templates; that must not show."""
    stream, record = first
    alone = canonical(normalize(loads(dumps(record)), STREAMS[stream]))
    mixed = {**second[1], **record}
    for key, value in mixed.items():  # equal in Python, different in JSON
        mixed[key] = {True: 1, False: 0}.get(value, value) if isinstance(value, bool) else value
    normalize(mixed, STREAMS[stream])
    assert canonical(normalize(loads(dumps(record)), STREAMS[stream])) == alone


@pytest.mark.parametrize("depth", [200, 2000, 50_000])
@pytest.mark.parametrize("key", ["odd", "deviceDetail", "appliedConditionalAccessPolicies", "status"])
def test_deep_nesting_is_survived(depth: int, key: str) -> None:
    value: Any = "x"
    for _ in range(depth):
        value = {"inner": [value]}
    with suppress(RecordError):
        event = normalize({"createdDateTime": "2026-11-24T08:00:00Z", "appId": "a", key: value})
        assert event["event"]["id"]


def test_every_family_is_covered() -> None:
    assert {STREAMS[name].family for name in STREAMS} == set(ROOTS)
