"""Times and other single values in every form seen."""

from __future__ import annotations

from typing import Optional

import pytest

from entrawatch.normalize.values import address, instant
from entrawatch.schema.names import camel, pascal, snake


@pytest.mark.parametrize(
    ("text", "milliseconds", "full"),
    [
        ("2026-11-24T08:00:00Z", "2026-11-24T08:00:00.000Z", "2026-11-24T08:00:00Z"),
        ("2026-11-24T08:00:00.1Z", "2026-11-24T08:00:00.100Z", "2026-11-24T08:00:00.1Z"),
        ("2026-11-24T08:00:00.1234567Z", "2026-11-24T08:00:00.123Z", "2026-11-24T08:00:00.1234567Z"),
        ("2026-11-24T08:00:00.123456789Z", "2026-11-24T08:00:00.123Z", "2026-11-24T08:00:00.123456789Z"),
        ("2026-11-24T08:00:00.1234567+00:00", "2026-11-24T08:00:00.123Z", "2026-11-24T08:00:00.1234567Z"),
        ("2026-11-24T08:00:00.5+01:00", "2026-11-24T07:00:00.500Z", "2026-11-24T07:00:00.500Z"),
        ("2019-10-18T04:45:48.0729893-05:00", "2019-10-18T09:45:48.072Z", "2019-10-18T09:45:48.0729893Z"),
        ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000Z", "2025-12-31T23:30:00Z"),
        ("2026-11-24T08:00:00", "2026-11-24T08:00:00.000Z", "2026-11-24T08:00:00Z"),
        ("2026-11-24 08:00:00.5", "2026-11-24T08:00:00.500Z", "2026-11-24T08:00:00.500Z"),
        ("2026-11-24T8:00:00.361Z", "2026-11-24T08:00:00.361Z", "2026-11-24T08:00:00.361Z"),
        ("2026-11-24", "2026-11-24T00:00:00.000Z", "2026-11-24T00:00:00Z"),
        ("8/22/2022 6:07:16 PM", "2022-08-22T18:07:16.000Z", "2022-08-22T18:07:16Z"),
        ("12/1/2022 12:00:00 AM", "2022-12-01T00:00:00.000Z", "2022-12-01T00:00:00Z"),
        ("/Date(1661191636000)/", "2022-08-22T18:07:16.000Z", "2022-08-22T18:07:16Z"),
        (" 2026-11-24T08:00:00Z ", "2026-11-24T08:00:00.000Z", "2026-11-24T08:00:00Z"),
    ],
)
def test_a_time_in_any_form_is_utc_with_its_digits(text: str, milliseconds: str, full: str) -> None:
    assert instant(text) == (milliseconds, full)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "Z",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-24T24:00:00Z",
        "2026-11-24T08:00:60Z",
        "2026-11-24T08:00:00.Z",
        "2026-11-24T08:00:00.xZ",
        "2026-11-24T08:00:00.1\u0663Z",
        "2026-W48-2T11:35:13Z",
        "13/24/2026 8:00:00 AM",
        "1/2/2026 13:00:00 PM",
        "/Date(x)/",
        "/Date(99999999999999999999)/",
        "/Date()/",
        "0001-01-01T00:00:00+14:00",
        "String (timestamp)",
        "2026-11-24T08:00:00+99:00",
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert instant(text) is None


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("198.51.100.7", "198.51.100.7", None),
        ("198.51.100.7:443", "198.51.100.7", 443),
        ("::1", "::1", None),
        ("[::1]", "::1", None),
        ("[::1]:8443", "::1", 8443),
        ("198.51.100.7:x", "198.51.100.7", None),
        ("198.51.100.7:99999", "198.51.100.7", None),
        ("198.51.100.0/24", None, None),
        ("localhost", None, None),
        ("1", None, None),
        (":", None, None),
        ("[", None, None),
        ("198.51.100.07", None, None),
    ],
)
def test_an_address_with_and_without_its_port(text: str, host: Optional[str], port: Optional[int]) -> None:
    assert address(text) == (host, port)


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("appId", "app_id"),
        ("riskEventTypes_v2", "risk_event_types_v2"),
        ("ipAddressFromResourceProvider", "ip_address_from_resource_provider"),
        ("OSVersion", "os_version"),
        ("already_snake", "already_snake"),
        ("a.b", "a_b"),
        ("signInEventTypes", "sign_in_event_types"),
        ("ID", "id"),
        ("", ""),
    ],
)
def test_names_take_the_events_spelling(name: str, event: str) -> None:
    assert snake(name) == event


def test_names_of_log_analytics() -> None:
    assert (pascal("appId"), camel("AppId"), pascal(""), camel("")) == ("AppId", "appId", "", "")
