"""savedsearches.conf: every rule as an alert in both shapes of events, and the searches that keep the baselines.

All are disabled: an administrator turns on what the data is there for. Names of keys:
https://docs.splunk.com/Documentation/Splunk/latest/Admin/Savedsearchesconf
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.dialects.base import Refusal
from entrawatch.dialects.spl_alert import SplAlertDialect
from entrawatch.dialects.spl_fields import ENVELOPE, NORMALIZED
from entrawatch.dialects.spl_text import word
from entrawatch.packages.splunk_conf import Stanza, one_line
from entrawatch.packages.splunk_risk import security
from entrawatch.packages.splunk_times import learning, minutes, times

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from entrawatch.dialects.base import Compiled
    from entrawatch.packages.content import Release
    from entrawatch.packages.splunk_conf import Value
    from entrawatch.packages.versions import Version
    from entrawatch.rules.catalogue import Catalogue
    from entrawatch.rules.rule import Baseline, Rule

#: Enterprise Security and Splunk's own content keep to this length
_LONGEST_NAME = 99
_ENDING = " - Rule"
_SEVERITIES = {"informational": 2, "low": 3, "medium": 4, "high": 5, "critical": 6}


def savedsearches(release: Release) -> list[Stanza]:
    """Every stanza, the baselines' first."""
    found = list(baselines(release.catalogue))
    for slug, rule in release.catalogue.rules.items():
        found += alerts(rule, release.catalogue, release.names[slug].splunk, release.versions[slug])
    return found


def alerts(rule: Rule, catalogue: Catalogue, name: str, version: Version | None) -> Iterator[Stanza]:
    """A rule's alert in each shape of events that can carry it.

    :param name: what its search over normalised events is called.
    """
    for profile in SplAlertDialect.profiles:
        query = SplAlertDialect(catalogue.baselines, profile).compile(rule)
        if not isinstance(query, Refusal):
            yield _alert(rule, catalogue, query, shaped_name(name, profile), version)


def shaped_name(name: str, profile: str) -> str:
    """A search's name for a shape of events, short enough for Enterprise Security."""
    if profile == NORMALIZED:
        return name
    ending = f" ({profile}){_ENDING}"
    stem, room = name[: -len(_ENDING)] if name.endswith(_ENDING) else name, _LONGEST_NAME - len(ending)
    return (stem if len(stem) <= room else stem[:room].rpartition(" ")[0]) + ending


def _alert(rule: Rule, catalogue: Catalogue, query: Compiled, name: str, version: Version | None) -> Stanza:
    when = times(rule)
    settings: dict[str, Value] = {
        "description": _description(rule, catalogue, query, version),
        "search": query.text,
        "disabled": True,
        "is_visible": False,
        **when.settings,
        "counttype": "number of events",
        "relation": "greater than",
        "quantity": 0,
        "alert.track": True,
        "alert.severity": _SEVERITIES[rule.level],
        # one alert a result: only so are results held back by their fields
        "alert.digest_mode": False,
        "alert.suppress": True,
        "alert.suppress.fields": ",".join(word(key.name) for key in rule.keys),
        "alert.suppress.period": when.throttle,
        **security(rule, query, name, version),
    }
    return Stanza(name, settings, comment=(f"{rule.slug} over {query.profile} events", *_tuning(rule)))


def _description(rule: Rule, catalogue: Catalogue, query: Compiled, version: Version | None) -> str:
    outside = getattr(rule.query, "outside", None)
    parts = [one_line(rule.description)]
    parts.append(f"Finds what arrives up to {_span(times(rule).late)} late.")
    if outside is not None:
        baseline = catalogue.baselines[outside.baseline]
        learner = learning_name(baseline, query.profile)
        parts.append(f"Enable it after the search {learner} has learnt {baseline.lookback.days} days.")
    parts.append(f"Reads {query.profile} events.")
    if version is not None:
        parts.append(f"Version {version.text}.")
    return " ".join(parts)


def _tuning(rule: Rule) -> tuple[str, ...]:
    return tuple(f"False positive: {one_line(text)}" for text in rule.false_positives)


def _span(span: timedelta) -> str:
    hours = minutes(span) // 60
    return f"{hours} hour{'s' if hours > 1 else ''}"


def learning_name(baseline: Baseline, profile: str) -> str:
    """What the search that keeps a baseline is called."""
    shape = "" if profile == NORMALIZED else f" ({profile})"
    return f"Entrawatch - Baseline {baseline.name}{shape} - Lookup Gen"


def baselines(catalogue: Catalogue) -> Iterator[Stanza]:
    """The searches that keep the baselines' lookups."""
    for baseline in catalogue.baselines.values():
        for profile in (NORMALIZED, ENVELOPE):
            text = SplAlertDialect(catalogue.baselines, profile).baseline_search(baseline)
            about = (
                f"{one_line(baseline.description)} Enable it for one shape of events; the rules that ask it come after "
                f"{baseline.lookback.days} days."
            )
            yield Stanza(
                learning_name(baseline, profile),
                {
                    "description": about,
                    "search": text,
                    "disabled": True,
                    "is_visible": False,
                    **learning(baseline).settings,
                },
            )
