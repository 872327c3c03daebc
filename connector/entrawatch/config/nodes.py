"""The YAML file as nodes that know their line, and the list that faults are put on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional

import yaml

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Item:
    """A value in the file.

    :param path: the keys that lead to it, dotted.
    :param line: its key's line, from 1.
    """

    path: str
    line: int
    node: yaml.Node

    @property
    def empty(self) -> bool:
        """Whether nothing is written behind the key."""
        return isinstance(self.node, yaml.ScalarNode) and self.node.tag == "tag:yaml.org,2002:null"

    @property
    def scalar(self) -> Optional[str]:
        """The text as it is written, None when it is a list or a mapping."""
        return str(self.node.value) if isinstance(self.node, yaml.ScalarNode) else None

    @property
    def tag(self) -> str:
        """What YAML takes the value for: str, int, float, bool, null, timestamp, seq, map."""
        return str(self.node.tag).rpartition(":")[2]


@dataclass
class Faults:
    """All that is wrong with one file, in the order it was found.

    :param file: the file's name as the person gave it.
    """

    file: str
    lines: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, path: str, what: str) -> None:
        """Note one fault: where, what, what to do."""
        place = f"{self.file}:{line}" if line else self.file
        self.lines.append((line, f"{place}: {path}: {what}" if path else f"{place}: {what}"))

    def at(self, item: Item, what: str) -> None:
        """Note a fault of a value."""
        self.add(item.line, item.path, what)

    def check(self) -> None:
        """Nothing when all is well.

        :raises ConfigError: with every fault, by line.
        """
        if self.lines:
            raise ConfigError([text for _, text in sorted(self.lines, key=lambda fault: fault[0])])


def parse(path: Path, faults: Faults) -> Item:
    """The file's root.

    :raises ConfigError: the file cannot be read, is no YAML, or is not a mapping.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        faults.add(0, "", f"cannot be read ({error.strerror or error}); give a file with --config")
        faults.check()
    return Item("", 1, _root(data, faults))


def _root(data: bytes, faults: Faults) -> yaml.Node:
    node = None
    try:
        node = yaml.compose(data.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError:
        faults.add(0, "", "is not UTF-8 text; save it as UTF-8")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        faults.add(mark.line + 1 if mark else 0, "", f"is no YAML here ({error.problem}); check indent and quotes")
    except yaml.YAMLError as error:
        faults.add(0, "", " ".join(str(error).split()))
    except RecursionError:
        faults.add(0, "", "is nested too deeply")
    if node is None and not faults.lines:
        faults.add(0, "", "is empty; start from docs/config.example.yml")
    faults.check()
    assert node is not None  # noqa: S101 - check() has raised otherwise
    return node


def mapping(item: Item, faults: Faults) -> dict[str, Item]:
    """The keys of a mapping; a fault and nothing when it is none. A key given twice is a fault."""
    if item.empty:
        faults.at(item, "has nothing in it; fill it or leave the key out")
        return {}
    if not isinstance(item.node, yaml.MappingNode):
        faults.at(item, "is no mapping; write `key: value` lines under it")
        return {}
    found: dict[str, Item] = {}
    for key, value in item.node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else "?"
        inner = Item(f"{item.path}.{name}" if item.path else name, key.start_mark.line + 1, value)
        if name in found:
            faults.at(inner, f"is given twice (first on line {found[name].line}); keep one")
        found[name] = inner
    return found


def sequence(item: Item, faults: Faults) -> list[Item]:
    """The members of a list; a fault and nothing when it is none, or is empty."""
    if not isinstance(item.node, yaml.SequenceNode) or not item.node.value:
        faults.at(item, "is no list, or an empty one; write its members as `- …` lines")
        return []
    return [
        Item(f"{item.path}[{number}]", node.start_mark.line + 1, node) for number, node in enumerate(item.node.value)
    ]
