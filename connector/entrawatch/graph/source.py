"""Graph as a source of records."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Optional

from entrawatch.errors import AuthError, UnreachableRangeError
from entrawatch.graph import query
from entrawatch.graph.auth import TokenSource
from entrawatch.graph.budget import BACKFILL, LIVE, Budgets
from entrawatch.graph.client import GraphClient, Tokens
from entrawatch.graph.paging import MOST_PAGES, walk
from entrawatch.graph.policy import Ask, VersionMissingError
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrawatch.config.model import TenantConfig
    from entrawatch.interfaces import Clock, Observer, Record, Window
    from entrawatch.schema.streams import Stream

_LOG = logging.getLogger(__name__)
#: beyond retention and sweeps: clocks and the service's own clean-up are not exact
_SLACK = timedelta(days=1)
#: how far a range's end may be ahead of Graph's clock, beside a quarter of the longest sweep
_AHEAD = timedelta(minutes=1)


class GraphSource:
    """Reads one tenant's streams from Microsoft Graph. Windows may be read side by side, from several threads.

    Windows that end before the last sweep looks back are backfill: their requests wait until no live one does.

    :param tenant: whom to read, and how.
    :param budgets: shared by all sources of the process; None for limits of its own.
    :param stop: when set, nothing is waited for any more.
    :param tokens: other than the tenant's own credential (tests, a signed-in administrator).
    :param most_pages: pages of one window before it counts as too large.
    :raises ConfigError: unusable URLs or CA bundle.
    """

    def __init__(
        self,
        tenant: TenantConfig,
        *,
        clock: Clock,
        observer: Observer,
        budgets: Optional[Budgets] = None,
        stop: Optional[threading.Event] = None,
        tokens: Optional[Tokens] = None,
        most_pages: int = MOST_PAGES,
    ) -> None:
        self._tenant = tenant
        self._clock = clock
        self._observer = observer
        self._most_pages = most_pages
        self._fallen: set[str] = set()
        self._lock = threading.Lock()
        self._tokens = tokens or TokenSource(tenant)
        self.client = GraphClient(
            tenant, self._tokens, clock=clock, observer=observer,
            budgets=budgets or Budgets(clock, observer), stop=stop,
        )  # fmt: skip

    def read(self, stream: Stream, window: Window) -> Iterator[list[Record]]:
        """See `interfaces.Source.read`.

        :raises UnreachableRangeError: Graph refuses the range, or answers nothing for one beyond its retention.
        :raises AuthError: by Graph's clock the range has not come yet: ours is wrong, and what is read before its
            records exist must not count as read.
        :raises SourceError: as the policy's table says; whatever was given before stays valid.
        """
        entry = self._entry(stream)
        try:
            yield from self._pages(entry, stream, window)
        except VersionMissingError:
            older = STREAMS.get(entry.fallback or "")
            if older is None:
                raise
            self._fall_back(stream, older)
            yield from self._pages(older, stream, window)

    def close(self) -> None:
        """Let go of the connections."""
        self.client.close()

    def _entry(self, stream: Stream) -> Stream:
        with self._lock:
            return STREAMS[stream.fallback] if stream.fallback and stream.name in self._fallen else stream

    def _fall_back(self, stream: Stream, older: Stream) -> None:
        with self._lock:
            first = stream.name not in self._fallen
            self._fallen.add(stream.name)
        if first:
            _LOG.warning(
                "tenant %s: %s: this cloud has no Graph %s for it; reading %s, which has fewer fields",
                self._tenant.name, stream.name, stream.version, older.version,
            )  # fmt: skip
            self._observer.count("graph_fallbacks", tenant=self._tenant.name, stream=stream.name)

    def _pages(self, entry: Stream, stream: Stream, window: Window) -> Iterator[list[Record]]:
        ask = Ask(stream.name, entry.limit, self._priority(window), entry, window.start)
        tenant = self._tenant.name
        found = False
        for values in walk(self.client, query.first_page(self.client.url, entry, window), ask, self._most_pages):
            records = query.belonging(values, entry, window)
            found = found or bool(records)
            self._observer.count("graph_pages", tenant=tenant, stream=stream.name)
            self._observer.count("graph_records", len(records), tenant=tenant, stream=stream.name)
            self._check_clock(window)
            yield records
        if not found:
            self._check_retention(entry, window)

    def _check_clock(self, window: Window) -> None:
        """Sweeps make up for a clock that is a little ahead; one that is far ahead leaves nothing to be read again."""
        served = self.client.served_at
        ahead = max(self._tenant.collect.sweeps, default=timedelta()) / 4 + _AHEAD
        if served is not None and window.end - served > ahead:
            raise AuthError(
                f"tenant {self._tenant.name}: this machine's clock is far ahead of Graph's, where it is "
                f"{served:%Y-%m-%dT%H:%MZ}; set the clock, then start again"
            )

    def _priority(self, window: Window) -> int:
        collect = self._tenant.collect
        back = max(collect.sweeps, default=timedelta()) + 2 * collect.window
        return LIVE if window.end >= self._clock.now() - back else BACKFILL

    def _check_retention(self, entry: Stream, window: Window) -> None:
        """Graph answers a range it no longer keeps with nothing at all; that must not pass for a quiet day."""
        kept = timedelta(days=entry.retention_days)
        oldest = self._clock.now() - kept
        if not entry.snapshot and window.end < oldest - _SLACK:
            raise UnreachableRangeError(
                f"tenant {self._tenant.name}: {entry.name}: nothing is left of {window.start:%Y-%m-%dT%H:%MZ}.."
                f"{window.end:%Y-%m-%dT%H:%MZ}; Entra ID keeps {entry.retention_days} days",
                oldest,
            )
