"""What queries say of themselves: over what they run and when, what a row is, what they must know."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from entrawatch.dialects import dialect
from entrawatch.dialects.base import Compiled
from entrawatch.dialects.spl_alert import SplAlertDialect
from entrawatch.packages.queries import FOLDERS
from entrawatch.rules import ir

from .test_catalogue import CATALOGUE

CONTENT = Path(__file__).parents[2] / "content"
KNOWN = (
    "organisation-networks (baselines/organisation-networks.yml in the catalogue): addresses, and their countries, "
    "from which on at least 2 days of the 7d before at least 2 persons a day signed in"
)
BY = "ipAddress, appDisplayName, userAgent"


def comments(text: str) -> list[str]:
    """The comments of a query in any language, in order."""
    return re.findall(r"```(.*?)```", text) or re.findall(r"^(?://|--) (.*)$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "slug", "told"),
    [
        ("spl", "password-spray", "run every 5m over the last 1h: earliest=-60m@m latest=@m; it counts over all"),
        ("spl", "password-spray-success", "run every 15m over the last 25h15m: earliest=-1515m@m latest=@m; it finds"),
        ("spl", "third-party-changes", "run every 15m over the last 1d: earliest=-1440m@m latest=@m; it pairs what"),
        ("spl", "guest-invited", "time range: any; scheduled every 5m over the last 5m: earliest=-5m@m latest=@m;"),
        ("kql", "password-spray", "looks at the 1h that ended with the last whole 5m, whatever time range is chosen"),
        ("kql", "password-spray-success", "looks at the 25h15m that ended with the last whole 15m, whatever"),
        ("kql", "single-factor-from-new-network", "looks at the last 1h15m, whatever time range is chosen: run"),
        ("kql", "single-factor-from-new-network", "needs 7d of sign-ins before that"),
        ("kql", "guest-invited", "time range: any; a row for each id"),
        ("esql", "password-spray", "looks at each window of 1h that ended in the last 1h, where something"),
        ("esql", "password-spray-success", "looks at each stretch of 25h15m that ended in the last 1h, where"),
        ("esql", "guest-invited", "time range: any; a row for each event"),
        ("esql", "account-hijacking", "network_days: on how many days, up to now; from 2 on it is known;"),
        ("esql", "single-factor-from-new-network", "network_days, country_days: on how many days, up to now; from 2"),
        ("eql", "guest-invited", "index: logs-azure.auditlogs-*; time range: any; a row for each event"),
        ("eql", "sync-account-abuse", "index: logs-azure.signinlogs-*; time range: any; a row for each event"),
        ("sql", "password-spray", f"a row for each {BY} and each window of 1h, one each 5m, that reached"),
        ("sql", "password-spray-success", "a row for each ipAddress, userPrincipalName and each 15m in which it"),
        ("sql", "single-factor-from-new-network", "the first 7d of sign-ins are judged by what they themselves hold;"),
        ("sql", "guest-invited", "a row for each id"),
    ],
)  # fmt: skip
def test_a_query_says_what_it_looks_at_and_what_it_gives(name: str, slug: str, told: str) -> None:
    answer = dialect(name, CATALOGUE.baselines).compile(CATALOGUE.rules[slug])
    assert isinstance(answer, Compiled)
    assert [line for line in comments(answer.text) if line.startswith(told)], comments(answer.text)


@pytest.mark.parametrize(("name", "profile"), FOLDERS)
def test_every_query_says_it_and_what_a_baseline_knows(name: str, profile: str) -> None:
    for rule in CATALOGUE.rules.values():
        answer = dialect(name, CATALOGUE.baselines, profile).compile(rule)
        if isinstance(answer, Compiled):
            notes = comments(answer.text)[1 + len(rule.parameters) :]
            assert any("a row for each " in line for line in notes)
            assert (KNOWN in notes) is (getattr(rule.query, "outside", None) is not None)
            assert all(line.isascii() for line in notes)


def test_the_search_of_a_baseline_says_what_its_numbers_mean() -> None:
    for profile in ("spl", "spl-azure-monitor-aad"):
        text = (CONTENT / "queries" / profile / "baseline-organisation-networks.spl").read_text(encoding="utf-8")
        assert comments(text) == [f"baseline {KNOWN}"]


def test_splunks_alerts_say_that_they_keep_windows_apart() -> None:
    for rule in CATALOGUE.rules.values():
        answer = SplAlertDialect(CATALOGUE.baselines).compile(rule)
        assert isinstance(answer, Compiled)
        told = comments(answer.text)[1 + len(rule.parameters)]
        followed = isinstance(rule.query, ir.FollowedQuery)
        assert told.startswith("finds what followed in the last 3h15m" if followed else "time range: any; ")
        assert "earliest=" not in answer.text, "savedsearches.conf says when it runs"


def test_sentinels_rules_run_as_their_queries_say() -> None:
    ran = 0
    for path in sorted((CONTENT / "sentinel" / "Analytic Rules").rglob("*.yaml")):
        rule = yaml.safe_load(path.read_text(encoding="utf-8"))
        notes = comments(rule["query"])
        if rule["kind"] == "NRT":
            assert any(line.startswith("run each minute ") for line in notes)
            continue
        (run,) = [line for line in notes if line.startswith("run every ")]
        found = re.match(r"run every (\S+) over the last (\S+);", run)
        assert found
        assert [minutes(one) for one in found.groups()] == [
            minutes(rule[f"query{one}"]) for one in ("Frequency", "Period")
        ]
        ran += 1
    assert ran == len(CATALOGUE.rules)


def minutes(span: str) -> int:
    """A span as any package writes it."""
    sizes = {"d": 1440, "h": 60, "m": 1}
    return sum(int(count) * sizes[unit] for count, unit in re.findall(r"(\d+)([dhm])", span))


def test_sentinels_hunts_have_no_clock() -> None:
    paths = sorted((CONTENT / "sentinel" / "Hunting Queries").rglob("*.yaml"))
    for path in paths:
        notes = comments(yaml.safe_load(path.read_text(encoding="utf-8"))["query"])
        assert [line for line in notes if line.startswith("time range: any")], path
    assert len(paths) == len(CATALOGUE.rules)


def test_kibana_runs_rules_as_often_as_their_queries_say() -> None:
    for line in (CONTENT / "elastic" / "rules" / "entrawatch-rules.ndjson").read_text(encoding="utf-8").splitlines():
        rule = json.loads(line)
        every = re.findall(r"run it every (\S+);", rule["query"])
        if rule["type"] == "eql":
            (told,) = [one for one in comments(rule["query"]) if one.startswith("index: ")]
            assert told.startswith(f"index: {', '.join(rule['index'])}; ")
        assert not every or [minutes(one) for one in every] == [minutes(rule["interval"])]
