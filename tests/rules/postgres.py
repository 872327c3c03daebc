"""A PostgreSQL server of the tests' own, on a socket in a folder that goes away with it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from entrawatch.hunt.columns import columns, rower

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from entrawatch.rules.catalogue import Catalogue

    from .judge import Row

SOURCES = ("signin", "audit")


def _programs() -> Path:
    """Where Debian keeps the newest server's programs.

    :raises FileNotFoundError: none is installed.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and not on_path:
        raise FileNotFoundError("no PostgreSQL server: apt-get install postgresql")
    return found[-1].parent if found else Path(on_path or "").parent


@contextmanager
def server() -> Iterator[psycopg.Connection[Any]]:
    """A connection to a server that has just been made and knows nothing."""
    programs = _programs()
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        # the server refuses to run as root
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        if as_user:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, pwd.getpwnam("postgres").pw_gid)
        data = f"{folder}/data"

        def run(*command: str) -> None:
            # the server inherits the handles it is started with: a pipe would never close
            subprocess.run([*as_user, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        run(str(programs / "initdb"), "-D", data, "-U", "tester", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
        options = f"-k {folder} -h '' -c fsync=off -c TimeZone=UTC"
        run(str(programs / "pg_ctl"), "-D", data, "-w", "-o", options, "-l", f"{folder}/log", "start")
        try:
            with psycopg.connect(host=folder, user="tester", dbname="postgres", autocommit=True) as connection:
                yield connection
        finally:
            run(str(programs / "pg_ctl"), "-D", data, "-m", "immediate", "stop")


def fill(connection: psycopg.Connection[Any], catalogue: Catalogue, rows: Iterable[Row]) -> None:
    """Empty `signin` and `audit`, as this catalogue's columns have them, and put the rows into them."""
    rows = list(rows)
    known = {s: columns(s, catalogue.rules.values(), catalogue.baselines.values()) for s in SOURCES}
    schema = f"c{zlib.crc32(repr(known).encode())}"
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    connection.execute(f"SET search_path TO {schema}")
    for source, described in known.items():
        names = ", ".join(f'"{column.name}" {column.type}' for column in described)
        connection.execute(f"CREATE TABLE IF NOT EXISTS {source} ({names})")
        connection.execute(f"TRUNCATE {source}")
        to_row = rower(described)
        with connection.cursor() as cursor, cursor.copy(f"COPY {source} FROM STDIN") as copy:
            for row in rows:
                if row.source == source:
                    copy.write_row(to_row(row.event))
        connection.execute(f"ANALYZE {source}")


def found(connection: psycopg.Connection[Any], text: str) -> list[dict[str, Any]]:
    """The result rows by column."""
    cursor = connection.execute(text.encode())
    names = [column.name for column in cursor.description or []]
    return [dict(zip(names, row)) for row in cursor.fetchall()]
