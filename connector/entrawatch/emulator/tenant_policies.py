"""The synthetic tenant's conditional access policies, and what they say of a sign-in.

The lists are made once and shared by all records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.emulator.tenant_dice import fixed_guid

if TYPE_CHECKING:
    from entrawatch.interfaces import Record

#: name, grant controls
_POLICIES = (
    ("CA001 Require multifactor authentication outside offices", ["Mfa"]),
    ("CA002 Block legacy authentication", ["Block"]),
    ("CA003 Block countries without business", ["Block"]),
    ("CA004 Require compliant device (report-only)", ["RequireCompliantDevice"]),
)


def _applied(number: int, result: str) -> Record:
    name, controls = _POLICIES[number]
    satisfied = "application,users" if result in {"success", "failure"} else "application"
    return {
        "id": fixed_guid(number, 90), "displayName": name, "enforcedGrantControls": controls,
        "enforcedSessionControls": [], "result": result, "conditionsSatisfied": satisfied,
        "conditionsNotSatisfied": "none" if "," in satisfied else "location", "authenticationStrength": None,
        "includeRulesSatisfied": [{"conditionalAccessCondition": "application", "ruleSatisfied": "allApps"}],
        "excludeRulesSatisfied": [], "sessionControlsNotSatisfied": [],
    }  # fmt: skip


def _outcome(*results: str) -> list[Record]:
    return [_applied(number, result) for number, result in enumerate(results)]


#: the password was wrong: conditional access is not evaluated
NOT_EVALUATED = _outcome("notApplied", "notApplied", "notApplied", "reportOnlyNotApplied")
#: from an office: the policies see nothing to ask for
AT_OFFICE = NOT_EVALUATED
MFA_DONE = _outcome("success", "notApplied", "notApplied", "reportOnlySuccess")
MFA_WANTED = _outcome("failure", "notApplied", "notApplied", "reportOnlyFailure")
BLOCKED = _outcome("notApplied", "notApplied", "failure", "reportOnlyNotApplied")
#: sources of the requirement in authenticationRequirementPolicies
BY_POLICY = [{"requirementProvider": "multiConditionalAccess", "detail": "Conditional Access"}]
