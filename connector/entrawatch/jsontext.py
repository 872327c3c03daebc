"""JSON in and out: orjson where it is installed, the standard library where not, the same bytes from both.

Text that orjson refuses though other readers take it (lone surrogates, NaN) is read and written by the standard
library's path, so that no record is lost for it. Integers beyond 64 bits, which no Entra log has, orjson reads as
floating point.
"""

from __future__ import annotations

import json
import math
from typing import Any, Union

try:
    import orjson
except ImportError:  # pragma: no cover - the runtime tests run without it
    orjson = None  # type: ignore[assignment]


def _constant(_: str) -> None:
    """NaN and the infinities are no JSON; they mean "no value"."""


def _plain_loads(text: Union[str, bytes]) -> Any:
    return json.loads(text, parse_constant=_constant)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def _plain_dumps(value: Any, *, sort: bool = False) -> bytes:
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=sort, allow_nan=False)
    except ValueError:
        return _plain_dumps(_finite(value), sort=sort)
    return text.encode("utf-8", "replace")


if orjson is None:

    def loads(text: Union[str, bytes]) -> Any:
        """The value of a JSON text.

        :raises ValueError: it is no JSON.
        """
        return _plain_loads(text)

    def dumps(value: Any) -> bytes:
        """One line of UTF-8 JSON without spaces, no newline at its end."""
        return _plain_dumps(value)

else:

    def loads(text: Union[str, bytes]) -> Any:
        """The value of a JSON text.

        :raises ValueError: it is no JSON.
        """
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return _plain_loads(text)

    def dumps(value: Any) -> bytes:
        """One line of UTF-8 JSON without spaces, no newline at its end."""
        try:
            return orjson.dumps(value)
        except orjson.JSONEncodeError:
            return _plain_dumps(value)


def canonical(value: Any) -> bytes:
    """The value's one spelling: keys sorted, always by the standard library, so that hashes of it last."""
    return _plain_dumps(value, sort=True)
