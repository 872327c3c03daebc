"""Azure Resource Manager as far as deploy speaks to it, and the token endpoint in front of it.

Shapes and checks: azure-rest-api-specs, Microsoft.SecurityInsights 2023-12-01-preview alertRules and
Microsoft.OperationalInsights 2020-08-01 savedSearches.
"""

from __future__ import annotations

import copy
import re
import uuid
from typing import TYPE_CHECKING, Any, Optional

from tests.deploy.stub import Asked, Reply, Stub

if TYPE_CHECKING:
    from pathlib import Path

SUBSCRIPTION = "d0cfe6b2-9ac0-4464-9919-dccaee2e48c0"
TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT, SECRET = "99999999-8888-7777-6666-555555555555", "the~client.secret-of-the-test"
TOKEN = "eyJ0eXAiOiJK.eyJhdWQiOiJodHRwczov.c2lnbmF0dXJlLW9mLWF6dXJl"
WORKSPACE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/soc/providers/Microsoft.OperationalInsights/workspaces/soc-logs"
)
RULES = f"{WORKSPACE}/providers/Microsoft.SecurityInsights/alertRules"
SEARCHES = f"{WORKSPACE}/savedSearches"
_VERSIONS = {RULES: "2023-12-01-preview", SEARCHES: "2020-08-01"}
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SCHEDULED = {
    "displayName", "enabled", "severity", "query", "queryFrequency", "queryPeriod", "triggerOperator",
    "triggerThreshold", "suppressionDuration", "suppressionEnabled",
}  # fmt: skip
_NRT = {"displayName", "enabled", "severity", "query", "suppressionDuration", "suppressionEnabled"}


