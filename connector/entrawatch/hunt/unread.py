"""Policies that the normaliser could not read: what a finding shows instead of their old and new values.

Entra cuts long values of modified properties off. Half a policy is no JSON, so nothing is derived of it, and a hole in
it is not seen; the text itself is all that can be shown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from entrawatch.hunt.changes import pairs
from entrawatch.hunt.columns import Column

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

    from entrawatch.hunt.findings import Finding
    from entrawatch.interfaces import Event

#: the column of these texts, and what they are called in a finding's evidence
UNREAD = "entra.unread"
#: the modified property of which the normaliser derives `entra.policy`
_POLICY = "ConditionalAccessPolicy"


_SIDES = Column("policy", "", ("entra", "policy"), many=False)
_CHANGES = Column("changes", "VARCHAR[]", ("entra", "modified", "changes"), many=True)


class _Unread(Column):
    def value(self, event: Event) -> Any:
        """The policies of which the old or the new is missing, as `name=new (old)`; None where there is none."""
        held = _SIDES.value(event)
        if type(held) is dict and {key.partition("_")[0] for key in held} >= {"old", "new"}:
            return None
        return [text for text in _CHANGES.value(event) if text.partition("=")[0].strip() == _POLICY] or None


#: what the hunt's table of audit events has beside the rules' fields
COLUMN = _Unread(UNREAD, "VARCHAR[]", (), many=True)


def with_unread(connection: duckdb.DuckDBPyConnection, found: Iterable[Finding]) -> list[Finding]:
    """The findings; those that show an old and a new value have the texts in their evidence that could not be read."""
    query = f'SELECT "event.id", "{UNREAD}" FROM audit WHERE "{UNREAD}" IS NOT NULL'  # noqa: S608 - constants
    texts = dict(connection.execute(query).fetchall())
    return [_with(one, texts) if texts and any(pairs(one.evidence)) else one for one in found]


def _with(finding: Finding, texts: dict[str, list[str]]) -> Finding:
    held = sorted({text for event in finding.event_ids for text in texts.get(event, ())})
    return replace(finding, evidence={**finding.evidence, UNREAD: tuple(held)}) if held else finding
