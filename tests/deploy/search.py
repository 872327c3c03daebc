"""Elasticsearch as far as deploy speaks to it: transforms, pipelines, component templates, indices.

Shapes: elastic.co/docs/api/doc/elasticsearch.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.deploy.kibana import KEY
from tests.deploy.stub import Asked, Reply, Stub

if TYPE_CHECKING:
    from pathlib import Path

TRANSFORMS, PIPELINES, COMPONENTS, INDICES = "_transform", "_ingest/pipeline", "_component_template", ""


class Elasticsearch(Stub):
    """`there`: API → name → body; `running`: the transforms that are started."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.there: dict[str, dict[str, Any]] = {api: {} for api in (TRANSFORMS, PIPELINES, COMPONENTS, INDICES)}
        self.running: set[str] = set()

    def answer(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != f"ApiKey {KEY}":
            return _error(401, "security_exception", "unable to authenticate with provided credentials")
        api = next(one for one in self.there if asked.path.startswith(f"/{one}"))
        name, _, action = unquote(asked.path[len(api) + 1 :].lstrip("/")).partition("/")
        there = self.there[api]
        if action:
            return self._act(name, action, asked)
        if asked.method == "GET":
            return _given(api, name, there) if name in there else _error(404, "resource_not_found_exception", name)
        if asked.method == "DELETE":
            if name in self.running and asked.query.get("force") != "true":
                return _error(409, "status_exception", "Cannot delete transform as it is running")
            self.running.discard(name)
            return Reply(200 if there.pop(name, None) else 404, {"acknowledged": True})
        return self._put(api, name, there, asked.json)

    def _act(self, name: str, action: str, asked: Asked) -> Reply:
        if name not in self.there[TRANSFORMS]:
            return _error(404, "resource_not_found_exception", "Transform could not be found")
        if action == "_start":
            self.running.add(name)
        elif action == "_update":
            self.there[TRANSFORMS][name].update(asked.json)
        elif action == "_stop" and asked.query.get("wait_for_completion") == "true":
            self.running.discard(name)
        return Reply(200, {"acknowledged": True})

    def _put(self, api: str, name: str, there: dict[str, Any], body: Any) -> Reply:
        if name in there and api in {TRANSFORMS, INDICES}:
            return _error(400, "resource_already_exists_exception", f"[{name}] already exists")
        if api == TRANSFORMS and body["dest"]["index"] not in self.there[INDICES]:
            return _error(400, "validation_exception", "no such index")
        there[name] = copy.deepcopy(body)
        return Reply(200, {"acknowledged": True})


def _given(api: str, name: str, there: dict[str, Any]) -> Reply:
    """As it is given back, with what the server adds."""
    body = copy.deepcopy(there[name])
    if api == TRANSFORMS:
        index = body["source"]["index"]
        body["source"] = {
            "query": {"match_all": {}},
            **body["source"],
            "index": [index] if isinstance(index, str) else index,
        }
        return Reply(200, {"count": 1, "transforms": [
            {**body, "id": name, "version": "10.0.0", "create_time": 1, "authorization": {"api_key": {}},
             "settings": {}}]})  # fmt: skip
    if api == COMPONENTS:
        return Reply(200, {"component_templates": [{"name": name, "component_template": body}]})
    return Reply(200, {name: body})


def _error(status: int, kind: str, reason: str) -> Reply:
    return Reply(status, {"error": {"type": kind, "reason": reason}, "status": status})
