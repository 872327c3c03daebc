"""The event that says a range of time is missing, so that no hole is ever silent.

It goes the way of all events, into the same sinks and under the same promises. Its id is made of what it says, so that
telling of the same gap twice leaves one event.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from entrawatch.ingest.keys import Prepared, at, time_prefix

if TYPE_CHECKING:
    from datetime import datetime

    from entrawatch.ingest.position import Span
    from entrawatch.interfaces import Event
    from entrawatch.schema.streams import Stream


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def gap(tenant: str, tenant_id: str, stream: Stream, span: Span, reason: str, now: datetime) -> Prepared:
    """What the sinks are given for a range that could not be read.

    :param reason: one line: why, and what to do where something can be done.
    :param now: the event's `@timestamp`: a gap is news of today, wherever it lies.
    """
    start, end = _text(at(span.start)), _text(at(span.end))
    digest = hashlib.blake2b(f"gap\0{tenant}\0{stream.name}\0{start}\0{end}".encode(), digest_size=16)
    name = f"gap-{digest.hexdigest()}"
    entra = {"stream": stream.name, "tenant_id": tenant_id}
    event: Event = {
        "@timestamp": _text(now),
        "message": f"{stream.name} of {tenant}: {start} to {end} could not be read: {reason}",
        "event": {
            "id": name, "action": "gap", "kind": "pipeline_error", "dataset": stream.dataset,
            "start": start, "end": end, "reason": reason,
        },
        "data_stream": {"type": "logs", "dataset": stream.dataset, "namespace": "default"},
        "entra": entra,
    }  # fmt: skip
    envelope: Event = {
        "time": _text(now), "category": stream.category, "operationName": "gap", "tenantId": tenant_id,
        "properties": {"id": name, "start": start, "end": end, "reason": reason},
        "entra": {**entra, "id": name},
    }  # fmt: skip
    prepared = Prepared(event, time_prefix(span.end) + digest.digest()[:12], digest.digest(), span.end)
    prepared.shapes = {"event": event, "envelope": envelope}
    return prepared
