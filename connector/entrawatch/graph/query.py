"""From a window to Graph's query, and back: which of the records that came belong to the window.

Times in $filter stand unquoted with Z (quoted ones are answered 400, microsoft-graph-docs #14173); the whole query
is escaped. Graph compares with what it stored and may show a time cut to whole seconds, so a window that ends in a
broken second is asked for to the full one, and what lies outside by the time shown is dropped: each record then
belongs to one window, whichever edge it sits on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from entrawatch.schema import times

if TYPE_CHECKING:
    from entrawatch.interfaces import Record, Window
    from entrawatch.schema.streams import Stream


def time_filter(stream: Stream, window: Window) -> str:
    """The OData text that asks for a window, a little more than it where the operators ask for that."""
    start, end = times.of(window.start), times.of(window.end)
    end += -end % times.TICKS_A_SECOND
    field = stream.time_field
    if stream.inclusive:
        return f"{field} ge {times.iso(start)} and {field} le {times.iso(end)}"
    # gt alone would lose what lies on the edge. One tick earlier would do for a service that reads all seven digits;
    # a whole second does for any.
    return f"{field} gt {times.iso(start - times.TICKS_A_SECOND)} and {field} lt {times.iso(end)}"


def first_page(graph_url: str, stream: Stream, window: Window) -> str:
    """The URL a window's walk begins at."""
    asked = " and ".join(text for text in (time_filter(stream, window), stream.filter) if text)
    options = {"$filter": asked, "$top": str(stream.page_size)}
    if stream.order:
        options["$orderby"] = stream.time_field
    return collection(graph_url, stream, options)


def collection(graph_url: str, stream: Stream, options: dict[str, str]) -> str:
    """A stream's URL with query options, escaped."""
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
    return f"{graph_url}/{stream.version}{stream.path}?{query}"


def belonging(values: list[Any], stream: Stream, window: Window) -> list[Record]:
    """The records of a page whose time lies in [start, end), to the seventh digit; those without a readable time too.

    What is no JSON object is given too: the loop keeps it among the dead letters.
    """
    start, end, field, ticks = times.of(window.start), times.of(window.end), stream.time_field, times.ticks
    kept = []
    for record in values:
        moment = ticks(record.get(field)) if isinstance(record, dict) else None
        if moment is None or start <= moment < end:
            kept.append(record)
    return kept
