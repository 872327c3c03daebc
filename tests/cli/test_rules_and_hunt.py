"""`rules` and `hunt`: what a person sees, and every wrong word in one line."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Callable

import pytest
from tests.commands import SIGMA

from entrawatch.dialects import NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Done

AUDIT = {
    "id": "Directory_1", "activityDateTime": "2026-01-07T09:00:00Z", "activityDisplayName": "Add application",
    "category": "ApplicationManagement", "result": "success",
    "initiatedBy": {"user": {"userPrincipalName": "dev\x1b[2J@contoso.example"}},
    "targetResources": [{"type": "Application", "displayName": "Test", "modifiedProperties": []}],
}  # fmt: skip


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    path = tmp_path / "logs.jsonl"
    path.write_text(json.dumps(AUDIT) + "\nnot json\n", encoding="utf-8")
    return path


def test_hunt_prints_findings_and_says_what_it_could_not_read(call: Callable[..., Done], logs: Path) -> None:
    done = call("hunt", logs)
    assert done.code == 2
    assert "1 finding in 0 sign-ins and 1 audit event; 1 line not read" in done.out
    assert "application-added" in done.out
    assert "\x1b" not in done.out
    told, unlearnt, last = done.err.splitlines()
    assert unlearnt.startswith("entrawatch: account-hijacking: not judged: ")
    assert told.startswith(f"entrawatch: not read: {logs}:2: ")
    assert last == "entrawatch: 1 line not read: what stood there was not hunted through; see above"


def test_hunt_writes_json_lines_and_a_page(call: Callable[..., Done], logs: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = call("hunt", logs, "--format", "jsonl", "--report", page)
    (finding,) = map(json.loads, done.out.splitlines())
    assert (finding["rule"], finding["keys"]) == ("application-added", {"id": "Directory_1"})
    assert "Application registered" in page.read_text(encoding="utf-8")
    assert f"report: {page}" in done.err


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--fail"], 1),
        (["--fail", "--rules", "brute-force"], 2),
        (["--fail", "--since", "2026-01-08T00:00:00Z"], 2),
        (["--fail", "--until", "2026-01-08T00:00:00Z"], 1),
    ],
)
def test_hunt_fails_on_findings_where_asked(call: Callable[..., Done], logs: Path, more: list[str], code: int) -> None:
    assert call("hunt", logs, *more).code == code


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["hunt", "LOGS", "--rules", "nosuch"], "there is no rule 'nosuch'; there are: brute-force"),
        (["hunt", "LOGS", "--since", "yesterday"], "entrawatch: --since: "),
        (["hunt", "LOGS", "--since", ""], "entrawatch: --since: "),
        (["hunt", "LOGS", "--since", "1d", "--until", "2d"], "entrawatch: --since: 1d is not before --until: 2d"),
        (["hunt", "LOGS", "--rules", "brute-force,nosuch"], "there is no rule 'nosuch'; there are: brute-force"),
        (["hunt", "LOGS", "--report", "/nosuch/page.html"], "entrawatch: --report: /nosuch is no folder"),
        (["hunt", "LOGS", "--report", "."], "entrawatch: --report: . is a folder; name a file in it, findings.html"),
        (["rules", "show", "nosuch"], "entrawatch: rules show: there is no rule 'nosuch'; there are: brute-force"),
        (["rules", "show", "pasword-spray"], "there is no rule 'pasword-spray'; did you mean password-spray?"),
        (
            ["rules", "show", "guest-invited", "--dialect", "sql", "--sql-dialect", "oracle"],
            "sql has no engine 'oracle'",
        ),
        (["rules", "show", "guest-invited", "--dialect", "cobol"], "invalid choice"),
        (["rules", "validate", "/nosuch"], "/nosuch: there is no such file or folder"),
        (["rules", "show", "nosuch.yml"], "entrawatch: nosuch.yml: there is no such file or folder"),
        (["rules", "show", "./brute-force"], "entrawatch: brute-force: there is no such file or folder"),
        (["rules"], "ACTION"),
    ],
)
def test_a_wrong_word_is_one_clear_line(call: Callable[..., Done], tmp_path: Path, argv: list[str], told: str) -> None:
    logs = tmp_path / "logs.jsonl"
    logs.write_text(json.dumps(AUDIT), encoding="utf-8")
    done = call(*(str(logs) if word == "LOGS" else word for word in argv))
    assert done.code in {2, 3}
    assert told in done.line


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", "", None])
def test_impossible_times_are_hunted_through_and_told(call: Callable[..., Done], tmp_path: Path, time: Any) -> None:
    failure = {
        "createdDateTime": time, "userPrincipalName": "a@b.example", "ipAddress": "192.0.2.1", "appDisplayName": "x",
        "userAgent": "y", "signInEventTypes": ["interactiveUser"], "status": {"errorCode": 50126}, "appId": "a",
    }  # fmt: skip
    logs, page = tmp_path / "logs.json", tmp_path / "page.html"
    logs.write_text(json.dumps([{**failure, "id": str(number)} for number in range(6)]), encoding="utf-8")
    done = call("hunt", logs, "--report", page)
    assert (done.code, "brute-force" in done.out) == (0, True)
    assert "sign-ins without a time, or with an impossible one: 6." in done.err


def test_a_page_can_be_written_to_what_is_no_file(call: Callable[..., Done], logs: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        page = pool.submit(pipe.read_text, encoding="utf-8")
        assert call("hunt", logs, "--report", pipe).code == 2
        assert pipe.is_fifo()
        assert "Application registered" in page.result(timeout=10)


def test_a_list_of_rules_may_be_longer_than_the_name_of_a_file(call: Callable[..., Done], logs: Path) -> None:
    slugs = [rule["rule"] for rule in json.loads(call("rules", "list", "--format", "json").out)]
    assert call("hunt", logs, "--rules", ",".join(slugs)).out == call("hunt", logs, "--rules", *slugs).out
    unknown = "x" * 300
    assert f"there is no rule '{unknown}'" in call("hunt", logs, "--rules", unknown).err


def test_closed_standard_input_is_said(call: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    done = call("hunt", "-")
    assert (done.code, "standard input is closed" in done.err) == (2, True)


def test_nothing_to_hunt_through_is_no_clean_bill(call: Callable[..., Done], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = call("hunt", tmp_path, "--report", page)
    assert (done.code, done.out, page.exists()) == (2, "", False)
    folder, verdict = done.err.splitlines()
    assert folder.startswith(f"entrawatch: not read: {tmp_path}: holds no file to read (")
    assert verdict == "entrawatch: no record was read; nothing was hunted"


def test_what_simulate_wrote_is_hunted_through_as_it_is(call: Callable[..., Done], tmp_path: Path) -> None:
    span = ["--since", "2026-10-05T00:00:00Z", "--until", "2026-10-06T00:00:00Z"]
    assert call("simulate", "--out", tmp_path, "--users", "30", *span).code == 0
    assert (tmp_path / "labels.jsonl").exists()
    done = call("hunt", tmp_path, "--rules", "password-spray")
    assert (done.code, done.err) == (0, "")
    assert "password-spray" in done.out


def test_no_finding_is_said_without_a_table(call: Callable[..., Done], logs: Path) -> None:
    done = call("hunt", logs, "--rules", "brute-force")
    assert done.out.split("\n", 1)[0].strip() == "no findings in 0 sign-ins and 1 audit event; 1 line not read"
    assert "level" not in done.out


@pytest.mark.parametrize(
    ("days", "timeless", "judged"),
    [(0, False, False), (6, False, False), (7, False, True), (6, True, False), (7, True, True)],
)
def test_what_the_logs_are_too_short_to_judge_is_no_finding_and_is_told(
    call: Callable[..., Done], tmp_path: Path, days: int, timeless: bool, judged: bool
) -> None:
    sign_in = {
        "createdDateTime": "2026-01-07T09:00:00Z", "isInteractive": True, "status": {"errorCode": 0}, "appId": "a",
        "authenticationRequirement": "multiFactorAuthentication", "ipAddress": "203.0.113.1", "id": "1",
        "userPrincipalName": "a@contoso.example", "location": {"countryOrRegion": "NL"},
    }  # fmt: skip
    later = {
        **sign_in, "id": "2", "createdDateTime": f"2026-01-{7 + days:02d}T09:00:00Z", "ipAddress": "198.51.100.1",
        "authenticationRequirement": "singleFactorAuthentication", "location": {"countryOrRegion": "BR"},
    }  # fmt: skip
    logs, page = tmp_path / "logs.json", tmp_path / "page.html"
    records = [sign_in, later, *([{**sign_in, "id": "3", "createdDateTime": "?"}] if timeless else [])]
    logs.write_text(json.dumps(records), encoding="utf-8")
    done = call("hunt", logs, "--report", page, "--fail")
    html = page.read_text(encoding="utf-8")
    assert done.code == int(judged)
    assert ("; 1 not judged" in done.out, "Not judged: 1" in html) == (not judged, not judged)
    note = (
        "single-factor-from-new-network (1 possible finding): not judged: organisation-networks is learnt from 7 days "
        "of sign-ins, and these begin on 2026-01-07 09:00 UTC: nothing is judged before 2026-01-14 09:00 UTC"
    )
    assert (note in done.err, note in html) == (not judged, not judged)
    assert ("sign-ins without a time, or with an impossible one: 1." in done.err) is timeless


def test_a_baseline_without_its_source_judges_nothing(call: Callable[..., Done], tmp_path: Path) -> None:
    steps = [
        "Reset password (self-service)", "Self-service password reset flow activity progress",
        "User deleted security info", "User registered security info", "User started security info registration",
    ]  # fmt: skip
    user = {"userPrincipalName": "a@contoso.example", "ipAddress": "198.51.100.1"}
    logs = tmp_path / "logs.json"
    logs.write_text(
        json.dumps([
            {**AUDIT, "id": str(number), "activityDisplayName": step, "initiatedBy": {"user": user}}
            for number, step in enumerate(steps)
        ]),
        encoding="utf-8",
    )  # fmt: skip
    done = call("hunt", logs)
    assert "1 not judged" in done.out
    assert "account-hijacking (1 possible finding): not judged: " in done.err
    assert "there are no sign-ins; add earlier logs" in done.err


def test_rules_are_listed_shown_and_written_as_queries(call: Callable[..., Done]) -> None:
    told = json.loads(call("rules", "list", "--format", "json").out)
    assert len(told) >= 16
    assert {"rule", "rule_id", "title", "level", "source", "techniques", "keys"} == set(told[0])
    lines = call("rules", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["rule", *(rule["rule"] for rule in told)]
    assert "Single-factor sign-in from a new network and country" in call("rules", "list").out
    words = call("rules", "show", "password-spray").out
    assert words.startswith("Password spray from one address\n")
    assert "users = 5" in words
    query = call("rules", "show", "password-spray", "--dialect", "sql", "--sql-dialect", "postgres").out
    assert query.startswith("-- 8d0a3a52")
    assert "GROUP BY" in query


def test_rules_from_elsewhere_are_checked(call: Callable[..., Done], tmp_path: Path) -> None:
    rule = tmp_path / "lockouts.yml"
    rule.write_text(SIGMA, encoding="utf-8")
    names, row, verdict = call("rules", "validate", rule).out.splitlines()
    assert (names.split(), row.split()[0], verdict) == (["rule", *NAMES], "lockouts", "1 rule, no fault")
    assert row.split()[1:] == ["yes"] * len(NAMES)
    rule.write_text(SIGMA.replace("ResultType", "ResultTyp"), encoding="utf-8")
    done = call("rules", "validate", rule)
    assert (done.code, done.out) == (2, "")
    told = "detection.selection.ResultTyp: the signin source has no field 'ResultTyp'; did you mean ResultType"
    assert done.line == f"entrawatch: {rule}: line 6: {told} (here status.errorCode)?"


def test_what_a_language_cannot_say_is_told_with_the_reason(call: Callable[..., Done], tmp_path: Path) -> None:
    rule = tmp_path / "inside.yml"
    rule.write_text(SIGMA.replace("ResultType: 50053", "UserId|fieldref: UserDisplayName"), encoding="utf-8")
    done = call("rules", "validate", rule)
    assert (done.code, done.out.splitlines()[-2:]) == (
        0,
        ["inside: eql cannot say it exactly: EQL compares no two fields of an event", "1 rule, no fault"],
    )
    (told,) = json.loads(call("rules", "validate", rule, "--format", "json").out)
    assert (told["rule"], told["file"], set(told["refused"])) == ("inside", str(rule), set(NAMES))
    assert (told["refused"]["spl"], told["refused"]["eql"].split()[0]) == (None, "EQL")
    assert call("rules", "coverage", rule).out in done.out
    refused = call("rules", "show", rule, "--dialect", "eql")
    assert (refused.code, refused.out) == (2, "")
    assert refused.line.startswith(f"entrawatch: {rule}: inside: eql cannot say it exactly: ")


def test_a_rule_of_ones_own_is_shown_in_words_and_in_a_language(call: Callable[..., Done], tmp_path: Path) -> None:
    rule = tmp_path / "My lockouts.yml"
    rule.write_text(SIGMA.replace("Lockouts", '"Lock\\eouts"'), encoding="utf-8")
    words = call("rules", "show", rule).out
    assert words.startswith("Lock\ufffdouts\nmy-lockouts, medium\n\nA lockout.\n\nwhat it looks for in sign-ins\n")
    query = call("rules", "show", rule, "--dialect", "eql").out
    assert "50053" in query
    search = call("rules", "show", rule, "--dialect", "spl")
    assert (search.code, search.out.splitlines()[-1]) == (0, "| `entrawatch_my_lockouts_filter`")
    theirs = "entrawatch_signin, entrawatch_index"
    assert search.err.splitlines() == [
        f"entrawatch: needs the macros {theirs}, which the Splunk app defines (docs/splunk.md)",
        "entrawatch: make the macro entrawatch_my_lockouts_filter in Splunk, as: search *",
    ]
    both = tmp_path / "both.yml"
    both.write_text(f"{SIGMA}---\n{SIGMA.replace('Lockouts', 'Others')}".replace("id: 2b7d6fc0", "#"), encoding="utf-8")
    assert [line for line in call("rules", "show", both).out.splitlines() if ", medium" in line] == [
        "lockouts, medium",
        "others, medium",
    ]


def test_coverage_tells_every_language_and_writes_a_layer(call: Callable[..., Done], tmp_path: Path) -> None:
    layer = tmp_path / "layer.json"
    done = call("rules", "coverage", "--navigator", layer)
    assert done.code == 0
    assert "brute-force" in done.out
    assert json.loads(layer.read_text(encoding="utf-8"))["domain"] == "enterprise-attack"
