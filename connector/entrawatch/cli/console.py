"""What the commands say to people: results on standard output, everything else on standard error."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


#: columns of a table where no terminal sets a limit: in a file or a pipe nothing is to be cut
UNBOUND = 200


def out() -> Console:
    """Standard output; colours and bars only on a terminal, and only there is it as narrow as that."""
    from rich.console import Console

    bound = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if bound else UNBOUND)


def err() -> Console:
    """Standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def say(line: str) -> None:
    """A line for the person, on standard error, as it stands."""
    print(line, file=sys.stderr)


def number(value: float) -> str:
    """1234567 as 1,234,567."""
    return f"{value:,.0f}"
