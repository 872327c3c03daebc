"""What an admin typed into the app's pages → a tenant to read; all faults at once, in the words of the pages.

The pages check what they can by themselves; here it is checked again, for stanzas are also written by hand, by REST and
by deployment servers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import quote

from entrawatch.config.keys import GRAPH
from entrawatch.config.model import AuthConfig, CollectConfig, GraphConfig, Secret, TenantConfig
from entrawatch.config.values import GUID, READERS, Wrong
from entrawatch.errors import ConfigError
from entrawatch.schema.streams import STREAMS
from entrawatch.words import near

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrawatch.config.keys import Key

    Values = Mapping[str, Optional[str]]

#: what an input's format is called on its page → the shape a sink is given
SHAPES = {"normalized": "event", "azure:monitor:aad": "envelope"}
#: how far back an input without a start time begins
_START = timedelta(days=1)
_INTERVAL = (60, 86400)
_CRON = re.compile(r"\S+( \S+){4}")
_NAME = re.compile(r"[A-Za-z]\w{0,99}", re.ASCII)


@dataclass(frozen=True)
class Input:
    """One input, as its stanza says.

    :param name: the stanza's, without the kind.
    :param account: which account reads.
    :param index: "" for Splunk's default.
    :param shape: what its sink is given.
    :param start: where to begin without a checkpoint.
    :param interval: seconds between the beginnings of two runs, None where they follow a cron line.
    """

    name: str
    account: str
    index: str
    shape: str
    start: datetime | timedelta
    streams: tuple[str, ...]
    interval: Optional[int]


class _Faults:
    """Reads values one by one; what is wrong goes on the list, and reading goes on."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._lines: list[str] = []

    def read(self, label: str, read: Callable[[str], Any], text: str, otherwise: Any = None) -> Any:
        """The value, or `otherwise` where there is no text or a wrong one."""
        if not text:
            return otherwise
        try:
            return read(text)
        except Wrong as wrong:
            self.add(label, str(wrong))
            return otherwise

    def add(self, label: str, what: str) -> None:
        """Note one."""
        self._lines.append(f"{self._where}: {label}: {what}")

    def check(self) -> None:
        """Nothing when all is well.

        :raises ConfigError: with every fault.
        """
        if self._lines:
            raise ConfigError(self._lines)


def read_input(name: str, values: Values) -> Input:
    """An input's stanza.

    :raises ConfigError: what is wrong with it, a line each.
    """
    faults = _Faults(f"input {name}")
    given = _stripped(values)
    if not _NAME.fullmatch(name):
        faults.add("Name", "begin with a letter; letters, digits and underscores, 100 at most")
    if not given.get("account"):
        faults.add("Account", "is missing; choose one, or add it on the Configuration page first")
    made = Input(
        name=name,
        account=given.get("account", ""),
        index=given.get("index", ""),
        shape=faults.read("Output format", _shape, given.get("format", ""), "event"),
        start=faults.read("Start time", _start, given.get("start_time", ""), _START),
        streams=faults.read("Streams", _streams, given.get("streams", ""), ()),
        interval=faults.read("Interval", _interval, given.get("interval", "")),
    )
    faults.check()
    return made


def read_tenant(given: Input, account: Values, proxy: Values) -> TenantConfig:
    """The tenant an input reads with its account, through the proxy where one is enabled.

    Checkpoints are kept by the tenant's id: another account for the same tenant goes on where the first stood.

    :param account: the account's stanza, its secret in clear.
    :param proxy: the settings' proxy stanza, its password in clear.
    :raises ConfigError: what is wrong with either, a line each; no line has a secret.
    """
    faults = _Faults(f"account {given.account}")
    values = _stripped(account)
    for field, label in (("tenant_id", "Tenant ID"), ("client_id", "Client ID"), ("client_secret", "Client secret")):
        if not values.get(field):
            faults.add(label, "is missing; edit the account on the Configuration page")
    tenant_id = faults.read("Tenant ID", _guid, values.get("tenant_id", ""), "")
    client_id = faults.read("Client ID", _guid, values.get("client_id", ""), "")
    graph = _graph(faults, values, _stripped(proxy))
    faults.check()
    return TenantConfig(
        name=tenant_id, tenant_id=tenant_id, client_id=client_id,
        auth=AuthConfig(secret=Secret(values["client_secret"])),
        graph=graph, collect=CollectConfig(start=given.start), streams=given.streams,
    )  # fmt: skip


def _stripped(values: Values) -> dict[str, str]:
    return {name: value.strip() for name, value in values.items() if isinstance(value, str)}


def _graph(faults: _Faults, account: Mapping[str, str], proxy: Mapping[str, str]) -> GraphConfig:
    url, password = _proxy(proxy)
    return GraphConfig(
        cloud=faults.read("Cloud", _by(GRAPH["cloud"]), account.get("cloud", ""), "global"),
        url=faults.read("Graph URL", _by(GRAPH["url"]), account.get("graph_url", ""), ""),
        login_url=faults.read("Login URL", _by(GRAPH["login_url"]), account.get("login_url", ""), ""),
        ca_bundle=faults.read("CA bundle", _file, account.get("ca_bundle", "")),
        proxy=faults.read("Proxy", _by(GRAPH["proxy"]), url, ""),
        proxy_password=Secret(password) if password else None,
    )


def _proxy(proxy: Mapping[str, str]) -> tuple[str, str]:
    """URL without a password, and the password; empty where the proxy is off."""
    if proxy.get("proxy_enabled", "0").lower() not in {"1", "true"}:
        return "", ""
    user = f"{quote(proxy['proxy_username'], safe='')}@" if proxy.get("proxy_username") else ""
    port = f":{proxy['proxy_port']}" if proxy.get("proxy_port") else ""
    scheme = proxy.get("proxy_type") or "http"
    return f"{scheme}://{user}{proxy.get('proxy_url', '')}{port}", proxy.get("proxy_password", "")


def _by(key: Key) -> Callable[[str], Any]:
    return lambda text: READERS[key.kind](text, key)


def _guid(text: str) -> str:
    if not GUID.fullmatch(text):
        raise Wrong(f"{text!r} is no GUID; copy it from the application's overview in the Entra admin center")
    return text.lower()


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise Wrong(f"{text!r} is no whole path; begin at the root")
    return path


def _shape(text: str) -> str:
    if text not in SHAPES:
        raise Wrong(f"{text!r} is not known; {near(text, SHAPES)}")
    return SHAPES[text]


def _start(text: str) -> Any:
    return READERS["start"](text, GRAPH["url"])


def _streams(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in STREAMS:
            raise Wrong(f"{name!r} is no stream; {near(name, STREAMS)}")
    return names


def _interval(text: str) -> Optional[int]:
    if _CRON.fullmatch(text):
        return None
    least, most = _INTERVAL
    if not text.isdecimal() or not least <= int(text) <= most:
        raise Wrong(f"{text!r} is not {least} to {most} seconds, and no cron line either; 300 is a good one")
    return int(text)
