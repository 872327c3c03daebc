"""What docs/deploy.md shows is what comes out."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Callable
from urllib.parse import unquote

import pytest
import yaml
from tests.deploy.conftest import ANOTHER, CATALOGUE
from tests.deploy.kibana import KEY, Kibana
from tests.sinks.elastic_server import ElasticServer
from tests.sinks.fakes import FakeClock

from entrawatch.cli.main import parser
from entrawatch.config.model import SinkConfig
from entrawatch.deploy import elastic_rule, sentinel_rule, splunk_search
from entrawatch.packages.versions import LOCK
from entrawatch.rules import shipped
from entrawatch.sinks import build

if TYPE_CHECKING:
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


def granted(page: str) -> tuple[set[str], Callable[[str, str], bool]]:
    """The cluster privileges of the API key that a page shows, and whether it may do something to an index."""
    (text,) = re.findall(r"^POST /_security/api_key\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (role,) = json.loads(text)["role_descriptors"].values()

    def may(index: str, privilege: str) -> bool:
        return any(
            privilege in one["privileges"] and any(fnmatch(index, name) for name in one["names"])
            for one in role["indices"]
        )

    return set(role["cluster"]), may


def test_the_api_key_that_is_shown_may_do_what_is_deployed_and_no_cluster_privilege_is_idle() -> None:
    cluster, may = granted(PAGE)
    kinds = {"transform": "manage_transform", "ingest pipeline": "manage_ingest_pipelines",
             "component template": "manage_index_templates"}  # fmt: skip
    assets = CATALOGUE.parent / "elastic/assets"
    requests = json.loads((assets / "manifest.json").read_text(encoding="utf-8"))["requests"]
    deployed = {one["kind"] for one in requests if one["part"] in {"baseline", "integration"}}
    assert {kinds[kind] for kind in deployed - {"index"}} == cluster
    transforms = [json.loads(path.read_text(encoding="utf-8")) for path in assets.glob("transform/*.json")]
    assert len(transforms) == 3
    for transform in transforms:
        for privilege in ("read", "view_index_metadata"):
            assert all(may(index, privilege) for index in transform["source"]["index"])
        for privilege in ("create_index", "index", "read", "delete", "manage"):
            assert may(transform["dest"]["index"], privilege)


def test_the_api_key_that_is_shown_may_read_what_the_rules_read() -> None:
    _, may = granted(PAGE)
    lines = (CATALOGUE.parent / "elastic/rules/entrawatch-rules.ndjson").read_text(encoding="utf-8").splitlines()
    read: set[str] = set()
    for rule in map(json.loads, lines):
        found = re.findall(r"^FROM (.*?)(?: METADATA.*)?$|LOOKUP JOIN (\S+)", rule["query"], re.MULTILINE)
        read.update(rule.get("index", ()))
        read.update(index.strip() for pair in found for index in ",".join(filter(None, pair)).split(","))
    assert "entrawatch-organisation-networks" in read
    assert "logs-azure.auditlogs-*" in read
    assert [index for index in read if not (may(index, "read") and may(index, "view_index_metadata"))] == []


def test_the_connectors_key_that_is_shown_may_do_what_its_sink_asks_for() -> None:
    cluster, may = granted((Path(__file__).parents[2] / "docs/elasticsearch.md").read_text(encoding="utf-8"))
    with ElasticServer() as server:
        sink = build(SinkConfig("es", "elasticsearch", {"hosts": server.url}), state_dir=Path("no"), clock=FakeClock())
        sink.check()
        sink.close()
        (asked,) = [json.loads(body) for _, path, _, body in server.requests if path.endswith("_has_privileges")]
    (one,) = asked["index"]
    assert len(one["names"]) == 4
    assert all(may(name, privilege) for name in one["names"] for privilege in one["privileges"])
    assert cluster == set()


def removed(page: str) -> list[str]:
    """What the requests of a page's "Remove" take away, patterns among it."""
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    found = re.findall(r"^(?:DELETE|PUT) (\S*/)?(\S+)$", text, re.MULTILINE)
    return [f"{folder}{name}" for folder, names in found for name in names.split(",")]


@pytest.mark.parametrize(
    ("page", "parts"), [("elastic-security.md", ("baseline", "integration")), ("elasticsearch.md", ("streams",))]
)
def test_what_was_installed_is_removed(page: str, parts: tuple[str, ...]) -> None:
    manifest = json.loads((CATALOGUE.parent / "elastic/assets/manifest.json").read_text(encoding="utf-8"))
    paths = [one["path"] for one in manifest["requests"] if one["part"] in parts and one["method"] == "PUT"]
    assert len(paths) > 7
    taken = removed(page)
    left = [path for path in paths if not any(fnmatch(unquote(path).lstrip("/"), one) for one in taken)]
    assert left == []


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
