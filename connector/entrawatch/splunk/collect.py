"""One run of one input: the connector's own loop from Graph to Splunk's pipe, with its state in the input's folder."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from entrawatch.clock import SystemClock
from entrawatch.errors import StateError
from entrawatch.graph.source import GraphSource
from entrawatch.ingest.policy import Policy
from entrawatch.ingest.runner import Runner
from entrawatch.ingest.store import Store
from entrawatch.normalize import normalize
from entrawatch.sinks.dead_letter import DeadLetter
from entrawatch.sinks.modular_input import ModularInputSink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from splunklib.modularinput import EventWriter

    from entrawatch.config.model import TenantConfig
    from entrawatch.ingest.runner import Outcome
    from entrawatch.splunk.arguments import Input

#: a run that fails soon is told soon, and the next one is a try as well
POLICY = Policy(read_tries=3, pause_limit=15.0, outage_limit=15.0, once_failures=2)
STATE, DEAD_LETTER = "state.sqlite", "dead-letter.jsonl"
#: how the sink is called in the state: not by index or format, for changing those must send nothing again
SINK = "splunk"
#: seconds a run may take at least before it makes room for the next; a window of a large tenant is read whole in them
PATIENCE = 1800
_LOG = logging.getLogger(__name__)
#: counter → what it is called in the log
_TOLD = {"events_added": "new", "events_revised": "revised", "dead_letters": "put_aside", "gaps": "gaps"}


class Delivered:
    """An observer that adds up what each stream gave, for the log."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        if name in _TOLD:
            with self._lock:
                self._counts[labels.get("stream", ""), name] += int(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Nothing."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Nothing."""

    def lines(self) -> list[str]:
        """A line of field=value pairs for each stream that gave something; Splunk finds the fields by itself."""
        streams = sorted({stream for stream, _ in self._counts})
        return [
            " ".join(
                [f"stream={stream}", *(f"events_{word}={self._counts[stream, name]}" for name, word in _TOLD.items())]
            )
            for stream in streams
        ]


def collect(
    given: Input, tenant: TenantConfig, writer: EventWriter, folder: Path, stop: threading.Event, *,
    patience: float = PATIENCE,
) -> Outcome:  # fmt: skip
    """Read all streams of an input to the present.

    A run that takes longer than the input's interval, and than `patience`, ends at its next whole batch: the next run
    begins with what is new, and reads on in the past where this one stood. So a start weeks back holds up nothing.

    :param folder: the input's own, for its state; made where it is missing.
    :param stop: set it, and the run ends at the next whole batch.
    :raises StateError: the folder, or what is in it, cannot be used.
    :raises ConfigError: the tenant cannot be read as configured.
    """
    delivered = Delivered()
    with ExitStack() as stack:
        runner = _runner(stack, given, tenant, writer, _made(folder), stop, delivered)
        overtime = stack.enter_context(_overtime(stop, max(patience, given.interval or 0)))
        outcome = runner.run(once=True)
    for line in delivered.lines():
        _LOG.info("%s", line)
    if overtime.is_set():
        _LOG.info("not at the present yet; the next run reads on")
    return outcome


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"{folder}: {error.strerror}; let Splunk's user write there") from None
    return folder


def _runner(
    stack: ExitStack, given: Input, tenant: TenantConfig, writer: EventWriter, folder: Path, stop: threading.Event,
    delivered: Delivered,
) -> Runner:  # fmt: skip
    clock = SystemClock()
    source = GraphSource(tenant, clock=clock, observer=delivered, stop=stop)
    stack.callback(source.close)
    sink = ModularInputSink(SINK, writer, shape=given.shape, index=given.index, stanza=f"entrawatch://{given.name}")
    dead_letter = DeadLetter(folder / DEAD_LETTER, clock=clock)
    stack.callback(dead_letter.close)
    store = Store(folder / STATE)
    stack.callback(store.close)
    return Runner(
        [(tenant, source)], [sink], normalize, store, dead_letter, clock=clock, observer=delivered, stop=stop,
        policy=POLICY,
    )  # fmt: skip


@contextmanager
def _overtime(stop: threading.Event, seconds: float) -> Iterator[threading.Event]:
    """Sets `stop` when the time is over; what it gives is set then, too."""
    over = threading.Event()

    def end() -> None:
        over.set()
        stop.set()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield over
    finally:
        timer.cancel()
