"""What the report says in its head, and in words of its own: what was not read, what was asked for, which windows."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from entrawatch.hunt.report import report
from entrawatch.hunt.run import hunt, hunt_files
from entrawatch.reading import Found, Where
from entrawatch.rules.catalogue import Catalogue

from .test_changes import BY, CUT, NEW, OLD, policy
from .test_hunt import CATALOGUE, lines
from .test_times import at, hunted, sign_in, spray, success
from .test_words import hunted as hunted_audit

if TYPE_CHECKING:
    from pathlib import Path

GOOD = lines([sign_in(n, id=str(n), userPrincipalName=f"{n:x}@b.example") for n in range(900)])
CUT_OFF = gzip.compress(GOOD)[:-600]


def text(page: str) -> str:
    return re.sub(r"<[^>]*>", "", page)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a.jsonl": GOOD}, None),
        ({"a.jsonl": GOOD + b"x\n"}, "1 line not read."),
        ({"a.jsonl": GOOD + b"x\ny\n" * 600}, "1,200 lines not read."),
        ({"a.jsonl.gz": CUT_OFF}, "1 file not read to the end."),
        ({"a.jsonl.gz": CUT_OFF, "b.jsonl": b"x\ny\n" + GOOD}, "2 lines not read, 1 file not read to the end."),
    ],
)  # fmt: skip
def test_the_head_tells_that_not_all_was_read_and_leads_to_what(
    tmp_path: Path, files: dict[str, bytes], told: str | None
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    page = report(hunt_files(CATALOGUE, [tmp_path]))
    head = page[: page.index("<h2>")]
    assert ("Not everything was hunted through" in head) is bool(told)
    if told:
        assert f"Not everything was hunted through: {told} Findings may be missing; what and why." in text(head)
        assert '<a href="#not-read">' in head
        assert page.count('id="not-read"') == 1
    assert (f"and {1200 - 100:,} more" in page) is (told is not None and "1,200" in told)


def test_a_rule_that_did_not_run_is_told_in_the_head() -> None:
    page = report(replace(hunted(spray(0)), refused={"brute-force": "because"}))
    head = page[: page.index("<h2>")]
    assert "hunted through: 1 rule did not run. Findings may be missing" in text(head)
    assert '<a href="#not-run">' in head
    assert "15 rules, " in head


def test_what_is_to_be_known_stands_before_the_findings() -> None:
    page = report(hunted(spray(0), until=at(-5)))
    assert page.index("they begin behind --until") < page.index("<h2>Findings</h2>")


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [
        (None, None, None),
        (-1, None, "findings were asked for from 2026-01-07 09:01:00 on."),
        (None, 5, "findings were asked for until 2026-01-07 09:07:00."),
        (-1, 5, "findings were asked for from 2026-01-07 09:01:00 on until 2026-01-07 09:07:00."),
    ],
)
def test_the_head_tells_the_range_that_was_asked_for(since: int | None, until: int | None, said: str | None) -> None:
    chosen = {"since": None if since is None else at(since), "until": None if until is None else at(until)}
    page = text(report(hunted(spray(0), **chosen)))
    assert "5 sign-ins and 0 audit events, 16 rules, 1 finding; " in page
    assert "the logs reach from 2026-01-07 09:02:00 to 09:06:00" in page
    assert (said or "Times are UTC.") in page
    assert ("asked for" in page) is bool(said)


@pytest.mark.parametrize(
    ("slugs", "counted"),
    [
        (("brute-force",), "1 rule of this hunt looks for"),
        (("brute-force", "application-added"), "2 rules of this hunt look for"),
        (("password-spray", "application-added"), "2 rules of this hunt look for"),
    ],
)
def test_attack_shows_what_the_rules_that_ran_look_for_and_no_more(slugs: tuple[str, ...], counted: str) -> None:
    rules = {slug: CATALOGUE.rules[slug] for slug in slugs}
    found = hunt(Catalogue(rules, CATALOGUE.baselines), [Found(Where("-", n), one) for n, one in enumerate(spray(0))])
    others = dict.fromkeys(CATALOGUE.rules.keys() - rules.keys(), "refused")
    page = report(replace(found, rules=CATALOGUE.rules, refused=others))
    section = page[page.index("<h2>ATT&amp;CK</h2>") :]
    shown = re.findall(r'<div class="card cell( hit)?">(T[\d.]+) ', section)
    assert {one for _, one in shown} == {one for rule in rules.values() for one in rule.techniques}
    assert {one for hit, one in shown if hit} == {one for finding in found.findings for one in finding.rule.techniques}
    assert "<h3>" in section
    assert re.search(r"<h3>[^<]*</h3>\s*</div>", section) is None
    assert f"The techniques that the {counted}" in section


def test_without_a_rule_that_ran_nothing_is_said_of_attack() -> None:
    page = report(replace(hunted([]), refused=dict.fromkeys(CATALOGUE.rules, "")))
    assert "ATT&amp;CK</h2>" not in page
    assert "<p>Nothing. 0 rules ran" in page


def test_windows_are_explained_where_there_are_some() -> None:
    page = text(report(hunted([*spray(0), success(200)])))
    assert re.search(
        r"windows of time\s*2026-01-0\d [\d:]+ to [-\d: ]+The rule counts events in windows of time: ", page
    )
    assert "windows of time" not in report(hunted_audit(activityDisplayName="Add application"))


@pytest.mark.parametrize("new", [NEW, CUT])
def test_a_finding_that_cannot_be_read_whole_says_so_before_it_is_opened(new: str) -> None:
    page = report(hunted_audit(initiatedBy=BY, targetResources=policy(OLD, new)))
    (summary,) = re.findall(r"<summary><span class=\"badge\">.*?</summary>", page)
    assert ("not all of it can be read" in summary) is (new == CUT)
    assert "<del>" not in page


def test_five_hundred_findings_make_a_page_that_opens() -> None:
    (one, *_) = hunted([*spray(0, users=150), success(200)]).findings
    page = report(replace(hunted([]), findings=(one,) * 500))
    assert len(page) < 500 * 12_000
