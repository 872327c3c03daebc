"""Installs lifecycle policy and templates in a cluster; done again, it changes what differs and nothing else."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Callable, Optional

from elasticsearch import NotFoundError

from entrawatch.errors import ConfigError
from entrawatch.schema.index_templates import COMPONENT, INDEX, META, PATHS, POLICY, objects
from entrawatch.sinks.elasticsearch import OPTIONS
from entrawatch.sinks.elasticsearch_client import Scrubber, connect, translated
from entrawatch.sinks.elasticsearch_documents import checked_namespace
from entrawatch.sinks.options import faults, filled

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from entrawatch.config.model import SinkConfig


@dataclass(frozen=True)
class Change:
    """One object of the cluster and what set-up did with it.

    :param kind: ILM policy, component template or index template.
    :param action: created, changed, unchanged, or planned where nothing was to be done.
    :param body: what stands, or would stand, in the cluster.
    :param note: what else the person should know, "" for nothing.
    """

    kind: str
    name: str
    action: str
    body: dict[str, Any]
    note: str = ""

    @property
    def request(self) -> str:
        """The request that installs it, as Kibana's console takes it, without the body."""
        return f"PUT {PATHS[self.kind]}/{self.name}"

    def __str__(self) -> str:
        return f"{self.action} {self.kind} {self.name}" + (f" ({self.note})" if self.note else "")


def setup(config: SinkConfig, *, dry_run: bool = False) -> list[Change]:
    """Prepare the cluster of an Elasticsearch sink for its data streams.

    :param dry_run: ask nothing of the cluster; every object is given as planned.
    :raises ConfigError: the configuration is no Elasticsearch sink's, or its options are faulty.
    :raises SinkUnavailableError: the cluster cannot be reached or is busy.
    :raises SinkRefusedError: the credential lacks manage_ilm or manage_index_templates, or a template is refused.
    """
    where = f"sinks.{config.name}"
    if config.type != "elasticsearch":
        raise ConfigError([f"{where}: is of type {config.type}; name a sink of type elasticsearch"])
    found = faults(OPTIONS, config.options)
    if found:
        raise ConfigError([f"{where}: {fault}" for fault in found])
    options = filled(OPTIONS, config.options)
    namespace = checked_namespace(where, options["namespace"])
    planned = objects(namespace, options["retention_days"])
    if dry_run:
        return [Change(kind, name, "planned", body) for kind, name, body in planned]
    client = connect(where, options)
    try:
        with translated(where, Scrubber(options)):
            return install(client, namespace, options["retention_days"])
    finally:
        client.close()


def install(client: Elasticsearch, namespace: str, retention_days: Optional[int]) -> list[Change]:
    """Bring the cluster to what `objects` says.

    :raises ApiError, TransportError: as the client does.
    """
    changes = [_install(client, *planned) for planned in objects(namespace, retention_days)]
    news = any(change.action != "unchanged" and change.kind != POLICY for change in changes)
    return [_noted(client, change, news=news) if change.kind == INDEX else change for change in changes]


def _noted(client: Elasticsearch, change: Change, *, news: bool) -> Change:
    """An index template with what its data stream makes of it."""
    stream = change.body["index_patterns"][0]
    effective = client.indices.simulate_index_template(name=stream)["template"]
    if effective.get("mappings", {}).get("_meta") != META:
        note = f"without effect: a template of higher priority has {stream}; lower that one's priority"
    elif news and client.indices.exists(index=stream):
        note = f"{stream} is there already and takes it at its next rollover: POST /{stream}/_rollover"
    else:
        note = ""
    return replace(change, note=note)


def _install(client: Elasticsearch, kind: str, name: str, body: dict[str, Any]) -> Change:
    present = _read(client, kind, name)
    if present == body:
        return Change(kind, name, "unchanged", body)
    put: dict[str, Callable[[], Any]] = {
        POLICY: lambda: client.ilm.put_lifecycle(name=name, policy=body["policy"]),
        COMPONENT: lambda: client.cluster.put_component_template(name=name, **body),
        INDEX: lambda: client.indices.put_index_template(name=name, **body),
    }
    # The cluster warns of templates that ours outdoes, Elastic's own among them: that is what the priority is for.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        put[kind]()
    return Change(kind, name, "created" if present is None else "changed", body)


def _read(client: Elasticsearch, kind: str, name: str) -> Optional[dict[str, Any]]:
    """The object as the cluster has it, in the form of `objects`; None where it has none."""
    try:
        if kind == POLICY:
            return {"policy": client.ilm.get_lifecycle(name=name)[name]["policy"]}
        if kind == COMPONENT:
            answer = client.cluster.get_component_template(name=name, flat_settings=True)
            return dict(answer["component_templates"][0]["component_template"])
        return dict(client.indices.get_index_template(name=name)["index_templates"][0]["index_template"])
    except NotFoundError:
        return None
