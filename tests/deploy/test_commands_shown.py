"""Every `entrawatch deploy` that the pages show does what it says, with an address and a CA of the test's own."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest
from tests.deploy import arm, kibana, search, splunkd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.commands import Done
    from tests.deploy.conftest import Content

ROOT = Path(__file__).parents[2]
#: what a page says → whose stub stands for it
PLACES = {
    "https://splunk.example:8089": splunkd.Splunkd,
    "https://kibana.example:5601": kibana.Kibana,
    "https://search.example:9200": search.Elasticsearch,
    "https://management.azure.com": arm.Arm,
}
NOBODY = "00000000-0000-0000-0000-000000000000"
CREDENTIALS = {
    "SPLUNK_TOKEN": splunkd.TOKEN,
    "ELASTIC_API_KEY": kibana.KEY,
    "AZURE_ACCESS_TOKEN": arm.TOKEN,
    "AZURE_SUBSCRIPTION_ID": arm.SUBSCRIPTION,
}


def shown() -> dict[str, list[str]]:
    """The commands of the pages, without their remarks; the pages that show each."""
    found: dict[str, list[str]] = {}
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for line in re.findall(r"^ *(entrawatch deploy \w.*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            found.setdefault(shlex.join(shlex.split(line, comments=True)[1:]), []).append(page.name)
    return found


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The places as they are here; all certificates are in ca.pem."""
    running = {}
    for number, (place, stub) in enumerate(PLACES.items()):
        (tmp_path / str(number)).mkdir()
        running[place] = stub(tmp_path / str(number)).__enter__()
    (tmp_path / "ca.pem").write_bytes(b"".join(one.ca_file.read_bytes() for one in running.values()))
    yield {place: one.url for place, one in running.items()}
    for one in running.values():
        one.__exit__()


@pytest.mark.parametrize("command", shown(), ids=lambda command: str(command).removeprefix("deploy "))
def test_a_command_that_is_shown_works(
    command: str, call: Callable[..., Done], content: Content, servers: dict[str, str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if "managed_identity" in command:
        pytest.skip("there is no machine's identity here; test_sentinel signs in by other ways")
    for name, value in {**CREDENTIALS, "ELASTICSEARCH_URL": servers["https://search.example:9200"]}.items():
        monkeypatch.setenv(name, value)
    words = [{**servers, NOBODY: arm.SUBSCRIPTION}.get(word, word) for word in shlex.split(command)]
    if "sentinel" in words:
        words += ["--management-url", servers["https://management.azure.com"]]
    if not {"--plan", "--check", "--yes"} & set(words):
        words.append("--yes")  # nobody is there to be asked
    done = call(*words, "--content", content.folder, "--ca-bundle", tmp_path / "ca.pem")
    assert (done.code, done.err, done.told("x")) == (0, "", [])
    assert " unchanged" in done.out


def test_the_pages_show_commands_for_each_product() -> None:
    pages = {page for pages in shown().values() for page in pages}
    assert {"README.md", "deploy.md", "elastic-security.md", "sentinel.md"} <= pages
    assert {command.split()[1] for command in shown()} == {"splunk", "elastic", "sentinel"}
