r"""How SPL writes names and values; every text of the dialect is made of these.

The rules differ from place to place:

* In the search command a value in double quotes compares without case, `*` is a wildcard that cannot be escaped, and
  text that looks like a network is one (https://help.splunk.com/splunk-enterprise/search/search-manual/9.4/search-primer/backslashes,
  https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/Search). Only values without all that stand there.
* In eval and where, double quotes make text, single quotes a field's name, and `\\` and `\"` stand for `\` and `"`
  (https://help.splunk.com/en/splunk-enterprise/search/search-manual/10.0/expressions-and-predicates); `\t` is a tab
  there, so that a backslash is always doubled.
* A macro is not expanded inside double quotes
  (https://help.splunk.com/en/splunk-enterprise/manage-knowledge-objects/knowledge-management-manual/10.0/search-macros),
  but not every tool on the way knows that: a backtick is written as its code, as are control characters.
"""

from __future__ import annotations

import re
from typing import NewType
from urllib.parse import quote

from entrawatch.dialects.comments import commented

#: a piece of SPL that is whole and safe: made here or from other pieces
Spl = NewType("Spl", str)

_PLAIN_NAME = re.compile(r"[A-Za-z_@][A-Za-z0-9_.@{}]*", re.ASCII)
_EVAL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
#: what the search command compares as it stands: no wildcard, quote, backslash, network, number or outer space
_PLAIN_VALUE = re.compile(r"(?!\d)[A-Za-z0-9_](?:[A-Za-z0-9_ .,:@()-]*[A-Za-z0-9_.)-])?", re.ASCII)
_CODED = re.compile("([\x00-\x1f`\x7f])")
_WORD = re.compile(r"[^A-Za-z0-9_]+", re.ASCII)
#: "null" is a JSON null in the envelope; the others may be taken for numbers
_SPECIAL = frozenset({"null", "inf", "infinity", "nan"})
#: words of eval's own that are no field names unless quoted
_RESERVED = frozenset({"and", "or", "not", "xor", "like", "in", "true", "false", "null", "as", "by", "where"})


def name(text: str) -> Spl:
    """A field where a command takes a list of fields, or where search and stats read one."""
    if '"' in text or "\\" in text or not text.isprintable():
        raise ValueError(f"no field name for SPL: {text!r}")
    plain = _PLAIN_NAME.fullmatch(text) and text.lower() not in _RESERVED
    return Spl(text if plain else f'"{text}"')


def variable(text: str) -> Spl:
    """A field in an expression of eval or where."""
    if "'" in text or "\\" in text or not text.isprintable():
        raise ValueError(f"no field name for SPL: {text!r}")
    plain = _EVAL_NAME.fullmatch(text) and text.lower() not in _RESERVED
    return Spl(text if plain else f"'{text}'")


def assignable(text: str) -> Spl:
    """A field that eval assigns to: a plain name, since Splunk's pages quote others in different ways."""
    if not _EVAL_NAME.fullmatch(text) or text.lower() in _RESERVED:
        raise ValueError(f"no name that eval assigns to: {text!r}")
    return Spl(text)


def word(text: str) -> str:
    """A text as part of a macro's or a helping field's name."""
    return _WORD.sub("_", text)


def macro(text: str) -> Spl:
    """A macro without arguments."""
    if text != word(text):
        raise ValueError(f"no macro name for SPL: {text!r}")
    return Spl(f"`{text}`")


def comment(text: str) -> Spl:
    """A comment in three backticks, which the search processor replaces by a space."""
    return Spl(f"```{commented(text)}```")


def plain(text: str) -> bool:
    """Whether the search command compares this text as it stands."""
    return _PLAIN_VALUE.fullmatch(text) is not None and text.lower() not in _SPECIAL


def searched(text: str) -> Spl:
    """A value in the search command.

    :raises ValueError: the search command would not take it as it stands.
    """
    if not plain(text):
        raise ValueError(f"no plain value for the search command: {text!r}")
    return Spl(f'"{text}"')


def string(text: str) -> Spl:
    """Text in an expression of eval or where."""
    pieces = [_piece(part) for part in _CODED.split(text) if part]
    return Spl(" . ".join(pieces)) if len(pieces) < 2 else Spl(f"({' . '.join(pieces)})")


def _piece(part: str) -> str:
    if _CODED.fullmatch(part):
        return f'urldecode("{quote(part, safe="")}")'
    escaped = part.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def folded_string(text: str) -> Spl:
    """Text as it compares, in lower case; beyond ASCII that is left to Splunk, so that both sides fold alike."""
    return string(text.lower()) if text.isascii() else Spl(f"lower({string(text)})")


def pattern(text: str) -> Spl:
    """A regular expression (PCRE) in an expression: a string whose own backslashes are doubled."""
    return string(text)


def escaped(text: str) -> str:
    """Text as a regular expression that matches nothing else."""
    return "".join(char if char.isalnum() or char in "_ -" else _code(char) for char in text)


def _code(char: str) -> str:
    """A character that means itself: a class of one where that can be, else its code."""
    return f"\\x{ord(char):02X}" if char in '^\\]"`' or not char.isprintable() else f"[{char}]"


def clauses(*parts: str) -> Spl:
    """Parts of one command, one a line below the first."""
    return Spl("\n    ".join(parts))


def all_of(parts: list[Spl]) -> Spl:
    """All of them, as an expression that can stand in another; of none it is true."""
    return _joined(parts, "AND", "1=1")


def any_of(parts: list[Spl]) -> Spl:
    """One of them; of none it is false."""
    return _joined(parts, "OR", "1=0")


def _joined(parts: list[Spl], operator: str, empty: str) -> Spl:
    if len(parts) < 2:
        return parts[0] if parts else Spl(empty)
    return Spl(f"({f' {operator} '.join(parts)})")
