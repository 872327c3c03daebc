"""The dashboards: definitions as Dashboard Studio documents them, and every search run over a tenant's events."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from functools import cache
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from entrawatch.ingest.gaps import gap
from entrawatch.ingest.position import Span
from entrawatch.normalize import normalize
from entrawatch.normalize.envelope import wrap
from entrawatch.schema.streams import STREAMS
from entrawatch.schema.times import parse as moment
from rules.spl.engine import Engine, event
from rules.spl.functions import Evaluator
from rules.spl.parsing import parse
from rules.spl.values import Raw, number
from rules.splunk import ENVELOPE

from .content import APP, macros, names, tenant
from .test_content_cim import calculated
from .test_content_searches import results

VIEWS = sorted((APP / "default/data/ui/views").glob("*.xml"))
#: https://help.splunk.com/en/splunk-enterprise/create-dashboards-and-reports/dashboard-studio/10.4/source-code-editor
SECTIONS = {"title", "description", "inputs", "defaults", "visualizations", "dataSources", "layout"}
KINDS = {f"splunk.{kind}" for kind in ("singlevalue", "line", "column", "bar", "area", "pie", "table")}
OPTIONS = {"unit", "unitPosition", "stackMode"}
#: panels that are empty where all is well
WELL = {"silent", "long", "faults"}


def definition(path: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(ET.parse(path).getroot().findtext("definition") or "")
    return made


PANELS = [
    pytest.param(path, name.removeprefix("ds_"), source["options"]["query"], id=f"{path.stem}: {name}")
    for path in VIEWS
    for name, source in definition(path)["dataSources"].items()
]


@pytest.mark.parametrize("path", VIEWS, ids=lambda path: path.stem)
def test_a_view_is_xml_of_version_two_around_a_whole_definition(path: Any) -> None:
    root = ET.parse(path).getroot()
    assert (root.tag, root.attrib) == ("dashboard", {"version": "2"}), "a theme of its own would overrule the person's"
    assert [child.tag for child in root] == ["label", "description", "definition"]
    assert "<definition><![CDATA[{" in path.read_text()
    made = definition(path)
    assert set(made) == SECTIONS
    assert made["title"] == root.findtext("label")
    assert not re.search(r"#[0-9a-fA-F]{6}", json.dumps(made)), "a colour for one of the themes only"


@pytest.mark.parametrize("path", VIEWS, ids=lambda path: path.stem)
def test_visualizations_have_their_data_and_their_place(path: Any) -> None:
    made = definition(path)
    asked = [one["dataSources"]["primary"] for one in made["visualizations"].values()]
    assert sorted(asked) == sorted(made["dataSources"])
    for one in made["visualizations"].values():
        assert one["type"] in KINDS
        assert set(one) <= {"type", "title", "description", "dataSources", "options", "eventHandlers"}
        assert set(one["options"]) <= OPTIONS
    for source in made["dataSources"].values():
        assert set(source) == {"type", "name", "options"}
        assert source["type"] == "ds.search"
    layout = made["layout"]
    assert sorted(one["item"] for one in layout["structure"]) == sorted(made["visualizations"])
    assert layout["globalInputs"] == list(made["inputs"])
    tokens = {one["options"]["token"] for one in made["inputs"].values()}
    assert set(re.findall(r"\$(\w+)\.(?:earliest|latest)\$", json.dumps(made))) == tokens


@pytest.mark.parametrize("path", VIEWS, ids=lambda path: path.stem)
def test_panels_fill_the_grid_without_lying_over_each_other(path: Any) -> None:
    layout = definition(path)["layout"]
    places = [one["position"] for one in layout["structure"]]
    taken: set[tuple[int, int]] = set()
    for place in places:
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"], 10)
            for y in range(place["y"], place["y"] + place["h"], 10)
        }
        assert not cells & taken
        taken |= cells
        assert place["x"] + place["w"] <= layout["options"]["width"]
    assert max(place["y"] + place["h"] for place in places) == layout["options"]["height"]


# --- the searches -----------------------------------------------------------------------------------------------------


@cache
def events() -> list[dict[str, Any]]:
    """Some of a tenant's events in our shape, a few in the vendor's too; the inputs' log; notables of three rules."""
    held = []
    for one in tenant()[::8]:
        stream = STREAMS[one.stream]
        time = moment(str(one.record[stream.time_field]))
        assert time is not None
        at = time.timestamp()
        family = stream.family
        made = event(normalize(dict(one.record), stream), at, f"entrawatch:{family}")
        cim = {name: Evaluator().value(text, made) for name, text in calculated(family).items()}
        held.append({**made, **{name: value for name, value in cim.items() if value is not None}})
        if at % 7 < 1:
            held.append(event(wrap(one.record, stream, "tenant"), at, ENVELOPE))
    for place, row in enumerate(held):
        row["_indextime"] = row["_time"] + 30 + place % 600
    return [*held, *hole(held[-1]["_time"]), *log(held[-1]["_time"]), *notables(held[-1]["_time"])]


