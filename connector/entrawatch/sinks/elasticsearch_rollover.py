"""Finds events that a data stream already holds in an index it has rolled over from.

`create` by id is refused as a duplicate (409) only by the index that is written now; a data stream's older indices
are not asked (elastic/elasticsearch#44794), so a batch that is sent again after a rollover would be stored twice. An
event cannot have been stored before it happened. So one that is younger than the write index needs no look, and the
older ones are looked up by id in those rolled-over indices that were still written after they happened. The look-up
is a realtime get: it sees what no refresh has shown to searches yet.

What stays open is a rollover in the very moment between the look-up and the write of a batch that is a replay.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from elasticsearch import NotFoundError

from entrawatch.errors import SinkUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from elasticsearch import Elasticsearch

    from entrawatch.sinks.elasticsearch_documents import Document

#: how far the cluster's clock may be ahead of Microsoft's
SKEW = timedelta(hours=1)
#: errors of a look-up that mean the index has nothing to find (any more)
_ABSENT = frozenset({"index_not_found_exception", "index_closed_exception"})


@dataclass(frozen=True)
class _Index:
    name: str
    #: until when it was written, plus the skew; "" for the index that is written now
    until: str


@dataclass(frozen=True)
class _Stream:
    write_index: str
    #: events younger than this, as `Document.second` has it, can be in the write index only
    young: str
    older: tuple[_Index, ...]


def _second(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, timezone.utc) + SKEW
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def _layout(settings: dict[str, Any]) -> _Stream:
    """The stream as its indices' creation dates tell it: each was written until the next was made."""
    made = sorted((int(entry["settings"]["index.creation_date"]), name) for name, entry in settings.items())
    if not made:
        return _Stream("", "", ())
    older = [_Index(name, _second(following)) for (_, name), (following, _) in zip(made, made[1:])]
    return _Stream(made[-1][1], _second(made[-1][0]), tuple(reversed(older)))


def _found(answer: Iterable[dict[str, Any]]) -> Iterator[str]:
    for item in answer:
        error = item.get("error")
        if error and error.get("type") not in _ABSENT:
            raise SinkUnavailableError(f"{item.get('_index')}: cannot be asked for ids ({error.get('type')})")
        if item.get("found"):
            yield item["_id"]


class Rollovers:
    """What is known of the data streams' indices.

    It is forgotten after every error, because only a batch that may have been stored in part is sent again, and when
    a write shows that a stream has rolled over.
    """

    def __init__(self, client: Elasticsearch) -> None:
        self._client = client
        self._streams: dict[str, _Stream] = {}

    def forget(self) -> None:
        """Ask anew before the next write."""
        self._streams = {}

    def wrote(self, stream: str, index: str) -> None:
        """Note that a document of the stream went to this index."""
        known = self._streams.get(stream)
        if known is not None and known.write_index != index:
            self._streams.pop(stream, None)

    def held(self, documents: Sequence[Document]) -> set[tuple[str, str]]:
        """Stream and id of those documents that a rolled-over index holds.

        :raises SinkUnavailableError: an index could not be asked.
        :raises ApiError, TransportError: as the client does.
        """
        old: dict[str, list[Document]] = {}
        for document in documents:
            layout = self._streams.get(document.stream) or self._look(document.stream)
            if layout.older and document.second < layout.young:
                old.setdefault(document.stream, []).append(document)
        return {(stream, id_) for stream, some in old.items() for id_ in self._held(self._streams[stream], some)}

    def _look(self, stream: str) -> _Stream:
        try:
            answer = self._client.indices.get_settings(index=stream, name="index.creation_date", flat_settings=True)
            self._streams[stream] = _layout(answer.body)
        except NotFoundError:
            self._streams[stream] = _layout({})
        except (AttributeError, KeyError, TypeError, ValueError):
            raise SinkUnavailableError(f"{stream}: the answer is none of the settings API") from None
        return self._streams[stream]

    def _held(self, layout: _Stream, documents: list[Document]) -> set[str]:
        found: set[str] = set()
        for index in layout.older:
            asked = [d.id for d in documents if d.second < index.until and d.id not in found]
            if asked:
                found.update(self._ask(index.name, asked))
        return found

    def _ask(self, index: str, ids: list[str]) -> Iterable[str]:
        answer = self._client.mget(index=index, ids=ids, source=False)
        try:
            return list(_found(answer["docs"]))
        except (AttributeError, KeyError, TypeError):
            raise SinkUnavailableError(f"{index}: the answer is none of the multi-get API") from None
