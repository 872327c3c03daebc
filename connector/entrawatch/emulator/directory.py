"""The directory objects that register-app and doctor use: applications, service principals, grants, licences.

Shapes and refusals: https://learn.microsoft.com/graph/api/resources/application and its operations' pages.
"""

from __future__ import annotations

import re
import secrets
import threading
import uuid
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.emulator.answers import Answer, RefusedError, json_answer
from entrawatch.emulator.authority import GRAPH_APP_ID
from entrawatch.emulator.credentials import App
from entrawatch.emulator.directory_parts import (
    APP_ROLES,
    PLANS,
    Object,
    bad_request,
    body_of,
    graph_roles,
    public_keys,
    selected,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrawatch.emulator.answers import Request
    from entrawatch.emulator.authority import Authority
    from entrawatch.interfaces import Clock

_READ = {"Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
_WRITE = {"Application.ReadWrite.All", "Directory.ReadWrite.All"}
_GRANT = {"AppRoleAssignment.ReadWrite.All"}
_TENANT = {"Organization.Read.All", "Directory.Read.All", "Directory.ReadWrite.All", "LicenseAssignment.Read.All"}
_EQUALS = re.compile(r"(appId|displayName|id) eq '((?:[^']|'')*)'")
_KEYED = re.compile(r"\((?:appId)='([^']*)'\)")


def _missing(identity: str) -> RefusedError:
    text = f"Resource '{identity}' does not exist or one of its queried reference-property objects are not present."
    return RefusedError(404, "Request_ResourceNotFound", text)


class Directory:
    """The tenant's directory; an application made here can get tokens from the authority at once.

    :param licences: names as the stream table writes them.
    """

    def __init__(self, authority: Authority, clock: Clock, licences: frozenset[str]) -> None:
        self._authority, self._clock, self._licences = authority, clock, licences
        self._lock = threading.RLock()
        self._made: dict[str, App] = {}
        self._objects: dict[str, dict[str, Object]] = {"applications": {}, "servicePrincipals": {}}
        self._assigned: list[Object] = []
        self._add_principal(GRAPH_APP_ID, "Microsoft Graph", appRoles=graph_roles())
        for app in authority.apps.values():
            self._register(app)

    def _register(self, app: App) -> None:
        self._made[app.client_id] = app
        body = {"appId": app.client_id, "displayName": app.name}
        self._add("applications", {**body, "passwordCredentials": [], "keyCredentials": []})
        principal = self._add_principal(app.client_id, app.name)
        for role in sorted(app.roles & APP_ROLES.keys()):
            self._assigned.append(self._assignment(principal["id"], APP_ROLES[role]))

    def _add(self, kind: str, fields: Object) -> Object:
        identity = str(uuid.uuid4())
        made = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self._objects[kind][identity] = {"id": identity, "createdDateTime": made, **fields}
        return self._objects[kind][identity]

    def _add_principal(self, app_id: str, name: str, **more: Any) -> Object:
        fields = {"appId": app_id, "displayName": name, "accountEnabled": True, "servicePrincipalType": "Application"}
        return self._add("servicePrincipals", {**fields, "appRoles": [], **more})

    def answer(self, path: str, request: Request, roles: frozenset[str]) -> Optional[Answer]:
        """The answer for a path of the directory; None where it is none.

        :raises RefusedError: as Graph refuses it.
        """
        path = _KEYED.sub(lambda match: "/" + self._id_of(path, match[1]), path)
        for method, pattern, needed, handler in self._routes():
            match = re.fullmatch(pattern, path, re.IGNORECASE)
            if match and method == request.method:
                if roles.isdisjoint(needed):
                    text = "Insufficient privileges to complete the operation."
                    raise RefusedError(403, "Authorization_RequestDenied", text)
                with self._lock:
                    return handler(request, **match.groupdict())
        return None

    def _routes(self) -> list[tuple[str, str, set[str], Callable[..., Answer]]]:
        kind, one = "/(?P<kind>applications|servicePrincipals)", "/(?P<identity>[^/]+)"
        assigned = rf"/servicePrincipals{one}/(?P<side>appRoleAssignments|appRoleAssignedTo)"
        return [
            ("GET", "/organization", _TENANT, self._organization),
            ("GET", "/subscribedSkus", _TENANT, self._skus),
            ("GET", kind, _READ, self._list),
            ("GET", kind + one, _READ, self._get),
            ("POST", "/applications", _WRITE, self._new_application),
            ("POST", "/servicePrincipals", _WRITE, self._new_principal),
            ("PATCH", kind + one, _WRITE, self._change),
            ("DELETE", kind + one, _WRITE, self._delete),
            ("POST", f"/applications{one}/addPassword", _WRITE, self._add_password),
            ("POST", f"/applications{one}/federatedIdentityCredentials", _WRITE, self._add_federated),
            ("GET", assigned, _READ | _GRANT, self._assignments),
            ("POST", assigned, _GRANT, self._assign),
        ]

    def _id_of(self, path: str, app_id: str) -> str:
        kind = "applications" if path.lower().startswith("/applications") else "servicePrincipals"
        found = [item["id"] for item in self._objects[kind].values() if item["appId"] == app_id.lower()]
        return str(found[0]) if found else app_id

    def _found(self, kind: str, identity: str) -> Object:
        kinds = {name.lower(): objects for name, objects in self._objects.items()}
        found = kinds[kind.lower()].get(identity.lower())
        if found is None:
            raise _missing(identity)
        return found

    def _context(self, request: Request, value: Any, suffix: str = "") -> Object:
        name = request.path.strip("/").split("/")[1]
        context = {"@odata.context": f"{self._authority.graph_audience}/v1.0/$metadata#{name}{suffix}"}
        return {**context, **value} if isinstance(value, dict) else {**context, "value": value}

    # Tenant

    def _organization(self, request: Request) -> Answer:
        authority = self._authority
        domain = {"name": authority.domain, "isDefault": True, "isInitial": True, "type": "Managed"}
        item = {"id": authority.tenant_id, "displayName": "Contoso", "verifiedDomains": [domain]}
        return json_answer(self._context(request, [item]))

    def _skus(self, request: Request) -> Answer:
        plans = [PLANS[name] for name in sorted(self._licences & PLANS.keys())]
        items = [
            {
                "id": f"{self._authority.tenant_id}_{identity}",
                "skuPartNumber": name,
                "capabilityStatus": "Enabled",
                "prepaidUnits": {"enabled": 25, "suspended": 0, "warning": 0},
                "servicePlans": [{"servicePlanId": identity, "servicePlanName": name, "provisioningStatus": "Success"}],
            }
            for name, identity in plans
        ]
        return json_answer(self._context(request, items))

    # Objects

    def _list(self, request: Request, kind: str) -> Answer:
        kinds = {name.lower(): objects for name, objects in self._objects.items()}
        items, text = list(kinds[kind.lower()].values()), request.query.get("$filter", "")
        match = _EQUALS.fullmatch(text.strip())
        if text and match is None:
            raise RefusedError(400, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified.")
        if match:
            name, value = match[1], match[2].replace("''", "'").lower()
            items = [item for item in items if str(item.get(name)).lower() == value]
        return json_answer(self._context(request, [selected(item, request) for item in items]))

    def _get(self, request: Request, kind: str, identity: str) -> Answer:
        return json_answer(self._context(request, selected(self._found(kind, identity), request), "/$entity"))

    def _new_application(self, request: Request) -> Answer:
        body = body_of(request)
        if not isinstance(body.get("displayName"), str) or not body["displayName"]:
            raise bad_request("A value is required for property 'displayName' of resource 'Application'.")
        app = App(str(uuid.uuid4()), body["displayName"])
        app.certificates = public_keys(body)
        self._made[app.client_id] = app
        defaults = {"signInAudience": "AzureADMyOrg", "passwordCredentials": [], "keyCredentials": []}
        item = self._add("applications", {**defaults, "requiredResourceAccess": [], **body, "appId": app.client_id})
        return json_answer(self._context(request, item, "/$entity"), 201)

    def _new_principal(self, request: Request) -> Answer:
        app_id = str(body_of(request).get("appId")).lower()
        if any(item["appId"] == app_id for item in self._objects["servicePrincipals"].values()):
            text = "The service principal cannot be created, updated, or restored because the service principal name "
            raise RefusedError(409, "Request_MultipleObjectsWithSameKeyValue", f"{text}{app_id} is already in use.")
        app = self._made.get(app_id)
        if app is None:
            text = "When using this permission, the backing application of the service principal being created must in "
            raise bad_request(
                f"{text}the local tenant; the appId '{app_id}' does not reference a valid application object."
            )
        item = self._add_principal(app_id, app.name)
        with self._authority.lock:
            self._authority.apps[app_id] = app
        return json_answer(self._context(request, item, "/$entity"), 201)

    def _change(self, request: Request, kind: str, identity: str) -> Answer:
        item, body = self._found(kind, identity), body_of(request)
        app = self._made.get(str(item["appId"]))
        if app is not None and "keyCredentials" in body:
            app.certificates = public_keys(body)
        item.update({name: value for name, value in body.items() if name not in {"id", "appId"}})
        return Answer(204)

    def _delete(self, _: Request, kind: str, identity: str) -> Answer:
        item = self._found(kind, identity)
        for name in ("applications", "servicePrincipals") if kind.lower() == "applications" else (kind,):
            objects = {known.lower(): value for known, value in self._objects.items()}[name.lower()]
            for gone in [key for key, value in objects.items() if value["appId"] == item["appId"]]:
                objects.pop(gone)
        with self._authority.lock:
            self._authority.apps.pop(str(item["appId"]), None)
        return Answer(204)

    def _add_password(self, request: Request, identity: str) -> Answer:
        item, secret = self._found("applications", identity), secrets.token_urlsafe(30)
        wanted = body_of(request).get("passwordCredential") or {}
        credential = {**wanted, "keyId": str(uuid.uuid4()), "hint": secret[:3]}
        item["passwordCredentials"].append(credential)
        self._made[str(item["appId"])].secrets.add(secret)
        return json_answer(self._context(request, {**credential, "secretText": secret}, ""))

    def _add_federated(self, request: Request, identity: str) -> Answer:
        item, body = self._found("applications", identity), body_of(request)
        if not body.get("issuer") or not body.get("subject") or not body.get("audiences"):
            raise bad_request("A federated identity credential needs a name, an issuer, a subject and audiences.")
        app = self._made[str(item["appId"])]
        app.federated.append((str(body["issuer"]), str(body["subject"]), self._authority.federation_key))
        return json_answer(self._context(request, {"id": str(uuid.uuid4()), **body}, ""), 201)

    # Grants

    def _assignment(self, principal_id: str, role_id: str) -> Object:
        graph = self._id_of("/servicePrincipals", GRAPH_APP_ID)
        identity = secrets.token_urlsafe(32)
        return {"id": identity, "principalId": principal_id, "resourceId": graph, "appRoleId": role_id}

    def _assignments(self, request: Request, identity: str, side: str) -> Answer:
        self._found("servicePrincipals", identity)
        field = "principalId" if side.lower() == "approleassignments" else "resourceId"
        return json_answer(self._context(request, [item for item in self._assigned if item[field] == identity.lower()]))

    def _assign(self, request: Request, identity: str, side: str) -> Answer:
        self._found("servicePrincipals", identity)
        body = {name: str(body_of(request).get(name)).lower() for name in ("principalId", "resourceId", "appRoleId")}
        principal, resource = (self._found("servicePrincipals", body[name]) for name in ("principalId", "resourceId"))
        granted = [role["value"] for role in resource["appRoles"] if role["id"] == body["appRoleId"]]
        if not granted:
            raise bad_request("Permission being assigned was not found on application")
        if any(all(item[name] == value for name, value in body.items()) for item in self._assigned):
            raise bad_request("Permission being assigned already exists on the object")
        item = self._assignment(principal["id"], body["appRoleId"])
        self._assigned.append(item)
        with self._authority.lock:
            self._made[str(principal["appId"])].roles.add(granted[0])
        return json_answer(self._context(request, item, ""), 201)
