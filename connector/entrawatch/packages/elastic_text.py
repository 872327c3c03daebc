"""What a rule tells the people who run it in Kibana: the investigation guide and the setup guide, in Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from entrawatch.dialects.esql_baseline import lookup_name
from entrawatch.dialects.esql_parts import told_apart
from entrawatch.dialects.esql_predicates import parameter_name
from entrawatch.dialects.esql_text import dataset
from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from entrawatch.rules.rule import Baseline, Rule

#: what Markdown would not take for itself
_SIGNS = re.compile(r"([\\`*_<>\[\]#|~])")
_FEEDS = {"signin": "sign-in", "audit": "audit"}
#: what Elastic's rules repository asks for, word for word, of a rule with as many alerts a run as Kibana takes
# https://github.com/elastic/detection-rules/pull/4556 (test_max_signals_note)
_MOST = (
    "For information on troubleshooting the maximum alerts warning please refer to this "
    "[guide](https://www.elastic.co/guide/en/security/current/alerts-ui-monitor.html#troubleshoot-max-alerts)."
)


def plain(text: str) -> str:
    """Text as one line of Markdown that means nothing but itself."""
    return _SIGNS.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """A name in Markdown, for names without backticks."""
    return f"`{text}`"


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _page(parts: Sequence[str]) -> str:
    return "\n\n".join(parts) + "\n"


def note(rule: Rule) -> str:
    """The investigation guide."""
    return _page(
        [
            "## Triage and analysis",
            f"### Investigating {plain(rule.title)}",
            plain(rule.description),
            *_raised(rule),
            "#### Possible investigation steps",
            _list(map(plain, rule.triage)),
            "### False positive analysis",
            _list(map(plain, rule.false_positives)),
            "### Tuning",
            _list(_tuning(rule)),
        ]
    )


def _raised(rule: Rule) -> list[str]:
    steps = [f"The severity is {step.level} where {plain(step.why)}." for step in rule.escalations]
    return [" ".join(steps)] if steps else []


def _tuning(rule: Rule) -> list[str]:
    same = ", ".join(code(name) for name in told_apart(rule))
    joining = "Revisions" if isinstance(rule.query, ir.EventQuery) else "Findings"
    harmless = (
        "Add a rule exception for what is known to be harmless, on fields of the events: it takes them out before "
        "anything is counted."
    )
    told = [
        harmless,
        f"{joining} with the same {same} join one alert while that is open and its suppression lasts.",
    ]
    for one in rule.parameters:
        where = "the list" if one.kind == "list" else code(parameter_name(one))
        told.append(f"Change {where} in the query: {plain(one.description)} (as shipped: {_default(one)}).")
    return told


def _default(parameter: ir.Parameter) -> str:
    default = parameter.default
    return ", ".join(map(code, default)) if isinstance(default, tuple) else code(str(default))


def setup(rule: Rule, derived: Sequence[str], baselines: Mapping[str, Baseline]) -> str:
    """The setup guide.

    :param derived: the fields that only Entrawatch makes and without which the rule cannot run.
    """
    return _page(["## Setup", *_data(rule, derived), *_baseline(rule, baselines), *_alerts(rule)])


def _data(rule: Rule, derived: Sequence[str]) -> list[str]:
    query = rule.query
    sources = [rule.source, query.source] if isinstance(query, ir.JoinQuery) else [rule.source]
    feeds = " and ".join(f"Entra ID {_FEEDS[one]} logs in {code(f'logs-{dataset(one)}-*')}" for one in sources)
    reads = (
        f"The rule reads {feeds}. Entrawatch writes them, and so does Elastic's Azure Logs integration; one of the two "
        "is enough."
    )
    told = [reads]
    if derived:
        told.append(
            f"It needs {', '.join(map(code, derived))}. Entrawatch's own events have these fields. Where Elastic's "
            f"integration brings the logs, install Entrawatch's component template and ingest pipeline for "
            f"{code(f'logs-{dataset(rule.source)}@custom')} first. Where no index maps a field, the rule fails and "
            "says `Unknown column`; where an index maps it and the pipeline is missing, the rule finds nothing."
        )
    return told


def _baseline(rule: Rule, baselines: Mapping[str, Baseline]) -> list[str]:
    outside = getattr(rule.query, "outside", None)
    if not isinstance(outside, ir.Outside):
        return []
    kinds = ["networks", *(["countries"] if outside.country else [])]
    names = [code(lookup_name(baselines[outside.baseline], kind)) for kind in kinds]
    told = (
        f"It compares with what Entrawatch's transforms write to {' and '.join(names)}: create the lookup indices, "
        "then create and start the transforms, and let them run through the last days once before the rule is enabled. "
        "Without the indices the rule fails and says `Unknown index`; with empty ones every network is a new one."
    )
    return [told]


def _alerts(rule: Rule) -> list[str]:
    without = "a finding makes an alert in each of up to three runs, and again when an event is added to it"
    if isinstance(rule.query, ir.EventQuery):
        without = "another revision of the same event makes another alert"
    told = [f"Alert suppression needs a Platinum subscription or higher; without it, {without}.", _MOST]
    if rule.level == "informational":
        told.append("It is a building block: its alerts are shown when *Include building block alerts* is ticked.")
    return told
