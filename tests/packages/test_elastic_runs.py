"""The queries of the import file, taken from the file: valid where they are to run, and found to find what the judge
finds, when events come in time and when they come late."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import esql
import pytest

from entrawatch.dialects.esql_text import dataset
from entrawatch.packages.elastic_rule import derived
from entrawatch.rules import ir
from rules import eql_engine, esql_engine, esql_runs
from rules.judge import Judge, Row, rows

from .elastic_rules import CATALOGUE, LINES
from .kibana_runs import Kibana, arriving

SHARED = Path(__file__).parents[3] / "shared" / "tables"
EACH = pytest.mark.parametrize("slug", CATALOGUE.rules)
CASES = [
    pytest.param(slug, case, id=f"{slug}: {case.name}") for slug, rule in CATALOGUE.rules.items() for case in rule.cases
]
MATCHING = [case for case in CASES if case.values[1].match]
#: a rule's first matching case
FIRST = list({case.values[0]: case for case in reversed(MATCHING)}.values())
NONE = timedelta(0)


def wanted(slug: str, case_rows: list[Row]) -> list[tuple[str, ...]]:
    return sorted(one.keys for one in Judge(CATALOGUE.baselines).findings(CATALOGUE.rules[slug], case_rows))


def kibana(slug: str, case_rows: list[Row], **more: Any) -> Kibana:
    return Kibana(LINES[slug], CATALOGUE.rules[slug], case_rows, list(CATALOGUE.baselines.values()), **more)


# --- valid ------------------------------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("stack", ["8.19.0", "9.4.0"])
def test_a_query_is_valid_on_our_mapping(slug: str, stack: str) -> None:
    line, rule = LINES[slug], CATALOGUE.rules[slug]
    if line["type"] == "eql":
        eql_engine.parsed(line["query"], dataset(rule.source))
    else:
        esql_engine.parsed(line["query"], stack, esql_runs.lookup_types())


#: what Elastic's azure integration maps of all that our queries name (its fields.yml for the two data streams, and ECS)
MAPPED = {
    "signin": {
        "@timestamp": "date", "event.ingested": "date", "data_stream.dataset": "keyword", "message": "text",
        "source.ip": "ip", "source.geo.country_iso_code": "keyword", "source.geo.city_name": "keyword",
        "user.id": "keyword", "user.name": "keyword", "user_agent.original": "keyword",
        **{
            f"azure.signinlogs.properties.{name}": "keyword"
            for name in (
                "id", "user_principal_name", "app_display_name", "resource_display_name", "client_app_used",
                "authentication_requirement", "conditional_access_status", "correlation_id", "home_tenant_id",
                "resource_tenant_id", "device_detail.display_name",
            )
        },
        "azure.signinlogs.properties.status.error_code": "long",
        "azure.signinlogs.properties.autonomous_system_number": "long",
        "azure.signinlogs.properties.is_interactive": "boolean",
    },
    "audit": {
        "@timestamp": "date", "event.ingested": "date", "data_stream.dataset": "keyword", "source.ip": "ip",
        **{
            f"azure.auditlogs.properties.{name}": "keyword"
            for name in (
                "id", "activity_display_name", "category", "operation_type", "correlation_id", "result",
                "initiated_by.app.displayName", "initiated_by.user.id", "initiated_by.user.userPrincipalName",
            )
        },
    },
}  # fmt: skip


@pytest.mark.skipif(not SHARED.exists(), reason="../shared, Elastic's list of fields, is not here")
@pytest.mark.parametrize(("source", "name"), [("signin", "signinlogs"), ("audit", "auditlogs")])
def test_what_we_say_that_the_integration_maps_it_maps(source: str, name: str) -> None:
    table = json.loads((SHARED / f"elastic_azure_{name}.json").read_text(encoding="utf-8"))
    theirs = {**table["mapped"], **table["ecs_and_common"]}
    same = {"constant_keyword": "keyword", "match_only_text": "text"}
    kinds = {path: same.get(theirs.get(path, ""), theirs.get(path)) for path in MAPPED[source]}
    kinds.setdefault("message", "text")
    assert {path: kind for path, kind in kinds.items() if path != "message"} == {
        path: kind for path, kind in MAPPED[source].items() if path != "message"
    }


@EACH
def test_on_elastics_integration_a_query_needs_what_its_setup_guide_says(slug: str) -> None:
    """Sign-in rules nothing, audit rules the fields that our pipeline and template add."""
    rule, line = CATALOGUE.rules[slug], LINES[slug]
    sources = [rule.source, *([rule.query.source] if isinstance(rule.query, ir.JoinQuery) else [])]
    ours = {name: kind for source in sources for name, kind in esql_engine.schema(dataset(source)).items()}
    theirs = {name: kind for source in sources for name, kind in MAPPED[source].items()}
    named = set(re.findall(r"[@A-Za-z_][\w.]*\w", line["query"])) & set(ours)
    needs = [name for name in derived(rule) if name.startswith("entra.")]
    more = "does Elastic's azure integration map these? then add them to MAPPED; if not, it cannot run the rule"
    assert sorted(named - set(theirs)) == needs, more
    assert needs == [] if rule.source == "signin" else True
    if line["type"] == "esql":
        _parse(line["query"], {**theirs, **{name: ours[name] for name in needs}})


def _parse(text: str, types: dict[str, str]) -> None:
    """With Elastic's own parser over these columns. It lets an unknown one pass in `x = VALUES(x)`."""
    lookups = {name: dict(fields) for name, fields in esql_runs.lookup_types()}
    known = esql.Schema({**types, **esql_engine.METADATA}, lookups=lookups)
    with esql.ParserConfig(min_stack_version="8.19.0"), known:
        esql.parse_query(text)


