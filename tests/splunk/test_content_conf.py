"""The .conf files: written so that Splunk reads what was meant, with keys that it knows and names that are there."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrawatch.packages.content import prepared
from entrawatch.packages.splunk import forms, tree
from entrawatch.packages.splunk_conf import Stanza, one_line
from entrawatch.packages.splunk_conf import conf as written
from entrawatch.packages.splunk_risk import SCORES, STORIES, stories
from entrawatch.packages.versions import LOCK, Lock, read_lock
from entrawatch.rules.document import schema
from rules.spl import source
from rules.spl.parsing import parse
from rules.splunk import ENVELOPE

from .content import APP, CATALOGUE, CONTENT, conf, macros, names, parsed

#: the keys that Splunk's specifications name, of those that an app of searches may want
#: https://docs.splunk.com/Documentation/Splunk/latest/Admin/Savedsearchesconf, …/Macrosconf, …/Propsconf,
#: …/Transformsconf, …/Collectionsconf, …/Eventtypesconf; notables, risk and stories as contentctl writes them
KEYS = {
    "savedsearches": {
        "description", "search", "disabled", "is_visible", "enableSched", "cron_schedule", "dispatch.earliest_time",
        "dispatch.latest_time", "dispatch.index_earliest", "dispatch.index_latest", "realtime_schedule",
        "schedule_window", "allow_skew", "counttype", "relation", "quantity", "alert.track", "alert.severity",
        "alert.digest_mode", "alert.suppress", "alert.suppress.fields", "alert.suppress.period",
        "action.correlationsearch.enabled", "action.correlationsearch.label", "action.correlationsearch.annotations",
        "action.correlationsearch.detection_type", "action.correlationsearch.metadata", "action.notable",
        "action.notable.param.rule_title", "action.notable.param.rule_description", "action.notable.param.nes_fields",
        "action.notable.param.security_domain", "action.notable.param.severity", "action.notable.param.next_steps",
        "action.notable.param.drilldown_searches", "action.risk", "action.risk.param._risk",
        "action.risk.param._risk_message", "action.risk.param._risk_score", "action.risk.param.verbose",
    },
    "macros": {"args", "definition", "description", "iseval", "validation", "errormsg"},
    "props": {
        "category", "description", "pulldown_type", "SHOULD_LINEMERGE", "LINE_BREAKER", "TRUNCATE", "TIME_PREFIX",
        "TIME_FORMAT", "MAX_TIMESTAMP_LOOKAHEAD", "TZ", "KV_MODE",
    },
    "transforms": {"external_type", "collection", "fields_list", "case_sensitive_match", "max_matches"},
    "collections": {"field.address", "field.country", "enforceTypes", "replicate", "replication_dump_strategy"},
    "eventtypes": {"search"},
    "analyticstories": {
        "type", "asset_type", "confidence", "explanation", "how_to_implement", "annotations", "known_false_positives",
        "providing_technologies", "category", "version", "references", "maintainers", "spec_version", "searches",
        "description", "narrative",
    },
}  # fmt: skip
RULES = {name: settings for name, settings in conf("savedsearches").items() if "action.risk" in settings}
LEARNERS = {name: settings for name, settings in conf("savedsearches").items() if name not in RULES}
RELEASED = read_lock((CONTENT / LOCK).read_text()) if (CONTENT / LOCK).exists() else Lock()
TREE = tree(prepared(CATALOGUE, RELEASED, "splunk"))


# --- the writer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(path for path in TREE if path.endswith(".conf")))
def test_another_parser_reads_what_was_meant(path: str) -> None:
    text = TREE[path].decode()
    assert (APP / path).read_bytes() == TREE[path]
    read = parsed(text)
    assert re.findall(r"^\[(.*)\]$", text, re.MULTILINE) == list(read)
    for line in text.splitlines():
        assert line == line.rstrip() or line.endswith(" \\"), line


def test_a_search_comes_back_line_by_line() -> None:
    for slug in CATALOGUE.rules:
        for profile, name in names(slug).items():
            raw = TREE["default/savedsearches.conf"].decode()
            block = raw[raw.index(f"[{name}]\n") :].partition("\nsearch = ")[2].partition("\ndisabled = ")[0]
            assert block.replace(" \\\n", "\n").split("\n")[0].startswith(("`", "(("))
            assert profile
            assert "\\" not in block.replace(" \\\n", "").replace('\\"', "").replace("\\\\", ""), name


#: the parser takes a line that begins with an asterisk for a comment, as specifications have it: Splunk does not
lines = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S"], exclude_characters="*"), min_size=1, max_size=20
)


@given(st.lists(lines, min_size=1, max_size=4))
def test_any_value_comes_back_or_is_refused(value: list[str]) -> None:
    text = "\n".join(value)
    try:
        made = written([Stanza("a", {"before": "x", "key": text, "after": "y"})])
    except ValueError:
        assert any(line.endswith("\\") or line[:1] in "#;[" for line in value)
        return
    read = parsed(made.decode())
    assert read == {"a": {"before": "x", "key": text, "after": "y"}}


@pytest.mark.parametrize(
    "stanza",
    [
        Stanza("a]b", {}),
        Stanza("a\nb", {}),
        Stanza(" a", {}),
        Stanza("a", {"key = x\nother": "y"}),
        Stanza("a", {"key": "ends in \\"}),
        Stanza("a", {"key": "one\\\ntwo"}),
        Stanza("a", {"key": " padded"}),
        Stanza("a", {"key": "padded "}),
        Stanza("a", {"key": "tab\tinside"}),
        Stanza("a", {"key": "return\rinside"}),
        Stanza("a", {"key": "one\n[two]"}),
        Stanza("a", {"key": "one\n# two"}),
    ],
)
def test_what_splunk_would_read_otherwise_is_refused(stanza: Stanza) -> None:
    with pytest.raises(ValueError, match=r"Splunk|backslash|continuation"):
        written([stanza])


def test_a_stanza_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        written([Stanza("a", {}), Stanza("a", {})])


def test_a_text_with_a_token_is_refused() -> None:
    assert one_line(" two\n  lines ") == "two lines"
    with pytest.raises(ValueError, match="token"):
        one_line("costs $5 or $6")


# --- names and keys ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*KEYS, "tags"])
def test_keys_are_known_to_splunk(name: str) -> None:
    if name == "tags":
        assert all(stanza.startswith("eventtype=") for stanza in conf(name))
        assert {value for settings in conf(name).values() for value in settings.values()} == {"enabled"}
        return
    found = {key for settings in conf(name).values() for key in settings if not key.startswith("EVAL-")}
    assert found - KEYS[name] == set()


def test_every_rule_stands_there_for_each_shape_and_nothing_else_does() -> None:
    assert {name for slug in CATALOGUE.rules for name in names(slug).values()} == set(RULES)
    assert len(RULES) == 2 * len(CATALOGUE.rules)
    assert len(LEARNERS) == 2 * len(CATALOGUE.baselines)


@pytest.mark.parametrize("name", conf("savedsearches"))
def test_a_search_is_off_and_scheduled_so_that_no_run_is_left_out(name: str) -> None:
    settings = conf("savedsearches")[name]
    assert settings["disabled"] == "1"
    assert settings["enableSched"] == "1"
    assert settings["realtime_schedule"] == "0"
    assert settings["allow_skew"] == "0"
    assert settings["schedule_window"] == "auto"
    assert not settings["dispatch.earliest_time"].startswith("rt")
    assert len(name) <= 99
    assert name.startswith("Entrawatch - ")
    assert name.isascii()


@pytest.mark.parametrize("name", RULES)
def test_a_name_ends_as_enterprise_security_wants_it_and_is_cut_between_words(name: str) -> None:
    assert name.endswith(" - Rule")
    if ENVELOPE in name:
        stem = name.removeprefix("Entrawatch - ").partition(f" ({ENVELOPE})")[0]
        assert any(rule.title == stem or rule.title.startswith(f"{stem} ") for rule in CATALOGUE.rules.values())


@pytest.mark.parametrize("name", conf("savedsearches"))
def test_a_schedule_is_valid_and_not_every_minute(name: str) -> None:
    minutes, hours, *rest = conf("savedsearches")[name]["cron_schedule"].split(" ")
    assert rest == ["*", "*", "*"]
    listed = [int(one) for one in minutes.split(",")]
    assert listed == sorted(set(listed))
    assert 0 <= listed[0] <= listed[-1] <= 59
    gaps = {after - before for before, after in zip(listed, [*listed[1:], listed[0] + 60])}
    assert len(gaps) == 1, "uneven steps"
    assert min(gaps) >= 5
    assert hours == "*" or all(0 <= int(hour) <= 23 for hour in hours.split(","))


def test_runs_are_spread_over_the_minutes() -> None:
    first = [settings["cron_schedule"].split(",")[0] for settings in RULES.values()]
    assert len(set(first)) >= 5


# --- macros -----------------------------------------------------------------------------------------------------------


def named(text: str) -> set[str]:
    """The macros that a text names outside quotes and comments."""
    plain = re.sub(r'"(?:[^"\\]|\\.)*"', '""', source.uncommented(text))
    return set(re.findall(r"`(\w+)`", plain))


def dashboards() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in (APP / "default/data/ui/views").glob("*.xml")]


def test_macros_are_all_defined_and_none_is_idle() -> None:
    used = {name for settings in conf("savedsearches").values() for name in named(settings["search"])}
    used |= {name for definition in macros().values() for name in named(definition)}
    used |= {name for text in dashboards() for name in re.findall(r"`(\w+)`", text)}
    assert used - set(macros()) == set()
    assert set(macros()) - used == set()


@pytest.mark.parametrize("slug", CATALOGUE.rules)
def test_a_rule_has_its_own_filter_at_its_end_and_its_parameters_in_both_shapes(slug: str) -> None:
    rule = CATALOGUE.rules[slug]
    word = slug.replace("-", "_")
    for name in names(slug).values():
        text = conf("savedsearches")[name]["search"]
        assert text.endswith(f"| `entrawatch_{word}_filter`")
        for parameter in rule.parameters:
            assert f"`entrawatch_{word}_{parameter.name}`" in text
    for parameter in rule.parameters:
        told = conf("macros")[f"entrawatch_{word}_{parameter.name}"]["description"]
        assert rule.title in told
        assert parameter.description in told


def test_macros_tell_what_they_tune_and_their_default() -> None:
    raw = TREE["default/macros.conf"].decode()
    for name, settings in conf("macros").items():
        assert f"# {settings['description']}\n# Default: {settings['definition']}\n[{name}]\n" in raw
        assert name.startswith("entrawatch_"), "a macro is seen by all apps"


def test_a_macro_of_ones_own_changes_what_a_search_asks() -> None:
    own = {**macros(), "entrawatch_index": "index=entra"}
    for settings in RULES.values():
        text = source.expanded(source.uncommented(settings["search"]), own)
        assert "index=entra" in text
        assert "index=*" not in text
        assert parse(settings["search"], own)


# --- Enterprise Security ----------------------------------------------------------------------------------------------


def rule_of(name: str) -> Any:
    return next(CATALOGUE.rules[slug] for slug in CATALOGUE.rules if name in names(slug).values())


def loaded(settings: dict[str, str], key: str) -> Any:
    return json.loads(settings[key])


@pytest.mark.parametrize("name", RULES)
def test_severity_follows_the_score_as_in_splunks_own_content(name: str) -> None:
    settings, rule = RULES[name], rule_of(name)
    scores = [one["risk_score"] for one in loaded(settings, "action.risk.param._risk") if "risk_score" in one]
    assert scores
    assert all(1 <= score <= 100 for score in scores)
    ends = {20: "informational", 40: "low", 60: "medium", 80: "high", 100: "critical"}
    severity = next(word for end, word in ends.items() if max(scores) <= end)
    assert severity == rule.level
    assert settings.get("action.notable.param.severity", severity) == severity
    assert SCORES[rule.level] == max(scores)


@pytest.mark.parametrize("name", RULES)
def test_annotations_are_of_the_rule(name: str) -> None:
    told, rule = loaded(RULES[name], "action.correlationsearch.annotations"), rule_of(name)
    assert told["mitre_attack"] == list(rule.techniques)
    assert not [t for t in rule.techniques if "." in t and t.partition(".")[0] in rule.techniques]
    assert all(re.fullmatch(r"T\d{4}(\.\d{3})?", technique) for technique in told["mitre_attack"])
    assert told["analytic_story"]
    assert set(told["analytic_story"]) <= set(STORIES.values())
    assert told["kill_chain_phases"]
    assert told["type"] == ("TTP" if RULES[name].get("action.notable") == "1" else "Anomaly")
    assert RULES[name]["action.risk"] == "1"
    assert RULES[name]["action.correlationsearch.label"] == name


@pytest.mark.parametrize("name", RULES)
def test_throttling_is_by_result_and_in_a_form_that_is_known(name: str) -> None:
    settings = RULES[name]
    assert settings["alert.digest_mode"] == "0"
    assert settings["alert.suppress"] == "1"
    assert re.fullmatch(r"[0-9]+[smh]", settings["alert.suppress.period"])
    assert all(re.fullmatch(r"\w+", field) for field in settings["alert.suppress.fields"].split(","))
    assert (settings["counttype"], settings["relation"], settings["quantity"]) == (
        "number of events", "greater than", "0",
    )  # fmt: skip


@pytest.mark.parametrize("name", [name for name in RULES if "action.notable" in RULES[name]])
def test_a_notable_says_what_to_do(name: str) -> None:
    settings, rule = RULES[name], rule_of(name)
    steps = loaded(settings, "action.notable.param.next_steps")
    assert steps["version"] == 1
    for step in rule.triage:
        assert step in steps["data"]
    assert settings["action.notable.param.security_domain"] == ("access" if rule.source == "signin" else "identity")
    assert len(loaded(settings, "action.notable.param.drilldown_searches")) >= 2
    for key in ("rule_title", "rule_description"):
        assert re.search(r"\$\w+\$", settings[f"action.notable.param.{key}"])


def test_risk_objects_and_threats_are_of_known_kinds() -> None:
    for settings in RULES.values():
        for one in loaded(settings, "action.risk.param._risk"):
            assert one.get("risk_object_type", "user") in {"user", "system", "other"}
            assert one.get("threat_object_type", "ip_address") == "ip_address"


@pytest.mark.parametrize(
    "name", [name for name in RULES if rule_of(name).slug in {"password-spray", "multiple-lockouts"}]
)
def test_accounts_that_were_only_tried_are_listed_and_raise_no_risk(name: str) -> None:
    settings = RULES[name]
    assert "user=userPrincipalName" in settings["search"]
    objects = [
        one.get("risk_object_field") or one["threat_object_field"]
        for one in loaded(settings, "action.risk.param._risk")
    ]
    assert objects == ["src", "src"]
    assert settings["action.notable.param.nes_fields"] == "src"
    for key in (
        "action.notable.param.rule_title",
        "action.notable.param.rule_description",
        "action.risk.param._risk_message",
    ):
        assert "$user$" not in settings[key]


def test_detections_are_told_apart_and_carry_the_version() -> None:
    ids = [loaded(settings, "action.correlationsearch.metadata")["detection_id"] for settings in RULES.values()]
    assert len(set(ids)) == len(ids)
    for name, settings in RULES.items():
        version = loaded(settings, "action.correlationsearch.metadata")["detection_version"]
        assert version.isdecimal()
        assert re.search(r"Version \d+\.\d+\.\d+\.$", settings["description"]), name


def test_stories_hold_all_searches_and_each_has_its_page() -> None:
    stories = {name: one for name, one in conf("analyticstories").items() if name.startswith("analytic_story://")}
    pages = {name.removeprefix("savedsearch://") for name in conf("analyticstories") if name not in stories}
    assert pages == set(RULES)
    assert {name for one in stories.values() for name in json.loads(one["searches"])} == set(RULES)
    assert set(stories) == {f"analytic_story://{one}" for one in STORIES.values()}
    assert list(STORIES) == schema("rule")["properties"]["stories"]["items"]["enum"]


GUESSED, TAKEN, ABUSED = STORIES.values()


@pytest.mark.parametrize(
    ("source", "techniques", "said", "filed"),
    [
        ("signin", ["T1110.003"], [], [GUESSED]),
        ("signin", ["T1110", "T1531"], [], [GUESSED]),
        ("signin", ["T1110.004", "T1078.004"], [], [GUESSED, TAKEN]),
        # a phished device code is a sign-in that got in, whatever else its technique is used for
        ("signin", ["T1528"], [], [TAKEN]),
        ("signin", [], [], [TAKEN]),
        ("audit", ["T1528"], [], [ABUSED]),
        ("audit", ["T1110"], [], [ABUSED]),
        ("audit", ["T1556.006"], ["account-takeover"], [TAKEN]),
        ("signin", ["T1110"], ["directory-abuse", "password-attacks"], [ABUSED, GUESSED]),
    ],
)
def test_a_rule_is_of_the_stories_it_names_else_of_what_it_reads(
    source: str, techniques: list[str], said: list[str], filed: list[str]
) -> None:
    rule = replace(CATALOGUE.rules["brute-force"], source=source, techniques=tuple(techniques), stories=tuple(said))
    assert stories(rule) == filed


def test_a_rule_of_the_catalogue_says_so_where_its_source_does_not() -> None:
    assert CATALOGUE.rules["account-hijacking"].stories == ("account-takeover",)
    assert stories(CATALOGUE.rules["account-hijacking"]) == [TAKEN]


# --- baselines --------------------------------------------------------------------------------------------------------


def test_a_baselines_lookup_is_there_and_a_rule_says_when_to_enable_it() -> None:
    for name, settings in LEARNERS.items():
        lookup = settings["search"].split()[-1]
        assert conf("transforms")[lookup]["collection"] in conf("collections")
        assert conf("transforms")[lookup]["case_sensitive_match"] == "1"
        columns = {field.partition(".")[2] for field in conf("collections")[lookup] if field.startswith("field.")}
        assert columns == {"address", "country"}
        users = [one for one in RULES.values() if f"lookup {lookup} " in one["search"]]
        assert users
        if ENVELOPE not in name:
            assert sum(name in one["description"] and "7 days" in one["description"] for one in users) == len(users) / 2
    without = [one for one in RULES.values() if "lookup " not in one["search"]]
    assert not [one for one in without if "Lookup Gen" in one["description"]]


# --- versions ---------------------------------------------------------------------------------------------------------


def test_a_form_holds_the_rule_without_its_version_and_changes_with_it() -> None:
    made = forms(CATALOGUE)
    assert set(made) == set(CATALOGUE.rules)
    assert not [slug for slug, content in made.items() if b"Version 1." in content or b"detection_version" in content]
    assert b"entrawatch_brute_force_attempts" in made["brute-force"]
    assert len(set(made.values())) == len(made)


def test_the_app_ships_no_limits_but_says_which_to_set() -> None:
    assert not [path for path in TREE if Path(path).name == "limits.conf"]
    example = parsed(TREE["README/limits.conf.example"].decode())
    assert int(example["kv"]["maxchars"]) > 100_000
    assert int(example["kv"]["limit"]) > 100
