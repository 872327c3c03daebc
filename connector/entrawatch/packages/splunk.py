"""content/splunk: what the Splunk app holds of the rules and the schema, in the layout of an app's folder.

The app's package is built from packaging/splunk, which lays this folder over what it generates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.packages.splunk_conf import Stanza, conf
from entrawatch.packages.splunk_dashboards import DASHBOARDS
from entrawatch.packages.splunk_events import collections, eventtypes, limits_example, props, tags, transforms
from entrawatch.packages.splunk_macros import macro_stanzas, rule_macros
from entrawatch.packages.splunk_searches import alerts, savedsearches
from entrawatch.packages.splunk_stories import story_stanzas
from entrawatch.packages.splunk_studio import view

if TYPE_CHECKING:
    from entrawatch.packages.content import Release
    from entrawatch.packages.tree import Tree
    from entrawatch.rules.catalogue import Catalogue


def forms(catalogue: Catalogue) -> dict[str, bytes]:
    """See `packages.content`."""
    return {
        slug: conf([*alerts(rule, catalogue, slug, None), *rule_macros(rule)]) for slug, rule in catalogue.rules.items()
    }


def tree(release: Release) -> Tree:
    """See `packages.content`."""
    baselines = release.catalogue.baselines
    stanzas = {
        "savedsearches": savedsearches(release),
        "macros": macro_stanzas(release.catalogue),
        "props": props(),
        "eventtypes": eventtypes(),
        "tags": tags(),
        "transforms": transforms(baselines),
        "collections": collections(baselines),
        "analyticstories": story_stanzas(release),
    }
    return {
        **{f"default/{name}.conf": conf(made) for name, made in stanzas.items()},
        **{f"default/data/ui/views/{one.name}.xml": view(one) for one in DASHBOARDS},
        "metadata/default.meta": conf(_access()),
        "README/limits.conf.example": limits_example(),
    }


def _access() -> list[Stanza]:
    """Who may read and change what: knowledge is seen by other apps, so that Enterprise Security finds it."""
    shared = {"access": "read : [ * ], write : [ admin, sc_admin ]", "export": "system"}
    return [Stanza("", shared)]