def test_the_guides_query_is_valid_on_elastics_fields() -> None:
    text = (Path(__file__).parents[2] / "docs" / "elastic-security.md").read_text(encoding="utf-8")
    (query,) = re.findall(r"^```\n(FROM .*?)^```$", text, re.DOTALL | re.MULTILINE)
    _parse(query, MAPPED["signin"])


# --- found ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("slug", "case"), CASES)
def test_events_in_time_make_one_alert_a_finding(slug: str, case: Any) -> None:
    case_rows = rows(case.records)
    ran = kibana(slug, case_rows)
    start = min(row.time for row in case_rows) + timedelta(seconds=97)
    ran.run(arriving(case_rows, lambda *_: timedelta(seconds=40)), start)
    assert sorted(ran.found()) == wanted(slug, case_rows)
    assert bool(ran.alerts) == case.match


#: who is late: place among the events by time, their count → whether it is
LATE = {
    "all": lambda place, count: True,
    "the first": lambda place, count: place == 0,
    "the last": lambda place, count: place == count - 1,
    "every other": lambda place, count: place % 2 == 0,
}


@pytest.mark.parametrize(("slug", "case"), FIRST)
@pytest.mark.parametrize("who", LATE)
@pytest.mark.parametrize("late", [3, 12, 55])
def test_events_that_come_late_make_one_alert_too(slug: str, case: Any, who: str, late: int) -> None:
    case_rows = rows(case.records)
    ran = kibana(slug, case_rows)
    documents = arriving(case_rows, lambda *place: timedelta(minutes=late) if LATE[who](*place) else NONE)
    ran.run(documents, min(row.time for row in case_rows) + timedelta(seconds=271))
    assert sorted(ran.found()) == wanted(slug, case_rows)


@pytest.mark.parametrize(("slug", "case"), [case for case in CASES if not case.values[1].match])
def test_a_near_miss_stays_one_when_half_of_it_comes_late(slug: str, case: Any) -> None:
    case_rows = rows(case.records)
    ran = kibana(slug, case_rows)
    documents = arriving(case_rows, lambda place, _: timedelta(minutes=12 * (place % 2)))
    ran.run(documents, min(row.time for row in case_rows) + timedelta(seconds=271))
    assert ran.found() == []


@pytest.mark.parametrize(("slug", "case"), FIRST)
@pytest.mark.parametrize("begin", [1, 299, 590])
def test_a_run_that_is_late_by_a_whole_interval_misses_nothing(slug: str, case: Any, begin: int) -> None:
    case_rows = rows(case.records)
    ran = kibana(slug, case_rows)
    start = min(row.time for row in case_rows) + timedelta(seconds=begin)
    ran.run(arriving(case_rows, lambda *_: timedelta(seconds=5)), start, every=2)
    assert sorted(ran.found()) == wanted(slug, case_rows)