def hole(at: float) -> list[dict[str, Any]]:
    """A gap as the loop tells of it, in both shapes."""
    now = datetime.fromtimestamp(at, timezone.utc)
    made = gap("contoso", "t", STREAMS["interactive"], Span(0, 600), "the source has forgotten it", now)
    shapes = {"event": "entrawatch:signin", "envelope": ENVELOPE}
    return [
        {**event(made.shapes[shape], at, sourcetype), "_indextime": at + 60} for shape, sourcetype in shapes.items()
    ]


def log(at: float) -> list[dict[str, Any]]:
    lines = [
        {"stream": "interactive", "events_new": 5, "events_put_aside": 2, "events_gaps": 1, "log_level": "INFO"},
        {"log_level": "ERROR"},
    ]
    made = [event(line, at - 60 * place, "entrawatch") for place, line in enumerate(lines)]
    return [{**row, "index": Raw("_internal"), "source": Raw("/opt/splunk/entrawatch_a.log")} for row in made]


def notables(at: float) -> list[dict[str, Any]]:
    made = []
    for slug in ("password-spray", "credentials-added", "brute-force"):
        name = names(slug)["normalized"]
        row = {**results(slug, "normalized")[0], "_time": at - 600, "index": Raw("notable"), "search_name": Raw(name)}
        fired = {"_time": at - 600, "index": Raw("_audit"), "action": Raw("alert_fired"), "ss_name": Raw(name)}
        made += [row, fired]
    return made


@cache
def engine() -> Engine:
    return Engine(events(), macros())


def found(query: str) -> list[dict[str, Any]]:
    latest = max(row["_time"] for row in events()) + 1
    return engine().run(query, latest - 7 * 86_400, latest)


@pytest.mark.parametrize(("path", "panel", "query"), PANELS)
def test_a_search_runs_and_gives_something_sane(path: Any, panel: str, query: str) -> None:
    rows = found(query)
    assert rows or panel in WELL
    kind = definition(path)["visualizations"][f"viz_{panel}"]["type"]
    if kind == "splunk.singlevalue":
        assert len(rows) == 1
        (value,) = rows[0].values()
        shown = number(value if isinstance(value, (int, float)) else Raw(value))
        assert shown is not None
        assert shown > 0
    elif kind == "splunk.pie":
        assert len(rows) > 1
        assert all(len(row) == 2 for row in rows)
    elif kind in {"splunk.column", "splunk.area"}:
        assert all("_time" in row for row in rows)
        assert sum(value for row in rows for name, value in row.items() if name != "_time") > 0


def cell(view: str, panel: str) -> list[dict[str, Any]]:
    (path,) = [path for path in VIEWS if path.stem == view]
    return found(definition(path)["dataSources"][f"ds_{panel}"]["options"]["query"])


