"""The Elastic package as what is wanted in Kibana."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entrawatch import jsontext
from entrawatch.deploy import elastic_assets, elastic_rule
from entrawatch.deploy.target import Content

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from entrawatch.deploy.content import Package
    from entrawatch.deploy.plan import Wanted

RULES = "rules/entrawatch-rules.ndjson"
MANIFEST = "assets/manifest.json"
#: parts of the manifest; its fourth, the connector's own data streams, is `entrawatch setup elasticsearch`'s
BASELINE, INTEGRATION, DASHBOARD = "baseline", "integration", "dashboard"


def rules(package: Package) -> Content:
    """The detection rules."""
    slugs = package.slugs("elastic")
    lines = [jsontext.loads(line) for line in package.files[RULES].splitlines() if line]
    wanted = [elastic_rule.wanted(one, slugs.get(one["rule_id"], "")) for one in lines]
    return package.content(wanted, package.released("elastic"))


def assets(package: Package, parts: tuple[str, ...]) -> Content:
    """What of the manifest goes into Elasticsearch."""
    found = [
        elastic_assets.wanted(entry, jsontext.loads(_file(package, entry)))
        for entry in _entries(package)
        if entry["part"] in parts and entry["service"] == "elasticsearch" and entry["file"]
    ]
    return Content(tuple(found), whole=False)


def dashboard(package: Package) -> Wanted:
    """The dashboard."""
    entry = next(one for one in _entries(package) if one["part"] == DASHBOARD)
    return elastic_assets.wanted_dashboard(str(entry["name"]), _file(package, entry))


def _entries(package: Package) -> Iterator[Mapping[str, Any]]:
    yield from jsontext.loads(package.files[MANIFEST])["requests"]


def _file(package: Package, entry: Mapping[str, Any]) -> bytes:
    return package.files[f"assets/{entry['file']}"]
