"""The Elasticsearch sink on a real server: storage, duplicates, rollover, refusals, and a server that dies."""

from __future__ import annotations

import threading
from typing import Any

import pytest

pytest.importorskip("elasticsearch")

from entrawatch.errors import SinkRefusedError, SinkUnavailableError
from entrawatch.sinks import elasticsearch
from entrawatch.sinks.elasticsearch_setup import setup

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]


def event(number: int, revision: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "@timestamp": f"2026-11-24T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}.123Z",
        "event": {"id": f"id-{number}", "dataset": "azure.signinlogs", "outcome": "success"},
        "data_stream": {"type": "logs", "dataset": "azure.signinlogs", "namespace": "default"},
        "source": {"ip": "198.51.100.7"},
        "entra": {"stream": "interactive", "revision": revision, "tenant_id": "t"},
        **more,
    }


def events(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [event(start + number) for number in range(count)]


def stream_of(config: Any) -> str:
    return f"logs-azure.signinlogs-{config.options['namespace']}"


def hits(client: Any, config: Any) -> list[dict[str, Any]]:
    client.indices.refresh(index=stream_of(config))
    return list(client.search(index=stream_of(config), size=10_000)["hits"]["hits"])


@pytest.fixture(autouse=True)
def _set_up(config: Any) -> None:
    setup(config)


def test_events_are_stored_once_whatever_is_sent_again(make: Any, client: Any, config: Any) -> None:
    sink = make()
    sink.check()
    first, second = sink.write(events(500)), sink.write(events(510))
    assert (first.stored, first.duplicates) == (500, 0)
    assert (second.stored, second.duplicates) == (10, 500)
    stored = {hit["_id"]: hit["_source"] for hit in hits(client, config)}
    assert len(stored) == 510
    shown = stored["id-7"]
    assert shown.pop("data_stream")["namespace"] == config.options["namespace"]
    assert shown["event"].pop("ingested")
    assert shown == {key: value for key, value in event(7).items() if key != "data_stream"}


def test_revisions_stand_beside_each_other(make: Any, client: Any, config: Any) -> None:
    make().write([event(1), event(1, 2), event(1, 3), event(1, 2)])
    assert sorted(hit["_id"] for hit in hits(client, config)) == ["id-1", "id-1:2", "id-1:3"]


def test_what_the_mapping_refuses_is_rejected_and_the_rest_stored(make: Any, client: Any, config: Any) -> None:
    bad = [
        event(1, source="text where an object is"),
        {**event(2), "@timestamp": "yesterday"},
        event(3, entra={"unfit": 1}),
    ]
    result = make().write([*bad, event(4)])
    assert [rejected.event for rejected in result.rejected] == bad
    assert all("document_parsing_exception" in rejected.reason for rejected in result.rejected)
    assert [hit["_id"] for hit in hits(client, config)] == ["id-4"]


def test_values_that_do_not_fit_cost_their_field_only(make: Any, client: Any, config: Any) -> None:
    odd = {
        "source": {"ip": "999.1.2.3", "port": "many", "geo": {"location": "nowhere"}},
        "event": {**event(1)["event"], "created": "soon"},
    }
    assert make().write([event(1, **odd)]).stored == 1
    (hit,) = hits(client, config)
    assert set(hit["_ignored"]) == {"source.ip", "source.port", "source.geo.location", "event.created"}
    assert hit["_source"]["source"] == odd["source"]


def test_a_replay_after_rollovers_is_not_stored_again(make: Any, client: Any, config: Any) -> None:
    stream = stream_of(config)
    make().write(events(40))
    client.indices.rollover(alias=stream)
    make().write(events(40, start=40))
    client.indices.rollover(alias=stream)
    result = make().write(events(100))
    assert (result.stored, result.duplicates) == (20, 80)
    found = hits(client, config)
    assert sorted(hit["_id"] for hit in found) == sorted(f"id-{n}" for n in range(100))
    assert len({hit["_index"] for hit in found}) == 3


def test_what_no_search_shows_yet_is_found_all_the_same(make: Any, client: Any, config: Any) -> None:
    stream = stream_of(config)
    make().write(events(1, start=900))
    client.indices.put_settings(index=stream, settings={"index.refresh_interval": "-1"})
    make().write(events(10))
    assert client.count(index=stream)["count"] < 11
    client.indices.rollover(alias=stream)
    result = make().write(events(10))
    assert (result.stored, result.duplicates) == (0, 10)


def test_the_same_sink_goes_on_over_a_rollover(make: Any, client: Any, config: Any) -> None:
    sink = make()
    sink.write(events(10))
    client.indices.rollover(alias=stream_of(config))
    assert sink.write(events(10, start=10)).stored == 10
    assert sink.write(events(20)).duplicates == 20
    assert len(hits(client, config)) == 20


def test_a_write_block_is_a_refusal_and_a_full_disk_is_waited_for(
    make: Any, client: Any, config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elasticsearch, "PAUSES", (0.01,))
    stream = stream_of(config)
    make().write(events(1))
    client.indices.put_settings(index=stream, settings={"index.blocks.write": True})
    with pytest.raises(SinkRefusedError, match="cluster_block_exception"):
        make().write(events(5))
    client.indices.put_settings(
        index=stream, settings={"index.blocks.write": None, "index.blocks.read_only_allow_delete": True}
    )
    with pytest.raises(SinkUnavailableError, match="429 cluster_block_exception"):
        make().write(events(5))
    client.indices.put_settings(index=stream, settings={"index.blocks.read_only_allow_delete": None})
    result = make().write(events(5))
    assert (result.stored, result.duplicates) == (4, 1)


@pytest.mark.parametrize("compress", [True, False])
def test_more_than_the_server_takes_goes_in_parts(make: Any, client: Any, config: Any, compress: bool) -> None:
    large = [event(n, message=f"{n:08d}" * 25_000) for n in range(30)]  # 200 kB each, the server takes 4 MB at once
    huge = event(99, message="x" * 6_000_000)
    result = make(compress=compress).write([*large[:20], huge, *large[20:]])
    stored = {hit["_id"] for hit in hits(client, config)}
    assert {f"id-{n}" for n in range(30)} <= stored
    assert result.stored + len(result.rejected) == 31
    assert [r.event for r in result.rejected] == ([] if "id-99" in stored else [huge])


def test_a_server_that_dies_in_the_middle_loses_and_doubles_nothing(
    make: Any, client: Any, config: Any, server: Any
) -> None:
    sink, batches, told = make(), [events(200, start=200 * n) for n in range(40)], []
    killer = threading.Timer(0.4, server.kill)
    killer.start()
    try:
        for batch in batches:
            told.append(_until_stored(sink, batch, server))
    finally:
        killer.join()
        server.start() if not server.running else None
    assert any(told), "the server died while nothing was written: the test shows nothing"
    found = [hit["_id"] for hit in hits(client, config)]
    assert len(found) == len(set(found)) == 8000


def _until_stored(sink: Any, batch: list[Any], server: Any) -> int:
    """How often the sink was unavailable before it took the batch; the server is started again when it was."""
    for failed in range(10):
        try:
            result = sink.write(batch)
        except SinkUnavailableError:
            if not server.running:
                server.start()
        else:
            assert result.stored + result.duplicates == len(batch)
            return failed
    raise AssertionError("it does not come back")
