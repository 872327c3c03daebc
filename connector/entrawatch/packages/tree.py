"""A tree of files that is generated: written below its folder, and compared with what stands there."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: path below the folder, with slashes → content
Tree = dict[str, bytes]
#: what is said of a difference, and of one that `write` has made good
DIFFERS, MENDED = ("missing", "changed", "left over"), ("written", "rewritten", "removed")


@dataclass(frozen=True)
class Drift:
    """How a folder differs from the tree it should hold; paths sorted."""

    missing: tuple[str, ...]
    changed: tuple[str, ...]
    foreign: tuple[str, ...]

    def lines(self, words: Sequence[str] = DIFFERS) -> list[str]:
        """A line a difference.

        :param words: what to say of what is missing, changed and left over: DIFFERS, or MENDED once it is written.
        """
        told = zip(words, (self.missing, self.changed, self.foreign))
        return [f"{path}: {word}" for word, paths in told for path in paths]


def json_file(value: Any, *, sort_keys: bool = False) -> bytes:
    """A value as a file of JSON that people read, in ASCII."""
    return (json.dumps(value, indent=2, ensure_ascii=True, sort_keys=sort_keys) + "\n").encode()


def json_line(value: Any) -> bytes:
    """A value as one line of an NDJSON file, in ASCII, its keys sorted."""
    return (json.dumps(value, ensure_ascii=True, sort_keys=True) + "\n").encode()


def drift(root: Path, tree: Mapping[str, bytes], owned: Sequence[str]) -> Drift:
    """What differs between the folder and the tree.

    :param owned: the folders below `root` that hold nothing but generated files.
    """
    there = {path: (root / path).read_bytes() for path in _files(root, owned)}
    return Drift(
        missing=tuple(sorted(tree.keys() - there.keys())),
        changed=tuple(sorted(path for path in tree.keys() & there.keys() if tree[path] != there[path])),
        foreign=tuple(sorted(there.keys() - tree.keys())),
    )


def write(root: Path, tree: Mapping[str, bytes], owned: Sequence[str]) -> Drift:
    """Make the folder hold the tree: each file whole or not at all, and nothing else in the owned folders.

    :returns: what had differed.
    """
    found = drift(root, tree, owned)
    for path in (*found.missing, *found.changed):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.part")
        partial.write_bytes(tree[path])
        os.replace(partial, target)
    for path in found.foreign:
        (root / path).unlink()
    return found


def _files(root: Path, owned: Sequence[str]) -> list[str]:
    return [
        found.relative_to(root).as_posix()
        for folder in owned
        for found in sorted((root / folder).rglob("*"))
        if found.is_file()
    ]
