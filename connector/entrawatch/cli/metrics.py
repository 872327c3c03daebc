"""Every metric there is: name → what it counts. docs/operations.md lists the same, and a test holds them together."""

from __future__ import annotations

from typing import NamedTuple

PREFIX = "entrawatch_"
Kind = str
_FEED = ("tenant", "stream", "sink")
_STREAM = ("tenant", "stream")
_SWEPT = (*_FEED, "sweep")


class Metric(NamedTuple):
    """One metric.

    :param kind: counter, gauge or histogram.
    :param buckets: upper edges of a histogram, in seconds.
    """

    kind: Kind
    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


_LAG = (60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0, 172800.0)
METRICS: dict[str, Metric] = {
    "watermark_age_seconds": Metric("gauge", "How far the first read of a stream is behind the present", _FEED),
    "backlog_seconds": Metric("gauge", "Length of holes and backfill still to be read", _FEED),
    "stream_degraded": Metric("gauge", "1 while a stream cannot be read for want of permission or licence", _STREAM),
    "events_added": Metric("counter", "Events seen for the first time, by the sweep that found them", _SWEPT),
    "events_revised": Metric("counter", "Events that came again because their record had changed", _SWEPT),
    "events_stored": Metric("counter", "Events the sink stored", _SWEPT),
    "events_duplicate": Metric("counter", "Events the sink already had", _SWEPT),
    "records_read": Metric("counter", "Records the source gave", _SWEPT),
    "records_repeated": Metric("counter", "Records already known, unchanged", _SWEPT),
    "sink_errors": Metric("counter", "Batches a sink did not take, to be sent again", _SWEPT),
    "dead_letters": Metric("counter", "Records and events put aside in the dead letter", _SWEPT),
    "event_lag_seconds": Metric("histogram", "Age of events when they were first seen", _SWEPT, _LAG),
    "gaps": Metric("counter", "Ranges that can no longer be read, each told in a gap event", _FEED),
    "source_errors": Metric("counter", "Reads that failed, by kind of error", (*_STREAM, "error")),
    "windows_bisected": Metric("counter", "Windows read in halves because they failed whole", _STREAM),
    "graph_requests": Metric("counter", "Requests to Graph, by HTTP status", (*_STREAM, "status")),
    "graph_request_seconds": Metric("histogram", "How long Graph took to answer", _STREAM),
    "graph_refusals": Metric("counter", "Answers that were refusals, by reason", (*_STREAM, "reason")),
    "graph_pages": Metric("counter", "Pages read", _STREAM),
    "graph_records": Metric("counter", "Records in those pages", _STREAM),
    "graph_fallbacks": Metric("counter", "Streams read by their older API version", _STREAM),
    "graph_budget_wait_seconds": Metric("histogram", "How long requests waited for their turn", ("limit",)),
    "graph_cool_down_seconds": Metric("gauge", "Length of the last pause that Graph asked for", ("limit",)),
    "sink_request_seconds": Metric("histogram", "How long a sink took to answer", ("sink",)),
    "sink_bytes": Metric("counter", "Bytes sent to a sink", ("sink",)),
    "sink_retried_events": Metric("counter", "Events sent again because the sink was busy", ("sink",)),
}
