"""The HEC sink against a HEC server on loopback: what is sent, what each answer leads to, acknowledgement."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from entrawatch.config.model import Secret, SinkConfig
from entrawatch.errors import ConfigError, SinkRefusedError, SinkUnavailableError
from entrawatch.sinks import build

from .events import event, events
from .fakes import FakeClock
from .hec_server import HecServer, answer, busy_at, code, hang_up, store_and_hang_up

TOKEN = "c0ffee00-1111-2222-3333-444444444444"


def sink_for(hec: HecServer, clock: Any = None, stop: Any = None, **options: Any) -> Any:
    given = {"url": hec.url, "token": Secret(TOKEN), **options}
    config = SinkConfig("siem", "splunk_hec", given)
    return build(config, state_dir=Path("unused"), clock=clock or FakeClock(), stop=stop)


def ids(hec: HecServer) -> list[str]:
    return [item["event"]["id"] for item in hec.events()]


def numbered(*numbers: int) -> list[str]:
    return [f"id-{number}" for number in numbers]


def test_an_event_carries_its_time_its_sourcetype_and_the_configured_fields() -> None:
    with HecServer() as hec:
        sink = sink_for(hec, index="entra", host="collector-1", source="contoso")
        sink.write([event(5, stream="directory_audits"), event(6, stream="no_such_stream")])
        sink.close()
    first, second = hec.indexed
    assert first.pop("event") == event(5, stream="directory_audits")
    assert first == {
        "time": 1795514405.123, "index": "entra", "host": "collector-1", "source": "contoso",
        "sourcetype": "entrawatch:audit",
    }  # fmt: skip
    assert second["sourcetype"] == "entrawatch:event"


@pytest.mark.parametrize(
    ("stream", "sourcetype"),
    [
        ("interactive", "entrawatch:signin"), ("managed_identity", "entrawatch:signin"),
        ("directory_audits", "entrawatch:audit"), ("provisioning", "entrawatch:provisioning"),
        ("risk_detections", "entrawatch:risk_detection"), ("risky_users", "entrawatch:risky_object"),
    ],
)  # fmt: skip
def test_the_sourcetype_names_the_family(stream: str, sourcetype: str) -> None:
    with HecServer() as hec:
        sink_for(hec).write([event(1, stream=stream)])
    assert hec.indexed[0]["sourcetype"] == sourcetype


def test_the_envelope_is_sent_as_the_vendor_s_add_on_sends_it() -> None:
    envelope = {"time": "2026-11-24T10:00:00.5Z", "category": "SignInLogs", "properties": {"id": "x"},
                "entra": {"stream": "interactive", "revision": 1, "id": "x"}}  # fmt: skip
    with HecServer() as hec:
        sink = sink_for(hec, format="azure:monitor:aad")
        assert sink.shape == "envelope"
        sink.write([envelope])
    assert hec.indexed == [
        {"time": 1795514400.5, "source": "entrawatch", "sourcetype": "azure:monitor:aad", "event": envelope}
    ]
    with HecServer() as hec:
        assert sink_for(hec).shape == "event"


def test_an_event_without_a_readable_time_is_stored_without_one() -> None:
    with HecServer() as hec:
        sink_for(hec).write([{**event(1), "@timestamp": "soon"}])
    assert "time" not in hec.indexed[0]


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({"batch_events": 4}, [4, 4, 2]),
        ({"batch_bytes": 2000}, [3, 3, 3, 1]),
        ({}, [10]),
        ({"batch_bytes": 1}, [1] * 10),
    ],
)
def test_batches_are_cut_by_count_and_by_bytes(options: dict[str, int], sizes: list[int]) -> None:
    with HecServer() as hec:
        result = sink_for(hec, **options).write(events(10))
    assert result.stored == 10
    assert ids(hec) == numbered(*range(10))
    bodies = [body for path, _, body in hec.requests if path.endswith("/event")]
    assert [body.count(b'"sourcetype"') for body in bodies] == sizes
    limit = options.get("batch_bytes", 10**9)
    assert all(len(body) <= limit or body.count(b'"sourcetype"') == 1 for body in bodies)


@pytest.mark.parametrize("compress", [True, False])
def test_bodies_are_compressed_unless_told_otherwise(compress: bool) -> None:
    with HecServer() as hec:
        sink_for(hec, compress=compress).write(events(3))
    assert (hec.requests[0][1].get("Content-Encoding") == "gzip") is compress
    assert ids(hec) == numbered(0, 1, 2)


@pytest.mark.parametrize("acknowledge", [True, False])
def test_acknowledgement_follows_the_token(acknowledge: bool) -> None:
    with HecServer(acknowledge=acknowledge, polls=3) as hec:
        clock = FakeClock()
        assert sink_for(hec, clock).write(events(5)).stored == 5
        assert ids(hec) == numbered(*range(5))
    assert len([path for path, _, _ in hec.requests if "/ack" in path]) == (3 if acknowledge else 0)


def test_without_acknowledgement_in_time_nothing_counts_as_stored() -> None:
    with HecServer(acknowledge=True, polls=None) as hec:
        clock = FakeClock()
        with pytest.raises(SinkUnavailableError, match="acknowledged 1 requests within 30 s"):
            sink_for(hec, clock, acknowledge_seconds=30).write(events(2))
        assert 30 <= clock.monotonic() <= 31


def test_what_is_acknowledged_late_is_not_sent_again() -> None:
    with HecServer(acknowledge=True, polls=None) as hec:
        sink = sink_for(hec, acknowledge_seconds=1)
        with pytest.raises(SinkUnavailableError):
            sink.write(events(3))
        for requests in hec.waiting.values():
            for entry in requests.values():
                entry[0] = 1
        hec.polls = 1
        assert sink.write(events(4)).stored == 4
    assert ids(hec) == numbered(0, 1, 2, 3)


@pytest.mark.parametrize(("polls", "stored"), [(4, True), (None, False)])
def test_a_stop_ends_the_wait_for_acknowledgement_soon_but_not_at_once(polls: Any, stored: bool) -> None:
    """A batch that is given up comes twice after the restart, so the stop waits a little for it."""
    stop = threading.Event()
    stop.set()
    with HecServer(acknowledge=True, polls=polls) as hec:
        clock = FakeClock()
        sink = sink_for(hec, clock, stop)
        if stored:
            assert sink.write(events(2)).stored == 2
        else:
            with pytest.raises(SinkUnavailableError, match="before the stop"):
                sink.write(events(2))
    assert clock.monotonic() <= 5.1


def test_a_restarted_indexer_s_numbers_are_not_taken_for_the_old_ones() -> None:
    """The numbers begin again, so the second request gets the first one's ackId: only one of the two is indexed."""
    with HecServer(acknowledge=True) as hec:
        sink = sink_for(hec, batch_events=2)
        hec.faults.extend([lambda *_: False, lambda *_: bool(hec.restart())])
        with pytest.raises(SinkUnavailableError, match="restarted"):
            sink.write(events(4))
        assert sink.write(events(4)).stored == 4
    assert sorted(set(ids(hec))) == numbered(*range(4))


