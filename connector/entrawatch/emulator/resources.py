"""What each log path of Graph takes and gives: properties that filter, page sizes, fields that only beta has.

Read on the list operation's page in both versions of the reference, the resource type's page, and for page sizes the
service's own error text (graph2otel, graph-api-gotchas: "Must be between 1 and 500 inclusive").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from entrawatch.interfaces import Record
    from entrawatch.schema.streams import Stream

_ALL = frozenset({"eq", "ge", "le", "gt", "lt"})
_EQ = frozenset({"eq"})
_STARTS = frozenset({"eq", "startswith"})
_CONTAINS = frozenset({"eq", "contains"})


@dataclass(frozen=True)
class Property:
    """A property that `$filter` takes.

    :param kind: time, string or number.
    :param operators: OData's names of them.
    """

    kind: str
    operators: frozenset[str]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _strings(operators: frozenset[str], names: str) -> dict[str, Property]:
    return {name: Property("string", operators) for name in names.split()}


@dataclass(frozen=True)
class Resource:
    """One log path.

    :param entity: the type's name in Graph's metadata.
    :param properties: filter properties by OData path ("/" between levels).
    :param collections: collections that any() takes, with the element's own property ("" for plain elements).
    :param beta_only: top-level fields v1.0 does not show.
    :param options: query options it takes beside $filter, $top, $select and $skiptoken.
    :param case_sensitive: whether strings compare with case.
    :param equal_on_greater: time properties whose `gt` also gives equals (microsoft-graph-docs issue 13750).
    :param enumerations: the members before the sentinel of the evolvable ones: others are shown only to clients that
        send `Prefer: include-unknown-enum-members`.
    """

    path: str
    entity: str
    time_field: str
    properties: dict[str, Property]
    maximum: int
    default: int
    collections: dict[str, str] = field(default_factory=dict)
    beta_only: frozenset[str] = frozenset()
    options: frozenset[str] = frozenset()
    case_sensitive: bool = False
    equal_on_greater: frozenset[str] = frozenset()
    enumerations: dict[str, frozenset[str]] = field(default_factory=dict)

    def old_value(self, name: str, value: Any) -> Any:
        """A field as a client sees it that does not ask for the newer members of evolvable enumerations."""
        known = self.enumerations.get(name)
        return value if known is None or not isinstance(value, str) or value in known else "unknownFutureValue"

    def has_new_values(self, record: Record) -> bool:
        """Whether any field is such a one."""
        return any(self.old_value(name, record.get(name)) != record.get(name) for name in self.enumerations)

    @property
    def reporting(self) -> bool:
        """Whether the reporting service answers it, and not Identity Protection."""
        return self.path.startswith("/auditLogs/")


_SIGN_IN_BETA = _names(
    """agent appOwnerTenantId appTokenProtectionStatus appliedEventListeners authenticationAppPolicyEvaluationDetails
    authenticationContextClassReferences authenticationDetails authenticationMethodsUsed
    authenticationProcessingDetails authenticationProtocol authenticationRequirement authenticationRequirementPolicies
    autonomousSystemNumber azureResourceId clientCredentialType clientSessionId conditionalAccessAudiences
    crossTenantAccessType federatedCredentialId flaggedForReview globalSecureAccessIpAddress homeTenantName
    incomingTokenType ipAddressFromResourceProvider isTenantRestricted isThroughGlobalSecureAccess
    managedServiceIdentity mfaDetail networkLocationDetails originalRequestId originalTransferMethod
    privateLinkDetails processingTimeInMilliseconds resourceOwnerTenantId resourceServicePrincipalId
    servicePrincipalCredentialKeyId servicePrincipalCredentialThumbprint sessionId sessionLifetimePolicies
    signInEventTypes signInIdentifier signInIdentifierType signInTokenProtectionStatus tokenIssuerName
    tokenIssuerType tokenProtectionStatusDetails uniqueTokenIdentifier userType"""
)

_SIGN_IN_ENUMERATIONS = {
    "authenticationProtocol": _names("none oAuth2 ropc wsFederation saml20 deviceCode"),
    "crossTenantAccessType": _names("none b2bCollaboration b2bDirectConnect microsoftSupport serviceProvider"),
    "incomingTokenType": _names("none primaryRefreshToken saml11 saml20"),
}
_RISK_ENUMERATIONS = {
    "riskDetail": _names(
        """none adminGeneratedTemporaryPassword userPerformedSecuredPasswordChange userPerformedSecuredPasswordReset
        adminConfirmedSigninSafe aiConfirmedSigninSafe userPassedMFADrivenByRiskBasedPolicy
        adminDismissedAllRiskForUser adminConfirmedSigninCompromised hidden adminConfirmedUserCompromised"""
    )
}

_SIGN_IN_FILTERS = {
    "createdDateTime": Property("time", _ALL),
    "status/errorCode": Property("number", _EQ),
    **_strings(
        _STARTS,
        "appDisplayName clientAppUsed deviceDetail/browser deviceDetail/operatingSystem ipAddress location/city"
        " location/countryOrRegion location/state userDisplayName userPrincipalName",
    ),
    **_strings(
        _EQ,
        "appId conditionalAccessStatus correlationId id resourceDisplayName resourceId riskLevelAggregated"
        " riskLevelDuringSignIn riskState servicePrincipalId servicePrincipalName userId",
    ),
}
_AUDIT_FILTERS = {
    "activityDateTime": Property("time", frozenset({"eq", "ge", "le"})),
    **_strings(
        _STARTS,
        "activityDisplayName initiatedBy/app/displayName initiatedBy/user/displayName"
        " initiatedBy/user/userPrincipalName",
    ),
    **_strings(_EQ, "category correlationId id initiatedBy/app/appId initiatedBy/user/id loggedByService result"),
}
_PROVISIONING_FILTERS = {
    "activityDateTime": Property("time", frozenset({"eq", "gt", "lt"})),
    **_strings(
        _CONTAINS,
        "changeId cycleId id jobId provisioningAction servicePrincipal/displayName servicePrincipal/id"
        " sourceIdentity/displayName sourceIdentity/id targetIdentity/displayName targetIdentity/id tenantId",
    ),
}
_RISK_EQ = "riskDetail riskLevel riskState id"


def _risk(path: str, entity: str, times: str, strings: str, beta_only: str = "") -> Resource:
    properties = {**{name: Property("time", _ALL) for name in times.split()}, **_strings(_EQ, strings)}
    time_field = next(stream.time_field for stream in STREAMS.values() if stream.path == path)
    return Resource(
        path, entity, time_field, properties, maximum=500, default=20, beta_only=frozenset(beta_only.split()),
        equal_on_greater=frozenset({"lastUpdatedDateTime"}), enumerations=_RISK_ENUMERATIONS,
    )  # fmt: skip


_DETECTION_TIMES = "detectedDateTime lastUpdatedDateTime activityDateTime"
_ALL_RESOURCES = (
    Resource(
        "/auditLogs/signIns", "signIn", "createdDateTime", _SIGN_IN_FILTERS, maximum=1000, default=1000,
        collections={"signInEventTypes": ""}, beta_only=_SIGN_IN_BETA, options=frozenset({"$orderby"}),
        enumerations=_SIGN_IN_ENUMERATIONS,
    ),
    Resource(
        "/auditLogs/directoryAudits", "directoryAudit", "activityDateTime", _AUDIT_FILTERS, maximum=1000,
        default=1000, collections={"targetResources": "id displayName"}, options=frozenset({"$orderby"}),
        beta_only=frozenset({"performedBy", "userAgent"}),
    ),
    Resource(
        "/auditLogs/provisioning", "provisioningObjectSummary", "activityDateTime", _PROVISIONING_FILTERS,
        maximum=1000, default=1000, options=frozenset({"$orderby"}), case_sensitive=True,
        beta_only=frozenset({"action", "statusInfo"}),
    ),
    _risk("/identityProtection/riskDetections", "riskDetection", _DETECTION_TIMES,
          _RISK_EQ + " riskEventType userId userPrincipalName source correlationId requestId",
          "mitreTechniqueId riskType"),
    _risk("/identityProtection/servicePrincipalRiskDetections", "servicePrincipalRiskDetection", _DETECTION_TIMES,
          _RISK_EQ + " riskEventType servicePrincipalId appId source correlationId requestId", "mitreTechniqueId"),
    _risk("/identityProtection/riskyUsers", "riskyUser", "riskLastUpdatedDateTime",
          _RISK_EQ + " userPrincipalName userDisplayName"),
    _risk("/identityProtection/riskyServicePrincipals", "riskyServicePrincipal", "riskLastUpdatedDateTime",
          _RISK_EQ + " appId displayName servicePrincipalType", "accountEnabled"),
)  # fmt: skip

#: every log path, by its lower-case form: Graph's paths know no case
RESOURCES: dict[str, Resource] = {resource.path.lower(): resource for resource in _ALL_RESOURCES}


def source_of(path: str, sign_in_type: str) -> str:
    """The name under which records are kept: several streams share a path, two a sign-in type."""
    return f"{path}#{sign_in_type.lower()}" if sign_in_type else path


def source_of_stream(stream: Stream) -> str:
    """The same, of a stream."""
    return source_of(stream.path, stream.sign_in_type)
