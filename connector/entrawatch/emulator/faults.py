"""Faults on order: what can go wrong between a client and Graph, when, and how it is written in a file.

::

    seed: 7
    faults:
      - {action: status, status: 503, stream: interactive, nth: [2, 5]}
      - {action: throttle, retry_after: 2.128, probability: 0.1}
      - {action: drop, path: "*/oauth2/*", times: 1}

Each action is something users of the real service have met; docs/emulator.md names where.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, Optional, Union

import yaml

from entrawatch.errors import ConfigError
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from pathlib import Path

#: every action, with the parameters it takes beside those that choose the request
ACTIONS: dict[str, frozenset[str]] = {
    # answered in place of the request
    "status": frozenset({"status", "code", "message", "retry_after"}),
    "throttle": frozenset({"retry_after"}),
    "licence": frozenset(),
    "unauthorized": frozenset(),
    "gateway": frozenset({"status"}),
    "expired_token": frozenset({"code", "message"}),
    "redirect": frozenset({"host"}),
    "drop": frozenset(),
    # before the answer
    "sleep": frozenset({"seconds"}),
    # in the page
    "repeat_link": frozenset(),
    "foreign_link": frozenset({"host"}),
    "empty_token_link": frozenset(),
    "empty_page": frozenset(),
    "duplicate": frozenset({"count"}),
    "omit": frozenset({"count"}),
    "shuffle": frozenset(),
    "duplicate_key": frozenset(),
    # in the bytes
    "truncate": frozenset(),
    "malformed": frozenset(),
    "wrong_length": frozenset({"count"}),
}
_CHOOSING = frozenset({"action", "path", "stream", "page", "nth", "every", "probability", "times"})
_PAGES = ("any", "first", "next")


@dataclass(frozen=True)
class Fault:
    """One fault and the requests it befalls.

    :param action: a name in `ACTIONS`.
    :param path: shell pattern over the whole path, "/beta/auditLogs/*"; empty for every path of Graph (and none of the
        token endpoint).
    :param stream: name in the stream table: only requests for its records.
    :param page: any, first (no skip token) or next.
    :param nth: which of the requests that match so far, counted from 1; empty for all.
    :param every: each k-th of them; 0 for all.
    :param probability: of each of those, from the seed.
    :param times: how often at most; 0 for no end.
    :param status: HTTP status of `status` and `gateway`.
    :param code: Graph's error code in the body.
    :param message: the error's message.
    :param retry_after: seconds, or the header's text (a date, say).
    :param seconds: how long `sleep` waits.
    :param host: where `redirect` and `foreign_link` point.
    :param count: records of `duplicate` and `omit`; bytes of `wrong_length`, also negative.
    :raises ConfigError: all that is wrong with it.
    """

    action: str
    path: str = ""
    stream: str = ""
    page: str = "any"
    nth: tuple[int, ...] = ()
    every: int = 0
    probability: float = 1.0
    times: int = 0
    status: int = 0
    code: str = ""
    message: str = ""
    retry_after: Optional[Union[float, int, str]] = None
    seconds: float = 30.0
    host: str = "graph.elsewhere.example"
    count: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.nth, list):
            object.__setattr__(self, "nth", tuple(self.nth))
        found = _type_problems(self) or _value_problems(self)
        if found:
            raise ConfigError(found)


_TYPES: dict[str, tuple[type, ...]] = {
    "action": (str,), "path": (str,), "stream": (str,), "page": (str,), "nth": (tuple,), "every": (int,),
    "probability": (int, float), "times": (int,), "status": (int,), "code": (str,), "message": (str,),
    "retry_after": (int, float, str, type(None)), "seconds": (int, float), "host": (str,), "count": (int,),
}  # fmt: skip
_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    tuple: "a list of whole numbers",
    type(None): "nothing",
}


def _type_problems(fault: Fault) -> list[str]:
    found = []
    for name, kinds in _TYPES.items():
        value = getattr(fault, name)
        if not isinstance(value, kinds) or isinstance(value, bool):
            found.append(f"{name}: {value!r} is not {_WORDS[kinds[-1] if kinds[-1] is not type(None) else kinds[0]]}")
    if isinstance(fault.nth, tuple) and not all(type(number) is int and number >= 1 for number in fault.nth):
        found.append(f"nth: {list(fault.nth)!r} is not a list of whole numbers from 1")
    return found


def _value_problems(fault: Fault) -> list[str]:
    if fault.action not in ACTIONS:
        return [f"action: {fault.action!r} is unknown; one of {', '.join(sorted(ACTIONS))}"]
    taken = ACTIONS[fault.action] | _CHOOSING
    given = [item.name for item in fields(fault) if getattr(fault, item.name) != item.default]
    checks = {
        f"stream: {fault.stream!r} is unknown; one of {', '.join(STREAMS)}": bool(fault.stream)
        and fault.stream not in STREAMS,
        f"page: {fault.page!r} is unknown; one of {', '.join(_PAGES)}": fault.page not in _PAGES,
        f"probability: {fault.probability} is not between 0 and 1": not 0 <= fault.probability <= 1,
        "every, times: they are not negative": fault.every < 0 or fault.times < 0,
        f"seconds: {fault.seconds} is negative": fault.seconds < 0,
        "status: it needs a number from 300 to 599": "status" in taken
        and not 300 <= fault.status <= 599
        and (fault.action == "status" or fault.status != 0),
        "count: it must not be 0, and negative for wrong_length only": fault.count == 0
        or (fault.count < 0 and fault.action != "wrong_length"),
    }
    return [problem for problem, is_so in checks.items() if is_so] + [
        f"{name}: the action {fault.action} does not take it" for name in given if name not in taken
    ]


def _entry(entry: Any) -> Fault:
    if not isinstance(entry, dict):
        raise ConfigError([f"{entry!r} is not a mapping with an action; write {{action: status, status: 503}}"])
    names = [item.name for item in fields(Fault)]
    unknown = [f"{name}: unknown; one of {', '.join(names)}" for name in entry if name not in names]
    needed = [f"{item.name}: missing" for item in fields(Fault) if item.default is MISSING and item.name not in entry]
    if unknown or needed:
        raise ConfigError(unknown + needed)
    return Fault(**entry)


def _document(path: Path) -> dict[str, Any]:
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: it is no UTF-8 text (byte {error.start + 1}); save it as UTF-8"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror}); give a YAML or JSON file"]) from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise ConfigError([f"{path}: {_no_yaml(error)}"]) from None
    if not isinstance(value, dict) or not isinstance(value.get("faults"), list):
        raise ConfigError([f"{path}: no list of faults; write faults: [{{action: …}}]"])
    return value


def _no_yaml(error: Exception) -> str:
    """Where and why a text is none; PyYAML lets a ValueError or the like through for a date that is none."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    deep = "it is nested too deeply" if isinstance(error, RecursionError) else ""
    reason = deep or getattr(error, "problem", None) or getattr(error, "reason", None) or error
    return f"{where}neither YAML nor JSON: {' '.join(str(reason).split())}; docs/emulator.md shows a file"


def load_faults(path: Path) -> tuple[tuple[Fault, ...], int]:
    """The faults of a YAML or JSON file, and the seed of their probabilities.

    :raises ConfigError: everything that is wrong with the file, a line each.
    """
    document, faults, found = _document(path), [], []
    for name in sorted(document.keys() - {"faults", "seed"}, key=str):
        found.append(f"{path}: {name}: unknown; only faults and seed stand here")
    seed = document.get("seed", 0)
    if type(seed) is not int:
        found.append(f"{path}: seed: {seed!r} is not a whole number")
    for number, entry in enumerate(document["faults"]):
        try:
            faults.append(_entry(entry))
        except ConfigError as error:
            found += [f"{path}: faults[{number}]: {problem}" for problem in error.faults]
    if found:
        raise ConfigError(found)
    return tuple(faults), seed