def test_a_number_from_before_a_restart_is_not_answered_by_one_from_after_it() -> None:
    """Two writes run out of time, the indexer restarting between them: both have ackId 0, and only one of the two is
    indexed then. Each write that failed has a channel of its own, so the answer is not mistaken."""
    with HecServer(acknowledge=True, polls=None) as hec:
        sink = sink_for(hec, acknowledge_seconds=1)
        for batch in (events(2), events(2, start=10)):
            with pytest.raises(SinkUnavailableError):
                sink.write(batch)
            if batch[0] == event(0):
                hec.restart()
        for requests in hec.waiting.values():
            requests[0][0] = 1
        hec.polls = 1
        sink.write(events(2))
        sink.write(events(2, start=10))
    assert sorted(ids(hec)) == sorted(numbered(0, 1, 10, 11))


def test_an_unanswered_question_for_acknowledgement_is_asked_again() -> None:
    with HecServer(acknowledge=True) as hec:
        hec.ack_faults.extend([code(503, 9), hang_up, answer(200, b'{"acks": {"x": true, "7": true}}')])
        assert sink_for(hec).write(events(3)).stored == 3
        assert ids(hec) == numbered(0, 1, 2)


@pytest.mark.parametrize(
    ("token_acknowledges", "acknowledge", "fault"),
    [(False, "always", "acknowledges nothing"), (True, "never", "set acknowledge to auto or always")],
)
def test_acknowledgement_that_does_not_fit_the_token_is_refused(
    token_acknowledges: bool, acknowledge: str, fault: str
) -> None:
    with HecServer(acknowledge=token_acknowledges) as hec, pytest.raises(SinkRefusedError, match=fault):
        sink_for(hec, acknowledge=acknowledge).write(events(2))


