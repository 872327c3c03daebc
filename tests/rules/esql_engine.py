"""Executes ES|QL: the commands of Elastic's own syntax tree over events as our index templates map them.

Only what our dialect writes, and each gap fails. Known traps of the tree: it drops SORT's direction (so SORT fails
here) and keeps the filters of STATS apart, to be given back to the aggregate before them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import esql
from esql import ast

from entrawatch.schema.index_templates import datasets, mappings

from .esql_values import Gap, Row, Value, address, cell, compiled, values

METADATA = {"_id": "keyword", "_index": "keyword", "_version": "long"}
AGGREGATES = {"count", "values", "min", "max"}
#: lookup index → its fields' types and its rows
Lookups = Mapping[str, tuple[Mapping[str, str], list[Row]]]


# --- events as documents ----------------------------------------------------------------------------------------------


@cache
def schema(dataset: str) -> dict[str, str]:
    """Column → type of a data set's events: what our mapping makes a column of."""
    return dict(_columns("", mappings(datasets()[dataset])["properties"]))


def _columns(above: str, tree: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, node in tree.items():
        if "properties" in node:
            yield from _columns(f"{above}{name}.", node["properties"])
        elif node["type"] not in {"flattened", "object", "geo_point"}:
            yield above + name, node["type"]


def document(event: Mapping[str, Any]) -> Row:
    """The columns of an event that hold something."""
    dataset = event["data_stream"]["dataset"]
    types = schema(dataset)
    cells = {name: _cell(given, types[name]) for name, given in _leaves(event).items() if name in types}
    key = f"{event['event']['id']}:{event.get('entra', {}).get('revision', 1)}"
    held = {name: one for name, one in cells.items() if one is not None}
    return {**held, "_id": key, "_index": f"logs-{dataset}-entrawatch", "_version": 1}


def columns(documents: Iterable[Row], text: str) -> list[Row]:
    """The documents with the columns that a query names; what it names beside them, the verifier has refused."""
    known = {name for dataset in datasets() for name in schema(dataset)} | METADATA.keys()
    named = [name for name in sorted(known) if name in text or name in {"@timestamp", "_index"}]
    return [{name: one.get(name) for name in named} for one in documents]


def _leaves(event: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Path → its values, lists taken apart."""
    found: dict[str, list[Any]] = {}

    def visit(value: Any, path: str) -> None:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                visit(inner, f"{path}.{name}" if path else name)
        elif isinstance(value, list):
            for item in value:
                visit(item, path)
        else:
            found.setdefault(path, []).append(value)

    visit(event, "")
    return found


def _cell(found: list[Any], kind: str) -> Any:
    kept = [value for value in (_typed(value, kind) for value in found) if value is not None]
    return cell(sorted(set(kept)) if kind in {"keyword", "ip"} else kept)


def _typed(value: Any, kind: str) -> Any:
    """The value as the mapping stores it; None where it does not fit (ignore_malformed, ignore_above)."""
    try:
        if value is None or kind in {"keyword", "text"}:
            return None if value is None or len(str(value)) > 8191 else str(value)
        if kind == "date":
            return datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        if kind == "boolean":
            return value if isinstance(value, bool) else {"true": True, "false": False}[value]
        return {"long": int, "double": float, "ip": address}[kind](value)
    except (ValueError, KeyError, TypeError):
        return None


# --- queries ----------------------------------------------------------------------------------------------------------


@cache
def parsed(text: str, stack: str | None, lookups: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]) -> ast.EsqlQuery:
    """The query, valid for the stack and our mapping.

    :raises EsqlError: it is not.
    """
    fields = {name: kind for dataset in _read(text) for name, kind in schema(dataset).items()}
    known = esql.Schema({**fields, **METADATA}, lookups={name: dict(types) for name, types in lookups})
    with esql.ParserConfig(min_stack_version=stack), known:
        tree = esql.parse_query(text)
    lint(tree)
    return tree


def _read(text: str) -> list[str]:
    source = next(line for line in text.splitlines() if line.startswith("FROM "))
    return [dataset for dataset in datasets() if f"logs-{dataset}-" in source]


def lint(tree: ast.EsqlQuery) -> None:
    """What the validator lets through: aggregates outside STATS, and bare columns where STATS aggregates."""
    for command in tree.commands:
        if not isinstance(command, ast.StatsCommand):
            _no_aggregates(command)
            continue
        for part in [*command.grouping_aliases, *command.aggregate_filters]:
            _no_aggregates(part)
        for part in command.aggregates:
            if not _aggregated(part.expr):
                raise AssertionError(f"{part.name} is no aggregate")


def _no_aggregates(node: ast.BaseNode) -> None:
    for part in node:
        if isinstance(part, ast.FunctionCall) and part.name.lower() in AGGREGATES | {"count_distinct"}:
            raise AssertionError(f"{part.name} outside STATS")


def _aggregated(node: Any) -> bool:
    if isinstance(node, ast.FunctionCall) and node.name.lower() in AGGREGATES:
        return True
    if isinstance(node, ast.ColumnRef):
        return False
    parts = list(node.iter_children())
    return all(_aggregated(part) for part in parts)


class Run:
    """One run of a query.

    :param rows: what `columns` makes of documents.
    :param now: when it runs.
    """

    def __init__(self, rows: list[Row], now: datetime, lookups: Lookups) -> None:
        self.now, self.lookups, self.rows = now, lookups, rows

    def result(self, tree: ast.EsqlQuery) -> list[Row]:
        """The rows it gives."""
        for command in tree.commands:
            name = "_" + type(command).__name__.removesuffix("Command").lower()
            if not hasattr(self, name):
                raise Gap(name)
            getattr(self, name)(command)
        return self.rows

    def _from(self, command: ast.FromCommand) -> None:
        indices = {row["_index"] for row in self.rows}
        asked = {index for index in indices if any(fnmatchcase(index, one) for one in command.index_patterns)}
        self.rows = [row for row in self.rows if row["_index"] in asked]

    def _where(self, command: ast.WhereCommand) -> None:
        test = compiled(command.predicate, self.now)
        self.rows = [row for row in self.rows if test(row) is True]

    def _eval(self, command: ast.EvalCommand) -> None:
        # the rows are the documents' own, which other runs read too
        self.rows = [dict(row) for row in self.rows]
        for assignment in command.assignments:
            made = compiled(assignment.expr, self.now)
            name = assignment.name.replace("`", "")
            for row in self.rows:
                row[name] = made(row)

    def _keep(self, command: ast.KeepCommand) -> None:
        if command.wildcards:
            raise Gap("KEEP with wildcards")
        names = [name.replace("`", "") for name in command.columns]
        self.rows = [{name: row[name] for name in names} for row in self.rows]

    def _limit(self, command: ast.LimitCommand) -> None:
        self.rows = self.rows[: command.count]  # type: ignore[misc]

    def _mvexpand(self, command: ast.MvExpandCommand) -> None:
        name = (command.field or "").replace("`", "")
        self.rows = [{**row, name: one} for row in self.rows for one in values(row[name]) or [None]]

    def _join(self, command: ast.JoinCommand) -> None:
        types, known = self.lookups[command.target or ""]
        (key,) = command.on_fields
        added = [name for name in types if name != key]
        found = []
        for row in self.rows:
            mine = [one for one in known if one[key] == row[key]] if row[key] is not None else []
            found += [{**row, **{name: one[name] for name in added}} for one in mine or [dict.fromkeys(added)]]
        self.rows = found

    def _stats(self, command: ast.StatsCommand) -> None:
        if command.inline:
            raise Gap("INLINE STATS")
        groups = [(one.name, compiled(one, self.now)) for one in command.grouping_refs]
        groups += [(one.name, compiled(one.expr, self.now)) for one in command.grouping_aliases]
        gathered: dict[tuple[Any, ...], list[Row]] = {}
        for row in self.rows:
            key = tuple(value(row) for _, value in groups)
            if any(isinstance(part, list) for part in key):
                raise Gap("groups by a list")
            gathered.setdefault(key, []).append(row)
        filters = _filters(command, self.now)
        self.rows = [
            {
                **{one.name: self._aggregate(one.expr, rows, filters.get(one.name)) for one in command.aggregates},
                **{name: part for (name, _), part in zip(groups, key)},
            }
            for key, rows in gathered.items()
        ]

    def _aggregate(self, node: Any, rows: list[Row], only: Value | None) -> Any:
        """An aggregate, or an expression of aggregates."""
        if not isinstance(node, (ast.FunctionCall, ast.BinaryExpr)):
            return compiled(node, self.now)({})
        if isinstance(node, ast.FunctionCall) and node.name.lower() in AGGREGATES:
            kept = [row for row in rows if only is None or only(row) is True]
            return self._of(node, kept)
        parts = [node.left, node.right] if isinstance(node, ast.BinaryExpr) else node.args
        done = {f"_{turn}": self._aggregate(part, rows, only) for turn, part in enumerate(parts)}
        names = [ast.ColumnRef(name) for name in done]
        if isinstance(node, ast.BinaryExpr):
            return compiled(ast.BinaryExpr(node.op, *names), self.now)(done)
        return compiled(ast.FunctionCall(node.name, names), self.now)(done)  # type: ignore[arg-type]

    def _of(self, node: ast.FunctionCall, rows: list[Row]) -> Any:
        name = node.name.lower()
        if name == "count" and not node.args:
            return len(rows)
        value = compiled(node.args[0], self.now)
        found = [one for row in rows for one in values(value(row))]
        if name == "count":
            return len(found)
        if name == "values":
            return cell(list(dict.fromkeys(found)))
        return (min if name == "min" else max)(found) if found else None


def _filters(command: ast.StatsCommand, now: datetime) -> dict[str, Value]:
    """Aggregate → its filter: the tree keeps them apart, so each goes to the last aggregate that begins before it."""

    def place(node: ast.BaseNode) -> tuple[int, int]:
        return (node.line or 0, node.column or 0)

    found = {}
    for test in command.aggregate_filters:
        begins = min(place(part) for part in test if part.line)
        owner = max((one for one in command.aggregates if place(one) <= begins), key=place)
        found[owner.name] = compiled(test, now)
    return found
