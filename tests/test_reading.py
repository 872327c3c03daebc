"""Records out of every container, and exactly one line for each piece that is none."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrawatch.reading import Bad, Found, Where, read, read_stream

if TYPE_CHECKING:
    from pathlib import Path

A, B, C = ({"id": name, "createdDateTime": "2026-11-24T10:00:00Z", "n": {"x": [1]}} for name in "abc")


def items(data: bytes | str) -> list[Found | Bad]:
    return list(read_stream(io.BytesIO(data.encode() if isinstance(data, str) else data), "f"))


def found(data: bytes | str) -> list[dict[str, Any]]:
    given_ = items(data)
    assert all(isinstance(item, Found) for item in given_), given_
    return [item.record for item in given_ if isinstance(item, Found)]


def lines(data: bytes | str) -> list[tuple[int, str]]:
    """What there is, line by line: the record's id, or what is wrong."""
    return [(i.where.line, str(i.record.get("id")) if isinstance(i, Found) else i.reason) for i in items(data)]


def dump(value: Any, **how: Any) -> str:
    return json.dumps(value, **how)


CONTAINERS = {
    "JSON lines": "\n".join(map(dump, (A, B, C))) + "\n",
    "JSON lines, no newline at the end, CRLF, blank lines": "\r\n\r\n".join(map(dump, (A, B, C))),
    "an array": dump([A, B, C]),
    "a pretty array": dump([A, B, C], indent=2),
    "one after another": dump(A) + dump(B) + " " + dump(C),
    "pretty, one after another": "\n".join(dump(r, indent=4) for r in (A, B, C)),
    "with commas between": ",\n".join(map(dump, (A, B, C))),
    "a Graph page": dump({"@odata.context": "x\"y", "@odata.nextLink": "https://g?a", "value": [A, B, C]}),
    "a pretty Graph page": dump({"@odata.context": "x", "value": [A, B, C]}, indent=2),
    "a page whose link comes last": dump({"value": [A, B, C], "@odata.nextLink": "x", "@odata.count": 3}),
    "a page behind something large": dump({"meta": {"deep": ["x"] * 9000}, "value": [A, B, C]}),
    "pages, one a line": dump({"value": [A]}) + "\n" + dump({"value": []}) + "\n" + dump({"value": [B, C]}),
    "an array of pages": dump([{"value": [A]}, {"value": [B, C]}]),
    "an array of arrays": dump([[A], [], [B, C]]),
    "diagnostic settings": dump({"records": [A, B, C]}),
    "diagnostic settings, one batch a line": dump({"records": [A, B]}) + "\n" + dump({"records": [C]}) + "\n",
    "a query's answer": dump({"tables": [{
        "name": "PrimaryResult", "columns": [{"name": name, "type": "string"} for name in A],
        "rows": [list(r.values()) for r in (A, B, C)],
    }]}),
    "a JSON text sequence": "".join(f"\x1e{dump(r)}\n" for r in (A, B, C)),
}  # fmt: skip
ENCODINGS = {
    "utf-8": lambda text: text.encode(),
    "utf-8 with a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "utf-16 little": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "utf-16 big": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "utf-16 little without a mark": lambda text: text.encode("utf-16-le"),
    "utf-16 big without a mark": lambda text: text.encode("utf-16-be"),
    "gzip": lambda text: gzip.compress(text.encode()),
    "gzip in two members": lambda text: gzip.compress(text[:9].encode()) + gzip.compress(text[9:].encode()),
}


@pytest.mark.parametrize("text", CONTAINERS.values(), ids=CONTAINERS)
def test_every_container_gives_its_records(text: str) -> None:
    assert found(text) == [A, B, C]


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("name", ["JSON lines", "a pretty Graph page", "a query's answer"])
def test_every_encoding_gives_its_records(name: str, encode: Any) -> None:
    if "without" not in str(encode) and not CONTAINERS[name].startswith("\x1e"):
        assert found(encode(CONTAINERS[name])) == [A, B, C]


@pytest.mark.parametrize("text", CONTAINERS.values(), ids=CONTAINERS)
def test_where_a_read_ends_makes_no_difference(text: str) -> None:
    class Dribble(io.RawIOBase):
        """Gives a few bytes at a time, as a pipe may."""

        def __init__(self) -> None:
            self.data, self.at, self.step = text.encode(), 0, 1

        def readable(self) -> bool:
            return True

        def readinto(self, room: Any) -> int:
            self.step = self.step % 7 + 1
            piece = self.data[self.at : self.at + min(self.step, len(room))]
            room[: len(piece)] = piece
            self.at += len(piece)
            return len(piece)

    stream: Any = Dribble()
    assert [item.record for item in read_stream(stream, "f") if isinstance(item, Found)] == [A, B, C]


def test_each_record_has_its_line() -> None:
    assert lines(dump(A) + "\n\n" + dump(B, indent=1) + "\n" + dump(C)) == [(1, "a"), (3, "b"), (12, "c")]
    assert lines(dump({"x": 1, "value": [A, B]}, indent=2)) == [(4, "a"), (13, "b")]


