"""A feed's delivery: de-duplicate → normalise → intend → write → acknowledge → seen.

It knows nothing of windows, so that a push source can drive it: such a source (Event Hubs) makes a `Feed` a stream and
sink, and for each batch it is handed calls ``prepare(records, stream)``, then ``offer`` and ``flush`` of a new
`Delivery` for every sink, and commits its own offset when all have returned. It calls ``Store.forget`` with the time
behind which the hub will not repeat itself.

**The argument.** The store holds for each key (the record's identity) the content hash and the revision that the sink
was last given, and whether that is sure.

1. *Intent.* Before a batch goes out, (key, hash, revision) of its records are committed as one pending row.
2. *Write.* The sink returns when the batch is stored; what it rejects goes to the dead letter.
3. *Seen.* In one transaction the pending row goes and its entries become what is known, for sure.

Killed before 1, the store knows nothing of the batch and the sink has nothing: it is read again and goes out as if for
the first time. Killed between 1 and 3, the sink may have the batch or not. When the store is opened again the entries
of a pending row become known, but *unsure*. The window was not finished, so its watermark did not move and it is read
again, and for each record there are two cases:

- its hash is the unsure one: it goes out again with the *same* revision. A sink that has it says duplicate, one that
  has not stores it. Either way it is there once.
- its hash differs, for it changed between the two reads: it goes out with the *next* revision. The number that may
  have been used is never used for other content, so no sink can take the change for something it already has.

Killed after 3, the record is dropped as seen. The watermark moves only after 3 of the window's last batch, so no record
is passed over. Hence with a sink that de-duplicates by id and revision nothing is lost and nothing doubled; with one
that does not, what can be there twice is what was between 1 and 3. That is one batch, for a sink's batches go
one at a time: its lock is held from intent to seen. A batch that the sink answered "not stored" is made
unsure in the same way when the loop gives it up for the moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Optional

from entrawatch.errors import RecordError, SinkRefusedError, SinkUnavailableError
from entrawatch.ingest.keys import seconds
from entrawatch.ingest.store import Entry, Known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from entrawatch.ingest.feed import Feed, Loop
    from entrawatch.ingest.keys import Prepared
    from entrawatch.interfaces import Event


class _Outgoing(NamedTuple):
    prepared: Prepared
    revision: int


def revised(event: Event, revision: int) -> Event:
    """The event with its revision; the given one stays as it is, for other sinks may count otherwise."""
    return {**event, "entra": {**event.get("entra", {}), "revision": revision}}


class Delivery:
    """Takes records to one sink, in batches of the feed's size.

    :param sweep: what the observer's counters call the read: "2m", "15m", … "hole", "backfill".
    :param live: whether the records' age tells of the source's delay.
    """

    def __init__(self, feed: Feed, loop: Loop, sweep: str = "push", *, live: bool = True) -> None:
        self.feed = feed
        self._loop = loop
        self._sweep = sweep
        self._live = live
        self._waiting: dict[bytes, _Outgoing] = {}

    def offer(self, records: Sequence[Prepared], time: int) -> None:
        """Takes what is new or changed, and sends every batch that is full.

        :param time: stands for the time of records that have none, seconds since 1970.
        :raises SinkError: the sink took nothing of the present batch; its records must be offered again.
        """
        known = self._loop.store.lookup(self.feed.position.feed, [record.key for record in records])
        repeated = 0
        for record in records:
            repeated += not self._take(record, known.get(record.key))
            if len(self._waiting) >= self.feed.batch:
                known.update(
                    (entry.key, Known(entry.hash, entry.revision, False, entry.time)) for entry in self._send(time)
                )
        self._count("records_read", len(records))
        self._count("records_repeated", repeated)

    def flush(self, time: int) -> None:
        """Sends what still waits; when it returns everything offered is stored.

        :raises SinkError: as `offer`.
        """
        if self._waiting:
            self._send(time)

    def _take(self, record: Prepared, known: Optional[Known]) -> bool:
        waiting = self._waiting.get(record.key)
        if known is not None and known.hash == record.hash and not known.unsure:
            self._waiting.pop(record.key, None)
            return False
        if waiting is not None:
            self._waiting[record.key] = _Outgoing(record, waiting.revision)
            return waiting.prepared.hash != record.hash
        if known is None:
            revision = 1
        elif known.hash == record.hash:
            revision = known.revision
        elif self._stale(record, known):
            return False
        else:
            revision = known.revision + 1
        self._waiting[record.key] = _Outgoing(record, revision)
        return True

    def _stale(self, record: Prepared, known: Known) -> bool:
        """Whether a newer state was sent already: possible where an update carries a record to another window."""
        return self.feed.stream.moves and record.time is not None and record.time < known.time

    def _send(self, time: int) -> list[Entry]:
        outgoing = list(self._waiting.values())
        entries = [
            Entry(
                item.prepared.key,
                item.prepared.hash,
                item.revision,
                time if item.prepared.time is None else item.prepared.time,
            )
            for item in outgoing
        ]
        events = [event for event in map(self._render, outgoing) if event is not None]
        if events:
            self._write(events, entries)
        else:
            self._loop.store.confirm(0, self.feed.position.feed, entries)
        self._report(outgoing)
        self._waiting.clear()
        return entries

    def _render(self, item: _Outgoing) -> Optional[Event]:
        shape = self.feed.outlet.sink.shape
        prepared = item.prepared
        if prepared.fault is None and shape not in prepared.shapes:
            try:
                self._shape(prepared, shape)
            except RecordError as error:
                prepared.fault = error.reason
        if prepared.fault is not None:
            self._bury(prepared)
            return None
        return revised(prepared.shapes[shape], item.revision)

    def _shape(self, prepared: Prepared, shape: str) -> None:
        feed = self.feed
        event = prepared.shapes.get("event")
        if event is None:
            event = prepared.shapes["event"] = self._loop.normalise(
                prepared.record, feed.stream, tenant_id=feed.tenant_id, preserve_original=feed.preserve_original
            )
        if shape == "envelope":
            block = {**event.get("entra", {}), "id": event.get("event", {}).get("id")}
            envelope = self._loop.wrap(prepared.record, feed.stream, feed.tenant_id)
            prepared.shapes[shape] = {**envelope, "entra": block}

    def _bury(self, prepared: Prepared) -> None:
        if not prepared.kept:
            where = f"{self.feed.tenant}/{self.feed.stream.name}"
            self._loop.dead_letter.keep(prepared.record, prepared.fault or "", where)
            self._count("dead_letters", 1)
            prepared.kept = True

    def _write(self, events: list[Event], entries: list[Entry]) -> None:
        failures = 0
        while True:
            error = self._try(events, entries)
            if error is None:
                return
            failures += 1
            self._count("sink_errors", 1)
            if self.feed.tries is not None and failures >= self.feed.tries:
                raise error
            policy = self._loop.policy
            self._loop.pause(policy.wait(failures, policy.sink_limit, asked=error.retry_after))

    def _try(self, events: list[Event], entries: list[Entry]) -> Optional[SinkUnavailableError]:
        feed, store = self.feed.position.feed, self._loop.store
        with self.feed.outlet.lock:
            batch = store.intend(feed, entries)
            try:
                result = self.feed.outlet.sink.write(events)
            except SinkUnavailableError as error:
                store.doubt(batch, feed, entries)
                return error
            except SinkRefusedError:
                store.doubt(batch, feed, entries)
                raise
            for rejected in result.rejected:
                where = "{tenant}/{stream} → {sink}".format(**self.feed.labels)
                self._loop.dead_letter.keep(rejected.event, rejected.reason, where)
            store.confirm(batch, feed, entries)
        self._count("dead_letters", len(result.rejected))
        self._count("events_stored", result.stored)
        self._count("events_duplicate", result.duplicates)
        return None

    def _report(self, outgoing: list[_Outgoing]) -> None:
        added = [item.prepared.time for item in outgoing if item.revision == 1]
        self._count("events_added", len(added))
        self._count("events_revised", len(outgoing) - len(added))
        if self._live:
            now = seconds(self._loop.clock.now())
            labels = {**self.feed.labels, "sweep": self._sweep}
            for time in added:
                if time is not None:
                    self._loop.observer.observe("event_lag_seconds", max(0, now - time), **labels)

    def _count(self, name: str, amount: float) -> None:
        if amount:
            self._loop.observer.count(name, amount, sweep=self._sweep, **self.feed.labels)
