"""Windows through GraphSource: the query that is sent, what belongs to a window, the walk through its pages.

Each defect that was found in other collectors' fetching is a case here, under its name.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.graph.conftest import NOW
from tests.graph.server import Answer, Seen, error, page

if TYPE_CHECKING:
    from entrawatch.graph.source import GraphSource

from entrawatch import errors
from entrawatch.interfaces import Window
from entrawatch.schema import times
from entrawatch.schema.streams import STREAMS


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc, arg-type]


WINDOW = Window(utc(2026, 3, 10, 10), utc(2026, 3, 10, 11))
INSIDE = "2026-03-10T10:30:00Z"


def read(source: GraphSource, stream: str = "non_interactive", window: Window = WINDOW) -> list[dict[str, Any]]:
    return [record for page in source.read(STREAMS[stream], window) for record in page]


def signins(*moments: object) -> list[dict[str, Any]]:
    return [{"id": str(number), "createdDateTime": moment} for number, moment in enumerate(moments)]


def next_link(server: Any, token: str) -> str:
    return f"{server.url}/beta/auditLogs/signIns?$skiptoken={token}"


HOUR = "createdDateTime ge 2026-03-10T10:00:00Z and createdDateTime le 2026-03-10T11:00:00Z"
QUERIES = [
    ("interactive", "/beta/auditLogs/signIns", "1000", "createdDateTime",
     HOUR + " and signInEventTypes/any(t: t eq 'interactiveUser')"),
    ("managed_identity", "/beta/auditLogs/signIns", "1000", "createdDateTime",
     HOUR + " and signInEventTypes/any(t: t eq 'managedIdentity')"),
    ("interactive_v1", "/v1.0/auditLogs/signIns", "1000", "createdDateTime", HOUR),
    ("directory_audits", "/v1.0/auditLogs/directoryAudits", "999", "activityDateTime",
     "activityDateTime ge 2026-03-10T10:00:00Z and activityDateTime le 2026-03-10T11:00:00Z"),
    ("provisioning", "/v1.0/auditLogs/provisioning", "999", None,
     "activityDateTime gt 2026-03-10T09:59:59Z and activityDateTime lt 2026-03-10T11:00:00Z"),
    ("risk_detections", "/v1.0/identityProtection/riskDetections", "500", None,
     "lastUpdatedDateTime ge 2026-03-10T10:00:00Z and lastUpdatedDateTime le 2026-03-10T11:00:00Z"),
    ("risky_users", "/v1.0/identityProtection/riskyUsers", "500", None,
     "riskLastUpdatedDateTime ge 2026-03-10T10:00:00Z and riskLastUpdatedDateTime le 2026-03-10T11:00:00Z"),
]  # fmt: skip


@pytest.mark.parametrize(("stream", "path", "top", "order", "asked"), QUERIES, ids=[row[0] for row in QUERIES])
def test_the_query_of_a_stream(
    source: GraphSource, server: Any, stream: str, path: str, top: str, order: str, asked: str
) -> None:
    server.otherwise = lambda seen: page([])
    read(source, stream)
    seen = server.requests[0]
    assert seen.path.partition("?")[0] == path
    assert seen.query.get("$top") == top
    assert seen.query.get("$orderby") == order
    assert seen.query["$filter"] == asked


def test_times_are_not_quoted_and_nothing_is_left_unescaped(source: GraphSource, server: Any) -> None:
    """microsoft-graph-docs #14173; LimaCharlie's unescaped values."""
    server.otherwise = lambda seen: page([])
    read(source)
    raw = server.requests[0].path
    assert "%272026" not in raw
    assert not set(raw) & set(" '\"+()")


EDGES = [
    ("2026-03-10T09:59:59.9999999Z", False),
    ("2026-03-10T10:00:00Z", True),
    ("2026-03-10T10:00:00.0000001Z", True),
    ("2026-03-10T10:59:59.9999999Z", True),
    ("2026-03-10T11:00:00Z", False),
    ("2026-03-10T11:00:00.0000001Z", False),
    ("2026-03-10T12:30:00+02:00", True),
    ("2026-03-10T10:30:00", True),
    (None, True),
    ("", True),
    ("yesterday", True),
    (17, True),
]


@pytest.mark.parametrize(("moment", "given"), EDGES)
def test_a_window_is_half_open_to_the_seventh_digit_and_never_drops_what_it_cannot_read(
    source: GraphSource, server: Any, moment: object, given: bool
) -> None:
    server.otherwise = lambda seen: page(signins(moment))
    assert bool(read(source)) is given


