"""The policy's table at the client's door: what each refusal becomes, how often it is tried, how long is waited."""

from __future__ import annotations

import dataclasses
import gc
import logging
import threading
from datetime import timedelta
from typing import Any

import pytest
from tests.graph.conftest import NOW, with_graph
from tests.graph.server import Answer, error, page

from entrawatch import errors
from entrawatch.clock import SystemClock
from entrawatch.graph import policy
from entrawatch.graph.budget import UNLIMITED, Budgets
from entrawatch.graph.client import GraphClient
from entrawatch.graph.paging import walk
from entrawatch.schema.streams import STREAMS

ASK = policy.Ask("non_interactive", stream=STREAMS["non_interactive"], start=NOW - timedelta(days=1))
OLD = dataclasses.replace(ASK, start=NOW - timedelta(days=95))
HTML = Answer(403, "<html><body>Access denied</body></html>", {"Content-Type": "text/html"})

#: name of the row, the answer, the error it ends in, how often it was sent, what the message says
REFUSALS: list[tuple[str, Answer, type[Exception], int, str]] = [
    ("skip_token", error(400, "BadRequest", "Token not found: token is either invalid or expired"),
     errors.ReadAgainError, 1, "read again"),
    ("skip_token", error(400, "generalException", "Invalid Skip Token, skip token is null"),
     errors.ReadAgainError, 1, "read again"),
    ("skip_token", error(404, "DirectoryPageTokenNotFoundException", "m"), errors.ReadAgainError, 1, "read again"),
    ("skip_token", error(400, "Directory_ExpiredPageToken", "m"), errors.ReadAgainError, 1, "read again"),
    ("skip_token", error(500, "InternalServerError", "Skiptoken has expired"), errors.ReadAgainError, 1, "read again"),
    ("version", error(400, "BadRequest", "Could not find a property named 'signInEventTypes' on type 'm.g.signIn'."),
     policy.VersionMissingError, 1, "signInEventTypes"),
    ("version", error(400, "BadRequest", "Resource not found for the segment 'signIns'."),
     policy.VersionMissingError, 1, "segment"),
    ("token", error(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."),
     errors.AuthError, 2, "InvalidAuthenticationToken"),
    ("licence", error(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
                      "Neither tenant is B2C or tenant doesn't have premium license"),
     errors.DegradedError, 3, "Entra ID P1"),
    ("permission", error(403, "Authentication_MSGraphPermissionMissing",
                         "The principal does not have required Microsoft Graph permission(s): AuditLog.Read.All"),
     errors.DegradedError, 2, "grant AuditLog.Read.All"),
    ("permission", error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
     errors.DegradedError, 2, "grant AuditLog.Read.All"),
    ("role", error(403, "UnknownError", "User is not in the allowed roles"), errors.DegradedError, 1, "Reports Reader"),
    ("gateway", HTML, errors.DegradedError, 3, "gateway"),
    ("forbidden", error(403, "AccessDenied", "no"), errors.DegradedError, 2, "AccessDenied"),
    ("throttled", error(429, "TooManyRequests"), errors.ThrottledError, 6, "throttles"),
    ("timeout", error(504, "UnknownError"), errors.WindowTooLargeError, 3, "504"),
    ("timeout", error(408, "RequestTimeout"), errors.WindowTooLargeError, 3, "408"),
    ("server", error(503, "ServiceUnavailable"), errors.TransientError, 5, "503"),
    ("server", error(500, "InternalServerError"), errors.TransientError, 5, "500"),
    ("server", Answer(502, "<html>Bad gateway</html>"), errors.TransientError, 5, "502"),
    ("malformed", Answer(200, '{"value": [{"id": "1", "category": }]}'), errors.WindowTooLargeError, 3, "JSON"),
    ("malformed", Answer(200, '{"value": [{"id"'), errors.WindowTooLargeError, 3, "JSON"),
    ("malformed", Answer(200, b""), errors.WindowTooLargeError, 3, "JSON"),
    ("malformed", Answer(200, '{"value": null}'), errors.WindowTooLargeError, 3, "no list"),
    ("malformed", Answer(200, "[]"), errors.WindowTooLargeError, 3, "no list"),
    ("redirect", Answer(302, b"", {"Location": "https://elsewhere.example/v1.0"}), errors.DegradedError, 1, "host"),
    ("redirect", Answer(307, b"", {}), errors.DegradedError, 1, "redirect"),
    ("missing", error(404, "NotFound", "nothing here"), policy.NotThereError, 1, "graph.cloud"),
    ("refused", error(400, "BadRequest", "Invalid page size specified: '1000'."), policy.NotThereError, 1, "page size"),
    ("refused", Answer(400, "no json"), policy.NotThereError, 1, "400"),
]  # fmt: skip


def ids(rows: list[Any]) -> list[str]:
    return [f"{row[0]}-{row[1].status}-{number}" for number, row in enumerate(rows)]


@pytest.mark.parametrize(("row", "answer", "kind", "sent", "says"), REFUSALS, ids=ids(REFUSALS))
def test_a_refusal_becomes_its_error(
    client: GraphClient, server: Any, row: str, answer: Answer, kind: type[Exception], sent: int, says: str
) -> None:
    server.otherwise = lambda seen: answer
    with pytest.raises(errors.SourceError) as caught:
        client.page(server.url + "/beta/auditLogs/signIns?$skiptoken=abc", ASK)
    if row == "redirect" and not answer.headers:  # its own URL again: followed, but not for ever
        sent = 4
    assert type(caught.value) is kind
    assert len(server.requests) == sent
    line = str(caught.value)
    assert says in line
    assert line.startswith("tenant contoso: non_interactive: ")
    assert "\n" not in line
    assert "skiptoken=abc" not in line


def test_every_row_but_the_last_has_a_case() -> None:
    covered = {case[0] for case in REFUSALS} | {"too_old", "too_long", "unreachable"}
    assert covered == {row.name for row in policy.TABLE} - {"unknown"}


def test_a_start_before_what_graph_keeps_is_out_of_reach_and_a_young_one_is_not(
    client: GraphClient, server: Any
) -> None:
    server.otherwise = lambda seen: error(400, "BadRequest", "Invalid filter clause")
    with pytest.raises(errors.UnreachableRangeError, match="30 days"):
        client.page(server.url + "/x", OLD)
    with pytest.raises(errors.DegradedError, match="Invalid filter clause"):
        client.page(server.url + "/x", ASK)


RETRIED = [case for case in REFUSALS if case[3] > 1]


@pytest.mark.parametrize(("row", "answer", "kind", "sent", "says"), RETRIED, ids=ids(RETRIED))
def test_what_passes_by_itself_goes_unnoticed(
    client: GraphClient, server: Any, row: str, answer: Answer, kind: type[Exception], sent: int, says: str
) -> None:
    server.script.extend([answer] * (sent - 1))
    server.script.append(page([{"id": "1"}]))
    assert client.page(server.url + "/x", ASK)["value"] == [{"id": "1"}]


def test_a_401_is_answered_with_a_new_token(client: GraphClient, server: Any, tokens: Any) -> None:
    server.script.extend([error(401, "InvalidAuthenticationToken"), page([])])
    client.page(server.url + "/x", ASK)
    assert [seen.headers["Authorization"] for seen in server.requests] == ["Bearer fixed1", "Bearer fixed2"]
    assert tokens.renewed == ["fixed1"]


def test_a_permission_granted_meanwhile_needs_a_new_token(client: GraphClient, server: Any, tokens: Any) -> None:
    server.script.extend([error(403, "Authorization_RequestDenied", "Insufficient privileges"), page([])])
    client.page(server.url + "/x", ASK)
    assert tokens.renewed == ["fixed1"]


WAITS = [
    ({"Retry-After": "7"}, 7.0),
    ({"Retry-After": "2.128"}, 2.128),
    ({"Retry-After": "0"}, 0.0),
    ({"Retry-After": "-5"}, 0.0),
    # the service's clock is an hour ahead of ours: its date is meant by its clock
    ({"Date": "Tue, 10 Mar 2026 13:00:00 GMT", "Retry-After": "Tue, 10 Mar 2026 13:00:09 GMT"}, 9.0),
    ({"Date": "", "Retry-After": "Tue, 10 Mar 2026 12:00:08 GMT"}, 8.0),
    ({"Date": "Tue, 10 Mar 2026 12:00:00 GMT", "Retry-After": "Tue, 10 Mar 2026 11:00:00 GMT"}, 0.0),
    ({"Retry-After": "soon"}, None),
    ({"Retry-After": "nan"}, None),
    ({"Retry-After": "inf"}, None),
    ({}, None),
]


@pytest.mark.parametrize(("headers", "seconds"), WAITS)
@pytest.mark.parametrize(("status", "first_pause"), [(429, 10.0), (503, 1.0), (504, 2.0)])
def test_retry_after_in_every_spelling(
    client: GraphClient,
    server: Any,
    clock: Any,
    headers: dict[str, str],
    seconds: float,
    status: int,
    first_pause: float,
) -> None:
    server.script.extend([Answer(status, b"", headers), page([])])
    client.page(server.url + "/x", ASK)
    assert clock.passed == pytest.approx(first_pause if seconds is None else seconds)


def test_pauses_double_are_capped_and_jittered_downwards(
    tenant: Any, tokens: Any, clock: Any, notes: Any, server: Any
) -> None:
    client = GraphClient(
        tenant, tokens, clock=clock, observer=notes, budgets=Budgets(clock, notes, UNLIMITED), chance=lambda: 0.999
    )
    server.otherwise = lambda seen: Answer(500)
    with pytest.raises(errors.TransientError):
        client.page(server.url + "/x", ASK)
    assert clock.slept == pytest.approx([0.5, 1, 2, 4], rel=0.01)
    client.close()


def test_a_pause_longer_than_five_minutes_is_left_to_the_loop(client: GraphClient, server: Any, clock: Any) -> None:
    server.otherwise = lambda seen: error(429, "TooManyRequests", Retry_After="900")
    with pytest.raises(errors.ThrottledError) as caught:
        client.page(server.url + "/x", ASK)
    assert caught.value.retry_after == 900
    assert len(server.requests) == 1
    assert clock.passed == 0


@pytest.mark.parametrize("asked", ["999999999", "99999999999999", "1e300", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_pause_of_years_is_believed(client: GraphClient, server: Any, asked: str) -> None:
    server.otherwise = lambda seen: error(429, "TooManyRequests", Retry_After=asked)
    with pytest.raises(errors.ThrottledError) as caught:
        client.page(server.url + "/x", ASK)
    assert caught.value.retry_after == 3600


def test_mixed_refusals_do_not_go_on_for_ever(client: GraphClient, server: Any) -> None:
    throttled = Answer(429, b"", {"Retry-After": "0"})
    server.script.extend([throttled] * 5 + [Answer(500)] * 4 + [Answer(504)] * 2 + [Answer(200, "{")] * 2 + [page([])])
    with pytest.raises(errors.SourceError):
        client.page(server.url + "/x", ASK)
    assert len(server.requests) == 12


def test_a_body_that_trickles_is_a_time_out(tenant: Any, tokens: Any, notes: Any, server: Any) -> None:
    clock = SystemClock()
    client = GraphClient(
        with_graph(tenant, timeout=0.15), tokens, clock=clock, observer=notes, budgets=Budgets(clock, notes, UNLIMITED)
    )
    trickle = dataclasses.replace(page(["x" * 500]), drip=0.02)
    began = clock.monotonic()
    server.script.extend([trickle, page([{"id": "1"}])])
    assert client.page(server.url + "/x", ASK)["value"] == [{"id": "1"}]
    assert clock.monotonic() - began < 8  # the whole body would have taken ten seconds
    client.close()


def test_a_stop_ends_the_waiting(tenant: Any, tokens: Any, clock: Any, notes: Any, server: Any) -> None:
    stop = threading.Event()
    stop.set()
    client = GraphClient(
        tenant, tokens, clock=clock, observer=notes, budgets=Budgets(clock, notes, UNLIMITED), stop=stop
    )
    server.otherwise = lambda seen: Answer(500)
    with pytest.raises(errors.TransientError, match="stopped"):
        client.page(server.url + "/x", ASK)
    assert len(server.requests) == 1
    client.close()


def test_a_redirect_on_the_same_host_is_followed(client: GraphClient, server: Any) -> None:
    server.script.extend([Answer(302, b"", {"Location": "/beta/moved"}), page([])])
    client.page(server.url + "/x", ASK)
    assert [seen.path for seen in server.requests] == ["/x", "/beta/moved"]


#: places the token must not go to; with the backslash, Python's parser reads localhost and requests reads 127.0.0.1
ELSEWHERE = [
    "https://127.0.0.1:{port}/y", "http://localhost:{port}/y", "//evil.example/y", "https://localhost:1/y",
    "https://127.0.0.1:{port}\\@localhost:{port}/y", "https://localhost:{port}@127.0.0.1:{port}/y",
    "https://user:pass@localhost:{port}/y", "https://localhost:x/y",
]  # fmt: skip


@pytest.mark.parametrize("link", ELSEWHERE)
def test_a_next_link_elsewhere_never_gets_the_token(client: GraphClient, server: Any, link: str) -> None:
    port = server.url.rpartition(":")[2]
    server.otherwise = lambda seen: page([], link.format(port=port))
    with pytest.raises(errors.DegradedError, match="not sent"):
        list(walk(client, server.url + "/x", ASK))
    assert [seen.path for seen in server.requests] == ["/x"]


@pytest.mark.parametrize("location", ELSEWHERE)
def test_a_redirect_elsewhere_never_gets_the_token(client: GraphClient, server: Any, location: str) -> None:
    port = server.url.rpartition(":")[2]
    server.otherwise = lambda seen: Answer(302, b"", {"Location": location.format(port=port)})
    with pytest.raises(errors.DegradedError, match="not sent"):
        client.page(server.url + "/x", ASK)
    assert len(server.requests) == 1


def test_requests_say_who_asks_and_want_new_enum_members(client: GraphClient, server: Any) -> None:
    server.otherwise = lambda seen: page([])
    client.page(server.url + "/x", ASK)
    headers = server.requests[0].headers
    assert headers["Prefer"] == "include-unknown-enum-members"
    assert headers["User-Agent"].startswith("Entrawatch/")


def test_netrc_does_not_replace_the_token(client: GraphClient, server: Any, tmp_path: Any, monkeypatch: Any) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.otherwise = lambda seen: page([])
    client.page(server.url + "/x", ASK)
    assert server.requests[0].headers["Authorization"] == "Bearer fixed1"


def test_a_page_beyond_the_bound_is_not_read_into_memory(
    tenant: Any, tokens: Any, clock: Any, notes: Any, server: Any
) -> None:
    client = GraphClient(
        tenant, tokens, clock=clock, observer=notes, budgets=Budgets(clock, notes, UNLIMITED), largest_page=1000
    )
    server.otherwise = lambda seen: page(["x" * 2000])
    with pytest.raises(errors.WindowTooLargeError, match="1000 bytes"):
        client.page(server.url + "/x", ASK)
    client.close()


def test_an_answer_that_breaks_off_is_asked_again(client: GraphClient, server: Any) -> None:
    server.script.extend([dataclasses.replace(page([{"id": "1"}] * 50), cut=100), page([{"id": "2"}])])
    assert client.page(server.url + "/x", ASK)["value"] == [{"id": "2"}]


def test_no_answer_in_time_asks_for_a_smaller_window(
    tenant: Any, tokens: Any, clock: Any, notes: Any, server: Any
) -> None:
    client = GraphClient(
        with_graph(tenant, timeout=0.1), tokens, clock=clock, observer=notes, budgets=Budgets(clock, notes, UNLIMITED)
    )
    server.script.extend([dataclasses.replace(page([]), delay=0.3), dataclasses.replace(page([]), drip=0.3)] * 2)
    with pytest.raises(errors.WindowTooLargeError, match="in time"):
        client.page(server.url + "/x", ASK)
    client.close()


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        ({"url": "https://localhost:1"}, "refused"),
        ({"ca_bundle": None}, "certificate"),
        ({"proxy": "http://user@localhost:1"}, "proxy"),
    ],
)
def test_a_network_fault_is_explained_and_transient(
    tenant: Any, tokens: Any, clock: Any, notes: Any, graph: dict[str, Any], says: str, monkeypatch: Any
) -> None:
    from entrawatch.config.model import Secret

    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    tenant = with_graph(tenant, **graph, proxy_password=Secret("pr0xy/pass"))
    client = GraphClient(tenant, tokens, clock=clock, observer=notes, budgets=Budgets(clock, notes, UNLIMITED))
    with pytest.raises(errors.TransientError) as caught:
        client.page(tenant.graph.url + "/x?$skiptoken=abc", ASK)
    assert says in str(caught.value).lower()
    assert "pr0xy" not in str(caught.value)
    assert "abc" not in str(caught.value)
    client.close()


def test_post_is_not_repeated_after_a_failure_for_it_may_have_worked(client: GraphClient, server: Any) -> None:
    server.otherwise = lambda seen: Answer(500)
    with pytest.raises(errors.TransientError):
        client.call("POST", server.url + "/v1.0/applications", ASK, {"displayName": "x"})
    assert len(server.requests) == 1
    assert server.requests[0].json == {"displayName": "x"}


def test_no_log_holds_a_token(client: GraphClient, server: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.script.extend([error(401, "InvalidAuthenticationToken"), page([])])
    client.page(server.url + "/x", ASK)
    assert caplog.records
    assert "fixed1" not in caplog.text
    assert "fixed2" not in caplog.text


def test_a_stream_that_is_read_is_counted(client: GraphClient, server: Any, notes: Any) -> None:
    server.script.extend([Answer(500), page([])])
    client.page(server.url + "/x", ASK)
    assert notes.counts["graph_requests"] == 2
    assert notes.counts["graph_refusals"] == 1


def test_connections_go_with_the_thread_that_used_them(client: GraphClient, server: Any) -> None:
    server.otherwise = lambda seen: page([])
    for _ in range(3):
        thread = threading.Thread(target=client.page, args=(server.url + "/x", ASK))
        thread.start()
        thread.join()
    gc.collect()
    assert len(client._sessions) == 0
