"""The one door: a record in any known shape becomes a common event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional

from entrawatch.errors import RecordError
from entrawatch.jsontext import dumps
from entrawatch.normalize import audit, provisioning, risk_detection, risky_object, shapes, signin
from entrawatch.schema.outcomes import OUTCOMES, Outcomes

if TYPE_CHECKING:
    from entrawatch.interfaces import Event, Record
    from entrawatch.schema.streams import Stream

_BUILD: dict[str, Callable[[shapes.Opened, str, Outcomes], Event]] = {
    "signin": signin.build,
    "audit": audit.build,
    "provisioning": provisioning.build,
    "risk_detection": risk_detection.build,
    "risky_object": risky_object.build,
}


def normalize(
    record: Record,
    stream: Optional[Stream] = None,
    *,
    tenant_id: str = "",
    preserve_original: bool = False,
    outcomes: Outcomes = OUTCOMES,
) -> Event:
    """The common event of a record. Pure: the same record gives the same event, and is never changed.

    The event may share inner values with the record: treat both as read-only.

    :param stream: what the record is, where the caller knows; else it is recognised.
    :param tenant_id: the tenant it was read from; else what the record says.
    :param preserve_original: keep the record's own JSON text in event.original.
    :param outcomes: what the result codes of sign-ins mean.
    :raises RecordError: it is no object, or nothing in it tells what it is, or it is nested beyond all reason.
    """
    try:
        opened = shapes.opened_as(record, stream)
        if opened.shape is shapes.EVENT:
            return _copied(record)
        event = _BUILD[opened.stream.family](opened, tenant_id, outcomes)
        if preserve_original:
            event["event"]["original"] = dumps(record).decode()
    except RecursionError:
        raise RecordError("it is nested too deeply to be read") from None
    return event


def _copied(event: Event) -> Event:
    """Our own event again; the parts that the loop writes into are copies."""
    out: dict[str, Any] = {**event, "entra": dict(event["entra"]), "event": dict(event["event"])}
    return out