@pytest.mark.parametrize("first", [True, False], ids=["first-write", "later-write"])
@pytest.mark.parametrize("acknowledge", [True, False])
@pytest.mark.parametrize("names", [True, False])
@pytest.mark.parametrize("bad", [{3}, {0}, {9}, {2, 3, 8}, set(range(10))], ids=str)
def test_a_refused_event_comes_back_and_the_others_are_stored(
    first: bool, acknowledge: bool, names: bool, bad: set[int]
) -> None:
    def refuse(item: Any) -> Any:
        return 6 if int(item["event"]["id"][3:]) in bad else None

    with HecServer(acknowledge=acknowledge, refuse=refuse, names=names) as hec:
        sink = sink_for(hec)
        if not first:
            sink.write([event(100)])
        result = sink.write(events(10))
        sink.write([event(101)])
    kept = [number for number in range(10) if number not in bad]
    assert [item.event["event"]["id"] for item in result.rejected] == numbered(*sorted(bad))
    assert {item.reason for item in result.rejected} == {"refused by HEC: HTTP 400, code 6 (Invalid data format)"}
    assert result.stored == len(kept)
    assert set(ids(hec)) - {"id-100"} == set(numbered(101, *kept))
    if acknowledge or (names and not first):
        assert ids(hec) == numbered(*([] if first else [100]), *kept, 101), "each once, in order"


def test_a_batch_too_large_is_halved_and_an_event_too_large_comes_back() -> None:
    with HecServer(most_bytes=3000) as hec:
        result = sink_for(hec).write([*events(6), event(7, message="x" * 5000), event(8)])
    assert [item.event["event"]["id"] for item in result.rejected] == numbered(7)
    assert "HTTP 413" in result.rejected[0].reason
    assert ids(hec) == numbered(0, 1, 2, 3, 4, 5, 8)


def test_what_json_cannot_say_comes_back() -> None:
    with HecServer() as hec:
        result = sink_for(hec).write([event(0), event(1, odd={1, 2}), event(2)])
    assert [item.reason for item in result.rejected] == ["cannot be written as JSON (TypeError)"]
    assert ids(hec) == numbered(0, 2)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (code(503, 9), r"HTTP 503, code 9 \(Server is busy\)"),
        (code(500, 8), "HTTP 500, code 8"),
        (code(429, 26), "HTTP 429, code 26"),
        (code(503, 23), "HTTP 503, code 23"),
        (answer(502, b"<html>Bad gateway</html>"), "HTTP 502"),
        (answer(429), "HTTP 429"),
        (answer(200, b"<html>Sign in to the network</html>"), "not HEC's answer"),
        (answer(200, b'{"text": "Incorrect index", "code": 7}'), "not HEC's answer"),
        (answer(503, b'{"text": "Success", "code": 0}'), "HTTP 503"),
        (answer(599, b'{"code": 999}'), "HTTP 599, code 999"),
        (answer(200, b'{"code": "' + b"9" * 5000 + b'"}'), "not HEC's answer"),
        (answer(503, b'{"code": 9, "invalid-event-number": "' + b"9" * 5000 + b'"}'), "busy"),
        (answer(200, b'{"code": 0, "text": "' + b"x" * 5_000_000 + b'"}'), "not HEC's answer"),
        (answer(503, b"[" * 100_000), "HTTP 503"),
        (hang_up, "no answer"),
    ],
)
def test_a_busy_server_is_asked_again_later(fault: Any, reason: str) -> None:
    with HecServer() as hec:
        sink = sink_for(hec)
        hec.faults.append(fault)
        with pytest.raises(SinkUnavailableError, match=reason):
            sink.write(events(2))
        assert ids(hec) == []
        assert sink.write(events(2)).stored == 2
        assert ids(hec) == numbered(0, 1)


