"""Loading quickly is loading the same: the short way of a usual sign-in, blocks of files, several processes."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrawatch.errors import RecordError
from entrawatch.hunt import files
from entrawatch.hunt.columns import columns
from entrawatch.hunt.plain import UsualSignIns
from entrawatch.hunt.run import hunt, hunt_files
from entrawatch.normalize import normalize
from entrawatch.normalize.envelope import wrap
from entrawatch.reading import Item, read
from entrawatch.reading.blocks import NotLinesError, blocks, read_block, read_rest
from entrawatch.schema.streams import STREAMS

from .test_hunt import CATALOGUE, lines, tenant

if TYPE_CHECKING:
    from pathlib import Path

    from entrawatch.interfaces import Record

COLUMNS = columns("signin", CATALOGUE.rules.values(), CATALOGUE.baselines.values())
USUAL = UsualSignIns(COLUMNS)
SIGN_INS = [
    (stream, record)
    for stream in ("interactive", "non_interactive", "service_principal", "managed_identity")
    for record in tenant(1)[0][stream][:60]
]
#: keys that are read, others, and spellings that the normaliser takes for them
KEYS = [
    "id", "createdDateTime", "ipAddress", "appDisplayName", "status", "location", "deviceDetail", "userAgent", "appId",
    "isInteractive", "autonomousSystemNumber", "userPrincipalName", "correlationId", "AppDisplayName", "Status",
    "app_display_name", "created_at", "createdAt", "CreatedDateTime", "device_detail", "properties", "OperationName",
    "TimeGenerated", "@timestamp", "category", "somethingNew", "signInEventTypes",
]  # fmt: skip
INNER = ["errorCode", "ErrorCode", "error_code", "failureReason", "city", "City", "countryOrRegion", "displayName"]
ODD = st.sampled_from([
    None, "", " ", "x", "0", 0, 50126, 2**63, -(2**70), 1.5, True, [], ["x"], {}, {"city": "x"}, {"errorCode": "7"},
    {"errorCode": 7, "failureReason": 3}, {"displayName": ["x"]}, '{"errorCode": 5}', "192.0.2.1:443",
    "[2001:db8::1]:1", "2026-01-07T09:00:00.1234567Z", "2026-01-07T9:00:00Z", "2026-01-07", "/Date(1661191636000)/",
    "\ud800",
])  # fmt: skip


def said(record: Record) -> list[Any]:
    event = normalize(record)
    return [column.value(event) for column in COLUMNS]


def shaped(record: Record, stream: str, shape: str) -> Record:
    return record if shape == "graph" else wrap(record, STREAMS[stream], "t")


@pytest.mark.parametrize("shape", ["graph", "envelope"])
def test_the_usual_sign_in_goes_the_short_way_and_says_what_the_normaliser_says(shape: str) -> None:
    for stream, record in SIGN_INS:
        whole = shaped(record, stream, shape)
        row = USUAL.row(whole)
        assert row is not None or not record.get("ipAddress")
        if row:
            assert [None if value == "" else value for value in row] == said(whole)


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(SIGN_INS),
    st.sampled_from(["graph", "envelope"]),
    st.lists(st.tuples(st.sampled_from(KEYS), ODD), max_size=3),
    st.lists(
        st.tuples(st.sampled_from(["status", "location", "deviceDetail"]), st.sampled_from(INNER), ODD), max_size=2
    ),
    st.lists(st.sampled_from(KEYS), max_size=3),
    st.booleans(),
)
def test_an_odd_sign_in_is_left_to_the_normaliser_or_said_alike(
    base: Any, shape: str, put: Any, inner: Any, dropped: Any, outside: Any
) -> None:
    stream, record = base[0], copy.deepcopy(base[1])
    for key in dropped:
        record.pop(key, None)
    for key, value in put if not outside else ():
        record[key] = value
    for parent, key, value in inner:
        if isinstance(record.get(parent), dict):
            record[parent] = {**record[parent], key: value}
    whole = (
        dict(shaped(record, stream, shape)) if shape == "graph" else {"properties": record, "category": "SignInLogs"}
    )
    for key, value in put if outside else ():
        whole[key] = value
    row = USUAL.row(whole)
    if row is not None:
        assert [None if value == "" else value for value in row] == said(whole)


@pytest.mark.parametrize(
    "key", ["id", "createdDateTime", "ipAddress", "status", "location", "userPrincipalName", "new"]
)
@pytest.mark.parametrize("value", ["", None, 2**63, "x", {"city": "Oslo"}])
def test_what_the_envelope_knows_better_is_left_to_the_normaliser(key: str, value: Any) -> None:
    record = {**SIGN_INS[0][1], "autonomousSystemNumber": value, key: value}
    around = {
        "category": "SignInLogs", "callerIpAddress": "192.0.2.99", "time": "2026-02-02T02:02:02Z", "location": "SE",
    }  # fmt: skip
    for whole in (record, {"properties": record, **around}):
        row = USUAL.row(whole)
        assert row is None or [one if one != "" else None for one in row] == said(whole)


SPELLINGS = [
    (("appDisplayName",), "AppDisplayName"), (("appDisplayName",), "app_display_name"), (("status",), "Status"),
    (("createdDateTime",), "created_at"), (("ipAddress",), "IpAddress"), (("deviceDetail",), "device_detail"),
    (("status", "errorCode"), "ErrorCode"), (("status", "errorCode"), "error_code"), (("location", "city"), "City"),
    (("location",), "Location"), (("userAgent",), "UserAgent"), (("id",), "Id"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "spelling"), SPELLINGS)
@pytest.mark.parametrize("kept", [False, True])
def test_another_spelling_of_a_key_is_left_to_the_normaliser(path: Any, spelling: str, kept: Any) -> None:
    for _, base in SIGN_INS[::7]:
        record = copy.deepcopy(base)
        inner = record if len(path) == 1 else record[path[0]]
        if not inner or path[-1] not in inner:
            continue
        inner[spelling] = inner[path[-1]]
        if kept:
            inner[path[-1]] = None
        else:
            del inner[path[-1]]
        row = USUAL.row(record)
        assert row is None or [None if value == "" else value for value in row] == said(record)


def test_columns_that_only_the_normaliser_knows_have_no_short_way() -> None:
    rules = [rule for rule in CATALOGUE.rules.values() if rule.source == "audit"]
    with pytest.raises(LookupError):
        UsualSignIns(columns("audit", rules, []))


# --- blocks -----------------------------------------------------------------------------------------------------------

LINES = st.lists(
    st.sampled_from([
        b'{"a": 1}', b'{"a": 2}\r', b"", b"  ", b'{"a": 3}', b'{"a": "\xff"}', b'{"value": [{"a": 4}]}', b'{"a": 5}',
    ]),
    min_size=3, max_size=30,
)  # fmt: skip
DAMAGED = st.sampled_from([b"", b'{"a": ', b'{"a": [\n1,\n2]}', b"[", b"x", b'{"a": "b', b"[1, 2]", b' {"a": 6}', b","])


def in_blocks(file: Path, size: int) -> list[Item]:
    found: list[Item] = []
    before = 0
    for block in blocks(file, size):
        try:
            items, count = read_block(block)
            taken = list(items)
        except NotLinesError:
            return [*found, *read_rest(block, before)]
        found += [item._replace(where=item.where._replace(line=item.where.line + before)) for item in taken]
        before += count
    return found


@settings(max_examples=300, deadline=None)
@given(LINES, DAMAGED, LINES, st.integers(10, 60))
def test_blocks_give_what_reading_from_the_start_gives(
    tmp_path_factory: Any, first: Any, damaged: bytes, second: Any, size: int
) -> None:
    file = tmp_path_factory.getbasetemp() / "lines.jsonl"
    file.write_bytes(b"\n".join([*first, damaged, *second]))
    if blocks(file, size):
        assert in_blocks(file, size) == list(read([file]))


@pytest.mark.parametrize(
    "data", [b"", b'{"a": 1}\n', b"[" + b'{"a": 1},\n' * 50, b'{\n"a": 1}\n' * 50, b'{"a": "' + b"x" * 500 + b'"}\n{}']
)
def test_what_does_not_begin_with_short_lines_has_no_blocks(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.json").write_bytes(data)
    assert blocks(tmp_path / "x.json", 100) == []
    assert blocks(tmp_path / "missing.json", 100) == []


# --- several processes ------------------------------------------------------------------------------------------------


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "WORTH", 0)
    monkeypatch.setattr(files, "blocks", lambda file: blocks(file, 400_000))


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    records, _ = tenant(1)
    for stream, these in records.items():
        (tmp_path / f"{stream}.jsonl").write_bytes(lines(these))
    odd = lines(records["interactive"][:100]) + b'{"a": 1}\n' + lines(records["interactive"][100:])
    (tmp_path / "interactive.jsonl").write_bytes(odd)
    cut = lines(records["non_interactive"]).replace(b"\n", b"\n{no json\n", 200).replace(b"{no json\n", b"", 199)
    (tmp_path / "non_interactive.jsonl").write_bytes(cut)
    return tmp_path


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("broken", [False, True])
def test_several_processes_find_what_one_finds(exported: Path, broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if broken:
        monkeypatch.setattr(files, "_start", json.loads)
    several = hunt_files(CATALOGUE, [exported], processes=2)
    one = hunt(CATALOGUE, read([exported]))
    assert [found.line() for found in several.findings] == [found.line() for found in one.findings]
    assert several.loaded == one.loaded
    assert several.loaded.bad_count == 2


def test_half_a_surrogate_pair_is_loaded_and_found() -> None:
    record = {
        "id": "Directory_\ud800", "activityDateTime": "2026-01-07T09:00:00Z", "activityDisplayName": "Add application",
        "targetResources": [{"displayName": "\udc00", "type": "Application"}], "category": "ApplicationManagement",
    }  # fmt: skip
    with pytest.raises(RecordError):
        normalize({"a": "\ud800"})
    found = hunt(CATALOGUE, read_one(record)).findings
    assert [one.rule.slug for one in found] == ["application-added"]


def read_one(record: Record) -> Any:
    from entrawatch.reading import Found, Where

    return [Found(Where("-", 1), record)]
