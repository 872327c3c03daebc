"""Commands as a person gives them: in this process or as a process of its own, and an emulator to give them to."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from tests.commands import Done, call, forget_secrets  # noqa: F401 - two fixtures, and what a command gives

from entrawatch.cli.emulate import config_of
from entrawatch.emulator.records import Emitted
from entrawatch.emulator.server import Emulator
from entrawatch.emulator.tenant import TenantOptions, generate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _no_process_stays() -> Iterator[None]:
    """What a test started ends with it, also when it failed."""
    yield
    for process in _started:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe and not pipe.closed:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
    _started.clear()


def start(*argv: object, **options: Any) -> subprocess.Popen[str]:
    """A command as a process of its own."""
    command = [sys.executable, "-m", "entrawatch.cli.main", *(str(word) for word in argv)]
    env = {**os.environ, **options.pop("env", {})}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    # a suite that runs in a shell's background was told to ignore Ctrl-C, and its children inherit that
    heeds = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    _started.append(subprocess.Popen(command, text=True, env=env, **heeds, **pipes))
    return _started[-1]


def lately(now: datetime) -> Iterator[Emitted]:
    """A sign-in and an audit each ten minutes of the last two hours: at night a small company makes none of its own."""
    for number in range(1, 12):
        time = now - timedelta(minutes=10 * number)
        at = f"{time:%Y-%m-%dT%H:%M:%SZ}"
        signed_in = {"id": f"s{number}", "createdDateTime": at, "signInEventTypes": ["interactiveUser"]}
        yield Emitted("interactive", {**signed_in, "userPrincipalName": "ann@contoso.example"}, time)
        changed = {"id": f"a{number}", "activityDateTime": at, "activityDisplayName": "Update user"}
        yield Emitted("directory_audits", changed, time)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    company = generate(TenantOptions(users=5, start=now - timedelta(hours=3), end=now, scenarios="none"))
    with Emulator([*company, *lately(now)], throttle=False) as running:
        yield running


@pytest.fixture
def config(emulator: Emulator, tmp_path: Path) -> Path:
    """A configuration that reads two quick streams of the emulator into files."""
    path = tmp_path / "c.yml"
    text = config_of(emulator) + "streams: [interactive, directory_audits]\ncollect: {start: 2h, window: 1d}\n"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command sets the process's logging up; the tests behind it find it as they left it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in logging.root.manager.loggerDict:
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))
