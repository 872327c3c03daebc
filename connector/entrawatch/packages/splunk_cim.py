"""Events in the names of Splunk's Common Information Model, as expressions of eval over the event's own fields.

Every field of the schema that has a CIM name (`Field.cim`) is given under it: the first of its sources that is there
and not empty. What CIM wants in words or units of its own is computed here. Calculated fields do not see each other, so
each is made of the event's fields alone.

Models: https://help.splunk.com/en/splunk-enterprise-security-7/common-information-model/5.2/data-models/authentication
and …/data-models/change; which fields are required and which words are allowed:
https://github.com/splunk/pytest-splunk-addon/tree/main/pytest_splunk_addon/data_models
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.dialects.base import Unsupported
from entrawatch.dialects.spl_fields import NORMALIZED, Names
from entrawatch.dialects.spl_text import Spl, string, variable
from entrawatch.rules.ir import FieldRef
from entrawatch.schema.fields import ROOTS, of_family

if TYPE_CHECKING:
    from entrawatch.schema.fields import Field

_VENDOR = string("Microsoft Entra ID")
_SIGNIN, _AUDIT = (f"{ROOTS[family]}.properties." for family in ("signin", "audit"))
_SUCCESS, _FAILURE = string("success"), string("failure")
#: ECS event.outcome → CIM action; an interrupt is a sign-in that goes on
_OUTCOMES = {"success": "success", "failure": "failure", "unknown": "pending"}
#: audit operationType → CIM action
_ACTIONS = {"add": "created", "create": "created", "delete": "deleted"}


def calculated(family: str) -> dict[str, Spl]:
    """CIM name → expression, for the events of one family; sorted by name."""
    found = {**_named(family), **_computed(family), "vendor_product": _VENDOR}
    return dict(sorted(found.items()))


def _named(family: str) -> dict[str, Spl]:
    """What the schema names: one expression for all fields of one CIM name."""
    sources: dict[str, list[Spl]] = {}
    for field in of_family(family):
        if field.cim and not field.cim.startswith("_"):
            sources.setdefault(field.cim, []).extend(_stored(field))
    return {name: _first(*values) for name, values in sources.items() if values}


def _stored(field: Field) -> list[Spl]:
    """The field as the event has it; nothing where a search cannot ask for it."""
    try:
        path = Names(field.family, NORMALIZED).path(FieldRef(field.name, many=field.many))
    except Unsupported:
        return []
    # nullif compares one value; of several none is empty, since the normaliser leaves those out
    return [variable(path)] if "{}" in path else [_given(path)]


def _computed(family: str) -> dict[str, Spl]:
    if family == "signin":
        return _signin()
    return _audit() if family == "audit" else {}


def _signin() -> dict[str, Spl]:
    outcome = variable("event.outcome")
    seconds = Spl(f"{variable(f'{_SIGNIN}processing_time_ms')}/1000")
    succeeded = Spl(f"{outcome}={_SUCCESS}")
    reason = _given(f"{_SIGNIN}status.failure_reason")
    who = ("user_principal_name", "service_principal_name", "service_principal_id", "app_display_name")
    return {
        "action": _worded(outcome, _OUTCOMES, "error"),
        "app": _first(*_of(_SIGNIN, "app_display_name", "service_principal_name", "app_id")),
        "authentication_method": _first(
            variable(f"{_SIGNIN}authentication_details{{}}.authentication_method"),
            *_of(_SIGNIN, "authentication_requirement"),
        ),
        "dest": _first(*_of(_SIGNIN, "resource_display_name", "resource_id", "app_display_name"), _VENDOR),
        "duration": seconds,
        "response_time": seconds,
        "reason": _first(*_of(_SIGNIN, "status.additional_details"), Spl(f"if({succeeded}, null(), {reason})")),
        "signature": Spl(f"if({succeeded}, {string('Sign-in succeeded')}, {reason})"),
        # a managed identity has no address: it is its machine
        "src": _first(*_of("", "source.ip"), *_of(_SIGNIN, "service_principal_name", "service_principal_id")),
        "src_ip": variable("source.ip"),
        "user": _first(*_of(_SIGNIN, *who), *_of("", "user.id")),
        "user_id": _first(*_of(_SIGNIN, "user_id", "service_principal_id")),
        "user_type": _first(*_of(_SIGNIN, "user_type"), *_of("", "entra.stream")),
        "vendor_account": _given("entra.tenant_id"),
    }


def _audit() -> dict[str, Spl]:
    actor = _of("", "entra.initiator.name", "entra.user_principal_name")
    target = _of("", "entra.target.user.name")
    return {
        "action": _worded(Spl(f"lower({variable(f'{_AUDIT}operation_type')})"), _ACTIONS, "modified"),
        "change_type": _first(*_of(_AUDIT, "category"), string("AAA")),
        "dest": _first(*_of(_AUDIT, "logged_by_service"), _VENDOR),
        "dvc": _VENDOR,
        "object": _first(*_of("", "entra.target.name", "entra.target.id"), *_of(_AUDIT, "activity_display_name")),
        "object_attrs": _first(variable("entra.modified.names{}"), *_of(_AUDIT, "activity_display_name")),
        "object_category": _first(Spl(f"lower({_given('entra.target.type')})"), string("directory object")),
        "object_id": _first(*_of("", "entra.target.id"), *_of(_AUDIT, "id")),
        "result": _first(*_of(_AUDIT, "result_reason", "result")),
        "src": _first(*_of("", "source.ip"), *actor, _VENDOR),
        "src_ip": variable("source.ip"),
        "src_user": _first(*actor, _VENDOR),
        "status": Spl(f"if(lower({variable(f'{_AUDIT}result')})={_SUCCESS}, {_SUCCESS}, {_FAILURE})"),
        # of a change to an account the account is the user, of any other the one who made it
        "user": _first(*target, *actor, _VENDOR),
        "vendor_account": _given("entra.tenant_id"),
    }


def _worded(value: Spl, words: dict[str, str], otherwise: str) -> Spl:
    pairs = [f"{value}={string(said)}, {string(cim)}" for said, cim in words.items()]
    return Spl(f"case({', '.join(pairs)}, true(), {string(otherwise)})")


def _of(root: str, *names: str) -> list[Spl]:
    return [_given(root + name) for name in names]


def _given(path: str) -> Spl:
    return Spl(f'nullif({variable(path)}, "")')


def _first(*values: Spl) -> Spl:
    return values[0] if len(values) == 1 else Spl(f"coalesce({', '.join(values)})")
