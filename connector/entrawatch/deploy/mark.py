"""The mark that deploy leaves on each object: what it last put there, as a fingerprint that stays in the product.

Where an object's own fields no longer give the fingerprint its mark holds, somebody has changed it by hand. A mark also
names the object it was made for: a copy that a person makes of one of ours carries our mark and is not ours.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from entrawatch import jsontext

if TYPE_CHECKING:
    from collections.abc import Mapping

#: the first number is the scheme's: another way of reading fields makes marks that are told apart from these
PATTERN = re.compile(r"1\.[0-9a-f]{8}\.[0-9a-f]{24}")


def mark(key: str, fields: Mapping[str, Any]) -> str:
    """The mark of an object with these fields.

    :param key: what identifies the object in its product.
    """
    made = hashlib.sha256(jsontext.canonical(dict(fields))).hexdigest()
    return f"{_beginning(key)}{made[:24]}"


def made_for(text: str, key: str) -> bool:
    """Whether a text is a mark of ours, on the object it was made for."""
    return bool(PATTERN.fullmatch(text)) and text.startswith(_beginning(key))


def _beginning(key: str) -> str:
    return f"1.{hashlib.sha256(key.encode()).hexdigest()[:8]}."
