"""Which findings lie in a range of time: those of which an event does.

A finding that begins before the range and ends behind it may have nothing in it: an attack of Monday and Friday is none
of Wednesday's. So the times of its events are looked up; the first and the last one say enough of all the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import duckdb

    from entrawatch.hunt.findings import Finding


def in_range(
    found: Sequence[Finding],
    connection: duckdb.DuckDBPyConnection,
    sources: Sequence[str],
    since: Optional[datetime],
    until: Optional[datetime],
) -> list[Finding]:
    """The findings of which an event lies in [since, until).

    :param since: None for no beginning.
    :param until: None for no end.
    """
    near = [one for one in found if (not since or one.last_event >= since) and (not until or one.first_event < until)]
    if not since or not until:
        return near
    # of one whose events are not all named, one that is not may lie there
    around = [one for one in near if one.first_event < since and one.last_event >= until and _all_named(one)]
    outside = _without_events(around, connection, sources, since, until) if around else set()
    return [one for one in near if id(one) not in outside]


def _all_named(finding: Finding) -> bool:
    return len(finding.event_ids) >= finding.measures["events"]


def _without_events(
    found: Sequence[Finding],
    connection: duckdb.DuckDBPyConnection,
    sources: Sequence[str],
    since: datetime,
    until: datetime,
) -> set[int]:
    """Identities of those without an event in the range, whichever source it stands in."""
    pairs = [(place, id_) for place, one in enumerate(found) for id_ in one.event_ids]
    table = pa.table({"place": [place for place, _ in pairs], "id": [id_ for _, id_ in pairs]})
    events = " UNION ALL ".join(
        f'SELECT "event.id" AS id FROM {source} WHERE "@timestamp" >= $1 AND "@timestamp" < $2'  # noqa: S608 - of ours
        for source in sources
    )
    connection.register("asked", table)
    query = f"SELECT DISTINCT place FROM asked SEMI JOIN ({events}) USING (id)"  # noqa: S608 - the same
    inside = {place for (place,) in connection.execute(query, [since, until]).fetchall()}
    connection.unregister("asked")
    return {id(one) for place, one in enumerate(found) if place not in inside}
