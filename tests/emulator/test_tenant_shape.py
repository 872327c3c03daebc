"""Every field of every made record against Microsoft's types, and against the product's own field table."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from entrawatch.emulator.tenant import TenantOptions, generate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrawatch.emulator.records import Emitted

SCHEMAS = Path(__file__).parents[2].parent / "shared" / "schemas"
RESOURCES = {
    "interactive": "SignIn", "non_interactive": "SignIn", "service_principal": "SignIn", "managed_identity": "SignIn",
    "directory_audits": "DirectoryAudit", "provisioning": "ProvisioningObjectSummary",
    "risk_detections": "RiskDetection", "risky_users": "RiskyUser",
    "service_principal_risk_detections": "ServicePrincipalRiskDetection",
    "risky_service_principals": "RiskyServicePrincipal",
}  # fmt: skip
#: fields that real records have beside the documented ones
UNDOCUMENTED = {
    "AuditUserIdentity": {"roles", "userType"},
    "TargetResource": {"administrativeUnits"},
}
PLAIN = {"str": str, "int": int, "bool": bool, "float": float}
ENTITY_TIMES = {"datetime.datetime"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z")


@lru_cache(maxsize=1)
def records() -> tuple[Emitted, ...]:
    return tuple(generate(TenantOptions(seed=9, users=25)))


@lru_cache(maxsize=1)
def types() -> dict[str, dict[str, str]]:
    """Type → field → its type's name, with what it inherits; an enumeration holds its values under ""."""
    if not SCHEMAS.exists():
        pytest.skip(f"{SCHEMAS} is not here: Microsoft's types cannot be compared")
    text = "\n".join((SCHEMAS / name).read_text() for name in ("beta_resources.md", "beta_types_enums.md"))
    found: dict[str, dict[str, str]] = {"Entity": {"id": "str"}, "Identity": {"id": "str", "displayName": "str"}}
    bases = {}
    for section in re.split(r"(?m)^## ", text)[1:]:
        name, parents = re.match(r"(\w+) \( (.*) \)", section).groups()
        fields = dict(re.findall(r"(?m)^- ([\w@.]+): ([\w\[\].]+)", section))
        found.setdefault(name, {}).update(fields)
        values = re.search(r"(?m)^    \[(.*)\]", section)
        if values:
            found[name][""] = values.group(1)
        bases[name] = [parent.strip() for parent in parents.split(",")]
    return {name: _with_bases(name, found, bases) for name in found}


def _with_bases(name: str, found: dict[str, dict[str, str]], bases: dict[str, list[str]]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for parent in bases.get(name, []):
        if parent in found:
            merged.update(_with_bases(parent, found, bases))
    return {**merged, **found[name]}


def faults(value: Any, kind: str, where: str) -> Iterator[str]:
    """What is wrong with a value of this type."""
    if value is None:
        return
    if kind.startswith("list["):
        assert isinstance(value, list), where
        for item in value:
            yield from faults(item, kind[5:-1], where + "[]")
    elif kind in PLAIN or kind in ENTITY_TIMES:
        if not plain(value, kind):
            yield f"{where}: {value!r} is no {kind}"
    elif "" in types().get(kind, {}):
        yield from (f"{where}: {part!r} is none of {kind}" for part in str(value).split(",") if not known(part, kind))
    else:
        yield from object_faults(value, kind, where)


def plain(value: Any, kind: str) -> bool:
    """A text, a number, a truth or a time."""
    if kind in ENTITY_TIMES:
        return bool(TIME.fullmatch(value))
    return type(value) is PLAIN[kind] or (kind == "float" and type(value) is int)


def known(part: str, kind: str) -> bool:
    """A value of the enumeration."""
    return f"'{part}'" in types()[kind][""]


def object_faults(value: Any, kind: str, where: str) -> Iterator[str]:
    """An object's fields; a type that Microsoft lists without fields may be any object, an enumeration any text."""
    fields = types().get(kind)
    if fields is None:
        assert isinstance(value, (dict, str)), where
        return
    for name, item in value.items():
        if name in fields:
            yield from faults(item, fields[name], f"{where}.{name}")
        elif name not in UNDOCUMENTED.get(kind, set()):
            yield f"{where}.{name}: {kind} has no such field"


def test_every_field_has_microsofts_type() -> None:
    some = [e for number, e in enumerate(records()) if number % 4 == 0 or RESOURCES[e.stream] != "SignIn" or e.label]
    wrong = {fault for e in some for fault in faults(e.record, RESOURCES[e.stream], e.stream)}
    assert wrong == set()


@pytest.mark.parametrize("stream", RESOURCES)
def test_every_documented_field_is_there(stream: str) -> None:
    documented = set(types()[RESOURCES[stream]]) - {"@odata.type", "history"}
    made = {name for e in records() if e.stream == stream for name in e.record}
    assert documented - made == set()


def test_all_records_of_a_stream_have_the_same_fields() -> None:
    shapes: dict[str, set[tuple[str, ...]]] = {}
    for e in records():
        shapes.setdefault(e.stream, set()).add(tuple(sorted(e.record)))
    assert {stream: len(kinds) for stream, kinds in shapes.items()} == dict.fromkeys(RESOURCES, 1)


def test_the_normaliser_knows_what_is_made() -> None:
    """Every record becomes an event, and each kind of record the shape of its stream."""
    normalize = pytest.importorskip("entrawatch.normalize").normalize
    from entrawatch.schema.streams import STREAMS

    for e in records()[::7]:
        event = normalize(e.record, STREAMS[e.stream])
        assert event["event"]["id"]
        assert event["entra"]["stream"] == e.stream
