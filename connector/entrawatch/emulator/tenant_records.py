"""Builders of Graph's beta resources: every field a real record has, with a default, and only the rest to say.

Field lists: https://learn.microsoft.com/graph/api/resources/signin?view=graph-rest-beta and the pages of
directoryAudit, riskDetection, riskyUser, servicePrincipalRiskDetection and riskyServicePrincipal beside it.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from entrawatch.emulator.tenant_apps import MICROSOFT_SERVICES, REASONS, App
from entrawatch.emulator.tenant_policies import NOT_EVALUATED

if TYPE_CHECKING:
    from entrawatch.emulator.records import Label
    from entrawatch.emulator.tenant_dice import Dice
    from entrawatch.emulator.tenant_world import Place, User, World
    from entrawatch.interfaces import Record

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Change(NamedTuple):
    """What a record turns into later.

    :param after: how long after the record first shows.
    :param record: its new form.
    :param when: the new value of the stream's time field, None where that stays.
    """

    after: timedelta
    record: Record
    when: Optional[datetime] = None


class Row(NamedTuple):
    """A record before it is known when it arrives.

    :param when: value of the stream's time field.
    :param slow: seconds to add to the stream's ordinary delay.
    """

    when: datetime
    stream: str
    record: Record
    label: Optional[Label] = None
    later: tuple[Change, ...] = ()
    slow: float = 0.0


def seconds_text(when: datetime) -> str:
    """The time as sign-ins tell it: whole seconds and Z."""
    return when.isoformat()[:19] + "Z"


def ticks_text(when: datetime) -> str:
    """The time as audits tell it: seven digits and Z."""
    return f"{when.isoformat()[:19]}.{when.microsecond:06d}0Z"


def status(code: int, details: Optional[str] = None) -> Record:
    """A sign-in's status; the reason of a success reads "Other.", as it does in Graph."""
    return {"errorCode": code, "failureReason": REASONS.get(code, "Other."), "additionalDetails": details}


_TOKEN_PROTECTION: Record = {"signInSessionStatus": "none", "signInSessionStatusCode": None}
_AGENT: Record = {
    "agentType": "notAgentic", "parentAppId": None, "agentSubjectType": "notAgentic", "agentSubjectParentId": None,
}  # fmt: skip
#: sign-in fields that hardly ever differ; nested values are shared, never changed
_SIGN_IN: Record = {
    "id": "", "createdDateTime": "", "userDisplayName": None, "userPrincipalName": None, "userId": None, "appId": "",
    "appDisplayName": None, "ipAddress": "", "correlationId": "",
    "agent": _AGENT, "appOwnerTenantId": MICROSOFT_SERVICES, "appTokenProtectionStatus": None,
    "appliedConditionalAccessPolicies": NOT_EVALUATED, "appliedEventListeners": [],
    "authenticationAppDeviceDetails": None, "authenticationAppPolicyEvaluationDetails": [],
    "authenticationContextClassReferences": [], "authenticationDetails": [], "authenticationMethodsUsed": [],
    "authenticationProcessingDetails": [], "authenticationProtocol": "none",
    "authenticationRequirement": "singleFactorAuthentication", "authenticationRequirementPolicies": [],
    "azureResourceId": None, "clientAppUsed": "Browser", "clientCredentialType": "none", "clientSessionId": None,
    "conditionalAccessAudiences": [], "conditionalAccessStatus": "notApplied", "crossTenantAccessType": "none",
    "federatedCredentialId": None, "flaggedForReview": False, "globalSecureAccessIpAddress": None,
    "homeTenantName": None, "incomingTokenType": "none", "ipAddressFromResourceProvider": None, "isInteractive": True,
    "isTenantRestricted": False, "isThroughGlobalSecureAccess": False, "managedServiceIdentity": None,
    "mfaDetail": None, "networkLocationDetails": [], "originalTransferMethod": "none", "privateLinkDetails": None,
    "resourceOwnerTenantId": MICROSOFT_SERVICES, "riskDetail": "none", "riskEventTypes_v2": [],
    "riskLevelAggregated": "none", "riskLevelDuringSignIn": "none", "riskState": "none",
    "servicePrincipalCredentialKeyId": None, "servicePrincipalCredentialThumbprint": None, "servicePrincipalId": "",
    "servicePrincipalName": None, "sessionId": None, "sessionLifetimePolicies": [],
    "signInEventTypes": ["interactiveUser"], "signInIdentifier": None, "signInIdentifierType": None,
    "signInTokenProtectionStatus": "none", "status": status(0), "tokenIssuerName": "", "tokenIssuerType": "AzureAD",
    "tokenProtectionStatusDetails": _TOKEN_PROTECTION, "userAgent": None, "userType": None,
}  # fmt: skip


