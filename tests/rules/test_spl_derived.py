"""The `entra.*` fields as a search computes them from the envelope are what the normaliser derives from the record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrawatch.dialects.base import Unsupported
from entrawatch.dialects.spl_changes import DERIVED, commands
from entrawatch.dialects.spl_fields import ENVELOPE, NORMALIZED, Names
from entrawatch.rules.names import resolver
from entrawatch.schema.fields import of_family

from .judge import fold, rows
from .splunk import index
from .test_catalogue import CATALOGUE
from .test_spl import NULLS, spl

FIELDS = [name for name in DERIVED if "." in name or name in {"ipAddress", "userPrincipalName"}]


def _change(name: str, new: Any, old: Any = None) -> dict[str, Any]:
    return {"displayName": name, "newValue": new, "oldValue": old}


def _quoted(text: str, times: int) -> str:
    for _ in range(times):
        text = json.dumps(text)
    return text


_TEXTS = st.sampled_from(["False", "True", "Global Administrator", "Mail.Read Files.Read.All", "offline_access", "o'h"])
_VALUES = st.one_of(st.none(), st.just(""), st.builds(_quoted, _TEXTS, st.integers(0, 2)))
_KEYS = st.lists(
    st.sampled_from(["[KeyIdentifier=a1,KeyType=Password]", "[KeyIdentifier=b2,KeyUsage=Verify]", "", "[KeyType=X]"]),
    max_size=3,
).map(json.dumps)
_KEY_TEXTS = st.one_of(
    st.none(), st.just(""), st.just("[1"), st.just("{}"), st.builds(_quoted, _KEYS, st.integers(0, 1))
)
_CONSENTS = st.sampled_from(
    [
        "[] => [[Id: 1, ConsentType: Principal, Scope: User.Read Mail.Read, Extra: x]]; ",
        "[[Scope: User.Read]] => [[Id: 1, ConsentType: AllPrincipals, Scope: Mail.Send], [Scope:  offline_access ]]",
        "[[Id: 1, Scope: Files.Read.All]]",
        "=>",
        "Scope:, ConsentType: ",
    ]
)
_POLICIES = st.fixed_dictionaries(
    {
        "state": st.sampled_from(["enabled", "disabled", ""]),
        "displayName": st.sampled_from(["P", "", None]),
        "conditions": st.fixed_dictionaries(
            {},
            optional={
                "users": st.fixed_dictionaries(
                    {"excludeUsers": st.lists(st.sampled_from(["u1", "u2", ""]), max_size=2)},
                    optional={"excludeGroups": st.just(["g1"]), "excludeRoles": st.none()},
                ),
                "locations": st.fixed_dictionaries({"excludeLocations": st.lists(st.just("l1"), max_size=2)}),
            },
        ),
    }
)
_POLICY_TEXTS = st.one_of(
    st.sampled_from([None, "", "{", "[]", "5"]),
    st.builds(lambda policy, times: _quoted(json.dumps(policy), times), _POLICIES, st.integers(0, 2)),
    st.builds(lambda policy: json.dumps([policy]), _POLICIES),
)
_CHANGES = st.lists(
    st.one_of(
        st.builds(_change, st.sampled_from(["ConsentContext.IsAdminConsent", "ConsentContext.IsAppOnly"]), _VALUES),
        st.builds(_change, st.sampled_from(["Role.DisplayName", "AppRole.Value", "Other"]), _VALUES, _VALUES),
        st.builds(_change, st.just("DelegatedPermissionGrant.Scope"), _VALUES, _VALUES),
        st.builds(_change, st.just("KeyDescription"), _KEY_TEXTS, _KEY_TEXTS),
        st.builds(_change, st.just("ConditionalAccessPolicy"), _POLICY_TEXTS, _POLICY_TEXTS),
        st.builds(_change, st.just("ConsentAction.Permissions"), st.builds(_quoted, _CONSENTS, st.integers(0, 2))),
    ),
    max_size=4,
)
_NAMES = st.sampled_from([None, "", "ada@contoso.example", "Ada"])
_TARGETS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from([None, "User", "Application", "ServicePrincipal", "Group", "Role", "Policy"]),
            "id": st.sampled_from([None, "", "t1", "t2"]),
            "displayName": _NAMES,
            "userPrincipalName": _NAMES,
            "modifiedProperties": _CHANGES,
        }
    ),
    max_size=3,
)
_ADDRESSES = st.sampled_from(
    [None, "", "203.0.113.7", "203.0.113.7:443", "[2001:db8::1]:443", "2001:db8::1", "{ip}", "1.2.3", "fe80::1%eth0"]
)
_USERS = st.fixed_dictionaries({"id": _NAMES, "userPrincipalName": _NAMES, "ipAddress": _ADDRESSES})
_APPS = st.fixed_dictionaries({"displayName": _NAMES, "servicePrincipalName": _NAMES})
_RECORDS = st.builds(
    lambda targets, user, app: {
        "id": "a1",
        "activityDateTime": "2026-01-07T09:00:00Z",
        "activityDisplayName": "x",
        "initiatedBy": {"user": user, "app": app},
        "targetResources": targets,
    },
    _TARGETS,
    st.none() | _USERS,
    st.none() | _APPS,
)


@settings(max_examples=300, deadline=None)
@given(_RECORDS)
def test_a_field_is_computed_as_the_normaliser_derives_it(record: dict[str, Any]) -> None:
    (row,) = rows([("directory_audits", record)])
    resolve = resolver("audit")
    names = Names("audit", ENVELOPE)
    columns = {field: names.path(resolve(field)) for field in FIELDS}
    table = f"table _time {' '.join(columns.values())}"
    lines = ["`entrawatch_audit_azure_monitor_aad`", *commands(names.computed), table]
    wanted = {field: {fold(value) for value in row.values(resolve(field))} for field in FIELDS}
    for nulls in NULLS[ENVELOPE]:
        engine = index([row], spl(ENVELOPE).macros([]), ENVELOPE, nulls)
        (result,) = engine.run("\n| ".join(lines), 0, 4e9)
        found = {field: _values(result.get(column)) for field, column in columns.items()}
        assert found == wanted


def _values(value: Any) -> set[str]:
    found = value if isinstance(value, list) else [] if value is None else [value]
    return {fold(one) for one in found} - {""}


@pytest.mark.parametrize("source", ["signin", "audit"])
def test_every_field_of_our_own_events_is_found_or_refused(source: str) -> None:
    """Every field that the normaliser placed is where the dialect says."""
    seen = 0
    resolve = resolver(source)
    records = [record for rule in CATALOGUE.rules.values() for case in rule.cases for record in case.records]
    for row in rows(records):
        if row.source != source:
            continue
        (event,) = index([row], {}, NORMALIZED).events
        for field in of_family(source):
            if field.type in {"object", "flattened", "geo_point", "date"} or field.name.startswith("envelope."):
                continue
            ref = resolve(field.name)
            try:
                path = Names(source, NORMALIZED).path(ref)
            except Unsupported:
                continue
            wanted = {fold(value) for value in row.values(ref)}
            if field.name == "signInEventTypes" and not wanted:
                continue  # the normaliser knows it from the stream
            assert _values(event.get(path)) == wanted, (field.name, path)
            seen += bool(wanted)
    assert seen > 100
