"""Sigma's modifiers: which there are, and which mean nothing here.

https://sigmahq.io/sigma-specification/specification/sigma-appendix-modifiers.html
"""

from __future__ import annotations

from sigma.modifiers import modifier_mapping

from entrawatch.rules.faults import Refused
from entrawatch.words import near

_ENCODINGS = {"base64", "base64offset", "wide", "utf16", "utf16le", "utf16be"}
_TIMES = {"minute", "hour", "day", "week", "month", "year"}
_BOUNDS = {"lt", "lte", "gt", "gte"}


def check_modifiers(node: object) -> None:
    """Nothing where every modifier in a part of a detection has a meaning here.

    :raises Refused: an encoding, whose letters would compare without case, which makes other texts of them; a part of a
        time, which each language reckons in a zone of its own; a bound that is text; or none of Sigma's.
    """
    if isinstance(node, dict):
        for key, value in node.items():
            _check(set(str(key).split("|")[1:]), value)
            check_modifiers(value)
    elif isinstance(node, list):
        for inner in node:
            check_modifiers(inner)


def _check(modifiers: set[str], value: object) -> None:
    if unknown := sorted(modifiers - set(modifier_mapping)):
        raise Refused(f"Sigma has no modifier {unknown[0]!r}; {near(unknown[0], modifier_mapping)}")
    if encoded := sorted(modifiers & _ENCODINGS):
        raise Refused(f"text compares without case here, and {', '.join(encoded)} needs it")
    if parts := sorted(modifiers & _TIMES):
        raise Refused(f"|{parts[0]}: a part of a time has no exact form in every language")
    if (bounds := sorted(modifiers & _BOUNDS)) and isinstance(value, str):
        raise Refused(f"|{bounds[0]} compares with a number, which {value!r} in quotes is not")
