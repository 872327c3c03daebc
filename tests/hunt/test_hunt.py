"""The hunt: every attack of a synthetic tenant found and nothing else, whatever the logs' container and shape."""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from entrawatch.cli.hunt import findings_table
from entrawatch.dialects.sql import evidence
from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.hunt.findings import findings
from entrawatch.hunt.report import report
from entrawatch.hunt.run import Hunt, hunt
from entrawatch.normalize import normalize
from entrawatch.normalize.envelope import wrap
from entrawatch.reading import read
from entrawatch.rules.catalogue import load_catalogue
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from entrawatch.interfaces import Record

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "content" / "catalogue")
#: turned round it reads moc.elpmaxe, and a terminal would clear its screen
TURNED = "\u202eexample.com\u202c\u200b\x9b2J\x1b[2J"
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">{{7*7}}'\"&"


@cache
def tenant(seed: int) -> tuple[dict[str, list[Record]], frozenset[tuple[str, tuple[str, ...]]]]:
    """A small company's records by stream, and what must be found in them."""
    final: dict[tuple[str, str], Record] = {}
    labels = set()
    for emitted in generate(TenantOptions(seed=seed, users=25, changes=False)):
        final[emitted.stream, str(emitted.record["id"])] = emitted.record
        if emitted.label and emitted.label.case == "match":
            labels.add((emitted.label.scenario, tuple(str(value).lower() for value in emitted.label.keys.values())))
    records: dict[str, list[Record]] = {}
    for (stream, _), record in final.items():
        records.setdefault(stream, []).append(record)
    return records, frozenset(labels)


def found(result: Hunt) -> set[tuple[str, tuple[str, ...]]]:
    return {(one.rule.slug, tuple(str(value).lower() for value in one.keys.values())) for one in result.findings}


