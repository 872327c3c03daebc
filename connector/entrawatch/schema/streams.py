"""The stream table: what can be read, where Graph keeps it, and what the rest of the product calls it.

A new stream is one entry here and one normaliser. Everything Graph asks of a request stands here: version, path,
filter, time field, operators, page size, limit, permission and licence, each with the page it was read on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

_DOCS = "https://learn.microsoft.com/graph/api/"


@dataclass(frozen=True)
class Stream:
    """One kind of record that can be read on its own.

    :param name: the name in configuration, checkpoints and metrics.
    :param family: which normaliser reads its records: signin, audit, provisioning, risk_detection, risky_object.
    :param version: Graph API version its path is asked at.
    :param path: resource path below the version.
    :param time_field: the record's time that windows cut, a DateTimeOffset.
    :param page_size: `$top`: the documented maximum, or the largest that is known to be accepted.
    :param filter: OData text that goes with the time filter, "" for none.
    :param inclusive: True where the time field takes ge and le; False where only gt and lt.
    :param order: True where `$orderby` on the time field is documented.
    :param limit: the budget it draws on: reporting (5 requests in 10 s, app and tenant) or identity_protection
        (1 a second, tenant).
    :param permissions: application permissions, one of which it needs.
    :param licence: the licence Graph asks for, "" for none.
    :param retention_days: how long Entra ID keeps it with that licence.
    :param snapshot: True for state objects: they are keyed by id and update time, not by id alone.
    :param default: read when the configuration names no streams.
    :param dataset: the data stream its events go to (`logs-<dataset>-<namespace>`), as Elastic's integration has it.
    :param category: `category` in the diagnostic settings shape.
    :param sign_in_type: value of signInEventTypes that its records have, "" outside sign-ins.
    :param fallback: the stream entry's older form where this version is not available in a cloud, None for none.
    :param doc: the documentation page all this was read on.
    """

    name: str
    family: str
    version: str
    path: str
    time_field: str
    page_size: int
    limit: str
    permissions: tuple[str, ...]
    dataset: str
    category: str
    doc: str
    filter: str = ""
    inclusive: bool = True
    order: bool = False
    licence: str = ""
    retention_days: int = 30
    snapshot: bool = False
    default: bool = True
    sign_in_type: str = ""
    fallback: Optional[str] = None

    @property
    def moves(self) -> bool:
        """Whether the time field says when a record last changed, so that a change carries it into a later window."""
        return "Updated" in self.time_field


def _sign_in(name: str, sign_in_type: str, dataset_category: str, *, fallback: Optional[str] = None) -> Stream:
    # signInEventTypes exists in beta only (v1.0 answers 400), and beta without a filter gives interactive alone.
    return Stream(
        name=name, family="signin", version="beta", path="/auditLogs/signIns", time_field="createdDateTime",
        page_size=1000, limit="reporting", permissions=("AuditLog.Read.All",), licence="Entra ID P1",
        filter=f"signInEventTypes/any(t: t eq '{sign_in_type}')", order=True, sign_in_type=sign_in_type,
        dataset="azure.signinlogs", category=dataset_category, fallback=fallback, doc=_DOCS + "signin-list",
    )  # fmt: skip


def _risk(name: str, family: str, path: str, doc: str, **more: object) -> Stream:
    # $top above 500 is answered "Invalid page size specified"; the default is 20.
    values: dict[str, object] = {
        "version": "v1.0", "time_field": "lastUpdatedDateTime", "page_size": 500, "limit": "identity_protection",
        "permissions": ("IdentityRiskEvent.Read.All",), "licence": "Entra ID P2", "retention_days": 90,
        "dataset": "azure.identity_protection", "category": "UserRiskEvents",
        **more,
    }  # fmt: skip
    return Stream(name=name, family=family, path="/identityProtection/" + path, doc=_DOCS + doc, **values)  # type: ignore[arg-type]


_ALL = (
    _sign_in("interactive", "interactiveUser", "SignInLogs", fallback="interactive_v1"),
    _sign_in("non_interactive", "nonInteractiveUser", "NonInteractiveUserSignInLogs"),
    _sign_in("service_principal", "servicePrincipal", "ServicePrincipalSignInLogs"),
    _sign_in("managed_identity", "managedIdentity", "ManagedIdentitySignInLogs"),
    Stream(
        name="interactive_v1", family="signin", version="v1.0", path="/auditLogs/signIns",
        time_field="createdDateTime", page_size=1000, limit="reporting", permissions=("AuditLog.Read.All",),
        licence="Entra ID P1", order=True, sign_in_type="interactiveUser", dataset="azure.signinlogs",
        category="SignInLogs", default=False, doc=_DOCS + "signin-list",
    ),
    Stream(
        name="directory_audits", family="audit", version="v1.0", path="/auditLogs/directoryAudits",
        time_field="activityDateTime", page_size=999, limit="reporting", permissions=("AuditLog.Read.All",),
        order=True, dataset="azure.auditlogs", category="AuditLogs", doc=_DOCS + "directoryaudit-list",
    ),
    Stream(
        name="provisioning", family="provisioning", version="v1.0", path="/auditLogs/provisioning",
        time_field="activityDateTime", page_size=999, limit="reporting",
        permissions=("AuditLog.Read.All", "ProvisioningLog.Read.All"), licence="Entra ID P1", inclusive=False,
        dataset="azure.provisioning", category="ProvisioningLogs", doc=_DOCS + "provisioningobjectsummary-list",
    ),
    _risk("risk_detections", "risk_detection", "riskDetections", "riskdetection-list"),
    _risk("risky_users", "risky_object", "riskyUsers", "riskyuser-list", time_field="riskLastUpdatedDateTime",
          permissions=("IdentityRiskyUser.Read.All",), category="RiskyUsers", snapshot=True),
    _risk("service_principal_risk_detections", "risk_detection", "servicePrincipalRiskDetections",
          "serviceprincipalriskdetection-list", category="ServicePrincipalRiskEvents",
          licence="Workload Identities Premium"),
    _risk("risky_service_principals", "risky_object", "riskyServicePrincipals",
          "identityprotectionroot-list-riskyserviceprincipals", time_field="riskLastUpdatedDateTime",
          permissions=("IdentityRiskyServicePrincipal.Read.All",), category="RiskyServicePrincipals",
          licence="Workload Identities Premium", snapshot=True),
)  # fmt: skip

#: every stream by its name
STREAMS: dict[str, Stream] = {stream.name: stream for stream in _ALL}


def default_streams() -> tuple[Stream, ...]:
    """The streams that are read when the configuration names none."""
    return tuple(stream for stream in _ALL if stream.default)
