"""Where events go. `build` makes a sink of a configuration; `OPTIONS` says what each kind can be told.

A sink is a module here with an `OPTIONS` table and a class with

    from_options(name, options, *, state_dir, observer, clock, stop) -> Sink

where `options` is filled with the table's defaults. Beyond the `Sink` protocol each has `check()`, which reaches for
the place without writing anything and raises what `write` would raise: `entrawatch doctor` calls it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Optional, Protocol

from entrawatch.clock import SystemClock
from entrawatch.errors import ConfigError
from entrawatch.interfaces import Silent, Sink
from entrawatch.sinks.options import Option, faults, filled

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from entrawatch.config.model import SinkConfig
    from entrawatch.interfaces import Clock, Observer

__all__ = ["OPTIONS", "CheckedSink", "Option", "build"]


class CheckedSink(Sink, Protocol):
    """A sink that can also say whether it would take events now."""

    def check(self) -> None:
        """Reach for the place and ask whether it takes our events; writes none.

        :raises SinkUnavailableError: it cannot be reached or is busy.
        :raises SinkRefusedError: it answers, and refuses us.
        """
        ...


@dataclass(frozen=True)
class _Kind:
    module: str
    sink: str
    extra: str = ""


_KINDS = {
    "splunk_hec": _Kind("splunk_hec", "SplunkHecSink"),
    "elasticsearch": _Kind("elasticsearch", "ElasticsearchSink", "elasticsearch"),
    "files": _Kind("files", "FilesSink", "parquet"),
    "duckdb": _Kind("duckdb", "DuckdbSink", "duckdb"),
}


class _Tables(Mapping[str, Mapping[str, Option]]):
    """sink type → its options; a sink's module is loaded when its table is first asked for."""

    def __getitem__(self, sink_type: str) -> Mapping[str, Option]:
        return _load(_KINDS[sink_type], sink_type).OPTIONS  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[str]:
        return iter(_KINDS)

    def __len__(self) -> int:
        return len(_KINDS)


def _missing(kind: _Kind, where: str, error: ImportError) -> ConfigError:
    return ConfigError(
        [f"{where}: needs the package {error.name}, which is not installed; pip install 'entrawatch[{kind.extra}]'"]
    )


def _load(kind: _Kind, where: str) -> Any:
    try:
        return import_module(f"{__name__}.{kind.module}")
    except ImportError as error:
        raise _missing(kind, where, error) from error


#: sink type → option name → what it may be
OPTIONS: Mapping[str, Mapping[str, Option]] = _Tables()


def build(
    config: SinkConfig,
    *,
    state_dir: Path,
    observer: Optional[Observer] = None,
    clock: Optional[Clock] = None,
    stop: Optional[threading.Event] = None,
) -> CheckedSink:
    """The sink a configuration describes, ready to write.

    :param state_dir: where a sink that needs state of its own keeps it.
    :param stop: ends waits early (an acknowledgement that is still out then counts as not given).
    :raises ConfigError: an unknown type, faulty options, or a package that is not installed.
    """
    where = f"sinks.{config.name}"
    if config.type not in _KINDS:
        raise ConfigError([f"{where}: {config.type} is no sink; there are: {', '.join(_KINDS)}"])
    kind = _KINDS[config.type]
    module = _load(kind, where)
    found = faults(module.OPTIONS, config.options)
    if found:
        raise ConfigError([f"{where}: {fault}" for fault in found])
    try:
        return getattr(module, kind.sink).from_options(  # type: ignore[no-any-return]
            config.name, filled(module.OPTIONS, config.options),
            state_dir=state_dir, observer=observer or Silent(), clock=clock or SystemClock(), stop=stop,
        )  # fmt: skip
    except ImportError as error:
        raise _missing(kind, where, error) from error
