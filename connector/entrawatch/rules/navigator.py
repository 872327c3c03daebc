"""The catalogue as a layer of the ATT&CK Navigator.

https://github.com/mitre-attack/attack-navigator/blob/master/layers/spec/v4.5/layerformat.md
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from entrawatch.rules.rule import Rule


def layer(rules: Iterable[Rule]) -> str:
    """The layer as JSON text: a technique's score is the number of rules that look for it."""
    named: dict[str, list[str]] = defaultdict(list)
    for rule in rules:
        for technique in rule.techniques:
            named[technique].append(rule.title)
    techniques = [
        {"techniqueID": technique, "score": len(titles), "comment": "; ".join(titles), "enabled": True}
        for technique, titles in sorted(named.items())
    ]
    most = max((len(titles) for titles in named.values()), default=1)
    return json.dumps(
        {
            "name": "Entrawatch",
            "versions": {"layer": "4.5"},
            "domain": "enterprise-attack",
            "description": "What Entrawatch's rules look for in Entra ID logs",
            "techniques": techniques,
            "gradient": {"colors": ["#ffe7a8", "#c23b22"], "minValue": 0, "maxValue": most},
        },
        indent=2,
    )
