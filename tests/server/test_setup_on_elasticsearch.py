"""Set-up on a real server: what is installed, that it is in force, and what it leaves to others."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

import pytest

pytest.importorskip("elasticsearch")

from entrawatch.config.model import SinkConfig
from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.errors import SinkRefusedError
from entrawatch.normalize import normalize
from entrawatch.schema import index_templates
from entrawatch.schema.fields import FIELDS
from entrawatch.schema.streams import STREAMS
from entrawatch.sinks.elasticsearch_setup import setup

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

VALUES: dict[str, Any] = {
    "keyword": "word", "text": "some words", "long": 7, "double": 0.5, "boolean": True,
    "date": "2026-11-24T10:00:00.000Z", "ip": "2001:db8::1", "geo_point": {"lat": 1.5, "lon": 2.5},
    "flattened": {"a": {"b": ["c", 1]}},
}  # fmt: skip


def actions(config: SinkConfig, **options: Any) -> Counter[str]:
    changes = setup(SinkConfig(config.name, config.type, {**config.options, **options}))
    return Counter(change.action for change in changes)


def test_done_again_it_changes_nothing_and_a_change_is_told(config: SinkConfig, client: Any) -> None:
    setup(config)
    assert set(actions(config)) == {"unchanged"}
    assert actions(config, retention_days=90) == {"unchanged": 9, "changed": 1}
    assert client.ilm.get_lifecycle(name="entrawatch")["entrawatch"]["policy"]["phases"]["delete"]["min_age"] == "90d"
    assert actions(config, retention_days=90) == {"unchanged": 10}
    client.cluster.put_component_template(name="entrawatch-settings", template={"settings": {"index.codec": "default"}})
    assert actions(config) == {"unchanged": 8, "changed": 2}
    assert set(actions(config)) == {"unchanged"}


def test_a_policy_is_read_by_elasticsearchs_own_classes(client: Any) -> None:
    from elasticsearch import BadRequestError

    policy = index_templates.lifecycle(30)
    policy["phases"]["hot"]["actions"]["rollover"] = {"max_edge": "30d"}
    with pytest.raises(BadRequestError, match="max_edge"):
        client.ilm.put_lifecycle(name="typo", policy=policy)


def test_without_set_up_nothing_is_written_anywhere(make: Any, config: SinkConfig, client: Any) -> None:
    with pytest.raises(SinkRefusedError, match="entrawatch setup elasticsearch"):
        make().write([full_event("azure.signinlogs", ("signin",))])
    assert not client.indices.exists(index=f"logs-azure.signinlogs-{config.options['namespace']}")


def _put(event: dict[str, Any], path: str, value: Any) -> None:
    *above, leaf = path.replace("*", "0").split(".")
    for name in above:
        event = event.setdefault(name, {})
    event[leaf] = value


def full_event(dataset: str, families: tuple[str, ...]) -> dict[str, Any]:
    """An event with a value in every field of the table."""
    event: dict[str, Any] = {}
    for field in FIELDS:
        if field.family in {"common", *families} and not field.opaque and field.type != "object":
            _put(event, field.ecs, [VALUES[field.type]] if field.many else VALUES[field.type])
    _put(event, "data_stream", {"type": "logs", "dataset": dataset, "namespace": "x"})
    _put(event, "event.id", f"full-{dataset}")
    _put(event, "entra.revision", 1)
    return event


def flat(properties: dict[str, Any], above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, node in properties.items():
        if "properties" in node:
            found.update(flat(node["properties"], f"{above}{name}."))
        elif node.get("type") != "object":
            found[above + name] = node["type"]
    return found


@pytest.mark.parametrize("dataset", index_templates.datasets())
def test_every_field_of_the_table_is_indexed_as_its_type(
    dataset: str, config: SinkConfig, make: Any, client: Any
) -> None:
    families = index_templates.datasets()[dataset]
    setup(config)
    result = make().write([full_event(dataset, families)])
    assert (result.stored, result.rejected) == (1, ())
    stream = f"logs-{dataset}-{config.options['namespace']}"
    (index,) = client.indices.get_mapping(index=stream).body.values()
    wanted = {
        field.ecs.replace("*", "0"): field.type
        for field in FIELDS
        if field.family in {"common", *families} and not field.opaque and field.type != "object"
    }
    assert flat(index["mappings"]["properties"]) == {**wanted, "event.ingested": "date"}
    client.indices.refresh(index=stream)
    (hit,) = client.search(index=stream)["hits"]["hits"]
    assert "_ignored" not in hit
    settings = client.indices.get_settings(index=stream, flat_settings=True).body.popitem()[1]["settings"]
    assert settings["index.lifecycle.name"] == "entrawatch"


def test_names_we_do_not_know_are_stored_found_and_cannot_fill_the_mapping(
    config: SinkConfig, make: Any, client: Any
) -> None:
    setup(config)
    event = full_event("azure.signinlogs", ("signin",))
    properties = event["azure"]["signinlogs"]["properties"]
    properties["brand_new"] = {f"k{n}": {"deep": "w" * (40_000 if n < 5 else 4)} for n in range(5000)}
    properties.update({f"flag_{n}": "on" for n in range(4000)})
    assert make().write([event]).stored == 1
    stream = f"logs-azure.signinlogs-{config.options['namespace']}"
    client.indices.refresh(index=stream)
    (hit,) = client.search(index=stream, query={"term": {"azure.signinlogs.properties.flag_0": "on"}})["hits"]["hits"]
    assert len(hit["_source"]["azure"]["signinlogs"]["properties"]["brand_new"]) == 5000
    (index,) = client.indices.get_mapping(index=stream).body.values()
    mapped = flat(index["mappings"]["properties"])
    assert mapped["azure.signinlogs.properties.brand_new"] == "flattened"
    assert len(mapped) < 2000


def test_a_long_value_of_an_audit_record_can_be_searched(config: SinkConfig, make: Any, client: Any) -> None:
    setup(config)
    event = full_event("azure.auditlogs", ("audit",))
    value = "é" * 8000
    _put(event, "azure.auditlogs.properties.target_resources.0.modified_properties.0.new_value", value)
    assert make().write([event]).stored == 1
    stream = f"logs-azure.auditlogs-{config.options['namespace']}"
    client.indices.refresh(index=stream)
    path = "azure.auditlogs.properties.target_resources.0.modified_properties.0.new_value"
    assert client.count(index=stream, query={"term": {path: value}})["count"] == 1


def test_other_namespaces_keep_elastics_own_template(config: SinkConfig, make: Any, client: Any) -> None:
    theirs = {"properties": {"@timestamp": {"type": "date"}, "theirs": {"type": "keyword"}}}
    client.indices.put_index_template(
        name="logs-azure.signinlogs", index_patterns=["logs-azure.signinlogs-*"], priority=200, data_stream={},
        template={"mappings": theirs},
    )  # fmt: skip
    assert {change.note for change in setup(config)} == {""}
    make().write([full_event("azure.signinlogs", ("signin",))])
    client.index(index="logs-azure.signinlogs-default", op_type="create", document={"@timestamp": "2026-11-24"})
    (mine,) = client.indices.get_mapping(index=f"logs-azure.signinlogs-{config.options['namespace']}").body.values()
    (other,) = client.indices.get_mapping(index="logs-azure.signinlogs-default").body.values()
    assert "theirs" not in mine["mappings"]["properties"]
    assert set(other["mappings"]["properties"]) == {"@timestamp", "theirs"}


def test_a_template_that_outdoes_ours_is_told(config: SinkConfig, client: Any) -> None:
    name = f"outdoing-{config.options['namespace']}"
    pattern = f"logs-azure.provisioning-{config.options['namespace']}*"
    client.indices.put_index_template(name=name, index_patterns=[pattern], priority=900, data_stream={})
    stream = f"logs-azure.provisioning-{config.options['namespace']}"
    notes = [change.note for change in setup(config) if change.note]
    assert notes == [f"without effect: a template of higher priority has {stream}; lower that one's priority"]


def test_a_template_of_the_same_priority_is_a_refusal(config: SinkConfig, client: Any) -> None:
    pattern = f"logs-azure.provisioning-{config.options['namespace']}*"
    client.indices.put_index_template(
        name=f"same-{config.options['namespace']}", index_patterns=[pattern], priority=501, data_stream={}
    )
    with pytest.raises(SinkRefusedError, match="same priority"):
        setup(config)


def test_a_stream_that_is_there_takes_a_new_template_at_its_rollover(
    config: SinkConfig, make: Any, client: Any
) -> None:
    setup(config)
    make().write([full_event("azure.signinlogs", ("signin",))])
    stream = f"logs-azure.signinlogs-{config.options['namespace']}"
    client.cluster.put_component_template(name="entrawatch-settings", template={"settings": {"index.codec": "default"}})
    notes = [change.note for change in setup(config) if change.note]
    assert notes == [f"{stream} is there already and takes it at its next rollover: POST /{stream}/_rollover"]
    assert client.indices.rollover(alias=stream)["rolled_over"]


def test_the_persons_own_component_template_wins(config: SinkConfig, make: Any, client: Any) -> None:
    client.cluster.put_component_template(
        name="entrawatch-custom", template={"settings": {"index.lifecycle.name": "mine", "index.number_of_replicas": 0}}
    )
    try:
        setup(config)
        make().write([full_event("azure.provisioning", ("provisioning",))])
        stream = f"logs-azure.provisioning-{config.options['namespace']}"
        settings = client.indices.get_settings(index=stream, flat_settings=True).body.popitem()[1]["settings"]
        assert (settings["index.lifecycle.name"], settings["index.number_of_replicas"]) == ("mine", "0")
    finally:
        client.cluster.put_component_template(name="entrawatch-custom", template={})


def test_a_synthetic_tenants_weeks_are_stored_with_no_value_left_out(
    config: SinkConfig, make: Any, client: Any
) -> None:
    setup(config)
    sink, made = make(), generate(TenantOptions(users=8, changes=False))
    stored = 0
    while batch := [normalize(e.record, STREAMS[e.stream]) for e in islice(made, 2000)]:
        result = sink.write(batch)
        assert [rejected.reason for rejected in result.rejected] == []
        stored += result.stored
    pattern = f"logs-*-{config.options['namespace']}"
    client.indices.refresh(index=pattern)
    assert client.count(index=pattern)["count"] == stored > 4000
    ignored = client.search(index=pattern, size=0, aggs={"names": {"terms": {"field": "_ignored"}}})
    assert ignored["aggregations"]["names"]["buckets"] == []
    table = {field.ecs for field in FIELDS}
    for mapping in client.indices.get_mapping(index=pattern).body.values():
        types = flat(mapping["mappings"]["properties"])
        assert {types[name] for name in set(types) - table - {"event.ingested"}} <= {"keyword", "flattened"}
