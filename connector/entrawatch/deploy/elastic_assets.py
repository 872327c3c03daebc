"""What the rules lean on in Elasticsearch and Kibana, by the package's manifest: baselines, a pipeline, a dashboard.

The mark stands in an object's `_meta`, which Elasticsearch keeps as it is given; for the dashboard at the end of its
description. Kibana rewrites a dashboard when it takes it, so that a change by hand cannot be told from another version:
one that stands there without this version's mark is left alone unless that is asked for.

Source: elastic.co/docs/api/doc/elasticsearch (_transform, _ingest/pipeline, _component_template) and
elastic.co/docs/api/doc/kibana (saved objects: _import, _export).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import quote

from entrawatch import jsontext
from entrawatch.deploy.mark import PATTERN, mark
from entrawatch.deploy.plan import CREATE, UPDATE, Standing, Wanted, tidy
from entrawatch.deploy.rest import line, rows
from entrawatch.deploy.target import MEANWHILE, one_by_one
from entrawatch.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from entrawatch.deploy.plan import Step
    from entrawatch.deploy.rest import Rest
    from entrawatch.deploy.target import Outcome

META_KEY = "entrawatch"
ADVICE = {
    401: "check the API key and that the address is Elasticsearch's",
    403: "give the key the cluster and index privileges that docs/deploy.md names",
}
INDEX, TRANSFORM, DASHBOARD = "index", "transform", "dashboard"
_MATCH_ALL: dict[str, Any] = {"match_all": {}}
_DESCRIBED = re.compile(rf"\s*\(entrawatch ({PATTERN.pattern})\)\s*\Z")


def _first(value: Any, name: str) -> dict[str, Any]:
    return next(iter(rows(value, name)), {})


def _only(value: Any) -> dict[str, Any]:
    """The one object of an answer that is a mapping by name."""
    return _object(next(iter(value.values()), None)) if isinstance(value, dict) else {}


#: kind → the object in the answer, and which of its keys are ours
_KINDS: dict[str, tuple[Callable[[Any], dict[str, Any]], tuple[str, ...]]] = {
    TRANSFORM: (
        lambda value: _first(value, "transforms"),
        ("description", "source", "dest", "pivot", "latest", "sync", "frequency", "retention_policy", "settings"),
    ),
    "ingest pipeline": (_only, ("description", "processors", "on_failure", "version")),
    "component template": (
        lambda value: _object(_first(value, "component_templates").get("component_template")),
        ("template", "version"),
    ),
    # an index that is there holds what was learnt: it is neither compared nor changed
    INDEX: (_only, ()),
}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def wanted(entry: Mapping[str, Any], body: Mapping[str, Any]) -> Wanted:
    """An object of the manifest's."""
    kind, path = str(entry["kind"]), str(entry["path"])
    return Wanted(path, str(entry["name"]), kind, "", _fields(kind, body), dict(body))


def _fields(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: body.get(name) for name in _KINDS[kind][1]}
    source = said.get("source")
    if isinstance(source, dict):
        # what Elasticsearch fills in, and its spelling of one index
        index = source.get("index")
        query = None if source.get("query") == _MATCH_ALL else source.get("query")
        said["source"] = {**source, "index": [index] if isinstance(index, str) else index, "query": query}
    return tidy(said) or {}


