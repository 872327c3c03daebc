"""`rules` with Sigma files of one's own: what is wrong with them, and what to write instead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest
from tests.commands import SIGMA

from entrawatch.dialects import NAMES

if TYPE_CHECKING:
    from .conftest import Done

CONTENT = Path(__file__).parents[2] / "content"
UNSAID = f"""\
{SIGMA}name: lockout
---
title: Many
correlation:
  {{type: value_count, rules: lockout, group-by: UserId, timespan: 1h, condition: {{gte: 2, field: riskEventTypes_v2}}}}
"""


@pytest.mark.parametrize("form", ["table", "json"])
def test_what_no_language_can_say_is_a_fault_and_told_beside_the_others(
    call: Callable[..., Done], tmp_path: Path, form: str
) -> None:
    first, second = tmp_path / "a.yml", tmp_path / "b.yml"
    first.write_text(UNSAID, encoding="utf-8")
    second.write_text(SIGMA.replace("ResultType", "ResultTyp").replace("2b7d6fc0", "2b7d6fc1"), encoding="utf-8")
    done = call("rules", "validate", tmp_path, "--format", form)
    unsaid, unknown = done.err.splitlines()
    assert unsaid.startswith(f"entrawatch: {first}: line 11: a: no language can say it exactly")
    assert unknown.startswith(f"entrawatch: {second}: line 6: detection.selection.ResultTyp: ")
    assert done.code == 2
    if form == "json":
        assert [rule["rule"] for rule in json.loads(done.out)] == ["lockout", "a"]
    else:
        assert [line.split() for line in done.out.splitlines()[1:3]] == [
            ["lockout", *["yes"] * len(NAMES)],
            ["a", *["no"] * len(NAMES)],
        ]
        assert done.out.splitlines()[-1] == "2 rules, 2 faults"


@pytest.mark.parametrize(
    ("timespan", "steps", "works"),
    [
        ("14h", "70m", "12h or 16h works"),
        ("7d", "14h", "6d or 8d works"),
        ("7m", "7m", "6m or 8m works"),
        ("30d", "60h", "24d works"),
        *[(said, "", "") for said in ("12h", "16h", "6d", "8d", "6m", "8m", "24d")],
    ],
)
def test_a_timespan_that_kql_does_not_count_comes_with_those_that_it_does(
    call: Callable[..., Done], tmp_path: Path, timespan: str, steps: str, works: str
) -> None:
    rule = tmp_path / "many.yml"
    counted = UNSAID.replace("timespan: 1h", f"timespan: {timespan}").replace("riskEventTypes_v2", "UserDisplayName")
    rule.write_text(counted, encoding="utf-8")
    told = json.loads(call("rules", "validate", rule, "--format", "json").out)
    why = f"KQL counts steps of {steps} from another beginning than the epoch; they follow from the timespan"
    assert told[1]["refused"]["kql"] == (f"{why} (a twelfth of it): {works}" if steps else None)


@pytest.mark.parametrize(
    ("by", "field", "told"),
    [
        (
            "Category",
            "TargetDisplayName",
            "counting the values of targetResources.displayName, a list; entra.target.name is",
        ),
        (
            "Category",
            "TargetUPN",
            "counting the values of targetResources.userPrincipalName, a list; entra.target.user",
        ),
        ("Category", "entra.role.name", "counting the values of entra.role.name, a list; take a field of one value"),
        (
            "TargetId",
            "CorrelationId",
            "grouping by targetResources.id, a list; entra.target.id is one value, the ident",
        ),
    ],
)
def test_a_list_where_one_value_is_asked_for_comes_with_the_field_that_has_one(
    call: Callable[..., Done], tmp_path: Path, by: str, field: str, told: str
) -> None:
    rule = tmp_path / "many.yml"
    counted = UNSAID.replace("signinlogs", "auditlogs").replace("ResultType: 50053", "Category: x")
    rule.write_text(counted.replace("UserId", by).replace("riskEventTypes_v2", field), encoding="utf-8")
    (_, many) = json.loads(call("rules", "validate", rule, "--format", "json").out)
    whys = [many["refused"][name] for name in ("sql", "spl")]
    assert all(why.startswith(told) for why in whys), whys
    assert not any(
        "(Distinct)" in line or "FieldRef" in line for line in call("rules", "validate", rule).out.split("\n")
    )


@pytest.mark.parametrize(
    "action", [["rules", "validate"], ["rules", "coverage"], ["hunt", "logs.json", "--rules"]], ids=" ".join
)
@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        (
            r"\d+curl(?=x)",
            r"write [0-9] for \d, a second selection, joined with and, for the look-around (?=, or wildcards",
        ),
        ("a{1001}", "is no regular expression: invalid repetition size: {1001}"),
    ],
)
def test_a_regular_expression_that_is_refused_is_told_in_one_line_and_by_no_library(
    call: Callable[..., Done], tmp_path: Path, action: list[str], pattern: str, told: str
) -> None:
    rule = tmp_path / "re.yml"
    rule.write_text(SIGMA.replace("ResultType: 50053", f"userAgent|re: '{pattern}'"), encoding="utf-8")
    done = call(*action, rule)
    assert done.line.startswith(f"entrawatch: {rule}: line 6: detection.selection.userAgent|re: '{pattern}' ")
    assert told in done.line


@pytest.mark.parametrize(
    ("field", "instead"),
    [
        ("TargetDisplayName", "; entra.target.name is one value, the "),
        ("targetResources.modifiedProperties.newValue", "; take a field of one value (docs/fields.md says which"),
    ],
)
def test_elasticsearchs_reason_names_the_field_to_take_in_a_lists_place(
    call: Callable[..., Done], tmp_path: Path, field: str, instead: str
) -> None:
    rule = tmp_path / "target.yml"
    rule.write_text(SIGMA.replace("signinlogs", "auditlogs").replace("ResultType: 50053", f"{field}: x"))
    (told,) = json.loads(call("rules", "validate", rule, "--format", "json").out)
    for name in ("esql", "eql"):
        assert f"it is no column{instead}" in told["refused"][name]


@pytest.mark.parametrize(
    ("profile", "source"),
    [("normalized", "entrawatch_signin"), ("azure:monitor:aad", "entrawatch_signin_azure_monitor_aad")],
)
def test_a_search_is_shown_with_the_macros_that_it_needs_and_where_they_are(
    call: Callable[..., Done], profile: str, source: str
) -> None:
    done = call("rules", "show", "brute-force", "--dialect", "spl", "--profile", profile)
    names = f"{source}, entrawatch_brute_force_attempts, entrawatch_brute_force_filter, entrawatch_index"
    assert done.line == f"entrawatch: needs the macros {names}, which the Splunk app defines (docs/splunk.md)"
    stanzas = (CONTENT / "splunk" / "default" / "macros.conf").read_text(encoding="utf-8")
    assert all(f"\n[{name}]\n" in stanzas for name in names.split(", "))
    assert call("rules", "show", "brute-force", "--dialect", "kql").err == ""
