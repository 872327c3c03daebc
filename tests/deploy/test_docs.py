"""What docs/deploy.md shows is what comes out."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import yaml
from tests.deploy.conftest import ANOTHER, CATALOGUE
from tests.deploy.kibana import KEY, Kibana

from entrawatch.cli.main import parser
from entrawatch.deploy import elastic_rule, sentinel_rule, splunk_search
from entrawatch.packages.versions import LOCK
from entrawatch.rules import shipped

if TYPE_CHECKING:
    import pytest
    from tests.deploy.conftest import Content, Done

PAGE = (Path(__file__).parents[2] / "docs/deploy.md").read_text(encoding="utf-8")


def block(kind: str) -> str:
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_plan_looks_as_it_is_shown(
    call: Callable[..., Done], content: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELASTIC_API_KEY", KEY)
    (tmp_path / "server").mkdir()
    content.remove("single-factor-from-new-network")
    shutil.copy(CATALOGUE / "signin/multiple-lockouts.yml", content.folder / "catalogue/signin/multiple-lockouts.yml")
    with Kibana(tmp_path / "server") as server:
        options = ("--kibana-url", server.url, "--ca-bundle", server.ca_file, "--content", content.folder)
        call("deploy", "elastic", *options, "--yes")
        (guest,) = [key for key, rule in server.rules.items() if "Guest" in rule["name"]]
        server.edit(guest, interval="7m")
        (content.folder / "catalogue/signin/multiple-lockouts.yml").unlink()
        content.restore("single-factor-from-new-network")
        content.describe("password-spray", ANOTHER)
        out = call("deploy", "elastic", *options, "--plan").out
    assert out.replace(server.url, "https://kibana.example:5601") == block("text")


def test_the_pipelines_commands_are_commands() -> None:
    steps = yaml.safe_load(block("yaml"))["jobs"]["deploy"]["steps"]
    commands = [step["run"] for step in steps if step.get("run", "").startswith("entrawatch ")]
    assert len(commands) == 3
    for command in commands:
        assert callable(parser().parse_args(shlex.split(command)[1:]).run)


def test_every_option_that_all_products_have_is_explained() -> None:
    for option in ("--plan", "--check", "--yes", "--rules", "--enable", "--prune", "--remove", "--overwrite-drift",
                   "--format", "--content", "--ca-bundle"):  # fmt: skip
        assert f"| `{option}" in PAGE, option


def test_the_lock_is_installed_with_the_catalogue_once_there_is_one() -> None:
    """Without it, an installed command would not know what retired rules were called."""
    assert (CATALOGUE.parent / LOCK).exists() == (shipped.ROOT.parent / LOCK).exists()


def test_where_the_mark_stands_is_said() -> None:
    assert f"`{splunk_search.MARK}`" in PAGE
    assert elastic_rule.MARKED == "setup"
    assert "the setup guide's last line" in PAGE
    assert f"// {sentinel_rule.TAG} " in sentinel_rule.rule_body(
        sentinel_rule.wanted_rule("k", "NRT", {"displayName": "n", "query": "print 1"}, "s"), None, enabled=False
    )["properties"]["query"]  # fmt: skip