def test_health_counts_what_is_there_and_says_how_late_it_was() -> None:
    own = [row for row in events() if str(row.get("sourcetype", "")).startswith(("entrawatch:", ENVELOPE))]
    latest = max(row["_time"] for row in events()) + 1
    own = [row for row in own if row["_time"] >= latest - 7 * 86_400]
    assert cell("entrawatch_health", "events") == [{"events": len(own)}]
    late = {str(row["stream"]): row for row in cell("entrawatch_health", "late")}
    assert "interactive" in late
    assert "SignInLogs" in late
    assert all(30 <= row["median"] <= row["perc95"] <= row["longest"] < 630 for row in late.values())
    last = {str(row["stream"]): row for row in cell("entrawatch_health", "last")}
    assert set(last) == set(late)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row["last"]) for row in last.values())
    assert cell("entrawatch_health", "aside") == [{"aside": 2}]
    assert cell("entrawatch_health", "holes") == [{"gaps": 2}]
    told = cell("entrawatch_health", "gaps")
    assert [str(row["reason"]) for row in told] == 2 * ["the source has forgotten it"]
    assert {str(row["stream"]) for row in told} == {"interactive"}
    assert [row["log_level"] for row in cell("entrawatch_health", "faults")] == ["ERROR"]


def test_a_silence_and_an_event_too_long_are_shown() -> None:
    long = {**events()[0], "_raw": Raw("x" * 10_241), "_indextime": events()[0]["_time"] + 1}
    made = Engine([long], macros())
    (path,) = [path for path in VIEWS if path.stem == "entrawatch_health"]
    sources = definition(path)["dataSources"]
    start = long["_time"] // 600 * 600
    assert len(made.run(sources["ds_silent"]["options"]["query"], start - 1200, start + 600)) == 2
    assert [row["beyond"] for row in made.run(sources["ds_long"]["options"]["query"], start, start + 600)] == [1]


def test_sign_ins_add_up_and_a_gap_is_none() -> None:
    (count,) = cell("entrawatch_signins", "count")
    latest = max(row["_time"] for row in events()) + 1
    week = [row for row in events() if row["_time"] >= latest - 7 * 86_400]
    mine = [row for row in week if row.get("sourcetype") == "entrawatch:signin" and row["event.kind"] == "event"]
    theirs = [row for row in week if "SignInLogs" in str(row.get("category")) and row.get("operationName") != "gap"]
    assert count["signins"] == len(mine) + len(theirs)
    assert mine
    assert theirs
    assert count["signins"] == sum(row["signins"] for row in cell("entrawatch_signins", "factors"))
    outcomes = cell("entrawatch_signins", "outcomes")
    assert {name for row in outcomes for name in row} >= {"_time", "success", "failure"}
    codes = cell("entrawatch_signins", "codes")
    assert "50126" in {str(row["signature_id"]) for row in codes}
    assert "0" not in {str(row["signature_id"]) for row in codes}
    (share,) = cell("entrawatch_signins", "share")
    assert 0 < share["share"] < 100


def test_findings_are_counted_by_rule_and_by_what_they_are_about() -> None:
    rules = {str(row["search_name"]): row["findings"] for row in cell("entrawatch_findings", "rules")}
    assert len(rules) == 3
    assert sum(rules.values()) == sum(row["findings"] for row in cell("entrawatch_findings", "severities"))
    spray = results("password-spray", "normalized")[0]
    assert str(spray["src"]) in {str(row["entity"]) for row in cell("entrawatch_findings", "entities")}
    assert {str(row["ss_name"]) for row in cell("entrawatch_findings", "alerts")} == set(rules)


@pytest.mark.parametrize("path", VIEWS, ids=lambda path: path.stem)
def test_a_click_opens_a_search_for_the_row(path: Any) -> None:
    made = definition(path)
    for name, one in made["visualizations"].items():
        for handler in one.get("eventHandlers", []):
            assert handler["type"] == "drilldown.linkToSearch"
            query = handler["options"]["query"]
            (field,) = re.findall(r"\$row\.(\w+)\.value\|s\$", query)
            (row, *_) = found(made["dataSources"][name.replace("viz_", "ds_")]["options"]["query"])
            filled = re.sub(r"\$row\.\w+\.value\|s\$", f'"{row[field]}"', query)
            assert parse(filled, macros())
            if "=" in query.rpartition(")")[2] or "search_name" in query:
                assert found(filled)


def test_dashboards_are_there_for_health_sign_ins_and_findings() -> None:
    assert [path.stem for path in VIEWS] == ["entrawatch_findings", "entrawatch_health", "entrawatch_signins"]
