"""Normalising and serialising records, against reading and writing the same JSON and nothing else.

Each round measures both in turn, so that a busy machine slows both; the ratio of the best rounds is printed.
"""

from __future__ import annotations

import gc
import json
import random
import time
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Callable

from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.jsontext import dumps, loads
from entrawatch.normalize import normalize
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from entrawatch.schema.streams import Stream

_ROUNDS = 9
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.18129; Pro)",
)
_PLACES = (("Lyon", "Rhone", "FR", 45.75, 4.85), ("Oslo", "Oslo", "NO", 59.91, 10.75), ("", "", "", 0, 0))
_TENANT = "5f0c1a52-0e9a-4f7c-9d0f-3a8f5a6a2b11"


def _guid(dice: random.Random) -> str:
    text = f"{dice.getrandbits(128):032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


_APPS = [(_guid(random.Random(i)), f"Application {i}") for i in range(12)]
_RESOURCES = [(_guid(random.Random(i)), _guid(random.Random(-i)), f"Resource {i}") for i in range(100, 106)]
_POLICY = _guid(random.Random(7))
_CODES = ((0, "Other.", 80), (50126, "Invalid username or password.", 8), (50140, "Keep me signed in interrupt.", 12))


def _policy(dice: random.Random, *, unique: bool) -> dict[str, Any]:
    return {
        "id": _guid(dice) if unique else _POLICY, "displayName": "CA001 Require MFA for administrators",
        "result": dice.choice(["notApplied", "success", "reportOnlyNotApplied"]),
        "enforcedGrantControls": ["Mfa"], "enforcedSessionControls": [], "sessionControlsNotSatisfied": [],
        "conditionsSatisfied": "application", "conditionsNotSatisfied": "users",
        "includeRulesSatisfied": [], "excludeRulesSatisfied": [],
    }  # fmt: skip


def sign_in(dice: random.Random, *, unique: bool = False) -> dict[str, Any]:
    """A beta sign-in with all its keys, about 3 KB.

    :param unique: whether even what one tenant's sign-ins share (the policy) differs from record to record.
    """
    user, (city, state, country, latitude, longitude) = dice.randrange(400), dice.choice(_PLACES)
    app, resource = dice.choice(_APPS), dice.choice(_RESOURCES)
    code, reason, _ = dice.choices(_CODES, [weight for *_, weight in _CODES])[0]
    return {
        "id": _guid(dice), "createdDateTime": f"2026-11-{dice.randint(1, 28):02d}T{dice.randint(0, 23):02d}:"
        f"{dice.randint(0, 59):02d}:{dice.randint(0, 59):02d}Z",
        "userDisplayName": f"User {user}", "userPrincipalName": f"user{user}@contoso.example",
        "userId": f"00000000-0000-4000-8000-{user:012d}", "appId": app[0],
        "appDisplayName": app[1], "ipAddress": f"198.51.100.{user % 250}",
        "ipAddressFromResourceProvider": None, "clientAppUsed": "Browser", "userAgent": dice.choice(_AGENTS),
        "correlationId": _guid(dice), "conditionalAccessStatus": "notApplied", "originalRequestId": "",
        "isInteractive": True, "tokenIssuerName": "", "tokenIssuerType": "AzureAD", "clientCredentialType": "none",
        "processingTimeInMilliseconds": dice.randint(30, 900), "riskDetail": "none", "riskLevelAggregated": "none",
        "riskLevelDuringSignIn": "none", "riskState": "none", "riskEventTypes_v2": [],
        "resourceDisplayName": resource[2], "resourceId": resource[0],
        "resourceTenantId": _TENANT, "homeTenantId": _TENANT, "homeTenantName": "", "authenticationMethodsUsed": [],
        "authenticationRequirement": "singleFactorAuthentication", "signInIdentifier": "", "signInIdentifierType": None,
        "servicePrincipalName": None, "signInEventTypes": ["interactiveUser"], "servicePrincipalId": "",
        "federatedCredentialId": "", "userType": "member", "flaggedForReview": False, "isTenantRestricted": False,
        "autonomousSystemNumber": 64500, "crossTenantAccessType": "none", "servicePrincipalCredentialKeyId": None,
        "servicePrincipalCredentialThumbprint": "", "uniqueTokenIdentifier": _guid(dice).replace("-", ""),
        "incomingTokenType": "none", "authenticationProtocol": "none", "resourceServicePrincipalId": resource[1],
        "signInTokenProtectionStatus": "none", "originalTransferMethod": "none", "globalSecureAccessIpAddress": None,
        "isThroughGlobalSecureAccess": False, "sessionId": _guid(dice), "appOwnerTenantId": _TENANT,
        "resourceOwnerTenantId": _TENANT, "conditionalAccessAudiences": [], "mfaDetail": None,
        "authenticationAppDeviceDetails": None, "agent": {"agentType": "notAgentic", "parentAppId": None},
        "status": {"errorCode": code, "failureReason": reason, "additionalDetails": None},
        "deviceDetail": {"deviceId": "", "displayName": "", "operatingSystem": "Windows10", "browser": "Edge 131.0.0",
                         "isCompliant": False, "isManaged": False, "trustType": ""},
        "location": {"city": city, "state": state, "countryOrRegion": country,
                     "geoCoordinates": {"altitude": None, "latitude": latitude, "longitude": longitude}},
        "appliedConditionalAccessPolicies": [_policy(dice, unique=unique)],
        "authenticationContextClassReferences": [], "authenticationProcessingDetails": [
            {"key": "Root Key Type", "value": "Unknown"}, {"key": "Is CAE Token", "value": "False"}],
        "networkLocationDetails": [], "authenticationDetails": [{
            "authenticationStepDateTime": "2026-11-20T08:00:00Z", "authenticationMethod": "Password",
            "authenticationMethodDetail": "Password in the cloud", "succeeded": code != 50126,
            "authenticationStepResultDetail": "Correct password",
            "authenticationStepRequirement": "Primary authentication"}],
        "authenticationRequirementPolicies": [], "sessionLifetimePolicies": [],
        "privateLinkDetails": {"policyId": "", "policyName": "", "resourceId": "", "policyTenantId": ""},
        "appliedEventListeners": [], "authenticationAppPolicyEvaluationDetails": [],
        "managedServiceIdentity": {"msiType": "none", "associatedResourceId": "", "federatedTokenId": None,
                                   "federatedTokenIssuer": None},
        "tokenProtectionStatusDetails": {"signInSessionStatus": "none", "signInSessionStatusCode": 0},
    }  # fmt: skip


