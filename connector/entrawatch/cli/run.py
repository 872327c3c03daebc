"""`entrawatch run`: the connector."""

from __future__ import annotations

import logging
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


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration (YAML)")
    parser.add_argument("--once", action="store_true", help="end at the present instead of waiting for more")


def run(arguments: argparse.Namespace) -> int:
    """Collect; a stop by signal is a good end: what is under way is finished and saved."""
    import threading

    from entrawatch.cli import collect, logs
    from entrawatch.cli.console import say
    from entrawatch.ingest.runner import stop_on_signals

    config = collect.load_config(arguments.config)
    logs.setup(config.log_format, config.log_level, debug=arguments.debug)
    stop = threading.Event()
    with stop_on_signals(stop), ExitStack() as stack:
        observer = _observer(stack, config, once=arguments.once)
        loop = stack.enter_context(collect.runner(config, observer=observer, stop=stop))
        streams = len({(feed.tenant, feed.stream) for feed in feeds(config)})
        _LOG.info("collecting %d streams into %s", streams, ", ".join(sink.name for sink in config.sinks))
        outcome = loop.run(once=arguments.once)
    _LOG.info("stopped" if stop.is_set() else "reached the present")
    return collect.told(outcome, say)


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


def _observer(stack: ExitStack, config: Config, *, once: bool) -> Observer:
    from entrawatch.cli import progress, watch
    from entrawatch.errors import ConfigError

    watchers: list[Any] = []
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
        watchers.append(stack.enter_context(progress.bars()))
    return watch.Many(watchers)