@pytest.mark.parametrize("stream", ["non_interactive", "provisioning"])
@pytest.mark.parametrize("cut", [0, 1, 250_000, 999_999])
def test_neighbouring_windows_share_no_record_and_lose_none_even_when_graph_shows_whole_seconds(
    source: GraphSource, server: Any, stream: str, cut: int
) -> None:
    """The Splunk add-on's `gt <largest seen>` loses what shares a second with it."""
    field = STREAMS[stream].time_field
    stored = [times.of(utc(2026, 3, 10, 10, 0, 0)) + step * 1_234_567 for step in range(40)]

    def answer(seen: Seen) -> Answer:
        words = seen.query["$filter"].split()
        low, high = times.ticks(words[2]), times.ticks(words[6])
        keep = (lambda t: low <= t <= high) if words[1] == "ge" else (lambda t: low < t < high)
        shown = [{"id": str(t), field: times.iso(t - t % times.TICKS_A_SECOND)} for t in stored if keep(t)]
        return page(shown)

    server.otherwise = answer
    middle = utc(2026, 3, 10, 10, 0, 2).replace(microsecond=cut)
    first = read(source, stream, Window(utc(2026, 3, 10, 9), middle))
    second = read(source, stream, Window(middle, utc(2026, 3, 10, 11)))
    assert sorted(int(record["id"]) for record in first + second) == stored


def test_an_empty_page_with_a_next_link_is_not_the_end(source: GraphSource, server: Any) -> None:
    """The Splunk add-on stops there (`while items`)."""
    server.script.extend([page([], next_link(server, "a")), page([], next_link(server, "b")), page(signins(INSIDE))])
    pages = list(source.read(STREAMS["non_interactive"], WINDOW))
    assert [len(records) for records in pages] == [0, 0, 1]


def test_the_whole_next_link_is_followed_as_it_came(source: GraphSource, server: Any) -> None:
    link = f"{server.url}/beta/auditLogs/signIns?%24filter=a%20b&odd=%7B1%7D&$skiptoken=x%2By%3D%3D"
    server.script.extend([page([], link), page([])])
    read(source)
    assert server.requests[1].path == link[len(server.url) :]


def test_a_relative_next_link_is_followed(source: GraphSource, server: Any) -> None:
    server.script.extend([page([], "signIns?$skiptoken=b"), page([], "/beta/other?$skiptoken=c"), page([])])
    read(source)
    assert [seen.path for seen in server.requests[1:]] == [
        "/beta/auditLogs/signIns?$skiptoken=b", "/beta/other?$skiptoken=c",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "link", ["https://evil.example/x", "http://localhost:{port}/x", "https://127.0.0.1:{port}/x", "https://localhost/x"]
)
def test_a_next_link_to_another_host_never_gets_the_token(source: GraphSource, server: Any, link: str) -> None:
    server.otherwise = lambda seen: page([], link.format(port=server.url.rpartition(":")[2]))
    with pytest.raises(errors.DegradedError, match="not sent"):
        read(source)
    assert len(server.requests) == 1


def test_a_next_link_that_comes_again_ends_the_walk(source: GraphSource, server: Any) -> None:
    server.otherwise = lambda seen: page(signins(INSIDE), next_link(server, "abab"[len(server.requests) % 4]))
    with pytest.raises(errors.ReadAgainError, match="twice"):
        read(source)
    assert len(server.requests) <= 4


def test_a_walk_without_end_asks_for_a_smaller_window_instead_of_failing_for_ever(
    source: GraphSource, server: Any
) -> None:
    """graph2otel's page cap returns an error and never gets past it."""
    server.otherwise = lambda seen: page([], next_link(server, str(len(server.requests))))
    with pytest.raises(errors.WindowTooLargeError, match="20 pages"):
        read(source)
    assert len(server.requests) == 20


def test_pages_are_given_one_by_one_before_the_next_is_asked(source: GraphSource, server: Any) -> None:
    """A whole window in memory ends in Microsoft-Extractor-Suite #37."""
    server.otherwise = lambda seen: page(signins(INSIDE), next_link(server, str(len(server.requests))))
    pages = source.read(STREAMS["non_interactive"], WINDOW)
    next(pages)
    assert len(server.requests) == 1
    next(pages)
    assert len(server.requests) == 2


def test_what_was_given_before_a_fault_stays_given(source: GraphSource, server: Any) -> None:
    expired = error(400, "BadRequest", "Token not found: token is either invalid or expired")
    server.script.extend([page(signins(INSIDE), next_link(server, "a")), expired])
    pages = source.read(STREAMS["non_interactive"], WINDOW)
    assert len(next(pages)) == 1
    with pytest.raises(errors.ReadAgainError):
        next(pages)