class Assets:
    """Objects of Elasticsearch, in the manifest's order."""

    def __init__(self, rest: Rest, wanted: Sequence[Wanted]) -> None:
        self._rest = rest
        self._wanted = tuple(wanted)

    def standing(self) -> list[Standing]:
        """Those of the manifest's that are there."""
        return [found for one in self._wanted if (found := self._read(one)) is not None]

    def apply(self, steps: Sequence[Step]) -> Iterator[Outcome]:
        """One by one; a transform after the index it writes to."""
        order = {one.key: place for place, one in enumerate(self._wanted)}
        ordered = sorted(steps, key=lambda step: order[step.difference.key])
        return one_by_one(ordered, {CREATE: self._create, UPDATE: self._update})

    def _read(self, one: Wanted) -> Optional[Standing]:
        answer = self._rest.get(one.key, accept={404})
        if answer.status == 404:
            return None
        body = _KINDS[one.kind][0](answer.value)
        fields = _fields(one.kind, body)
        found = mark(one.key, fields) if one.kind == INDEX else str(_object(body.get("_meta")).get(META_KEY, ""))
        return Standing(one.key, one.name, one.kind, fields, found, body=body)

    def _create(self, step: Step) -> str:
        return self._put(step.wanted)

    def _put(self, one: Wanted) -> str:
        marked = {**_object(one.body.get("_meta")), META_KEY: mark(one.key, one.fields)}
        if one.kind == TRANSFORM:
            self._rest.ask("PUT", one.key, json=one.body)
            self._rest.ask("POST", f"{one.key}/_start")
            # the mark comes last: one that was never started has none, and is made anew by the next run
            self._rest.ask("POST", f"{one.key}/_update", json={"_meta": marked})
            return "started"
        self._rest.ask("PUT", one.key, json=one.body if one.kind == INDEX else {**one.body, "_meta": marked})
        return ""

    def _update(self, step: Step) -> str:
        one = step.wanted
        if step.overtaken(self._read(one)):
            raise TargetError(MEANWHILE)
        if one.kind == TRANSFORM:
            # its pivot cannot be changed; what it has written stays
            self._rest.ask("POST", f"{one.key}/_stop", params={"force": "true", "wait_for_completion": "true"})
            self._rest.ask("DELETE", one.key, params={"force": "true"})
        return self._put(one)


def wanted_dashboard(name: str, content: bytes) -> Wanted:
    """The dashboard's saved objects, as one."""
    objects = [jsontext.loads(one) for one in content.splitlines() if one]
    key = next(str(one["id"]) for one in objects if one["type"] == DASHBOARD)
    return Wanted(key, name, DASHBOARD, "", {"version": mark(key, {"objects": objects})}, objects)


class Dashboards:
    """The dashboard of one space.

    :param space: the space's id, "" for the default one.
    """

    def __init__(self, rest: Rest, one: Wanted, space: str = "") -> None:
        self._rest, self._one = rest, one
        self._base = (f"/s/{quote(space, safe='')}" if space else "") + "/api/saved_objects"

    def standing(self) -> list[Standing]:
        """The dashboard, if it is there."""
        asked = {"objects": [{"type": DASHBOARD, "id": self._one.key}], "excludeExportDetails": True}
        answer = self._rest.ask("POST", f"{self._base}/_export", json=asked, accept={400})
        if answer.status == 400:  # "Error fetching objects": there is none of that id
            return []
        said = _object(_object(answer.value).get("attributes"))
        found = _DESCRIBED.search(str(said.get("description", "")))
        version = found[1] if found else ""
        same = version == self._one.fields["version"]
        name, key = str(said.get("title", self._one.name)), self._one.key
        fields = {"version": version or "unknown"}
        return [Standing(key, name, DASHBOARD, fields, mark(key, fields) if same else "")]

    def apply(self, steps: Sequence[Step]) -> Iterator[Outcome]:
        """The one."""
        return one_by_one(steps, {CREATE: self._import, UPDATE: self._update})

    def _update(self, step: Step) -> str:
        if step.overtaken(next(iter(self.standing()), None)):
            raise TargetError(MEANWHILE)
        return self._import(step)

    def _import(self, step: Step) -> str:
        body = b"".join(jsontext.dumps(self._described(one)) + b"\n" for one in self._one.body)
        overwrite = "true" if step.action == UPDATE else "false"
        answer = self._rest.ask(
            "POST", f"{self._base}/_import", params={"overwrite": overwrite},
            files={"file": ("entrawatch-dashboard.ndjson", body, "application/x-ndjson")},
        ).value  # fmt: skip
        faults = [fault for fault in rows(answer, "errors") if fault.get("type") == DASHBOARD]
        if faults:
            raise TargetError(line(_object(faults[0].get("error")).get("type", "refused without a reason")))
        return ""

    def _described(self, one: Mapping[str, Any]) -> dict[str, Any]:
        if one["type"] != DASHBOARD:
            return dict(one)
        said = one["attributes"]
        text = f"{said.get('description', '')} (entrawatch {self._one.fields['version']})".strip()
        return {**one, "attributes": {**said, "description": text}}
