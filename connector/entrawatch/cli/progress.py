"""How far work is that takes long: bars on a terminal, and elsewhere a line now and then, both on standard error."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console
    from rich.progress import Progress

#: seconds of silence between two lines
EVERY = 5.0


class Bars:
    """An observer that draws a bar a stream: records that Graph gave.

    :param totals: how many records a stream has, where that is known.
    """

    def __init__(self, progress: Progress, totals: Optional[Mapping[str, int]] = None) -> None:
        self._progress = progress
        self._totals = totals or {}
        self._tasks: dict[tuple[str, str], Any] = {}
        self._step: Any = None
        self._lock = threading.Lock()

    def step(self, what: str) -> None:
        """What is done now that counts nothing, until records come or another step."""
        with self._lock:
            self._end_step()
            self._step = self._progress.add_task(what, total=None, note="", start=True, counted="")

    def _end_step(self) -> None:
        if self._step is not None:
            self._progress.remove_task(self._step)
            self._step = None

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
                self._end_step()
                total = self._totals.get(key[1])
                self._tasks[key] = self._progress.add_task(key[1], total=total, note="", counted="records")
            return self._tasks[key]


class Lines:
    """The same for what is no terminal: what is done now and how many records there are, in words."""

    def __init__(self) -> None:
        self._step = ""
        self._records: Counter[str] = Counter()
        self._lock = threading.Lock()

    def step(self, what: str) -> None:
        """What is done now."""
        with self._lock:
            self._step = what

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Records add up."""
        if name == "graph_records":
            with self._lock:
                self._add(labels["stream"], int(amount))

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Nothing."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Nothing."""

    def total(self, what: str) -> Callable[[int], None]:
        """A count that is told how many there are so far."""

        def told(so_far: int) -> None:
            with self._lock:
                self._add(what, so_far - self._records[what])

        return told

    def _add(self, what: str, amount: int) -> None:
        if what not in self._records:
            self._step = ""  # as a bar takes its place on a terminal
        self._records[what] += amount

    def line(self) -> str:
        """How it stands."""
        with self._lock:
            counted = f"{sum(self._records.values()):,} records so far"
            return f"{self._step}, {counted}" if self._step else counted


@contextmanager
def bars(
    totals: Optional[Mapping[str, int]] = None,
    console: Optional[Console] = None,
    tell: Optional[Callable[[str], None]] = None,
    first: str = "working",
) -> Iterator[Union[Bars, Lines]]:
    """Bars while the context lasts, on standard error; they vanish at its end. Elsewhere lines.

    :param tell: takes the lines; prints them by default.
    :param first: what is done until the first records come.
    """
    from entrawatch.cli.console import err

    console = console or err()
    with _drawn(totals, console) if console.is_terminal else _told(tell) as seen:
        seen.step(first)
        yield seen


@contextmanager
def _told(tell: Optional[Callable[[str], None]]) -> Iterator[Lines]:
    from entrawatch.cli.console import say

    lines, done = Lines(), threading.Event()

    def tells() -> None:
        while not done.wait(EVERY):
            (tell or say)(lines.line() if tell else f"entrawatch: {lines.line()}")

    thread = threading.Thread(target=tells, name="progress", daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        done.set()
        thread.join()


@contextmanager
def _drawn(totals: Optional[Mapping[str, int]], console: Console) -> Iterator[Bars]:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    progress = Progress(
        SpinnerColumn(), TextColumn("{task.description:<34}"), BarColumn(bar_width=28),
        TextColumn("{task.completed:>9,.0f} {task.fields[counted]:<7}"), TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"), console=console, transient=True,
    )  # fmt: skip
    with progress:
        yield Bars(progress, totals)