def test_a_token_that_expires_in_the_middle_of_a_walk_is_replaced(
    source: GraphSource, server: Any, tokens: Any
) -> None:
    """The Splunk add-on, matano and goosetool fetch one token for the whole walk."""
    expired = error(401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.")
    server.script.extend([page([], next_link(server, "a")), expired, page(signins(INSIDE))])
    assert len(read(source)) == 1
    assert server.requests[2].path == server.requests[1].path


def test_a_large_page_is_not_dropped(source: GraphSource, server: Any) -> None:
    """Wazuh's module drops answers over 1 MB."""
    records = [{"id": str(n), "createdDateTime": INSIDE, "text": "x" * 3000} for n in range(1000)]
    server.otherwise = lambda seen: page(records)
    assert read(source) == records


def test_what_is_no_object_is_given_for_the_dead_letter_and_records_come_unchanged(
    source: GraphSource, server: Any
) -> None:
    raw = '{"value": [null, 3, {"id": "1", "createdDateTime": "AT", "id": "2", "x": {"y": [1.5, "\\ud83d"]}}]}'
    server.otherwise = lambda seen: Answer(200, raw.replace("AT", INSIDE, 1))
    nothing, number, record = read(source)
    assert (nothing, number) == (None, 3)
    assert record["id"] == "2"
    assert record["x"]["y"][0] == 1.5


MISSING = [
    error(400, "BadRequest", "Could not find a property named 'signInEventTypes' on type 'microsoft.graph.signIn'."),
    error(400, "BadRequest", "Resource not found for the segment 'signIns'."),
    error(400, "BadRequest", "Invalid version: beta"),
]


@pytest.mark.parametrize("missing", MISSING)
def test_a_cloud_without_beta_gives_interactive_sign_ins_by_v1_and_says_so_once(
    source: GraphSource, server: Any, missing: Answer, caplog: pytest.LogCaptureFixture, notes: Any
) -> None:
    server.otherwise = lambda seen: missing if seen.path.startswith("/beta") else page(signins(INSIDE))
    assert len(read(source, "interactive")) == 1
    assert len(read(source, "interactive")) == 1
    assert [seen.path.split("/")[1] for seen in server.requests] == ["beta", "v1.0", "v1.0"]
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1
    assert notes.counts["graph_fallbacks"] == 1


def test_two_windows_that_find_it_out_at_once_say_it_once(
    source: GraphSource, server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    both = threading.Barrier(2, timeout=10)

    def answer(seen: Seen) -> Answer:
        if seen.path.startswith("/v1.0"):
            return page(signins(INSIDE))
        both.wait()
        return MISSING[0]

    server.otherwise = answer
    with ThreadPoolExecutor(2) as pool:
        assert [len(found) for found in pool.map(lambda _: read(source, "interactive"), range(2))] == [1, 1]
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1


@pytest.mark.parametrize("missing", MISSING)
def test_a_stream_that_exists_in_beta_alone_degrades_there(source: GraphSource, server: Any, missing: Answer) -> None:
    server.otherwise = lambda seen: missing
    with pytest.raises(errors.DegradedError, match="does not offer"):
        read(source, "service_principal")


def test_an_empty_answer_beyond_retention_is_a_gap_not_a_quiet_day(source: GraphSource, server: Any) -> None:
    server.otherwise = lambda seen: page([])
    old = Window(NOW - timedelta(days=60), NOW - timedelta(days=59))
    with pytest.raises(errors.UnreachableRangeError) as caught:
        read(source, window=old)
    assert caught.value.oldest == NOW - timedelta(days=30)
    assert read(source, window=Window(NOW - timedelta(days=20), NOW - timedelta(days=19))) == []
    ancient = Window(NOW - timedelta(days=400), NOW - timedelta(days=399))
    assert read(source, "risky_users", window=ancient) == []


def test_what_graph_still_has_beyond_retention_is_given(source: GraphSource, server: Any) -> None:
    old = Window(NOW - timedelta(days=60), NOW - timedelta(days=59))
    server.otherwise = lambda seen: page(signins(times.iso(times.of(old.start))))
    assert len(read(source, window=old)) == 1


def test_windows_are_read_side_by_side(source: GraphSource, server: Any) -> None:
    both = threading.Barrier(2, timeout=10)

    def answer(seen: Seen) -> Answer:
        both.wait()
        return page(signins(INSIDE))

    server.otherwise = answer
    with ThreadPoolExecutor(2) as pool:
        assert [len(records) for records in pool.map(lambda _: read(source), range(2))] == [1, 1]


def test_the_budget_of_the_present_goes_before_backfill(source: GraphSource) -> None:
    def at(age: timedelta) -> int:
        return source._priority(Window(NOW - age - timedelta(hours=1), NOW - age))

    assert at(timedelta(minutes=2)) == at(timedelta(hours=24)) < at(timedelta(days=3))


@pytest.mark.parametrize(("behind", "refused"), [(0, False), (5 * 3600, False), (7 * 3600, True), (40 * 86400, True)])
def test_a_range_that_has_not_come_by_graphs_clock_is_not_read(
    source: GraphSource, server: Any, behind: int, refused: bool
) -> None:
    """With a clock that is days ahead all sweeps would be over before a record exists, and each would be lost."""
    served = format_datetime(WINDOW.end - timedelta(seconds=behind), usegmt=True)
    server.otherwise = lambda seen: Answer(body={"value": signins(INSIDE)}, headers={"Date": served})
    if refused:
        with pytest.raises(errors.AuthError, match="set the clock"):
            read(source)
    else:
        assert len(read(source)) == 1
