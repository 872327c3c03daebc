"""A command as a person gives it, in this process, which forgets what it hid. For a `conftest` to import."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

import pytest

from entrawatch import redaction
from entrawatch.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator


#: a Sigma rule as a person gives it to a command
SIGMA = """\
title: Lockouts
id: 2b7d6fc0-71ac-4cf7-8ed1-b5788ee5257a
status: test
description: A lockout.
logsource: {product: azure, service: signinlogs}
detection: {selection: {ResultType: 50053}, condition: selection}
level: medium
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on standard error."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]

    @property
    def counts(self) -> str:
        """A plan's line of counts."""
        return next(line for line in self.out.splitlines() if " unchanged" in line)

    def told(self, sign: str) -> list[str]:
        """A plan's lines of the objects with a sign."""
        return [line for line in self.out.splitlines() if line.startswith(f"  {sign} ")]


@pytest.fixture
def call(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Calls a command; its output goes to a pipe, whose width a suite's own terminal, or none, is not to set."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*argv: object) -> Done:
        code = main([str(word) for word in argv])
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Done(code, out.decode(), err.decode())

    return run


@pytest.fixture(autouse=True)
def forget_secrets() -> Iterator[None]:
    """What one test hides is shown in the next."""
    known = set(redaction._known)
    yield
    redaction._known.clear()
    redaction._known.update(known)
