"""`hunt --rules` with Sigma files of one's own: hunted through as the catalogue's rules are, or refused in a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Callable

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Done

SIGMA = """\
title: Too many lockouts
name: lockout
id: 2b7d6fc0-71ac-4cf7-8ed1-b5788ee5257a
logsource: {product: azure, service: signinlogs}
detection: {selection: {ResultType: 50053}, condition: selection}
level: High
"""
CORRELATION = """\
---
title: Many
level: critical
correlation:
  {type: value_count, rules: lockout, group-by: IPAddress, timespan: 1h, condition: {gte: 2, field: UserDisplayName}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a log of two people that are locked out from one address within a minute."""
    monkeypatch.chdir(tmp_path)
    records = [
        {
            "id": f"{name}1", "createdDateTime": f"2026-01-07T09:00:{place:02}Z", "ipAddress": "192.0.2.1",
            "userPrincipalName": f"{name}@contoso.example", "userDisplayName": name, "appDisplayName": "Mail",
            "signInEventTypes": ["interactiveUser"], "status": {"errorCode": 50053},
            "location": {"geoCoordinates": {"latitude": 12.0 + 0.4 * place, "longitude": 1.5}},
        }
        for place, name in enumerate(("ann", "bob"))
    ]  # fmt: skip
    (tmp_path / "logs.json").write_text(json.dumps(records), encoding="utf-8")
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_rule_of_ones_own_finds_as_the_catalogues_do(call: Callable[..., Done], here: Path) -> None:
    put(here / "mine.yml", SIGMA)
    done = call("hunt", "--rules", "mine.yml", "logs.json", "--format", "jsonl", "--report", "page.html")
    first, second = map(json.loads, done.out.splitlines())
    assert (done.code, second["keys"]) == (0, {"id": "bob1"})
    told = {
        "rule": "mine", "rule_id": "2b7d6fc0-71ac-4cf7-8ed1-b5788ee5257a", "title": "Too many lockouts",
        "level": "high", "window": {"start": "2026-01-07T09:00:00Z", "end": "2026-01-07T09:00:00Z"},
        "keys": {"id": "ann1"}, "measures": {"events": 1}, "event_ids": ["ann1"],
        "entities": [
            {"kind": "account", "identifier": "upn", "value": "ann@contoso.example"},
            {"kind": "ip", "identifier": "address", "value": "192.0.2.1"},
            {"kind": "application", "identifier": "name", "value": "Mail"},
        ],
    }  # fmt: skip
    assert {**first, **told} == first
    page = (here / "page.html").read_text(encoding="utf-8")
    assert "Too many lockouts" in page
    assert "Ask the person by another channel" in page
    assert "May be harmless when" not in page, "it does not say"


@pytest.mark.parametrize(("test", "ids"), [("|gt: 12.2", ["bob1"]), ("|lt: 12.3", ["ann1"]), (": 12.4", ["bob1"])])
def test_a_number_with_a_fraction_keeps_it(call: Callable[..., Done], here: Path, test: str, ids: list[str]) -> None:
    put(here / "mine.yml", SIGMA.replace("ResultType: 50053", f"location.geoCoordinates.latitude{test}"))
    done = call("hunt", "--rules", "mine.yml", "logs.json", "--format", "jsonl")
    assert [json.loads(line)["keys"]["id"] for line in done.out.splitlines()] == ids


def test_a_correlation_finds_and_what_it_counts_over_does_not(call: Callable[..., Done], here: Path) -> None:
    put(here / "mine.yml", SIGMA + CORRELATION)
    done = call("hunt", "logs.json", "--rules", "mine.yml", "--format", "jsonl")
    (found,) = map(json.loads, done.out.splitlines())
    assert (done.code, found["rule"], found["level"], found["keys"]) == (
        0,
        "mine",
        "critical",
        {"ipAddress": "192.0.2.1"},
    )
    assert (sorted(found["event_ids"]), found["measures"]["events"]) == (["ann1", "bob1"], 2)


@pytest.mark.parametrize(
    ("networks", "condition", "found"),
    [
        ("192.0.2.0/24", "selection", ["ann1", "bob1"]),
        ("[10.0.0.0/8, 192.0.2.0/31, '::1/128']", "selection", ["ann1", "bob1"]),
        ("10.0.0.0/8", "selection", []),
        ("10.0.0.0/8", "not selection", ["ann1", "bob1"]),
        ("[10.0.0.0/8, 192.0.2.1]", "not selection", []),
    ],
)
def test_it_hunts_for_addresses_in_networks(
    call: Callable[..., Done], here: Path, networks: str, condition: str, found: list[str]
) -> None:
    asked = f"IPAddress|cidr: {networks}}}, condition: {condition}}}"
    put(here / "mine.yml", SIGMA.replace("ResultType: 50053}, condition: selection}", asked))
    done = call("hunt", "--rules", "mine.yml", "logs.json", "--format", "jsonl")
    assert (done.code, [json.loads(line)["keys"]["id"] for line in done.out.splitlines()]) == (0, found)


def test_it_hunts_beside_the_catalogues_and_in_folders(call: Callable[..., Done], here: Path) -> None:
    put(here / "rules" / "deep" / "mine.yml", SIGMA)
    table = call("hunt", "logs.json", "--rules", "rules", "guest-invited").out
    assert table.startswith("2 findings in 2 sign-ins")
    assert table.count(" mine ") == 2


def test_a_strangers_rule_does_no_harm_on_the_page(call: Callable[..., Done], here: Path) -> None:
    odd = 'title: "<script>alert(1)</script> \\e[2J"\nreferences: ["javascript:alert(1)", "https://example.org/?<b>"]'
    put(here / "mine.yml", SIGMA.replace("title: Too many lockouts", odd))
    done = call("hunt", "--rules", "mine.yml", "logs.json", "--report", "page.html")
    page = (here / "page.html").read_text(encoding="utf-8")
    assert (done.code, "\x1b" in done.out, "<script>" in page, 'href="javascript' in page) == (0, False, False, False)
    assert 'href="https://example.org/?&lt;b&gt;"' in page


NO_SQL = SIGMA.replace("name: lockout\nid: 2b7d6fc0", "name: listed\nid: 2b7d6fc1") + CORRELATION.replace(
    "UserDisplayName", "riskEventTypes"
).replace("lockout", "listed")


@pytest.mark.parametrize("words", [["rules/other.yml"], ["rules/other.yml", "rules"], ["only"]], ids=str)
def test_a_rule_asked_for_that_sql_cannot_say_is_refused_before_the_hunt(
    call: Callable[..., Done], here: Path, words: list[str]
) -> None:
    put(here / "rules" / "other.yml", NO_SQL)
    put(here / "only" / "other.yml", NO_SQL)
    put(here / "rules" / "mine.yml", SIGMA)
    done = call("hunt", "--rules", *words, "--", "logs.json")
    assert (done.code, done.out) == (2, "")
    assert done.line.startswith(f"entrawatch: {words[0].split('/')[0]}/other.yml: other: sql cannot say it exactly: ")


@pytest.mark.parametrize(("more", "code"), [([], 2), (["--fail"], 1)])
def test_a_rule_of_a_folder_that_sql_cannot_say_is_left_out_and_told(
    call: Callable[..., Done], here: Path, more: list[str], code: int
) -> None:
    put(here / "rules" / "mine.yml", SIGMA)
    put(here / "rules" / "other.yml", NO_SQL)
    done = call("hunt", *more, "--rules", "rules", "--", "logs.json")
    assert (done.code, done.out.count(" mine ")) == (code, 2)
    assert done.line.startswith("entrawatch: left out: rules/other.yml: other: sql cannot say it exactly: counting ")
    assert done.line.endswith("; entrawatch rules validate rules/other.yml says which can")
    shown = call("rules", "show", "rules", "--dialect", "sql")
    assert (shown.code, shown.out.count("-- 2b7d6fc"), shown.err) == (2, 1, done.err)
    assert shown.out.startswith("-- 2b7d6fc0-71ac")


@pytest.mark.parametrize(("more", "code"), [([], 2), (["--fail"], 1)])
def test_what_a_folder_holds_and_is_not_understood_is_told_and_the_rest_hunted_through(
    call: Callable[..., Done], here: Path, more: list[str], code: int
) -> None:
    put(here / "rules" / "mine.yml", SIGMA)
    put(here / "rules" / "other.yml", SIGMA.replace("ResultType", "Nosuch").replace("name: lockout\nid: 2b7d6fc0", "#"))
    done = call("hunt", *more, "--rules", "rules", "--", "logs.json")
    assert (done.code, done.out.count(" mine ")) == (code, 2)
    assert done.line.startswith("entrawatch: left out: rules/other.yml: line 4: detection.selection.Nosuch: the signin")
    for shown in (call("rules", "show", "rules"), call("rules", "coverage", "rules")):
        assert (shown.code, "mine" in shown.out, shown.err) == (2, True, done.err)
