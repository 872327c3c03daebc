"""Which of our modules the app needs: what its script imports, and what those import, at any place."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = "entrawatch"
#: what the app's own script imports
ENTRY = f"{PACKAGE}.splunk.script"
#: tables that modules read beside themselves
_DATA = (".tsv", ".json", ".yml")


def files(source: Path) -> dict[str, Path]:
    """The package's files that the app carries, by their path below lib/.

    :param source: the folder that has the package.
    """
    modules = closure(source)
    found = {str(path.relative_to(source)): path for path in modules.values()}
    # what stands beside the package's own __init__ (the lock of the rules' versions) is of the rule line
    for folder in {path.parent for path in modules.values()} - {source / PACKAGE}:
        data = (path for path in folder.iterdir() if path.suffix in _DATA)
        found.update({str(path.relative_to(source)): path for path in data})
    return found


def closure(source: Path) -> dict[str, Path]:
    """Module name → file, for everything that ENTRY can ever import of our package."""
    found: dict[str, Path] = {}
    queue = [ENTRY]
    while queue:
        name = queue.pop()
        path = _file(source, name)
        if path is None or name in found:
            continue
        found[name] = path
        queue += [*_imported(ast.parse(path.read_text(encoding="utf-8"))), *_parents(name)]
    return found


def _file(source: Path, module: str) -> Path | None:
    path = source.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _imported(tree: ast.AST) -> Iterator[str]:
    """Every name that may be a module of ours; not those that only a type checker imports."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == PACKAGE)
        yield from _imported(node)
