"""JSON text: the same values and the same bytes with orjson and without."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrawatch import jsontext
from entrawatch.jsontext import canonical, dumps, loads

PLAIN = (jsontext._plain_loads, jsontext._plain_dumps)
BOTH = pytest.mark.parametrize("codec", [(loads, dumps), PLAIN], ids=["installed", "standard library"])

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@BOTH
@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a":1,"a":2}', {"a": 2}),
        ('{"\u2013":"\u00e9"}', {"\u2013": "\u00e9"}),
        (b"[NaN,1]", [None, 1]),
        (b"[-Infinity]", [None]),
        (b"[18446744073709551615]", [18446744073709551615]),
        (rb'"\ud800"', "\ud800"),
    ],
    ids=["last of two equal keys", "not ASCII", "NaN", "infinity", "the largest of 64 bits", "half a surrogate pair"],
)
def test_reads_what_services_really_send(codec: Any, text: Any, value: Any) -> None:
    assert codec[0](text) == value


@BOTH
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None]}, b'{"b":1,"a":[true,null]}'),
        ({"x": float("nan"), "y": [float("inf")]}, b'{"x":null,"y":[null]}'),
        ([123456789012345678901234567890], b"[123456789012345678901234567890]"),
        ("\u2013", b'"\xe2\x80\x93"'),
    ],
)
def test_writes_one_line_of_json(codec: Any, value: Any, text: bytes) -> None:
    assert codec[1](value) == text


@BOTH
def test_a_lone_surrogate_is_written_as_valid_utf_8(codec: Any) -> None:
    assert json.loads(codec[1]({"a": "x\ud800y"}).decode("utf-8"))["a"].startswith("x")


@BOTH
@pytest.mark.parametrize("text", [b"", b"{", b"{'a':1}", b"\xff\xfe", b"[1,]", b'{"a":1} x'])
def test_no_json_is_a_value_error(codec: Any, text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        codec[0](text)


@given(json_values)
def test_both_codecs_agree(value: Any) -> None:
    assert loads(dumps(value)) == value
    assert PLAIN[0](PLAIN[1](value)) == value


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_the_canonical_spelling_knows_no_order(value: dict[str, Any]) -> None:
    assert canonical(value) == canonical(dict(reversed(list(value.items()))))


def test_the_canonical_spelling_tells_values_apart() -> None:
    spellings = [canonical(value) for value in ({"a": 1}, {"a": "1"}, {"a": None}, {}, {"a": True}, {"a": 1.5})]
    assert len(set(spellings)) == len(spellings)
