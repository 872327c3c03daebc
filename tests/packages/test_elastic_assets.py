"""What the rules lean on in Elasticsearch: one file an API object, in an order in which they can be installed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from entrawatch.dialects.esql_baseline import indices, transforms
from entrawatch.packages.elastic_assets import MANIFEST, tree
from entrawatch.packages.elastic_assets_integration import PIPELINE, component_templates, hook, read_by
from entrawatch.rules.catalogue import load_catalogue
from entrawatch.schema.fields import FIELDS
from entrawatch.schema.index_templates import NAMESPACE, datasets, mappings, objects

ROOT = Path(__file__).parents[2]
CATALOGUE = load_catalogue(ROOT / "content" / "catalogue")
TREE = tree(CATALOGUE)
REQUESTS: list[dict[str, Any]] = json.loads(TREE[MANIFEST])["requests"]
TABLES = ROOT.parent / "shared" / "tables"


def body(request: dict[str, Any]) -> Any:
    return json.loads(TREE[f"assets/{request['file']}"])


def leaves(tree_: dict[str, Any], above: str = "") -> dict[str, dict[str, Any]]:
    """Path → mapping of each field."""
    found: dict[str, dict[str, Any]] = {}
    for name, node in tree_.items():
        if "properties" in node:
            found |= leaves(node["properties"], f"{above}{name}.")
        else:
            found[above + name] = node
    return found


def custom(dataset: str) -> dict[str, dict[str, Any]]:
    return leaves(component_templates(CATALOGUE)[hook(dataset)]["template"]["mappings"]["properties"])


def test_the_manifest_names_every_file_once_and_no_other() -> None:
    named = [f"assets/{one['file']}" for one in REQUESTS if one["file"] is not None]
    assert sorted([MANIFEST, *named]) == sorted(TREE)
    assert all(path.startswith("assets/") and path.isascii() for path in TREE)


def test_a_request_is_whole_and_its_path_ends_in_its_objects_name() -> None:
    for one in REQUESTS:
        assert set(one) == {"part", "service", "kind", "name", "method", "path", "there", "file"}
        assert one["there"] in {"replace", "keep", "recreate", "ask", "start"}
        assert (one["file"] is None) == (one["there"] == "start")
        if one["service"] == "elasticsearch":
            name = one["path"].removesuffix("/_start").rpartition("/")[2]
            assert name == one["name"].replace("@", "%40")
    assert {one["part"] for one in REQUESTS} == {"streams", "baseline", "integration", "dashboard"}
    assert len({(one["method"], one["path"]) for one in REQUESTS}) == len(REQUESTS)


def test_what_stands_already_is_treated_by_its_kind() -> None:
    told: dict[str, set[str]] = {}
    for one in REQUESTS:
        told.setdefault(one["kind"], set()).add(one["there"])
    assert told == {
        "ILM policy": {"replace"}, "component template": {"replace", "ask"}, "index template": {"replace"},
        "index": {"keep"}, "transform": {"recreate", "start"}, "ingest pipeline": {"replace", "ask"},
        "saved objects": {"replace"},
    }  # fmt: skip


def test_what_is_used_is_installed_before_what_uses_it() -> None:
    done: set[tuple[str, str]] = set()
    for one in REQUESTS:
        made = body(one) if one["file"] and one["service"] == "elasticsearch" else {}
        needs: set[tuple[str, str]] = set()
        if one["kind"] == "index template":
            optional = set(made["ignore_missing_component_templates"])
            needs = {("component template", name) for name in made["composed_of"] if name not in optional}
        elif one["kind"] == "transform" and made:
            sources = {name for name in made["source"]["index"] if not name.startswith("logs-")}
            needs = {("index", name) for name in {made["dest"]["index"], *sources}}
            needs |= {("started", name) for name in sources}
        elif one["there"] == "start":
            needs = {("transform", one["name"])}
        elif one["kind"] == "ingest pipeline":
            called = [processor["pipeline"]["name"] for processor in made["processors"] if "pipeline" in processor]
            needs = {("ingest pipeline", name) for name in called}
        elif one["name"] == "entrawatch-settings":
            needs = {("ILM policy", made["template"]["settings"]["index.lifecycle.name"])}
        assert needs <= done, one
        done.add(("started" if one["there"] == "start" else one["kind"], one["name"]))


def test_the_streams_objects_are_what_setup_installs() -> None:
    found = [(one["kind"], one["name"], body(one)) for one in REQUESTS if one["part"] == "streams"]
    assert found == list(objects(NAMESPACE, None))


def test_setup_takes_its_objects_from_the_same_place() -> None:
    setup = pytest.importorskip("entrawatch.sinks.elasticsearch_setup")
    sink = pytest.importorskip("entrawatch.sinks.elasticsearch")
    assert setup.objects is objects
    assert sink.OPTIONS["namespace"].default == NAMESPACE


def test_the_baselines_objects_are_the_dialects() -> None:
    files = {(one["kind"], one["name"]): body(one) for one in REQUESTS if one["part"] == "baseline" and one["file"]}
    wanted: dict[tuple[str, str], Any] = {}
    for baseline in CATALOGUE.baselines.values():
        wanted |= {("index", name): made for name, made in indices(baseline).items()}
        wanted |= {("transform", name): made for name, made in transforms(baseline).items()}
    assert files == wanted
    assert [one["name"] for one in REQUESTS if one["there"] == "start"] == [
        name for kind, name in wanted if kind == "transform"
    ]


def test_every_field_that_a_rule_reads_is_mapped_beside_elastics_integration() -> None:
    fleets = {"@timestamp", "message", "data_stream.dataset"}
    mapped = set(custom("azure.auditlogs")) | set(custom("azure.signinlogs"))
    assert {"entra.credentials.growth", "source.ip", "user_agent.original"} <= read_by(CATALOGUE)
    assert read_by(CATALOGUE) - mapped == fleets
    assert set(custom("azure.auditlogs")) >= {
        field.ecs for field in FIELDS if field.family == "audit" and field.ecs.startswith("entra.")
    }


def test_the_integration_is_told_the_types_that_our_own_streams_have() -> None:
    for dataset, families in datasets().items():
        if hook(dataset) not in component_templates(CATALOGUE):
            assert dataset in {"azure.provisioning", "azure.identity_protection"}
            continue
        ours = leaves(mappings(families)["properties"])
        assert {path: ours[path] for path in custom(dataset)} == custom(dataset)


def test_a_rule_less_is_a_field_less() -> None:
    few = replace(CATALOGUE, rules={"disabled-user-signin": CATALOGUE.rules["disabled-user-signin"]})
    assert hook("azure.auditlogs") not in component_templates(few)
    assert "azure.signinlogs.properties.home_tenant_id" in custom("azure.signinlogs")
    assert "home_tenant_id" not in json.dumps(component_templates(few))


@pytest.mark.skipif(not TABLES.is_dir(), reason="../shared/tables is not here: Elastic's field lists are not ours")
@pytest.mark.parametrize("dataset", ["azure.auditlogs", "azure.signinlogs"])
def test_a_field_that_elastics_package_maps_keeps_its_type(dataset: str) -> None:
    table = json.loads((TABLES / f"elastic_{dataset.replace('.', '_')}.json").read_text())
    theirs = {**table["ecs_and_common"], **table["mapped"]}
    ours = {path: node["type"] for path, node in custom(dataset).items()}
    assert len(ours.keys() & theirs.keys()) > 8
    assert {path: theirs[path] for path in ours.keys() & theirs.keys()} == {
        path: ours[path] for path in ours.keys() & theirs.keys()
    }


def test_the_hook_only_calls_ours_and_the_script_keeps_within_elasticsearchs_limits() -> None:
    made = {one["name"]: body(one) for one in REQUESTS if one["kind"] == "ingest pipeline"}
    assert made["logs-azure.auditlogs@custom"]["processors"] == [
        {"pipeline": {"name": PIPELINE, "ignore_missing_pipeline": True}}
    ]
    (processor,) = made[PIPELINE]["processors"]
    assert len(processor["script"]["source"].encode()) < 65_535
    assert processor["script"]["on_failure"]
    assert {one["there"] for one in REQUESTS if "@custom" in one["name"]} == {"ask"}


def test_the_script_names_each_derived_field_of_the_table() -> None:
    source = json.dumps(body(next(one for one in REQUESTS if one["name"] == PIPELINE)))
    derived = [field.ecs for field in FIELDS if field.family == "audit" and field.ecs.startswith("entra.")]
    assert len(derived) > 25
    for path in derived:
        for part in path.split(".")[1:]:
            assert re.search(rf"\b{part}\b", source), path


def test_the_same_catalogue_gives_the_same_bytes() -> None:
    assert tree(load_catalogue(ROOT / "content" / "catalogue")) == TREE
    assert all(one.endswith(b"\n") and one.isascii() for one in TREE.values())
