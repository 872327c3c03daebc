"""`entrawatch run`: the connector."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from entrawatch.cli.watch import Feed
    from entrawatch.config.model import Config
    from entrawatch.interfaces import Observer

NAME = "run"
HELP = "Collect: all streams of the configured tenants into all sinks, for ever or to the present."
EXAMPLES = """\
  entrawatch run --config entrawatch.yml            until it is stopped (SIGTERM, Ctrl-C)
  entrawatch run --config entrawatch.yml --once     to the present, for cron
"""
_LOG = logging.getLogger(__name__)
#: counter → what it is called at the end
_DELIVERED = {"events_added": "events new", "events_revised": "revised", "dead_letters": "put aside"}


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration (YAML)")
    parser.add_argument("--once", action="store_true", help="end at the present instead of waiting for more")


def run(arguments: argparse.Namespace) -> int:
    """Collect; a stop by signal is a good end: what is under way is finished and saved."""
    from entrawatch.cli import collect, logs
    from entrawatch.cli.console import say
    from entrawatch.ingest.runner import stop_on_signals

    config = collect.load_config(arguments.config)
    logs.setup(config.log_format, config.log_level, debug=arguments.debug)
    stop = threading.Event()
    with stop_on_signals(stop), ExitStack() as stack:
        delivered = Delivered()
        observer = _observer(stack, config, delivered, once=arguments.once)
        loop = stack.enter_context(collect.runner(config, observer=observer, stop=stop))
        streams = len({(feed.tenant, feed.stream) for feed in feeds(config)})
        _LOG.info("collecting %d streams into %s", streams, ", ".join(sink.name for sink in config.sinks))
        outcome = loop.run(once=arguments.once)
    for line in delivered.lines():
        _LOG.info("%s", line)
    whole = (
        "reached the present" if not outcome.exit_code else "ended before the present: not all could be read or written"
    )
    _LOG.info("stopped" if stop.is_set() else whole)
    return collect.told(outcome, say)


class Delivered:
    """An observer that adds up what each sink was given, for the log's end."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter, whatever tenant and stream it is of."""
        if name in _DELIVERED:
            with self._lock:
                self._counts[labels.get("sink", ""), name] += int(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Nothing."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Nothing."""

    def lines(self) -> list[str]:
        """A line for each sink that was given something."""
        sinks = dict.fromkeys(sink for sink, _ in self._counts)
        return [f"{s}: " + ", ".join(f"{self._counts[s, n]:,} {w}" for n, w in _DELIVERED.items()) for s in sinks]


def feeds(config: Config) -> list[Feed]:
    """Every stream this host reads, for each sink."""
    from entrawatch.cli.watch import Feed
    from entrawatch.ingest.runner import in_shard
    from entrawatch.schema.streams import default_streams

    usual = tuple(stream.name for stream in default_streams())
    return [
        Feed(tenant.name, stream, sink.name)
        for tenant in config.tenants
        for stream in tenant.streams or usual
        for sink in config.sinks
        if in_shard(config.shard, tenant.name, stream)
    ]


def _observer(stack: ExitStack, config: Config, delivered: Delivered, *, once: bool) -> Observer:
    from entrawatch.cli import progress, watch
    from entrawatch.errors import ConfigError

    watchers: list[Any] = [delivered]
    if config.metrics_listen:
        try:
            metrics = watch.Prometheus()
        except ImportError:
            fault = "metrics_listen: needs the package prometheus_client; pip install 'entrawatch[metrics]'"
            raise ConfigError([fault]) from None
        slowest = max(tenant.collect.interval.total_seconds() for tenant in config.tenants)
        health = watch.Health(feeds(config), stale=max(watch.STALE, 10 * slowest))
        url = stack.enter_context(watch.serving(config.metrics_listen, metrics, health))
        _LOG.info("metrics on %s/metrics, health on %s/healthz", url, url)
        watchers += [metrics, health]
    if once:
        watchers.append(stack.enter_context(progress.bars(tell=_LOG.info, first="reading")))
    return watch.Many(watchers)
