"""JSON in any container, record by record.

The standard decoder reads one value out of the middle of a text and says where it ends; around it this module keeps
the little it takes to walk arrays and pages without holding them whole, and to find its way again after damage.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Optional

from entrawatch import jsontext
from entrawatch.reading.items import Bad, Found, Item, Where
from entrawatch.reading.table import query_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrawatch.reading.text import Text

#: the longest record there can be, in characters: a bound on memory, far above any real one
MOST = 64 << 20
_DEEPEST = 8
_EXCERPT = 65536
_DECODER = json.JSONDecoder(parse_constant=lambda _: None)
#: between values: white space, the commas some exports put there, and RFC 7464's record separator
_BETWEEN = re.compile(r"[\s,\x1e\x00\ufeff]*")
_SPACE = re.compile(r"\s*")
_CONTAINERS = ("value", "records")
_WORDS = tuple(f'"{name}"' for name in _CONTAINERS)
#: a page's beginning: what stands before its list is short and flat
_PAGE = re.compile(
    r'\{\s*(?:"[^"\\]{1,80}"\s*:\s*(?:"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*|true|false|null)\s*,\s*){0,8}'
    r'"(?:value|records)"\s*:\s*\['
)
_HEAD = 1 << 14


class _Damaged(Exception):  # noqa: N818 - leads the scanner to its next try; nobody else sees it
    """What stands here is no JSON value; the text says why.

    :param cut: whether it may be only that the text ends here.
    :param ended: whether it surely is.
    """

    def __init__(self, reason: str, *, cut: bool = False, ended: bool = False) -> None:
        self.cut, self.ended = cut or ended, ended
        super().__init__(reason)


def records(text: Text) -> Iterator[Item]:
    """Every record of the text, and what is none."""
    while _forward(text, _BETWEEN):
        quick = _whole_line(text)
        if quick is not None:
            yield from records_of(quick, text.where())
            text.take_line()
        else:
            yield from _tried(text, 0)


def _tried(text: Text, depth: int) -> Iterator[Item]:
    """The records of the value that begins here; where it is damaged that is told, and what follows it is next."""
    indent = text.indent() if depth else text.indent() or ""
    try:
        yield from _value(text, depth)
    except _Damaged as damage:
        if not (damage.cut and text.trouble):  # a stream that broke off is told by its reader, once
            yield Bad(text.where(), str(damage), _excerpt(text), rest=damage.ended)
        if indent is None:
            raise _Lost from None
        _resume(text, indent)
    except _Lost:
        if indent is None:
            raise
        _resume(text, indent)


class _Lost(Exception):  # noqa: N818 - the same
    """A damaged value on a line with others: nobody can tell where the next one begins before that line's end."""


def _excerpt(text: Text) -> str:
    end = text.buffer.find("\n", text.pos)
    return text.buffer[text.pos : min(len(text.buffer) if end < 0 else end, text.pos + _EXCERPT)]


def _resume(text: Text, indent: str) -> None:
    """Go to the next line that begins a value as far in as the damaged one began, or ends the list it stands in."""
    next_value = re.compile(rf"{indent}[^\s\]}},]|[ \t]{{0,{len(indent) - 1}}}\]" if indent else r"[^\s\]},]")
    text.take_line()
    while text.line_end() > text.pos and not next_value.match(text.buffer, text.pos):
        text.take_line()


def _forward(text: Text, pattern: re.Pattern[str]) -> bool:
    """Use up what the pattern matches; False at the end of the text."""
    while True:
        match = pattern.match(text.buffer, text.pos)
        text.skip_to(match.end() if match else text.pos)
        if text.pos < len(text.buffer):
            return True
        if not text.more():
            return False


def _whole_line(text: Text) -> Optional[Any]:
    """The value that this line is, the case of JSON lines; None when the line is none by itself."""
    end = text.buffer.find("\n", text.pos)
    if end < 0 or text.buffer[text.pos] != "{":
        return None
    try:
        return jsontext.loads(text.buffer[text.pos : end])
    except (ValueError, RecursionError):
        return None


