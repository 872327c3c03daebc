"""Regular expressions of rules: which of them every engine reads alike, told before any library sees one.

pySigma compiles them with Google's RE2 where it has it, which writes to standard error what it does not like.

https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

import importlib
import re
from functools import cache
from typing import Any, Optional

from entrawatch.rules.faults import Refused

# Back references, look-around, named groups and flags mean different things, or nothing, in RE2, Lucene and PCRE;
# classes by letter (\d, \w) hold other characters in each, and named ones ([:alpha:]) or {,3} are not everywhere.
_UNCOMMON = re.compile(
    r"\(\?|\\[1-9bBAzZGkKQEpPxudDwWsSRXhHvVN]|[*+?}][+]|\^.*\^|\$.+\$|\[[:.=\[]|\[\^?[^\]]*(?:\[|--|&&|\|\||~~)|\{,"
)
#: what people write most of it, and what to write in its place
_INSTEAD = {
    r"\d": r"[0-9] for \d", r"\D": r"[^0-9] for \D", r"\w": r"[A-Za-z0-9_] for \w", r"\W": r"[^A-Za-z0-9_] for \W",
    r"\s": r"a blank for \s", r"\b": r"what may stand beside the word for \b", "[[:": "the letters for [[: … :]]",
    "(?=": "a second selection, joined with and, for the look-around (?=",
    "(?!": "a second selection, joined with and not, for the look-around (?!",
    "(?<=": "a second selection, joined with and, for the look-around (?<=",
    "(?<!": "a second selection, joined with and not, for the look-around (?<!",
    "(?:": "( for (?:", "(?P<": "( for (?P<", "(?i)": "no (?i), for text compares without case",
}  # fmt: skip
_FLAGS = {"m": "multiline", "multiline": "multiline", "s": "dotall", "dotall": "dotall"}


def check_regex(pattern: str) -> None:
    """Nothing where every engine reads it, and reads it alike.

    :raises Refused: with what to write in its place.
    """
    if _UNCOMMON.search(pattern):
        instead = [told for written, told in _INSTEAD.items() if written in pattern]
        told = f"write {', '.join(instead)}" if instead else "take it apart"
        raise Refused(f"'{pattern}' uses what not every engine reads alike; {told}, or wildcards instead")
    if reason := _fault(pattern):
        raise Refused(f"'{pattern}' is no regular expression: {reason}; a \\ before a character takes it by the letter")


def check_flags(modifiers: set[str]) -> None:
    """
    :raises Refused: one of the flags of a regular expression is none that every engine knows.
    """
    if named := sorted({_FLAGS[one] for one in modifiers & set(_FLAGS)}):
        raise Refused(f"not every engine knows the flag {', '.join(named)}; only i, without which case is none")


def _fault(pattern: str) -> str:
    """Why it is none to Python or to RE2; "" where both read it."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    engine = _re2()
    if engine is None:
        return ""
    options = engine.Options()
    options.log_errors = False
    try:
        engine.compile(pattern, options)
    except (engine.error, UnicodeEncodeError) as error:
        told = error.args[0] if error.args else ""
        return told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
    return ""


@cache
def _re2() -> Optional[Any]:
    """Google's RE2, where pySigma brings it."""
    try:
        return importlib.import_module("re2")
    except ImportError:
        return None
