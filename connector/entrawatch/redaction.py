"""The last place where a secret could still be stopped: what is written of errors and logs goes through here."""

from __future__ import annotations

import json
import re
import traceback
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "[hidden]"
#: what looks like a credential whoever wrote it: tokens (JWT), authorization headers, secrets in forms and URLs
_LOOKS_SECRET = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"
    r"|(?i:(?<=bearer )|(?<=splunk )|(?<=apikey )|(?<=basic ))[\w.~+/=-]{12,}"
    r"|(?i:(?<=client_secret=)|(?<=client_assertion=)|(?<=refresh_token=)|(?<=access_token=)|(?<=password=))[^\s&\"']+"
)
_known: set[str] = set()


def clean(text: str) -> str:
    """A text from outside, safe to show on a terminal: control characters cannot move the cursor or forge lines."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def visible(text: str) -> str:
    r"""A text from outside with what nobody sees in it spelt out, a right-to-left override as `\u202e`.

    Bidirectional controls show a name in another order than it has, and what has no width makes two names look alike.
    Blanks, tabs and line ends stay. The spelling is that of JSON, so JSON stays the same JSON.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or _is_blank(char) else _spelt(char) for char in text)


def _is_blank(char: str) -> bool:
    return char in "\n\t" or unicodedata.category(char) == "Zs"


def _spelt(char: str) -> str:
    return json.dumps(char)[1:-1]


def hide(secrets: Iterable[str]) -> None:
    """Never show these texts, in any form a log line may give them."""
    for secret in secrets:
        if len(secret) >= 4:  # a shorter one would blot out ordinary words
            _known.update({secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]})


def redact(text: str) -> str:
    """The text without what is, or looks like, a secret.

    The rooms never put one in a message; this is the second line of defence.
    """
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _LOOKS_SECRET.sub(HIDDEN, text)


def traceback_of(error: BaseException) -> str:
    """What Python prints of an error, without secrets: an exception of a library may hold a URL, a header, a body."""
    return safe("".join(traceback.format_exception(None, error, error.__traceback__)))


def safe(text: str) -> str:
    """Without secrets, and no line with what moves a terminal's cursor: servers' words stand in our messages."""
    return "\n".join(clean(line) for line in redact(text).split("\n"))
