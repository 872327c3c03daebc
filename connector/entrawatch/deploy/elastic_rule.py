"""A detection rule of Kibana's: what of it is ours, and what belongs to the people who run it.

Source of names and defaults: Kibana's own API schema, security_solution/common/api/detection_engine/model/rule_schema.
`_import?overwrite=true` replaces the whole rule, with its exceptions and actions (kibana#269435), and before 8.16 its
`enabled` in one version's way or another's (kibana#192272). So the line that is imported carries what stands there of
all that is not ours.

The page that edits a rule in Kibana saves the whole rule from its form (rule_creation_ui, formatRule): `meta`, which
would be the place for a mark, is lost there, and `from` comes out in another unit. Texts stay, so the mark is the last
line of the setup guide: a link definition that nothing links to, which Markdown does not show.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from entrawatch.deploy.mark import PATTERN, mark
from entrawatch.deploy.plan import Standing, Wanted, tidy

if TYPE_CHECKING:
    from collections.abc import Mapping

KIND = "rule"
#: the field whose last line the mark is
MARKED = "setup"
#: what people set on a rule that they run, and no catalogue says
THEIRS = (
    "enabled", "actions", "response_actions", "exceptions_list", "throttle", "timeline_id", "timeline_title",
    "output_index", "namespace", "meta",
)  # fmt: skip
#: what is ours; `version` is sent but not compared, for Kibana may count it up itself
OURS = (
    "name", "description", "type", "language", "query", "index", "data_view_id", "filters", "from", "to", "interval",
    "severity", "severity_mapping", "risk_score", "risk_score_mapping", "max_signals", "tags", "threat", "references",
    "false_positives", "author", "license", "note", "setup", "related_integrations", "required_fields",
    "investigation_fields", "alert_suppression", "building_block_type", "rule_name_override", "timestamp_override",
    "timestamp_override_fallback_disabled", "threshold", "new_terms_fields", "history_window_start",
    "event_category_override", "tiebreaker_field", "timestamp_field",
)  # fmt: skip
#: what Kibana fills in where a rule does not say
_DEFAULTS: dict[str, Any] = {"from": "now-6m", "to": "now", "interval": "5m", "max_signals": 100}
_LINE = re.compile(rf"\s*\[//\]: # \(entrawatch ({PATTERN.pattern})\)\s*\Z")
_SPAN = re.compile(r"(now-)?(\d{1,9})([smhd])")
#: seconds of each
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def wanted(line: Mapping[str, Any], slug: str) -> Wanted:
    """A line of the package as an object that is wanted."""
    return Wanted(str(line["rule_id"]), str(line["name"]), KIND, slug, fields(line), dict(line))


def standing(rule: Mapping[str, Any]) -> Standing:
    """A rule as Kibana gave it."""
    return Standing(
        str(rule.get("rule_id")), str(rule.get("name")), KIND, fields(rule), mark_of(rule), body=dict(rule)
    )  # fmt: skip


def fields(rule: Mapping[str, Any]) -> dict[str, Any]:
    """What of a rule is ours, in one form whether it was written or read."""
    said = {name: rule.get(name, _DEFAULTS.get(name)) for name in OURS}
    if isinstance(rule.get("required_fields"), list):
        said["required_fields"] = [_without(one, "ecs") for one in rule["required_fields"]]
    said[MARKED] = _LINE.sub("", str(said[MARKED] or "")).rstrip()
    said |= {name: _span(said[name]) for name in ("from", "interval")}
    if isinstance(rule.get("alert_suppression"), dict):
        # threshold rules have none; Kibana fills it in for all others
        default = {} if rule.get("type") == "threshold" else {"missing_fields_strategy": "suppress"}
        said["alert_suppression"] = {**default, **rule["alert_suppression"]}
    return tidy(said) or {}


def _span(text: Any) -> Any:
    """ "now-120m" and "now-2h" as the same; anything else as it is."""
    found = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if not found:
        return text
    return f"{found[1] or ''}{int(found[2]) * _UNITS[found[3]]}s"


def _without(value: Any, name: str) -> Any:
    return {key: one for key, one in value.items() if key != name} if isinstance(value, dict) else value


def mark_of(rule: Mapping[str, Any]) -> str:
    """The mark a rule carries, "" for none."""
    found = _LINE.search(str(rule.get(MARKED) or ""))
    return found[1] if found else ""


def created(one: Wanted, *, enabled: bool) -> dict[str, Any]:
    """The line to import for a rule that is not there."""
    return {**one.body, "enabled": enabled, MARKED: _marked(one)}


def updated(one: Wanted, now: Mapping[str, Any]) -> dict[str, Any]:
    """The line to import over a rule that is there.

    :param now: the rule as it stands.
    """
    ours = {name: value for name, value in one.body.items() if name not in THEIRS}
    theirs = {name: now[name] for name in THEIRS if now.get(name) is not None}
    return {**ours, **theirs, MARKED: _marked(one)}


def _marked(one: Wanted) -> str:
    guide = str(one.body.get(MARKED) or "").rstrip()
    return f"{guide}\n\n[//]: # (entrawatch {mark(one.key, one.fields)})\n".lstrip()
