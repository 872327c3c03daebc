"""Every form of time that Entra logs have, to the seventh digit."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrawatch.schema import times

FORMS: list[tuple[object, Optional[str]]] = [
    ("2026-07-17T14:10:02Z", "2026-07-17T14:10:02Z"),
    ("2026-07-17T14:10:02.1Z", "2026-07-17T14:10:02.1000000Z"),
    ("2026-07-17T14:10:02.1234567Z", "2026-07-17T14:10:02.1234567Z"),
    ("2026-07-17T14:10:02.123456789Z", "2026-07-17T14:10:02.1234567Z"),
    ("2026-07-17T14:10:02.0000000+00:00", "2026-07-17T14:10:02Z"),
    ("2026-07-17T14:10:02+01:00", "2026-07-17T13:10:02Z"),
    ("2026-07-17T14:10:02-0530", "2026-07-17T19:40:02Z"),
    ("2026-07-17 14:10:02", "2026-07-17T14:10:02Z"),
    ("2026-07-17t14:10z", "2026-07-17T14:10:00Z"),
    (" 2026-07-17T14:10:02 UTC ", "2026-07-17T14:10:02Z"),
    ("7/17/2026 2:10:02 PM", "2026-07-17T14:10:02Z"),
    ("7/17/2026 12:00:00 AM", "2026-07-17T00:00:00Z"),
    ("7/17/2026 12:00:00 PM", "2026-07-17T12:00:00Z"),
    ("07/17/2026 14:10:02 +01:00", "2026-07-17T13:10:02Z"),
    ("7/17/2026, 2:10 pm", "2026-07-17T14:10:00Z"),
    ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.9999999Z"),
    ("2026-13-01T00:00:00Z", None),
    ("2026-02-30T00:00:00Z", None),
    ("2026-07-17T24:10:02Z", None),
    ("2026-07-17T14:10:02+99:00", None),
    ("2026-07-17T14:10:02+01:75", None),
    ("13/17/2026 2:10:02 PM", None),
    ("7/17/2026 13:10:02 PM", None),
    ("2026-07-17", None),
    ("٢٠٢٦-07-17T14:10:02Z", None),
    ("yesterday", None),
    ("", None),
    (None, None),
    (1_700_000_000, None),
    ({}, None),
]


@pytest.mark.parametrize(("text", "utc"), FORMS)
def test_forms(text: object, utc: Optional[str]) -> None:
    count = times.ticks(text)
    assert (None if count is None else times.iso(count)) == utc


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(timezone.utc)))  # noqa: DTZ001
def test_a_datetime_comes_back_unchanged(moment: datetime) -> None:
    assert times.parse(times.iso(times.of(moment))) == moment
    assert times.to_datetime(times.of(moment)) == moment


@given(st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(timezone.utc)), st.integers(-1439, 1439))  # noqa: DTZ001
def test_an_offset_names_the_same_moment(moment: datetime, minutes: int) -> None:
    there = moment.replace(microsecond=0) - timedelta(days=2)
    zone = timezone(timedelta(minutes=minutes))
    assert times.ticks(there.astimezone(zone).isoformat()) == times.of(there)


@given(st.text(alphabet="0123456789-/:.TZ +APM", max_size=34))
def test_no_text_raises(text: str) -> None:
    count = times.ticks(text)
    assert count is None or times.ticks(times.iso(count)) == count
