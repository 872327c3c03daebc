"""The modular input's stream as splunkd reads it. Runs on the interpreters Splunk ships."""

from __future__ import annotations

import io
import json
import os
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from splunklib.modularinput import EventWriter

from entrawatch.errors import SinkUnavailableError
from entrawatch.sinks.modular_input import ModularInputSink

from .events import HOSTILE_TEXTS, event, events


def sent(batch: list[dict[str, Any]], **options: str) -> list[ET.Element]:
    """The <event> elements splunkd gets."""
    out = io.StringIO()
    writer = EventWriter(out, io.StringIO())
    sink = ModularInputSink("entra_logs://contoso", writer, **options)
    result = sink.write(batch)
    assert result.stored == len(batch)
    sink.close()
    writer.close()
    return list(ET.fromstring(out.getvalue()))


def test_an_event_is_unbroken_and_carries_its_time_and_its_fields() -> None:
    found = sent([event(5)], index="entra", host="h1", source="graph")[0]
    assert found.attrib == {"stanza": "entra_logs://contoso", "unbroken": "1"}
    assert {child.tag: child.text for child in found if child.tag != "data"} == {
        "time": "1795514405.123", "source": "graph", "sourcetype": "entrawatch:signin", "index": "entra",
        "host": "h1", "done": None,
    }  # fmt: skip
    assert json.loads(found.findtext("data") or "") == event(5)


def test_what_is_not_configured_is_left_to_splunk() -> None:
    tags = {child.tag for child in sent([{**event(1), "@timestamp": None}], stanza="x://y")[0]}
    assert tags == {"sourcetype", "data", "done"}


def test_the_envelope_has_the_vendor_s_sourcetype_and_its_own_time() -> None:
    envelope = {"time": "2026-11-24T10:00:00Z", "properties": {}, "entra": {"stream": "interactive", "revision": 1}}
    found = sent([envelope], shape="envelope")[0]
    assert (found.findtext("sourcetype"), found.findtext("time")) == ("azure:monitor:aad", "1795514400.000")


POLICIES = [
    {"id": f"policy-{number}", "display_name": "A name of some length", "result": "notApplied"} for number in range(90)
]
LONG = {
    "applied_conditional_access_policies": POLICIES, "target_resources": {"0": {"modified_properties": POLICIES}},
    "status": {"error_code": 50126}, "id": "id-1", "user_principal_name": "user1@contoso.example",
}  # fmt: skip
#: what searches ask for, as the end of an event's text would not be searched for it
ASKED = ['"error_code"', '"id-1"', '"user_principal_name"']


@pytest.mark.parametrize(
    ("shape", "made", "asked"),
    [
        (
            "event",
            {"azure": {"signinlogs": {"properties": LONG, "category": "SignInLogs"}}},
            ['"category"', '"tenant_id"', '"ip"'],
        ),
        ("event", {"azure": {"signinlogs": "no object"}}, ['"tenant_id"']),
        ("envelope", {"properties": LONG, "category": "SignInLogs"}, ['"category"']),
        ("envelope", {"properties": None}, []),
    ],
)
def test_what_searches_ask_for_stands_where_splunk_looks_for_fields(shape: str, made: Any, asked: list[str]) -> None:
    given = {**made, **{name: value for name, value in event(1).items() if name not in made}}
    text = sent([given], shape=shape)[0].findtext("data") or ""
    assert json.loads(text) == given
    assert [name for name in (ASKED if POLICIES[0]["id"] in text else []) + asked if name not in text[:5000]] == []


@pytest.mark.parametrize("text", [*HOSTILE_TEXTS.values(), "\ufffe\uffff\x7f\x85", "]]>", "<?xml?>"])
def test_no_text_breaks_out_of_its_event(text: str) -> None:
    found = sent([event(1, user={"name": text}), event(2)])
    assert len(found) == 2
    shown = json.loads(found[0].findtext("data") or "")["user"]["name"]
    assert shown == text.encode("utf-8", "replace").decode()


def test_a_pipe_that_splunk_closed_makes_it_unavailable() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    out = os.fdopen(writing, "w")
    sink = ModularInputSink("entra_logs://contoso", EventWriter(out, io.StringIO()))
    with pytest.raises(SinkUnavailableError, match="no longer reads"):
        sink.write(events(200))
    with pytest.raises(BrokenPipeError):
        out.close()


def test_a_stream_that_is_closed_on_our_side_makes_it_unavailable() -> None:
    out = io.StringIO()
    out.close()
    with pytest.raises(SinkUnavailableError):
        ModularInputSink("x", EventWriter(out, io.StringIO())).write(events(1))