@pytest.mark.parametrize(("slug", "case"), FIRST)
def test_without_suppression_a_finding_makes_few_alerts_and_then_none(slug: str, case: Any) -> None:
    case_rows = rows(case.records)
    ran = kibana(slug, case_rows, licensed=False)
    ran.run(arriving(case_rows, lambda *_: NONE), min(row.time for row in case_rows) + timedelta(seconds=97))
    assert set(ran.found()) == set(wanted(slug, case_rows))
    assert len(ran.alerts) <= len({row.time for row in case_rows}) + 3


@pytest.mark.parametrize(("slug", "case"), FIRST)
def test_a_revision_makes_no_second_alert(slug: str, case: Any) -> None:
    case_rows = rows(case.records)
    ran = kibana(slug, case_rows)
    first = arriving(case_rows, lambda *_: NONE)
    again = [{**one, "_id": f"{one['_id']}:2"} for one in arriving(case_rows, lambda *_: timedelta(minutes=50))]
    ran.run([*first, *again], min(row.time for row in case_rows) + timedelta(seconds=97))
    assert sorted(ran.found()) == wanted(slug, case_rows)


@pytest.mark.parametrize(("slug", "case"), MATCHING)
def test_what_elastics_integration_has_of_the_events_suffices(slug: str, case: Any) -> None:
    """Its columns alone, in its own data streams, and of ours only those that the setup guide names."""
    case_rows = rows(case.records)
    ran = kibana(slug, case_rows)
    kept = {*MAPPED["signin"], *MAPPED["audit"], *derived(CATALOGUE.rules[slug])}
    documents = [
        {
            **{name: value for name, value in one.items() if name in kept},
            "_id": f"x{place}", "_index": one["_index"].replace("-entrawatch", "-default"), "_version": 1,
        }
        for place, one in enumerate(arriving(case_rows, lambda *_: NONE))
    ]  # fmt: skip
    ran.run(documents, min(row.time for row in case_rows) + timedelta(seconds=97))
    assert sorted(ran.found()) == wanted(slug, case_rows)


@pytest.mark.parametrize("slug", ["brute-force", "password-spray"])
def test_findings_that_differ_in_the_last_key_alone_are_two_alerts(slug: str) -> None:
    case = next(case for case in CATALOGUE.rules[slug].cases if case.match)
    agents = {"one": "agent/1", "other": "agent/2"}
    records = [
        (stream, {**record, "id": f"{record['id']}-{who}", "userAgent": agent})
        for who, agent in agents.items()
        for stream, record in case.records
    ]
    case_rows = rows(records)
    ran = kibana(slug, case_rows)
    ran.run(arriving(case_rows, lambda *_: NONE), min(row.time for row in case_rows) + timedelta(seconds=97))
    assert sorted(ran.found()) == wanted(slug, case_rows)
    assert {key[-1] for key in ran.found()} == set(agents.values())


@pytest.mark.parametrize("slug", ["brute-force", "multiple-lockouts", "third-party-changes"])
def test_a_late_finding_says_from_when_to_when_it_held(slug: str) -> None:
    rule = CATALOGUE.rules[slug]
    case_rows = rows(next(case for case in rule.cases if case.match).records)
    ran = kibana(slug, case_rows)
    documents = arriving(case_rows, lambda *_: timedelta(minutes=40))
    ran.run(documents, min(row.time for row in case_rows) + timedelta(seconds=97))
    ((_, row),) = ran.alerts
    (finding,) = Judge(CATALOGUE.baselines).findings(rule, case_rows)
    assert isinstance(rule.query, (ir.WindowQuery, ir.JoinQuery))
    assert row["window_start"] == finding.start
    assert row["window_start"] + rule.query.length < row["window_end"] <= finding.end


def test_an_event_that_comes_after_the_hour_is_not_counted() -> None:
    """What is written as the bound is the bound."""
    slug = "brute-force"
    case = next(case for case in CATALOGUE.rules[slug].cases if case.match)
    case_rows = rows(case.records)
    ran = kibana(slug, case_rows)
    documents = arriving(case_rows, lambda *_: timedelta(hours=3))
    ran.run(documents, min(row.time for row in case_rows) + timedelta(seconds=97))
    assert ran.found() == []


