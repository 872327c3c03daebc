"""Templates made from the field table, and their installation; tests/server holds both against the real server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("elasticsearch")

from entrawatch.config.model import Secret, SinkConfig
from entrawatch.errors import ConfigError, SinkRefusedError, SinkUnavailableError
from entrawatch.schema import index_templates
from entrawatch.schema.fields import FIELDS
from entrawatch.schema.streams import STREAMS
from entrawatch.sinks.elasticsearch_documents import data_streams
from entrawatch.sinks.elasticsearch_setup import setup

from .elastic_server import ElasticServer, error

if TYPE_CHECKING:
    from collections.abc import Iterator


def config_of(server: Any = None, **options: Any) -> SinkConfig:
    return SinkConfig("es", "elasticsearch", {"hosts": server.url if server else "https://es.example:9200", **options})


@pytest.fixture
def server() -> Iterator[ElasticServer]:
    with ElasticServer() as made:
        yield made


def mapped(properties: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, node in properties.items():
        yield from (
            mapped(node["properties"], f"{above}{name}.") if "properties" in node else [(above + name, node["type"])]
        )


@pytest.mark.parametrize("dataset", index_templates.datasets())
def test_a_mapping_has_each_field_of_its_families_and_no_other(dataset: str) -> None:
    families = {"common", *(stream.family for stream in STREAMS.values() if stream.dataset == dataset)}
    wanted = {(f.ecs, f.type) for f in FIELDS if f.family in families and not f.opaque and "*" not in f.ecs}
    inner = {path.rpartition(".")[0] for path, _ in wanted}
    leaves = {(path, kind) for path, kind in wanted if not (kind == "object" and path in inner)}
    found = set(mapped(index_templates.mappings(index_templates.datasets()[dataset])["properties"]))
    assert {pair for pair in found if pair[1] != "object"} == {
        *(pair for pair in leaves if pair[1] != "object"), ("event.ingested", "date"),
    }  # fmt: skip


def test_a_template_matches_its_one_data_stream_and_stands_above_elastics() -> None:
    plans = [c for c in setup(config_of(namespace="soc"), dry_run=True) if c.kind == "index template"]
    assert [c.body["index_patterns"] for c in plans] == [[name] for name in data_streams("soc")]
    assert all(c.body["priority"] > 500 and "@" not in c.name for c in plans)


def test_a_dry_run_asks_nobody_and_shows_each_request() -> None:
    changes = setup(config_of(), dry_run=True)
    assert {change.action for change in changes} == {"planned"}
    assert [change.request for change in changes[:4]] == [
        "PUT _ilm/policy/entrawatch",
        "PUT _component_template/entrawatch-settings",
        "PUT _component_template/entrawatch-azure.signinlogs-mappings",
        "PUT _index_template/entrawatch-azure.signinlogs-entrawatch",
    ]
    assert str(changes[0]) == "planned ILM policy entrawatch"
    assert all(json.dumps(change.body) for change in changes)


def test_nothing_is_deleted_unless_a_retention_is_given() -> None:
    assert "delete" not in index_templates.lifecycle(None)["phases"]
    assert index_templates.lifecycle(400)["phases"]["delete"]["min_age"] == "400d"
    (policy, *_) = setup(config_of(retention_days=7), dry_run=True)
    assert policy.body["policy"]["phases"]["delete"]["min_age"] == "7d"


def test_what_stands_already_is_left_alone_and_what_differs_is_put_right(server: ElasticServer) -> None:
    assert {change.action for change in setup(config_of(server))} == {"created"}
    assert {change.action for change in setup(config_of(server))} == {"unchanged"}
    server.requests.clear()
    server.installed["/_component_template/entrawatch-settings"]["template"]["settings"]["index.codec"] = "default"
    changed = [str(change) for change in setup(config_of(server)) if change.action != "unchanged"]
    assert changed == ["changed component template entrawatch-settings"]
    assert [path for method, path, _, _ in server.requests if method == "PUT"] == [
        "/_component_template/entrawatch-settings"
    ]


def test_a_stream_that_is_there_is_told_of_after_a_new_template_but_not_after_a_new_policy(
    server: ElasticServer,
) -> None:
    setup(config_of(server))
    stream = "logs-azure.auditlogs-entrawatch"
    server.rollover(stream)
    assert {change.note for change in setup(config_of(server, retention_days=5))} == {""}
    del server.installed["/_component_template/entrawatch-azure.auditlogs-mappings"]
    notes = [change.note for change in setup(config_of(server, retention_days=5)) if change.note]
    assert notes == [f"{stream} is there already and takes it at its next rollover: POST /{stream}/_rollover"]


def test_a_template_that_outdoes_ours_is_told_every_time(server: ElasticServer) -> None:
    server.outdone.add("logs-azure.provisioning-entrawatch")
    for _ in range(2):
        (told,) = [str(change) for change in setup(config_of(server)) if change.note]
        assert "without effect" in told
        assert "logs-azure.provisioning-entrawatch" in told


def test_faults_of_the_cluster_are_a_sinks_faults(server: ElasticServer) -> None:
    secret = "S3cr3t"
    config = config_of(server, user="u", password=Secret(secret))
    server.lookup_faults.append(error(403, "security_exception", f"u with {secret} may not"))
    with pytest.raises(SinkRefusedError) as caught:
        setup(config)
    assert secret not in str(caught.value)
    server.lookup_faults.append(error(503, "cluster_block_exception"))
    with pytest.raises(SinkUnavailableError):
        setup(config)


@pytest.mark.parametrize(("config", "message"), [
    (SinkConfig("disk", "files", {"path": "x"}), "sinks.disk: is of type files"),
    (config_of(retention_days=0), "retention_days is below 1"),
    (config_of(namespace="A"), "namespace 'A'"),
    (config_of(colour="red"), "no option"),
])  # fmt: skip
def test_a_faulty_configuration_is_told(config: SinkConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        setup(config, dry_run=True)