def test_an_answer_that_trickles_is_no_answer() -> None:
    def trickle(handler: Any, _: bytes) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        with suppress(OSError):
            for _ in range(60):
                handler.wfile.write(b" ")
                handler.wfile.flush()
                threading.Event().wait(0.05)
        handler.close_connection = True
        return True

    with HecServer() as hec:
        hec.faults.append(trickle)
        began = time.monotonic()
        with pytest.raises(SinkUnavailableError, match="no answer"):
            sink_for(hec, timeout_seconds=1.0).write(events(1))
        assert time.monotonic() - began < 2.5


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (code(403, 1), "check the token"), (code(401, 3), "check the token"), (code(403, 4), "check the token"),
        (code(400, 7), "create the index"), (answer(404), "HEC is enabled"), (answer(401), "check the token"),
        (answer(400, b"<html>plain HTTP on a TLS port</html>"), "HEC address"),
        (answer(302, Location="https://elsewhere.example/"), "redirect"), (answer(407), "proxy"), (answer(418), "418"),
    ],
)  # fmt: skip
def test_a_refusal_names_what_to_do(fault: Any, advice: str) -> None:
    with HecServer() as hec:
        hec.faults.append(fault)
        with pytest.raises(SinkRefusedError, match=advice) as caught:
            sink_for(hec).write(events(2))
    assert TOKEN not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_wait_the_server_asks_for_is_passed_on() -> None:
    for header, seconds in [("17", 17.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)]:
        with HecServer() as hec:
            hec.faults.append(answer(503, b"", Retry_After=header))
            with pytest.raises(SinkUnavailableError) as caught:
                sink_for(hec).write(events(1))
        assert caught.value.retry_after == seconds


@pytest.mark.parametrize("number", [24, 25])
def test_a_queue_that_fills_up_has_still_taken_the_events(number: int) -> None:
    with HecServer() as hec:
        hec.faults.append(answer(200, json.dumps({"text": "nearing capacity", "code": number}).encode()))
        assert sink_for(hec, acknowledge="never").write(events(2)).stored == 2


def test_the_part_of_a_failed_write_that_was_stored_is_not_sent_again() -> None:
    with HecServer() as hec:
        sink = sink_for(hec, batch_events=2)
        for fault in (code(503, 9), hang_up, code(503, 9)):
            hec.faults.extend([lambda *_: False, fault])
            with pytest.raises(SinkUnavailableError):
                sink.write(events(9))
        assert sink.write(events(9)).stored == 9
        assert ids(hec) == numbered(*range(9))
        sink.write(events(1))
        assert len(ids(hec)) == 10, "after a success nothing is held back"


@pytest.mark.parametrize("acknowledge", [True, False])
def test_another_stream_s_write_in_between_does_not_make_it_forget(acknowledge: bool) -> None:
    with HecServer(acknowledge=acknowledge) as hec:
        sink = sink_for(hec, batch_events=2, acknowledge_seconds=1)
        hec.faults.extend([lambda *_: False, code(503, 9)])
        with pytest.raises(SinkUnavailableError):
            sink.write(events(6))
        sink.write(events(2, start=50, stream="directory_audits"))
        sink.write(events(6))
        assert sorted(ids(hec)) == sorted(numbered(*range(6), 50, 51))
        before = len(hec.requests)
        sink.write(events(1, start=70))
        assert len(hec.requests) - before == (2 if acknowledge else 1), "no question for what is settled"


def test_a_busy_server_that_says_where_it_stopped_gets_the_rest() -> None:
    with HecServer() as hec:
        sink = sink_for(hec)
        sink.write(events(1))
        hec.faults.append(busy_at(5))
        with pytest.raises(SinkUnavailableError):
            sink.write(events(10, start=10))
        sink.write(events(10, start=10))
    found = ids(hec)
    assert set(found) == set(numbered(0, *range(10, 20)))
    assert len(found) == 12, "one in doubt is sent twice"


def test_an_answer_that_is_lost_costs_one_batch_twice_and_never_one_lost() -> None:
    with HecServer() as hec:
        sink = sink_for(hec)
        hec.faults.append(store_and_hang_up)
        with pytest.raises(SinkUnavailableError):
            sink.write(events(3))
        sink.write(events(3))
    assert sorted(ids(hec)) == sorted(numbered(0, 1, 2) * 2)


