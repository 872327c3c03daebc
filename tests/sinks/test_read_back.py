"""What the files sink wrote comes back as the events it was given, in every format."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from entrawatch.config.model import SinkConfig
from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.normalize import normalize
from entrawatch.reading import Bad, Found, read
from entrawatch.schema.streams import STREAMS
from entrawatch.sinks import build

from .events import HOSTILE_TEXTS, event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

START = datetime(2026, 10, 5, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def tenant() -> list[dict[str, Any]]:
    """A day of a small company: events of every stream."""
    options = TenantOptions(seed=3, users=40, start=START, end=START + timedelta(days=1))
    newest = {(item.stream, item.record["id"]): item for item in generate(options)}
    return [{**normalize(item.record, STREAMS[item.stream])} for item in newest.values()]


def there_and_back(folder: Path, form: str, events: Sequence[dict[str, Any]]) -> list[Any]:
    sink = build(SinkConfig("disk", "files", {"path": str(folder), "format": form}), state_dir=folder)
    sink.write(events)
    sink.close()
    return [item.record if isinstance(item, Found) else item for item in read([folder])]


def keyed(events: Sequence[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    return {(event["entra"]["stream"], event["event"]["id"]): event for event in events}


def without_empty(value: Any) -> Any:
    """CSV does not tell an empty text from none."""
    if isinstance(value, dict):
        return {key: without_empty(inner) for key, inner in value.items() if inner != ""}
    return value


@pytest.mark.parametrize("form", ["jsonl", "json", "parquet"])
def test_every_event_comes_back_as_it_was(tmp_path: Path, tenant: list[dict[str, Any]], form: str) -> None:
    assert len({stream for stream, _ in keyed(tenant)}) == 10
    assert keyed(there_and_back(tmp_path, form, tenant)) == keyed(tenant)


def test_csv_gives_back_all_but_empty_texts(tmp_path: Path, tenant: list[dict[str, Any]]) -> None:
    back = keyed(there_and_back(tmp_path, "csv", tenant))
    assert back == {key: without_empty(event) for key, event in keyed(tenant).items()}
    assert all(normalize(event) == event for event in back.values())


@pytest.mark.parametrize("name", sorted(set(HOSTILE_TEXTS) - {"nul", "surrogate"}))
def test_what_csv_does_against_formulas_is_undone(tmp_path: Path, name: str) -> None:
    (back,) = there_and_back(tmp_path, "csv", [event(1, message=HOSTILE_TEXTS[name])])
    assert back["message"] == HOSTILE_TEXTS[name]


def test_an_apostrophe_of_ones_own_stays(tmp_path: Path) -> None:
    (back,) = there_and_back(tmp_path, "csv", [event(1, message="'s Hertogenbosch")])
    assert back["message"] == "'s Hertogenbosch"


def test_parquet_of_others_and_damaged_parquet_is_one_line(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table({"id": ["a"]}), tmp_path / "theirs.parquet")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1" + b"x" * 100)
    parquet.write_table(pa.table({"event": ['{"id": "a"}', "[1]", None]}), tmp_path / "odd.parquet")
    found = {f"{item.where}"[len(str(tmp_path)) + 1 :]: item for item in read([tmp_path])}
    assert found["odd.parquet:1"].record == {"id": "a"}
    reasons = {where: item.reason for where, item in found.items() if isinstance(item, Bad)}
    assert reasons.pop("torn.parquet").startswith("is damaged Parquet (")
    assert reasons == {
        "theirs.parquet": "is Parquet that Entrawatch did not write; ask DuckDB for JSON lines of it first",
        "odd.parquet:2": "holds no event",
        "odd.parquet:3": "holds no event",
    }


def test_a_folder_without_anything_to_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("x")
    (bad,) = read([tmp_path])
    assert isinstance(bad, Bad)
    assert (str(bad.where), bad.reason[:28]) == (str(tmp_path), "holds no file to read (.csv ")
