"""What Enterprise Security is told of a rule's findings: annotations, a notable (finding), risk, drilldowns.

Keys and forms as Splunk's own content has them (https://github.com/splunk/contentctl, templates of savedsearches.conf;
https://help.splunk.com/en/splunk-enterprise-security-8/administer/8.0/detections). Without Enterprise Security these
actions do not exist and the alert stands in the list of triggered alerts alone.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from entrawatch.dialects.spl_alert import cim_columns
from entrawatch.dialects.spl_fields import NORMALIZED
from entrawatch.dialects.spl_macros import source_name
from entrawatch.dialects.spl_text import macro, name, word
from entrawatch.packages.splunk_conf import json_value, one_line
from entrawatch.rules.attack import TACTICS, TECHNIQUES

if TYPE_CHECKING:
    from entrawatch.dialects.base import Compiled
    from entrawatch.packages.splunk_conf import Value
    from entrawatch.packages.versions import Version
    from entrawatch.rules.rule import Rule

#: level → risk score; Splunk's own content sees 20, 40, 60 and 80 as the ends of the severities
SCORES = {"informational": 10, "low": 30, "medium": 50, "high": 70, "critical": 90}
#: levels at which a finding raises risk only; from medium on it is a notable too
_RISK_ONLY = ("informational", "low")
#: tactic → phase of the kill chain, as in Splunk's own content
_PHASES = {
    "TA0001": "Delivery", "TA0003": "Installation", "TA0004": "Exploitation", "TA0005": "Exploitation",
    "TA0006": "Exploitation", "TA0040": "Actions on Objectives",
}  # fmt: skip
#: the catalogue's word → analytic story
STORIES = {
    "password-attacks": "Entra ID Password Attacks",
    "account-takeover": "Entra ID Account Takeover",
    "directory-abuse": "Entra ID Directory Abuse",
}
#: techniques that go against a password or a second factor, with all that is below them
_GUESSING = {"T1110", "T1531", "T1621"}
_OBJECTS = {"account": "user", "device": "system"}


def notable(rule: Rule) -> bool:
    """Whether its findings are notables, rather than risk alone."""
    return rule.level not in _RISK_ONLY


def stories(rule: Rule) -> list[str]:
    """The analytic stories it belongs to: those that it names, else by what it reads and looks for."""
    return [STORIES[one] for one in rule.stories or _by_nature(rule)]


def _by_nature(rule: Rule) -> list[str]:
    """A change of the directory abuses it; a sign-in guesses at passwords and factors, is past them, or both."""
    if rule.source == "audit":
        return ["directory-abuse"]
    guessing = {technique.partition(".")[0] in _GUESSING for technique in rule.techniques}
    return [*(["password-attacks"] if True in guessing else []), *(["account-takeover"] if guessing != {True} else [])]


def security(rule: Rule, query: Compiled, label: str, version: Version | None) -> dict[str, Value]:
    """The keys for Enterprise Security.

    :param label: the saved search's name.
    :param version: None to leave it out: what is left is what a new version is counted from.
    """
    settings: dict[str, Value] = {
        "action.correlationsearch.enabled": True,
        "action.correlationsearch.label": label,
        "action.correlationsearch.detection_type": "ebd",
        "action.correlationsearch.annotations": json_value(filed(rule)),
    }
    if version is not None:
        settings["action.correlationsearch.metadata"] = json_value(_metadata(rule, query, version))
    return {**settings, **(_notable(rule, query) if notable(rule) else {}), **_risk(rule)}


def entities(rule: Rule) -> list[tuple[str, str]]:
    """Kind and result column of what a finding is about, each column once.

    Not what it merely lists: a risk event, or a word of the title, for each account of a spray would bury the address.
    """
    columns = cim_columns(rule)
    found = [(one.kind, columns.get(one.field.name, one.field.name)) for one in rule.entities if one.risk]
    return list(dict.fromkeys(found))


def filed(rule: Rule) -> dict[str, object]:
    """ATT&CK and what else Enterprise Security files a rule under."""
    tactics = dict.fromkeys(tactic for technique in rule.techniques for tactic in TECHNIQUES[technique].tactics)
    return {
        "analytic_story": stories(rule),
        "cis20": ["CIS 10"],
        "data_source": ["Microsoft Entra ID"],
        "kill_chain_phases": list(dict.fromkeys(_PHASES[tactic] for tactic in tactics)),
        "mitre_attack": list(rule.techniques),
        "mitre_attack_tactic": [TACTICS[tactic] for tactic in tactics],
        "nist": ["DE.CM" if notable(rule) else "DE.AE"],
        "type": "TTP" if notable(rule) else "Anomaly",
    }


def _metadata(rule: Rule, query: Compiled, version: Version) -> dict[str, object]:
    own = rule.id if query.profile == NORMALIZED else str(uuid.uuid5(uuid.UUID(rule.id), query.profile))
    return {"deprecated": "0", "detection_id": own, "detection_version": str(version.number)}


def _notable(rule: Rule, query: Compiled) -> dict[str, Value]:
    steps = "\n".join(f"{number}. {step}" for number, step in enumerate(rule.triage, start=1))
    return {
        "action.notable": True,
        "action.notable.param.rule_title": message(rule),
        "action.notable.param.rule_description": f"{one_line(rule.description)} About {_about(rule)}: $events$ events.",
        "action.notable.param.security_domain": "access" if rule.source == "signin" else "identity",
        "action.notable.param.severity": rule.level,
        "action.notable.param.nes_fields": ",".join(column for _, column in entities(rule)),
        "action.notable.param.next_steps": json_value({"version": 1, "data": steps}),
        "action.notable.param.drilldown_searches": json_value(drilldowns(rule, query)),
    }


def message(rule: Rule) -> str:
    """What a finding is called: the rule's title and what it is about."""
    return f"{one_line(rule.title)}: {_about(rule)}"


