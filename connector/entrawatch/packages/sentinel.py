"""content/sentinel: analytics rules, hunting queries and a workbook, in the layout of Microsoft's own repository, and
ARM templates of the same for the portal and for the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entrawatch.dialects.kql_text import spelled
from entrawatch.errors import ConfigError
from entrawatch.packages import sentinel_files as files
from entrawatch.packages import sentinel_rule, sentinel_workbook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrawatch.packages.content import Release
    from entrawatch.packages.tree import Tree
    from entrawatch.rules.catalogue import Catalogue
    from entrawatch.rules.rule import Baseline, Rule

SCHEDULED, NRT, HUNTING = "sentinel", "sentinel-nrt", "sentinel-hunting"
#: form → what makes it of a rule, None where the rule has no such form
_FORMS = {SCHEDULED: sentinel_rule.scheduled, NRT: sentinel_rule.nrt, HUNTING: sentinel_rule.hunting}
#: form → the file of one rule
_PATHS = {
    SCHEDULED: "Analytic Rules/{}.yaml",
    NRT: "Analytic Rules/NRT_{}.yaml",
    HUNTING: "Hunting Queries/{}.yaml",
}
#: form → the template of all rules
TEMPLATES = {SCHEDULED: "azuredeploy.json", NRT: "azuredeploy-nrt.json", HUNTING: "azuredeploy-hunting.json"}
WORKBOOK = "Workbooks/Entrawatch.json"


def forms(catalogue: Catalogue) -> dict[str, bytes]:
    """Slug → everything Sentinel is given of the rule, its version and identifiers left out."""
    return {
        slug: b"".join(files.document(made, "", "") for made in _made(rule, catalogue.baselines).values())
        for slug, rule in catalogue.rules.items()
    }


def tree(release: Release) -> Tree:
    """Path below content/sentinel/ → bytes.

    :raises ConfigError: more rules than the portal imports from one file.
    """
    found: Tree = {}
    resources: dict[str, list[dict[str, Any]]] = {form: [] for form in _FORMS}
    for slug, rule in release.catalogue.rules.items():
        version = release.versions[slug].text
        for form, made in _made(rule, release.catalogue.baselines).items():
            uuid = release.names[slug].uuids[form]
            found[_PATHS[form].format(spelled(slug))] = files.document(made, uuid, version)
            resources[form].append(
                files.saved_search(made, uuid) if form == HUNTING else files.alert_rule(made, uuid, version)
            )
    for form, path in TEMPLATES.items():
        if len(resources[form]) > files.MOST:
            raise ConfigError([f"{path}: Sentinel imports at most {files.MOST} rules from one file"])
        found[path] = files.template(resources[form])
    return {**found, WORKBOOK: sentinel_workbook.workbook(release)}


def _made(rule: Rule, baselines: Mapping[str, Baseline]) -> dict[str, dict[str, Any]]:
    """Form → the rule in it."""
    made = {form: make(rule, baselines) for form, make in _FORMS.items()}
    return {form: one for form, one in made.items() if one is not None}
