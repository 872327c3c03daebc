"""One write on its way to HEC: requests, refusals, acknowledgements, and what is remembered when it fails."""

from __future__ import annotations

from collections import deque
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from entrawatch.errors import SinkError, SinkRefusedError, SinkUnavailableError
from entrawatch.interfaces import Rejected
from entrawatch.sinks.hec_protocol import BUSY, EVENT, TAKEN, Answer

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from entrawatch.interfaces import Clock, Event, Observer
    from entrawatch.sinks.hec_client import HecClient

#: seconds between two questions for acknowledgements: the first pause, its growth, the longest (Splunk suggests 10)
_FIRST, _GROWTH, _LONGEST = 0.1, 1.6, 10.0
#: seconds acknowledgements may still take once the run is to stop: a batch given up then would come twice
_GRACE = 5.0
#: failed writes whose acknowledgements may still come
_LATE = 8
#: events of failed writes that are remembered as stored (about 100 bytes each)
_REMEMBERED = 100_000


class Item(NamedTuple):
    """An event and the text HEC gets for it."""

    event: Event
    payload: bytes

    def digest(self) -> bytes:
        """Names the payload."""
        return blake2b(self.payload, digest_size=16).digest()


def batches(items: Sequence[Item], most: int, most_bytes: int) -> Iterator[list[Item]]:
    """The items in order, cut so that no batch has more than `most` items or `most_bytes` bytes.

    An item that is larger on its own is a batch on its own: only HEC can say whether it takes it.
    """
    batch: list[Item] = []
    size = 0
    for item in items:
        length = len(item.payload)
        if batch and (len(batch) >= most or size + length > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch


class Delivery:
    """Sends the items of one write after another.

    :ivar stored: items of the present write that are safe.
    :ivar awaiting: ackId → items that are received and not yet acknowledged.
    """

    def __init__(
        self, client: HecClient, options: Mapping[str, Any], *, observer: Observer, clock: Clock,
        stop: Optional[threading.Event],
    ) -> None:  # fmt: skip
        self._client = client
        self._options = options
        self._observer = observer
        self._clock = clock
        self._stop = stop
        self._stopped: Optional[float] = None
        # Whether the token acknowledges: None until an answer has told.
        self._acknowledges: Optional[bool] = False if options["acknowledge"] == "never" else None
        self.start()

    def start(self) -> None:
        """Forget the last write."""
        self.stored: list[Item] = []
        self.awaiting: dict[int, list[Item]] = {}
        self._rejected: list[Rejected] = []

    @property
    def channel(self) -> str:
        """The channel the acknowledgements that are out belong to."""
        return self._client.channel

    def run(self, items: Sequence[Item]) -> list[Rejected]:
        """Send all and wait for their acknowledgements; the ones HEC will never take come back."""
        for batch in batches(items, self._options["batch_events"], self._options["batch_bytes"]):
            self._send(batch)
        self._settle()
        return self._rejected

    def _send(self, batch: list[Item]) -> None:
        work = [batch]
        while work:
            part = work.pop()
            answer = self._post(part)
            if answer.meaning == TAKEN:
                self._take(part, answer)
            elif answer.meaning == EVENT:
                # Pushed last to first: the order of events is kept.
                work.extend(reversed(self._without_refused(part, answer)))
            else:
                self._give_up(part, answer)

    def _post(self, part: list[Item]) -> Answer:
        body = b"".join(item.payload for item in part)
        begin = self._clock.monotonic()
        answer = self._client.post(body)
        self._observer.observe("sink_request_seconds", self._clock.monotonic() - begin, sink=self._client.name)
        self._observer.count("sink_bytes", len(body), sink=self._client.name)
        return answer

    def _take(self, part: list[Item], answer: Answer) -> None:
        if self._options["acknowledge"] == "never":
            self.stored += part
            return
        self._acknowledges = answer.ack_id is not None
        if answer.ack_id is None:
            self._unacknowledged(part)
        elif answer.ack_id in self.awaiting:
            # The server counts anew: it was restarted, and its "true" for a number may speak of either request.
            self.awaiting.clear()
            raise SinkUnavailableError(f"sink {self._client.name}: {self._client.base} was restarted; sending again")
        else:
            self.awaiting[answer.ack_id] = part

    def _unacknowledged(self, part: list[Item]) -> None:
        if self._options["acknowledge"] == "always":
            raise SinkRefusedError(
                f"sink {self._client.name}: {self._client.base} acknowledges nothing for this token; "
                "enable indexer acknowledgement for it, or set acknowledge to auto"
            )
        self.stored += part

    def _without_refused(self, part: list[Item], answer: Answer) -> list[list[Item]]:
        """The parts that are left to send when one event of a part was refused."""
        if len(part) == 1:
            self._rejected.append(Rejected(part[0].event, f"refused by HEC: {answer.reason}"))
            return []
        at = answer.invalid
        if at is None or at >= len(part):
            middle = len(part) // 2
            return [part[:middle], part[middle:]]
        before = self._received_before(part, at)
        self._rejected.append(Rejected(part[at].event, f"refused by HEC: {answer.reason}"))
        return [rest for rest in (before, part[at + 1 :]) if rest]

    def _received_before(self, part: list[Item], at: int) -> list[Item]:
        """What of `part[:at]` must be sent again after HEC stopped at `part[at]`.

        HEC takes the events in front of the one it names and drops the ones behind it
        (https://github.com/moby/moby/issues/35862), but gives no ackId for them. So where the token does not
        acknowledge they are as safe as any; where it does, or may, they go again: twice is better than never.
        """
        if self._acknowledges is False:
            self.stored += part[:at]
            return []
        return part[:at]

    def _give_up(self, part: list[Item], answer: Answer) -> None:
        if answer.meaning == BUSY and answer.invalid and answer.invalid < len(part):
            # "Server is busy" can name where it stopped, too; whether it counts from 0 or 1 there is not documented,
            # so one fewer counts as received (https://github.com/open-telemetry/opentelemetry-collector-contrib/issues/36113).
            self._received_before(part, answer.invalid - 1)
        self._client.fail(answer)

    def _settle(self) -> None:
        deadline = self._clock.monotonic() + self._options["acknowledge_seconds"]
        pause = _FIRST
        while self.awaiting:
            self._ask()
            if self.awaiting:
                deadline = self._wait(pause, deadline)
                pause = min(pause * _GROWTH, _LONGEST)

    def _ask(self) -> None:
        try:
            done = self._client.acknowledged(list(self.awaiting), self.channel)
        except SinkUnavailableError:
            return  # the deadline decides, not one unanswered question
        for ack_id in done:
            self.stored += self.awaiting.pop(ack_id)

    def _wait(self, pause: float, deadline: float) -> float:
        """Pause, and say until when to go on asking: not much longer once the run is to stop."""
        stopped = self._stop is not None and self._stop.is_set()
        now = self._clock.monotonic()
        if stopped:
            self._stopped = now if self._stopped is None else self._stopped
            deadline = min(deadline, self._stopped + _GRACE)
        if now >= deadline:
            raise SinkUnavailableError(
                f"sink {self._client.name}: {self._client.base} has not acknowledged {len(self.awaiting)} requests "
                + ("before the stop" if stopped else f"within {self._options['acknowledge_seconds']:g} s")
            )
        self._clock.sleep(min(pause, deadline - now), None if stopped else self._stop)
        return deadline


class Carried:
    """What failed writes stored, so that the same events, sent again, are not doubled for it.

    Held as digests, and each only until its event comes again; the oldest go first where they are too many.
    """

    def __init__(self) -> None:
        self._stored: dict[bytes, None] = {}
        self._late: deque[tuple[str, dict[int, set[bytes]]]] = deque(maxlen=_LATE)

    def keep(self, delivery: Delivery) -> None:
        """Remember what of a failed write is safe, and what may still be acknowledged."""
        self._add(item.digest() for item in delivery.stored)
        if delivery.awaiting:
            waiting = {ack_id: {item.digest() for item in items} for ack_id, items in delivery.awaiting.items()}
            self._late.append((delivery.channel, waiting))

    def fresh(self, items: Sequence[Item], client: HecClient) -> list[Item]:
        """The items that are not stored yet, after a last question for what was still out."""
        if not self._stored and not self._late:
            return list(items)
        digests = {item.digest() for item in items}
        for channel, waiting in self._late:
            asked = [ack_id for ack_id, held in waiting.items() if not held.isdisjoint(digests)]
            self._add(digest for ack_id in _done(client, asked, channel) for digest in waiting.pop(ack_id))
        return [item for item in items if item.digest() not in self._stored]

    def forget(self, items: Sequence[Item]) -> None:
        """These have come again and are safe."""
        if self._stored or self._late:
            digests = {item.digest() for item in items}
            self._stored = {digest: None for digest in self._stored if digest not in digests}
            kept = [(channel, _without(waiting, digests)) for channel, waiting in self._late]
            self._late = deque(((channel, waiting) for channel, waiting in kept if waiting), maxlen=_LATE)

    def _add(self, digests: Iterable[bytes]) -> None:
        self._stored.update(dict.fromkeys(digests))
        while len(self._stored) > _REMEMBERED:
            del self._stored[next(iter(self._stored))]


def _without(waiting: dict[int, set[bytes]], digests: set[bytes]) -> dict[int, set[bytes]]:
    left = {ack_id: held - digests for ack_id, held in waiting.items()}
    return {ack_id: held for ack_id, held in left.items() if held}


def _done(client: HecClient, ack_ids: list[int], channel: str) -> set[int]:
    """Which of these have been acknowledged by now; none where the server does not say."""
    try:
        return client.acknowledged(ack_ids, channel) if ack_ids else set()
    except SinkError:
        return set()
