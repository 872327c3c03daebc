"""Events as documents: the data stream they go to, their `_id` there, and what becomes of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from entrawatch import jsontext
from entrawatch.errors import ConfigError
from entrawatch.interfaces import Event, Rejected, WriteResult
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

#: the longest `_id` Elasticsearch takes, in bytes
_LONGEST_ID = 512
# https://www.elastic.co/docs/reference/fleet/data-streams#data-streams-naming-scheme
_NAMESPACE = re.compile(r'[^-A-Z\\/*?"<>|,#:\s]{1,100}')


def data_streams(namespace: str) -> list[str]:
    """The data streams our events go to, in the stream table's order."""
    return list(dict.fromkeys(f"logs-{stream.dataset}-{namespace}" for stream in STREAMS.values()))


def checked_namespace(where: str, namespace: str) -> str:
    """The namespace, if it can be one.

    :raises ConfigError: it cannot.
    """
    if not _NAMESPACE.fullmatch(namespace):
        raise ConfigError([f"{where}: namespace {namespace!r} cannot be one; use small letters, digits, _ and ."])
    return namespace


class Document(NamedTuple):
    """An event on its way: where it goes, its `_id` there, and its JSON."""

    event: Event
    stream: str
    id: str
    source: bytes

    @property
    def second(self) -> str:
        """When it happened, to the second, as text that sorts; "" where that cannot be told."""
        when = self.event.get("@timestamp")
        return when[:19] if isinstance(when, str) else ""


def expand(document: Document) -> tuple[dict[str, Any], bytes]:
    """The two lines of a bulk request that create the document."""
    return {"create": {"_index": document.stream, "_id": document.id}}, document.source


@dataclass
class Tally:
    """What became of a batch so far, and what is still to be sent."""

    pending: list[Document]
    stored: int = 0
    duplicates: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    retry: list[Document] = field(default_factory=list)
    why: str = ""

    def pass_over(self, held: set[tuple[str, str]]) -> None:
        """Count those pending documents as duplicates whose stream and id are among the held ones."""
        fresh = [document for document in self.pending if (document.stream, document.id) not in held]
        self.duplicates += len(self.pending) - len(fresh)
        self.pending = fresh

    def result(self) -> WriteResult:
        """The sink's answer."""
        return WriteResult(self.stored, self.duplicates, tuple(self.rejected))


def _document(event: Event, namespace: str, ingested: str) -> Document:
    revision = event.get("entra", {}).get("revision", 1)
    id_ = event["event"]["id"] if revision == 1 else f"{event['event']['id']}:{revision}"
    if not 0 < len(id_.encode()) <= _LONGEST_ID:
        raise ValueError(f"its id is empty or longer than {_LONGEST_ID} bytes")
    place = {**event["data_stream"], "type": "logs", "namespace": namespace}
    shipped = {**event, "event": {**event["event"], "ingested": ingested}, "data_stream": place}
    return Document(event, f"logs-{place['dataset']}-{namespace}", id_, jsontext.dumps(shipped))


def tally_of(events: Sequence[Event], namespace: str, now: datetime) -> Tally:
    """All events of a batch as documents, those that cannot be one as rejected.

    :param namespace: stands in every document in place of the event's own.
    :param now: becomes `event.ingested`, which Elastic's detection rules go by so that late events are not missed.
    """
    tally, ingested = Tally([]), now.strftime("%Y-%m-%dT%H:%M:%S.%f")[:23] + "Z"
    for event in events:
        try:
            tally.pending.append(_document(event, namespace, ingested))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            tally.rejected.append(Rejected(event, f"it cannot be a document: {type(error).__name__}, {error}"))
    return tally
