"""`entrawatch deploy elastic --assets`: what the rules lean on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import unquote

import pytest
from tests.deploy.kibana import KEY, Kibana
from tests.deploy.search import COMPONENTS, INDICES, PIPELINES, TRANSFORMS, Elasticsearch
from tests.deploy.stub import Asked, Fault, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.deploy.conftest import Content, Done

PIPELINE = "entrawatch-azure.auditlogs"
THEIRS = "logs-azure.auditlogs@custom"


@pytest.fixture
def search(tmp_path: Path) -> Iterator[Elasticsearch]:
    (tmp_path / "search").mkdir()
    with Elasticsearch(tmp_path / "search") as server:
        yield server


@pytest.fixture
def deploy(
    call: Callable[..., Done], content: Content, kibana: Kibana, search: Elasticsearch, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Done]:  # fmt: skip
    monkeypatch.setenv("ELASTIC_API_KEY", KEY)
    both = tmp_path / "both.pem"
    both.write_bytes(kibana.ca_file.read_bytes() + search.ca_file.read_bytes())

    def run(*options: object) -> Done:
        return call("deploy", "elastic", "--kibana-url", kibana.url, "--elasticsearch-url", search.url, "--content",
                    content.folder, "--ca-bundle", both, "--rules", "guest-invited", *options)  # fmt: skip

    return run


ALL = ("--assets", "baseline", "integration", "dashboard")


def test_without_the_option_elasticsearch_is_not_asked(deploy: Callable[..., Done], search: Elasticsearch) -> None:
    assert deploy("--yes").code == 0
    assert search.log == []


def test_everything_is_put_there_in_its_order_and_then_nothing_is_left(
    deploy: Callable[..., Done], search: Elasticsearch, kibana: Kibana
) -> None:
    assert deploy("--plan", *ALL).code == 0
    assert (search.writes, [asked for asked in kibana.writes if not asked.path.endswith("_export")]) == ([], [])
    done = deploy("--yes", *ALL)
    assert (done.code, done.told("x")) == (0, [])
    names = [unquote(asked.path.rpartition("/")[2]) for asked in search.writes if asked.method == "PUT"]
    base = "entrawatch-organisation-networks"
    assert names[:6] == [base, f"{base}-countries", f"{base}-pairs", base, f"{base}-pairs", f"{base}-countries"]
    assert search.running == set(search.there[TRANSFORMS])
    assert len(search.running) == len(search.there[INDICES]) == 3
    assert PIPELINE in search.there[PIPELINES]
    assert THEIRS in search.there[COMPONENTS]
    assert {kind for kind, _ in kibana.objects} == {"index-pattern", "dashboard"}
    search.log.clear()
    kibana.log.clear()
    done = deploy("--yes", *ALL)
    assert ", 0 changed, 0 drifted by hand, 0 removed" in done.counts
    assert done.counts.startswith("0 new")
    assert search.writes == []


def test_a_transform_is_made_anew_where_the_catalogue_has_changed(
    deploy: Callable[..., Done], search: Elasticsearch, content: Content
) -> None:
    deploy("--yes", "--assets", "baseline")
    (path,) = (content.folder / "catalogue/baselines").glob("*.yml")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("lookback: 7d", "lookback: 8d"), encoding="utf-8")
    assert text != path.read_text(encoding="utf-8")
    # an admin has stopped one: it is started again with its new form
    search.running.pop()
    before = dict(search.there[TRANSFORMS])
    done = deploy("--yes", "--assets", "baseline")
    assert done.code == 0
    assert done.told("~")
    assert search.there[TRANSFORMS] != before
    assert search.running == set(search.there[TRANSFORMS])
    assert deploy("--check", "--assets", "baseline").code == 0


@pytest.mark.parametrize("cut", ["_start", "_update"])
@pytest.mark.parametrize("drift", [False, True], ids=["anew", "over an edit"])
def test_a_transform_that_was_not_started_is_not_taken_for_a_finished_one(
    drift: bool, cut: str, deploy: Callable[..., Done], search: Elasticsearch
) -> None:
    """The command was cut off between two of its requests, or one was refused."""
    more = ("--assets", "baseline", "--overwrite-drift")
    if drift:
        deploy("--yes", *more)
        for one in search.there[TRANSFORMS].values():
            one["frequency"] = "1h"
    search.faults.append(Fault(lambda a: a.path.endswith(cut), Reply(403, {"error": "not now"}), times=3))
    done = deploy("--yes", *more)
    assert (done.code, len(done.told("x"))) == (3, 3)
    assert deploy("--yes", *more).code == 0
    assert search.running == set(search.there[TRANSFORMS])
    assert len(search.running) == 3
    assert deploy("--check", *more).code == 0


def test_a_dashboard_that_somebody_changed_since_the_plan_is_left(deploy: Callable[..., Done], kibana: Kibana) -> None:
    deploy("--yes", "--assets", "dashboard")
    (key,) = [key for key in kibana.objects if key[0] == "dashboard"]
    attributes = kibana.objects[key]["attributes"]
    first = attributes["description"]
    attributes["description"] = "mine"

    def meanwhile() -> None:
        attributes["description"] = first

    exports: list[str] = []

    def second(asked: Asked) -> bool:
        exports.append(asked.path)
        return sum(path.endswith("_export") for path in exports) == 2

    kibana.faults.append(Fault(second, None, before=meanwhile))
    done = deploy("--yes", "--assets", "dashboard", "--overwrite-drift")
    assert done.code == 3
    assert "meanwhile" in done.told("x")[0]


@pytest.mark.parametrize(
    ("api", "name", "edit"),
    [
        (TRANSFORMS, "entrawatch-organisation-networks", {"frequency": "1h"}),
        (PIPELINES, PIPELINE, {"processors": []}),
        (COMPONENTS, THEIRS, {"template": {"settings": {"index.refresh_interval": "30s"}}}),
    ],
    ids=["transform", "pipeline", "template"],
)
def test_what_was_changed_by_hand_is_told_and_left(
    api: str, name: str, edit: dict[str, Any], deploy: Callable[..., Done], search: Elasticsearch
) -> None:
    deploy("--yes", *ALL)
    search.there[api][name].update(edit)
    done = deploy("--yes", *ALL)
    assert f"{next(iter(edit))} (changed by hand)" in done.told("!")[0]
    assert {key: search.there[api][name][key] for key in edit} == edit
    assert deploy("--yes", "--overwrite-drift", *ALL).code == 0
    assert {key: search.there[api][name].get(key) for key in edit} != edit
    assert deploy("--check", *ALL).code == 0


def test_an_administrators_own_pipeline_of_fleets_name_is_left(
    deploy: Callable[..., Done], search: Elasticsearch
) -> None:
    own = {"processors": [{"set": {"field": "mine", "value": 1}}]}
    search.there[PIPELINES][THEIRS] = dict(own)
    done = deploy("--yes", "--assets", "integration")
    assert "it was not put there by deploy" in done.told("!")[0]
    assert search.there[PIPELINES][THEIRS] == own


def test_an_index_that_is_there_keeps_what_it_has_learnt(deploy: Callable[..., Done], search: Elasticsearch) -> None:
    search.there[INDICES]["entrawatch-organisation-networks"] = {"mappings": {"older": True}}
    assert deploy("--yes", "--assets", "baseline").code == 0
    assert search.there[INDICES]["entrawatch-organisation-networks"] == {"mappings": {"older": True}}


def test_a_dashboard_without_this_versions_mark_is_left(deploy: Callable[..., Done], kibana: Kibana) -> None:
    deploy("--yes", "--assets", "dashboard")
    (key,) = [key for key in kibana.objects if key[0] == "dashboard"]
    kibana.objects[key]["attributes"]["description"] = "mine now"
    done = deploy("--yes", "--assets", "dashboard")
    assert "it was not put there by deploy" in done.told("!")[0]
    assert kibana.objects[key]["attributes"]["description"] == "mine now"
    assert deploy("--yes", "--overwrite-drift", "--assets", "dashboard").code == 0
    assert deploy("--check", "--assets", "dashboard").code == 0


def test_a_refusal_is_told_and_the_next_run_completes(deploy: Callable[..., Done], search: Elasticsearch) -> None:
    said = {"error": {"type": "validation_exception", "reason": "no such\nindex [logs-*]"}}
    search.faults.append(Fault(lambda a: a.method == "PUT" and "_transform" in a.path, Reply(400, said)))
    done = deploy("--yes", *ALL)
    assert (done.code, len(done.told("x"))) == (3, 1)
    assert "no such index [logs-*]" in done.told("x")[0]
    assert deploy("--yes", *ALL).code == 0
    assert deploy("--check", *ALL).code == 0


def test_elasticsearchs_address_is_needed(
    call: Callable[..., Done], content: Content, kibana: Kibana, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELASTIC_API_KEY", KEY)
    done = call("deploy", "elastic", "--kibana-url", kibana.url, "--content", content.folder, "--assets", "baseline",
                "--yes")  # fmt: skip
    assert done.code == 2
    assert "ELASTICSEARCH_URL" in done.err
