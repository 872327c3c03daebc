"""Kibana's detection engine as far as deploy speaks to it; its answers' shapes are those of Kibana's OpenAPI files."""

from __future__ import annotations

import copy
import email
import email.policy
import json
import re
import uuid
from typing import TYPE_CHECKING, Any, Optional

from tests.deploy.stub import Asked, Reply, Stub

if TYPE_CHECKING:
    from pathlib import Path

KEY = "aWQtb2Yta2V5OnNlY3JldC1vZi10aGUta2V5"  # id-of-key:secret-of-the-key
BASE = "/api/detection_engine/rules"
_NEEDS = {
    "query": (), "eql": ("query", "language"), "esql": ("query", "language"), "threshold": ("query", "threshold"),
    "new_terms": ("query", "new_terms_fields", "history_window_start"),
}  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "enabled": True, "from": "now-6m", "to": "now", "interval": "5m", "max_signals": 100, "tags": [], "threat": [],
    "references": [], "false_positives": [], "author": [], "setup": "", "related_integrations": [],
    "required_fields": [], "risk_score_mapping": [], "severity_mapping": [], "exceptions_list": [], "actions": [],
    "version": 1,
}  # fmt: skip
_SERVERS = ("id", "created_at", "created_by", "updated_at", "updated_by", "immutable", "rule_source", "revision")


