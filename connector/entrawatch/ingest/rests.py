"""What is left alone for a while, and who goes first."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: real seconds that a page of a backfill waits for the first reads of other streams of its tenant
_YIELD = 30.0


@dataclass
class Rest:
    """Something that failed and is left alone for a while, longer each time."""

    until: float = 0.0
    failures: int = 0

    def end(self) -> None:
        """It works again."""
        self.until, self.failures = 0.0, 0


class Tenant:
    """What the streams of one tenant share: the rest after a refused credential, and the precedence of first reads."""

    def __init__(self) -> None:
        self.rest = Rest()
        #: why no stream of it is tried again in this run; "" while they are
        self.refused = ""
        self._first_reads = 0
        self._idle = threading.Condition()

    @contextmanager
    def first_read(self) -> Iterator[None]:
        """While it is open, other reads of the tenant wait at their next page."""
        with self._idle:
            self._first_reads += 1
        try:
            yield
        finally:
            with self._idle:
                self._first_reads -= 1
                self._idle.notify_all()

    def give_way(self) -> None:
        """Waits until no first read of the tenant is under way; not for ever, lest one that fails stop all the rest."""
        with self._idle:
            self._idle.wait_for(lambda: not self._first_reads, timeout=_YIELD)