def signin(world: World, dice: Dice, when: datetime, **changes: Any) -> Record:
    """A sign-in of nobody to nothing: callers say who, where and what."""
    record = _SIGN_IN.copy()
    name = dice.guid()
    record["id"] = record["originalRequestId"] = name
    record["createdDateTime"] = seconds_text(when)
    record["correlationId"] = dice.guid()
    record["uniqueTokenIdentifier"] = dice.token()
    record["processingTimeInMilliseconds"] = 80 + dice.below(400)
    record["resourceTenantId"] = record["homeTenantId"] = world.tenant_id
    record.update(changes)
    return record


def person(user: User) -> Record:
    """The fields of a sign-in that say who."""
    return {
        "userDisplayName": user.name, "userId": user.id, "userPrincipalName": user.upn, "signInIdentifier": user.upn,
        "userType": "guest" if user.guest else "member", "homeTenantId": user.home_tenant,
        "crossTenantAccessType": "b2bCollaboration" if user.guest else "none",
    }  # fmt: skip


def place_fields(place: Place) -> Record:
    """The fields of a sign-in that say where."""
    return {
        "ipAddress": place.address, "location": place.location, "autonomousSystemNumber": place.system_number,
        "networkLocationDetails": _TRUSTED if place.kind == "office" else [],
    }  # fmt: skip


_TRUSTED = [{"networkType": "trustedNamedLocation", "networkNames": ["Offices"]}]


def app_fields(world: World, app: App) -> Record:
    """The fields of a sign-in that say what was used and what for; made once a company."""
    fields = world.app_fields.get(app)
    if fields is None:
        number = int(app.resource_id.replace("-", ""), 16)
        fields = world.app_fields[app] = {
            "appId": app.id, "appDisplayName": app.name, "resourceId": app.resource_id,
            "resourceDisplayName": app.resource, "clientAppUsed": app.client,
            "resourceServicePrincipalId": world.guid(number >> 64, number & (1 << 64) - 1),
            "conditionalAccessAudiences": [app.resource_id],
        }  # fmt: skip
    return fields


def user_signin(world: World, dice: Dice, when: datetime, user: User, place: Place, app: App, **changes: Any) -> Record:
    """A sign-in of a person from their own machine."""
    return signin(
        world, dice, when,
        **{
            **person(user), **place_fields(place), **app_fields(world, app), "deviceDetail": user.device,
            "userAgent": user.client.agent, "sessionId": dice.guid(), **changes,
        },
    )  # fmt: skip


def step(when: datetime, method: str, succeeded: bool, detail: str, requirement: str, more: str = "") -> Record:
    """One entry of authenticationDetails."""
    return {
        "authenticationStepDateTime": seconds_text(when), "authenticationMethod": method,
        "authenticationMethodDetail": more or None, "succeeded": succeeded, "authenticationStepResultDetail": detail,
        "authenticationStepRequirement": requirement,
    }  # fmt: skip


def audit(dice: Dice, when: datetime, activity: str, **changes: Any) -> Record:
    """A directory audit record; its id is no GUID but `<service>_<correlation>_<five letters>_<number>`."""
    correlation = changes.get("correlationId") or dice.guid()
    tail = "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[dice.below(36)] for _ in range(5))
    record: Record = {
        "id": f"Directory_{correlation}_{tail}_{dice.below(400_000_000)}", "activityDateTime": ticks_text(when),
        "activityDisplayName": activity, "additionalDetails": [], "category": "UserManagement",
        "correlationId": correlation, "initiatedBy": {"user": None, "app": None}, "loggedByService": "Core Directory",
        "operationType": "Update", "performedBy": None, "result": "success", "resultReason": "",
        "targetResources": [], "userAgent": None,
    }  # fmt: skip
    record.update(changes)
    return record


def by_user(user: User, address: Optional[str]) -> Record:
    """Initiated by a person."""
    return {
        "user": {
            "id": user.id, "displayName": None, "userPrincipalName": user.upn, "ipAddress": address, "userType": None,
            "homeTenantId": None, "homeTenantName": None, "roles": [],
        },
        "app": None, "linkableIdentifiers": None,
    }  # fmt: skip


def by_app(name: str, principal: Optional[str] = None, app_id: Optional[str] = None) -> Record:
    """Initiated by a program: such records have no address."""
    app = {"appId": app_id, "displayName": name, "servicePrincipalId": principal, "servicePrincipalName": None}
    return {"user": None, "app": app, "linkableIdentifiers": None}


def changed(name: str, old: Optional[str], new: Optional[str]) -> Record:
    """One modified property, texts as they are."""
    return {"displayName": name, "oldValue": old, "newValue": new}


def target(kind: str, name: Optional[str], target_id: str, *properties: Record, **more: Any) -> Record:
    """One target resource."""
    return {
        "id": target_id, "displayName": name, "type": kind, "userPrincipalName": None, "groupType": None,
        "modifiedProperties": list(properties), "administrativeUnits": [], **more,
    }  # fmt: skip


def user_target(user: User, *properties: Record) -> Record:
    """A person as the target."""
    return target("User", None, user.id, *properties, userPrincipalName=user.upn)
