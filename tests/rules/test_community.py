"""Sigma rules and correlations from elsewhere: what is understood means what it says, what is not is refused."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from entrawatch.dialects.base import Compiled, Refusal
from entrawatch.dialects.sql import Sql
from entrawatch.rules import ir
from entrawatch.rules.community import load
from entrawatch.rules.navigator import layer

from .judge import Judge, rows
from .test_catalogue import CATALOGUE, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from entrawatch.rules.rule import Rule

PLAIN: dict[str, Any] = {
    "title": "Account lockout",
    "id": "2b7d6fc0-71ac-4cf7-8ed1-b5788ee5257a",
    "name": "lockout",
    "status": "test",
    "description": "A lockout.",
    "tags": ["attack.credential-access", "attack.t1110"],
    "logsource": {"product": "azure", "service": "signinlogs"},
    "detection": {"selection": {"ResultType": 50053}, "condition": "selection"},
    "level": "medium",
}
MANY: dict[str, Any] = {
    "title": "Many lockouts",
    "id": "2b7d6fc0-71ac-4cf7-8ed1-b5788ee5257b",
    "status": "test",
    "level": "high",
    "correlation": {
        "type": "value_count",
        "rules": ["lockout"],
        "group-by": ["IPAddress"],
        "timespan": "1h",
        "condition": {"gte": 2, "field": "UserPrincipalName"},
    },
}
CODE = ir.Equals(ir.FieldRef("status.errorCode", "number"), 50053)


def write(folder: Path, *documents: dict[str, Any]) -> Path:
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return path


def without(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    merged = {**document, **changes}
    return {key: value for key, value in merged.items() if value is not ...}


def correlated(**changes: Any) -> dict[str, Any]:
    return {**MANY, "correlation": without(MANY["correlation"], **{k.replace("_", "-"): v for k, v in changes.items()})}


def read(*paths: Path) -> tuple[list[Rule], list[str]]:
    """The rules in the files, and the lines of their faults."""
    found, faults = load(paths)
    return [own.rule for own in found], [fault.line for fault in faults]


def test_a_plain_rule_is_read_with_the_communitys_field_names(tmp_path: Path) -> None:
    (rule,), faults = read(write(tmp_path, PLAIN))
    assert faults == []
    assert (rule.source, rule.level, rule.techniques, rule.id) == ("signin", "medium", ("T1110",), PLAIN["id"])
    assert rule.query == ir.EventQuery(CODE)


def test_a_correlation_counts_over_the_rule_it_names(tmp_path: Path) -> None:
    (_, rule), faults = read(write(tmp_path, MANY, PLAIN))
    assert faults == []
    assert rule.query == ir.WindowQuery(
        CODE,
        (ir.FieldRef("ipAddress", "address"),),
        ir.Distinct(ir.FieldRef("userPrincipalName"), 2),
        timedelta(hours=1),
        timedelta(minutes=5),
    )
    assert isinstance(Sql(CATALOGUE.baselines).compile(rule), Compiled)
    record = {"status": {"errorCode": 50053}, "ipAddress": "192.0.2.1", "createdDateTime": "2026-01-07T09:00:00Z"}
    two = [("interactive", {**record, "id": user, "userPrincipalName": user}) for user in ("a", "b")]
    assert len(Judge({}).findings(rule, rows(two))) == 1
    assert Judge({}).findings(rule, rows(two[:1])) == []


@pytest.mark.parametrize(
    ("condition", "at_least"), [({"gte": 5}, 5), ({"gt": 5}, 6)]
)  # fmt: skip
def test_both_thresholds_that_only_grow_are_understood(tmp_path: Path, condition: Any, at_least: int) -> None:
    rules, faults = read(write(tmp_path, PLAIN, correlated(type="event_count", condition=condition)))
    assert faults == []
    query = rules[1].query
    assert isinstance(query, ir.WindowQuery)
    assert query.measure == ir.Count(at_least)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (without(PLAIN, logsource={"product": "aws", "service": "cloudtrail"}), "logsource: product aws"),
        (without(PLAIN, logsource={"product": "azure", "service": "activitylogs"}), "service activitylogs"),
        (without(PLAIN, detection={"a": {"nosuch": 1}, "condition": "a"}), "no field 'nosuch'"),
        (without(PLAIN, detection={"a": ["word"], "condition": "a"}), "keyword"),
        (without(PLAIN, detection={"a": {"id": 1}, "timeframe": "1h", "condition": "a"}), "write a correlation"),
        (without(PLAIN, title=...), "it has no title; add a line"),
        (correlated(type="temporal_ordered"), "no exact form in every language"),
        (correlated(rules=["other"]), "the name or id of no rule"),
        (correlated(rules=["lockout", "lockout2"]), "here are 2"),
        (correlated(group_by=["nosuch"]), "no field 'nosuch'"),
        (correlated(group_by=...), "no finding about anything"),
        (correlated(condition={"lte": 5, "field": "UserPrincipalName"}), "only one of gte and gt"),
        (correlated(condition={"gte": 1, "lte": 5, "field": "UserPrincipalName"}), "only one of gte and gt"),
        (correlated(timespan="30s"), "at least five minutes"),
        (correlated(aliases={"x": {"lockout": "IPAddress"}}), "every spelling of a field"),
    ],
)
def test_what_has_no_exact_meaning_is_refused_with_file_and_reason(tmp_path: Path, document: Any, told: str) -> None:
    path = write(tmp_path, PLAIN, document) if "correlation" in document else write(tmp_path, document)
    _, faults = read(path)
    assert len(faults) == 1
    assert faults[0].startswith(f"{path}: ")
    assert told in faults[0]
    assert "\n" not in faults[0]


def test_the_understood_are_read_and_the_rest_is_told(tmp_path: Path) -> None:
    write(tmp_path, PLAIN, correlated(type="temporal"))
    (tmp_path / "broken.yaml").write_text("a: [", encoding="utf-8")
    rules, faults = read(tmp_path, tmp_path / "absent")
    assert (len(rules), len(faults)) == (1, 3)
    rules, faults = read(ROOT)
    assert (len(rules), faults) == (len(CATALOGUE.rules), [])


def test_refusals_are_values_with_a_reason(tmp_path: Path) -> None:
    document = without(PLAIN, detection={"a": {"IPAddress|cidr": "2001:db8::/96"}, "condition": "a"})
    (rule,), _ = read(write(tmp_path, document))
    answer = Sql(CATALOGUE.baselines).compile(rule)
    assert isinstance(answer, Refusal)
    assert answer.node == "InNetwork"


def test_the_navigator_layer_scores_techniques_by_rules() -> None:
    made = json.loads(layer(CATALOGUE.rules.values()))
    scores = {one["techniqueID"]: one["score"] for one in made["techniques"]}
    assert scores["T1110.003"] == 2
    assert set(scores) == {technique for rule in CATALOGUE.rules.values() for technique in rule.techniques}
    assert made["domain"] == "enterprise-attack"
