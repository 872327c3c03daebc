"""Searches, run over events in memory; what is not implemented raises.

stats: https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/Stats - a row without one of the BY fields is
in no group, a row with several values of one is in a group for each; dc, values, min and max pass over absent values.
lookup: https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/Lookup - exact, case-sensitive.
Subsearches of join: https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/Join - cut off in silence.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Optional

from . import parsing, terms
from .faults import SplError
from .functions import Evaluator
from .numbers import NUMERIC, PERCENTILE, numeric, spanned
from .parsing import Aggregate, Command, Statistics, bare, listed
from .values import Raw, at_path, fields_of, folded, number, text, values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Row = dict[str, Any]
#: commands that make of an event what they make of it whatever stands beside it, and whenever they run
_BY_ITSELF = frozenset({"search", "where", "eval", "spath", "fields", "table"})


def event(document: Mapping[str, Any], time: float, sourcetype: str, nulls: str = "text") -> Row:
    """An event as HEC indexes it and KV_MODE=json extracts it."""
    raw = json.dumps(document, ensure_ascii=False)
    fields = fields_of(json.loads(raw), nulls)
    return {**fields, "_time": time, "_raw": Raw(raw), "sourcetype": Raw(sourcetype), "index": Raw("main")}


class Engine:
    """An index of events and the lookups beside it.

    :param macros: name → definition.
    :param nulls: what becomes of a JSON null.
    :param subsearch_rows: where a subsearch is cut off in silence.
    """

    def __init__(
        self, events: Sequence[Row], macros: Mapping[str, str], nulls: str = "text", subsearch_rows: int = 50_000
    ) -> None:
        self.events = sorted(events, key=lambda row: float(row["_time"]))
        self._times = [row["_time"] for row in self.events]
        self.macros = macros
        self.lookups: dict[str, list[Row]] = {}
        self.subsearch_rows = subsearch_rows
        self.evaluator = Evaluator(nulls)
        self.nulls = nulls
        self._passed: dict[int, tuple[Sequence[Command], dict[int, list[Row]]]] = {}

    def run(self, search: str, earliest: float, latest: float) -> list[Row]:
        """The results over the events of [earliest, latest), newest first."""
        self.range = (earliest, latest)
        self.evaluator.now = latest
        return self._pipeline(_parsed(search, tuple(self.macros.items())))

    def _pipeline(self, commands: Sequence[Command]) -> list[Row]:
        earliest, latest = self.range
        held = range(bisect_left(self._times, earliest), bisect_left(self._times, latest))
        if commands[0].name != "search":
            raise SplError(f"a search that begins with {commands[0].name} is not implemented")
        # a search runs over the same events again and again: what becomes of one by itself is worked out once
        alone = (one.name in _BY_ITSELF and "now()" not in one.text for one in commands)
        count = next((place for place, found in enumerate(alone) if not found), len(commands))
        _, passed = self._passed.setdefault(id(commands), (commands, {}))
        for place in held:
            if place not in passed:
                passed[place] = self._through(commands[:count], [dict(self.events[place])])
        return self._through(commands[count:], [dict(row) for place in reversed(held) for row in passed[place]])

    def _through(self, commands: Sequence[Command], rows: list[Row]) -> list[Row]:
        for command in commands:
            run: Optional[Callable[[Command, list[Row]], list[Row]]] = getattr(self, f"_{command.name}", None)
            if run is None:
                raise SplError(f"{command.name} is not implemented")
            rows = run(command, rows)
        return rows

    def _search(self, command: Command, rows: list[Row]) -> list[Row]:
        return [row for row in rows if terms.holds(command.made, row)]

    def _where(self, command: Command, rows: list[Row]) -> list[Row]:
        return [row for row in rows if self.evaluator.truth(command.made, row) is True]

    def _eval(self, command: Command, rows: list[Row]) -> list[Row]:
        for row in rows:
            for name, expression in command.made:
                value = self.evaluator.value(expression, row)
                if isinstance(value, bool):
                    raise SplError(f"eval cannot assign a truth value to {name}")
                _set(row, name, value)
        return rows

    def _stats(self, command: Command, rows: list[Row]) -> list[Row]:
        made: Statistics = command.made
        groups: dict[tuple[str, ...], list[Row]] = {}
        for row in rows:
            for key in _groups(row, made.by):
                groups.setdefault(key, []).append(row)
        if not made.by:
            groups.setdefault((), [])
        found = []
        for key in sorted(groups):
            result: Row = {name: Raw(value) for name, value in zip(made.by, key)}
            for aggregate in made.aggregates:
                _set(result, aggregate.name, self._aggregate(aggregate, groups[key]))
            found.append(result)
        return found

    def _streamstats(self, command: Command, rows: list[Row]) -> list[Row]:
        made: Statistics = command.made
        if made.options:
            raise SplError("options of streamstats are not implemented")
        seen: dict[tuple[str, ...], list[Row]] = {}
        for row in rows:
            keys = _groups(row, made.by)
            if len(keys) > 1:
                raise SplError("streamstats by several values is not implemented")
            for key in keys:
                seen.setdefault(key, []).append(dict(row))
                for aggregate in made.aggregates:
                    _set(row, aggregate.name, self._aggregate(aggregate, seen[key]))
        return rows

    def _aggregate(self, aggregate: Aggregate, rows: list[Row]) -> Any:
        if aggregate.function == "count" and aggregate.argument is None:
            return len(rows)
        found = [value for row in rows for value in values_of(self._argument(aggregate.argument, row))]
        if aggregate.function == "count":
            return len(found)
        if aggregate.function == "dc":
            return len({text(value) for value in found})
        if aggregate.function == "values":
            return folded([Raw(value) for value in sorted({text(value) for value in found})])
        if aggregate.function in {"min", "max"}:
            return _extreme(min if aggregate.function == "min" else max, found)
        if aggregate.function in NUMERIC or PERCENTILE.fullmatch(aggregate.function):
            return numeric(aggregate.function, found)
        raise SplError(f"the statistic {aggregate.function} is not implemented")

    def _argument(self, argument: Any, row: Row) -> Any:
        if not isinstance(argument, str):
            return self.evaluator.value(argument, row)
        if "*" in argument:
            raise SplError("statistics of fields by a wildcard are not implemented")
        return row.get(argument)

    def _table(self, command: Command, rows: list[Row]) -> list[Row]:
        names = listed(command.text)
        return [{name: row[name] for name in names if name in row} for row in rows]

    def _fields(self, command: Command, rows: list[Row]) -> list[Row]:
        names = listed(command.text)
        if names[0] in {"-", "+"} or any("*" in name for name in names):
            raise SplError("fields with signs or wildcards is not implemented")
        return [{name: row[name] for name in [*names, "_time", "_raw"] if name in row} for row in rows]

    def _addinfo(self, command: Command, rows: list[Row]) -> list[Row]:
        del command
        return [{**row, "info_min_time": self.range[0], "info_max_time": self.range[1]} for row in rows]

    def _sort(self, command: Command, rows: list[Row]) -> list[Row]:
        first, *names = [word for word in parsing.words(command.text) if word != ","]
        if first != "0":
            raise SplError("sort without 0 stops at 10,000 rows")
        for name in reversed(names):
            down, field = name.startswith("-"), bare(name.lstrip("+-"))
            rows = sorted(rows, key=lambda row: _order(row.get(field)), reverse=down)
        return rows

    def _mvexpand(self, command: Command, rows: list[Row]) -> list[Row]:
        (field,) = listed(command.text)
        return [{**row, field: value} for row in rows for value in values_of(row.get(field))] + [
            row for row in rows if field not in row
        ]

    def _head(self, command: Command, rows: list[Row]) -> list[Row]:
        return rows[: int(command.text)]

    def _fillnull(self, command: Command, rows: list[Row]) -> list[Row]:
        value, *names = command.made
        if not value.startswith("value=") or not names:
            raise SplError(f"fillnull {command.text} is not implemented")
        filled = Raw(bare(value[len("value=") :]))
        return [{**dict.fromkeys(names, filled), **row} for row in rows]

    def _timechart(self, command: Command, rows: list[Row]) -> list[Row]:
        """One row for each span of the range, a column for each value of BY; without limit=0 ten of them."""
        made: Statistics = command.made
        options = dict(made.options)
        span = spanned(options.pop("span", ""))
        if options.pop("limit", "") != "0" or options or len(made.aggregates) != 1 or len(made.by) > 1:
            raise SplError(f"timechart {command.text} is not implemented")
        (aggregate,) = made.aggregates
        series = sorted({key for row in rows for (key,) in _groups(row, made.by)}) if made.by else [""]
        earliest, latest = self.range
        spans: dict[int, list[Row]] = {}
        for row in rows:
            spans.setdefault(int(row["_time"] // span * span), []).append(row)
        charted = []
        for start in range(int(earliest // span * span), math.ceil(latest), span):
            inside = spans.get(start, [])
            result: Row = {"_time": start}
            for one in series:
                held = [row for row in inside if (one,) in _groups(row, made.by)] if made.by else inside
                _set(result, one or aggregate.name, self._aggregate(aggregate, held))
            charted.append(result)
        return charted

    def _bin(self, command: Command, rows: list[Row]) -> list[Row]:
        found = re.fullmatch(r"(?:span=(\d+)([smh])\s+)?_time(?:\s+span=(\d+)([smh]))?", command.text)
        if not found:
            raise SplError(f"bin {command.text} is not implemented")
        count, unit = found.group(1) or found.group(3), found.group(2) or found.group(4)
        span = int(count) * {"s": 1, "m": 60, "h": 3600}[unit]
        return [{**row, "_time": row["_time"] // span * span} for row in rows]

    def _spath(self, command: Command, rows: list[Row]) -> list[Row]:
        options = dict(word.split("=", 1) for word in command.made)
        path, output = bare(options["path"]), bare(options.get("output", options["path"]))
        for row in rows:
            _set(row, output, at_path(row[bare(options.get("input", "_raw"))], path, self.nulls))
        return rows

    def _lookup(self, command: Command, rows: list[Row]) -> list[Row]:
        name, key, _as, field, _out, wanted, _as2, output = listed(command.text)
        if (_as.lower(), _out, _as2.lower()) != ("as", "OUTPUT", "as"):
            raise SplError(f"lookup {command.text} is not implemented")
        if name not in self.lookups:
            raise SplError(f"there is no lookup {name}")
        for row in rows:
            mine = row.get(field)
            found = [entry[wanted] for entry in self.lookups[name] if mine is not None and entry.get(key) == mine]
            _set(row, output, folded(found))
        return rows

    def _outputlookup(self, command: Command, rows: list[Row]) -> list[Row]:
        *options, name = listed(command.text)
        if options not in ([], ["override_if_empty=false"]):
            raise SplError(f"outputlookup {command.text} is not implemented")
        if options and not rows:
            self.lookups.setdefault(name, [])
            return rows
        self.lookups[name] = [{key: value for key, value in row.items() if key[0] != "_"} for row in rows]
        return rows

    def _join(self, command: Command, rows: list[Row]) -> list[Row]:
        *names, inner = [word for word in command.made if word != ","]
        if any("=" in name for name in names):
            raise SplError("options of join are not implemented")
        found = self._pipeline(_parsed(inner[1:-1], tuple(self.macros.items())))[: self.subsearch_rows]
        table: dict[tuple[str, ...], Row] = {}
        for other in found:
            for key in _groups(other, tuple(names)):
                table.setdefault(key, other)
        return [
            {**row, **table[key]} for row in rows for key in _groups(row, tuple(names))[:1] if key in table
        ]  # fmt: skip


@lru_cache(maxsize=512)
def _parsed(search: str, macros: tuple[tuple[str, str], ...]) -> list[Command]:
    return parsing.parse(search, dict(macros))


def _set(row: Row, name: str, value: Any) -> None:
    """A null is a field that is not there."""
    if value is None:
        row.pop(name, None)
    else:
        row[name] = Raw(value) if type(value) is str else value


def _groups(row: Row, by: tuple[str, ...]) -> list[tuple[str, ...]]:
    values = [[text(value) for value in values_of(row.get(name))] for name in by]
    return list(itertools.product(*values))


def _extreme(choose: Callable[..., Any], values: list[Any]) -> Any:
    numbers = [number(value) for value in values]
    if not values:
        return None
    if None in numbers:
        raise SplError("min and max of texts are not implemented")
    found = choose(numbers)
    return int(found) if float(found).is_integer() else found


def _order(value: Any) -> tuple[int, float, str]:
    if value is None or isinstance(value, list):
        raise SplError("where a sort puts no value or several is not documented")
    found = number(value)
    return (0, found, "") if found is not None else (1, 0.0, text(value))
