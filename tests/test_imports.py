"""Imports go one way; this is the table, and the only place it stands."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "connector" / "entrawatch"

#: what every room may use
BASE = {"errors", "interfaces", "clock", "jsontext", "bodies", "redaction", "tls", "words", "schema"}
#: room → the further rooms it may import at any place in its modules
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "clock": set(),
    "jsontext": set(),
    "bodies": set(),
    "redaction": set(),
    "tls": {"errors"},
    "words": set(),
    "interfaces": {"schema"},
    "schema": {"errors"},
    "config": BASE,
    "reading": BASE,
    "graph": BASE | {"config"},
    "normalize": BASE,
    "sinks": BASE | {"config"},
    "ingest": BASE | {"config", "graph", "normalize", "sinks"},
    "splunk": BASE | {"config", "graph", "ingest", "normalize", "sinks"},
    "emulator": BASE,
    "rules": BASE,
    "dialects": BASE | {"rules"},
    "packages": BASE | {"rules", "dialects"},
    # graph: its session and its tokens are those of Azure Resource Manager too, one way to leak fewer
    "deploy": BASE | {"config", "graph", "rules", "dialects", "packages"},
    "hunt": BASE | {"rules", "dialects", "normalize", "reading"},
}
#: cli may import all, but only inside functions: a command loads what it uses
LAZY = "cli"


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(tree: ast.AST) -> set[str]:
    rooms: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("entrawatch"):
            parts = (node.module or "").split(".")
            rooms.update([parts[1]] if len(parts) > 1 else [alias.name for alias in node.names])
        elif isinstance(node, ast.ImportFrom) and node.level > 0:
            pytest.fail("imports are absolute")
        elif isinstance(node, ast.Import):
            rooms.update(a.name.split(".")[1] for a in node.names if a.name.startswith("entrawatch."))
    return rooms - {"__version__"}


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_what_its_row_allows(path: Path) -> None:
    room, tree = room_of(path), ast.parse(path.read_text(encoding="utf-8"))
    if room in {"__init__", "__main__"}:
        assert imported_rooms(tree) <= {"cli"}
    elif room == LAZY:
        top = ast.Module([node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))], [])
        assert imported_rooms(top) <= {LAZY, "errors", "interfaces", "redaction"}
    else:
        assert imported_rooms(tree) - {room} <= ALLOWED[room]


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_has_at_most_300_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