def _about(rule: Rule) -> str:
    return ", ".join(f"${column}$" for _, column in entities(rule))


def _risk(rule: Rule) -> dict[str, Value]:
    objects = [(kind, column) for kind, column in entities(rule) if kind != "ip"] or entities(rule)
    threats = [column for kind, column in entities(rule) if kind == "ip"]
    risk: list[dict[str, object]] = [
        {
            "risk_object_field": column,
            "risk_object_type": "system" if kind == "ip" else _OBJECTS.get(kind, "other"),
            "risk_score": SCORES[rule.level],
        }
        for kind, column in objects
    ]
    risk += [{"threat_object_field": column, "threat_object_type": "ip_address"} for column in threats]
    return {
        "action.risk": True,
        "action.risk.param._risk": json_value(risk),
        "action.risk.param._risk_message": message(rule),
        "action.risk.param._risk_score": 0,
        "action.risk.param.verbose": False,
    }


def drilldowns(rule: Rule, query: Compiled) -> list[dict[str, str]]:
    """The searches that lead on from a finding; `$column|s$` is the finding's value in quotes."""
    _, first = entities(rule)[0]
    keys = " ".join(f"{name(word(key.name))}=${word(key.name)}|s$" for key in rule.keys)
    # in brackets: a search command's OR binds closer than the AND between the words of a macro
    both = " OR ".join(f"({macro(source_name(source, query.profile))})" for source in ("signin", "audit"))
    searches = {
        "This finding": f"{query.text}| search {keys}",
        f"What else the rule finds of ${first}$": f"{query.text}| search {name(first)}=${first}|s$",
        f"Every event that names ${first}$": f"({both}) ${first}|s$",
    }
    return [
        {"name": title, "search": text, "earliest_offset": "$info_min_time$", "latest_offset": "$info_max_time$"}
        for title, text in searches.items()
    ]
