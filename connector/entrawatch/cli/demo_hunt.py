"""The demo's end: the rules over what was stored, and a page of what they found."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

REPORT = "findings.html"


def hunted(console: Console, events: Path, page: Path, shown: Optional[Path] = None) -> None:
    """Hunt through the stored events, show the findings, and write the page; nothing on a Python without pySigma.

    :param shown: what to call the page, for the picture in the README.
    """
    if sys.version_info < (3, 11):
        console.print(
            "\n[bold]the hunt[/] needs Python 3.11 or newer; this is an older one, on which the connector alone runs"
        )
        return
    from rich.text import Text

    from entrawatch.cli.hunt import findings_table, running, write_report
    from entrawatch.cli.progress import bars
    from entrawatch.hunt.run import hunt
    from entrawatch.reading import read
    from entrawatch.rules.shipped import shipped

    with bars(first="reading the rules") as seen:
        result = hunt(shipped(), read([events]), progress=seen.total("reading"), running=running(seen))
        write_report(page, result)
    console.print()
    console.print(findings_table(result, console.width))
    for line in result.unlearnt:
        console.print(Text(line, "dim"))
    what = "the same findings to look at: evidence, what to do, ATT&CK"
    console.print(f"[bold]{shown or page}[/]  {what}", soft_wrap=True)
