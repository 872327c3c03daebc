"""Events to Splunk from inside Splunk: the modular input's XML stream on standard output, through splunk-sdk.

Splunk's own pipe is the store: splunkd reads it, and what it has read it indexes. The pipe gives no acknowledgement;
a closed one means that splunkd has gone. Pure Python, 3.9 to 3.13: this is loaded by Splunk.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from splunklib.modularinput import Event as XmlEvent

from entrawatch.errors import RecordError, SinkUnavailableError
from entrawatch.interfaces import Rejected, WriteResult
from entrawatch.sinks.lines import encode, epoch, lists_last, sourcetype_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from splunklib.modularinput import EventWriter

    from entrawatch.interfaces import Event

#: what XML 1.0 cannot say, not even escaped. JSON's own escapes are plain ASCII, so in the event's text only raw
#: characters are concerned: U+FFFE and U+FFFF (control characters are escaped by JSON, surrogates are mended by it).
_NOT_XML = re.compile("[\ufffe\uffff]")


class ModularInputSink:
    """Events to one input's stream.

    :param name: names the checkpoint: the input's stanza.
    :param writer: the one splunk-sdk hands to `Script.stream_events`.
    :param shape: "event" or "envelope".
    :param index: the input's index; Splunk's default where "".
    """

    deduplicates = False

    def __init__(
        self, name: str, writer: EventWriter, *, shape: str = "event", index: str = "", host: str = "",
        source: str = "", stanza: str = "",
    ) -> None:  # fmt: skip
        self.name = name
        self.shape = shape
        self._writer = writer
        self._fixed = {"index": index or None, "host": host or None, "source": source or None, "stanza": stanza or name}
        self._lock = threading.Lock()

    def write(self, events: Sequence[Event]) -> WriteResult:
        """See the protocol; "stored" is: taken by the pipe to splunkd.

        :raises SinkUnavailableError: splunkd has closed the pipe.
        """
        made: list[XmlEvent] = []
        rejected = []
        for event in events:
            try:
                made.append(self._made(event))
            except RecordError as error:
                rejected.append(Rejected(event, error.reason))
        with self._lock:
            self._send(made)
        return WriteResult(len(made), rejected=tuple(rejected))

    def close(self) -> None:
        """Nothing: the stream belongs to the script, which ends it when it ends."""

    def _send(self, made: list[XmlEvent]) -> None:
        try:
            for xml in made:
                self._writer.write_event(xml)
        except (OSError, ValueError) as error:  # ValueError: the stream was closed on our side
            raise SinkUnavailableError(
                f"sink {self.name}: Splunk no longer reads our events ({type(error).__name__})"
            ) from error

    def _made(self, event: Event) -> XmlEvent:
        at = epoch(event)
        text = _NOT_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", encode(lists_last(event)).decode())
        return XmlEvent(
            data=text, time=None if at is None else f"{at:.3f}",
            sourcetype=sourcetype_of(event, self.shape), unbroken=True, done=True, **self._fixed,
        )  # fmt: skip