GOOD = dump(A)
#: text → (line, id or words of the reason), in order; every bad piece has exactly one
DAMAGE: dict[str, tuple[str, list[tuple[int, str]]]] = {
    "a bad line": (f"{GOOD}\n{{bad}}\n{GOOD}\n", [(1, "a"), (2, "Expecting property name"), (3, "a")]),
    "a line cut short": (
        f'{{"id": "x", "n":\n{GOOD}\n{GOOD}\n', [(1, "Expecting ',' delimiter on line 2"), (2, "a"), (3, "a")]
    ),
    "a line without its brace": (f'{GOOD}\n{{"id": 2\n{GOOD}\n', [(1, "a"), (2, "',' delimiter)"), (3, "a")]),
    "the last line without its brace": (f'{GOOD}\n{{"id": 2\n\n', [(1, "a"), (2, "',' delimiter)")]),
    "the last line without its value": (f'{GOOD}\n{{"id":\n\n', [(1, "a"), (2, "Expecting value)")]),
    "a cut string": (f'{{"id": "x\n{GOOD}\n', [(1, "Invalid control character"), (2, "a")]),
    "the last line cut short": (f'{GOOD}\n{{"id": "x', [(1, "a"), (2, "Unterminated string")]),
    "words": (f"hello\nworld\n{GOOD}", [(1, "no JSON object"), (2, "no JSON object"), (3, "a")]),
    "a number and a text": (f'17\n"x"\n{GOOD}', [(1, "no JSON object"), (2, "no JSON object"), (3, "a")]),
    "a bad record, pretty": (
        f'{{\n  "id": nope,\n  "b": {{\n    "c": 1\n  }}\n}}\n{GOOD}', [(1, "Expecting value on line 2"), (7, "a")]
    ),
    "a bad member, pretty": (
        f'[\n  {{\n    "id": nope\n  }},\n  {GOOD},\n  {GOOD}\n]\n{GOOD}',
        [(2, "Expecting value on line 3"), (5, "a"), (6, "a"), (8, "a")],
    ),
    "the last member bad": (f'[\n  {GOOD},\n  {{x}}\n]\n{GOOD}', [(2, "a"), (3, "Expecting property"), (5, "a")]),
    "a bad member of a page": (
        f'{{"value": [\n{GOOD},\n{{x}},\n{GOOD}\n]}}\n{GOOD}', [(2, "a"), (3, "Expecting property"), (4, "a"), (6, "a")]
    ),
    "a bad member among others on its line": (
        f"[{GOOD},{{x}},{GOOD}]\n{GOOD}", [(1, "a"), (1, "Expecting property"), (2, "a")]
    ),
    "a member that is no object": (f"[{GOOD}, 5]\n{GOOD}", [(1, "a"), (1, "no JSON object"), (2, "a")]),
    "a member of a large page that is none": (
        dump({"m": {"d": ["x"] * 9000}, "value": [5, A]}), [(1, "no JSON object"), (1, "a")]
    ),
    "a list that does not end": (f"[{GOOD},\n{GOOD}", [(1, "a"), (2, "a"), (2, "ends inside a list")]),
    "a page that does not end": (f'{{"value": [{GOOD}], "x": 1', [(1, "a"), (1, "ends inside a page")]),
    "a page with a bad end": (f'{{"value": [{GOOD}], "x" 1}}\n{GOOD}', [(1, "a"), (1, "key has no value"), (2, "a")]),
    "a bad value after others on its line": (f"{GOOD}{{x}}{GOOD}\n{GOOD}", [(1, "a"), (1, "Expecting"), (2, "a")]),
    "a bad value behind odd space": (f"\x0b\x01\n{GOOD}", [(1, "no JSON object"), (2, "a")]),
    "a number too long": (f'{{"n": {"9" * 5000}}}\n{GOOD}', [(1, "cannot be read as JSON"), (2, "a")]),
    "too deep": ("[" * 5000 + "\n" + GOOD, [(1, "nested too deeply"), (2, "a")]),
    "an object too deep": ('{"a":' * 99999 + "\n" + GOOD, [(1, "cannot be read as JSON"), (2, "a")]),
    "a row too long": ("TimeGenerated [UTC],Id\n1,a\n1,b,c\n2,d\n", [(2, "None"), (3, "3 cells under 2"), (4, "None")]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_told_once_and_the_rest_goes_on(text: str, expected: list[tuple[int, str]]) -> None:
    got = lines(text)
    assert [line for line, _ in got] == [line for line, _ in expected], got
    for (_, what), (_, words) in zip(got, expected):
        assert words in what
        assert "\n" not in what


def test_a_bad_piece_comes_with_its_text() -> None:
    (bad,) = items('{"id": oops}\n')
    assert isinstance(bad, Bad)
    assert (str(bad.where), bad.text) == ("f:1", '{"id": oops}')


@pytest.mark.parametrize("text", [CONTAINERS["JSON lines"] * 400, dump([A, B, C] * 400), dump([A] * 1200, indent=1)])
def test_a_cut_gzip_gives_what_was_in_it_and_one_line(text: str) -> None:
    data = gzip.compress(text.encode())
    got = items(data[: len(data) * 2 // 3])
    bad = [item for item in got if isinstance(item, Bad)]
    assert len(got) > 100
    assert [item.reason.split(" (")[0] for item in bad] == ["the gzip file is cut off or damaged"]
    assert bad == got[-1:]
    assert bad[0].where.line >= got[-2].where.line


def test_a_damaged_gzip_is_told_once() -> None:
    data = bytearray(gzip.compress(CONTAINERS["JSON lines"].encode()))
    data[-6] ^= 0xFF  # the checksum
    got = items(bytes(data))
    assert [type(item) for item in got] == [Found, Found, Found, Bad]


def test_a_csv_export() -> None:
    text = (
        '\ufeff"TimeGenerated [UTC]",Id,Status,Empty\r\n"11/24/2026, 10:00:00.000 AM",a,"{""errorCode"":0}",\r\n\r\n'
        '"11/24/2026, 10:00:01.000 AM",b,"two\nlines",\r\n"x",c,,\r\n'
    )
    assert [(i.where.line, i.record) for i in items(text) if isinstance(i, Found)] == [
        (2, {"TimeGenerated": "11/24/2026, 10:00:00.000 AM", "Id": "a", "Status": '{"errorCode":0}'}),
        (4, {"TimeGenerated": "11/24/2026, 10:00:01.000 AM", "Id": "b", "Status": "two\nlines"}),
        (6, {"TimeGenerated": "x", "Id": "c"}),
    ]


@pytest.mark.parametrize("data", [b"", b"\n \n", codecs.BOM_UTF8, gzip.compress(b"", mtime=0)])
def test_nothing_gives_nothing(data: bytes) -> None:
    assert items(data) == []


def test_a_byte_that_is_no_utf8_does_not_cost_the_record() -> None:
    assert found(b'{"id": "a\xff"}\n') == [{"id": "a\ufffd"}]


def test_no_number_is_no_value() -> None:
    assert found('[{"n": NaN}]') == [{"n": None}]


def test_folders_and_names(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.jsonl", "sub/a.json.gz", "c.odd", ".hidden.json", "d.parquet", "labels.jsonl"):
        data = dump({"id": name}).encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    (tmp_path / "d.parquet").write_bytes(b"PAR1....PAR1")
    names = [item.record["id"] for item in read([tmp_path]) if isinstance(item, Found)]
    assert names == ["b.jsonl", "sub/a.json.gz"]
    assert [i.record["id"] for i in read([str(tmp_path / "c.odd")]) if isinstance(i, Found)] == ["c.odd"]
    (parquet,) = read([tmp_path / "d.parquet"])
    (missing,) = read([tmp_path / "none.json"])
    assert isinstance(parquet, Bad)
    assert "is damaged Parquet" in parquet.reason
    assert missing == Bad(Where(str(tmp_path / "none.json"), 0), "cannot be read (No such file or directory)")
    assert str(missing.where) == str(tmp_path / "none.json")


def test_a_dash_is_standard_input() -> None:
    assert list(read(["-"], io.BytesIO(dump(A).encode()))) == [Found(Where("-", 1), A)]


@pytest.mark.parametrize("form", ["array", "page", "lines"])
def test_a_large_file_is_never_held_whole(form: str) -> None:
    record = dump({"id": "x" * 1000}).encode()
    begin, between, end = {
        "array": (b"[", b",", b"]"),
        "page": (b'{"value":[', b",", b"]}"),
        "lines": (b"", b"\n", b""),
    }[form]
    data = gzip.compress(begin + between.join([record] * 20_000) + end, 1)
    tracemalloc.start()
    try:
        count = sum(1 for item in read_stream(io.BytesIO(data), "f") if isinstance(item, Found))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 2_000_000, peak


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
record_values = st.dictionaries(
    st.text(min_size=1).filter(lambda k: k not in {"value", "records", "tables"}), json_values, max_size=5
)


@given(st.lists(record_values, max_size=6), st.sampled_from([None, 1, 3]), st.booleans())
def test_any_records_come_back_whole(records: list[dict[str, Any]], indent: int | None, ascii_: bool) -> None:
    how: dict[str, Any] = {"indent": indent, "ensure_ascii": ascii_}
    forms = [dump(records, **how), dump({"value": records}, **how), "\n".join(dump(r, **how) for r in records)]
    for text in forms:
        data = text.encode("utf-8", "surrogatepass") if ascii_ else text.encode("utf-8", "replace")
        expected = records if ascii_ else json.loads(dump(records, ensure_ascii=False).encode("utf-8", "replace"))
        assert found(data) == expected


@given(st.binary(max_size=300))
def test_any_bytes_end_in_records_or_bad_pieces(data: bytes) -> None:
    for item in items(data):
        assert isinstance(item, (Found, Bad))
