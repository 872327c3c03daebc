"""The Elasticsearch sink through the official client, against a server on loopback that can misbehave."""

from __future__ import annotations

import base64
import json
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("elasticsearch")

from entrawatch.config.model import Secret, SinkConfig
from entrawatch.errors import ConfigError, SinkRefusedError, SinkUnavailableError
from entrawatch.sinks import build

from .elastic_server import CREATED, ElasticServer, answer, error, hang_up, store_and_cut
from .events import event, events
from .fakes import FakeClock

STREAM = "logs-azure.signinlogs-entrawatch"
CONFLICT = "version_conflict_engine_exception"


def sink_for(server: ElasticServer, *, clock: Any = None, stop: Any = None, **options: Any) -> Any:
    config = SinkConfig("es", "elasticsearch", {"hosts": server.url, **options})
    return build(config, state_dir=Path("unused"), clock=clock or FakeClock(), stop=stop)


def busy_once(status: int, *numbers: int) -> Any:
    """These documents are turned away the first time they come."""
    ids = {f"id-{number}" for number in numbers}
    kind = {"type": "es_rejected_execution_exception", "reason": "queue full"}
    return lambda document, before: (status, kind) if document["event"]["id"] in ids and before == 0 else None


def test_an_event_becomes_a_document_of_its_data_set() -> None:
    with ElasticServer() as server:
        result = sink_for(server, namespace="tenant_a").write([event(1), event(1, revision=2), event(1, revision=3)])
        assert (result.stored, result.duplicates, result.rejected) == (3, 0, ())
        ((_, _, held),) = server.streams["logs-azure.signinlogs-tenant_a"]
        assert list(held) == ["id-1", "id-1:2", "id-1:3"]
        assert held["id-1"] == {
            **event(1),
            "event": {**event(1)["event"], "ingested": "2026-11-24T12:00:00.000Z"},
            "data_stream": {"type": "logs", "dataset": "azure.signinlogs", "namespace": "tenant_a"},
        }


def test_the_callers_events_are_not_touched() -> None:
    given = [event(1)]
    with ElasticServer() as server:
        sink_for(server).write(given)
    assert given == [event(1)]


def test_what_is_there_already_is_a_duplicate() -> None:
    with ElasticServer() as server:
        sink = sink_for(server)
        sink.write(events(3))
        result = sink.write([*events(5), event(4)])
        assert (result.stored, result.duplicates, result.rejected) == (2, 4, ())


@pytest.mark.parametrize("status", [429, 503, 500, 408])
def test_only_what_was_turned_away_is_sent_again(status: int) -> None:
    clock = FakeClock()
    with ElasticServer(refuse=busy_once(status, 1, 3)) as server:
        result = sink_for(server, clock=clock).write(events(5))
        assert (result.stored, result.duplicates) == (5, 0)
        assert server.bulks() == [[f"id-{n}" for n in range(5)], ["id-1", "id-3"]]
        assert 0.5 <= clock.monotonic() <= 1.0


def test_documents_that_stay_turned_away_make_the_batch_come_again() -> None:
    clock = FakeClock()
    with ElasticServer(refuse=lambda document, _: (429, {"type": "busy", "reason": "full"})) as server:
        with pytest.raises(SinkUnavailableError, match=r"sinks\.es: 2 documents were turned away, 429 busy: full"):
            sink_for(server, clock=clock).write(events(2))
        assert len(server.bulks()) == 5
        assert 7.5 <= clock.monotonic() <= 15


def test_a_stop_ends_the_waiting() -> None:
    stop = threading.Event()
    stop.set()
    with ElasticServer(refuse=busy_once(429, 0)) as server, pytest.raises(SinkUnavailableError):
        sink_for(server, stop=stop).write(events(1))
    assert len(server.bulks()) == 1


def test_a_document_the_mapping_refuses_is_rejected_with_the_reason() -> None:
    parsing = {
        "type": "document_parsing_exception", "reason": "failed to parse field [x]",
        "caused_by": {"type": "illegal_argument_exception", "reason": "'abc' is not an IP"},
    }  # fmt: skip
    with ElasticServer(
        refuse=lambda document, _: (400, parsing) if document["event"]["id"] == "id-1" else None
    ) as server:
        result = sink_for(server).write(events(3))
        assert result.stored == 2
        (rejected,) = result.rejected
        assert rejected.event == event(1)
        assert rejected.reason == "document_parsing_exception: failed to parse field [x] ('abc' is not an IP)"
        assert len(server.bulks()) == 1


