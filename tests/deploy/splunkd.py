"""splunkd's REST API as far as deploy speaks to it: namespaces, default and local, arguments it does not know.

Behaviour: docs.splunk.com, RESTREF (saved/searches, configs/conf-{file}, apps/local) and RESTUM on namespaces.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import unquote

from tests.deploy.stub import Asked, Reply, Stub

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "eyJraWQiOiJz.eyJpc3MiOiJhZG1pbiJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
SEARCHES, MACROS = "saved/searches", "configs/conf-macros"
_FAMILIES = ("action.", "args.", "alert.", "dispatch.", "display.", "request.", "auto_summarize.")
_KNOWN = {
    "actions", "alert_comparator", "alert_condition", "alert_threshold", "alert_type", "allow_skew", "cron_schedule",
    "description", "disabled", "is_scheduled", "is_visible", "max_concurrent", "next_scheduled_time",
    "realtime_schedule",
    "run_on_startup", "schedule_priority", "schedule_window", "search", "restart_on_searchpeer_add", "vsid",
}  # fmt: skip
_BOOLEANS = {"disabled", "is_scheduled", "is_visible", "realtime_schedule", "alert.track", "alert.suppress"}
_NUMBERS = {"alert.severity", "schedule_priority"}
#: what Splunk fills in, some of it below names of ours
_FILLED: dict[str, Any] = {
    "action.email": False, "action.email.from": "splunk", "action.notable.param.default_owner": "",
    "action.risk.param.verbose": "0", "alert.expires": "24h", "display.general.timeRangePicker.show": True,
    "alert_threshold": "", "is_visible": True, "request.ui_dispatch_app": None, "actions": "", "disabled": False,
}  # fmt: skip


class Splunkd(Stub):
    """`local` and `default`: endpoint → name → keys; `foreign`: entries of others that are seen in our namespace."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.version: Optional[str] = "0.1.0"
        self.local: dict[str, dict[str, dict[str, Any]]] = {SEARCHES: {}, MACROS: {}}
        self.default: dict[str, dict[str, dict[str, Any]]] = {SEARCHES: {}, MACROS: {}}
        self.foreign: list[dict[str, Any]] = []
        self.may_write = True
        #: name → why it is not taken
        self.refused: dict[str, str] = {}

    @property
    def searches(self) -> dict[str, dict[str, Any]]:
        return self.local[SEARCHES]

    @property
    def macros(self) -> dict[str, dict[str, Any]]:
        return self.local[MACROS]

    def answer(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return _error(401, "call not properly authenticated", kind="WARN")
        if asked.query.get("output_mode") != "json":
            return Reply(200, b"<feed/>")
        if asked.path == "/services/apps/local/entrawatch":
            if self.version is None:
                return _error(404, "Application does not exist: entrawatch")
            return Reply(200, {"entry": [{"name": "entrawatch", "content": {"version": self.version}}]})
        for endpoint in (SEARCHES, MACROS):
            base = f"/servicesNS/nobody/entrawatch/{endpoint}"
            if asked.path == base or asked.path.startswith(f"{base}/"):
                return self._collection(endpoint, unquote(asked.path[len(base) + 1 :]), asked)
        return _error(404, "Not Found")

    def _collection(self, endpoint: str, name: str, asked: Asked) -> Reply:
        if asked.method == "GET":
            return self._read(endpoint, name, asked)
        if not self.may_write:
            return _error(403, "You (user=ci) do not have permission to perform this operation "
                               "(requires capability: schedule_search).")  # fmt: skip
        name = name or asked.form.get("name", "")
        if name in self.refused:
            return _error(400, self.refused[name])
        if asked.method == "DELETE":
            return self._delete(endpoint, name)
        return self._write(endpoint, name, asked)

    def _read(self, endpoint: str, name: str, asked: Asked) -> Reply:
        names = sorted({*self.local[endpoint], *self.default[endpoint]})
        if name:
            if name not in names:
                return _error(404, f"Could not find object id={name}")
            return Reply(200, {"entry": [self._entry(endpoint, name)], "paging": {"total": 1}})
        found = [self._entry(endpoint, one) for one in names]
        found += [copy.deepcopy(one) for one in self.foreign if endpoint == SEARCHES]
        count, offset = int(asked.query.get("count", 30)), int(asked.query.get("offset", 0))
        page = found[offset : offset + count] if count else found
        return Reply(200, {"entry": page, "paging": {"total": len(found), "perPage": count, "offset": offset}})

    def _entry(self, endpoint: str, name: str) -> dict[str, Any]:
        said = {**self.default[endpoint].get(name, {}), **self.local[endpoint].get(name, {})}
        content = {key: _given(key, value) for key, value in said.items()}
        if endpoint == SEARCHES:
            content = {**_FILLED, **content, "eai:acl": None, "qualifiedSearch": f"search {said.get('search', '')}"}
        acl = {"app": "entrawatch", "owner": "nobody", "sharing": "global", "modifiable": True,
               "removable": name not in self.default[endpoint]}  # fmt: skip
        return {"name": name, "content": content, "acl": acl, "id": f"https://localhost/{name}"}

    def _write(self, endpoint: str, name: str, asked: Asked) -> Reply:
        form, there = asked.form, {**self.default[endpoint], **self.local[endpoint]}
        new = asked.path.endswith(endpoint)
        if new and name in there:
            return _error(409, f"Unable to create saved search with name '{name}'. "
                               "A saved search with that name already exists.")  # fmt: skip
        if not new and name not in there:
            return _error(404, f"Could not find object id={name}")
        form.pop("name", None)
        if endpoint == SEARCHES:
            unknown = [key for key in form if key not in _KNOWN and not key.startswith(_FAMILIES)]
            if unknown:
                return _error(400, f'Argument "{unknown[0]}" is not supported by this handler.')
            if not form.get("search"):
                return _error(400, 'Required argument "search" is missing.')
            if form.get("cron_schedule", "* * * * *").count(" ") != 4:
                return _error(400, f'Invalid cron_schedule="{form["cron_schedule"]}"')
        self.local[endpoint].setdefault(name, {}).update(form)
        return Reply(201 if new else 200, {"entry": [self._entry(endpoint, name)]})

    def _delete(self, endpoint: str, name: str) -> Reply:
        if name in self.default[endpoint]:
            return _error(403, f"Object id={name} cannot be deleted in config=savedsearches.")
        if self.local[endpoint].pop(name, None) is None:
            return _error(404, f"Could not find object id={name}")
        return Reply(200, {"entry": []})


def _given(key: str, value: Any) -> Any:
    if key in _BOOLEANS:
        return str(value) in {"1", "True", "true"}
    return int(value) if key in _NUMBERS else value


def _error(status: int, text: str, kind: str = "ERROR") -> Reply:
    return Reply(status, {"messages": [{"type": kind, "text": text}]})