def _value(text: Text, depth: int) -> Iterator[Item]:
    first = text.buffer[text.pos]
    if depth > _DEEPEST:
        raise _Damaged("lists are nested too deeply to hold records")
    if first == "[":
        yield from _list(text, depth)
    elif first == "{" and _at_page(text):
        yield from _list(text, depth)
        _end_of_page(text)
    elif first == "{":
        start = text.where()
        yield from records_of(_decode(text), start)
    else:
        raise _Damaged("is no JSON object; a record begins with {")


def _at_page(text: Text) -> bool:
    """Whether a page begins here; then its beginning is used up to its list."""
    while len(text.buffer) - text.pos < _HEAD and text.more():
        pass
    end = text.pos + _HEAD
    # the search for the words is far quicker than the pattern, and ends the matter for most records
    if not any(text.buffer.find(word, text.pos, end) >= 0 for word in _WORDS):
        return False
    match = _PAGE.match(text.buffer, text.pos, end)
    if match:
        text.skip_to(match.end() - 1)
    return match is not None


def _list(text: Text, depth: int) -> Iterator[Item]:
    """The members of the list that begins here."""
    text.skip_to(text.pos + 1)
    while _forward(text, _BETWEEN):
        if text.buffer[text.pos] == "]":
            text.skip_to(text.pos + 1)
            return
        yield from _tried(text, depth + 1)
    raise _Damaged("ends inside a list", ended=True)


def _end_of_page(text: Text) -> None:
    """What stands behind a page's list: a link, a count, the closing brace."""
    while _forward(text, _BETWEEN):
        if text.buffer[text.pos] == "}":
            text.skip_to(text.pos + 1)
            return
        _decode(text)
        if not _forward(text, _SPACE) or text.buffer[text.pos] != ":":
            raise _Damaged("is no JSON: a page's key has no value")
        text.skip_to(text.pos + 1)
        if _forward(text, _SPACE):
            _decode(text)
    raise _Damaged("ends inside a page", ended=True)


def _decode(text: Text) -> Any:
    """The value that begins here, used up."""
    while True:
        try:
            value, end = _DECODER.raw_decode(text.buffer, text.pos)
        except json.JSONDecodeError as error:
            _read_on(text, error)
        except (ValueError, RecursionError) as error:  # a number of thousands of digits; thousands of brackets
            raise _Damaged(f"cannot be read as JSON ({' '.join(str(error).split())[:200]})") from None
        else:
            text.skip_to(end)
            return value


def _read_on(text: Text, error: json.JSONDecodeError) -> None:
    """More text where the value may go on there; `_Damaged` where it is no JSON whatever follows."""
    # The decoder tells an unterminated string by its beginning, everything else by the place it stopped.
    nothing = not text.buffer[error.pos :].strip()
    ended = nothing or error.msg.startswith("Unterminated string")
    at_end = ended or error.pos >= len(text.buffer) - 16
    seen = text.buffer[text.pos : error.pos]
    if "delimiter" in error.msg or nothing:
        seen = seen.rstrip()  # what is missing belongs behind what there is, not on the line of what follows
    line = text.line + seen.count("\n")
    reason = f"is no JSON ({error.msg}{f' on line {line}' if line != text.line else ''})"
    if not at_end:
        raise _Damaged(reason)
    if len(text.buffer) - text.pos > MOST:
        raise _Damaged(f"is longer than {MOST >> 20} Mi characters")
    if not text.more():
        raise _Damaged(reason, cut=True, ended=ended)


def records_of(value: Any, where: Where) -> Iterator[Item]:
    """The records in one decoded value: itself, or those of the page or the query's answer that it is."""
    if not isinstance(value, dict):
        yield Bad(where, "is no JSON object", str(value)[:_EXCERPT])
        return
    members = next((value[name] for name in _CONTAINERS if isinstance(value.get(name), list)), None)
    if members is None:
        members = query_rows(value)
    if members is None:
        yield Found(where, value)
        return
    for member in members:
        yield from records_of(member, where) if isinstance(member, dict) else [Bad(where, "is no JSON object")]
