"""Text from outside, as it is shown to people."""

from __future__ import annotations

import json
import unicodedata

import pytest

from entrawatch.redaction import clean, visible

#: what moves text about, has no width, or moves a terminal's cursor
UNSEEN = (
    "\x00\x07\x1b\x7f\x80\x9b\xad\u061c\u200b\u200d\u200e\u200f\u2028"
    "\u202a\u202d\u202e\u2066\u2069\ufeff\U000e0041\ud800"
)


@pytest.mark.parametrize("char", UNSEEN)
def test_what_nobody_sees_is_spelt_out(char: str) -> None:
    shown = visible(f"a{char}b")
    assert shown.isascii()
    assert shown.isprintable()
    assert json.loads(f'"{shown}"') == f"a{char}b"
    assert clean(char) == "\ufffd"


@pytest.mark.parametrize("text", ["", "Zoë 山田\u3000太郎", "a\xa0b", "two\n\tlines", "שלום", "🙂", "\\u202e"])
def test_what_people_write_stays(text: str) -> None:
    assert visible(text) == text


def test_no_bidirectional_control_is_left() -> None:
    controls = [char for char in map(chr, range(0x110000)) if unicodedata.bidirectional(char) in {
        "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "BN"}]  # fmt: skip
    assert len(controls) > 9
    assert visible("".join(controls)).isascii()
