"""A rule as Kibana's detection engine takes it.

Names and limits: https://www.elastic.co/docs/api/doc/kibana/operation/operation-createrule (Kibana,
security_solution/common/api/detection_engine/model/rule_schema).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union

from entrawatch.dialects.base import Compiled, Refusal, Unsupported
from entrawatch.dialects.eql import Eql
from entrawatch.dialects.esql import Esql
from entrawatch.dialects.esql_parts import REST, RISK, told_apart
from entrawatch.dialects.esql_text import column_of, dataset
from entrawatch.packages import elastic_text
from entrawatch.packages.elastic_threat import tactic_names, threat
from entrawatch.packages.elastic_timing import timing
from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from entrawatch.rules.rule import Baseline, Rule

#: by this tag the rules are found in Kibana's list
OWNER = "Entrawatch"
#: the licence of the rules' text, as this project's
LICENSE = "Apache-2.0"
#: the azure package from which on all fields that the rules read are there
_AZURE = ">=1.22.0"
_INTEGRATIONS = {"signin": "signinlogs", "audit": "auditlogs"}
#: names of the feeds in the tags that Elastic's own rules have
_FEEDS = {"signin": "Data Source: Entra ID Sign-In Logs", "audit": "Data Source: Entra ID Audit Logs"}
#: The most that Kibana takes as it is configured (xpack.alerting.rules.run.alerts.max). What a run leaves out, later
#: runs leave out as well, since findings that join an alert count too: with the default, 100, the rest of a mass event,
#: or what somebody hides behind 100 harmless findings, would never be told.
# https://www.elastic.co/docs/solutions/security/detect-and-alert/suppress-detection-alerts (Alert suppression limit)
_MOST_ALERTS = 1000
#: result columns that say nothing to an analyst
_PLUMBING = {"_id", "_index", "_version", "@timestamp", "level", "risk_score", "event_ids", REST}


def api_rule(rule: Rule, baselines: Mapping[str, Baseline]) -> dict[str, Any]:
    """The body that creates the rule, without its identifier and version. Disabled, without actions and exceptions:
    those are the administrator's.

    :raises Unsupported: neither of Elastic's languages says the rule exactly.
    """
    query = compiled(rule, baselines)
    when = timing(rule)
    return {
        "name": rule.title,
        "description": rule.description,
        "type": query.dialect,
        "language": query.dialect,
        "query": query.text,
        **({"index": [f"logs-{dataset(rule.source)}-*"]} if query.dialect == "eql" else {}),
        "from": f"now-{when.lookback}",
        "interval": when.interval,
        "timestamp_override": "event.ingested",
        "max_signals": _MOST_ALERTS,
        **_graded(rule),
        **({"building_block_type": "default"} if is_block(rule) else {}),
        "alert_suppression": {
            "group_by": told_apart(rule),
            "duration": {"value": when.suppression, "unit": "m"},
            "missing_fields_strategy": "doNotSuppress",
        },
        "investigation_fields": {"field_names": _highlighted(query)},
        "threat": threat(rule),
        "tags": _tags(rule),
        "note": elastic_text.note(rule),
        "setup": elastic_text.setup(rule, derived(rule), baselines),
        "false_positives": list(rule.false_positives),
        "references": list(rule.references),
        "author": [OWNER],
        "license": LICENSE,
        "related_integrations": [
            {"package": "azure", "integration": _INTEGRATIONS[source], "version": _AZURE} for source in sources(rule)
        ],
        "required_fields": _required(rule),
        "enabled": False,
        "actions": [],
        "exceptions_list": [],
    }


def compiled(rule: Rule, baselines: Mapping[str, Baseline]) -> Compiled:
    """The rule in EQL where that says it, else in ES|QL.

    :raises Unsupported: neither does.
    """
    answer = Eql(baselines).compile(rule)
    if isinstance(answer, Refusal):
        answer = Esql(baselines).compile(rule)
    if isinstance(answer, Refusal):
        raise Unsupported(rule.query, f"{rule.slug}: {answer.why}")
    return answer


def is_block(rule: Rule) -> bool:
    """Whether its findings are context for others, which Kibana keeps out of the list of alerts."""
    return rule.level == "informational"


def sources(rule: Rule) -> list[str]:
    """The sources whose events the rule reads, its own first."""
    return [rule.source, rule.query.source] if isinstance(rule.query, ir.JoinQuery) else [rule.source]


def fields(rule: Rule) -> dict[str, str]:
    """Field in the event → its type in Elasticsearch, for what the rule's query tests, counts and groups by."""
    found = {column.ecs: column.type for source, ref in _read(rule) for column in [column_of(ref, source)]}
    return dict(sorted(found.items()))


