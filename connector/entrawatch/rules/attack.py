"""ATT&CK names for the techniques that rules name.

Tactics are kept by their lasting identifiers; their names are ATT&CK's current ones, and a target that still speaks
older ones has its own table. Source: https://attack.mitre.org/techniques/enterprise/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TECHNIQUE = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)")


@dataclass(frozen=True)
class Technique:
    """One technique or sub-technique.

    :param tactics: identifiers of the tactics it serves, in the order of the matrix.
    """

    id: str
    name: str
    tactics: tuple[str, ...]

    @property
    def url(self) -> str:
        """Its page."""
        return f"https://attack.mitre.org/techniques/{self.id.replace('.', '/')}/"


#: tactic identifier → its name in the matrix, in the matrix's order
TACTICS = {
    "TA0001": "Initial Access",
    "TA0003": "Persistence",
    "TA0004": "Privilege Escalation",
    "TA0005": "Defense Evasion",
    "TA0006": "Credential Access",
    "TA0040": "Impact",
}


def technique(tag: str) -> str:
    """The identifier in a Sigma tag (attack.t1110.003); "" where it is none of a technique."""
    found = _TECHNIQUE.fullmatch(tag)
    return found[1].upper() if found else ""


def tactics(tags: Iterable[str]) -> tuple[str, ...]:
    """The identifiers of the tactics among a rule's Sigma tags (attack.credential-access), in their order."""
    known = {f"attack.{name.lower().replace(' ', '-')}": identifier for identifier, name in TACTICS.items()}
    return tuple(known[tag] for tag in tags if tag in known)


def unknown(tags: Iterable[str]) -> Iterator[str]:
    """What is wrong with a rule's tags: products file it by tactics and techniques, with the names they have here."""
    tags = list(tags)
    found, names = [technique(tag) for tag in tags], {tag for tag in tags if tactics([tag])}
    for tag, one in zip(tags, found):
        if one and one not in TECHNIQUES:
            yield f"{tag}: no technique of the table TECHNIQUES in rules/attack.py; add it there as ATT&CK has it"
        elif not one and tag not in names:
            yield f"{tag}: no tactic of the table TACTICS in rules/attack.py; there are {', '.join(TACTICS.values())}"
    if not names or not any(found):
        yield "it names at least one tactic and one technique"


_MODIFY = ("TA0003", "TA0005", "TA0006")

TECHNIQUES = {
    technique.id: technique
    for technique in (
        Technique("T1078.004", "Valid Accounts: Cloud Accounts", ("TA0001", "TA0003", "TA0004", "TA0005")),
        Technique("T1098.001", "Account Manipulation: Additional Cloud Credentials", ("TA0003", "TA0004")),
        Technique("T1098.003", "Account Manipulation: Additional Cloud Roles", ("TA0003", "TA0004")),
        Technique("T1098.005", "Account Manipulation: Device Registration", ("TA0003", "TA0004")),
        Technique("T1110", "Brute Force", ("TA0006",)),
        Technique("T1110.001", "Brute Force: Password Guessing", ("TA0006",)),
        Technique("T1110.003", "Brute Force: Password Spraying", ("TA0006",)),
        Technique("T1136.003", "Create Account: Cloud Account", ("TA0003",)),
        Technique("T1199", "Trusted Relationship", ("TA0001",)),
        Technique("T1528", "Steal Application Access Token", ("TA0006",)),
        Technique("T1531", "Account Access Removal", ("TA0040",)),
        Technique("T1556.006", "Modify Authentication Process: Multi-Factor Authentication", _MODIFY),
        Technique("T1556.009", "Modify Authentication Process: Conditional Access Policies", _MODIFY),
        Technique("T1566", "Phishing", ("TA0001",)),
        Technique("T1621", "Multi-Factor Authentication Request Generation", ("TA0006",)),
    )
}  # fmt: skip