def test_a_document_in_the_failure_store_is_rejected() -> None:
    def to_failure_store(handler: Any, body: bytes) -> bool:
        done = handler.elastic.bulk(body)
        done["items"][0]["create"]["failure_store"] = "used"
        return answer(200, json.dumps(done).encode())(handler, body)

    with ElasticServer() as server:
        server.faults.append(to_failure_store)
        result = sink_for(server).write(events(2))
        assert (result.stored, [r.event for r in result.rejected]) == (1, [event(0)])


@pytest.mark.parametrize("broken", [
    {"event": {"id": ""}}, {"event": {"id": "x" * 513}}, {"event": {"id": "é" * 257}}, {"event": {"id": 7}},
    {"event": {}}, {"data_stream": {}}, {"data_stream": None}, {"entra": None},
])  # fmt: skip
def test_an_event_without_id_or_place_is_rejected_and_the_others_stored(broken: dict[str, Any]) -> None:
    with ElasticServer() as server:
        result = sink_for(server).write([event(1, **broken), event(2)])
        assert (result.stored, [r.event for r in result.rejected]) == (1, [event(1, **broken)])


REFUSED = {
    "401": (error(401, "security_exception", "unable to authenticate"), "check api_key"),
    "403": (error(403, "security_exception", "action is unauthorized"), "privileges create_doc"),
    "404": (error(404, "index_not_found_exception"), "entrawatch setup elasticsearch"),
    "version": (error(400, "media_type_header_exception", "Accept version must be 7"), "8.13 or later"),
    "redirect": (answer(302, b"", Location="http://evil.example/"), "answered 302"),
    "product": (answer(200, b"{}", X_Elastic_Product="OpenSearch"), "not Elasticsearch"),
}
UNAVAILABLE = {
    "429": error(429, "circuit_breaking_exception"),
    "503": error(503, "cluster_block_exception", "no master"),
    "502": answer(502, b"<html>bad gateway</html>", "text/html"),
    "no json": answer(200, b'{"items": ['),
    "empty": answer(200, b""),
    "html": answer(200, b"<html>log in</html>", "text/html"),
    "a list": answer(200, b"[1, 2]"),
    "no items": answer(200, b'{"took": 1, "errors": false}'),
    "odd items": answer(200, b'{"took": 1, "errors": false, "items": [{}, 1, null]}'),
    "other op": answer(200, b'{"took": 1, "errors": false, "items": [{"index": {"status": 201}}]}'),
    "text status": answer(200, b'{"errors": false, "items": [{"create": {"status": "201"}}]}'),
    "too few items": answer(200, b'{"took": 1, "errors": false, "items": [{"create": {"status": 201}}]}'),
    "reset": hang_up,
    "cut": store_and_cut,
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_says_what_to_mend(case: str) -> None:
    fault, advice = REFUSED[case]
    with ElasticServer() as server:
        server.faults.append(fault)
        with pytest.raises(SinkRefusedError, match=advice) as caught:
            sink_for(server).write(events(2))
    assert str(caught.value).startswith("sinks.es: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", UNAVAILABLE)
def test_after_a_fault_the_same_batch_comes_again_and_is_there_once(case: str) -> None:
    with ElasticServer() as server:
        sink = sink_for(server)
        server.faults.append(UNAVAILABLE[case])
        with pytest.raises(SinkUnavailableError) as caught:
            sink.write(events(20))
        assert str(caught.value).startswith("sinks.es: ")
        result = sink.write(events(20))
        assert result.stored + result.duplicates == 20
        assert sorted(server.ids()) == sorted(f"id-{n}" for n in range(20))


@pytest.mark.parametrize(("header", "pause"), [("17", 17.0), ("soon", None), (None, None)])
def test_retry_after_is_handed_on(header: Any, pause: Any) -> None:
    with ElasticServer() as server:
        server.faults.append(error(429, "busy", **({"Retry_After": header} if header else {})))
        with pytest.raises(SinkUnavailableError) as caught:
            sink_for(server).write(events(1))
    assert caught.value.retry_after == pause


def test_a_cluster_that_is_not_there_is_unavailable() -> None:
    with ElasticServer() as server:
        sink = sink_for(server)
    with pytest.raises(SinkUnavailableError, match=r"refused"):
        sink.write(events(1))


def test_a_node_that_does_not_answer_is_passed_over() -> None:
    with ElasticServer() as gone:
        pass
    with ElasticServer() as server:
        sink = sink_for(server, hosts=f"{gone.url}, {server.url}")
        assert sum(sink.write([event(n)]).stored for n in range(4)) == 4


@pytest.mark.parametrize(("status", "kind"), [
    (404, "index_not_found_exception"), (403, "security_exception"), (400, "validation_exception"),
    (400, "invalid_index_name_exception"),
])  # fmt: skip
def test_a_stream_that_takes_no_document_is_a_refusal_not_a_dead_letter(status: int, kind: str) -> None:
    message = f"{STREAM} does not take documents, {kind}: no"
    with ElasticServer(refuse=lambda *_: (status, {"type": kind, "reason": "no"})) as server:
        sink = sink_for(server)
        with pytest.raises(SinkRefusedError, match=message):
            sink.write(events(2))


def test_a_request_too_large_is_sent_in_smaller_ones_and_a_document_too_large_is_rejected() -> None:
    big = event(100, message="x" * 30_000)
    with ElasticServer(most_bytes=20_000) as server:
        result = sink_for(server, batch_bytes=1_000_000).write([*events(50), big, *events(50, 200)])
        assert result.stored == 100
        assert [(r.event, r.reason) for r in result.rejected] == [(big, "larger than the server takes (413)")]
        assert len(set(server.ids())) == 100


def test_requests_keep_to_the_bytes_that_were_configured() -> None:
    with ElasticServer() as server:
        assert sink_for(server, batch_bytes=5000).write(events(40)).stored == 40
        sizes = [len(body) for _, path, _, body in server.requests if path == "/_bulk"]
    assert len(sizes) > 1
    assert max(sizes) <= 5000


@pytest.mark.parametrize("compress", [True, False])
def test_the_request_asks_for_a_data_stream_and_is_compressed_as_configured(compress: bool) -> None:
    with ElasticServer() as server:
        sink_for(server, compress=compress).write(events(1))
        headers = next(headers for _, path, headers, _ in server.requests if path == "/_bulk")
        assert "require_data_stream=true" in server.queries["/_bulk"]
    assert headers.get("content-encoding") == ("gzip" if compress else None)


def test_an_observer_learns_of_bytes_seconds_and_retries() -> None:
    seen: list[tuple[str, float]] = []

    class Watching:
        def count(self, name: str, amount: float = 1, **labels: str) -> None:
            assert labels == {"sink": "es"}
            seen.append((name, amount))

        observe = count

    with ElasticServer(refuse=busy_once(429, 1)) as server:
        config = SinkConfig("es", "elasticsearch", {"hosts": server.url})
        sink: Any = build(config, state_dir=Path("unused"), clock=FakeClock(), observer=Watching())  # type: ignore[arg-type]
        sink.write(events(3))
        sizes = [len(body) for _, path, _, body in server.requests if path == "/_bulk"]
    names = [name for name, _ in seen]
    assert names == ["sink_request_seconds", "sink_bytes", "sink_retried_events", "sink_request_seconds", "sink_bytes"]
    assert ("sink_retried_events", 1) in seen
    assert 0 < sum(amount for name, amount in seen if name == "sink_bytes") < sum(sizes)


# Replays after a rollover: an id is unique in the newest index only.


def day(days: float) -> int:
    return CREATED + int(days * 86_400_000)


def at(number: int, when: str) -> dict[str, Any]:
    return {**event(number), "@timestamp": when}


def test_a_replay_after_a_rollover_is_a_duplicate() -> None:
    with ElasticServer() as server:
        sink_for(server).write(events(10))
        server.rollover(STREAM, day(6.5))
        result = sink_for(server).write(events(15))
        assert (result.stored, result.duplicates) == (5, 10)
        assert sorted(server.ids()) == sorted(f"id-{n}" for n in range(15))


def test_a_batch_that_failed_half_way_before_a_rollover_is_not_doubled_by_the_same_sink() -> None:
    with ElasticServer() as server:
        sink = sink_for(server)
        sink.write(events(2))
        server.faults.append(store_and_cut)
        with pytest.raises(SinkUnavailableError):
            sink.write(events(10))
        server.rollover(STREAM, day(6.5))
        result = sink.write(events(10))
        assert (result.stored, result.duplicates) == (0, 10)
        assert len(server.ids()) == 10


def test_documents_turned_away_before_a_rollover_are_looked_up_again() -> None:
    def roll(document: dict[str, Any], before: int) -> Any:
        if document["event"]["id"] == "id-1" and before == 0:
            server.streams[STREAM][-1][2]["id-1"] = document  # stored, though the answer says otherwise
            server.rollover(STREAM, day(6.5))
            return 500, {"type": "node_closed_exception", "reason": "closing"}
        return None

    with ElasticServer(refuse=roll) as server:
        result = sink_for(server).write([event(1)])
        assert (result.stored, result.duplicates) == (0, 1)
        assert server.ids() == ["id-1"]


def lookups(server: ElasticServer) -> list[tuple[str, list[str]]]:
    return [(p.split("/")[1], json.loads(b)["ids"]) for _, p, _, b in server.requests if p.endswith("_mget")]


def test_only_events_older_than_the_newest_index_are_looked_up_and_only_where_they_can_be() -> None:
    with ElasticServer() as server:
        for age in (0, 1, 2):  # made on 18, 19 and 20 November at 11:06
            server.rollover(STREAM, day(age))
        sink_for(server).write([
            at(1, "2026-11-20T12:07:00.000Z"),  # younger than the newest index by more than the skew: nowhere else
            at(2, "2026-11-20T12:06:00.000Z"),  # within the skew: the index before may hold it
            at(3, "2026-11-19T13:00:00.000Z"),  # after the second was made
            at(4, "2026-11-18T13:00:00.000Z"),  # may be in either of the older two
            {**event(5), "@timestamp": None},  # no telling
        ])  # fmt: skip
        assert lookups(server) == [
            (f".ds-{STREAM}-000002", ["id-2", "id-3", "id-4", "id-5"]),
            (f".ds-{STREAM}-000001", ["id-4", "id-5"]),
        ]


def test_a_steady_sink_asks_for_nothing_but_storage() -> None:
    with ElasticServer() as server:
        sink = sink_for(server)
        for number in range(6):
            sink.write([event(number)])
        asked = [path for _, path, _, _ in server.requests]
    # the stream is not there at first; once it is, its layout is read once
    assert asked.count("/_bulk") == 6
    assert len(asked) == 8


@pytest.mark.parametrize(
    "body", [b"{}", b'{"x": {}}', b"[]", b'{"docs": [1]}', b'{"x": {"settings": {"index.creation_date": "y"}}}']
)
@pytest.mark.parametrize("before", [0, 1])
def test_a_look_up_with_an_odd_answer_stores_nothing_unless_it_says_there_is_nothing(body: bytes, before: int) -> None:
    with ElasticServer() as server:
        server.rollover(STREAM, day(0))
        server.rollover(STREAM, day(6.5))
        server.lookup_faults.extend([lambda *_: False] * before)
        server.lookup_faults.append(answer(200, body))
        sink = sink_for(server)
        if (body, before) == (b"{}", 0):  # no index at all: nothing to find
            assert sink.write(events(3)).stored == 3
        else:
            with pytest.raises(SinkUnavailableError):
                sink.write(events(3))
            assert server.ids() == []
            assert sink.write(events(3)).stored == 3


def test_an_index_that_cannot_be_asked_stores_nothing_and_one_that_is_gone_holds_nothing() -> None:
    def failing(kind: str) -> Any:
        docs = [{"_index": "old", "_id": f"id-{n}", "error": {"type": kind, "reason": "r"}} for n in range(2)]
        return answer(200, json.dumps({"docs": docs}).encode())

    for kind, stored in [("index_not_found_exception", 2), ("index_closed_exception", 2), ("no_shard_available", 0)]:
        with ElasticServer() as server:
            server.rollover(STREAM, day(0))
            server.rollover(STREAM, day(6.5))
            server.lookup_faults.extend([lambda *_: False, failing(kind)])
            if stored:
                assert sink_for(server).write(events(2)).stored == stored
            else:
                with pytest.raises(SinkUnavailableError, match="cannot be asked for ids"):
                    sink_for(server).write(events(2))
                assert server.ids() == []


# Secrets and configuration.

KEY_ID, KEY = "kPnTrJ0Bid", "S3cr3t-api-key"
ENCODED = base64.b64encode(f"{KEY_ID}:{KEY}".encode()).decode()


@pytest.mark.parametrize(("options", "header"), [
    ({"api_key": Secret(ENCODED)}, f"ApiKey {ENCODED}"),
    ({"api_key": Secret(f"{KEY_ID}:{KEY}")}, f"ApiKey {ENCODED}"),
    ({"user": "elastic", "password": Secret(KEY)}, "Basic " + base64.b64encode(f"elastic:{KEY}".encode()).decode()),
])  # fmt: skip
def test_the_credential_is_sent_and_never_shown(
    options: dict[str, Any], header: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    echo = f"who sends Authorization {header} with {KEY} and {ENCODED}?"
    faults = [
        error(401, "security_exception", echo), error(503, "busy", echo), answer(400, echo.encode(), "text/plain"),
        answer(200, echo.encode()), hang_up,
    ]  # fmt: skip
    refusal = {"type": "document_parsing_exception", "reason": echo}
    with ElasticServer(refuse=lambda *_: (400, refusal)) as server:
        sink = sink_for(server, **options)
        shown = [repr(sink), str(vars(sink))]
        for fault in faults:
            server.faults.append(fault)
            with pytest.raises((SinkRefusedError, SinkUnavailableError)) as caught:
                sink.write(events(1))
            shown += [str(caught.value), repr(caught.value)]
        shown += [rejected.reason for rejected in sink.write(events(1)).rejected]
        assert {headers["authorization"] for _, _, headers, _ in server.requests} == {header}
    everything = "\n".join([*shown, caplog.text])
    for secret in {KEY, ENCODED, header.split()[1]} - ({ENCODED} if "user" in options else set()):
        assert secret not in everything
    assert "id-0" not in caplog.text


def test_tls_is_verified_against_the_bundle(tls: Any) -> None:
    with ElasticServer(tls=tls.context) as server:
        assert sink_for(server, ca_bundle=tls.ca).write(events(1)).stored == 1
        for bundle in (tls.other_ca, None):
            with pytest.raises(SinkRefusedError, match="ca_bundle"):
                sink_for(server, ca_bundle=bundle).write(events(1))
        assert len(server.ids()) == 1


BAD = {
    "no place": ({"hosts": None}, "give hosts or cloud_id"),
    "two places": ({"cloud_id": "c:x"}, "give hosts or cloud_id"),
    "plain http": ({"hosts": "http://es.example:9200"}, "plain http"),
    "second host": ({"hosts": "https://es.example,http://es2.example"}, "plain http"),
    "user in the URL": ({"hosts": "https://u:p@es.example"}, "user, a password"),
    "no URL": ({"hosts": "es.example"}, "no URL"),
    "only a comma": ({"hosts": ","}, "hosts is empty"),
    "cloud id": ({"hosts": None, "cloud_id": "nonsense"}, "cannot be used"),
    "key and user": ({"api_key": Secret("k"), "user": "u", "password": Secret("p")}, "keep one"),
    "no password": ({"user": "u"}, "go together"),
    "no user": ({"password": Secret("p")}, "go together"),
    "bundle": ({"ca_bundle": "nowhere.pem"}, "no file"),
    "namespace": ({"namespace": "Prod-1"}, "namespace 'Prod-1'"),
    "unknown": ({"fingerprint": "aa"}, "no option"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_faulty_configuration_is_told_before_anything_is_sent(case: str) -> None:
    options, message = BAD[case]
    given = {"hosts": "https://es.example:9200", **options}
    with pytest.raises(ConfigError, match=message) as caught:
        build(SinkConfig("es", "elasticsearch", {k: v for k, v in given.items() if v is not None}), state_dir=Path())
    assert all(fault.startswith("sinks.es: ") for fault in caught.value.faults)


@pytest.mark.parametrize(("given", "asked"), [
    ("https://es.example", "https://es.example:443"), ("https://es.example/prefix", "https://es.example:443/prefix"),
    ("http://localhost", "http://localhost:9200"), ("http://[::1]:9201", "http://[::1]:9201"),
    ("https://es.example:9243/", "https://es.example:9243"),
])  # fmt: skip
def test_a_host_without_a_port_has_the_usual_one(given: str, asked: str) -> None:
    sink: Any = build(SinkConfig("es", "elasticsearch", {"hosts": given}), state_dir=Path())
    (node,) = sink._client.transport.node_pool.all()
    assert node.base_url == asked


def test_check_asks_without_writing_and_names_missing_privileges() -> None:
    with ElasticServer() as server:
        sink_for(server).check()
        server.privileges = {"create_doc", "auto_configure", "read", "view_index_metadata"}
        sink_for(server).check()
        server.privileges = {"create_doc", "read"}
        with pytest.raises(SinkRefusedError, match=r"lacks auto_configure, view_index_metadata on logs-azure"):
            sink_for(server).check()
        server.lookup_faults.append(error(401, "security_exception"))
        with pytest.raises(SinkRefusedError, match="api_key"):
            sink_for(server).check()
        assert server.bulks() == []
    with pytest.raises(SinkUnavailableError):
        sink_for(server).check()


def test_close_may_be_called_twice() -> None:
    with ElasticServer() as server:
        sink = sink_for(server)
        sink.close()
        sink.close()
