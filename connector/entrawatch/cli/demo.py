"""`entrawatch demo`: the whole line on this machine, in well under a minute.

An emulated Graph with a synthetic company → HTTPS, pages, throttling and faults → the loop → DuckDB and files → what is
in them. It is the connector itself that runs: only the other end of the wire is ours, and the clock goes faster.
"""

from __future__ import annotations

import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    import threading
    from datetime import datetime

    from entrawatch.cli.tally import Tally
    from entrawatch.config.model import Config
    from entrawatch.emulator.records import Emitted
    from entrawatch.emulator.server import Emulator

NAME = "demo"
HELP = "See it work: an emulated tenant is fetched, normalised, stored and hunted through."
EXAMPLES = """\
  entrawatch demo
  entrawatch demo --users 500 --out bigger
"""
#: seconds of the demo's clock in one of ours: Graph's limits are kept, in an eighth of the time
SPEED = 8.0
#: minutes between the first look and the second: under an hour, or the loop would jump to the present first
LATER = 50
#: minutes behind the present that the second look reads once more
SWEEP = 45
#: of the newest records the demo only says how many there are: the live edge is two minutes behind the present
EDGE = timedelta(minutes=3)
DATABASE, EVENTS, STATE = "entrawatch.duckdb", "events", "state"


class Story(NamedTuple):
    """What happened, for the summary.

    :param shown: records, or forms of one, that Graph shows at the end of the range.
    :param edge: by when Graph shows them.
    :param seconds: of our own clock.
    """

    tally: Tally
    requests: int
    pages: int
    throttled: int
    broken: int
    shown: set[tuple[str, str]]
    edge: datetime
    seconds: float
    start: datetime
    end: datetime


class FastClock:
    """A clock that goes `SPEED` times as fast as ours and can be set forward, for both ends of the wire."""

    def __init__(self, now: datetime) -> None:
        self._begun = time.monotonic()
        self._at = now
        self._jumped = 0.0

    def now(self) -> datetime:
        """The demo's present."""
        return self._at + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """The demo's seconds since it began."""
        return (time.monotonic() - self._begun) * SPEED + self._jumped

    def sleep(self, seconds: float, until: Optional[threading.Event] = None) -> None:
        """Wait that many of the demo's seconds."""
        real = max(0.0, seconds) / SPEED
        if until is None:
            time.sleep(real)
        else:
            until.wait(real)

    def forward(self, seconds: float) -> None:
        """Set it forward."""
        self._jumped += seconds


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--out", type=Path, default=Path("demo-out"), metavar="DIR", help="folder (default demo-out)")
    parser.add_argument("--users", type=int, default=120, help="employees of the company (default 120)")
    parser.add_argument("--seed", type=int, default=1, help="another number is another company")


def run(arguments: argparse.Namespace) -> int:
    """Run it, and tell what there is to see."""
    from entrawatch.cli import demo_hunt, demo_summary, logs
    from entrawatch.cli.console import out

    logs.setup("text", "error", debug=arguments.debug)
    _clear(arguments.out)
    console = out()
    demo_summary.opening(console)
    story, code = play(arguments)
    demo_summary.closing(console, story, arguments.out)
    demo_hunt.hunted(console, arguments.out / EVENTS, arguments.out / demo_hunt.REPORT)
    demo_summary.next_steps(console, arguments.out)
    return code


def _clear(folder: Path) -> None:
    """An earlier demo's files make room; nothing else in the folder is touched."""
    for name in (DATABASE, f"{DATABASE}.wal"):
        (folder / name).unlink(missing_ok=True)
    for name in (EVENTS, STATE):
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)


