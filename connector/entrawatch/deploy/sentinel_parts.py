"""The Sentinel package as what is wanted in a workspace, read from the ARM templates that the portal imports.

A template's text that begins with `[` is an expression, and `[[` is a text that begins with `[`
(learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from entrawatch import jsontext
from entrawatch.deploy import sentinel_rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from entrawatch.deploy.content import Package
    from entrawatch.deploy.target import Content

_RULES = "microsoft.operationalinsights/workspaces/providers/alertrules"
_SEARCHES = "microsoft.operationalinsights/workspaces/savedsearches"
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FORMS = {"Scheduled": "sentinel", "NRT": "sentinel-nrt"}


def rules(package: Package) -> Content:
    """The analytics rules, scheduled and near real time."""
    slugs = {**package.slugs("sentinel"), **package.slugs("sentinel-nrt")}
    released = package.released("sentinel") | package.released("sentinel-nrt")
    found = [
        sentinel_rule.wanted_rule(key, str(one["kind"]), one["properties"], slugs.get(key, ""))
        for key, one in _resources(package, _RULES)
    ]
    return package.content(found, released)


def hunts(package: Package) -> Content:
    """The hunting queries."""
    slugs = package.slugs("sentinel-hunting")
    found = [
        sentinel_rule.wanted_hunt(key, one["properties"], slugs.get(key, ""))
        for key, one in _resources(package, _SEARCHES)
    ]
    return package.content(found, package.released("sentinel-hunting"))


def _resources(package: Package, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """GUID and resource of each of a kind, its texts as they will be."""
    for path, content in package.files.items():
        if not path.startswith("azuredeploy") or not path.endswith(".json"):
            continue
        for one in jsontext.loads(content).get("resources", []):
            name = _GUID.findall(str(one.get("name", "")))
            if str(one.get("type", "")).lower() == kind and name:
                yield name[-1], _plain(one)


def _plain(value: Any) -> Any:
    """A value of a template without its escapes."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value[1:] if isinstance(value, str) and value.startswith("[[") else value
