"""Dashboards of Splunk's Dashboard Studio: panels to a definition in JSON, and that into a view of the app.

A view names no theme and no panel a colour: both follow the person's own choice, light or dark.

https://help.splunk.com/en/splunk-enterprise/create-dashboards-and-reports/dashboard-studio/10.4/source-code-editor/what-is-a-dashboard-definition
(sections), …/add-and-format-visualizations (types), …/search-data-sources (ds.search), …/drilldown (linkToSearch)
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.dom.minidom import Document

from entrawatch.dialects.spl_text import clauses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: pixels of the grid: twelve columns
_WIDTH, _COLUMNS = 1440, 12
_COLUMN = _WIDTH // _COLUMNS


@dataclass(frozen=True)
class Panel:
    """One visualization with its search.

    :param kind: singlevalue, line, column, bar, area, pie or table.
    :param search: the commands, the base search first.
    :param columns: how many of the twelve columns it takes.
    :param height: pixels.
    :param options: of the visualization.
    :param leads_to: the search that a click opens, "" for none; `$row.FIELD.value|s$` is the row's value in quotes.
    """

    id: str
    title: str
    kind: str
    search: tuple[str, ...]
    columns: int = 6
    height: int = 300
    about: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    leads_to: str = ""


@dataclass(frozen=True)
class Dashboard:
    """A view.

    :param name: of its file.
    :param span: the range of time it opens with, as two relative times.
    """

    name: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    span: tuple[str, str] = ("-24h@h", "now")


def query(search: Sequence[str]) -> str:
    """The commands as one search."""
    first, *rest = search
    return str(clauses(first, *[f"| {command}" for command in rest]))


def definition(dashboard: Dashboard) -> dict[str, Any]:
    """The dashboard's definition."""
    times = {"earliest": "$global_time.earliest$", "latest": "$global_time.latest$"}
    return {
        "title": dashboard.title,
        "description": dashboard.description,
        "inputs": {
            "input_time": {
                "type": "input.timerange",
                "title": "Time",
                "options": {"token": "global_time", "defaultValue": ",".join(dashboard.span)},
            }
        },
        "defaults": {"dataSources": {"ds.search": {"options": {"queryParameters": times}}}},
        "visualizations": {f"viz_{panel.id}": _visualization(panel) for panel in dashboard.panels},
        "dataSources": {
            f"ds_{panel.id}": {"type": "ds.search", "name": panel.title, "options": {"query": query(panel.search)}}
            for panel in dashboard.panels
        },
        "layout": _layout(dashboard),
    }


def _visualization(panel: Panel) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": f"splunk.{panel.kind}",
        "title": panel.title,
        "dataSources": {"primary": f"ds_{panel.id}"},
        "options": dict(panel.options),
    }
    if panel.about:
        made["description"] = panel.about
    if panel.leads_to:
        made["eventHandlers"] = [_drilldown(panel.leads_to)]
    return made


def _drilldown(search: str) -> dict[str, Any]:
    return {
        "type": "drilldown.linkToSearch",
        "options": {
            "query": search,
            "earliest": "$global_time.earliest$",
            "latest": "$global_time.latest$",
            "type": "custom",
            "newTab": True,
        },
    }


def _layout(dashboard: Dashboard) -> dict[str, Any]:
    """The panels row by row, as many side by side as the twelve columns take."""
    structure, x, y, tallest = [], 0, 0, 0
    for panel in dashboard.panels:
        width = panel.columns * _COLUMN
        if x + width > _WIDTH:
            x, y, tallest = 0, y + tallest, 0
        place = {"x": x, "y": y, "w": width, "h": panel.height}
        structure.append({"item": f"viz_{panel.id}", "type": "block", "position": place})
        x, tallest = x + width, max(tallest, panel.height)
    return {
        "type": "grid",
        "options": {"width": _WIDTH, "height": y + tallest},
        "globalInputs": ["input_time"],
        "structure": structure,
    }


def view(dashboard: Dashboard) -> bytes:
    """The view's file: XML around the definition."""
    document = Document()
    root = document.createElement("dashboard")
    root.setAttribute("version", "2")
    for name, text in (("label", dashboard.title), ("description", dashboard.description)):
        root.appendChild(document.createElement(name)).appendChild(document.createTextNode(text))
    made = json.dumps(definition(dashboard), indent=2, ensure_ascii=True)
    root.appendChild(document.createElement("definition")).appendChild(document.createCDATASection(made))
    return root.toxml().encode() + b"\n"
