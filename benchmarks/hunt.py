"""The sixteen rules in `hunt` against the same rules' SQL in PostgreSQL, on the same sign-ins of a synthetic tenant.

PostgreSQL is loaded the straightforward way: our normaliser, COPY, ANALYZE; no fsync, since DuckDB's tables are in
memory, and no index but one on the time, as a log table has. Both sides' findings are compared before anything is
printed. A million sign-ins take gigabytes of disk and many minutes; HUNT_SIGN_INS asks for fewer, HUNT_FOLDER names a
folder in which the records stay for the next run.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.rules.postgres import found, server

from entrawatch.dialects import DIALECTS, dialect
from entrawatch.dialects.base import Compiled
from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.hunt.columns import columns, rower
from entrawatch.hunt.findings import findings
from entrawatch.hunt.run import SOURCES, hunt_files
from entrawatch.jsontext import dumps
from entrawatch.normalize import normalize
from entrawatch.reading import Found, read
from entrawatch.rules.catalogue import load_catalogue

if TYPE_CHECKING:
    import psycopg

    from entrawatch.rules.catalogue import Catalogue

CATALOGUE = Path(__file__).parent.parent / "content" / "catalogue"
GOAL = 10
#: sign-ins that a user of the synthetic company has in its two weeks
_A_USER = 323
_DATASETS = {"azure.signinlogs": "signin", "azure.auditlogs": "audit"}


def write(folder: Path, sign_ins: int) -> None:
    """A company's records as JSON lines, a file a stream."""
    with ExitStack() as stack:
        files: dict[str, Any] = {}
        for emitted in generate(TenantOptions(users=max(2, sign_ins // _A_USER), changes=False)):
            if emitted.stream not in files:
                files[emitted.stream] = stack.enter_context((folder / f"{emitted.stream}.jsonl").open("wb"))
            files[emitted.stream].write(dumps(emitted.record) + b"\n")


def ours(folder: str) -> dict[str, Any]:
    """One hunt in this process: seconds of each part, peak memory in MiB, findings."""
    result = hunt_files(load_catalogue(CATALOGUE), [folder])
    ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "seconds": result.seconds,
        "records": result.loaded.records,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "readers": ended,
        "found": sorted(json.dumps(one.line(), sort_keys=True) for one in result.findings),
    }


def _in_its_process(folder: Path) -> dict[str, Any]:
    code = f"import json; from benchmarks import hunt; print(json.dumps(hunt.ours({str(folder)!r})))"
    run = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, Any] = json.loads(run.stdout)
    return measured


def theirs(catalogue: Catalogue, folder: Path) -> dict[str, Any]:
    """The same in PostgreSQL."""
    with server() as connection:
        begun = time.perf_counter()
        _fill(connection, catalogue, folder)
        seconds = {"loading": time.perf_counter() - begun}
        made = dialect("sql", catalogue.baselines, "postgres")
        lines = []
        for slug, rule in catalogue.rules.items():
            begun = time.perf_counter()
            answer = made.compile(rule)
            assert isinstance(answer, Compiled), answer
            lines += [one.line() for one in findings(rule, found(connection, answer.text))]
            seconds[slug] = time.perf_counter() - begun
    return {"seconds": seconds, "found": sorted(json.dumps(line, sort_keys=True) for line in lines)}


def _fill(connection: psycopg.Connection[Any], catalogue: Catalogue, folder: Path) -> None:
    known = {s: columns(s, catalogue.rules.values(), catalogue.baselines.values()) for s in SOURCES}
    with ExitStack() as stack:
        copies, rows = {}, {}
        for source, described in known.items():
            names = ", ".join(f'"{column.name}" {column.type}' for column in described)
            connection.execute(f"CREATE TABLE {source} ({names})")
            # a connection has one COPY at a time
            own = stack.enter_context(type(connection).connect(connection.info.dsn, autocommit=True))
            copies[source] = stack.enter_context(own.cursor().copy(f"COPY {source} FROM STDIN"))
            rows[source] = rower(described)
        for item in read([folder]):
            assert isinstance(item, Found), item
            event = normalize(item.record)
            source = _DATASETS.get(event["event"]["dataset"], "")
            if source:
                copies[source].write_row(rows[source](event))
    for source in known:
        connection.execute(f'CREATE INDEX ON {source} ("@timestamp")')
        connection.execute(f"ANALYZE {source}")


def _print(mine: dict[str, Any], other: dict[str, Any]) -> None:
    print(f"{'seconds':36} {'hunt':>9} {'PostgreSQL':>11} {'ratio':>7}")
    sums = {"all rules": [0.0, 0.0]}
    for slug, seconds in other["seconds"].items():
        if slug != "loading":
            sums["all rules"] = [sums["all rules"][0] + mine["seconds"][slug], sums["all rules"][1] + seconds]
            _line(slug, mine["seconds"][slug], seconds)
    loading = [mine["seconds"]["loading"], other["seconds"]["loading"]]
    _line("all rules", *sums["all rules"], f"goal >= {GOAL}")
    _line("loading from JSON lines", *loading)
    _line("both", *(a + b for a, b in zip(loading, sums["all rules"])))


def _line(name: str, mine: float, other: float, goal: str = "") -> None:
    print(f"{name:36} {mine:9.3f} {other:11.3f} {other / mine:6.1f}x  {goal}", flush=True)


def _compiling(catalogue: Catalogue) -> None:
    """Milliseconds to compile each rule in each language, the best of three; - where it is refused."""
    made = {name: dialect(name, catalogue.baselines) for name in DIALECTS}
    print(f"\n{'compiling, milliseconds':36}" + "".join(f"{name:>9}" for name in made))
    for slug, rule in catalogue.rules.items():
        cells = []
        for one in made.values():
            best = float("inf")
            for _ in range(3):
                begun = time.perf_counter()
                answer = one.compile(rule)
                best = min(best, time.perf_counter() - begun)
            cells.append(f"{best * 1000:9.2f}" if isinstance(answer, Compiled) else f"{'-':>9}")
        print(f"{slug:36}" + "".join(cells))


def main() -> None:
    """Make the records, run both, print the ratios."""
    sign_ins = int(os.environ.get("HUNT_SIGN_INS", "1000000"))
    catalogue = load_catalogue(CATALOGUE)
    with ExitStack() as stack:
        kept = os.environ.get("HUNT_FOLDER")
        folder = Path(kept or stack.enter_context(tempfile.TemporaryDirectory(prefix="hunt-")))
        if not any(folder.glob("*.jsonl")):
            folder.mkdir(parents=True, exist_ok=True)
            begun = time.perf_counter()
            write(folder, sign_ins)
            print(f"records made in {time.perf_counter() - begun:.0f} s")
        mine = _in_its_process(folder)
        size = sum(file.stat().st_size for file in folder.glob("*.jsonl")) / 2**20
        records = mine["records"]
        print(f"{records['signin']:,} sign-ins and {records['audit']:,} audits, {size:,.0f} MiB of JSON lines")
        print(
            f"load of the machine: {' '.join(f'{one:.1f}' for one in os.getloadavg())} on {os.cpu_count()} processors"
        )
        print(f"peak memory: {mine['peak']:.0f} MiB, and {mine['readers']:.0f} MiB in the largest reading process")
        other = theirs(catalogue, folder)
    if mine["found"] != other["found"]:
        raise AssertionError("the two found different things: nothing here can be compared")
    print(f"findings: {len(mine['found'])}, the same in both\n")
    _print(mine, other)
    _compiling(catalogue)


if __name__ == "__main__":
    main()
