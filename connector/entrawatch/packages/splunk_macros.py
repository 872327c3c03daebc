"""macros.conf: what an administrator tunes. A definition of one's own goes to local/macros.conf and survives upgrades.

https://docs.splunk.com/Documentation/Splunk/latest/Admin/Macrosconf
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.dialects.spl_fields import ENVELOPE, MARKS, NORMALIZED
from entrawatch.dialects.spl_macros import INDEX, filter_name, macros, parameter_name, source_name
from entrawatch.dialects.spl_text import macro
from entrawatch.packages.splunk_conf import Stanza, one_line

if TYPE_CHECKING:
    from entrawatch.rules.catalogue import Catalogue
    from entrawatch.rules.rule import Rule

#: what dashboards read: all events, the inputs' log, notables of Enterprise Security, Splunk's own record of alerts
EVENTS, LOG, FINDINGS, ALERTS = "entrawatch_events", "entrawatch_log", "entrawatch_findings", "entrawatch_alerts"
_OWN = {
    EVENTS: (
        f'{macro(INDEX)} (sourcetype="entrawatch:*" OR sourcetype="{ENVELOPE}")',
        "All events, whatever their stream and shape.",
    ),
    LOG: ("index=_internal source=*entrawatch_*.log*", "What the inputs log; reading _internal needs a role that may."),
    FINDINGS: (
        'index=notable search_name="Entrawatch - *"',
        "Where the findings dashboard reads notables of our searches: the index of Enterprise Security.",
    ),
    ALERTS: (
        'index=_audit action=alert_fired ss_name="Entrawatch - *"',
        "Where the findings dashboard reads which of our alerts fired; reading _audit needs a role that may.",
    ),
}


def macro_stanzas(catalogue: Catalogue) -> list[Stanza]:
    """Every macro: the index and the sources first, then rule by rule."""
    rules = list(catalogue.rules.values())
    known = {**macros(rules, ENVELOPE), **macros(rules, NORMALIZED)}
    found = [_stanza(INDEX, known[INDEX], "The indexes that hold the events: narrow it, e.g. to (index=entra).")]
    for profile in (NORMALIZED, ENVELOPE):
        for source in MARKS[profile]:
            name = source_name(source, profile)
            found.append(_stanza(name, known[name], f"The {source} events in the {profile} shape."))
    found += [_stanza(name, definition, about) for name, (definition, about) in _OWN.items()]
    return [*found, *(stanza for rule in rules for stanza in rule_macros(rule))]


def rule_macros(rule: Rule) -> list[Stanza]:
    """A rule's parameters and its filter; both shapes of events share them."""
    known = macros([rule], NORMALIZED)
    found = []
    for parameter in rule.parameters:
        about = f"{one_line(rule.title)}: {one_line(parameter.description)}."
        if parameter.kind == "list":
            about += " A regular expression in quotes that finds one of the texts."
        name = parameter_name(rule, parameter)
        found.append(_stanza(name, known[name], about))
    about = f"{one_line(rule.title)}: ends its searches. Filter false positives here, as in: search NOT app=Backup"
    return [*found, _stanza(filter_name(rule), known[filter_name(rule)], about)]


def _stanza(name: str, definition: str, about: str) -> Stanza:
    return Stanza(
        name,
        {"definition": definition, "description": about, "iseval": False},
        comment=(about, f"Default: {definition}"),
    )
