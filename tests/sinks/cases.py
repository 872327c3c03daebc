"""The cases of the conformance suite: one for each sink.

To add a sink, add a module `case_NAME.py` beside this one with a list `CASES` of `(id, SinkCase subclass)`; the suite
finds it. A case makes handles on one place (`make`), and reads the place through another way than the sink
(`stored`).
"""

from __future__ import annotations

import abc
import importlib
import pkgutil
from pathlib import Path
from typing import Any, Callable, Optional

HERE = Path(__file__).parent


class SinkCase(abc.ABC):
    """One sink on one fresh place.

    :param folder: an empty folder of the case's own.
    """

    #: an event the sink will never take, and what the reason says; None where it takes all that JSON can say
    poison: Optional[tuple[dict[str, Any], str]] = None
    #: whether `stored` holds only what close() has let go of (a database one process may hold at a time)
    close_before_reading = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abc.abstractmethod
    def make(self) -> Any:
        """A sink on the place; called again, another one on the same place."""

    @abc.abstractmethod
    def stored(self) -> list[dict[str, Any]]:
        """The whole events the place holds, in any order, read without the sink."""

    def break_it(self) -> bool:
        """Make the place unavailable; False where a case cannot."""
        return False

    def mend(self) -> None:  # noqa: B027 - most places cannot be broken
        """Make it available again."""

    def tear_down(self) -> None:  # noqa: B027 - most places are files
        """Stop servers."""

    def same(self, event: dict[str, Any]) -> dict[str, Any]:
        """The event as the place gives it back, where that differs."""
        return event


def discover() -> list[tuple[str, Callable[[Path], SinkCase]]]:
    """The cases of all `case_*.py` modules."""
    found: list[tuple[str, Callable[[Path], SinkCase]]] = []
    for module in sorted(info.name for info in pkgutil.iter_modules([str(HERE)]) if info.name.startswith("case_")):
        package = __name__.rpartition(".")[0]
        found += importlib.import_module(f"{package}.{module}").CASES
    return found
