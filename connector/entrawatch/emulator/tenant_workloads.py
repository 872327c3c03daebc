"""What programs do: service principals, managed identities, and provisioning of people into another company's app."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Optional

from entrawatch.emulator.tenant_apps import WORKLOAD_RESOURCES
from entrawatch.emulator.tenant_dice import Dice, mix
from entrawatch.emulator.tenant_records import Change, Row, app_fields, signin, status, ticks_text
from entrawatch.emulator.tenant_world import LOCATIONS, NOWHERE, Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from entrawatch.emulator.tenant_world import World
    from entrawatch.interfaces import Record

_NAMES = (
    "backup",
    "payroll-export",
    "crm-connector",
    "monitoring",
    "terraform",
    "mail-archive",
    "hr-sync",
    "build-agent",
)
_SAAS = "Ticketline"


class Principal(NamedTuple):
    """A service principal or a managed identity."""

    id: str
    app_id: str
    name: str
    credential: str  # clientSecret, certificate, federatedIdentityCredential
    place: Place
    key_id: str
    thumbprint: Optional[str]


@lru_cache(maxsize=8192)
def principal(world: World, number: int) -> Principal:
    """A program with a service principal; each runs on one of the programs' machines."""
    traits = mix(world.seed, number, 20)
    kind = ("clientSecret", "certificate", "clientSecret", "federatedIdentityCredential")[traits % 4]
    place = Place(f"192.0.2.{number % 250 + 4}", LOCATIONS[world.offices[0].country], 64500, "program")
    thumbprint = (
        f"{mix(traits, 1):016X}{mix(traits, 2):016X}{mix(traits, 3) >> 32:08X}" if kind == "certificate" else None
    )
    name = f"{_NAMES[number % len(_NAMES)]}-{number:03d}"
    return Principal(
        world.guid(number, 21), world.guid(number, 22), name, kind, place, world.guid(number, 23), thumbprint
    )


def _moments(dice: Dice, start: datetime, length: timedelta, expected: float) -> Iterator[datetime]:
    for _ in range(dice.count(expected)):
        yield start + timedelta(seconds=dice.random() * length.total_seconds())


def programs(world: World, number: int, start: datetime, length: timedelta) -> Iterator[Row]:
    """Sign-ins of service principals and managed identities in one time slice: they know no weekend."""
    dice = Dice(world.seed, "programs", number)
    hours = length.total_seconds() / 3600
    for when in _moments(dice, start, length, world.principals * 3 * hours):
        yield _principal_signin(world, dice, when, principal(world, dice.below(world.principals)))
    for when in _moments(dice, start, length, world.identities * 2 * hours):
        yield _identity_signin(world, dice, when, dice.below(world.identities))


def _workload(world: World, dice: Dice, when: datetime, kind: str, **values: object) -> Record:
    """A sign-in without a person: no home tenant, no device, no user agent."""
    resource = WORKLOAD_RESOURCES[dice.below(len(WORKLOAD_RESOURCES))]
    return signin(
        world, dice, when,
        **{
            **app_fields(world, resource), **_NOBODY, "signInEventTypes": [kind], "appOwnerTenantId": world.tenant_id,
            **values,
        },
    )  # fmt: skip


_NOBODY: Record = {
    "isInteractive": False, "clientAppUsed": None, "homeTenantId": None, "deviceDetail": None, "userId": "",
    "authenticationProtocol": "clientCredentials", "appDisplayName": None, "appliedConditionalAccessPolicies": [],
    "processingTimeInMilliseconds": 0,
}  # fmt: skip


def _principal_signin(world: World, dice: Dice, when: datetime, who: Principal) -> Row:
    code = 7000215 if dice.random() < 0.01 and who.credential == "clientSecret" else 0
    record = _workload(
        world, dice, when, "servicePrincipal", appId=who.app_id, servicePrincipalId=who.id,
        servicePrincipalName=who.name, clientCredentialType=who.credential, ipAddress=who.place.address,
        location=who.place.location, autonomousSystemNumber=who.place.system_number, status=status(code),
        servicePrincipalCredentialKeyId=None if who.credential.startswith("fed") else who.key_id,
        servicePrincipalCredentialThumbprint=who.thumbprint,
        federatedCredentialId=who.key_id if who.credential.startswith("fed") else None,
    )  # fmt: skip
    return Row(when, "service_principal", record)