class Kibana(Stub):
    """`spaces`: space → rule_id → rule."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.spaces: dict[str, dict[str, dict[str, Any]]] = {"default": {}, "soc": {}}
        self.privileges = {"read", "all"}
        self.connectors: set[str] = {"mail"}
        #: rule_id → why Kibana does not take it
        self.refused: dict[str, str] = {}
        self.most = 10_000
        #: type and id → saved object
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}

    @property
    def rules(self) -> dict[str, dict[str, Any]]:
        return self.spaces["default"]

    def answer(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != f"ApiKey {KEY}":
            return _error(401, "Unauthorized", "[security_exception]: unable to authenticate with provided credentials")
        space, path = self._space(asked.path)
        if space not in self.spaces:
            return _error(404, "Not Found", f"Saved object [space/{space}] not found")
        if asked.method != "GET" and "kbn-xsrf" not in asked.headers:
            return _error(400, "Bad Request", "Request must contain a kbn-xsrf header.")
        if ("read" if asked.method == "GET" else "all") not in self.privileges:
            return _error(403, "Forbidden", f"API [{asked.method} {path}] is unauthorized for user")
        routes = {
            ("GET", f"{BASE}/_find"): self._find, ("POST", f"{BASE}/_import"): self._import,
            ("POST", f"{BASE}/_bulk_action"): self._bulk_action,
            ("POST", "/api/saved_objects/_export"): self._export,
            ("POST", "/api/saved_objects/_import"): self._import_objects,
        }  # fmt: skip
        route = routes.get((asked.method, path))
        return route(self.spaces[space], asked) if route else _error(404, "Not Found", "Not Found")

    def _export(self, _: dict[str, dict[str, Any]], asked: Asked) -> Reply:
        (one,) = asked.json["objects"]
        found = self.objects.get((one["type"], one["id"]))
        if found is None:
            return _error(400, "Bad Request", "Error fetching objects to export")
        return Reply(200, json.dumps(found).encode() + b"\n")

    def _import_objects(self, _: dict[str, dict[str, Any]], asked: Asked) -> Reply:
        lines, errors = _file(asked) or [], []
        for one in lines:
            key = (one["type"], one["id"])
            if key in self.objects and asked.query.get("overwrite") != "true":
                errors.append({"type": one["type"], "id": one["id"], "error": {"type": "conflict"}})
            else:
                # it is migrated on its way in
                self.objects[key] = {**one, "attributes": {**one["attributes"], "sections": []}}
        return Reply(200, {"success": not errors, "successCount": len(lines) - len(errors), "errors": errors})

    @staticmethod
    def _space(path: str) -> tuple[str, str]:
        if not path.startswith("/s/"):
            return "default", path
        space, slash, rest = path[3:].partition("/")
        return space, slash + rest

    def _find(self, rules: dict[str, dict[str, Any]], asked: Asked) -> Reply:
        page, per_page = int(asked.query.get("page", 1)), int(asked.query.get("per_page", 20))
        found = list(rules.values())
        if asked.query.get("filter") == "alert.attributes.params.immutable: false":
            found = [rule for rule in found if not rule["immutable"]]
        elif "filter" in asked.query:
            return _error(400, "Bad Request", "KQL syntax error")
        per_page = min(per_page, self.most)
        chosen = found[(page - 1) * per_page : page * per_page]
        return Reply(200, {"page": page, "perPage": per_page, "total": len(found), "data": copy.deepcopy(chosen)})

    def _import(self, rules: dict[str, dict[str, Any]], asked: Asked) -> Reply:
        lines = _file(asked)
        if lines is None:
            return _error(400, "Bad Request", 'Invalid file extension ""')
        overwrite, errors, done = asked.query.get("overwrite") == "true", [], 0
        missing = {a["id"] for line in lines for a in line.get("actions", [])} - self.connectors
        if missing:
            fault = {"rule_id": ",".join(str(line.get("rule_id")) for line in lines),
                     "error": {"status_code": 404, "message": f"{len(missing)} connector is missing. Connector id "
                               f"missing is: {', '.join(sorted(missing))}"}}  # fmt: skip
            return Reply(200, {**_imported(len(lines), 0, []), "success": False, "action_connectors_success": False,
                               "action_connectors_errors": [fault]})  # fmt: skip
        for line in lines:
            fault = self._fault(rules, line, overwrite=overwrite)
            if fault is None:
                self.put(rules, line)
                done += 1
            else:
                errors.append({"rule_id": line.get("rule_id", "(unknown id)"), "error": fault})
        return Reply(200, _imported(len(lines), done, errors))

    def _fault(
        self, rules: dict[str, dict[str, Any]], line: dict[str, Any], *, overwrite: bool
    ) -> Optional[dict[str, Any]]:
        key = line.get("rule_id")
        needed = ("rule_id", "name", "description", "risk_score", "severity", "type", *_NEEDS.get(line.get("type"), ()))
        lacking = [name for name in needed if name not in line]
        if lacking:
            return {"status_code": 400, "message": ", ".join(f"{name}: Required" for name in lacking)}
        if line["type"] not in _NEEDS or (line["type"] == "esql" and "index" in line):
            return {"status_code": 400, "message": "type: Invalid discriminator value"}
        if line["severity"] not in {"low", "medium", "high", "critical"} or not 0 <= line["risk_score"] <= 100:
            return {"status_code": 400, "message": "severity, risk_score: Invalid"}
        if key in self.refused:
            return {"status_code": 400, "message": self.refused[key]}
        if key in rules and not overwrite:
            return {"status_code": 409, "message": f'rule_id: "{key}" already exists'}
        return None

    def put(self, rules: dict[str, dict[str, Any]], line: dict[str, Any]) -> None:
        """What an import makes of a line: the whole rule anew, but for what the server keeps."""
        before = rules.get(line["rule_id"])
        rule = {**_DEFAULTS, **{name: value for name, value in line.items() if name not in _SERVERS}}
        rule["required_fields"] = [{**one, "ecs": False} for one in rule["required_fields"]]
        rule["threat"] = [{"technique": [], **one} for one in rule["threat"]]
        if "alert_suppression" in rule and rule["type"] != "threshold":
            rule["alert_suppression"] = {"missing_fields_strategy": "suppress", **rule["alert_suppression"]}
        server = {
            "id": before["id"] if before else str(uuid.uuid4()), "immutable": False, "created_by": "elastic",
            "revision": before["revision"] + 1 if before else 0, "rule_source": {"type": "internal"},
            "created_at": "2026-11-24T10:00:00.000Z", "updated_at": "2026-11-24T10:00:00.000Z",
        }  # fmt: skip
        rules[line["rule_id"]] = {**copy.deepcopy(rule), **server}

    def edit(self, rule_id: str, **fields: Any) -> None:
        """As the rule's page in Kibana does it: the whole rule from its form, which knows nothing of what `meta` held
        and writes `from` in the largest unit."""
        rule = self.rules[rule_id]
        rule.update(fields, revision=rule["revision"] + 1, meta={"kibana_siem_app_url": self.url})
        minutes = re.fullmatch(r"now-(\d+)m", rule["from"])
        if minutes and int(minutes[1]) % 60 == 0:
            rule["from"] = f"now-{int(minutes[1]) // 60}h"

    def change(self, rule_id: str, **fields: Any) -> None:
        """As its API does it: what is not named stays."""
        self.rules[rule_id].update(fields, revision=self.rules[rule_id]["revision"] + 1)

    def _bulk_action(self, rules: dict[str, dict[str, Any]], asked: Asked) -> Reply:
        if asked.json.get("action") != "delete" or set(asked.json) != {"action", "ids"}:
            return _error(400, "Bad Request", "[request body]: action: Invalid")
        ids, deleted, failed = asked.json["ids"], [], []
        for one in ids:
            key = next((key for key, rule in rules.items() if rule["id"] == one), None)
            (failed if key is None or key in self.refused else deleted).append(key or one)
        for key in deleted:
            del rules[key]
        summary = {"failed": len(failed), "skipped": 0, "succeeded": len(deleted), "total": len(ids)}
        if failed:
            errors = [{"message": "Rule not found", "status_code": 500, "rules": [{"id": one} for one in failed]}]
            body = {"message": "Bulk edit failed", "status_code": 500,
                    "attributes": {"errors": errors, "summary": summary}}  # fmt: skip
            return Reply(500, body)
        return Reply(200, {"success": True, "rules_count": len(ids), "attributes": {"summary": summary}})


def _error(status: int, error: str, message: str) -> Reply:
    return Reply(status, {"statusCode": status, "error": error, "message": message})


def _imported(asked: int, done: int, errors: list[Any]) -> dict[str, Any]:
    return {
        "success": not errors, "success_count": done, "rules_count": asked, "errors": errors,
        "exceptions_errors": [], "exceptions_success": True, "exceptions_success_count": 0,
        "action_connectors_success": True, "action_connectors_success_count": 0, "action_connectors_errors": [],
        "action_connectors_warnings": [],
    }  # fmt: skip


def _file(asked: Asked) -> Optional[list[dict[str, Any]]]:
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + asked.body, policy=email.policy.HTTP)
    parts = [part for part in message.iter_parts() if part.get_param("name", header="content-disposition") == "file"]
    if len(parts) != 1 or not str(parts[0].get_filename()).endswith(".ndjson"):
        return None
    return [json.loads(line) for line in parts[0].get_payload(decode=True).splitlines() if line]
