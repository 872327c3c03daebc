"""The files of rules that a person names, and their text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from entrawatch.rules.faults import Faults

_ENDINGS = {".yml", ".yaml"}
#: bytes: a thousand rules; a YAML reader takes seconds for them
_LONGEST = 1 << 20


@dataclass(frozen=True)
class Fault:
    """A line that says what is wrong with a rule, and where it was read.

    :param number: the line of the file, 0 for the whole of it.
    """

    path: Path
    line: str
    number: int = 0


def in_order(faults: Iterable[Fault]) -> list[Fault]:
    """Each once, by file and by its line."""
    return sorted(dict.fromkeys(faults), key=lambda fault: (str(fault.path), fault.number))


def files_of(paths: Iterable[Path], faults: list[Fault]) -> list[Path]:
    """These files and those of these folders, each once; what is none is a fault."""
    files: dict[Path, Path] = {}
    for path in paths:
        inside = _inside(path) if path.is_dir() else [path]
        if not path.exists():
            faults.append(Fault(path, f"{path}: there is no such file or folder"))
        elif not inside:
            faults.append(Fault(path, f"{path}: no .yml file in it"))
        for one in inside:
            if one.exists() and (one is path or one.resolve() not in files):  # a file that is named goes by that name
                files[one.resolve()] = one
    return list(files.values())


def _inside(folder: Path) -> list[Path]:
    """The YAML files of a folder, but for what is hidden in it and for baselines, which are no rules."""
    found = []
    for path in sorted(folder.rglob("*")):
        folders = path.relative_to(folder).parts[:-1]
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix in _ENDINGS and path.is_file() and not hidden and "baselines" not in folders:
            found.append(path)
    return found


def text_of(path: Path, faults: Faults) -> Optional[str]:
    """What the file holds; None where that is a fault."""
    try:
        if not path.is_file():
            faults.add("", "it is no file; name a .yml file, or a folder of them")
            return None
        if path.stat().st_size > _LONGEST:
            faults.add("", f"it is longer than {_LONGEST >> 20} MiB; give the rules in several files")
            return None
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        faults.add("", f"it is no UTF-8 text (byte {error.start + 1}); save it as UTF-8")
    except OSError as error:
        faults.add("", f"it cannot be read: {error.strerror}")
    return None
