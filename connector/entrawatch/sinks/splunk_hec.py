"""Splunk's HTTP Event Collector, the event endpoint, with indexer acknowledgement where the token asks for it.

Protocol: https://docs.splunk.com/Documentation/Splunk/latest/Data/FormateventsforHTTPEventCollector and
https://docs.splunk.com/Documentation/Splunk/latest/Data/AboutHECIDXAck (the channel header, ackId, polling).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Optional

from entrawatch import jsontext
from entrawatch.errors import RecordError, SinkError
from entrawatch.interfaces import Rejected, WriteResult
from entrawatch.sinks.hec_client import HecClient
from entrawatch.sinks.hec_delivery import Carried, Delivery, Item
from entrawatch.sinks.lines import ENVELOPE_SOURCETYPE, encode, epoch, lists_last, sourcetype_of
from entrawatch.sinks.options import Option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from entrawatch.interfaces import Clock, Event, Observer

OPTIONS: Mapping[str, Option] = {
    "url": Option("url", "HEC's address, e.g. https://splunk.example.com:8088", required=True),
    "token": Option("secret", "HEC token (token_env or token_file)", required=True),
    "index": Option("text", "index to write to; the token's default where not given"),
    "host": Option("text", "Splunk's host field; the receiver's choice where not given"),
    "source": Option("text", "Splunk's source field", default="entrawatch"),
    "format": Option(
        "choice", "normalized: our common event; azure:monitor:aad: the diagnostic-settings envelope",
        default="normalized", choices=("normalized", ENVELOPE_SOURCETYPE),
    ),
    "acknowledge": Option(
        "choice", "indexer acknowledgement: auto follows the token, always refuses a token without it",
        default="auto", choices=("auto", "always", "never"),
    ),
    "acknowledge_seconds": Option("float", "how long an acknowledgement may take", default=180.0, least=0),
    "batch_events": Option("int", "events in one request", default=1000, least=1),
    # limits.conf, [http_input] max_content_length: 838860800 today, 1000000 in older versions
    # (https://github.com/open-telemetry/opentelemetry-collector-contrib/issues/9983,
    # https://github.com/fuyufjh/splunk-hec-go/issues/7): a body of this size is taken by all.
    "batch_bytes": Option("int", "bytes in one request before compression", default=1_000_000, least=1),
    "compress": Option("bool", "send gzip", default=True),
    "timeout_seconds": Option("float", "how long one request may take", default=60.0, least=1),
    "ca_bundle": Option("path", "file of CA certificates trusted instead of the system's"),
    "proxy": Option("url", "proxy to go through; the environment's where not given"),
}  # fmt: skip


class SplunkHecSink:
    """Events to one HEC.

    Splunk cannot deduplicate. What one `write` stored before it failed is remembered until it comes again, so that
    the same batch sent again is only sent in part; across a restart of the connector one batch may come twice.
    """

    deduplicates = False

    def __init__(
        self, name: str, client: HecClient, options: Mapping[str, Any], *, observer: Observer, clock: Clock,
        stop: Optional[threading.Event] = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.shape = "envelope" if options["format"] == ENVELOPE_SOURCETYPE else "event"
        self._client = client
        self._options = options
        self._delivery = Delivery(client, options, observer=observer, clock=clock, stop=stop)
        self._carried = Carried()
        self._lock = threading.Lock()
        self._heads: dict[str, bytes] = {}
        self._fixed = {key: options[key] for key in ("host", "source", "index") if options[key]}

    @classmethod
    def from_options(
        cls, name: str, options: Mapping[str, Any], *, state_dir: Path, observer: Observer, clock: Clock,
        stop: Optional[threading.Event] = None,
    ) -> SplunkHecSink:  # fmt: skip
        """See `sinks.build`. `state_dir` is not used: HEC keeps what there is to keep."""
        client = HecClient(
            options["url"], options["token"], name=name, ca_bundle=options["ca_bundle"],
            proxy=options["proxy"] or "", timeout=options["timeout_seconds"], compress=options["compress"],
            channels=options["acknowledge"] != "never",
        )  # fmt: skip
        return cls(name, client, options, observer=observer, clock=clock, stop=stop)

    def write(self, events: Sequence[Event]) -> WriteResult:
        """See the protocol. With acknowledgement, "stored" means indexed; without, received by Splunk.

        :raises SinkUnavailableError: busy, unreachable, or an acknowledgement did not come in time.
        :raises SinkRefusedError: the token or the index is refused, or `acknowledge: always` and the token does not.
        """
        with self._lock:
            items, rejected = self._items(events)
            try:
                self._delivery.start()
                fresh = self._carried.fresh(items, self._client)
                rejected += self._delivery.run(fresh)
            except SinkError:
                self._carried.keep(self._delivery)
                self._client.renew_channel()
                raise
            self._carried.forget(items)
            return WriteResult(len(events) - len(rejected), rejected=tuple(rejected))

    def check(self) -> None:
        """Reach HEC and let it judge the token; writes nothing."""
        self._client.check()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _items(self, events: Sequence[Event]) -> tuple[list[Item], list[Rejected]]:
        items: list[Item] = []
        rejected: list[Rejected] = []
        for event in events:
            try:
                items.append(Item(event, self._payload(event)))
            except RecordError as error:
                rejected.append(Rejected(event, error.reason))
        return items, rejected

    def _payload(self, event: Event) -> bytes:
        """`{"source": …, "sourcetype": …, "time": …, "event": …}`, its outer half written once a sourcetype."""
        sourcetype = sourcetype_of(event, self.shape)
        head = self._heads.get(sourcetype)
        if head is None:
            head = self._heads[sourcetype] = jsontext.dumps({**self._fixed, "sourcetype": sourcetype})[:-1]
        at = epoch(event)
        # Without `time` Splunk takes the moment of arrival.
        middle = b',"event":' if at is None else b',"time":%.3f,"event":' % at
        return b"%b%b%b}" % (head, middle, encode(lists_last(event)))
