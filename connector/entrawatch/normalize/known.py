"""Small objects say the same few things in record after record: a policy, a device, a status. What became of one is
kept by its content, in a form that tells types apart, and shared by all events that say the same.

What is not known yet is read out of its own content, so that nothing kept is ever part of a caller's record.
"""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Any

from entrawatch.jsontext import loads

if TYPE_CHECKING:
    from collections.abc import Callable

try:
    from orjson import dumps as _orjson_dumps
except ImportError:  # pragma: no cover - the runtime tests run without it
    _orjson_dumps = None  # type: ignore[assignment]

#: objects kept a table: a hostile stream must not fill the memory
_LIMIT = 8192
#: what `content` raises for a value whose content it cannot tell: half a surrogate pair, a number of more than 64 bits,
#: a nesting beyond all reason
NO_CONTENT = (TypeError, ValueError)


def _binary(value: Any) -> bytes:
    return marshal.dumps(value, 2)  # version 2 has no references, whose bytes depend on more than the value


#: the content of a value of JSON
content: Callable[[Any], bytes] = _binary if _orjson_dumps is None else _orjson_dumps
_read: Callable[[bytes], Any] = marshal.loads if _orjson_dumps is None else loads


class Known(dict[bytes, Any]):
    """content → what becomes of it.

    :param make: makes it of the value.
    """

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, text: bytes) -> Any:
        if len(self) >= _LIMIT:
            self.clear()
        made = self[text] = self._make(_read(text))
        return made
