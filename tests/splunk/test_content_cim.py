"""Our sourcetypes in the names of the Common Information Model: the calculated fields of props.conf, computed."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest

from entrawatch.normalize import normalize
from entrawatch.schema.fields import ROOTS
from entrawatch.schema.streams import STREAMS
from rules.spl import expressions
from rules.spl.engine import Engine, event
from rules.spl.functions import Evaluator, fields_in
from rules.spl.values import number, values_of

from .content import conf, tenant

#: what Splunk requires of an add-on for the model, in our own list after
#: https://github.com/splunk/pytest-splunk-addon/tree/main/pytest_splunk_addon/data_models
REQUIRED = {
    "signin": ("action", "app", "dest", "src", "user", "vendor_product"),
    "audit": (
        "action", "change_type", "command", "dest", "dvc", "object", "object_attrs", "object_category", "object_id",
        "src", "status", "user", "src_user", "vendor_product",
    ),
}  # fmt: skip
#: what the models recommend and our events have somewhere
SEEN = {
    "signin": {
        "authentication_method", "authentication_service", "duration", "reason", "response_time", "signature",
        "signature_id", "user_agent", "user_id", "user_name", "user_type", "vendor_account", "src_country",
    },
    "audit": {"result", "src_ip", "user_agent", "user_type", "vendor_event_id"},
}  # fmt: skip
#: fields with prescribed values
ALLOWED = {
    ("signin", "action"): {"success", "failure", "pending", "error"},
    ("audit", "action"): {"created", "deleted", "modified"},
    ("audit", "status"): {"success", "failure"},
}


@cache
def events() -> dict[str, list[dict[str, Any]]]:
    """Family → events of a tenant as Splunk takes their fields out."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in tenant()[::3]:
        stream = STREAMS[one.stream]
        made = normalize(dict(one.record), stream, tenant_id="11111111-1111-4111-8111-111111111111")
        found.setdefault(stream.family, []).append(event(made, 0.0, f"entrawatch:{stream.family}"))
    return found


@cache
def calculated(family: str) -> dict[str, Any]:
    settings = conf("props")[f"entrawatch:{family}"]
    return {key[5:]: expressions.parse(text) for key, text in settings.items() if key.startswith("EVAL-")}


@cache
def fields(family: str) -> list[dict[str, Any]]:
    """The calculated fields of each event, each made of the event alone, as Splunk does."""
    evaluator = Evaluator()
    return [{name: evaluator.value(made, row) for name, made in calculated(family).items()} for row in events()[family]]


@pytest.mark.parametrize("family", REQUIRED)
def test_every_event_has_what_its_model_requires(family: str) -> None:
    assert len(fields(family)) > 50
    for row in fields(family):
        for name in REQUIRED[family]:
            assert values_of(row[name]), (name, row)
            assert "" not in values_of(row[name]), (name, row)


@pytest.mark.parametrize("family", SEEN)
def test_what_the_model_recommends_is_there_where_the_event_says_it(family: str) -> None:
    assert {name for name in SEEN[family] if not any(values_of(row[name]) for row in fields(family))} == set()


@pytest.mark.parametrize(("family", "name"), ALLOWED)
def test_values_are_those_that_the_model_knows(family: str, name: str) -> None:
    found = {row[name] for row in fields(family)}
    assert found <= ALLOWED[family, name]
    assert len(found) > 1


def test_a_sign_in_says_what_came_of_it_as_the_event_does() -> None:
    words = {"success": "success", "failure": "failure", "unknown": "pending"}
    for row, made in zip(events()["signin"], fields("signin")):
        assert made["action"] == words[row["event.outcome"]]
        assert (made["signature"] == "Sign-in succeeded") == (made["action"] == "success")
        assert number(made["signature_id"]) == number(row["azure.signinlogs.properties.status.error_code"])


