"""What all families share: the frame of an event, its time, its id, the address and the user."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.jsontext import canonical
from entrawatch.normalize.convert import Converter, Target
from entrawatch.normalize.values import address, as_long, instant
from entrawatch.schema.fields import ROOTS, of_family
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrawatch.interfaces import Event
    from entrawatch.normalize.shapes import Opened
    from entrawatch.schema.streams import Stream

#: the version of the Elastic Common Schema whose field names are used
ECS_VERSION = "8.17.0"
_EPOCH = "1970-01-01T00:00:00.000Z"


def frame(stream: Stream, tenant_id: str, head: dict[str, Any]) -> tuple[Event, dict[str, Any], dict[str, Any]]:
    """A new event with what every one has, its `event` part and its `entra` part.

    The constant parts (cloud, data_stream, ecs) are shared by all events: who wants another one puts it in its place.
    """
    root, parts = _PARTS[stream.dataset, stream.family]
    inner: dict[str, Any] = {"dataset": stream.dataset, "kind": "event", "module": "azure"}
    ours: dict[str, Any] = {"stream": stream.name, "tenant_id": tenant_id}
    event: Event = {
        "@timestamp": _EPOCH,
        "azure": {root: head, "tenant_id": tenant_id} if tenant_id else {root: head},
        **parts,
        "entra": ours,
        "event": inner,
    }
    return event, inner, ours


def finish(
    event: Event, record: Mapping[str, Any], unfit: dict[str, str], identifier: Any, *times: Optional[str]
) -> Event:
    """The event with its identifier and its time: the first of `times` that is one. Without any it is marked and goes
    out all the same, for an event with a bad time is evidence too."""
    event["event"]["id"] = identifier or "sha256:" + hashlib.sha256(canonical(record)).hexdigest()
    for text in times:
        moment = instant(text) if type(text) is str else None
        if moment:
            event["@timestamp"] = moment[0]
            break
    else:
        event["entra"]["time_missing"] = True
    if unfit:
        event["entra"]["unfit"] = unfit
    return event


_PARTS = {
    (stream.dataset, stream.family): (
        ROOTS[stream.family].partition(".")[2],
        {
            "cloud": {"provider": "azure"},
            "data_stream": {"dataset": stream.dataset, "namespace": "default", "type": "logs"},
            "ecs": {"version": ECS_VERSION},
        },
    )
    for stream in STREAMS.values()
}
#: keys around the properties that have a place of their own in the event
_PLACED = ("properties", "resourceId", "tenantId", "correlationId", "durationMs", "location", "level")


def _around(family: str) -> Converter:
    rows = [field for field in of_family(family) if field.name.startswith("envelope.")]
    targets: dict[str, Optional[Target]] = {
        field.envelope: Target(field.ecs.rpartition(".")[2], field.type) for field in rows
    }
    # "properties" is the resource's place: a stray key must not take it
    return Converter({**targets, **dict.fromkeys(_PLACED)}, "envelope.")


_AROUND = {family: _around(family) for family in ROOTS}


def head_of(opened: Opened, props: dict[str, Any], unfit: dict[str, str], operation: str) -> dict[str, Any]:
    """What stands beside the properties in the event; for a Graph record, what diagnostic settings would have said."""
    if opened.meta:
        head = _AROUND[opened.stream.family](_levelled(opened.meta), unfit)
        head.setdefault("category", opened.stream.category)
        head["properties"] = props
        return head
    return {"category": opened.stream.category, "operation_name": operation, "properties": props}


def _levelled(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {("category" if key == "Category" else key): value for key, value in meta.items() if key != "Level"}


def place_meta(event: Event, head: dict[str, Any], meta: Mapping[str, Any], *, level_as_text: bool) -> None:
    """The keys around the properties that Elastic's integration has elsewhere."""
    azure = event["azure"]
    for key, name in (("correlationId", "correlation_id"), ("tenantId", "tenant_id")):
        if type(meta.get(key)) is str and meta[key]:
            azure[name] = meta[key]
    resource = meta.get("resourceId")
    if type(resource) is str and resource:
        azure["resource"] = _resource(resource)
    level = meta.get("Level", meta.get("level"))
    number = as_long(level) if type(level) in (int, str) else None
    if type(number) is int and not level_as_text:
        head["level"] = number
    elif level not in (None, "") and type(level) in (str, int):
        event["log"] = {"level": str(level)}
    duration = as_long(meta.get("durationMs"))
    if type(duration) is int and 0 <= duration < 2**40:
        event["event"]["duration"] = duration * 1_000_000


def _resource(path: str) -> dict[str, str]:
    """The resource's identifier, and its provider as it stands behind `/providers/`."""
    _, _, provider = path.partition("/providers/")
    return {"id": path, "provider": provider} if provider else {"id": path}


def tenant_of(*found: Any) -> str:
    """The first tenant that the record tells, "" for none."""
    return next((value for value in found if value and type(value) is str), "")


def place_address(event: Event, text: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The client's address: as given, and where it is an address, as one.

    :returns: the event's source and related, for the caller to complete and to place.
    """
    if not text or type(text) is not str:
        return {}, {}
    host, port = address(text)
    if host is None:
        return {"address": text}, {}
    event["client"] = {"ip": host}
    source: dict[str, Any] = {"address": text, "ip": host}
    if port is not None:
        source["port"] = port
    return source, {"ip": [host]}


def place_user(event: Event, related: dict[str, Any], name: Any, identifier: Any, display: Any) -> None:
    """The user who acted. All three are text or nothing."""
    if name or identifier or display:
        event["user"], users = _user(name, identifier, display)
        if users:
            related["user"] = users


@lru_cache(maxsize=16384)
def _user(name: Optional[str], identifier: Optional[str], display: Optional[str]) -> tuple[dict[str, Any], list[str]]:
    user = {key: value for key, value in (("full_name", display), ("id", identifier), ("name", name)) if value}
    if name:
        local, _, domain = name.rpartition("@")
        if local and domain:
            user.update(name=local, domain=domain, email=name)
    return user, [text for text in (name, identifier) if text]
