"""Our events beside Elastic's own output for the same records; docs/elastic-differences.md lists what differs."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from entrawatch.normalize import normalize

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT.parent / "shared" / "samples" / "elastic-integrations"
FILES = sorted(SAMPLES.glob("*/*.log"))
ROW = re.compile(r"^\| (\S+) \| `(\S+)` \| (missing|added|changed) \| (.+) \|$", re.MULTILINE)


class Difference(NamedTuple):
    stream: str
    path: str
    kind: str


def listed() -> list[Difference]:
    text = (ROOT / "docs" / "elastic-differences.md").read_text(encoding="utf-8")
    return [Difference(*row[:3]) for row in ROW.findall(text)]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value


def differences(stream: str, ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[tuple[Difference, Any]]:
    mine, other = dict(leaves(ours)), dict(leaves(theirs))
    for path in sorted(mine.keys() | other.keys()):
        if path not in mine:
            yield Difference(stream, path, "missing"), other[path]
        elif path not in other:
            yield Difference(stream, path, "added"), mine[path]
        elif path == "event.original":
            assert json.loads(mine[path]) == json.loads(other[path])
        elif mine[path] != other[path]:
            yield Difference(stream, path, "changed"), (mine[path], other[path])


def found() -> Iterator[tuple[Difference, Any]]:
    for file in FILES:
        lines = file.read_text(encoding="utf-8").splitlines()
        expected = json.loads(Path(f"{file}-expected.json").read_text(encoding="utf-8"))["expected"]
        assert len(lines) == len(expected)
        for line, theirs in zip(lines, expected):
            ours = normalize(json.loads(line), preserve_original="original" in theirs["event"])
            yield from differences(file.parent.name, ours, theirs)


def covers(row: Difference, difference: Difference) -> bool:
    return row.kind == difference.kind and all(
        fnmatchcase(getattr(difference, part), getattr(row, part)) for part in ("stream", "path")
    )


needs_samples = pytest.mark.skipif(not FILES, reason="../shared/samples is not here: Elastic's samples are not ours")


def test_the_document_lists_differences_in_the_form_the_test_reads() -> None:
    text = (ROOT / "docs" / "elastic-differences.md").read_text(encoding="utf-8")
    assert len(listed()) == text.count("\n| ") - 1 > 30


@needs_samples
def test_every_difference_from_elastics_output_is_listed() -> None:
    rows = listed()
    unlisted = [
        (difference, value) for difference, value in found() if not any(covers(row, difference) for row in rows)
    ]
    assert unlisted == []


@needs_samples
def test_every_listed_difference_still_occurs() -> None:
    seen = [difference for difference, _ in found()]
    assert [row for row in listed() if not any(covers(row, difference) for difference in seen)] == []
