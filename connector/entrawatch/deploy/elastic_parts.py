"""The Elastic package as what is wanted in Kibana."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch import jsontext
from entrawatch.deploy import elastic_rule

if TYPE_CHECKING:
    from entrawatch.deploy.content import Package
    from entrawatch.deploy.target import Content

RULES = "rules/entrawatch-rules.ndjson"


def rules(package: Package) -> Content:
    """The detection rules."""
    slugs = package.slugs("elastic")
    lines = [jsontext.loads(line) for line in package.files[RULES].splitlines() if line]
    wanted = [elastic_rule.wanted(one, slugs.get(one["rule_id"], "")) for one in lines]
    return package.content(wanted, package.retired("elastic"))