def lines(records: list[Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def as_graph_pages(folder: Path, records: dict[str, list[Record]]) -> None:
    for stream, these in records.items():
        (folder / f"{stream}.json").write_text(json.dumps({"value": these}), encoding="utf-8")


def as_gzipped_lines(folder: Path, records: dict[str, list[Record]]) -> None:
    for stream, these in records.items():
        (folder / f"{stream}.jsonl.gz").write_bytes(gzip.compress(lines(these), 1))


def as_diagnostic_records(folder: Path, records: dict[str, list[Record]]) -> None:
    wrapped = [wrap(record, STREAMS[stream], "t") for stream, these in records.items() for record in these]
    (folder / "hub.json").write_text(json.dumps({"records": wrapped}), encoding="utf-8")


def as_common_events(folder: Path, records: dict[str, list[Record]]) -> None:
    events = [normalize(record, STREAMS[stream]) for stream, these in records.items() for record in these]
    (folder / "events.jsonl").write_bytes(lines(events))


@pytest.mark.parametrize("write", [as_graph_pages, as_gzipped_lines, as_diagnostic_records, as_common_events])
def test_every_attack_is_found_and_nothing_else_in_any_shape(write: Any, tmp_path: Path) -> None:
    records, wanted = tenant(1)
    write(tmp_path, records)
    result = hunt(CATALOGUE, read([tmp_path]))
    assert found(result) == wanted
    assert {slug for slug, _ in wanted} == set(CATALOGUE.rules)
    assert result.loaded.bad_count == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_every_attack_is_found_in_other_companies(seed: int, tmp_path: Path) -> None:
    records, wanted = tenant(seed)
    as_graph_pages(tmp_path, records)
    assert found(hunt(CATALOGUE, read([tmp_path]))) == wanted


def test_records_come_from_standard_input_too() -> None:
    records, _ = tenant(1)
    result = hunt(CATALOGUE, read(["-"], io.BytesIO(lines(records["directory_audits"]))))
    assert {slug for slug, _ in found(result)} >= {"guest-invited", "application-added"}


def test_a_finding_is_told_as_promised() -> None:
    records, _ = tenant(1)
    result = hunt(CATALOGUE, read(["-"], io.BytesIO(lines(records["interactive"] + records["non_interactive"]))))
    spray = next(one.line() for one in result.findings if one.rule.slug == "password-spray")
    assert list(spray) == [
        "rule", "rule_id", "title", "level", "window", "first_event", "last_event", "keys", "measures", "event_ids",
        "entities",
    ]  # fmt: skip
    assert list(spray["keys"]) == ["ipAddress", "appDisplayName", "userAgent"]
    assert spray["measures"]["distinct userPrincipalName"] >= 5
    assert 5 <= len(spray["event_ids"]) <= 100
    assert {"kind": "ip", "identifier": "address", "value": spray["keys"]["ipAddress"]} in spray["entities"]
    start, end = (datetime.fromisoformat(spray["window"][side].replace("Z", "+00:00")) for side in ("start", "end"))
    assert (end - start).total_seconds() >= 3600
    assert end.timestamp() % 300 == 0
    assert json.loads(json.dumps(spray)) == spray


def test_neighbouring_hits_of_one_key_are_one_finding() -> None:
    def failure(minute: int) -> Record:
        return {
            "id": f"r{minute}", "createdDateTime": f"2026-01-07T{9 + minute // 60:02}:{minute % 60:02}:00Z",
            "userPrincipalName": "a@b.example", "ipAddress": "192.0.2.1", "appDisplayName": "x", "userAgent": "y",
            "signInEventTypes": ["interactiveUser"], "status": {"errorCode": 50126},
        }  # fmt: skip

    once = hunt(CATALOGUE, read(["-"], io.BytesIO(lines([failure(minute) for minute in range(0, 300, 6)]))))
    assert [(one.rule.slug, one.measures["events"]) for one in once.findings] == [("brute-force", 50)]
    twice = [failure(minute) for minute in [*range(6), *range(600, 606)]]
    apart = hunt(CATALOGUE, read(["-"], io.BytesIO(lines(twice))))
    assert [one.rule.slug for one in apart.findings] == ["brute-force"] * 2


@pytest.mark.timeout(60)
def test_hits_of_months_without_a_pause_are_one_finding_soon() -> None:
    rule = CATALOGUE.rules["brute-force"]
    begun = datetime(2026, 1, 1, tzinfo=timezone.utc)
    rows = [
        {
            **{key.name: "x" for key in rule.keys}, **{field.name: ["y"] for field in evidence(rule)},
            "level": "medium", "window_start": begun + timedelta(minutes=5 * n),
            "window_end": begun + timedelta(minutes=5 * n + 60), "first_event": begun + timedelta(minutes=5 * n + 1),
            "last_event": begun + timedelta(minutes=5 * n + 59),
            "attempts": 12, "events": 12, "event_ids": [f"id{m}" for m in range(n, n + 12)],
        }
        for n in range(30_000)
    ]  # fmt: skip
    (one,) = findings(rule, rows)
    assert (one.start, one.end) == (begun, begun + timedelta(minutes=5 * 29_999 + 60))
    assert (one.first_event, one.last_event) == (
        begun + timedelta(minutes=1),
        begun + timedelta(minutes=5 * 29_999 + 59),
    )
    assert (one.measures, len(one.event_ids)) == ({"attempts": 12, "events": 30_011}, 30_011)


@pytest.mark.parametrize(
    ("since", "until", "count"),
    [(None, None, 1), (8, None, 0), (6, 8, 1), (None, 7, 0), (None, 8, 1)],
)
def test_a_range_keeps_the_findings_that_lie_in_it(since: int | None, until: int | None, count: int) -> None:
    def day(number: int | None) -> datetime | None:
        return number and datetime(2026, 1, number, tzinfo=timezone.utc)

    record = {
        "id": "Directory_1", "activityDateTime": "2026-01-07T09:00:00Z", "activityDisplayName": "Add application",
        "targetResources": [], "category": "ApplicationManagement",
    }  # fmt: skip
    result = hunt(CATALOGUE, read(["-"], io.BytesIO(lines([record]))), since=day(since), until=day(until))
    assert len(result.findings) == count


def test_what_cannot_be_read_is_counted_and_told_and_the_rest_is_hunted(tmp_path: Path) -> None:
    records, _ = tenant(1)
    good = lines(records["directory_audits"])
    (tmp_path / "a.jsonl").write_bytes(b"not json\n[1, 2]\n" + good + b'{"a": 1}\n')
    result = hunt(CATALOGUE, read([tmp_path]))
    assert result.findings
    assert result.loaded.bad_count == 3
    assert all(line.startswith(f"{tmp_path}/a.jsonl:") for line in result.loaded.bad)


def hostile_hunt(text: str = HOSTILE) -> Hunt:
    record = {
        "id": f"Directory_{text}", "activityDateTime": "2026-01-07T09:00:00Z", "result": "success",
        "activityDisplayName": "Add application", "category": "ApplicationManagement",
        "initiatedBy": {"user": {"id": "1", "userPrincipalName": text, "displayName": text}},
        "targetResources": [{"id": "2", "displayName": text, "type": "Application", "modifiedProperties": []}],
    }  # fmt: skip
    return hunt(CATALOGUE, read(["-"], io.BytesIO(lines([record, text]))))


def test_the_report_has_no_markup_that_came_from_a_record() -> None:
    page = report(hostile_hunt())
    assert "<script" not in page
    assert "<img" not in page
    assert "49" not in re.findall(r"<td>(.*?)</td>", page)
    assert page.count("&lt;script&gt;") >= 3
    assert not re.findall(r'(?:src|href)="(?!https://|#)', page)


def test_a_name_that_turns_itself_round_is_shown_as_it_is_written() -> None:
    result = hostile_hunt(TURNED)
    page = report(result)
    assert not [char for char in page if not char.isprintable() and char != "\n"]
    spelt = r"\u202eexample.com\u202c\u200b\u009b2J\u001b[2J"
    assert f"<title>Application registered, 2026-01-07 09:00:00: by {spelt}</title>" in page
    assert f'<span class="about">by {spelt}</span>' in page
    assert page.count(f"<td>{spelt}</td>") == 3
    assert f"<code>Directory_{spelt}</code>" in page


def test_the_terminal_gets_no_control_character_of_a_record() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    console.print(findings_table(hostile_hunt(TURNED), 200))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\ufffdexample.com\ufffd\ufffd\ufffd2J\ufffd[2J" in shown
    assert not [char for char in shown if not char.isprintable() and char not in "\n\ufffd"]


def test_the_report_opens_in_a_browser_and_runs_nothing(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    assert browser, "no Chromium: apt-get install chromium"
    (tmp_path / "report.html").write_text(report(hostile_hunt()), encoding="utf-8")
    shown = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
            (tmp_path / "report.html").as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=100,
    ).stdout  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", shown)
    assert title
    assert title[1] == "Entrawatch hunt: 1 finding"
    assert shown.count("<details") == 1
    assert "<script" not in shown


def test_a_report_with_very_many_findings_draws_them_all_and_opens_none() -> None:
    (one,) = hostile_hunt().findings
    page = report(replace(hostile_hunt(), findings=(one,) * 600))
    assert page.count("<details") == 500
    assert page.count('<a href="#finding-') == 500
    assert page.count('<a href="#left-out"') == 100
    assert '<p id="left-out">100 further findings are left out' in page
    assert " open>" not in page


def test_a_report_without_findings_says_so() -> None:
    page = report(hunt(CATALOGUE, iter(())))
    assert "Nothing. 16 rules ran" in page