def _identity_signin(world: World, dice: Dice, when: datetime, number: int) -> Row:
    """A managed identity's sign-in: the address is empty, the Azure resource stands in its stead."""
    subscription = world.guid(25)
    group = f"/subscriptions/{subscription}/resourcegroups/rg-{number % 7}"
    resource = f"{group}/providers/Microsoft.Compute/virtualMachines/vm-{number:04d}"
    kind = "systemAssigned" if number % 3 else "userAssigned"
    record = _workload(
        world, dice, when, "managedIdentity", appId=world.guid(number, 26), servicePrincipalId=world.guid(number, 27),
        servicePrincipalName=f"vm-{number:04d}", clientCredentialType="managedIdentity", ipAddress="",
        location=NOWHERE, autonomousSystemNumber=None, azureResourceId=resource,
        managedServiceIdentity={
            "msiType": kind, "associatedResourceId": resource, "federatedTokenId": None, "federatedTokenIssuer": None,
        },
    )  # fmt: skip
    return Row(when, "managed_identity", record)


def provisioning(world: World, day: int, when: datetime, turn: int) -> Iterator[Row]:
    """One change of the provisioning job: a person created, updated, skipped or refused in the other system."""
    dice = Dice(world.seed, "provisioning", day, turn)
    user = world.user(dice.below(world.users))
    action = dice.pick(("create", "update", "update", "update", "disable", "other"))
    verdict = dice.pick(("success", "success", "success", "success", "skipped", "failure"))
    first = _provisioned(world, dice, when, user.id, user.name, user.upn, action, verdict)
    record = dict(first, durationInMilliseconds=200 + dice.below(4000))
    yield Row(when, "provisioning", record)


