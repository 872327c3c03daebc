"""Applications taken over: people consent to them, credentials are added to them.

Modified properties hold JSON text in every form that feeds show: quoted, quoted twice, bare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entrawatch.emulator.tenant_audits import quoted
from entrawatch.emulator.tenant_records import Row, audit, by_app, by_user, changed, target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrawatch.emulator.records import Label
    from entrawatch.emulator.scenarios.stage import Stage
    from entrawatch.interfaces import Record

#: as Entra ID writes it: an en dash, and a blank at the end
CREDENTIALS_ACTIVITY = "Update application \N{EN DASH} Certificates and secrets management "
_ADMIN_CONSENT = "ConsentContext.IsAdminConsent"


def written(stage: Stage, hours: float, number: int, activity: str, label: Label, **changes: Any) -> Row:
    """An audit record by one of the story's people, from one of its addresses."""
    when = stage.at(hours)
    values = {"initiatedBy": by_user(stage.cast(number), stage.lair(number).address), **changes}
    return Row(when, "directory_audits", audit(stage.dice, when, activity, **values), label)


def matched(stage: Stage, group: str, row: Row) -> Row:
    """The record as a finding of its own."""
    return row._replace(label=stage.match(group, id=row.record["id"]))


def _consent(stage: Stage, scopes: str, *properties: Record, **more: Any) -> dict[str, Any]:
    """What a consent record holds beside who and when."""
    grant = (
        f"[] => [[Id: {stage.dice.token()}, ClientId: {stage.dice.guid()}, PrincipalId: {stage.cast(0).id}, "
        f"ResourceId: {stage.world.guid(70)}, ConsentType: Principal, Scope: {scopes}, CreatedDateTime: , "
        "LastModifiedDateTime ]]; "
    )
    rest = (
        changed("ConsentContext.IsAppOnly", None, quoted("False")),
        changed("ConsentContext.OnBehalfOfAll", None, quoted("False")),
        changed("ConsentContext.Tags", None, quoted("WindowsAzureActiveDirectoryIntegratedApp")),
        changed("ConsentAction.Permissions", None, quoted(grant)),
    )  # fmt: skip
    app = target("ServicePrincipal", "Mail merge helper", stage.dice.guid(), *properties, *rest)
    return {"category": "ApplicationManagement", "operationType": "Assign", "targetResources": [app], **more}


def user_consent(stage: Stage) -> Iterator[Row]:
    """`Consent to application` where one property is ConsentContext.IsAdminConsent and its new value is False."""
    forms = (
        ("quoted", '"False"', "Mail.Read offline_access"),
        ("bare", "False", "User.Read"),
        ("quoted-twice", quoted('"False"'), "Files.Read.All"),
    )
    for turn, (group, value, scopes) in enumerate(forms):
        about = _consent(stage, scopes, changed(_ADMIN_CONSENT, None, value))
        yield matched(stage, group, written(stage, turn, turn, "Consent to application", stage.miss(""), **about))
    cases = (
        ("admin-consent", "Consent to application", changed(_ADMIN_CONSENT, None, quoted("True"))),
        ("value-in-another-property", "Consent to application", changed(_ADMIN_CONSENT, None, None)),
        ("old-value", "Consent to application", changed(_ADMIN_CONSENT, quoted("False"), quoted("True"))),
        ("other-activity", "Add delegated permission grant", changed(_ADMIN_CONSENT, None, quoted("False"))),
    )
    for turn, (case, activity, flag) in enumerate(cases):
        yield written(stage, 4 + turn, 3 + turn, activity, stage.miss(case), **_consent(stage, "User.Read", flag))
    about = _consent(stage, "User.Read", changed(_ADMIN_CONSENT, None, quoted("True")))
    about["targetResources"].append(
        target("Other", None, stage.dice.guid(), changed("ConsentContext.Kind", None, quoted("False")))
    )
    yield written(stage, 9, 8, "Consent to application", stage.miss("value-in-another-target"), **about)


def _keys(stage: Stage, count: int) -> str:
    """KeyDescription: a JSON array of texts, one a credential."""
    return quoted([
        f"[KeyIdentifier={stage.world.guid(71, number)},KeyType=Password,KeyUsage=Verify,DisplayName=key {number}]"
        for number in range(count)
    ])  # fmt: skip


def _credentials(stage: Stage, *properties: Record) -> dict[str, Any]:
    named = changed("Included Updated Properties", None, quoted("KeyDescription"))
    app = target("Application", "crm-connector", stage.world.guid(72), *properties, named)
    return {"category": "ApplicationManagement", "operationType": "Update", "targetResources": [app]}


def credentials_added(stage: Stage) -> Iterator[Row]:
    """More credentials in the new value than in the old, which is not empty."""
    grown = changed("KeyDescription", _keys(stage, 1), _keys(stage, 2))
    principal = "Add service principal credentials"
    for turn, (group, activity) in enumerate(
        (("spaced", CREDENTIALS_ACTIVITY), ("trimmed", CREDENTIALS_ACTIVITY.strip()), ("principal", principal))
    ):
        yield matched(stage, group, written(stage, turn, turn, activity, stage.miss(""), **_credentials(stage, grown)))
    pipeline = by_app("build-agent", stage.world.guid(73))
    row = written(
        stage, 3, 3, CREDENTIALS_ACTIVITY, stage.miss(""), **{**_credentials(stage, grown), "initiatedBy": pipeline}
    )
    yield matched(stage, "by-program", row)
    cases = (
        ("first-credential", (changed("KeyDescription", "[]", _keys(stage, 1)),)),
        ("no-old-value", (changed("KeyDescription", None, _keys(stage, 1)),)),
        ("rotated", (changed("KeyDescription", _keys(stage, 1), _rotated(stage)),)),
        ("removed", (changed("KeyDescription", _keys(stage, 2), _keys(stage, 1)),)),
        (
            "old-and-new-apart",
            (changed("KeyDescription", _keys(stage, 1), None), changed("KeyDescription.New", None, _keys(stage, 2))),
        ),
    )
    for turn, (case, properties) in enumerate(cases):
        yield written(
            stage, 5 + turn, 4 + turn, CREDENTIALS_ACTIVITY, stage.miss(case), **_credentials(stage, *properties)
        )
    yield written(stage, 11, 9, "Update application", stage.miss("other-activity"), **_credentials(stage, grown))


def _rotated(stage: Stage) -> str:
    return _keys(stage, 1).replace(stage.world.guid(71, 0), stage.world.guid(71, 9))
