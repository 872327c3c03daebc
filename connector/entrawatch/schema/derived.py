"""What an audit event's modified properties are called by Microsoft, and the derived field each of them makes.

normalize.derived reads them where the connector makes the event, packages.elastic_pipeline where Elastic's own
integration did. https://learn.microsoft.com/entra/identity/monitoring-health/reference-audit-activities
"""

from __future__ import annotations

#: kinds of target that are an application
APPS = ("Application", "ServicePrincipal")
#: modified property → the field below entra.consent that says its truth
FLAGS = {
    "ConsentContext.IsAdminConsent": "is_admin",
    "ConsentContext.IsAppOnly": "is_app_only",
    "ConsentContext.OnBehalfOfAll": "on_behalf_of_all",
}
#: modified properties whose values are scopes, blanks between them
SCOPES = ("DelegatedPermissionGrant.Scope", "AppRole.Value")
#: modified properties that identify a role
ROLE_IDS = ("Role.ObjectID", "Role.TemplateId")
#: list in a policy's conditions → what it excludes
EXCLUSIONS = {
    ("users", "excludeUsers"): "user",
    ("users", "excludeGroups"): "group",
    ("users", "excludeRoles"): "role",
    ("applications", "excludeApplications"): "app",
    ("locations", "excludeLocations"): "location",
}
