"""Rows hold what the normaliser gives: the events of a synthetic tenant, column by column."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from itertools import islice
from typing import Any

import pytest

from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.normalize import normalize
from entrawatch.schema.fields import FIELDS
from entrawatch.schema.streams import STREAMS
from entrawatch.sinks.columns import FAMILIES, OTHER, columns, family_of, spread, typed


@pytest.fixture(scope="module")
def normalised() -> list[dict[str, Any]]:
    """Events of every stream."""
    start, end = datetime(2026, 11, 1, tzinfo=timezone.utc), datetime(2026, 11, 4, tzinfo=timezone.utc)
    found: dict[str, list[dict[str, Any]]] = {}
    for emitted in islice(generate(TenantOptions(seed=1, users=30, start=start, end=end)), 3000):
        some = found.setdefault(emitted.stream, [])
        if len(some) < 40:
            some.append(normalize(emitted.record, STREAMS[emitted.stream], tenant_id="t"))
    return [event for some in found.values() for event in some]


def test_every_stream_of_a_tenant_has_its_family(normalised: list[dict[str, Any]]) -> None:
    families = Counter(family_of(event) for event in normalised)
    assert set(families) == set(FAMILIES) - {OTHER}
    assert family_of({"entra": {"stream": ["odd"]}}) == OTHER
    assert family_of({"entra": "odd"}) == OTHER


def test_no_value_of_a_normalised_event_is_unfit_for_its_column(normalised: list[dict[str, Any]]) -> None:
    filled: Counter[tuple[str, str]] = Counter()
    for event in normalised:
        family = family_of(event)
        cells, left = spread(event, family)
        row = typed(event, family)
        assert [columns(family)[n].name for n, value in enumerate(cells) if value is not None and n not in row] == []
        # Only what is open by nature (a provisioned object's own properties) has no column.
        assert [path for path in left if "details" not in path] == []
        filled.update((family, columns(family)[n].name) for n in row)
    assert filled[("signin", "userPrincipalName")] > 50
    assert filled[("audit", "targetResources")] > 20


def test_every_field_has_a_column_or_stands_in_one() -> None:
    for family in FAMILIES:
        paths = {column.path for column in columns(family)}
        for field in FIELDS:
            if field.family in {"common", family} and field.type != "object":
                parts = field.ecs.split(".")
                assert {".".join(parts[:n]) for n in range(1, len(parts) + 1)} & paths, field.name
        names = [column.name.lower() for column in columns(family)]
        assert len(set(names)) == len(names), "no two columns that a database takes for one"


@pytest.mark.parametrize(
    ("path", "value", "cell"),
    [
        ("event.duration", True, None), ("event.duration", "5", None), ("event.duration", 5.0, None),
        ("event.duration", 2**63, None), ("event.duration", 2**63 - 1, 2**63 - 1),
        ("entra.password_verified", 1, None), ("entra.password_verified", False, False),
        ("user.name", 7, "7"), ("user.name", ["a"], '["a"]'), ("tags", "one", ["one"]),
        ("tags", [1, None], ["1", "null"]),
        ("event.created", "yesterday", None), ("event.created", 5, None),
        ("entra.unfit", {"a": [1]}, '{"a":[1]}'),
    ],
)  # fmt: skip
def test_a_cell_has_its_column_s_type_or_is_empty(path: str, value: Any, cell: Any) -> None:
    event: dict[str, Any] = {}
    *above, last = path.split(".")
    node = event
    for key in above:
        node = node.setdefault(key, {})
    node[last] = value
    row = typed(event, "signin")
    number = [column.path for column in columns("signin")].index(path)
    assert row.get(number) == cell
    assert type(row.get(number)) is type(cell)
