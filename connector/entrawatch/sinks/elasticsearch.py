"""Elasticsearch: events become documents of data streams, created by their id, each with an outcome of its own.

A document's `_id` is the event's id, and from its second revision on `<id>:<revision>`; a 409 says that it is there
already. Documents that the cluster has no room for now (429, 503) are sent again alone; those that its mapping
refuses are rejected with its reason. See the bulk API, https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
"""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Any, Optional

from elasticsearch import ApiError, Elasticsearch
from elasticsearch.helpers import streaming_bulk

from entrawatch.errors import SinkRefusedError, SinkUnavailableError
from entrawatch.interfaces import Rejected, Silent
from entrawatch.schema.index_templates import NAMESPACE
from entrawatch.sinks.elasticsearch_client import Scrubber, connect, is_transient, reason_of, translated
from entrawatch.sinks.elasticsearch_documents import checked_namespace, data_streams, expand, tally_of
from entrawatch.sinks.elasticsearch_rollover import Rollovers
from entrawatch.sinks.options import Option

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from entrawatch.interfaces import Clock, Event, Observer, WriteResult
    from entrawatch.sinks.elasticsearch_documents import Document, Tally

OPTIONS: dict[str, Option] = {
    "hosts": Option("text", "URL of a node or of the load balancer before the cluster; several with commas"),
    "cloud_id": Option("text", "Elastic Cloud id, in place of hosts"),
    "api_key": Option("secret", "API key, as Kibana shows it (encoded), or id:key"),
    "user": Option("text", "user name, where there is no API key"),
    "password": Option("secret", "the user's password"),
    "ca_bundle": Option("path", "PEM file of the CA certificates to trust (the cluster's http_ca.crt)"),
    "namespace": Option("text", "namespace of the data streams logs-<dataset>-<namespace>", default=NAMESPACE),
    "batch_bytes": Option("int", "largest bulk request, before compression", default=10 * 1024 * 1024, least=1024),
    "timeout_seconds": Option("float", "longest time one request may take", default=60.0, least=1),
    "compress": Option("bool", "send with gzip", default=True),
    "retention_days": Option("int", "age at which set-up has data deleted; unset: never", least=1),
}  # fmt: skip

#: pauses in seconds before documents are sent again; each is shortened by chance, so that writers do not march in step
PAUSES = (1.0, 2.0, 4.0, 8.0)
#: errors of a document that mean that the place is not right, not the document: see `_outcome`
_MISPLACED = frozenset({"validation_exception", "invalid_index_name_exception"})


