"""The Splunk package as what is wanted in the app: the searches of one shape of events, and the macros they use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from entrawatch.deploy import splunk_search
from entrawatch.deploy.splunk import wanted_macro
from entrawatch.packages.splunk_macros import macro_stanzas, rule_macros
from entrawatch.packages.splunk_searches import learning_name, savedsearches, shaped_name

if TYPE_CHECKING:
    from entrawatch.deploy.content import Package
    from entrawatch.deploy.target import Content


def searches(package: Package, profile: str) -> Content:
    """The alerts over one shape of events, and the searches that keep their baselines."""
    slugs = _names(package, profile)
    stanzas = [one for one in savedsearches(package.release) if one.name in slugs]
    wanted = [splunk_search.wanted(one.name, one.settings, slugs[one.name]) for one in stanzas]
    return package.content(wanted, frozenset(shaped_name(name, profile) for name in package.released("splunk")))


def _names(package: Package, profile: str) -> dict[str, str]:
    """A search's name → the slug of its rule; for a baseline's that of one that uses it, a chosen one if there is."""
    release, names = package.release, {}
    for slug, rule in release.catalogue.rules.items():
        outside = getattr(rule.query, "outside", None)
        baseline = learning_name(release.catalogue.baselines[outside.baseline], profile) if outside else ""
        if baseline and (baseline not in names or slug in package.chosen):
            names[baseline] = slug
        names[shaped_name(release.names[slug].splunk, profile)] = slug
    return names


def macros(package: Package) -> Content:
    """The macros: those that all searches share go with every choice of rules."""
    catalogue = package.release.catalogue
    slugs = {one.name: slug for slug, rule in catalogue.rules.items() for one in rule_macros(rule)}
    shared = next(iter(package.chosen), "")
    found = [wanted_macro(one.name, one.settings, slugs.get(one.name, shared)) for one in macro_stanzas(catalogue)]
    # a macro that is there is never told of: it may be one of the administrator's own
    return replace(package.content(found), whole=False)
