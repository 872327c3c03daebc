"""Kibana's dashboard of the product, as saved objects for `POST /api/saved_objects/_import`.

Three questions, from the top: do the logs come in, who signs in and how does it go, what have the rules found. The
logs' panels read our own data streams and those of Elastic's azure integration alike.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Union

from entrawatch.packages.elastic_assets_lens import (
    VISUALIZATIONS,
    Panel,
    QueryPanel,
    View,
    count,
    distinct,
    identifier,
    latest,
    over_time,
    top,
)
from entrawatch.packages.elastic_rule import OWNER
from entrawatch.packages.tree import json_line
from entrawatch.schema.index_templates import datasets

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

NAME = "Entrawatch: Microsoft Entra ID"
#: the structure of what Kibana 8.19 exports; a later Kibana migrates it when it is imported, an earlier one refuses it
_CORE, _DASHBOARD, _VIEW = "8.8.0", "10.2.0", "8.0.0"
_PATTERN = ",".join(f"logs-{dataset}-*" for dataset in datasets())
LOGS = View("Entrawatch: Entra ID logs", _PATTERN)
#: the alerts of Kibana's detection engine, of every space
ALERTS = View("Entrawatch: alerts", ".alerts-security.alerts-*", hidden=True)

_SIGNIN = 'data_stream.dataset : "azure.signinlogs"'
_AUDIT = 'data_stream.dataset : "azure.auditlogs"'
_OURS = f'kibana.alert.rule.tags : "{OWNER}"'
_CODE = "azure.signinlogs.properties.status.error_code"
_UPN = "azure.signinlogs.properties.user_principal_name"
_ACTIVITY = "azure.auditlogs.properties.activity_display_name"

#: minutes from an event to its arrival, for each data set; without event.ingested nothing can be said of it
DELAY = (
    f"FROM {_PATTERN}\n"
    """\
| WHERE event.ingested IS NOT NULL
| EVAL delay = DATE_DIFF("second", @timestamp, event.ingested) / 60.0
| STATS
    events = COUNT(*),
    newest_event = MAX(@timestamp),
    last_arrival = MAX(event.ingested),
    median_delay = MEDIAN(delay),
    p95_delay = PERCENTILE(delay, 95)
  BY
    data_stream.dataset
