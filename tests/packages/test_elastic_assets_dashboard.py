"""The dashboard: what Kibana's import takes, every reference resolved, every field one that there is."""

from __future__ import annotations

import json
import re
from typing import Any

import esql as vendor
import pytest

from entrawatch.packages.elastic_assets_dashboard import ALERTS, DELAY, LOGS, ndjson
from entrawatch.packages.elastic_assets_lens import WIDTH
from entrawatch.packages.elastic_rule import OWNER
from entrawatch.schema.fields import FIELDS
from entrawatch.schema.index_templates import datasets
from rules.esql_engine import METADATA, schema
from rules.esql_runs import OLDEST

OBJECTS = [json.loads(line) for line in ndjson().decode().splitlines()]
DASHBOARD: dict[str, Any] = OBJECTS[-1]
PANELS: list[dict[str, Any]] = json.loads(DASHBOARD["attributes"]["panelsJSON"])
LENS = [panel for panel in PANELS if panel["type"] == "lens"]
MAPPED = {field.ecs: field.type for field in FIELDS if not field.opaque} | {"event.ingested": "date"}
#: https://www.elastic.co/docs/reference/security/fields-and-object-schemas/alert-schema
ALERT_FIELDS = {
    "@timestamp": "date", "kibana.alert.severity": "keyword", "kibana.alert.rule.name": "keyword",
    "kibana.alert.workflow_status": "keyword", "kibana.alert.rule.tags": "keyword",
}  # fmt: skip
SHOWN = {"keyword": "string", "text": "string", "long": "number", "double": "number", "date": "date", "ip": "ip"}
#: attributes of a data view that are texts of JSON though they are not called so
TEXTS = {"fields", "fieldAttrs", "fieldFormatMap", "runtimeFieldMap", "sourceFilters", "typeMeta"}
VIEWS = {one["id"]: one for one in OBJECTS if one["type"] == "index-pattern"}


