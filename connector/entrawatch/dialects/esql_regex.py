"""Regular expressions as Lucene reads them: whole values, no anchors, more characters with a meaning, one case.

Only what means the same there is translated; the rest is refused.
https://www.elastic.co/docs/reference/query-languages/query-dsl/regexp-syntax
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from entrawatch.dialects.base import Unsupported

if TYPE_CHECKING:
    from entrawatch.rules import ir

_TOKEN = re.compile(
    r"(?P<group>\(\?:)|(?P<set>\[\^?[A-Za-z0-9_\-]+\])|(?P<digit>\\d)|\\(?P<escaped>[^A-Za-z0-9\s])"
    r"|(?P<dot>\.)|(?P<same>[()|*+?]|\{\d+(?:,\d*)?\})|(?P<char>[^\\\[\]{}^$])",
    re.DOTALL,
)
#: what Lucene gives a meaning outside of sets
_SPECIAL = frozenset('.?+*|{}[]()"\\#@&<>~')
_RANGE = re.compile(r"(.)-(.)")


def escaped(text: str) -> str:
    """Text that Lucene's expressions take by the letter."""
    return "".join("\\" + char if char in _SPECIAL else char for char in text)


def lucene(node: ir.Matches) -> str:
    """The pattern for a lower-case value as a whole.

    :raises Unsupported: it has parts that Lucene lacks or reads otherwise.
    """
    pattern = node.pattern
    begins, ends = pattern.startswith("^"), re.search(r"(?<!\\)(?:\\\\)*\$\Z", pattern) is not None
    inner = pattern[int(begins) : len(pattern) - int(ends)]
    if (begins or ends) and "|" in inner:
        raise Unsupported(node, "an anchor beside alternatives")
    if re.search(r"[*+?}][?+]|\(\?(?!:)", inner):
        raise Unsupported(node, "lazy and possessive repetition, and groups other than (?:…)")
    body = "".join(_tokens(node, inner))
    return f"{'' if begins else '.*'}({body}){'' if ends else '.*'}"


def _tokens(node: ir.Matches, pattern: str) -> list[str]:
    found, at = [], 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None or not token.group().isascii():
            raise Unsupported(
                node, f"{pattern[at:]!r} in a regular expression means something else to Lucene, or nothing"
            )
        found.append(_written(node, token))
        at = token.end()
    return found


def _written(node: ir.Matches, token: re.Match[str]) -> str:
    kind, text = token.lastgroup, token.group(token.lastgroup or 0)
    if kind == "set":
        return _set(node, text)
    if kind in {"escaped", "char"}:
        return escaped(text.lower())
    return {"group": "(", "digit": "[0-9]", "dot": "[^\n]"}.get(kind or "", text)


def _set(node: ir.Matches, text: str) -> str:
    """A set in lower case; a range must stay within letters of one case or digits."""
    ranges = _RANGE.findall(text)
    if len(ranges) != text.count("-"):
        raise Unsupported(node, f"the hyphen in {text}")
    for low, high in ranges:
        if not any(kind(low) and kind(high) for kind in (str.islower, str.isupper, str.isdigit)):
            raise Unsupported(node, f"the range {low}-{high} in a regular expression, without case")
    return text.lower()