| SORT data_stream.dataset
| LIMIT 100"""
)
_DELAY_COLUMNS = {
    "data_stream.dataset": "string", "events": "number", "newest_event": "date", "last_arrival": "date",
    "median_delay": "number", "p95_delay": "number",
}  # fmt: skip

PANELS: tuple[Union[Panel, QueryPanel], ...] = (
    Panel("Events", "metric", LOGS, "", [count("Events")], (0, 4, 8, 6)),
    Panel("Newest event", "metric", LOGS, "", [latest("Newest event", "@timestamp")], (8, 4, 8, 6)),
    Panel(
        "Events without a readable time", "metric", LOGS, "entra.time_missing : true", [count("Without a time")],
        (0, 10, 8, 6),
    ),
    Panel("Last arrival", "metric", LOGS, "", [latest("Last arrival", "event.ingested")], (8, 10, 8, 6)),
    Panel(
        "Events by data set", "bars", LOGS, "",
        [over_time(), top("Data set", "data_stream.dataset", 10), count("Events")], (16, 4, 32, 12),
    ),
    QueryPanel("Delay in minutes", _PATTERN, DELAY, _DELAY_COLUMNS, (0, 16, 24, 10)),
    Panel(
        "Streams", "table", LOGS, "",
        [top("Stream", "entra.stream", 20), count("Events"), latest("Newest event", "@timestamp")], (24, 16, 24, 10),
    ),
    Panel(
        "Sign-ins by outcome", "bars", LOGS, _SIGNIN,
        [over_time(), top("Outcome", "event.outcome", 5), count("Sign-ins")], (0, 26, 24, 12),
    ),
    Panel(
        "Result codes", "table", LOGS, _SIGNIN,
        [top("Code", _CODE, 20, "number"), count("Sign-ins"), distinct("Users", _UPN)], (24, 26, 24, 12),
    ),
    Panel(
        "Client applications", "pie", LOGS, _SIGNIN,
        [top("Client", "azure.signinlogs.properties.client_app_used", 8), count("Sign-ins")], (0, 38, 16, 12),
    ),
    Panel(
        "Countries", "table", LOGS, _SIGNIN,
        [top("Country", "source.geo.country_iso_code", 15), count("Sign-ins"), distinct("Users", _UPN)],
        (16, 38, 16, 12),
    ),
    Panel(
        "Addresses with failed sign-ins", "table", LOGS, f"{_SIGNIN} and event.outcome : failure",
        [top("Address", "source.ip", 15, "ip"), count("Failures"), distinct("Users", _UPN)], (32, 38, 16, 12),
    ),
    Panel(
        "Directory changes", "table", LOGS, _AUDIT,
        [top("Activity", _ACTIVITY, 15), count("Events"), distinct("Actors", "entra.initiator.name")],
        (0, 50, 24, 12),
    ),
    Panel(
        "Who changes the directory", "table", LOGS, _AUDIT,
        [top("Actor", "entra.initiator.name", 15), count("Events"), distinct("Activities", _ACTIVITY)],
        (24, 50, 24, 12),
    ),
    Panel(
        "Findings by severity", "bars", ALERTS, _OURS,
        [over_time(), top("Severity", "kibana.alert.severity", 5), count("Alerts")], (0, 62, 24, 12),
    ),
    Panel(
        "Findings by rule", "table", ALERTS, _OURS,
        [top("Rule", "kibana.alert.rule.name", 20), count("Alerts"), latest("Last alert", "@timestamp")],
        (24, 62, 24, 12),
    ),
    Panel(
        "Open findings", "metric", ALERTS, f'{_OURS} and kibana.alert.workflow_status : "open"',
        [count("Open alerts")], (0, 74, 16, 6),
    ),
    Panel(
        "Findings by state", "table", ALERTS, _OURS,
        [top("State", "kibana.alert.workflow_status", 5), count("Alerts")], (16, 74, 32, 6),
    ),
)  # fmt: skip

#: a search that leaves nothing out
_EVERYTHING: Json = {"filter": [], "query": {"language": "kuery", "query": ""}}
_OPTIONS = {
    "hidePanelTitles": False, "syncColors": False, "syncCursor": True, "syncTooltips": False, "useMargins": True,
}  # fmt: skip

INTRODUCTION = """\
**Do the logs come in?** A data set that has no new events, or whose delay grows, leaves every rule on it blind. \
**How do sign-ins go?** **What have the rules found?** The last rows show the alerts that carry the tag `Entrawatch`; \
investigate them under Security, Alerts."""


def ndjson() -> bytes:
    """The file: a saved object a line, what is referred to before what refers to it."""
    return b"".join(map(json_line, _objects()))


def _objects() -> Iterator[Json]:
    yield from (_view(view) for view in (LOGS, ALERTS))
    references = [
        {**one, "name": f"{panel.id}:{one['name']}"} for panel in PANELS for one in panel.references()
    ]  # fmt: skip
    attributes = {
        "controlGroupInput": {
            "chainingSystem": "HIERARCHICAL",
            "controlStyle": "oneLine",
            "ignoreParentSettingsJSON": _text(
                {"ignoreFilters": False, "ignoreQuery": False, "ignoreTimerange": False, "ignoreValidations": False}
            ),
            "panelsJSON": _text({}),
            "showApplySelections": False,
        },
        "description": "Ingestion health, sign-ins, directory changes and the findings of Entrawatch's rules",
        "kibanaSavedObjectMeta": {"searchSourceJSON": _text(_EVERYTHING)},
        "optionsJSON": _text(_OPTIONS),
        "panelsJSON": _text([_introduction(), *map(_panel, PANELS)]),
        "timeFrom": "now-24h",
        "timeRestore": True,
        "timeTo": "now",
        "title": NAME,
        "version": 1,
    }
    yield _object("dashboard", identifier("dashboard"), attributes, references, _DASHBOARD)


def _view(view: View) -> Json:
    attributes = {
        "allowHidden": view.hidden, "fieldAttrs": _text({}), "fieldFormatMap": _text({}), "fields": _text([]),
        "name": view.name, "runtimeFieldMap": _text({}), "sourceFilters": _text([]), "timeFieldName": "@timestamp",
        "title": view.title, "typeMeta": _text({}),
    }  # fmt: skip
    return _object("index-pattern", view.id, attributes, [], _VIEW)


def _object(kind: str, id_: str, attributes: Json, references: list[Json], version: str) -> Json:
    return {
        "attributes": attributes, "coreMigrationVersion": _CORE, "id": id_, "managed": False, "references": references,
        "type": kind, "typeMigrationVersion": version,
    }  # fmt: skip


def _panel(panel: Union[Panel, QueryPanel]) -> Json:
    lens = {
        "references": panel.references(), "state": panel.state(), "title": "", "type": "lens",
        "visualizationType": VISUALIZATIONS[panel.kind],
    }  # fmt: skip
    config = {"attributes": lens, "enhancements": {}, "hidePanelTitles": False}
    return _placed("lens", panel.id, panel.title, config, panel.place)


def _introduction() -> Json:
    vis = {
        "data": {"aggs": [], "searchSource": _EVERYTHING},
        "description": "", "id": "", "params": {"fontSize": 12, "markdown": INTRODUCTION, "openLinksInNewTab": False},
        "title": "", "type": "markdown", "uiState": {},
    }  # fmt: skip
    config = {"enhancements": {}, "savedVis": vis}
    return _placed("visualization", identifier("introduction"), "", config, (0, 0, 48, 4))


def _placed(kind: str, id_: str, title: str, config: Json, place: tuple[int, int, int, int]) -> Json:
    x, y, width, height = place
    grid = {"h": height, "i": id_, "w": width, "x": x, "y": y}
    shown = {"title": title} if title else {}
    return {"embeddableConfig": config, "gridData": grid, "panelIndex": id_, "type": kind, **shown}


def _text(value: Any) -> str:
    """JSON inside JSON, as saved objects have it."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True)
