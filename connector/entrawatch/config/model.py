"""What a configuration says, as frozen dataclasses; load.py reads them from YAML.

A secret is held as `Secret`, whose text only `reveal()` gives: printing, logging or pickling a configuration shows
none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


class Secret:
    """A text that is not shown."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: for the one call that sends it, and nowhere else."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not written anywhere")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True)
class GraphConfig:
    """Where Graph is.

    :param cloud: global, usgov, usgov_dod or china: names for the URLs below.
    :param url: Graph's base URL when it is not a named cloud's; https, or http on loopback never: msal refuses it.
    :param login_url: the token authority's base URL, likewise.
    :param ca_bundle: file of CA certificates trusted instead of the system's.
    :param proxy: URL of an HTTP(S) proxy; its password comes with `proxy_password`.
    :param proxy_password: password for the user named in `proxy`.
    :param timeout: seconds one request may take.
    """

    cloud: str = "global"
    url: str = ""
    login_url: str = ""
    ca_bundle: Optional[Path] = None
    proxy: str = ""
    proxy_password: Optional[Secret] = None
    timeout: float = 120.0


@dataclass(frozen=True)
class AuthConfig:
    """How the connector proves who it is.

    :param method: client_secret, certificate, managed_identity or workload_identity.
    :param secret: the client secret.
    :param certificate: PEM file with certificate and private key.
    :param certificate_password: password of the private key.
    :param token_file: federated token (workload identity), re-read at each use.
    :param identity_client_id: client id of a user-assigned managed identity, "" for the system-assigned one.
    """

    method: str = "client_secret"
    secret: Optional[Secret] = None
    certificate: Optional[Path] = None
    certificate_password: Optional[Secret] = None
    token_file: Optional[Path] = None
    identity_client_id: str = ""


@dataclass(frozen=True)
class CollectConfig:
    """How the loop reads.

    :param interval: pause between two passes over a stream that is up to date.
    :param window: longest window asked at once; a longer range is split.
    :param sweeps: how long after a range's end it is read again, shortest first; the first is the first read.
    :param start: first time to read when there is no checkpoint: a time, or how long before now.
    :param backfill: optional range to read beside live collection.
    :param parallel: windows of one stream that are read side by side.
    :param batch: events a sink is given at once.
    """

    interval: timedelta = timedelta(minutes=1)
    window: timedelta = timedelta(hours=6)
    sweeps: tuple[timedelta, ...] = (
        timedelta(minutes=2), timedelta(minutes=15), timedelta(hours=2), timedelta(hours=24),
    )  # fmt: skip
    start: datetime | timedelta = timedelta(days=1)
    backfill: Optional[tuple[datetime, datetime]] = None
    parallel: int = 2
    batch: int = 1000


@dataclass(frozen=True)
class TenantConfig:
    """One tenant to read.

    :param name: how checkpoints and metrics call it.
    :param tenant_id: GUID or a verified domain.
    :param client_id: the application's GUID.
    :param streams: names from the stream table; empty for the default ones.
    """

    name: str
    tenant_id: str
    client_id: str
    auth: AuthConfig
    graph: GraphConfig = GraphConfig()
    collect: CollectConfig = CollectConfig()
    streams: tuple[str, ...] = ()
    preserve_original: bool = False


@dataclass(frozen=True)
class SinkConfig:
    """One place events go.

    :param name: names the checkpoint; changing it starts the sink anew.
    :param type: splunk_hec, elasticsearch, files or duckdb.
    :param options: the sink's own settings, checked by the loader against the sink's option table.
    """

    name: str
    type: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ShardConfig:
    """Which part of the streams this host reads: tenant and stream are dealt by a hash to `count` hosts."""

    index: int = 0
    count: int = 1


@dataclass(frozen=True)
class Config:
    """The whole configuration of `entrawatch run`.

    :param outcomes: file with a table of what sign-in codes mean, None for the built-in one.
    """

    tenants: tuple[TenantConfig, ...]
    sinks: tuple[SinkConfig, ...]
    state_dir: Path
    shard: ShardConfig = ShardConfig()
    metrics_listen: str = ""
    log_format: str = "text"
    log_level: str = "info"
    outcomes: Optional[Path] = None