def attributes(panel: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = panel["embeddableConfig"]["attributes"]
    return made


def layers(panel: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The panel's layers over data views."""
    made: dict[str, dict[str, Any]] = attributes(panel)["state"]["datasourceStates"].get("formBased", {"layers": {}})
    return made["layers"]


def view_of(panel: dict[str, Any]) -> dict[str, Any]:
    (reference,) = attributes(panel)["references"]
    return VIEWS[reference["id"]]


def known(panel: dict[str, Any]) -> dict[str, str]:
    return ALERT_FIELDS if view_of(panel)["id"] == ALERTS.id else MAPPED


def name(panel: dict[str, Any]) -> str:
    return panel.get("title") or panel["type"]


def nested(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Every text that is to hold JSON."""
    if isinstance(value, dict):
        return [
            found
            for key, inner in value.items()
            for found in (
                [(f"{path}.{key}", inner)]
                if isinstance(inner, str) and (key.endswith("JSON") or key in TEXTS)
                else nested(inner, f"{path}.{key}")
            )
        ]
    return [found for inner in value for found in nested(inner, path)] if isinstance(value, list) else []


def test_the_objects_are_of_types_and_versions_that_kibana_8_19_has() -> None:
    assert [(one["type"], one["typeMigrationVersion"]) for one in OBJECTS] == [
        ("index-pattern", "8.0.0"), ("index-pattern", "8.0.0"), ("dashboard", "10.2.0"),
    ]  # fmt: skip
    assert {one["coreMigrationVersion"] for one in OBJECTS} == {"8.8.0"}
    assert len({one["id"] for one in OBJECTS}) == 3
    assert all(
        re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", one["id"]) for one in OBJECTS
    )


def test_json_in_texts_is_json() -> None:
    found = [pair for one in OBJECTS for pair in nested(one["attributes"])]
    assert len(found) > 12
    for _, text in found:
        json.loads(text)


def test_every_reference_resolves_and_is_used() -> None:
    wanted = {
        (f"{panel['panelIndex']}:indexpattern-datasource-layer-{layer}", reference["id"])
        for panel in LENS
        for layer in layers(panel)
        for reference in attributes(panel)["references"]
    }
    assert {(one["name"], one["id"]) for one in DASHBOARD["references"]} == wanted
    assert {one["id"] for one in DASHBOARD["references"]} == set(VIEWS)
    assert {one["type"] for one in DASHBOARD["references"]} == {"index-pattern"}


def test_panels_stand_on_the_grid_without_overlap_and_without_holes() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        grid = panel["gridData"]
        assert grid["i"] == panel["panelIndex"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken, name(panel)
        assert max(x for x, _ in cells) < WIDTH
        taken |= cells
    assert len(taken) == WIDTH * (1 + max(y for _, y in taken))
    assert len({panel["panelIndex"] for panel in PANELS}) == len(PANELS)


@pytest.mark.parametrize("panel", [panel for panel in LENS if layers(panel)], ids=name)
def test_a_panels_columns_are_fields_that_there_are_and_shown_once(panel: dict[str, Any]) -> None:
    ((layer, made),) = layers(panel).items()
    columns = made["columns"]
    assert sorted(columns) == sorted(made["columnOrder"])
    groups = [columns[one]["isBucketed"] for one in made["columnOrder"]]
    assert groups == sorted(groups, reverse=True)
    for column in columns.values():
        if column["sourceField"] == "___records___":
            assert (column["operationType"], column["dataType"]) == ("count", "number")
            continue
        kind = known(panel)[column["sourceField"]]
        assert kind not in {"text", "flattened", "object"}
        assert column["dataType"] == ("number" if column["operationType"] == "unique_count" else SHOWN[kind])
        if column["operationType"] == "terms":
            assert not columns[column["params"]["orderBy"]["columnId"]]["isBucketed"]
    visualization = attributes(panel)["state"]["visualization"]
    shown = json.dumps(visualization)
    assert all(shown.count(one) == 1 for one in columns)
    assert shown.count(layer) == 1


@pytest.mark.parametrize("panel", [panel for panel in LENS if layers(panel)], ids=name)
def test_a_panels_query_asks_for_fields_that_there_are(panel: dict[str, Any]) -> None:
    query = attributes(panel)["state"]["query"]
    assert query["language"] == "kuery"
    asked = re.findall(r"([\w.@]+) : ", query["query"])
    assert set(asked) <= {*known(panel), "entra.time_missing"}
    assert query["query"].count(" : ") == len(asked)
    if view_of(panel)["id"] == ALERTS.id:
        assert f'kibana.alert.rule.tags : "{OWNER}"' in query["query"]


def test_the_data_views_read_our_streams_and_the_alerts() -> None:
    titles = {one["attributes"]["name"]: one["attributes"]["title"] for one in VIEWS.values()}
    assert titles[LOGS.name].split(",") == [f"logs-{dataset}-*" for dataset in datasets()]
    assert titles[ALERTS.name].startswith(".alerts-security.alerts-")
    assert all(one["attributes"]["timeFieldName"] == "@timestamp" for one in VIEWS.values())


def test_the_delays_query_is_valid_for_elastics_parser_and_gives_the_panels_columns() -> None:
    fields = {path: kind for dataset in datasets() for path, kind in schema(dataset).items()}
    for stack in (OLDEST, "9.3.0", None):
        with vendor.ParserConfig(min_stack_version=stack), vendor.Schema({**fields, **METADATA}):
            vendor.parse_query(DELAY)
    (panel,) = [panel for panel in LENS if not layers(panel)]
    state = attributes(panel)["state"]
    ((layer, made),) = state["datasourceStates"]["textBased"]["layers"].items()
    assert made["query"] == state["query"] == {"esql": DELAY}
    assert made["index"] in state["adHocDataViews"]
    named = {*re.findall(r"^    (\w+) = ", DELAY, re.MULTILINE), "data_stream.dataset"}
    assert {one["fieldName"] for one in made["columns"]} == named
    assert [one["columnId"] for one in state["visualization"]["columns"]] == [
        one["columnId"] for one in made["columns"]
    ]
    assert state["visualization"]["layerId"] == layer


def test_a_field_that_is_not_mapped_is_refused_in_the_delays_query() -> None:
    with (
        vendor.ParserConfig(min_stack_version=OLDEST),
        vendor.Schema(dict(METADATA)),
        pytest.raises(Exception, match=r"(?i)unknown"),
    ):
        vendor.parse_query(DELAY)
