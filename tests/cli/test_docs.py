"""What the documentation shows works: its commands parse, its configurations load, its tables are up to date."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from entrawatch.cli import collect
from entrawatch.cli.main import parser
from entrawatch.config.load import load

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
VARIABLES = ("ENTRAWATCH_CLIENT_SECRET", "SPLUNK_HEC_TOKEN", "ELASTIC_API_KEY", "PROXY_PASSWORD")
ENVIRONMENT = dict.fromkeys(VARIABLES, "a-secret-of-the-test")
TENANT = "tenant_id: a.example\nclient_id: 00000000-0000-0000-0000-000000000000\nauth: {method: managed_identity}\n"


def blocks(kind: str) -> list[Any]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(rf"^```{re.escape(kind)}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, match.start()) + 1
            found.append(pytest.param(match[1], id=f"{page.name}:{line}"))
    return found


def commands() -> list[Any]:
    lines = [line for block in blocks("sh") for line in block.values[0].splitlines()]
    return [line for line in lines if line.startswith("entrawatch ")]


def checked(text: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yml"
    path.write_text(text, encoding="utf-8")
    load(path, collect.sink_tables(), ENVIRONMENT)
    schema = json.loads((ROOT / "docs/config.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(_typed(text))


def _typed(text: str) -> Any:
    """As an editor sees it: times are text."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if not tag.endswith("timestamp")]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return yaml.load(text, Loader=Loader)


def test_the_example_loads_and_holds_to_the_schema(tmp_path: Path) -> None:
    checked((ROOT / "docs/config.example.yml").read_text(encoding="utf-8"), tmp_path)


def test_the_example_with_all_its_comments_read_names_only_known_keys(tmp_path: Path) -> None:
    text = (ROOT / "docs/config.example.yml").read_text(encoding="utf-8")
    known = set(re.findall(r'"(\w+)": \{', (ROOT / "docs/config.schema.json").read_text(encoding="utf-8")))
    commented = re.findall(r"^\s*# (?:- )?\{?(\w+): ", text, re.MULTILINE)
    assert len(commented) > 10
    assert set(commented) - known == set()


@pytest.mark.parametrize("text", blocks("yaml config"))
def test_each_configuration_shown_loads(text: str, tmp_path: Path) -> None:
    checked(text, tmp_path)


@pytest.mark.parametrize("text", blocks("yaml sink"))
def test_each_sink_shown_loads(text: str, tmp_path: Path) -> None:
    checked(TENANT + "state_dir: state\n" + text, tmp_path)


@pytest.mark.parametrize("command", commands())
def test_each_command_shown_parses(command: str) -> None:
    words = shlex.split(command.partition(" > ")[0], comments=True)[1:]
    assert callable(parser().parse_args(words).run)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_make_target_and_file_named_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w[\w-]*) +#", text, re.MULTILINE):
        assert re.search(rf"^[\w -]*\b{target}\b[\w -]*:", makefile, re.MULTILINE), target
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (page.parent / link).exists(), link


def test_the_readme_links_each_page_once_under_more() -> None:
    more = PAGES[0].read_text(encoding="utf-8").partition("## More")[2]
    linked = re.findall(r"\]\(([^)]+)\)", more)
    pages = [str(page.relative_to(ROOT)) for page in (*PAGES[1:], ROOT / "CHANGELOG.md")]
    assert sorted(linked) == sorted(pages)


def test_the_schema_refuses_what_the_loader_refuses() -> None:
    schema = json.loads((ROOT / "docs/config.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    good = _typed(TENANT + "state_dir: s\nsinks: [{type: files, path: x}]\n")
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(good)
    for fault in (
        {"statedir": "x"},
        {"streams": ["nope"]},
        {"collect": {"window": "soon"}},
        {"sinks": [{"type": "x"}]},
    ):
        assert not validator.is_valid({**good, **fault}), fault


def test_what_is_generated_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    for path, text in module.generated().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run python docs/generate.py"
