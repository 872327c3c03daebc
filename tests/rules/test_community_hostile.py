"""Rules of all kinds from elsewhere: each is understood and means what it says, or is refused in one clear line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from entrawatch.dialects.base import Compiled, Refusal
from entrawatch.dialects.sql import Sql
from entrawatch.rules import ir
from entrawatch.rules.catalogue import Catalogue

from . import duck
from .judge import Judge, rows
from .test_catalogue import CATALOGUE
from .test_community import MANY, PLAIN, correlated, read, without, write

if TYPE_CHECKING:
    from pathlib import Path

_TEXTS = ["x", "X", "x_y", "xAy", "x*", "a\\b", "o'hara", "", None, "-x", "y", "50126"]
ROWS = rows(
    (
        "interactive",
        {
            "id": f"r{place}.{n}", "createdDateTime": f"2026-01-07T09:{place:02}:00Z", "userPrincipalName": f"u{n}@x",
            "userAgent": text, "appDisplayName": app, "status": {"errorCode": code}, "isInteractive": flag,
            "authenticationMethodsUsed": [one for one in (text, app) if one], "ipAddress": "192.0.2.1",
            "location": {"geoCoordinates": {"latitude": 11.5 + place / 4, "longitude": -0.25}},
        },
    )
    for place, text in enumerate(_TEXTS)
    for n, (app, code, flag) in enumerate([("x", 0, True), ("y", 50126, False), ("", None, None)])
)  # fmt: skip


def detecting(test: dict[Any, Any], condition: Any = "s") -> dict[str, Any]:
    return without(PLAIN, detection={"s": test, "condition": condition})


def agree(rule: Any) -> int:
    """How many findings DuckDB and the judge both have."""
    query = Sql(CATALOGUE.baselines).compile(rule)
    assert isinstance(query, Compiled), query
    found = duck.found(duck.tables(Catalogue({"x": rule}, CATALOGUE.baselines), ROWS), query)
    wanted = {finding.keys for finding in Judge({}).findings(rule, ROWS)}
    assert duck.keys(query, found) == wanted
    return len(wanted)


@pytest.mark.parametrize(
    "test",
    [
        {"userAgent|windash|contains": "-x"}, {"userAgent|neq": "x"}, {"userAgent|neq": ["x", "X_y"]},
        {"userAgent": ["", "x"]}, {"userAgent": [None, "x"]}, {"userAgent": []}, {"userAgent": "**"},
        {"userAgent": "?"},
        {"userAgent": r"x\*"}, {"userAgent": r"a\b"}, {"userAgent": r"a\\*"}, {"userAgent": "x_*"},
        {"userAgent|contains": "o'"}, {"userAgent|endswith": "Y"}, {"userAgent|startswith": ["x", "a"]},
        {"userAgent|re": "x.y"}, {"userAgent|re|i": "^X"}, {"userAgent|re": "o'h|_"}, {"status.errorCode|gt": 5},
        {"status.errorCode": [0, None]}, {"authenticationMethodsUsed|all": ["x", "y"]}, {"userAgent": 50126},
        {"location.geoCoordinates.latitude|gt": 12.6}, {"location.geoCoordinates.latitude": 12.25},
        {"userAgent|fieldref": "appDisplayName"}, {"isInteractive": [True, False]}, {"userAgent|contains": ""},
    ],
    ids=str,
)  # fmt: skip
def test_a_modifier_means_what_it_says(tmp_path: Path, test: dict[str, Any]) -> None:
    for condition in ("s", "not s"):
        (rule,), faults = read(write(tmp_path, detecting(test, condition)))
        assert (faults, agree(rule) > 0) == ([], True)


@pytest.mark.parametrize(
    "detection",
    [
        {"a1": {"userAgent": "x"}, "a2": {"appDisplayName": "y"}, "f": {"isInteractive": None},
         "condition": "1 of a* and not f"},
        {"a": {"userAgent": "x"}, "b": {"isInteractive": True}, "condition": "all of them"},
        {"a": {"userAgent": "x"}, "_b": {"isInteractive": True}, "condition": "any of them"},
        {"a": [{"userAgent": "x", "isInteractive": False}, {"appDisplayName": "y"}], "condition": "a"},
        {"a": [[{"userAgent": "x"}], {"userAgent|contains": "_"}], "condition": "not a"},
        {"a": {"userAgent|contains|all": ["x", "_"], "appDisplayName": ["x", "y"]}, "condition": "a"},
        {"a": {"userAgent": "x"}, "f": {"isInteractive": True}, "condition": "a and not (not f)"},
        {"a": {"userAgent": "x"}, "b": {"userAgent": "y"}, "condition": ["a", "b and not a"]},
        {"a": {"userAgent": "x"}, "b": {"userAgent": "y"}, "c": {"isInteractive": None}, "condition": "a or b and c"},
        {"a": {"appliedConditionalAccessPolicies.result": ["x", None]}, "condition": "a"},
        {"a": {"ResultType|gte": 0, "ResultType|lt": 50126.5}, "condition": "not a"},
        {"not_a": {"userAgent": "x"}, "and": {"userAgent": "y"}, "condition": "not_a"},
    ],
    ids=str,
)  # fmt: skip
def test_a_condition_means_what_it_says(tmp_path: Path, detection: dict[str, Any]) -> None:
    (rule,), faults = read(write(tmp_path, without(PLAIN, detection=detection)))
    assert (faults, agree(rule) > 0) == ([], True)


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ({"userAgent|base64": "x"}, "text compares without case here, and base64 needs it"),
        ({"userAgent|wide|base64offset|contains": "x"}, "base64offset, wide needs it"),
        ({"userAgent|re|m": "^x"}, "the flag multiline"),
        ({"userAgent|re|s": "a.b"}, "the flag dotall"),
        ({"userAgent|re": r"\d+"}, r"'\d+' uses what not every engine reads alike; write [0-9] for \d, or wildcards"),
        ({"userAgent|re": "x(?!y)"}, "write a second selection, joined with and not, for the look-around (?!, or"),
        ({"userAgent|re": ["x", r"\be"]}, r"for \b, or wildcards"),
        ({"userAgent|re": "x{2000}"}, "'x{2000}' is no regular expression: invalid repetition size: {2000}"),
        ({"userAgent|re|m|dotall": "["}, "the flag dotall, multiline; only i, without which case is none; '[' is no r"),
        ({"userAgent|re": r"\w"}, "reads alike"),
        ({"userAgent|re": "[[:alpha:]]"}, "reads alike"),
        ({"userAgent|re": "x{,3}"}, "reads alike"),
        ({"userAgent|re": "["}, "'[' is no regular expression: unterminated character set at position 0; a \\ before"),
        ({"status.errorCode": True}, "holds a number of at most 15 digits, which True is not"),
        ({"userAgent|fieldref": "status.errorCode"}, "goes with text"),
        ({5: "x"}, "pySigma does not read it"),
        ({"deviceDetail": {"a": 1}}, "write the path, as deviceDetail.trustType"),
        ({"status.errorCode|gt": "5"}, "|gt compares with a number, which '5' in quotes is not"),
        ({"createdDateTime|hour": 5}, "|hour: a part of a time has no exact form"),
        ({"userAgent|contain": "x"}, "Sigma has no modifier 'contain'; did you mean contains?"),
        ({"status.errorCode": 10**15}, "at most 15 digits"),
        ({"status.errorCode|gt": 1e30}, "at most 15 digits"),
        ({"userAgent|contains": "\u0130"}, "in lower case is not the same in every language; write ? in its place"),
    ],
)
def test_what_would_change_its_meaning_is_refused(tmp_path: Path, test: dict[Any, Any], told: str) -> None:
    refused_with(told, write(tmp_path, detecting(test)))


def refused_with(told: str, path: Path) -> None:
    _, faults = read(path)
    assert len(faults) == 1
    assert faults[0].startswith(f"{path}: ")
    assert told in faults[0]
    assert "\n" not in faults[0]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"id": 5}, "pySigma does not read it"),
        ({"detection": {"s": {"userAgent": "x"}, "condition": 5}}, "pySigma does not read it"),
        ({"detection": {"s": {"userAgent": "x"}, "condition": "not " * 400 + "s"}}, "nested too deeply"),
        ({"detection": ["x"]}, "a mapping of names to what they select"),
        ({"filter": {"rules": ["x"]}}, "write the exception into the rule itself"),
        ({"action": "global"}, "write each out"),
    ],
)
def test_an_odd_document_is_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    refused_with(told, write(tmp_path, without(PLAIN, **changes)))


@pytest.mark.parametrize("key", ["tags", "references", "falsepositives", "fields"])
def test_a_key_without_a_value_is_as_good_as_none(tmp_path: Path, key: str) -> None:
    rules, faults = read(write(tmp_path, without(PLAIN, **{key: None})))
    assert (len(rules), faults) == (1, [])


_BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefghijklmnopqrs", "bcdefghijklmnopqrst")
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (_BOMB, "its anchors unfold to more than a rule can hold"),
        ("a: &a [*a]", "recursive"),
        ("[" * 3000, "nested too deeply"),
        ("? [a, b]\n: c\n", "a key is no list"),
        ("a: \x00", "special characters are not allowed"),
        ("!!python/object/apply:os.system ['id']", "could not determine a constructor"),
        ("", "a rule is a YAML mapping"),
        ("title: a\ntitle: b", "stands twice"),
    ],
)
def test_odd_yaml_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "x.yml"
    path.write_text(text, encoding="utf-8")
    refused_with(told, path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"timespan": "1M"}, "1M is none of a fixed length; write it in days"),
        ({"timespan": "1y"}, "1y is none of a fixed length"),
        ({"condition": {"gte": 0, "field": "UserPrincipalName"}}, "is no threshold"),
        ({"condition": {"gte": 2.7, "field": "UserPrincipalName"}}, "gte 2.7 is no threshold"),
        ({"condition": {"gte": 2, "field": ["ipAddress", "userAgent"]}}, "the values of one field"),
        ({"rules": ["2b7d6fc0-71ac-4cf7-8ed1-b5788ee5257b"]}, "or of a correlation"),
        ({"type": "value_sum"}, "no exact form"),
        ({"type": "temporal"}, "no exact form"),
    ],
)
def test_an_odd_correlation_is_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    document = {**MANY, "correlation": {**MANY["correlation"], **changes}}
    refused_with(told, write(tmp_path, PLAIN, document))


def test_a_name_that_two_rules_have_is_told(tmp_path: Path) -> None:
    other = without(PLAIN, id="2b7d6fc0-71ac-4cf7-8ed1-b5788ee5257f")
    refused_with("lockout is the name of another rule, too", write(tmp_path, PLAIN, other, MANY))


@pytest.mark.parametrize(
    "changes",
    [
        {"timespan": "1w"},
        {"rules": "lockout", "group-by": "IPAddress"},
        {"type": "event_count", "condition": {"gt": 1}},
        {"group-by": ["status.errorCode"], "condition": {"gte": 1, "field": "UserPrincipalName"}},
        {"condition": {"gte": 1, "field": "status.errorCode"}},
        {"condition": {"gte": 1, "field": "isInteractive"}, "group-by": ["UserPrincipalName", "ResultType"]},
    ],
)
def test_a_correlation_counts_as_the_judge_counts(tmp_path: Path, changes: dict[str, Any]) -> None:
    plain = without(PLAIN, detection={"s": {"userAgent|contains": "x"}, "condition": "s"})
    document = {**MANY, "correlation": {**MANY["correlation"], **changes}}
    (_, rule), faults = read(write(tmp_path, plain, document))
    assert (faults, agree(rule) > 0) == ([], True)


@pytest.mark.parametrize("field", ["isInteractive", "createdDateTime", "authenticationMethodsUsed"])
def test_sql_refuses_groups_that_engines_write_in_ways_of_their_own(tmp_path: Path, field: str) -> None:
    (_, rule), _ = read(write(tmp_path, PLAIN, correlated(group_by=[field])))
    answer = Sql(CATALOGUE.baselines).compile(rule)
    assert isinstance(answer, Refusal)
    assert answer.why.startswith("grouping by")


def test_two_numbers_are_not_compared_as_text() -> None:
    code = ir.FieldRef("status.errorCode", "number")
    same = CATALOGUE.rules["sync-account-abuse"]
    answer = Sql({}).compile(type(same)(**{**same.__dict__, "query": ir.EventQuery(ir.SameAs(code, code))}))
    assert isinstance(answer, Refusal)