def test_check_asks_for_health_and_for_the_token_and_writes_nothing() -> None:
    with HecServer(acknowledge=True) as hec:
        sink_for(hec).check()
        assert hec.indexed == []
        hec.healthy = False
        with pytest.raises(SinkUnavailableError, match="queues are full"):
            sink_for(hec).check()
        hec.healthy, hec.token = True, "another"
        with pytest.raises(SinkRefusedError, match="Invalid token"):
            sink_for(hec).check()


def test_the_token_goes_in_the_header_and_nowhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password theirs\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with HecServer() as hec:
        sink = sink_for(hec)
        sink.write(events(1))
        path, headers, body = hec.requests[0]
    assert headers["Authorization"] == f"Splunk {TOKEN}"
    assert TOKEN not in path
    assert TOKEN.encode() not in body
    assert TOKEN not in repr(vars(sink)) + repr(vars(sink._client)) + repr(vars(sink._client._session))


def test_an_unreachable_server_is_unavailable() -> None:
    with HecServer() as hec:
        sink = sink_for(hec)
    with pytest.raises(SinkUnavailableError, match=r"no answer from http://127\.0\.0\.1") as caught:
        sink.write(events(1))
    assert TOKEN not in str(caught.value)


def test_plain_http_to_this_machine_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would read the token, and ask itself for "localhost"."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    with HecServer() as hec:
        for proxy in ({}, {"proxy": "http://127.0.0.1:1"}):
            sink_for(hec, **proxy).write(events(1))
        assert len(hec.requests) == 2


def test_the_certificate_is_verified_against_the_given_bundle_alone(tls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with HecServer(tls=tls.context) as hec:
        with pytest.raises(SinkRefusedError, match="ca_bundle"):
            sink_for(hec).write(events(1))
        # An environment variable that names another bundle does not win over the configured one.
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.other_ca))
        assert sink_for(hec, ca_bundle=str(tls.ca)).write(events(1)).stored == 1


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"url": "http://splunk.example.com:8088"}, "plain http to splunk.example.com"),
        ({"url": "ftp://splunk.example.com"}, "is no URL"),
        ({"url": "https://[::1"}, "is no URL"),
        ({"url": "https://user:pw@splunk.example.com"}, "has a user, a password"),
        ({"url": None}, "url is missing"),
        ({"token": "plain text"}, "token is no secret"),
        ({"batch_events": 0}, "batch_events is below 1"),
        ({"batch_events": True}, "batch_events is no whole number"),
        ({"timeout_seconds": "5"}, "timeout_seconds is no number"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds is no number"),
        ({"timeout_seconds": float("inf")}, "timeout_seconds is above"),
        ({"timeout_seconds": 1e300}, "timeout_seconds is above"),
        ({"batch_bytes": 10**30}, "batch_bytes is above"),
        ({"url": "https://splunk.example.com:99999"}, "is no URL"),
        ({"token": Secret("t\u00f6ken-\u20ac")}, "no HEC token has"),
        ({"token": Secret("token\r\nX-Header: 1")}, "no HEC token has"),
        ({"format": "raw"}, "format is none of normalized, azure:monitor:aad"),
        ({"verify": False}, "verify is no option"),
        ({"compress": "yes"}, "compress is no bool"),
    ],
)
def test_a_faulty_option_is_named_and_no_value_of_a_secret_is(options: dict[str, Any], fault: str) -> None:
    given = {"url": "https://splunk.example.com:8088", "token": Secret(TOKEN), **options}
    with pytest.raises(ConfigError, match=fault) as caught:
        build(SinkConfig("siem", "splunk_hec", given), state_dir=Path("unused"))
    assert all(line.startswith("sinks.siem: ") for line in caught.value.faults)
    assert TOKEN not in str(caught.value)
    assert "plain text" not in str(caught.value)


def test_the_collector_s_path_may_stand_in_the_url() -> None:
    with HecServer() as hec:
        sink_for(hec, url=hec.url + "/services/collector/event").write(events(1))
        assert [path for path, _, _ in hec.requests] == ["/services/collector/event"]