def of_each(slug: str, count: int, **fields: str) -> list[Row]:
    """A matching case's events for each of many; `{}` in a field's value is the number."""
    case = next(case for case in CATALOGUE.rules[slug].cases if case.match)
    return rows(
        [
            (stream, {**record, "id": f"{record['id']}-{who}", **{k: v.format(who) for k, v in fields.items()}})
            for who in range(count)
            for stream, record in case.records
        ]
    )


@pytest.mark.parametrize("slug", ["brute-force", "sync-account-abuse", "user-consent-to-application"])
def test_no_victim_of_a_mass_event_is_left_out(slug: str) -> None:
    """Not by the run that finds them all, nor because the first ones are found again by the next."""
    fields = {"userPrincipalName": "Sync_victim{}@contoso.example"} if CATALOGUE.rules[slug].source == "signin" else {}
    case_rows = of_each(slug, 150, **fields)
    ran = kibana(slug, case_rows)
    documents = arriving(case_rows, lambda *_: NONE)
    end = max(one["event.ingested"] for one in documents)
    ran.run(documents, end + timedelta(minutes=4), every=2)
    assert sorted(ran.found()) == wanted(slug, case_rows)
    assert len(ran.found()) >= 150
    assert ran.cut == 0


@pytest.mark.parametrize("minutes", [-25, -8, 20])
@pytest.mark.parametrize("slug", ["brute-force", "password-spray", "disabled-user-signin", "password-spray-success"])
def test_a_clock_that_stamps_arrivals_wrongly_hides_no_threshold(slug: str, minutes: int) -> None:
    case_rows = rows(next(case for case in CATALOGUE.rules[slug].cases if case.match).records)
    ran = kibana(slug, case_rows)
    ran.run(arriving(case_rows, lambda *_: timedelta(minutes=minutes)), min(row.time for row in case_rows))
    assert sorted(ran.found()) == wanted(slug, case_rows)


def later(records: Any, by: timedelta) -> list[tuple[str, dict[str, Any]]]:
    """The same events once more, later."""
    made = []
    for stream, record in records:
        clock = "createdDateTime" if "createdDateTime" in record else "activityDateTime"
        at = datetime.fromisoformat(record[clock].replace("Z", "+00:00")) + by
        made.append((stream, {**record, "id": f"{record['id']}-later", clock: at.isoformat().replace("+00:00", "Z")}))
    return made


@pytest.mark.parametrize("slug", ["brute-force", "password-spray", "disabled-user-signin", "password-spray-success"])
@pytest.mark.parametrize("after", [False, True])
def test_a_second_attack_is_an_alert_of_its_own_when_the_first_ones_time_is_over(slug: str, after: bool) -> None:
    """The time is what the guide says, from the alert on; within it the second joins the first."""
    lasts = timedelta(minutes=LINES[slug]["alert_suppression"]["duration"]["value"])
    records = list(next(case for case in CATALOGUE.rules[slug].cases if case.match).records)
    case_rows = rows([*records, *later(records, lasts + timedelta(hours=1) if after else lasts / 2)])
    ran = kibana(slug, case_rows)
    ran.run(arriving(case_rows, lambda *_: timedelta(seconds=40)), min(row.time for row in case_rows))
    assert len(ran.alerts) == len(wanted(slug, rows(records))) * (2 if after else 1)
    assert ran.suppressed > 0


def test_case_the_spelling_of_an_address_and_the_order_of_arrival_hide_nothing() -> None:
    """An address is one, however it is spelled: that is Elasticsearch's `ip`; the judge takes its text."""
    slug = "password-spray"
    spelled = ["2001:db8::7", "2001:DB8:0::7", "2001:0db8:0000:0000:0000:0000:0000:0007"]
    records = [
        (
            stream,
            {
                **record,
                "ipAddress": spelled[place % 3],
                "userAgent": record["userAgent"].upper() if place % 2 else record["userAgent"],
                "appDisplayName": record["appDisplayName"].lower() if place % 2 else record["appDisplayName"],
            },
        )
        for place, (stream, record) in enumerate(next(c for c in CATALOGUE.rules[slug].cases if c.match).records)
    ]
    case_rows = rows(records)
    ran = kibana(slug, case_rows)
    # the last comes first
    documents = arriving(case_rows, lambda place, count: timedelta(minutes=50 - 50 * place // count))
    ran.run(documents, min(row.time for row in case_rows))
    assert [key[0] for key in ran.found()] == ["2001:db8::7"]
