"""The configuration file and the environment → `Config`. Every fault is found in one go, each with its line."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.config import keys as table
from entrawatch.config.model import (
    AuthConfig,
    CollectConfig,
    Config,
    GraphConfig,
    ShardConfig,
    SinkConfig,
    TenantConfig,
)
from entrawatch.config.nodes import Faults, Item, mapping, parse, sequence
from entrawatch.config.sections import FAULTY, Reader, Values, spelled
from entrawatch.words import near

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrawatch.config.keys import SinkTables

_PLAIN = ("metrics_listen", "log_format", "log_level", "outcomes")
_SECTIONS = ("auth", "graph", "collect")
_SAME_KINDS = frozenset({"path", "int", "float", "bool", "secret"})


def load(path: Path, sinks: SinkTables, environ: Optional[Mapping[str, str]] = None) -> Config:
    """What the file says, with secrets from the environment or from files.

    Paths in it are taken from its own folder.

    :param sinks: which sinks there are and what each takes.
    :raises ConfigError: with one line a fault: file, line, key, what is wrong, what to do.
    """
    faults = Faults(str(path))
    reader = Reader(path.resolve().parent, os.environ if environ is None else environ, faults)
    root = parse(path, faults)
    config = _config(reader, root, sinks)
    faults.check()
    return config


def _config(reader: Reader, root: Item, sinks: SinkTables) -> Config:
    # A section that must be left out of the general reading is read by its own function below.
    values, given = reader.section(root, table.TOP, but=("tenants", "sinks", "shard", *_SECTIONS))
    parts = {name: _part(reader, given[name], name) for name in _SECTIONS if name in given}
    plain: Values = {name: values[name] for name in ("streams", "preserve_original", "client_id") if name in values}
    if "tenants" in given:
        tenants = _tenants(reader, given, parts, plain)
    else:
        tenants = [_tenant(reader, root, {**values, **plain}, parts)]
    return Config(
        tenants=tuple(tenants),
        sinks=tuple(_sinks(reader, given["sinks"], sinks)) if "sinks" in given else (),
        state_dir=values.get("state_dir", Path()),
        shard=_shard(reader, given["shard"]) if "shard" in given else ShardConfig(),
        **{name: values[name] for name in _PLAIN if name in values},
    )


def _part(reader: Reader, item: Item, name: str) -> tuple[Item, Values]:
    section = table.TENANT[name].keys
    assert section is not None  # noqa: S101 - only sections are asked for
    values, given = reader.section(item, section)
    # a section that could not be read has its fault; what it would have said is not missed a second time
    return item, values if given else {**values, "method": FAULTY}


def _tenants(reader: Reader, given: Mapping[str, Item], top: Mapping[str, Any], plain: Values) -> list[TenantConfig]:
    for name in ("tenant_id", "name"):
        if name in given:
            reader.faults.at(given[name], "stands beside `tenants`; write it in one of the tenants")
    tenants = []
    for item in sequence(given["tenants"], reader.faults):
        values, own = reader.section(item, table.TENANT, but=_SECTIONS)
        parts = {name: _part(reader, own[name], name) for name in _SECTIONS if name in own}
        tenants.append(_tenant(reader, item, {**plain, **values}, _merged(top, parts)))
    _unique(reader, given["tenants"], [tenant.name for tenant in tenants])
    return tenants


def _merged(top: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, tuple[Item, Values]]:
    merged = {**top, **own}
    for name in table.MERGED:
        if name in top and name in own:
            merged[name] = (own[name][0], {**top[name][1], **own[name][1]})
    return merged


def _tenant(reader: Reader, item: Item, values: Values, parts: Mapping[str, tuple[Item, Values]]) -> TenantConfig:
    auth = _auth(reader, parts.get("auth", (item, {})), written="auth" in parts)
    for name in ("tenant_id", "client_id"):
        # a managed identity is an application already
        if name not in values and not (name == "client_id" and auth.method == "managed_identity"):
            reader.faults.at(item, f"{name} is missing: {table.TENANT[name].help}")
    tenant_id: str = values.get("tenant_id", "")
    return TenantConfig(
        name=values.get("name", tenant_id),
        tenant_id=tenant_id,
        client_id=values.get("client_id", ""),
        auth=auth,
        graph=GraphConfig(**_known(parts, "graph")),
        collect=CollectConfig(**_known(parts, "collect")),
        streams=values.get("streams", ()),
        preserve_original=values.get("preserve_original", False),
    )


def _known(parts: Mapping[str, tuple[Item, Values]], name: str) -> Values:
    return {key: value for key, value in parts[name][1].items() if value is not FAULTY} if name in parts else {}


def _auth(reader: Reader, part: tuple[Item, Values], *, written: bool) -> AuthConfig:
    item, values = part[0], dict(part[1])
    method = values.get("method", "client_secret")
    if method is FAULTY:
        return AuthConfig()
    if method == "workload_identity" and "token_file" not in values:
        values.update(_federated(reader))
    needed, optional = table.AUTH_KEYS[method]
    for name in needed:
        if name not in values:
            where = item if written else replace(item, path=f"{item.path}.auth".lstrip("."))
            reader.faults.at(where, f"{method} needs {spelled(name, table.AUTH)}: {table.AUTH[name].help}")
    for name in set(values) - {"method", *needed, *optional}:
        word = spelled(name, table.AUTH)
        reader.faults.at(item, f"{word} means nothing with method {method}; take it out or change the method")
    return AuthConfig(**{name: value for name, value in values.items() if value is not FAULTY})


def _federated(reader: Reader) -> Values:
    # Azure's workload identity webhook sets this in every pod it serves.
    file = reader.environ.get("AZURE_FEDERATED_TOKEN_FILE", "")
    return {"token_file": Path(file)} if file else {}


def _shard(reader: Reader, item: Item) -> ShardConfig:
    values = reader.section(item, table.SHARD)[0]
    if len(values) < len(table.SHARD) or FAULTY in values.values():
        return ShardConfig()
    if values["index"] >= values["count"]:
        reader.faults.at(item, f"index {values['index']} is not below count {values['count']}; hosts count from 0")
    return ShardConfig(**values)


def _sinks(reader: Reader, listed: Item, sinks: SinkTables) -> list[SinkConfig]:
    made = [sink for item in sequence(listed, reader.faults) for sink in _sink(reader, item, sinks)]
    _unique(reader, listed, [sink.name for sink in made])
    return made


def _sink(reader: Reader, item: Item, sinks: SinkTables) -> list[SinkConfig]:
    kind = _sink_type(reader, item)
    if kind is None:
        return []
    type_ = str(kind.scalar)
    if type_ not in sinks.options:
        reader.faults.at(kind, f"{type_!r} is no sink; {near(type_, sinks.options)}")
        return []
    options = sinks.options[type_]
    keys = {**{name: _sink_key(option) for name, option in options.items()}, **table.SINK_OWN}
    values, given = reader.section(item, keys)
    own = {name: values.pop(name) for name in table.SINK_OWN if name in values}
    _check_options(reader, item, given, values, sinks, options)
    return [SinkConfig(own.get("name", type_), type_, values)]


def _sink_type(reader: Reader, item: Item) -> Optional[Item]:
    given = mapping(item, Faults(""))  # twice-given keys are named when the options are read
    if "type" not in given:
        reader.faults.at(item, "type is missing: which kind of sink; write `- type: files` and its options under it")
        return None
    return given["type"]


def _sink_key(option: Any) -> table.Key:
    # The sink's own check knows the rest (URLs, choices, least); a URL here is text to it.
    kind = option.kind if option.kind in _SAME_KINDS else "text"
    return table.Key(kind, option.help, required=option.required)


def _check_options(
    reader: Reader, item: Item, given: Mapping[str, Item], values: Values, sinks: SinkTables, options: Mapping[str, Any]
) -> None:
    for name in [name for name, value in values.items() if value is not FAULTY]:
        where = next((given[key] for key in (name, f"{name}_env", f"{name}_file") if key in given), item)
        for fault in sinks.faults({name: options[name]}, {name: values[name]}):
            reader.faults.at(where, fault[len(name) :].strip() if fault.startswith(name) else fault)


def _unique(reader: Reader, item: Item, names: list[Any]) -> None:
    for name in sorted({str(name) for name in names if name is not FAULTY and names.count(name) > 1}):
        reader.faults.at(item, f"{name!r} is the name of more than one; give each its own `name`")
