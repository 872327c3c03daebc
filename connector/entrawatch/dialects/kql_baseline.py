"""A baseline of networks in KQL: what was known at each moment that a finding asks about, exactly.

Day by day and person by person, the first and the last success from an address: that is enough to know how many
persons a day had before any moment, since a lookback cuts at most one end off a day. The moment of a single event is
the event's own time, that of a window its end.

A scheduled query sees no more than its query period. That must reach back further than the lookback and what the rule
itself looks at, or the first record in sight would be taken for the beginning of the logs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.dialects import kql_tables
from entrawatch.dialects.base import Unsupported
from entrawatch.dialects.kql_reading import Reading, with_present
from entrawatch.dialects.kql_text import Let, Merged, Pipe, span, spelled, step, where

if TYPE_CHECKING:
    from entrawatch.rules import ir
    from entrawatch.rules.rule import Baseline

_DAY = 86400


def outside(baseline: Baseline, asked: ir.Outside, hits: Pipe, moment: str, since: str) -> tuple[list[Let], Pipe]:
    """The tables that it needs, and the hits whose address, and country, the baseline did not know.

    :param moment: up to when it has learnt, for a row of `hits`.
    :param since: the earliest moment that is asked about; "" to learn from all that the query may see.
    """
    if asked.address.many or (asked.country and asked.country.many):
        raise Unsupported(asked, "a list of addresses against a baseline")
    if baseline.lookback.total_seconds() < _DAY:
        raise Unsupported(asked, "a lookback of less than a day may cut both ends off a day")
    address = spelled(asked.address.name)
    columns = [f"Address = tolower({address})"]
    columns += [f"Country = tolower({spelled(asked.country.name)})"] if asked.country else []
    hits = hits.then(
        *where(f"isnotempty({address})"),
        step("extend", *columns),
        step("extend", f"Moment = max_of({moment}, learnt_since + {span(baseline.lookback)})"),
    )
    unknown = Pipe("hits").then(step("join kind=leftanti known_addresses on Address, Moment"))
    lets = [
        Let("learnt_since", _begun(baseline)),
        *_learnt(baseline, since),
        Let("hits", hits),
        Let("known_addresses", _known(baseline, "hits", "Address", "Address")),
    ]
    if asked.country:
        lets += [
            Let("strangers", unknown),
            Let("known_countries", _known(baseline, "strangers", "Country", "Address, Country")),
        ]
        unknown = Pipe("strangers").then(step("join kind=leftanti known_countries on Country, Moment"))
    return lets, unknown


def _begun(baseline: Baseline) -> Pipe:
    """When the logs begin: nothing is judged by less than one lookback, lest a cold start flags everything."""
    first = step("summarize", "TimeGenerated = min(TimeGenerated)")
    tables = [Pipe(table, (first,)) for table in kql_tables.TABLES[baseline.source]]
    merged = Pipe(Merged(tuple(tables))).then(step("summarize", "min(TimeGenerated)"))
    return merged.wrapped("coalesce(toscalar(", "), datetime(1970-01-01))")


def _learnt(baseline: Baseline, since: str) -> list[Let]:
    where_ = with_present(baseline.where, (baseline.address, baseline.user))
    back = where(f"TimeGenerated >= {since} - {span(baseline.lookback)}") if since else []
    reading = Reading(f"baseline_{baseline.source}s", baseline.source, [where_], (baseline.country,), back)
    named = {"Address": baseline.address, "Country": baseline.country, "Person": baseline.user}
    by = [f"{name} = tolower({spelled(ref.name)})" for name, ref in named.items()]
    rows = reading.passing(where_).then(
        step(
            "summarize",
            "FirstSeen = min(TimeGenerated)",
            "LastSeen = max(TimeGenerated)",
            end=f"by {', '.join(by)}, Day = bin(TimeGenerated, 1d)",
        )
    )
    return [*reading.lets(), Let("learnt", rows)]


def _known(baseline: Baseline, hits: str, what: str, pair: str) -> Pipe:
    """Pairs of a moment and an address (or country) that was the organisation's at that moment."""
    return Pipe(hits).then(
        step("distinct", what, "Moment"),
        *where(f"isnotempty({what})"),
        step(f"join kind=inner learnt on {what}"),
        *where(f"FirstSeen < Moment and LastSeen >= Moment - {span(baseline.lookback)}"),
        step("summarize", "Persons = dcount(Person, 2)", end=f"by {pair}, Moment, Day"),
        *where(f"Persons >= {baseline.users}"),
        step("summarize", "Days = dcount(Day, 2)", end=f"by {pair}, Moment"),
        *where(f"Days >= {baseline.days}"),
        step("distinct", what, "Moment"),
    )