class ElasticsearchSink:
    """A sink that writes to a cluster through the official client."""

    deduplicates = True
    shape = "event"

    def __init__(
        self, name: str, client: Elasticsearch, *, namespace: str, batch_bytes: int, clock: Clock,
        scrubbed: Scrubber, observer: Optional[Observer] = None, stop: Optional[threading.Event] = None,
    ) -> None:  # fmt: skip
        self.name = name
        self._client = client
        self._namespace = namespace
        self._batch_bytes = batch_bytes
        self._clock = clock
        self._observer = observer or Silent()
        self._stop = stop
        self._where = f"sinks.{name}"
        self._scrubbed = scrubbed
        self._translated = partial(translated, self._where, scrubbed)
        self._rollovers = Rollovers(client)

    @classmethod
    def from_options(
        cls, name: str, options: Mapping[str, Any], *, clock: Clock, state_dir: Optional[Path] = None,
        observer: Optional[Observer] = None, stop: Optional[threading.Event] = None,
    ) -> ElasticsearchSink:  # fmt: skip
        """The sink of a configuration; makes no request.

        :param options: `OPTIONS` filled with its defaults.
        :param state_dir: not used; the cluster keeps all there is.
        :raises ConfigError: options that contradict each other.
        """
        where = f"sinks.{name}"
        return cls(
            name, connect(where, options), namespace=checked_namespace(where, options["namespace"]),
            batch_bytes=options["batch_bytes"], clock=clock, scrubbed=Scrubber(options), observer=observer, stop=stop,
        )  # fmt: skip

    def write(self, events: Sequence[Event]) -> WriteResult:
        """Store a batch: returns when each document of it has its outcome.

        :raises SinkUnavailableError: some document has none; the same batch may come again.
        :raises SinkRefusedError: the credential or the set-up of the cluster does not let us write.
        """
        try:
            return self._write(events)
        except Exception:
            # What comes next may be this batch again, part of it stored: look again what the streams hold.
            self._rollovers.forget()
            raise

    def check(self) -> None:
        """Ask for what `write` asks beside writing, and for the privileges it needs.

        :raises SinkUnavailableError: the cluster cannot be reached or is busy.
        :raises SinkRefusedError: it does not know us, or the credential lacks a privilege.
        """
        streams = data_streams(self._namespace)
        with self._translated():
            self._client.indices.get_settings(
                index=streams, name="index.creation_date", ignore_unavailable=True, allow_no_indices=True
            )
            lacking = self._lacking(streams)
        if lacking:
            raise SinkRefusedError(f"{self._where}: the credential lacks {', '.join(lacking)} on {', '.join(streams)}")

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _lacking(self, streams: list[str]) -> list[str]:
        wanted = ["auto_configure", "create_doc", "read", "view_index_metadata"]
        try:
            answer = self._client.security.has_privileges(index=[{"names": streams, "privileges": wanted}])
        except ApiError as error:
            if error.meta.status in {400, 404, 405}:
                return []  # a cluster without security asks for no privileges
            raise
        given = answer["index"].values()
        return [privilege for privilege in wanted if not all(stream[privilege] for stream in given)]

    def _write(self, events: Sequence[Event]) -> WriteResult:
        tally = tally_of(events, self._namespace, self._clock.now())
        for pause in (*PAUSES, None):
            self._pass_over_held(tally)
            self._send(tally)
            if not tally.retry:
                return tally.result()
            self._wait(tally, pause)
        raise AssertionError("the last pause ends the loop")  # pragma: no cover

    def _pass_over_held(self, tally: Tally) -> None:
        with self._translated():
            held = self._rollovers.held(tally.pending)
        if held:
            tally.pass_over(held)

    def _send(self, tally: Tally) -> None:
        """Send what is pending, in requests as large as allowed, halved where the server calls one too large."""
        documents, limit = tally.pending, self._batch_bytes
        while documents:
            done = self._send_some(tally, documents, limit)
            documents = documents[done:]
            if documents and len(documents) > 1 and len(documents[0].source) < limit:
                limit //= 2
            elif documents:
                tally.rejected.append(Rejected(documents[0].event, "larger than the server takes (413)"))
                documents = documents[1:]

    def _send_some(self, tally: Tally, documents: list[Document], limit: int) -> int:
        """How many of the documents have their outcome: all, or those before a request that was too large."""
        done, began = 0, self._clock.monotonic()
        try:
            with self._translated():
                for done, item in enumerate(self._outcomes(documents, limit), 1):
                    self._count(tally, documents[done - 1], item)
        except _TooLargeError:
            return done
        finally:
            self._observer.observe("sink_request_seconds", self._clock.monotonic() - began, sink=self.name)
            self._observer.count("sink_bytes", sum(len(document.source) for document in documents), sink=self.name)
        if done != len(documents):
            raise SinkUnavailableError(f"{self._where}: {done} of {len(documents)} documents have an outcome")
        return done

    def _outcomes(self, documents: list[Document], limit: int) -> Iterator[dict[str, Any]]:
        # The helper's types know of dicts and text only; what it is given goes to the callback and nowhere else.
        actions: Any = documents
        as_lines: Any = expand
        answers = streaming_bulk(
            self._client, actions, chunk_size=len(documents), max_chunk_bytes=limit, raise_on_error=False,
            expand_action_callback=as_lines, require_data_stream=True,
        )  # fmt: skip
        try:
            for _, answer in answers:
                yield answer["create"]
        except ApiError as error:
            if error.meta.status == 413:
                raise _TooLargeError from None
            raise
        except (AttributeError, KeyError, TypeError):
            raise SinkUnavailableError(f"{self._where}: the answer is none of the bulk API") from None

    def _count(self, tally: Tally, document: Document, item: dict[str, Any]) -> None:
        """Add one document's outcome, as the bulk API tells it, to the tally."""
        status, error = item.get("status", 500), item.get("error")
        kind = error.get("type") if isinstance(error, dict) else None
        if 200 <= status < 300 and item.get("failure_store") != "used":
            tally.stored += 1
            self._rollovers.wrote(document.stream, item.get("_index", ""))
        elif kind == "version_conflict_engine_exception":
            tally.duplicates += 1
        elif is_transient(status) or status == 409:
            tally.retry.append(document)
            tally.why = f"{status} {self._scrubbed(reason_of(error))}"
        elif status in {401, 403, 404} or kind in _MISPLACED:
            raise SinkRefusedError(self._refusal(document, reason_of(error)))
        else:
            tally.rejected.append(Rejected(document.event, self._scrubbed(_why_not(item, error))))

    def _refusal(self, document: Document, reason: str) -> str:
        return (
            f"{self._where}: {document.stream} does not take documents, {self._scrubbed(reason)}; "
            "run `entrawatch setup elasticsearch` and check the credential's privileges"
        )

    def _wait(self, tally: Tally, pause: Optional[float]) -> None:
        """Pause before what was turned away is sent again."""
        self._observer.count("sink_retried_events", len(tally.retry), sink=self.name)
        if pause is not None:
            self._clock.sleep(pause * random.uniform(0.5, 1.0), until=self._stop)  # noqa: S311 - no secret
        if pause is None or (self._stop is not None and self._stop.is_set()):
            raise SinkUnavailableError(f"{self._where}: {len(tally.retry)} documents were turned away, {tally.why}")
        tally.pending, tally.retry = tally.retry, []
        self._rollovers.forget()


class _TooLargeError(Exception):
    """The server takes no request of this size."""


def _why_not(item: dict[str, Any], error: Any) -> str:
    return "it went to the data stream's failure store" if item.get("failure_store") == "used" else reason_of(error)
