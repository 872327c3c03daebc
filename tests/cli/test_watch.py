"""Metrics, health, logs and bars: what those who watch are told, and what they never are."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from entrawatch import redaction
from entrawatch.cli import logs, progress
from entrawatch.cli.metrics import METRICS
from entrawatch.cli.progress import Bars, Lines, bars
from entrawatch.cli.tally import Tally
from entrawatch.cli.watch import Feed, Health, Many, Prometheus, serving
from entrawatch.errors import ConfigError

ROOT = Path(__file__).parents[2]
LABELS = {"tenant": "t", "stream": "interactive", "sink": "s"}
FEED = Feed("t", "interactive", "s")


class Ticks:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_stream_is_healthy_while_it_moves() -> None:
    now = Ticks()
    health = Health([FEED], stale=900, monotonic=now)
    assert health.report()["ok"]
    now.at += 901
    assert health.report()["streams"][0] == {
        "tenant": "t", "stream": "interactive", "sink": "s", "ok": False, "behind_seconds": None,
        "moved_seconds_ago": None, "reason": "has not moved for 901 s",
    }  # fmt: skip
    health.gauge("watermark_age_seconds", 120, **LABELS)
    now.at += 30
    report = health.report()
    assert report["ok"]
    assert (report["streams"][0]["behind_seconds"], report["streams"][0]["moved_seconds_ago"]) == (150, 30)
    now.at += 900
    assert not health.report()["ok"]


def test_a_degraded_stream_is_not_healthy_until_it_reads_again() -> None:
    health = Health([FEED])
    health.gauge("watermark_age_seconds", 1, **LABELS)
    health.gauge("stream_degraded", 1, tenant="t", stream="interactive")
    assert "permission or licence" in health.report()["streams"][0]["reason"]
    health.gauge("stream_degraded", 0, tenant="t", stream="interactive")
    assert health.report()["ok"]


def test_metrics_and_health_are_served() -> None:
    now, metrics = Ticks(), Prometheus()
    health = Health([FEED], monotonic=now)
    both = Many([metrics, health])
    both.count("events_stored", 3, sweep="2m", **LABELS)
    both.gauge("watermark_age_seconds", 130, **LABELS)
    both.observe("event_lag_seconds", 700, sweep="2m", **LABELS)
    both.count("never_heard_of", 1, odd="x")
    both.count("events_stored", 1, odd="label")
    with serving("127.0.0.1:0", metrics, health) as url:
        status, text = _get(url + "/metrics")
        assert status == 200
        assert 'entrawatch_events_stored_total{sink="s",stream="interactive",sweep="2m",tenant="t"} 3.0' in text
        assert 'entrawatch_watermark_age_seconds{sink="s",stream="interactive",tenant="t"} 130.0' in text
        assert 'le="900.0",sink="s",stream="interactive",sweep="2m",tenant="t"} 1.0' in text
        assert _get(url + "/healthz")[0] == 200
        now.at += 10_000
        status, text = _get(url + "/healthz")
        assert (status, json.loads(text)["streams"][0]["stream"]) == (503, "interactive")
        assert _get(url + "/other")[0] == 404
        with (
            pytest.raises(ConfigError, match=r"metrics_listen: .* cannot be listened on"),
            serving(url.removeprefix("http://"), metrics, health),
        ):
            pass
    with pytest.raises(urllib.error.URLError):
        _get(url + "/healthz")


def _emitted() -> set[str]:
    """Every name that a room tells an observer."""
    told = re.compile(r"(?:observer|_loop\.observer)\.(?:count|gauge|observe)\(\s*\"(\w+)\"|self\._count\(\s*\"(\w+)\"")
    files = (p for room in ("graph", "ingest", "sinks") for p in (ROOT / "connector/entrawatch" / room).glob("*.py"))
    return {one or other for file in files for one, other in told.findall(file.read_text(encoding="utf-8"))}


def test_every_name_that_is_told_is_a_metric() -> None:
    assert len(_emitted()) > 15
    assert _emitted() - set(METRICS) == set()


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_documented(name: str) -> None:
    suffix = "_total" if METRICS[name].kind == "counter" else ""
    assert f"`entrawatch_{name}{suffix}`" in (ROOT / "docs/operations.md").read_text(encoding="utf-8")


SECRET = 'p\\w"ö-12345'
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJncmFwaCJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "message",
    [
        f"secret {SECRET} here", f"token {JWT}", "Authorization: Bearer abc.def-ghi_jklmno",
        "Authorization: Splunk 11112222-3333-4444", "body client_secret=sssssssssss&x=1", "ApiKey c2VjcmV0c2VjcmV0",
    ],
)  # fmt: skip
def test_no_secret_comes_through_a_log_line(form: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    redaction.hide([SECRET])
    logs.setup(form, "info")
    logging.getLogger("x").error("%s", message, exc_info=ValueError(message))
    err = capsys.readouterr().err
    assert redaction.HIDDEN in err
    for secret in (SECRET, json.dumps(SECRET)[1:-1], JWT, "abc.def", "11112222", "sssss", "c2VjcmV0"):
        assert secret not in err


def test_ordinary_lines_are_left_alone() -> None:
    line = "contoso/interactive: the window 10:00 .. 11:00 of https://graph.microsoft.com is read in halves"
    assert redaction.redact(line) == line


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_server_s_words_in_a_log_line_do_not_reach_the_terminal_s_control(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.setup(form, "info")
    logging.getLogger("x").warning("Graph says \x1b[2J\x1b]0;t\x07 \x9b1A \u202egnp.exe \r forged")
    err = capsys.readouterr().err
    assert "Graph says" in err
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r"} & set(err)


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("json", "info")
    logging.getLogger("entrawatch.x").warning("%s: waits", "contoso/interactive")
    logging.getLogger("urllib3").info("GET /secret?x")
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert (entry["message"], entry["level"]) == ("contoso/interactive: waits", "WARNING")
    assert (entry["logger"], entry["time"][:2]) == ("entrawatch.x", "20")


@pytest.mark.parametrize("terminal", [True, False])
def test_bars_are_drawn_on_a_terminal_only(terminal: bool) -> None:
    import io

    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=120)
    with bars({"interactive": 10}, console) as seen:
        seen.count("graph_records", 5, tenant="t", stream="interactive")
        seen.gauge("stream_degraded", 1, tenant="t", stream="provisioning")
        seen.observe("graph_request_seconds", 1.0, tenant="t", stream="interactive")
    assert ("interactive" in screen.getvalue()) is terminal


def test_a_terminal_shows_what_is_done_before_the_first_record_comes() -> None:
    import io

    screen = io.StringIO()
    with bars(console=Console(file=screen, force_terminal=True, width=120), first="signing in") as seen:
        assert isinstance(seen, Bars)
        seen.step("asking for pages")
        seen.count("graph_records", 5, tenant="t", stream="interactive")
        seen.step("rule brute-force")
    assert "rule brute-force" in screen.getvalue()
    assert "interactive" in screen.getvalue()


def test_where_there_is_no_terminal_a_line_comes_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    enough = threading.Event()

    def tell(line: str) -> None:
        told.append(line)
        if "rule x" in line:
            enough.set()

    monkeypatch.setattr(progress, "EVERY", 0.01)
    with bars(tell=tell, first="signing in") as seen:
        while not told:
            time.sleep(0.01)
        seen.count("graph_records", 1200, tenant="t", stream="interactive")
        seen.count("graph_requests", 7, tenant="t", stream="interactive")
        seen.total("reading")(40)
        seen.total("reading")(50)
        assert isinstance(seen, Lines)
        assert seen.line() == "1,250 records so far"
        seen.step("rule x")
        assert enough.wait(10)
    count = len(told)
    assert (told[0], told[-1]) == ("signing in, 0 records so far", "rule x, 1,250 records so far")
    time.sleep(0.05)
    assert len(told) == count
    with bars(first="signing in"):
        time.sleep(0.1)
    said = capsys.readouterr()
    assert (said.out, said.err.splitlines()[0]) == ("", "entrawatch: signing in, 0 records so far")


def test_work_that_is_soon_done_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with bars():
        pass
    assert capsys.readouterr() == ("", "")


def test_a_tally_adds_up() -> None:
    tally = Tally()
    labels: list[dict[str, Any]] = [
        {"sink": "a", "sweep": "2m"},
        {"sink": "a", "sweep": "2m"},
        {"sink": "b", "sweep": "2h"},
    ]
    for given in labels:
        tally.count("events", 2, **given)
    tally.observe("waits", 1.5)
    tally.observe("waits", 2)
    assert (tally.total("events"), tally.total("events", sink="a"), tally.total("none")) == (6, 4, 0)
    assert (tally.values("events", "sweep"), tally.seconds("waits")) == (["2m", "2h"], 3.5)