def _best(*runs: Callable[[], None]) -> list[float]:
    best = [float("inf")] * len(runs)
    for _ in range(_ROUNDS):
        for index, run in enumerate(runs):
            start = time.process_time()
            run()
            best[index] = min(best[index], time.process_time() - start)
    return best


def _ratio(
    texts: list[tuple[Stream, bytes]], read: Callable[[Any], Any], write: Callable[[Any], Any]
) -> tuple[float, float, float]:
    def plain() -> None:
        for _, text in texts:
            write(read(text))

    def ours() -> None:
        for stream, text in texts:
            write(normalize(read(text), stream, tenant_id=_TENANT))

    ours()
    gc.collect()
    base, full = _best(plain, ours)
    return full / base, base / len(texts) * 1e6, full / len(texts) * 1e6


def _text(record: Any) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()


def _texts(*, unique: bool) -> list[tuple[Stream, bytes]]:
    dice = random.Random(20261124)
    return [(STREAMS["interactive"], _text(sign_in(dice, unique=unique))) for _ in range(3000)]


def _mixed() -> list[tuple[Stream, bytes]]:
    """Records of all streams in the shares a company has them: a working day of the synthetic tenant."""
    start = TenantOptions().start + timedelta(hours=7)
    emitted = generate(TenantOptions(start=start, end=start + timedelta(hours=12), scenarios="none"))
    return [(STREAMS[item.stream], _text(item.record)) for item in islice(emitted, 3000)]


def run() -> list[tuple[str, float, str]]:
    """(what, measured, goal) of each ratio and the microseconds a record behind it."""
    texts = _texts(unique=False)
    rows: list[tuple[str, float, str]] = [("record size, bytes", sum(len(text) for _, text in texts) / len(texts), "")]
    fast, base, full = _ratio(texts, loads, dumps)
    rows += [("orjson loads+dumps, us a record", base, ""), ("loads+normalize+dumps, us a record", full, "")]
    rows.append(("ratio with orjson", fast, "<= 2.0"))
    mixed = _mixed()
    rows.append(("ratio with orjson, a tenant's streams", _ratio(mixed, loads, dumps)[0], "<= 2.0"))
    rows.append(("ratio where no record repeats another", _ratio(_texts(unique=True), loads, dumps)[0], ""))

    def write(value: Any) -> str:
        return json.dumps(value, separators=(",", ":"))

    plain, base, full = _ratio(texts, json.loads, write)
    rows += [("json loads+dumps, us a record", base, ""), ("loads+normalize+dumps, us a record", full, "")]
    rows.append(("ratio with the standard library", plain, "<= 1.5"))
    rows.append(("ratio with it, a tenant's streams", _ratio(mixed, json.loads, write)[0], "<= 1.5"))
    return rows


def main() -> None:
    """Print the rows."""
    for name, value, goal in run():
        print(f"{name:38} {value:10.2f}  {goal}")


if __name__ == "__main__":
    main()