def test_durations_are_seconds_below_an_hour() -> None:
    found = [row["duration"] for row in fields("signin") if row["duration"] is not None]
    assert all(0 <= float(one) < 3600 for one in found)
    record = {"id": "x", "createdDateTime": "2026-01-07T09:00:00Z", "processingTimeInMilliseconds": 250}
    made = event(normalize(record, STREAMS["interactive"]), 0.0, "entrawatch:signin")
    assert float(Evaluator().value(calculated("signin")["duration"], made)) == 0.25


def test_of_a_change_to_an_account_the_account_is_the_user_and_who_made_it_the_source_user() -> None:
    row = next(row for row in events()["audit"] if "entra.target.user.name" in row and "entra.initiator.name" in row)
    made = {name: Evaluator().value(one, row) for name, one in calculated("audit").items()}
    assert (made["user"], made["src_user"]) == (row["entra.target.user.name"], row["entra.initiator.name"])
    assert made["object_category"] == "user"


@pytest.mark.parametrize(("result", "status"), [("success", "success"), ("failure", "failure"), ("timeout", "failure")])
def test_a_change_that_did_not_succeed_failed(result: str, status: str) -> None:
    record = {"id": "x", "activityDateTime": "2026-01-07T09:00:00Z", "result": result}
    made = event(normalize(record, STREAMS["directory_audits"]), 0.0, "entrawatch:audit")
    assert Evaluator().value(calculated("audit")["status"], made) == status


@pytest.mark.parametrize("family", ROOTS)
def test_calculated_fields_do_not_ask_for_each_other_and_ask_for_what_events_have(family: str) -> None:
    wanted = {name for made in calculated(family).values() for name in fields_in(made)}
    assert not wanted & set(calculated(family))
    held = {name for row in events()[family] for name in row}
    lacking = wanted - held
    # a tenant does not have every field; most of them it has
    assert len(lacking) < len(wanted) / 2, lacking
    for row in events()[family]:
        for made in calculated(family).values():
            Evaluator().value(made, row)


def test_event_types_hold_what_their_tags_say() -> None:
    record = {"id": "x", "createdDateTime": "2026-01-07T09:00:00Z", "clientAppUsed": "IMAP4"}
    legacy = event(normalize(record, STREAMS["interactive"]), 0.0, "entrawatch:signin")
    hole = event({"event": {"kind": "pipeline_error"}}, 0.0, "entrawatch:signin")
    held = Engine([hole, legacy, *events()["signin"], *events()["audit"], *events()["provisioning"]], {})
    searches = {name: settings["search"] for name, settings in conf("eventtypes").items()}
    found = {name: len(held.run(search, 0, 1)) for name, search in searches.items()}
    assert found["entrawatch_signin"] == len(events()["signin"]) + 1
    assert found["entrawatch_audit"] == len(events()["audit"])
    assert 0 < found["entrawatch_audit_account"] < found["entrawatch_audit"]
    assert 0 < found["entrawatch_signin_legacy"] < found["entrawatch_signin"]
    tagged = {name.partition("=")[2]: set(tags) for name, tags in conf("tags").items()}
    assert set(tagged) == set(searches)
    assert "authentication" in tagged["entrawatch_signin"]
    assert "change" in tagged["entrawatch_audit"]
    assert tagged["entrawatch_audit_account"] == {"account"}


@pytest.mark.parametrize("family", ROOTS)
def test_the_time_of_a_monitored_file_is_found(family: str) -> None:
    settings = conf("props")[f"entrawatch:{family}"]
    raw = str(events()[family][0]["_raw"]) if events().get(family) else ""
    found = re.search(settings["TIME_PREFIX"], raw)
    assert found
    stamp = raw[found.end() : found.end() + int(settings["MAX_TIMESTAMP_LOOKAHEAD"])]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
    assert settings["TIME_FORMAT"] == "%Y-%m-%dT%H:%M:%S.%3NZ"
    assert settings["KV_MODE"] == "json"


def test_nothing_is_said_of_a_sourcetype_that_another_add_on_maps() -> None:
    assert set(conf("props")) == {f"entrawatch:{family}" for family in ROOTS}
    assert not [search for search in conf("eventtypes").values() if "azure:monitor:aad" in search["search"]]
