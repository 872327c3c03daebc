"""What the report says to people, in their words."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from entrawatch.hunt.run import Hunt, hunt
from entrawatch.hunt.words import label, laid_out, meaning, read, technique
from entrawatch.reading import Found, Where

from .test_hunt import CATALOGUE


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ipAddress", "IP address"), ("userPrincipalName", "user principal name"),
        ("entra.policy.exclusions_added", "policy exclusions added"), ("status.errorCode", "status error code"),
        ("location.countryOrRegion", "location country or region"), ("appDisplayName", "application display name"),
        ("id", "ID"), ("entra.target.app.id", "target application ID"), ("attempts", "attempts"),
        ("distinct userPrincipalName", "different values of user principal name"), ("entra.", "entra."),
        ("initiatedBy.user.userPrincipalName", "initiated by user principal name"),
    ],
)  # fmt: skip
def test_a_field_is_called_in_words(name: str, said: str) -> None:
    assert label(name) == said


def test_its_path_and_its_meaning_stand_beside_it() -> None:
    told = "entra.initiator.name: Derived: principal name of the user, else name of the application"
    assert meaning("entra.initiator.name", "audit") == told
    assert meaning("distinct userPrincipalName", "signin") == "userPrincipalName: Principal name of the user"
    assert meaning("nosuch", "signin") == "nosuch"


def test_techniques_have_their_names() -> None:
    assert technique("T1110.003") == "T1110.003 Password Spraying"
    assert technique("T1566") == "T1566 Phishing"
    assert technique("T9999") == "T9999"


def test_times_are_read_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    late = datetime(2026, 1, 7, 1, 0, 0, 999_000, tzinfo=east)
    assert read(late) == "2026-01-06 23:00:00"
    assert read(late, late - timedelta(hours=23)) == "23:00:00"
    assert read(late, late - timedelta(hours=24)) == "2026-01-06 23:00:00"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('{"a":[1,{"b":"ü"}]}', '{\n  "a": [\n    1,\n    {\n      "b": "ü"\n    }\n  ]\n}'),
        ("[]", None), ("{}", None), ("{", None), ("12", None), ('"x"', None), ("", None), ("plain", None),
        ("[" * 50_000, None),
    ],
)  # fmt: skip
def test_json_is_laid_out(value: str, shown: str | None) -> None:
    assert laid_out(value) == shown


def hunted(**record: Any) -> Hunt:
    base = {
        "id": "Directory_1", "activityDateTime": "2026-01-07T09:00:00Z", "result": "success", "category": "Policy",
        "activityDisplayName": "Update conditional access policy", "targetResources": [],
    }  # fmt: skip
    return hunt(CATALOGUE, [Found(Where("-", 1), {**base, **record})])


@pytest.mark.parametrize(
    ("initiator", "about"),
    [
        ({"user": {"userPrincipalName": "boss@contoso.example"}}, "by boss@contoso.example: Payroll"),
        ({"app": {"displayName": "deployer", "servicePrincipalId": "7"}}, "by deployer: Payroll"),
        ({}, "Payroll"),
        ({"app": {"displayName": "Payroll"}}, "by Payroll: "),
    ],
)
def test_the_headline_names_who_did_it_be_it_a_person_or_an_app(initiator: Any, about: str) -> None:
    target = [{"id": "d", "type": "Application", "displayName": "Payroll", "modifiedProperties": []}]
    (one,) = hunted(activityDisplayName="Add application", initiatedBy=initiator, targetResources=target).findings
    assert one.about() == about.removesuffix(": ")


def test_the_address_that_a_change_came_from_is_no_thing_that_was_changed() -> None:
    name, address = "msp@partner.example", "2001:db8::7"
    change = {
        "id": "Directory_1", "activityDateTime": "2026-01-07T09:00:00Z", "result": "success", "correlationId": "c0de",
        "activityDisplayName": "Add member to group", "category": "GroupManagement", "targetResources": [],
        "initiatedBy": {"user": {"userPrincipalName": name, "ipAddress": address}},
    }  # fmt: skip
    partner = {
        "id": "s", "createdDateTime": "2026-01-07T08:59:00Z", "userPrincipalName": name, "appId": "a",
        "correlationId": "c0de", "homeTenantId": "theirs", "resourceTenantId": "ours", "status": {"errorCode": 0},
    }  # fmt: skip
    found = hunt(CATALOGUE, [Found(Where("-", 1), change), Found(Where("-", 2), partner)]).findings
    assert [one.about() for one in found] == [f"by {name} from {address}"]


def test_a_finding_without_names_is_called_by_its_key() -> None:
    (one,) = hunted(activityDisplayName="Add application").findings
    assert one.about() == "Directory_1"
