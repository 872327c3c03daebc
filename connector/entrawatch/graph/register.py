"""What an administrator does by hand to give the connector an application: each step a function of a client.

Idempotent: an application of the same name is used again, permissions and grants it already has stay. Operations:
learn.microsoft.com/graph/api/application-post-applications, serviceprincipal-post-serviceprincipals,
application-addpassword, application-update (keyCredentials), serviceprincipal-post-approleassignments.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import quote

from entrawatch.config.model import Secret
from entrawatch.errors import ConfigError, SourceError
from entrawatch.graph.permissions import GRAPH_APP_ID, ROLE_IDS
from entrawatch.graph.policy import Ask, NotThereError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from entrawatch.graph.client import GraphClient
    from entrawatch.interfaces import Clock

#: delegated permissions the administrator's sign-in asks for
SCOPES = ("Application.ReadWrite.All",)
#: and this one too where the grant is made here
GRANT_SCOPES = ("AppRoleAssignment.ReadWrite.All",)
#: seconds between tries while a new object spreads through the directory, and how many
_SPREAD, _TRIES = 3.0, 6


@dataclass(frozen=True)
class Plan:
    """What is to be made.

    :param name: the application's display name.
    :param permissions: names of `permissions.ROLE_IDS`.
    :param certificate: PEM file whose certificate is uploaded; None for a client secret.
    :param grant: give the consent here; else the link for it is given.
    :param days: how long a client secret is good for.
    """

    name: str
    permissions: Sequence[str]
    certificate: Optional[Path] = None
    grant: bool = False
    days: int = 180


@dataclass(frozen=True)
class Registered:
    """What stands now.

    :param created: False where an application of that name was used again.
    :param secret: the new client secret, None with a certificate; Graph never shows it again.
    :param granted: the permissions that have consent now.
    :param missing: those that an administrator must still consent to.
    :param notes: one line each: what was found, what could not be done and why.
    """

    app_id: str
    object_id: str
    principal_id: str
    created: bool
    secret: Optional[Secret]
    granted: tuple[str, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]


class Directory:
    """The directory objects of one tenant, over a Graph client.

    :param clock: for the pauses while a new object spreads.
    """

    def __init__(self, client: GraphClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def now(self) -> datetime:
        """The present."""
        return self._clock.now()

    def get(self, path: str, **options: str) -> dict[str, Any]:
        """GET below v1.0; options without their `$`."""
        query = "&".join(f"${name}={quote(value, safe='')}" for name, value in options.items())
        return self._call("GET", path + (f"?{query}" if query else ""))

    def find(self, path: str, field: str, value: str) -> list[dict[str, Any]]:
        """The objects whose field is exactly that, quotes escaped as OData has it."""
        literal = value.replace("'", "''")
        found = self.get(path, filter=f"{field} eq '{literal}'").get("value")
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST below v1.0."""
        return self._call("POST", path, body)

    def patch(self, path: str, body: dict[str, Any]) -> None:
        """PATCH below v1.0."""
        self._call("PATCH", path, body)

    def spread(self, step: Callable[[], Any]) -> Any:
        """Do a step, again after a pause while the directory does not yet know what was just made.

        :raises SourceError: it fails at the last try too.
        """
        for _ in range(_TRIES - 1):
            try:
                return step()
            except NotThereError:
                self._clock.sleep(_SPREAD)
        return step()

    def _call(self, method: str, path: str, body: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        ask = Ask(what=f"{method} {path.partition('?')[0]}", limit="directory")
        return self._client.call(method, f"{self._client.url}/v1.0{path}", ask, body)


def register(directory: Directory, plan: Plan) -> Registered:
    """All steps in their order.

    :raises ConfigError: several applications have the name, or a permission is unknown.
    :raises AuthError: the certificate file cannot be used.
    :raises SourceError: Graph refuses a step.
    """
    unknown = [name for name in plan.permissions if name not in ROLE_IDS]
    if unknown:
        raise ConfigError([f"unknown permission {name}; choose from {', '.join(ROLE_IDS)}" for name in unknown])
    application, created = ensure_application(directory, plan)
    app_id, object_id = str(application["appId"]), str(application["id"])
    principal_id = ensure_principal(directory, app_id)
    notes = [] if created else [f"an application called {plan.name!r} was there and is used again"]
    secret = None
    if plan.certificate is None:
        secret = add_secret(directory, object_id, plan)
    elif not add_certificate(directory, object_id, plan.certificate):
        notes.append("the certificate was already registered")
    granted, refused = grant(directory, principal_id, plan) if plan.grant else (given(directory, principal_id), "")
    if refused:
        notes.append(f"consent could not be given here: {refused}")
    has = tuple(name for name in plan.permissions if name in granted)
    missing = tuple(name for name in plan.permissions if name not in granted)
    return Registered(app_id, object_id, principal_id, created, secret, has, missing, tuple(notes))


def ensure_application(directory: Directory, plan: Plan) -> tuple[dict[str, Any], bool]:
    """The application of that name, asking for the permissions; and whether it was made now.

    :raises ConfigError: several have the name.
    """
    found = directory.find("/applications", "displayName", plan.name)
    if len(found) > 1:
        ids = ", ".join(str(item.get("appId")) for item in found)
        raise ConfigError([f"{len(found)} applications are called {plan.name!r} ({ids}); choose another name"])
    if not found:
        body = {"displayName": plan.name, "signInAudience": "AzureADMyOrg",
                "requiredResourceAccess": required_access(plan.permissions, [])}  # fmt: skip
        return directory.post("/applications", body), True
    wanted = required_access(plan.permissions, found[0].get("requiredResourceAccess") or [])
    if wanted != found[0].get("requiredResourceAccess"):
        directory.patch(f"/applications/{found[0]['id']}", {"requiredResourceAccess": wanted})
    return found[0], False


def required_access(permissions: Sequence[str], present: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`requiredResourceAccess` with the permissions added to what is there."""
    others = [item for item in present if item.get("resourceAppId") != GRAPH_APP_ID]
    kept = [entry for item in present if item not in others for entry in item.get("resourceAccess") or []]
    ids = {entry.get("id") for entry in kept}
    added = [{"id": ROLE_IDS[name], "type": "Role"} for name in permissions if ROLE_IDS[name] not in ids]
    return [*others, {"resourceAppId": GRAPH_APP_ID, "resourceAccess": kept + added}]


def ensure_principal(directory: Directory, app_id: str) -> str:
    """The object id of the application's service principal in the tenant, made when there is none."""
    found = directory.find("/servicePrincipals", "appId", app_id)
    if found:
        return str(found[0]["id"])
    return str(directory.spread(lambda: directory.post("/servicePrincipals", {"appId": app_id}))["id"])


def add_secret(directory: Directory, object_id: str, plan: Plan) -> Secret:
    """A new client secret; those that are there stay."""
    end = (directory.now() + timedelta(days=plan.days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {"passwordCredential": {"displayName": "entrawatch", "endDateTime": end}}
    answer = directory.spread(lambda: directory.post(f"/applications/{object_id}/addPassword", body))
    return Secret(str(answer["secretText"]))


def add_certificate(directory: Directory, object_id: str, pem: Path) -> bool:
    """Register a certificate beside those that are there; False when it was there already.

    :raises AuthError: the file holds no certificate.
    """
    from entrawatch.graph.certificate import key_credential

    new, thumbprint = key_credential(pem)
    # an update replaces the whole list, and only a read of the one object selecting it shows the keys to send back
    present = directory.spread(lambda: directory.get(f"/applications/{object_id}", select="keyCredentials"))
    keys = [item for item in present.get("keyCredentials") or [] if isinstance(item, dict)]
    if any(new["key"] == item.get("key") or item.get("customKeyIdentifier") in thumbprint for item in keys):
        return False
    directory.patch(f"/applications/{object_id}", {"keyCredentials": [*keys, new]})
    return True


def given(directory: Directory, principal_id: str) -> tuple[str, ...]:
    """The permissions that have consent."""
    names = {role: name for name, role in ROLE_IDS.items()}
    assigned = directory.spread(lambda: directory.get(f"/servicePrincipals/{principal_id}/appRoleAssignments"))
    ids = [str(item.get("appRoleId")) for item in assigned.get("value") or [] if isinstance(item, dict)]
    return tuple(names[role] for role in ids if role in names)


def grant(directory: Directory, principal_id: str, plan: Plan) -> tuple[tuple[str, ...], str]:
    """Consent to what is not yet consented to: what has it now, and why not the rest ("" when all have)."""
    have = given(directory, principal_id)
    try:
        graph_id = str(directory.find("/servicePrincipals", "appId", GRAPH_APP_ID)[0]["id"])
        for name in plan.permissions:
            if name not in have:
                body = {"principalId": principal_id, "resourceId": graph_id, "appRoleId": ROLE_IDS[name]}
                directory.post(f"/servicePrincipals/{principal_id}/appRoleAssignments", body)
                have = (*have, name)
    except (SourceError, IndexError) as error:
        return have, f"it takes a Privileged Role Administrator ({error})"
    return have, ""
