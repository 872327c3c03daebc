"""Sigma's modifiers: which there are, and which mean nothing here.

https://sigmahq.io/sigma-specification/specification/sigma-appendix-modifiers.html
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sigma.modifiers import modifier_mapping

from entrawatch.rules.faults import Refused, refusal
from entrawatch.rules.regexes import check_flags, check_regex
from entrawatch.words import near

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENCODINGS = {"base64", "base64offset", "wide", "utf16", "utf16le", "utf16be"}
_TIMES = {"minute", "hour", "day", "week", "month", "year"}
_BOUNDS = {"lt", "lte", "gt", "gte"}


def check_modifiers(node: object) -> None:
    """Nothing where every modifier in a part of a detection has a meaning here.

    :raises Refused: with all that is wrong of a key: an encoding, whose letters would compare without case, which makes
        other texts of them; a part of a time, which each language reckons in a zone of its own; a bound that is text; a
        regular expression that engines read otherwise; a list
        without values; or none of Sigma's.
    """
    if isinstance(node, dict):
        for key, value in node.items():
            if told := list(_told(set(str(key).split("|")[1:]), value)):
                raise Refused("; ".join(told))
            check_modifiers(value)
    elif isinstance(node, list):
        for inner in node:
            check_modifiers(inner)


def _told(modifiers: set[str], value: object) -> Iterator[str]:
    if modifiers and value == []:
        # pySigma makes "the field is absent" of it, which a list that was emptied did not mean
        yield f"|{'|'.join(sorted(modifiers))} of an empty list asks nothing; write values, or drop the line"
    for unknown in sorted(modifiers - set(modifier_mapping)):
        yield f"Sigma has no modifier {unknown!r}; {near(unknown, modifier_mapping)}"
    if encoded := sorted(modifiers & _ENCODINGS):
        yield f"text compares without case here, and {', '.join(encoded)} needs it"
    if parts := sorted(modifiers & _TIMES):
        yield f"|{parts[0]}: a part of a time has no exact form in every language"
    if (bounds := sorted(modifiers & _BOUNDS)) and isinstance(value, str):
        yield f"|{bounds[0]} compares with a number, which {value!r} in quotes is not"
    if "re" in modifiers:
        told = [
            refusal(partial(check_flags, modifiers)),
            *(refusal(partial(check_regex, one)) for one in _texts(value)),
        ]
        yield from filter(None, told)


def _texts(value: object) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