def derived(rule: Rule) -> list[str]:
    """The fields without which the rule cannot run, and which only Entrawatch makes.

    An ES|QL query needs all its columns, shown ones too; an EQL query those that it tests.
    """
    named = set(fields(rule))
    if isinstance(Eql({}).compile(rule), Refusal):
        named |= {column_of(ref, rule.source).ecs for ref in [*rule.shown, *(one.field for one in rule.entities)]}
    return sorted(name for name in named if name.startswith("entra.") or name in _ELSEWHERE)


#: what Elastic's integration moves away from the field that the rules read (its ingest pipeline for audit logs)
_ELSEWHERE = {"azure.auditlogs.properties.result"}


def _read(rule: Rule) -> Iterator[tuple[str, ir.FieldRef]]:
    query = rule.query
    if isinstance(query, ir.JoinQuery):
        yield from ((rule.source, ref) for ref in _refs((query.where, query.on[0])))
        yield from ((query.source, ref) for ref in _refs((query.partner, query.on[1])))
    else:
        yield from ((rule.source, ref) for ref in _refs(query))
    yield from ((rule.source, ref) for ref in _refs((rule.escalations, *(key.field for key in rule.keys))))


def _refs(node: object) -> Iterator[ir.FieldRef]:
    """The fields anywhere in a part of a query."""
    if isinstance(node, ir.FieldRef):
        yield node
    elif isinstance(node, tuple):
        for part in node:
            yield from _refs(part)
    elif hasattr(node, "__dataclass_fields__"):
        for name in node.__dataclass_fields__:
            yield from _refs(getattr(node, name))


def _required(rule: Rule) -> list[dict[str, Union[str, bool]]]:
    always = {"@timestamp": "date", "event.ingested": "date"}
    return [{"name": name, "type": kind} for name, kind in {**always, **fields(rule)}.items()]


def _graded(rule: Rule) -> dict[str, Any]:
    """Severity and risk score, and how the columns of the result raise them."""
    made: dict[str, Any] = {"severity": severity(rule.level), "risk_score": RISK[rule.level]}
    if rule.escalations:
        levels = dict.fromkeys(step.level for step in rule.escalations)
        made["severity_mapping"] = [
            {"field": "level", "operator": "equals", "value": level, "severity": severity(level)} for level in levels
        ]
        # the field's own number becomes the score; `value` has to be there and says nothing
        made["risk_score_mapping"] = [{"field": "risk_score", "operator": "equals", "value": ""}]
    return made


def severity(level: str) -> str:
    """Kibana's word for a level; it has none below low."""
    return "low" if level == "informational" else level


def _highlighted(query: Compiled) -> list[str]:
    names = [column.replace("`", "") for column in query.columns]
    return [name for name in names if name not in _PLUMBING and not name.endswith(".properties.id")]


def _tags(rule: Rule) -> list[str]:
    return [
        OWNER,
        "Domain: Cloud",
        "Domain: Identity",
        "Platform: Entra ID",
        "Data Source: Azure",
        "Data Source: Microsoft Entra ID",
        *[_FEEDS[source] for source in sources(rule)],
        "Use Case: Threat Detection",
        "Use Case: Identity and Access Audit",
        *[f"Tactic: {name}" for name in tactic_names(rule)],
        *(["Rule Type: BBR"] if is_block(rule) else []),
        "Resources: Investigation Guide",
    ]
