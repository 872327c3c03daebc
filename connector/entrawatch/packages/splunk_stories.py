"""analyticstories.conf: the stories that group the rules in Enterprise Security's library, and each rule's page.

Keys as contentctl writes them:
https://github.com/splunk/contentctl/blob/main/contentctl/output/templates/analyticstories_stories.j2
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.dialects.base import Refusal
from entrawatch.dialects.spl_alert import SplAlertDialect
from entrawatch.packages.splunk_conf import Stanza, json_value, one_line
from entrawatch.packages.splunk_risk import STORIES, filed, stories
from entrawatch.packages.splunk_searches import shaped_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrawatch.packages.content import Release
    from entrawatch.packages.splunk_conf import Value
    from entrawatch.rules.rule import Rule

_ABOUT = {
    "Entra ID Password Attacks": "Guessing and spraying of passwords, and pushing for second factors.",
    "Entra ID Account Takeover": "Sign-ins and changes by which an intruder uses an Entra ID account and keeps it.",
    "Entra ID Directory Abuse": "Changes to roles, applications, consents and policies by which an intruder stays.",
}
_MAINTAINERS = [{"company": "Entrawatch", "email": "", "name": "Entrawatch"}]


def story_stanzas(release: Release) -> list[Stanza]:
    """A stanza a rule and shape, and one a story."""
    names: dict[str, list[str]] = {story: [] for story in STORIES.values()}
    found: list[Stanza] = []
    for slug, rule in release.catalogue.rules.items():
        own = list(_names(release, slug))
        found += [Stanza(f"savedsearch://{name}", _page(rule)) for name in own]
        for story in stories(rule):
            names[story] += own
    return [*found, *(Stanza(f"analytic_story://{story}", _story(release, story, names[story])) for story in names)]


def _names(release: Release, slug: str) -> Iterator[str]:
    catalogue = release.catalogue
    for profile in SplAlertDialect.profiles:
        if not isinstance(SplAlertDialect(catalogue.baselines, profile).compile(catalogue.rules[slug]), Refusal):
            yield shaped_name(release.names[slug].splunk, profile)


def _page(rule: Rule) -> dict[str, Value]:
    return {
        "type": "detection",
        "asset_type": "Identity",
        "confidence": "medium",
        "explanation": one_line(rule.description),
        "how_to_implement": "Collect the events with Entrawatch, then enable the search; its macros tune it.",
        "annotations": json_value(filed(rule)),
        "known_false_positives": one_line(" ".join(rule.false_positives)),
        "providing_technologies": json_value(["Microsoft Entra ID"]),
    }


def _story(release: Release, story: str, names: list[str]) -> dict[str, Value]:
    rules = [rule for rule in release.catalogue.rules.values() if story in stories(rule)]
    references = dict.fromkeys(reference for rule in rules for reference in rule.references)
    told = " ".join(f"{one_line(rule.title)}: {one_line(rule.description)}" for rule in rules)
    return {
        "category": "Cloud Security",
        "version": 1,
        "references": json_value(list(references)),
        "maintainers": json_value(_MAINTAINERS),
        "spec_version": 3,
        "searches": json_value(names),
        "description": _ABOUT[story],
        "narrative": told,
    }
