"""Bars on the terminal for work that takes long; nothing at all where standard error is no terminal."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable, Optional

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console
    from rich.progress import Progress


class Bars:
    """An observer that draws a bar a stream: records that Graph gave.

    :param totals: how many records a stream has, where that is known.
    """

    def __init__(self, progress: Progress, totals: Optional[Mapping[str, int]] = None) -> None:
        self._progress = progress
        self._totals = totals or {}
        self._tasks: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Records move the bar."""
        if name == "graph_records":
            self._progress.advance(self._task(labels), amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """A pause that Graph asked for, or a stream that cannot be read, stands beside the bars."""
        if name == "stream_degraded":
            self._progress.update(self._task(labels), note="cannot be read" if value else "")

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Nothing."""

    def total(self, what: str) -> Callable[[int], None]:
        """A bar that is told how many there are so far, instead of how many more."""
        seen = 0

        def told(so_far: int) -> None:
            nonlocal seen
            self.count("graph_records", so_far - seen, stream=what)
            seen = so_far

        return told

    def _task(self, labels: Mapping[str, str]) -> Any:
        key = (labels.get("tenant", ""), labels["stream"])
        with self._lock:
            if key not in self._tasks:
                total = self._totals.get(key[1])
                self._tasks[key] = self._progress.add_task(key[1], total=total, note="")
            return self._tasks[key]


@contextmanager
def bars(totals: Optional[Mapping[str, int]] = None, console: Optional[Console] = None) -> Iterator[Bars]:
    """Bars while the context lasts, on standard error; they vanish at its end."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from entrawatch.cli.console import err

    console = console or err()
    progress = Progress(
        SpinnerColumn(), TextColumn("{task.description:<34}"), BarColumn(bar_width=28),
        TextColumn("{task.completed:>9,.0f} records"), TimeElapsedColumn(), TextColumn("{task.fields[note]}"),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    with progress:
        yield Bars(progress, totals)
