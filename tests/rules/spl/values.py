"""Values of fields: text that may be a number, numbers, and several of them."""

from __future__ import annotations

import json
import re
from typing import Any, Optional

from .faults import SplError

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


class Raw(str):
    """A field's text, which counts as a number where it looks like one; a text literal does not."""

    __slots__ = ()


def number(value: Any) -> Optional[float]:
    """The value as a number, None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    return float(value) if isinstance(value, Raw) and _NUMBER.fullmatch(value) else None


def values_of(value: Any) -> list[Any]:
    """A field's values; none where it is absent."""
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def folded(values: list[Any]) -> Any:
    """None, one value or a list, as a field holds them."""
    return None if not values else values[0] if len(values) == 1 else values


def text(value: Any) -> str:
    """A value as text."""
    if isinstance(value, bool):
        raise SplError("a truth value is no text")
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.6f}"
    return str(value)


# --- JSON, as KV_MODE=json and spath read it --------------------------------------------------------------------------


def fields_of(document: Any, nulls: str) -> dict[str, Any]:
    """The fields of a JSON document: dots between names, `{}` behind lists, several values in order.

    https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/Spath. What becomes of null is written nowhere:
    the text "null" by what people see, nothing by what others say; so it is a parameter, and a search must mean the
    same in both.

    :param nulls: "text" or "dropped".
    """
    found: dict[str, list[Any]] = {}
    _walk(document, "", nulls, found)
    return {name: folded(values) for name, values in found.items() if values}


def _walk(value: Any, name: str, nulls: str, found: dict[str, list[Any]]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _walk(inner, f"{name}.{key}" if name else str(key), nulls, found)
    elif isinstance(value, list):
        for inner in value:
            _walk(inner, f"{name}{{}}", nulls, found)
    else:
        found.setdefault(name, []).extend(_scalar(value, nulls))


def _scalar(value: Any, nulls: str) -> list[Any]:
    if value is None:
        return [Raw("null")] if nulls == "text" else []
    if isinstance(value, bool):
        return [Raw("true" if value else "false")]
    return [Raw(value if isinstance(value, str) else json.dumps(value))]


def at_path(document: str, path: str, nulls: str) -> Any:
    """What spath finds at a path: texts as they are, objects and lists as JSON.

    https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/Spath: `{}` stands for all elements, `{n}` for
    one of them.
    """
    try:
        at = [json.loads(document)]
    except ValueError:
        return None
    for part in path.split("."):
        found = re.fullmatch(r"([^{}]*)((?:\{\d*\})*)", part)
        if not found:
            raise SplError(f"no path: {path!r}")
        name, lists = found.groups()
        if name:
            at = [item[name] for item in at if isinstance(item, dict) and name in item]
        for index in re.findall(r"\{(\d*)\}", lists):
            at = [inner for item in at if isinstance(item, list) for inner in (_indexed(item, index))]
    return folded([one for item in at for one in _as_text(item, nulls)])


def _indexed(items: list[Any], index: str) -> list[Any]:
    return items if not index else items[int(index) : int(index) + 1]


def _as_text(value: Any, nulls: str) -> list[Any]:
    if isinstance(value, (dict, list)):
        return [Raw(json.dumps(value, ensure_ascii=False, separators=(",", ":")))]
    return _scalar(value, nulls)
