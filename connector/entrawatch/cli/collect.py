"""What `run`, `fetch` and `demo` share: a configuration becomes tenants, sinks, state and one loop over them."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Callable, Optional

from entrawatch.errors import ConfigError, StateError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

    from entrawatch.config.keys import SinkTables
    from entrawatch.config.model import Config, SinkConfig
    from entrawatch.ingest.runner import Outcome, Runner
    from entrawatch.interfaces import Clock, Event, Observer, Sink

STATE, DEAD_LETTER = "state.sqlite", "dead-letter.jsonl"


def sink_tables() -> SinkTables:
    """Every sink there is, for the loader."""
    from entrawatch import sinks
    from entrawatch.config.keys import SinkTables
    from entrawatch.sinks.options import faults

    return SinkTables(sinks.OPTIONS, faults)


def load_config(path: Path) -> Config:
    """The configuration; its secrets are hidden from every line that is written from now on.

    :raises ConfigError: all that is wrong with it.
    """
    from entrawatch.config.load import load
    from entrawatch.redaction import hide

    config = load(path, sink_tables())
    hide(secrets_in(config))
    return config


def secrets_in(value: object) -> Iterator[str]:
    """The texts of all secrets in a configuration."""
    from dataclasses import fields, is_dataclass

    from entrawatch.config.model import Secret

    if isinstance(value, Secret):
        yield value.reveal()
    elif is_dataclass(value):
        for field in fields(value):
            yield from secrets_in(getattr(value, field.name))
    elif isinstance(value, (tuple, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from secrets_in(inner)


def state_folder(path: Path) -> Path:
    """The folder, made for its owner only where it is missing.

    :raises StateError: it cannot be.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise StateError(f"state_dir {path}: {error.strerror}; give a folder that can be written") from None
    return path


def opened(stack: ExitStack, config: SinkConfig, state: Path, clock: Clock, observer: Observer,
           stop: threading.Event) -> Sink:  # fmt: skip
    """A sink that is closed with the stack."""
    from entrawatch import sinks

    sink = sinks.build(config, state_dir=state, observer=observer, clock=clock, stop=stop)
    stack.callback(sink.close)
    return sink


@contextmanager
def runner(
    config: Config, *, observer: Observer, stop: threading.Event, clock: Optional[Clock] = None
) -> Iterator[Runner]:
    """The loop of a configuration, with all it needs opened, and closed at the end.

    :raises ConfigError: a sink or a tenant that cannot be used as configured.
    :raises StateError: the state folder, or what is in it, cannot be used.
    """
    from entrawatch.clock import SystemClock
    from entrawatch.graph.budget import Budgets
    from entrawatch.graph.source import GraphSource
    from entrawatch.ingest.runner import Runner
    from entrawatch.ingest.store import Store
    from entrawatch.sinks.dead_letter import DeadLetter

    clock = clock or SystemClock()
    state = state_folder(config.state_dir)
    budgets = Budgets(clock, observer)
    with ExitStack() as stack:
        sources = [
            (tenant, GraphSource(tenant, clock=clock, observer=observer, budgets=budgets, stop=stop))
            for tenant in config.tenants
        ]
        sinks = [opened(stack, sink, state, clock, observer, stop) for sink in config.sinks]
        dead_letter = DeadLetter(state / DEAD_LETTER, clock=clock)
        stack.callback(dead_letter.close)
        store = Store(state / STATE)
        stack.callback(store.close)
        yield Runner(
            sources, sinks, _normaliser(config.outcomes), store, dead_letter, clock=clock, observer=observer, stop=stop,
            shard=config.shard,
        )  # fmt: skip


def _normaliser(outcomes: Optional[Path]) -> Callable[..., Event]:
    """The normaliser, with the person's own table of codes where there is one.

    :raises ConfigError: the table cannot be read, or has faults.
    """
    from functools import partial

    from entrawatch.normalize import normalize
    from entrawatch.schema.outcomes import read_outcomes

    if outcomes is None:
        return normalize
    try:
        text = outcomes.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"outcomes: {outcomes} cannot be read ({error}); copy the built-in table"]) from None
    return partial(normalize, outcomes=read_outcomes(text, str(outcomes)))


def told(outcome: Outcome, say: Callable[[str], None]) -> int:
    """Say what did not work, a line each; the exit code."""
    from entrawatch.redaction import clean, redact

    failed = {name: why for name, why in outcome.failed.items() if name not in outcome.degraded}
    refused = {f"sink {name}": why for name, why in outcome.refused.items()}
    told = ((outcome.degraded, "cannot be read"), (failed, "given up"), (refused, "took nothing more"))
    for reasons, what in told:
        for reason, names in _by_reason(reasons).items():
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            say(f"entrawatch: {', '.join(names[:3])}{more}: {what}: {clean(redact(' '.join(reason.split())))}")
    return outcome.exit_code


def _by_reason(reasons: dict[str, str]) -> dict[str, list[str]]:
    """One wrong secret fails ten streams for one reason, which is worth one line."""
    found: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        found.setdefault(reason, []).append(name)
    return found
