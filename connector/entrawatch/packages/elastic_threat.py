"""ATT&CK as Elastic's rules carry it: tactic by tactic, techniques with their sub-techniques.

The tactics' names are those before ATT&CK v19, which Elastic's rules have for every stack that we write for
(elastic/detection-rules, attack v18.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entrawatch.rules.attack import TACTICS, TECHNIQUES

if TYPE_CHECKING:
    from entrawatch.rules.rule import Rule

_SITE = "https://attack.mitre.org"


def tactic_names(rule: Rule) -> list[str]:
    """The tactics that the rule names, in its order."""
    return [TACTICS[identifier] for identifier in rule.tactics]


def threat(rule: Rule) -> list[dict[str, Any]]:
    """The rule's `threat`: each tactic once, with those of the rule's techniques that serve it."""
    return [
        {
            "framework": "MITRE ATT&CK",
            "tactic": _entry(identifier, TACTICS[identifier], f"{_SITE}/tactics/{identifier}/"),
            "technique": _techniques(rule, identifier),
        }
        for identifier in rule.tactics
    ]


def _techniques(rule: Rule, tactic: str) -> list[dict[str, Any]]:
    """Techniques under a tactic; a sub-technique stands below its own."""
    found: dict[str, dict[str, Any]] = {}
    for technique in (TECHNIQUES[identifier] for identifier in rule.techniques):
        if tactic not in technique.tactics:
            continue
        parent, _, sub = technique.id.partition(".")
        name, _, sub_name = technique.name.partition(": ")
        above = found.setdefault(parent, _entry(parent, name, f"{_SITE}/techniques/{parent}/"))
        if sub:
            above.setdefault("subtechnique", []).append(_entry(technique.id, sub_name, technique.url))
    return list(found.values())


def _entry(identifier: str, name: str, reference: str) -> dict[str, Any]:
    return {"id": identifier, "name": name, "reference": reference}
