"""content/elastic/assets: everything in Elasticsearch and Kibana that the rules lean on, one file an API object.

`manifest.json` lists the requests that install them, in order:

* part: streams (the connector's own data streams), baseline (what the rules join), integration (only where Elastic's
  own azure integration collects), dashboard;
* service (elasticsearch or kibana), method, path and file (null: a request without a body);
* kind and name of the object;
* there: what to do where an object of that name stands already. `replace` it, the request does that; `keep` it (an
  index: the request would be refused, and it holds the baseline); `recreate` it where it differs (a transform: stop and
  delete it first, its pivot cannot be changed); `ask` (it is an administrator's own object by Fleet's naming, and may
  hold what is theirs); `start` (nothing is created).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Optional
from urllib.parse import quote

from entrawatch.dialects.esql_baseline import indices, transforms
from entrawatch.packages.elastic_assets_dashboard import NAME, ndjson
from entrawatch.packages.elastic_assets_integration import PIPELINE, component_templates, pipelines
from entrawatch.packages.tree import json_file
from entrawatch.schema.index_templates import COMPONENT, NAMESPACE, PATHS, objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from entrawatch.packages.tree import Tree
    from entrawatch.rules.catalogue import Catalogue

FOLDER = "assets"
MANIFEST = f"{FOLDER}/manifest.json"


class Request(NamedTuple):
    """One request of the installation; the module says what its parts mean."""

    part: str
    service: str
    kind: str
    name: str
    method: str
    path: str
    there: str
    body: Optional[bytes]
    file: str

    def entry(self) -> dict[str, Any]:
        """Its entry in the manifest."""
        told = {name: value for name, value in self._asdict().items() if name not in {"body", "file"}}
        return {**told, "file": None if self.body is None else self.file}


def tree(catalogue: Catalogue) -> Tree:
    """Path below content/elastic/ → bytes."""
    made = list(requests(catalogue))
    files = {f"{FOLDER}/{one.file}": one.body for one in made if one.body is not None}
    return {MANIFEST: json_file({"requests": [one.entry() for one in made]}, sort_keys=True), **files}


def requests(catalogue: Catalogue) -> Iterator[Request]:
    """All requests, in the order in which they can be made."""
    for kind, name, body in objects(NAMESPACE, None):
        yield _put("streams", kind, name, f"/{PATHS[kind]}/{_quoted(name)}", body)
    yield from _baselines(catalogue)
    for name, body in component_templates(catalogue).items():
        yield _put("integration", COMPONENT, name, f"/{PATHS[COMPONENT]}/{_quoted(name)}", body, "ask")
    for name, body in pipelines().items():
        there = "replace" if name == PIPELINE else "ask"
        yield _put("integration", "ingest pipeline", name, f"/_ingest/pipeline/{_quoted(name)}", body, there)
    yield Request(
        "dashboard", "kibana", "saved objects", NAME, "POST",
        "/api/saved_objects/_import?overwrite=true", "replace", ndjson(),
        "kibana/entrawatch-dashboard.ndjson",
    )  # fmt: skip


def _baselines(catalogue: Catalogue) -> Iterator[Request]:
    """A baseline's indices before its transforms, and each transform before the one that reads what it writes."""
    for baseline in catalogue.baselines.values():
        for name, body in indices(baseline).items():
            yield _put("baseline", "index", name, f"/{_quoted(name)}", body, "keep")
        for name, body in transforms(baseline).items():
            path = f"/_transform/{_quoted(name)}"
            yield _put("baseline", "transform", name, path, body, "recreate")
            yield Request(
                "baseline", "elasticsearch", "transform", name, "POST", f"{path}/_start", "start", None, ""
            )  # fmt: skip


def _put(part: str, kind: str, name: str, path: str, body: Mapping[str, Any], there: str = "replace") -> Request:
    folder = kind.lower().replace(" ", "_")
    content = json_file(body, sort_keys=True)
    return Request(part, "elasticsearch", kind, name, "PUT", path, there, content, f"{folder}/{name}.json")


def _quoted(name: str) -> str:
    return quote(name, safe="")
