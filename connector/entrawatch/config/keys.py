"""The one table of what the configuration file may say: the loader reads it, the JSON Schema is made from it.

Sinks are not in it: each sink brings its own table of options (`OPTIONS`), of the same shape as `Key`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol

from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Key:
    """One key of the file.

    :param kind: text, guid, tenant, url, path, secret, duration, sweeps, start, range, int, float, bool, choice,
        listen, streams; "section" for a mapping and "list" for a list of mappings.
    :param help: one line; editors show it.
    :param choices: the words a choice may be.
    :param least: smallest value allowed: a number, or a duration.
    :param most: largest value allowed.
    """

    kind: str
    help: str
    required: bool = False
    choices: tuple[str, ...] = ()
    least: Any = None
    most: Any = None
    keys: Optional[Mapping[str, Key]] = None


class SinkOption(Protocol):
    """What the loader needs to know of a sink's option; `sinks.options.Option` is one."""

    @property
    def kind(self) -> str:
        """One of text, url, path, int, float, bool, choice, secret."""

    @property
    def help(self) -> str:
        """One line."""

    @property
    def required(self) -> bool:
        """Whether a sink cannot do without it."""

    @property
    def choices(self) -> tuple[str, ...]:
        """The words a choice may be."""

    @property
    def least(self) -> Optional[float]:
        """The smallest number allowed."""


@dataclass(frozen=True)
class SinkTables:
    """The sinks that can be configured.

    :param options: sink type → its options.
    :param faults: what is wrong with given options of a table, one clause a fault, each beginning with its name.
    """

    options: Mapping[str, Mapping[str, Any]]
    faults: Callable[[Mapping[str, Any], Mapping[str, Any]], list[str]]


GRAPH: dict[str, Key] = {
    "cloud": Key(
        "choice", "The national cloud the tenant lives in.", choices=("global", "usgov", "usgov_dod", "china")
    ),
    "url": Key("url", "Graph's base URL, where it is not a named cloud's; https only."),
    "login_url": Key("url", "The token authority's base URL, where it is not a named cloud's; https only."),
    "ca_bundle": Key("path", "File of CA certificates (PEM) trusted instead of the system's."),
    "proxy": Key("proxy", "URL of an HTTP(S) proxy, without a password: http://user@proxy.example:3128."),
    "proxy_password": Key("secret", "Password of the user named in `proxy`."),
    "timeout": Key("float", "Seconds one request may take.", least=1, most=600),
}

AUTH: dict[str, Key] = {
    "method": Key(
        "choice", "How the connector proves who it is (default client_secret).",
        choices=("client_secret", "certificate", "managed_identity", "workload_identity"),
    ),
    "secret": Key("secret", "The application's client secret."),
    "certificate": Key("path", "PEM file with the certificate and its private key."),
    "certificate_password": Key("secret", "Password of the private key."),
    "token_file": Key("path", "Federated token (workload identity); default: $AZURE_FEDERATED_TOKEN_FILE."),
    "identity_client_id": Key("guid", "Client id of a user-assigned managed identity; none for the system's own."),
}  # fmt: skip

#: method → the keys that mean something with it, the needed ones first
AUTH_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "client_secret": (("secret",), ()),
    "certificate": (("certificate",), ("certificate_password",)),
    "managed_identity": ((), ("identity_client_id",)),
    "workload_identity": (("token_file",), ()),
}

COLLECT: dict[str, Key] = {
    "interval": Key("duration", "Pause between two passes over a stream (default 1m).", least=timedelta(seconds=5)),
    "window": Key(
        "duration", "Longest window asked at once (default 6h).", least=timedelta(minutes=1), most=timedelta(days=7)
    ),
    "sweeps": Key("sweeps", "How long after a window's end it is read, shortest first (default 2m, 15m, 2h, 24h)."),
    "start": Key("start", "Where to begin without a checkpoint: a time with Z, or how long ago (default 1d)."),
    "backfill": Key("range", "A past range to read beside live collection: {from: TIME, to: TIME}."),
    "parallel": Key("int", "Windows of one stream read side by side (default 2).", least=1, most=16),
    "batch": Key("int", "Events a sink is given at once (default 1000).", least=1, most=50000),
}

TENANT: dict[str, Key] = {
    "name": Key("name", "How checkpoints and metrics call the tenant (default: its tenant_id)."),
    "tenant_id": Key("tenant", "The tenant's GUID or one of its verified domains."),
    "client_id": Key("guid", "The application (client) id."),
    "auth": Key("section", "How the connector proves who it is.", keys=AUTH),
    "graph": Key("section", "Where Graph is.", keys=GRAPH),
    "collect": Key("section", "How the logs are read.", keys=COLLECT),
    "streams": Key("streams", "Streams to read (default: all but interactive_v1).", choices=tuple(STREAMS)),
    "preserve_original": Key("bool", "Keep each record's own JSON in event.original (default false)."),
}

SHARD: dict[str, Key] = {
    "index": Key("int", "This host's number, from 0.", required=True, least=0),
    "count": Key("int", "How many hosts share the streams.", required=True, least=1),
}

#: the file itself; a tenant's keys stand here too: as the one tenant, or as what `tenants` fall back on
TOP: dict[str, Key] = {
    **TENANT,
    "tenants": Key("list", "Several tenants; keys of theirs win over the same keys at the top.", keys=TENANT),
    "sinks": Key("list", "Where the events go.", required=True),
    "state_dir": Key("path", "Folder for checkpoints and dead letters; keep it.", required=True),
    "outcomes": Key("path", "Your own table of what sign-in codes mean: a copy of schema/outcomes.tsv, edited."),
    "shard": Key("section", "Which part of the streams this host reads.", keys=SHARD),
    "metrics_listen": Key("listen", "Where to serve /metrics and /healthz: 127.0.0.1:9464."),
    "log_format": Key("choice", "Log lines as text or JSON (default text).", choices=("text", "json")),
    "log_level": Key(
        "choice", "The least level that is logged (default info).", choices=("debug", "info", "warning", "error")
    ),
}

#: sections whose keys a tenant overrides one by one; an `auth` of its own replaces the top's as a whole
MERGED = ("graph", "collect")
#: keys of a sink that are not its options
SINK_OWN: dict[str, Key] = {
    "type": Key("text", "Which kind of sink.", required=True),
    "name": Key("name", "Names the checkpoint (default: its type); a new name starts anew."),
}
