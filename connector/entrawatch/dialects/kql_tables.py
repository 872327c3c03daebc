"""Microsoft's tables in a Log Analytics workspace: which hold a source, and how each names and types a field.

The same column can be `dynamic` in one table and JSON text in another, so every table is read with its own types and
brought to one spelling before the union.

https://learn.microsoft.com/azure/azure-monitor/reference/tables-index
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from entrawatch.dialects.base import Unsupported
from entrawatch.dialects.kql_audit import INLINE
from entrawatch.dialects.kql_text import Merged, Pipe, Step, spelled, step
from entrawatch.rules import ir
from entrawatch.schema.fields import Field, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: source → its tables
TABLES = {
    "signin": (
        "SigninLogs",
        "AADNonInteractiveUserSignInLogs",
        "AADServicePrincipalSignInLogs",
        "AADManagedIdentitySignInLogs",
    ),
    "audit": ("AuditLogs",),
}
#: fields of every event, by the columns of every table
_COMMON = {"@timestamp": "TimeGenerated", "event.id": "Id"}
#: where a table calls a column otherwise than the others
_RENAMED = {("AADNonInteractiveUserSignInLogs", "ProcessingTimeInMilliseconds"): "ProcessingTimeInMs"}
#: what a table says by being the table it is: neither has the column, and none of their sign-ins is interactive
_FIXED = {
    ("AADServicePrincipalSignInLogs", "isInteractive"): "false",
    ("AADManagedIdentitySignInLogs", "isInteractive"): "false",
}
_NOTHING = {"number": "long(null)", "boolean": "bool(null)", "time": "datetime(null)"}


@cache
def columns() -> dict[str, dict[str, str]]:
    """Table → column → its KQL type, for the columns that the schema's fields need."""
    lines = Path(__file__).with_name("kql_columns.tsv").read_text(encoding="utf-8").splitlines()
    tables = lines[0].split("\t")[1:]
    found: dict[str, dict[str, str]] = {table: {} for table in tables}
    for line in lines[1:]:
        name, *types = line.split("\t")
        for table, kind in zip(tables, types):
            if kind:
                found[table][name] = kind
    return found


def known(ref: ir.FieldRef, source: str) -> Field:
    """The schema's field.

    :raises Unsupported: the tables have no such thing.
    """
    field = resolve(ref.name, source)
    if field is None:
        raise Unsupported(ref, f"the {source} source has no field {ref.name}")
    return field


def _path(table: str, field: Field) -> Optional[list[str]]:
    """The column in this table and the keys below it; None where the table has none."""
    column, *keys = (_COMMON.get(field.name) or field.column or "-").split(".")
    column = _RENAMED.get((table, column), column)
    return [column, *keys] if column in columns()[table] else None


def native(table: str, ref: ir.FieldRef, source: str) -> Optional[str]:
    """How this table says the field, with the type that the field has everywhere; None where it cannot."""
    field = known(ref, source)
    if source == "audit" and field.name in INLINE:
        return INLINE[field.name]
    fixed = _FIXED.get((table, field.name))
    path = _path(table, field)
    if fixed or path is None:
        return fixed
    column, *keys = path
    kind = columns()[table][column]
    if keys and kind == "string":
        return _typed(".".join([f"parse_json({column})", *keys]), "dynamic", ref, field)
    return _typed(".".join(path), "dynamic" if keys else kind, ref, field)


def _typed(value: str, kind: str, ref: ir.FieldRef, field: Field) -> str:
    if ref.many:
        return value if kind == "string" else f"tostring({value})"
    wanted = {"number": "long", "boolean": "bool", "time": "datetime"}.get(ref.kind, "string")
    if ref.kind == "number" and field.type == "double":
        wanted = "double"
    return value if kind == wanted else f"to{wanted}({value})"


def nothing(ref: ir.FieldRef) -> str:
    """The field where it is absent, typed."""
    return '""' if ref.many else _NOTHING.get(ref.kind, '""')


def _outcome(node: ir.Predicate, absent: frozenset[str]) -> Optional[bool]:
    """What a predicate comes to where these fields are absent; None where it depends on the row."""
    if isinstance(node, ir.Not):
        inner = _outcome(node.of, absent)
        return None if inner is None else not inner
    if isinstance(node, (ir.And, ir.Or)):
        decisive = isinstance(node, ir.Or)
        outcomes = {_outcome(part, absent) for part in node.of}
        if decisive in outcomes:
            return decisive
        return None if None in outcomes else not decisive
    names = {node.field.name} | ({node.other.name} if isinstance(node, ir.SameAs) else set())
    return False if names & absent else None


def holding(source: str, wheres: Sequence[ir.Predicate], fields: Iterable[ir.FieldRef]) -> list[str]:
    """The source's tables that can hold a row which passes one of the predicates.

    By law a test of an absent field is false and its negation true. So a table without a field's column gives each
    test of it a fixed outcome; where these alone make every predicate false, none of its rows can pass, and leaving the
    table out changes nothing.

    :raises Unsupported: a field that no table has.
    """
    found = []
    fields = list(fields)
    for ref in fields:
        if all(native(table, ref, source) is None for table in TABLES[source]):
            raise Unsupported(ref, f"no table of the {source} source has a column for {ref.name}")
    for table in TABLES[source]:
        absent = frozenset(ref.name for ref in fields if native(table, ref, source) is None)
        if any(_outcome(where, absent) is not False for where in wheres):
            found.append(table)
    return found or [TABLES[source][0]]


def rows(
    tables: Sequence[str],
    source: str,
    fields: Sequence[ir.FieldRef],
    first: Sequence[Step],
    beside: Sequence[str] = (),
) -> Pipe:
    """The rows of these tables, each brought to the fields' own names and types.

    :param first: what each table is cut down by, in its own columns.
    :param beside: further columns.
    """
    pipes = [Pipe(table, (*first, step("project", *_projected(table, source, fields), *beside))) for table in tables]
    return pipes[0] if len(pipes) == 1 else Pipe(Merged(tuple(pipes)))


def _projected(table: str, source: str, fields: Sequence[ir.FieldRef]) -> list[str]:
    found = ["TimeGenerated"]
    for ref in sorted(fields, key=lambda ref: ref.name):
        name, value = spelled(ref.name), native(table, ref, source) or nothing(ref)
        if ref.name not in {"@timestamp"} and name not in found:
            found.append(name if name == value else f"{name} = {value}")
    return found
