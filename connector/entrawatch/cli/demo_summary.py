"""What the demo shows: a few words before, and after it what happened and what is in the database."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.cli.console import number
from entrawatch.cli.demo import DATABASE, EVENTS, LATER, SPEED, SWEEP
from entrawatch.cli.tally import stream_table
from entrawatch.redaction import clean

if TYPE_CHECKING:
    from rich.console import Console

    from entrawatch.cli.demo import Story
    from entrawatch.cli.tally import Tally

_FAILED = "\"event.outcome\" = 'failure'"
_RANKED = 'SELECT {what}, count(DISTINCT "event.id") FROM {table} WHERE {where} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5'


def _ranked(what: str, table: str, where: str = "true") -> str:
    """What is most frequent; all three are this module's own text."""
    return _RANKED.format(what=what, table=table, where=f"{what} IS NOT NULL AND {where}")


#: headline → query, of two columns: what, how often
QUERIES = {
    "outcome of sign-ins": _ranked('"event.outcome"', "signin"),
    "most failing users": _ranked('coalesce("user.name", "user.id")', "signin", _FAILED),
    "most failing addresses": _ranked('"source.ip"', "signin", _FAILED),
    "changes in the directory": _ranked('"event.action"', "audit"),
}
_IDS = 'SELECT DISTINCT "entra.stream", "event.id" FROM events'


def opening(console: Console) -> None:
    """What is about to be seen."""
    from rich.panel import Panel

    words = (
        "A Microsoft Graph runs on this machine, with a synthetic company in it. The connector signs in, pages through "
        "ten log streams over HTTPS, keeps to Graph's limits, is throttled and cut off on purpose, comes back "
        f"{LATER} minutes later for what arrived late or changed, and stores it all. The demo's clock goes "
        f"{SPEED:.0f} times as fast as yours; nothing leaves this machine."
    )
    console.print(
        Panel(
            words, title="[bold]Entrawatch[/]", title_align="left", border_style="cyan", width=min(100, console.width)
        )
    )


def closing(console: Console, story: Story, out: Path, shown: Optional[Path] = None) -> None:
    """What happened, what is in the database, and where it is.

    :param shown: the folder's name on the screen, where that is to be another.
    """
    rows, stored = read(out / DATABASE)
    out = shown or out
    span = f"{story.start:%Y-%m-%d %H:%M} to {story.end:%Y-%m-%d %H:%M} UTC"
    console.print()
    console.print(stream_table(story.tally, f"read, {span}", sink="duckdb"))
    console.print("[dim]records = new + revised + known (read again, and the same) + dead letter[/]", soft_wrap=True)
    console.print()
    console.print(_facts(story, stored))
    console.print()
    console.print(_columns(rows))
    console.print()
    console.print(f"[bold]{out / DATABASE}[/]  one table a family, view events", soft_wrap=True)
    console.print(
        f"[bold]{out / EVENTS}[/]  the same as JSON lines, in ECS as Elastic's integration has it", soft_wrap=True
    )


def next_steps(console: Console, out: Path) -> None:
    """What a person does now."""
    from rich.markup import escape

    console.print(
        "\n[cyan]next[/]  with your own tenant: [bold]entrawatch register-app --tenant-id TENANT[/], then README.md\n"
        f"      look inside: [bold]{escape(look_inside(out))}[/]\n"
        "      the tenant as files, with its labelled attacks: [bold]entrawatch simulate --out sample[/]",
        soft_wrap=True,
    )


def look_inside(out: Path) -> str:
    """A shell's command that counts the events of each family; it needs nothing that the demo did not."""
    python = Path(sys.executable)
    here = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    query = "SELECT family, count(*) FROM events GROUP BY ALL"
    code = f"import duckdb; duckdb.connect({str(out / DATABASE)!r}, read_only=True).sql({query!r}).show()"
    # quotes within quotes, as people write them, where no shell would make anything of what is between them
    said = shlex.quote(code) if set(code) & set('"$`\\!') else f'"{code}"'
    return f"{shlex.quote(str(here))} -c {said}"


def read(database: Path) -> tuple[dict[str, list[tuple[str, int]]], set[tuple[str, str]]]:
    """The answers to `QUERIES`, and stream and id of every event."""
    import duckdb

    from entrawatch.schema.streams import STREAMS

    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute(_IDS).fetchall()
        rows = {title: connection.execute(query).fetchall() for title, query in QUERIES.items()}
    # a state object's event is known by its id and the time of its update
    states = {name for name, stream in STREAMS.items() if stream.snapshot}
    return rows, {(stream, id_.partition(":")[0] if stream in states else id_) for stream, id_ in found}


def _facts(story: Story, stored: set[tuple[str, str]]) -> Any:
    from rich.table import Table

    tally = story.tally
    late = sum(tally.total("events_added", sink="duckdb", sweep=sweep) for sweep in _later_sweeps(tally))
    revised = tally.total("events_revised", sink="duckdb")
    missing, new = len(story.shown - stored), tally.total("events_added", sink="duckdb")
    whole = (
        f"[green]nothing lost[/]: the {number(new)} new events are all {number(len(story.shown))} records that Graph "
        f"showed by {story.edge:%H:%M}, and {number(new - len(story.shown))} newer ones"
    )
    facts = {
        "complete": whole if not missing else f"[red]{number(missing)} records that Graph shows are not stored[/]",
        "late": f"{number(late)} of the new came to Graph after their time had been read; the second look, which reads "
        f"{SWEEP} minutes back, found them",
        "revised": f"{number(revised)} had changed since they were read, and went out again, as revisions of the same "
        "event",
        "requests": f"{number(story.requests)} over HTTPS, {number(story.pages)} pages; "
        f"{number(story.throttled)} were throttled, {number(story.broken)} failed, all made good",
        "took": f"{story.seconds:.0f} s",
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for name, words in facts.items():
        table.add_row(name, words)
    return table


def _later_sweeps(tally: Tally) -> list[str]:
    return [sweep for sweep in tally.values("events_added", "sweep") if sweep not in {"2m", "hole", "backfill"}]


def _columns(rows: dict[str, list[tuple[str, int]]]) -> Any:
    from rich.columns import Columns
    from rich.markup import escape
    from rich.table import Table

    tables = []
    for title, found in rows.items():
        table = Table(
            title=title, title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False
        )
        table.add_column(max_width=44, overflow="ellipsis", no_wrap=True)
        table.add_column(justify="right", style="cyan")
        for what, count in found:
            table.add_row(escape(clean(str(what))), number(count))
        tables.append(table)
    return Columns(tables, padding=(1, 6))