class Arm(Stub):
    """`rules` and `searches`: name → resource."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.rules: dict[str, dict[str, Any]] = {}
        self.searches: dict[str, dict[str, Any]] = {}
        self.page = 100
        self.may_write = True
        #: name → why it is not taken
        self.refused: dict[str, str] = {}
        #: names that were deleted: they are not given again for a while
        self.deleted: set[str] = set()
        self.token = TOKEN

    def answer(self, asked: Asked) -> Reply:
        if asked.path.startswith(f"/{TENANT}/"):
            return self._authority(asked)
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return _error(401, "InvalidAuthenticationToken", "The access token is invalid.")
        for base, there in ((RULES, self.rules), (SEARCHES, self.searches)):
            if asked.path == base or asked.path.startswith(f"{base}/"):
                if asked.query.get("api-version") != _VERSIONS[base]:
                    return _error(400, "NoRegisteredProviderFound", "No registered resource provider found")
                return self._resources(base, there, asked.path[len(base) + 1 :], asked)
        return _error(404, "ResourceNotFound", "The Resource was not found.")

    def _authority(self, asked: Asked) -> Reply:
        here = f"{self.url}/{TENANT}"
        if asked.path.endswith("/openid-configuration"):
            return Reply(200, {"token_endpoint": f"{here}/oauth2/v2.0/token", "issuer": f"{here}/v2.0",
                               "authorization_endpoint": f"{here}/oauth2/v2.0/authorize"})  # fmt: skip
        proven = asked.form.get("client_secret") == SECRET or "client_assertion" in asked.form
        if not proven or asked.form.get("client_id") != CLIENT:
            return Reply(401, {"error": "invalid_client", "error_codes": [7000215],
                               "error_description": f"AADSTS7000215: Invalid client secret {asked.form}"})  # fmt: skip
        assert asked.form["scope"].startswith(f"{self.url}/.default")
        return Reply(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": self.token})

    def _resources(self, base: str, there: dict[str, dict[str, Any]], name: str, asked: Asked) -> Reply:
        if asked.method == "GET" and name:
            found = there.get(name)
            return Reply(200, copy.deepcopy(found)) if found else _error(404, "NotFound", f"{name} was not found")
        if asked.method == "GET":
            return self._list(base, there, asked)
        if not self.may_write:
            action = f"{'write' if asked.method == 'PUT' else 'delete'}"
            return _error(403, "AuthorizationFailed", f"The client does not have authorization to perform {action}")
        if name in self.refused:
            return _error(400, "BadRequest", self.refused[name])
        now = there.get(name)
        if self._stale(base, asked, now):
            return _error(412 if base == RULES else 409, "PreconditionFailed", "Etag mismatch")
        if asked.method == "DELETE":
            if there.pop(name, None) is None:
                return Reply(204)
            self.deleted.add(name)
            return Reply(200)
        return self._put(base, there, name, asked)

    @staticmethod
    def _stale(base: str, asked: Asked, now: Optional[dict[str, Any]]) -> bool:
        if asked.headers.get("if-none-match") == "*" and now is not None:
            return True
        if asked.method == "PUT":
            named = asked.json.get("etag")
            if base == SEARCHES and now is not None and not named:
                return True
        else:
            named = asked.headers.get("if-match")
        return bool(named) and named != (now["etag"] if now else "")

    def _list(self, base: str, there: dict[str, dict[str, Any]], asked: Asked) -> Reply:
        start = int(asked.query.get("$skipToken", 0))
        body: dict[str, Any] = {"value": copy.deepcopy(list(there.values())[start : start + self.page])}
        if start + self.page < len(there):
            version = asked.query["api-version"]
            body["nextLink"] = f"{self.url}{base}?api-version={version}&$skipToken={start + self.page}"
        return Reply(200, body)

    def _put(self, base: str, there: dict[str, dict[str, Any]], name: str, asked: Asked) -> Reply:
        fault = self._rule_fault(name, asked.json) if base == RULES else self._search_fault(asked.json)
        if fault:
            return _error(400, "BadRequest", fault)
        if name in self.deleted:
            return _error(409, "Conflict", f"The rule with ID '{name}' was recently deleted. Try again later.")
        if name in there and there[name].get("kind") != asked.json.get("kind"):
            return _error(400, "BadRequest", "Changing the kind of an alert rule is not supported")
        new = name not in there
        there[name] = _filled(base, name, asked.json)
        return Reply(201 if new else 200, copy.deepcopy(there[name]))

    def _rule_fault(self, name: str, body: dict[str, Any]) -> str:
        properties, needed = (
            body.get("properties", {}),
            {"Scheduled": _SCHEDULED, "NRT": _NRT}.get(body.get("kind", "")),
        )
        if needed is None or not _GUID.fullmatch(name):
            return "Invalid kind or name"
        if needed - set(properties):
            return f"Required property '{sorted(needed - set(properties))[0]}' not found in JSON."
        if not 1 <= len(properties["query"]) <= 10_000:
            return "Invalid length of query"
        if properties["severity"] not in {"High", "Medium", "Low", "Informational"}:
            return "Invalid Properties for alert rule: severity"
        return ""

    @staticmethod
    def _search_fault(body: dict[str, Any]) -> str:
        missing = {"category", "displayName", "query"} - set(body.get("properties", {}))
        return f"Missing {sorted(missing)}" if missing else ""

    def change(self, name: str, there: str = "rules", **properties: Any) -> None:
        """By hand, in the portal."""
        one = getattr(self, there)[name]
        one["properties"].update(properties)
        one["etag"] = _etag()


def _filled(base: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """A resource as it is given back: with what the service fills in, and other spellings of the same."""
    properties = copy.deepcopy(body["properties"])
    if base == RULES:
        properties = {"alertRuleTemplateName": None, "customDetails": None, "subTechniques": [], **properties}
        properties["lastModifiedUtc"] = "2026-11-24T10:00:00Z"
        incident = properties.setdefault("incidentConfiguration", {"createIncident": True})
        incident.setdefault("groupingConfiguration", {
            "enabled": False, "reopenClosedIncident": False, "lookbackDuration": "PT5H",
            "matchingMethod": "AllEntities", "groupByEntities": [],
            "groupByAlertDetails": None, "groupByCustomDetails": None})  # fmt: skip
        if properties.get("queryPeriod") == "P1D":
            properties["queryPeriod"] = "PT24H"
        if properties.get("alertDetailsOverride"):
            properties["alertDetailsOverride"] = {"alertTacticsColumnName": None, **properties["alertDetailsOverride"]}
        properties["tactics"] = list(reversed(properties.get("tactics", [])))
    kind = {"kind": body["kind"]} if "kind" in body else {}
    return {"id": f"{base}/{name}", "name": name, "etag": _etag(), "type": "x", **kind, "properties": properties}


def _etag() -> str:
    return f'"{uuid.uuid4()}"'


def _error(status: int, code: str, message: str) -> Reply:
    return Reply(status, {"error": {"code": code, "message": message}})
