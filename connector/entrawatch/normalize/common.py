"""What all families share: the frame of an event, its time, its id, the address and the user."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.jsontext import canonical
from entrawatch.normalize.convert import Converter, Target
from entrawatch.normalize.values import address, as_long, instant
from entrawatch.schema.fields import ROOTS, of_family

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrawatch.interfaces import Event
    from entrawatch.normalize.shapes import Opened

#: the version of the Elastic Common Schema whose field names are used
ECS_VERSION = "8.17.0"
_EPOCH = "1970-01-01T00:00:00.000Z"


class Frame:
    """What the family modules fill: the event under way and what does not fit into it."""

    __slots__ = ("event", "head", "inner", "ours", "unfit")

    def __init__(self, opened: Opened, tenant_id: str, head: dict[str, Any], unfit: dict[str, str]) -> None:
        stream = opened.stream
        self.unfit = unfit
        self.head = head
        self.inner: dict[str, Any] = {"dataset": stream.dataset, "kind": "event", "module": "azure"}
        self.ours: dict[str, Any] = {"stream": stream.name, "tenant_id": tenant_id}
        root = _ROOT[stream.family]
        self.event: Event = {
            "@timestamp": _EPOCH,
            "azure": {root: head, "tenant_id": tenant_id} if tenant_id else {root: head},
            "cloud": {"provider": "azure"},
            "data_stream": {"dataset": stream.dataset, "namespace": "default", "type": "logs"},
            "ecs": {"version": ECS_VERSION},
            "entra": self.ours,
            "event": self.inner,
        }

    def finish(self, record: Mapping[str, Any], *times: Optional[str]) -> Event:
        """The event, with its time: the first of `times` that is one. Without any it is marked and goes out all the
        same, for an event with a bad time is evidence too."""
        for text in times:
            if type(text) is str:
                moment = instant(text)
                if moment:
                    self.event["@timestamp"] = moment[0]
                    break
        else:
            self.ours["time_missing"] = True
        if "id" not in self.inner:
            self.inner["id"] = "sha256:" + hashlib.sha256(canonical(record)).hexdigest()
        if self.unfit:
            self.ours["unfit"] = self.unfit
        return self.event


_ROOT = {family: root.partition(".")[2] for family, root in ROOTS.items()}
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


def place_meta(frame: Frame, meta: Mapping[str, Any], *, level_as_text: bool) -> None:
    """The keys around the properties that Elastic's integration has elsewhere."""
    azure = frame.event["azure"]
    for key, name in (("correlationId", "correlation_id"), ("tenantId", "tenant_id")):
        if type(meta.get(key)) is str and meta[key]:
            azure[name] = meta[key]
    resource = meta.get("resourceId")
    if type(resource) is str and resource:
        azure["resource"] = _resource(resource)
    level = meta.get("Level", meta.get("level"))
    number = as_long(level) if type(level) in (int, str) else None
    if type(number) is int and not level_as_text:
        frame.head["level"] = number
    elif level not in (None, "") and type(level) in (str, int):
        frame.event["log"] = {"level": str(level)}
    duration = as_long(meta.get("durationMs"))
    if type(duration) is int and 0 <= duration < 2**40:
        frame.inner["duration"] = duration * 1_000_000


def _resource(path: str) -> dict[str, str]:
    """The resource's identifier, and its provider as it stands behind `/providers/`."""
    _, _, provider = path.partition("/providers/")
    return {"id": path, "provider": provider} if provider else {"id": path}


def tenant_of(given: str, *found: Any) -> str:
    """The tenant: the caller's word, else the first that the record tells."""
    if given:
        return given
    for value in found:
        if type(value) is str and value:
            return value
    return ""


def place_address(event: Event, text: Any) -> None:
    """The client's address: as given, and where it is an address, as one."""
    if type(text) is not str or not text:
        return
    host, port = address(text)
    if host is None:
        event["source"] = {"address": text}
        return
    event["source"] = {"address": text, "ip": host}
    if port is not None:
        event["source"]["port"] = port
    event["client"] = {"ip": host}
    event["related"] = {"ip": [host]}


@lru_cache(maxsize=8192)
def _split(name: str) -> tuple[str, str]:
    local, at, domain = name.rpartition("@")
    return (local, domain) if at and local and domain else (name, "")


def place_user(event: Event, name: Any, identifier: Any, display: Any) -> None:
    """The user who acted. All three are text or nothing."""
    user: dict[str, Any] = {}
    if display:
        user["full_name"] = display
    if identifier:
        user["id"] = identifier
    if name:
        user["name"], domain = _split(name)
        if domain:
            user["domain"] = domain
            user["email"] = name
    if user:
        event["user"] = user
        event.setdefault("related", {})["user"] = [text for text in (name, identifier) if text]