def _provisioned(
    world: World, dice: Dice, when: datetime, user_id: str, name: str, upn: str, action: str, verdict: str
) -> Record:  # fmt: skip
    error = None
    if verdict == "failure":
        error = {
            "errorCode": f"{_SAAS}EntryConflict", "errorCategory": "nonServiceFailure",
            "reason": f"{_SAAS} answered 409: an account of this name exists already.", "additionalDetails": None,
            "recommendedAction": "Remove the conflicting account, or take the person out of scope.",
        }  # fmt: skip
    target_id = "" if verdict != "success" else str(dice.below(10**9))
    principal_id = world.guid(30)
    return {
        "id": dice.guid(), "activityDateTime": ticks_text(when), "tenantId": world.tenant_id,
        "jobId": f"scim.{world.tenant_id.replace('-', '')}.{world.guid(31)}",
        "cycleId": world.guid(32, int(when.timestamp()) // 2400),
        "changeId": dice.guid(), "action": action.capitalize(), "provisioningAction": action,
        "durationInMilliseconds": 0, "statusInfo": {"status": verdict},
        "provisioningStatusInfo": {"status": verdict, "errorInformation": error},
        "provisioningSteps": _steps(upn, action, verdict),
        "modifiedProperties": [
            {"displayName": "userName", "oldValue": None, "newValue": upn},
            {"displayName": "active", "oldValue": "True" if action == "disable" else None,
             "newValue": "False" if action == "disable" else "True"},
        ],
        "servicePrincipal": {"id": principal_id, "displayName": _SAAS},
        "sourceSystem": {"id": world.guid(33), "displayName": "Microsoft Entra ID", "details": {}},
        "targetSystem": {"id": world.guid(34), "displayName": _SAAS, "details": {
            "ApplicationId": world.guid(35), "ServicePrincipalId": principal_id,
            "ServicePrincipalDisplayName": _SAAS}},
        "initiatedBy": {"initiatorType": "system", "id": "", "displayName": "Azure AD Provisioning Service"},
        "sourceIdentity": {"identityType": "User", "id": user_id, "displayName": name,
                           "details": {"id": user_id, "odatatype": "User", "UserPrincipalName": upn}},
        "targetIdentity": {"identityType": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
                           "id": target_id, "displayName": "", "details": {}},
    }  # fmt: skip


def _steps(upn: str, action: str, verdict: str) -> list[Record]:
    told = (
        ("EntryImport", "import", "success", f"Received User '{upn}' from Microsoft Entra ID"),
        ("EntrySynchronizationScoping", "scoping", "success", "The User is in scope"),
        ("EntryExport", "export", verdict, f"User '{upn}': {action} in {_SAAS}"),
    )
    return [
        {"name": name, "provisioningStepType": kind, "status": result, "description": text, "details": {}}
        for name, kind, result, text in told
    ]


def principal_risk(world: World, day: int, when: datetime, turn: int) -> Iterator[Row]:
    """A detection at a program's sign-in, the program's state, and both again once somebody has looked.

    Fields are filled in within 25 minutes after the detection first shows.
    """
    dice = Dice(world.seed, "principal-risk", day, turn)
    who = principal(world, (mix(world.seed, 28) + day + turn * 7919) % world.principals)
    detected = when + timedelta(minutes=dice.between(3, 90))
    closed = detected + timedelta(hours=dice.between(2, 30))
    record = _principal_detection(dice, who, when, detected)
    told = detected + timedelta(minutes=12)
    filled = dict(record, additionalInfo=_info("T1078.004"), **_stamp("lastUpdatedDateTime", told))
    filled["mitreTechniqueId"] = "T1078.004"
    closing = {"riskState": "dismissed", "riskDetail": "adminDismissedAllRiskForServicePrincipal"}
    yield Row(detected, "service_principal_risk_detections", record, None, (
        Change(timedelta(minutes=dice.between(12, 25)), filled, told),
        Change(closed - detected, dict(filled, **closing, **_stamp("lastUpdatedDateTime", closed)), closed),
    ))  # fmt: skip
    state = _principal_state(who, detected)
    ended = dict(state, riskLevel="none", **closing, **_stamp("riskLastUpdatedDateTime", closed))
    yield Row(detected, "risky_service_principals", state, None, (Change(closed - detected, ended, closed),))


def _stamp(name: str, when: datetime) -> Record:
    return {name: ticks_text(when)}


def _info(techniques: str) -> str:
    return f'[{{"Key":"alertUrl","Value":null}},{{"Key":"mitreTechniques","Value":"{techniques}"}}]'


def _principal_detection(dice: Dice, who: Principal, when: datetime, detected: datetime) -> Record:
    return {
        "id": f"{dice.bits(256):064x}", "activity": "servicePrincipal", "activityDateTime": ticks_text(when),
        "additionalInfo": "[]", "appId": who.app_id, "correlationId": None, "detectedDateTime": ticks_text(detected),
        "detectionTimingType": "offline", "ipAddress": who.place.address, "keyIds": [who.key_id],
        "lastUpdatedDateTime": ticks_text(detected), "location": who.place.location, "mitreTechniqueId": None,
        "requestId": dice.guid(), "riskDetail": "none",
        "riskEventType": dice.pick(("suspiciousSignins", "leakedCredentials", "anomalousServicePrincipalActivity")),
        "riskLevel": dice.pick(("medium", "high")), "riskState": "atRisk", "servicePrincipalDisplayName": who.name,
        "servicePrincipalId": who.id, "source": "identityProtection", "tokenIssuerType": "AzureAD",
    }  # fmt: skip


def _principal_state(who: Principal, updated: datetime) -> Record:
    return {
        "id": who.id, "accountEnabled": True, "appId": who.app_id, "displayName": who.name, "isEnabled": True,
        "isProcessing": False, "riskDetail": "none", "riskLastUpdatedDateTime": ticks_text(updated),
        "riskLevel": "high", "riskState": "atRisk", "servicePrincipalType": "Application",
    }  # fmt: skip
