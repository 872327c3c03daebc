"""What a run did, counted for the summary at its end."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING

from entrawatch.cli.console import number

if TYPE_CHECKING:
    from rich.table import Table


class Tally:
    """An observer that adds up."""

    def __init__(self) -> None:
        self._counts: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
        self._waits: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        with self._lock:
            for known, (given, value) in enumerate(self._counts[name]):
                if given == labels:
                    self._counts[name][known] = (given, value + amount)
                    return
            self._counts[name].append((labels, amount))

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Nothing: gauges say how it stands, not what was done."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add seconds to a sum."""
        with self._lock:
            self._waits[name] += value

    def total(self, name: str, **labels: str) -> float:
        """The sum of a counter over what has these labels."""
        with self._lock:
            return sum(value for given, value in self._counts[name] if labels.items() <= given.items())

    def seconds(self, name: str) -> float:
        """The sum of a distribution."""
        return self._waits[name]

    def values(self, name: str, label: str) -> list[str]:
        """The values a counter's label had, in the order they came."""
        with self._lock:
            return list(dict.fromkeys(given[label] for given, _ in self._counts[name] if label in given))


def stream_table(tally: Tally, title: str, **labels: str) -> Table:
    """A row a stream: records read, events new, revised, repeated, put aside.

    :param labels: count only what has these, one sink's numbers, say.
    """
    from rich.table import Table

    from entrawatch.schema.streams import STREAMS

    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    table.add_column("stream")
    columns = {"records": "records_read", "new": "events_added", "revised": "events_revised",
               "known": "records_repeated", "dead letter": "dead_letters"}  # fmt: skip
    for name in columns:
        table.add_column(name, justify="right")
    read = set(tally.values("records_read", "stream"))
    for stream in (name for name in STREAMS if name in read):
        table.add_row(stream, *(number(tally.total(counter, stream=stream, **labels)) for counter in columns.values()))
    totals = (number(tally.total(counter, **labels)) for counter in columns.values())
    table.add_row("[bold]all[/]", *(f"[bold]{total}[/]" for total in totals))
    return table
