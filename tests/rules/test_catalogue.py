"""The catalogue: the sixteen rules load and mean what their own tests say; a broken file says what is wrong with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from entrawatch.errors import ConfigError
from entrawatch.rules import ir
from entrawatch.rules.catalogue import load_catalogue, read_rule
from entrawatch.rules.document import schema
from entrawatch.rules.faults import Faults

from .judge import Judge, fold, rows

ROOT = Path(__file__).parents[2] / "content" / "catalogue"
CATALOGUE = load_catalogue(ROOT)

#: slug → source, level, keys, W, H and techniques: the contract of the first sixteen
_PAIR = "ipAddress userPrincipalName"
_USER, _SOURCE = "userPrincipalName ipAddress appDisplayName userAgent", "ipAddress appDisplayName userAgent"
CONTRACT = {
    "brute-force": ("signin", "medium", _USER, "1:00 0:05", "T1110.001"),
    "password-spray": ("signin", "high", _SOURCE, "1:00 0:05", "T1110.003"),
    "password-spray-success": ("signin", "critical", _PAIR, "24:00 0:15", "T1110.003 T1078.004"),
    "multiple-lockouts": ("signin", "high", _SOURCE, "1:00 0:05", "T1110 T1531"),
    "mfa-failures": ("signin", "medium", _USER, "1:00 0:05", "T1621"),
    "disabled-user-signin": ("signin", "medium", _SOURCE, "1:00 0:15", "T1078.004"),
    "user-consent-to-application": ("audit", "medium", "id", "", "T1528"),
    "credentials-added": ("audit", "high", "id", "", "T1098.001"),
    "admin-role-outside-pim": ("audit", "high", "id", "", "T1098.003 T1078.004"),
    "account-hijacking": ("audit", "high", "userPrincipalName ipAddress", "168:00 1:00", "T1566 T1556.006 T1098.005"),
    "third-party-changes": ("audit", "medium", "id", "24:00 0:15", "T1199"),
    "single-factor-from-new-network": ("signin", "medium", "id", "", "T1078.004"),
    "sync-account-abuse": ("signin", "high", "id", "", "T1078.004"),
    "application-added": ("audit", "informational", "id", "", "T1136.003"),
    "guest-invited": ("audit", "informational", "id", "", "T1136.003"),
    "conditional-access-policy-changed": ("audit", "low", "id", "", "T1556.009"),
}  # fmt: skip

CASES = [
    pytest.param(rule, case, id=f"{slug}: {case.name}") for slug, rule in CATALOGUE.rules.items() for case in rule.cases
]


def window_of(query: Any) -> str:
    length = getattr(query, "within", getattr(query, "length", None))
    if length is None:
        return ""
    minutes = [int(span.total_seconds()) // 60 for span in (length, query.every)]
    return " ".join(f"{span // 60}:{span % 60:02}" for span in minutes)


def test_the_catalogue_holds_the_sixteen_rules_as_agreed() -> None:
    found = {
        slug: (
            rule.source,
            rule.level,
            " ".join(key.name for key in rule.keys),
            window_of(rule.query),
            " ".join(rule.techniques),
        )
        for slug, rule in CATALOGUE.rules.items()
    }
    assert {slug: found.get(slug) for slug in CONTRACT} == CONTRACT, "the first sixteen stay; others may join them"


#: slug → what its windows count, and how many make a finding
COUNTED = {
    "brute-force": ("events", 5),
    "password-spray": ("userPrincipalName", 5),
    "multiple-lockouts": ("userPrincipalName", 5),
    "mfa-failures": ("events", 2),
    "disabled-user-signin": ("userPrincipalName", 1),
    "account-hijacking": ("activityDisplayName", 5),
}


def test_a_window_counts_what_was_agreed() -> None:
    found = {}
    for slug, rule in CATALOGUE.rules.items():
        if isinstance(rule.query, ir.WindowQuery):
            measure = rule.query.measure
            what = measure.field.name if isinstance(measure, ir.Distinct) else "events"
            least = measure.at_least
            found[slug] = (what, least.default if isinstance(least, ir.Parameter) else least)
    assert {slug: found.get(slug) for slug in COUNTED} == COUNTED


@pytest.mark.parametrize(("rule", "case"), CASES)
def test_a_rule_finds_what_its_cases_say_and_nothing_else(rule: Any, case: Any) -> None:
    findings = Judge(CATALOGUE.baselines).findings(rule, rows(case.records))
    wanted = {tuple(fold(keys[key.name]) for key in rule.keys) for keys in case.keys}
    assert {finding.keys for finding in findings} == wanted
    assert len(findings) == len(wanted)


VALID = yaml.safe_load((ROOT / "signin" / "brute-force.yml").read_text(encoding="utf-8"))


def _place(part: str) -> Any:
    return int(part) if part.isdigit() else part


def changed(path: str, value: Any) -> str:
    """The valid rule with one place changed; `...` takes the key away."""
    return changed_all({path: value})


def changed_all(changes: dict[str, Any]) -> str:
    """The valid rule with several places changed."""
    document = yaml.safe_load(yaml.safe_dump(VALID))
    for path, value in changes.items():
        at = document
        *parents, last = path.split("/")
        for parent in parents:
            at = at[_place(parent)]
        if value is ...:
            del at[last]
        else:
            at[_place(last)] = value
    return yaml.safe_dump(document, sort_keys=False)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("triage", ..., "'triage' is a required property"),
        ("levle", "high", "unknown key levle; it takes author"),
        ("level", "severe", "level: 'severe' is none of informational, low"),
        ("id", "abc", "id: 'abc' is not of the form"),
        ("detection/wrong_password/nosuch", 1, "detection.wrong_password.nosuch: the signin source has no"),
        ("detection/condition", "other", "detection.condition: the detection has no other; it joins"),
        ("correlation/group-by", ["ipAdress"], "correlation.group-by: the signin source has no field 'ipAdress'"),
        ("correlation/at_least", "%users%", "correlation.at_least: %users% names no integer parameter"),
        ("correlation/every", "7m", "correlation.every: a window of 1h is no whole number of its steps"),
        ("parameters/spare", {"type": "text", "default": "x", "description": "nobody uses it"}, "parameters.spare: no"),
        ("parameters/attempts/default", "five", "parameters.attempts.default: 'five' is no integer"),
        ("unless_baseline", {"name": "x", "address": "ipAddress"}, "unless_baseline.name: there is no baseline 'x'"),
        ("join", {}, "a rule has a correlation or a join, not both"),
        ("keys", {"x": "nosuch"}, "keys.x: the signin source has no field"),
        ("tests/cases/0/records/0/base", "other", "tests.cases.0.records.0.base: 'other' is no base"),
        ("tests/cases/0/match/0", {"id": 1}, "tests.cases.0.match: its keys are id; the rule's are"),
        ("tests/cases", VALID["tests"]["cases"][:3], "at least two near misses"),
        ("entities", [{**VALID["entities"][0], "risk": False}], "entities: one of them raises risk"),
        ("entities/0/risk", "no", "entities.0.risk: "),
        ("triage", ["Look at it for a while, please."], "triage: it is too short: at least 3 entries"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_file_its_key_and_what_was_expected(path: str, value: Any, told: str) -> None:
    faults = Faults("signin/x.yml")
    assert read_rule(changed(path, value), faults, "x", CATALOGUE.baselines) is None
    assert any(told in line and line.startswith("signin/x.yml: ") for line in faults.lines), faults.lines
    assert not any("\n" in line for line in faults.lines)


_FORM = {"title": "Bad", "triage": ["Look."], "tests/cases": VALID["tests"]["cases"][:1]}
_NETWORK = {"selection": {"ipAddress|cidr": "%offices%"}, "condition": "selection"}


@pytest.mark.parametrize(
    ("changes", "form", "meaning"),
    [
        (
            {**_FORM, "detection": _NETWORK, "correlation/at_least": 5, "parameters": {}},
            ["title: it is", "triage.0: it is", "triage: it is", "tests.cases: it is"],
            ["detection.selection.ipAddress|cidr: pySigma does not read it: Invalid CIDR expression: '%offices%'"],
        ),
        (
            {
                "levle": "high",
                "shown": ["nosuch"],
                "detection": {"s": {"nosuch": 1}},
                "tags": ["attack.credential-access", "attack.t1999"],
            },
            ["unknown key levle", "detection: 'condition' is a required property", "detection: it is"],
            [
                "shown: the signin source has no",
                "detection.s.nosuch: the signin source has no",
                "tags: attack.t1999: no",
            ],
        ),
        (
            {"correlation/timespan": "long", "detection": {"s": {"nosuch": 1}, "condition": "s"}},
            ["correlation.timespan: 'long' is not of the form"],
            ["detection.s.nosuch: the signin source has no"],
        ),
        (
            {"parameters/attempts/description": ..., "shown": ["nosuch"]},
            ["parameters.attempts: 'description' is a required property"],
            ["shown: the signin source has no"],
        ),
        (
            {"logsource": {"product": "azure", "service": "x"}, "shown": ["nosuch"]},
            ["logsource.service: 'x' is none"],
            [],
        ),
        ({"entities": [], "detection": ...}, ["entities: it is too short", "'detection' is a required property"], []),
    ],
    ids=["short", "unknown", "a correlation", "a parameter", "no source", "missing"],
)
def test_what_a_rule_means_is_told_beside_its_faults_of_form(
    tmp_path: Path, changes: dict[str, Any], form: list[str], meaning: list[str]
) -> None:
    (tmp_path / "signin").mkdir()
    (tmp_path / "signin" / "x.yml").write_text(changed_all(changes), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_catalogue(tmp_path)
    found = error.value.faults
    wanted = [*form, *meaning]
    assert all(any(told in line for line in found) for told in wanted), found
    assert len(found) == len(wanted), found


@pytest.mark.parametrize(
    ("slug", "key", "asked"),
    [("password-spray-success", "correlation.then", "within"), ("third-party-changes", "join", "timespan")],
)
def test_what_follows_or_joins_is_in_a_window_of_whole_steps(slug: str, key: str, asked: str) -> None:
    document = yaml.safe_load(next(ROOT.rglob(f"{slug}.yml")).read_text(encoding="utf-8"))
    at = document
    for part in key.split("."):
        at = at[part]
    at["every"] = "7m"
    faults = Faults(f"{slug}.yml")
    assert read_rule(yaml.safe_dump(document), faults, slug, CATALOGUE.baselines) is None
    (line,) = faults.lines
    assert line.endswith(f" {key}.every: a window of {at[asked]} is no whole number of its steps")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [1", "line 1, column"),
        ("title: a\ntitle: b\n", "the key 'title' stands twice"),
        ("- a\n- b\n", "a rule is a YAML mapping"),
        ("", "a rule is a YAML mapping"),
        ("a: 1\n---\nb: 2\n", "a catalogue file holds one rule"),
        ("a: !!python/object:os.system x\n", "no YAML"),
    ],
)
def test_what_is_no_document_is_told_in_one_line(text: str, told: str) -> None:
    faults = Faults("signin/x.yml")
    assert read_rule(text, faults, "x", {}) is None
    assert any(told in line for line in faults.lines), faults.lines


def test_the_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "signin").mkdir(exist_ok=True)
        (tmp_path / "signin" / f"{name}.yml").write_text(changed("level", "severe"), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_catalogue(tmp_path)
    assert [line.split(":")[0] for line in error.value.faults] == ["signin/one.yml", "signin/two.yml"]


def test_two_rules_with_one_id_are_a_fault(tmp_path: Path) -> None:
    (tmp_path / "signin").mkdir()
    for name in ("one", "two"):
        (tmp_path / "signin" / f"{name}.yml").write_text(changed("level", "high"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"two.yml: id: .* is the id of one too"):
        load_catalogue(tmp_path)


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        (["attack.credential-access", "attack.t1999"], "tags: attack.t1999: no technique of the table TECHNIQUES"),
        (["attack.credential-acces", "attack.t1110"], "tags: attack.credential-acces: no tactic of the table TACTICS"),
        (["attack.t1110"], "tags: it names at least one tactic and one technique"),
        (["attack.credential-access"], "tags: it names at least one tactic and one technique"),
    ],
)
def test_what_the_packages_cannot_file_is_a_fault_of_the_catalogue_alone(
    tmp_path: Path, tags: list[str], told: str
) -> None:
    (tmp_path / "signin").mkdir()
    (tmp_path / "signin" / "one.yml").write_text(changed("tags", tags), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_catalogue(tmp_path)
    assert any(told in line for line in error.value.faults), error.value.faults
    faults = Faults("x.yml")
    assert read_rule(changed("tags", tags), faults, "x", CATALOGUE.baselines), faults.lines


def test_an_empty_folder_is_no_catalogue(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it holds no rules"):
        load_catalogue(tmp_path)


def test_every_rule_has_what_an_analyst_needs() -> None:
    for slug, rule in CATALOGUE.rules.items():
        assert len(rule.triage) >= 3, slug
        assert all(step.endswith(".") for step in rule.triage), slug
        assert rule.entities, slug
        assert re.fullmatch(r"[a-z0-9-]+", slug)
        assert sum(not case.match for case in rule.cases) >= 2


def test_the_published_schemas_are_schemas() -> None:
    for kind in ("rule", "baseline"):
        assert schema(kind)["$schema"].startswith("https://json-schema.org/")
