"""content/elastic: the rules for Kibana's detection engine, as the file its import takes and in the layout of Elastic's
own rules repository, and what they lean on in Elasticsearch.

A rule is an EQL rule where EQL says it exactly (one event is the finding), else an ES|QL rule. Threshold and new terms
rules are exact for none of the catalogue: a threshold rule counts documents, so that a revision of a sign-in counts
again, groups `Ada@` and `ada@` apart, counts values approximately (cardinality), and looks at one window a run; a new
terms rule knows "not seen before", which is no window, no threshold and none of our baselines (several users, on
several days).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.packages import elastic_assets, elastic_toml
from entrawatch.packages.elastic_rule import api_rule
from entrawatch.packages.tree import json_line

if TYPE_CHECKING:
    from entrawatch.packages.content import Release
    from entrawatch.packages.tree import Tree
    from entrawatch.rules.catalogue import Catalogue

#: one rule a line, for `POST /api/detection_engine/rules/_import`
RULES = "rules/entrawatch-rules.ndjson"


def forms(catalogue: Catalogue) -> dict[str, bytes]:
    """Slug → everything Kibana is given of the rule, its version and identifier left out."""
    return {slug: json_line(api_rule(rule, catalogue.baselines)) for slug, rule in catalogue.rules.items()}


def tree(release: Release) -> Tree:
    """Path below content/elastic/ → bytes."""
    lines, files = [], {}
    for slug, rule in release.catalogue.rules.items():
        made = {
            "rule_id": release.names[slug].uuids["elastic"],
            "version": release.versions[slug].number,
            **api_rule(rule, release.catalogue.baselines),
        }
        lines.append(json_line(made))
        files[f"detection-rules/{elastic_toml.path(rule)}"] = elastic_toml.document(rule, made)
    return {RULES: b"".join(lines), **files, **elastic_assets.tree(release.catalogue)}
