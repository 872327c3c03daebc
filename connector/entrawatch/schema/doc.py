"""docs/fields.md, written from the field table: `python -m entrawatch.schema.doc > docs/fields.md`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from entrawatch.schema.fields import ROOTS, Field, of_family

if TYPE_CHECKING:
    from collections.abc import Iterator

_TITLES = {
    "common": "What every event can have",
    "signin": "Sign-ins",
    "audit": "Directory audits",
    "provisioning": "Provisioning",
    "risk_detection": "Risk detections",
    "risky_object": "Risky users and service principals",
}
_INTRODUCTION = """# The fields

Written from the field table by `python -m entrawatch.schema.doc`; do not edit.

Rules ask for a field by its Graph path, the first column; they may also use its place in diagnostic settings
(`properties.` before the Graph path), its Log Analytics column, its path in the event, or an alias, in any case.
`[]` marks a list. In the Graph column, 1 is v1.0 and b is beta; a field with neither comes with exports only, or is
derived by us. `*` in a path stands for the keys 0, 1, … of a list that the event holds as an object. Fields below a
`flattened` one are text to a store.
"""
_COLUMNS = "| Field | Type | Graph | In the event | Splunk CIM | Log Analytics | Aliases | |"
_HEAD = f"{_COLUMNS}\n{'|---' * 8}|\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _row(field: Field) -> str:
    graph = ("1" if field.v1 else "") + ("b" if field.beta else "")
    kind = field.type + ("[]" if field.many else "")
    aliases = ", ".join(_code(alias) for alias in field.aliases)
    cells = (
        _code(field.name), kind, graph, _code(field.ecs), _code(field.cim), _code(field.column), aliases,
        field.description,
    )  # fmt: skip
    return "| " + " | ".join(map(_cell, cells)) + " |\n"


def _short(field: Field) -> str:
    kind = field.type + ("[]" if field.many else "")
    return f"| `{field.ecs}` | {kind} | {_cell(field.description)} |\n"


def _parts() -> Iterator[str]:
    yield _INTRODUCTION
    for family in ROOTS:
        yield f"\n## {_TITLES[family]}\n\n{_HEAD}"
        yield from map(_row, of_family(family))
    yield f"\n## {_TITLES['common']}\n\n| Field | Type | |\n|---|---|---|\n"
    yield from map(_short, of_family("common"))


def text() -> str:
    """The whole document."""
    return "".join(_parts())


if __name__ == "__main__":
    sys.stdout.write(text())
