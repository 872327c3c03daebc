"""What Microsoft's own parser and binder says of queries."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from entrawatch.dialects.kql_tables import columns

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
#: tests/install_engines.sh puts it there
FOLDER = ROOT / ".cache" / "kusto"
#: the whole table reference, where it is at hand; it is not ours to publish
REFERENCE = ROOT.parent / "shared" / "tables"


def reference(table: str) -> dict[str, str]:
    """Every column of a table with its type, as Microsoft lists them; none where the list is not at hand."""
    file = REFERENCE / f"{table}.json"
    if not file.exists():
        return {}
    return {one["Name"]: one["Type"] for one in json.loads(file.read_text(encoding="utf-8"))["Properties"]}


def tables() -> dict[str, dict[str, str]]:
    """The tables with all columns that are known here."""
    return {table: reference(table) or known for table, known in columns().items()}


def judged(
    queries: Mapping[str, str], more: Mapping[str, Mapping[str, str]] = MappingProxyType({})
) -> dict[str, dict[str, Any]]:
    """Name → {"diagnostics": […], "columns": {name: type}}.

    :param more: further tables, column → type.
    :raises FileNotFoundError: the parser is not installed.
    """
    if not (FOLDER / "node_modules").exists():
        raise FileNotFoundError(f"{FOLDER} is empty: tests/install_engines.sh fills it")
    lines: list[Any] = [{"folder": str(FOLDER), "tables": {**tables(), **more}}]
    lines += [{"name": name, "query": query} for name, query in queries.items()]
    done = subprocess.run(
        ["node", str(Path(__file__).with_name("kusto") / "validate.js")],
        input="\n".join(map(json.dumps, lines)),
        capture_output=True,
        text=True,
        check=False,
    )
    # on a crash node prints the whole minified script
    assert done.returncode == 0, done.stderr[-800:]
    return {answer["name"]: answer for answer in map(json.loads, done.stdout.splitlines())}