def play(arguments: argparse.Namespace) -> tuple[Story, int]:
    """Both looks at the tenant, most of an hour of its time apart; what happened, and the exit code."""
    from datetime import datetime, timezone

    from entrawatch.cli import demo_moment
    from entrawatch.cli.tally import Tally
    from entrawatch.emulator.server import Emulator

    begun = time.monotonic()
    end = demo_moment.afternoon(datetime.now(timezone.utc))
    start = end - timedelta(hours=25)
    emitted = _company(arguments, start, end)
    clock, tally = FastClock(demo_moment.first_look(emitted, end, LATER, SWEEP)), Tally()
    with Emulator(emitted, faults=faults(), seed=arguments.seed, clock=clock) as emulator:
        config = _config(emulator, arguments.out, start)
        code = _look(config, clock, tally, "first look")
        clock.forward(LATER * 60 - clock.monotonic())
        code = max(code, _look(config, clock, tally, f"{LATER} minutes later"))
        requests = list(emulator.requests)
        last = clock.now()
    reading = [one for one in requests if one.path.startswith(("/beta/", "/v1.0/"))]
    story = Story(
        tally=tally, requests=len(requests), pages=sum(one.status == 200 for one in reading),
        throttled=sum(one.status == 429 for one in reading),
        broken=sum(one.status not in {200, 429} for one in reading) ,
        shown=_shown(emitted, last - EDGE), edge=last - EDGE, seconds=time.monotonic() - begun, start=start, end=last,
    )  # fmt: skip
    return story, code


def faults() -> tuple[Any, ...]:
    """What goes wrong on the way, on purpose."""
    from entrawatch.emulator.faults import Fault

    return (
        Fault("throttle", stream="non_interactive", nth=(2,), retry_after=2.128),
        Fault("throttle", stream="directory_audits", nth=(1,), retry_after=3),
        Fault("throttle", stream="risky_users", nth=(1,)),
        Fault("status", stream="interactive", nth=(2,), status=503),
        Fault("expired_token", stream="non_interactive", page="next", nth=(3,)),
        Fault("unauthorized", stream="service_principal", nth=(2,)),
    )


def _company(arguments: argparse.Namespace, start: datetime, end: datetime) -> list[Emitted]:
    from entrawatch.emulator.tenant import TenantOptions, generate

    try:
        return list(generate(TenantOptions(seed=arguments.seed, users=arguments.users, start=start, end=end)))
    except ValueError as error:
        raise ConfigError([f"--users: {' '.join(str(error).split())}"]) from None


def _config(emulator: Emulator, out: Path, start: datetime) -> Config:
    from entrawatch.config import model

    tenant = model.TenantConfig(
        name="contoso",
        tenant_id=emulator.tenant_id,
        client_id=emulator.client_id,
        auth=model.AuthConfig(secret=model.Secret(emulator.client_secret)),
        graph=model.GraphConfig(url=emulator.url, login_url=emulator.login_url, ca_bundle=Path(emulator.ca_file)),
        collect=model.CollectConfig(
            window=timedelta(days=2), start=start, sweeps=(timedelta(minutes=2), timedelta(minutes=SWEEP)), batch=500
        ),
    )
    sinks = (
        model.SinkConfig("duckdb", "duckdb", {"path": out / DATABASE}),
        model.SinkConfig("files", "files", {"path": out / EVENTS}),
    )
    return model.Config(tenants=(tenant,), sinks=sinks, state_dir=out / STATE)


def _look(config: Config, clock: FastClock, tally: Tally, title: str) -> int:
    import threading

    from entrawatch.cli import collect, progress
    from entrawatch.cli.console import err, say
    from entrawatch.cli.watch import Many

    err().print(f"[dim]{title} …[/]")
    with (
        progress.bars(first="signing in") as bars,
        collect.runner(config, observer=Many([tally, bars]), stop=threading.Event(), clock=clock) as loop,
    ):
        return collect.told(loop.run(once=True), say)


def _shown(emitted: list[Emitted], edge: datetime) -> set[tuple[str, str]]:
    """Stream and id of every record before the edge that Graph shows by then."""
    from entrawatch.cli.demo_moment import forms, time_of

    first = (history[0] for history in forms(emitted).values())
    return {(one.stream, str(one.record["id"])) for one in first if one.arrives <= edge and time_of(one) < edge}
