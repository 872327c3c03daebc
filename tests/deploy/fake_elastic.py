"""Stands in for packages.elastic until that is there."""

import json


def forms(catalogue):
    return {slug: json.dumps([rule.title, rule.description]).encode() for slug, rule in catalogue.rules.items()}


def tree(release):
    lines = []
    for slug, rule in release.catalogue.rules.items():
        lines.append(
            json.dumps(
                {
                    "rule_id": release.names[slug].uuids["elastic"],
                    "name": rule.title,
                    "description": rule.description,
                    "risk_score": 47,
                    "severity": "medium",
                    "type": "esql",
                    "language": "esql",
                    "query": f'from logs-* | where x == "{slug}"',
                    "interval": "5m",
                    "from": "now-10m",
                    "tags": ["Entrawatch"],
                    "threat": [{"framework": "MITRE ATT&CK", "tactic": {"id": "TA0006"}}],
                    "required_fields": [{"name": "x", "type": "keyword"}],
                    "version": release.versions[slug].number,
                    "alert_suppression": {"group_by": ["source.ip"], "duration": {"value": 1, "unit": "h"}},
                }
            )
        )
    return {"rules/entrawatch-rules.ndjson": "\n".join(lines).encode()}
