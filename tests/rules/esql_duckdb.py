"""Executes ES|QL by lowering Elastic's own syntax tree to DuckDB: each command becomes a table expression.

All runs of a query are one statement: a row carries its run and the run's clock (`#run`, `#now`), by which everything
is grouped and joined. What the lowering does not know fails. `esql_engine` is the other engine; they share the verifier
and the making of documents, and no value.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

import duckdb
from esql import ast

from entrawatch.schema.index_templates import datasets

from .esql_engine import METADATA, schema
from .esql_macros import packed, prepare, unpacked
from .esql_sql import Expressions
from .esql_terms import KINDS, TYPES, Sql, Unknown, plain, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .esql_engine import Lookups
    from .esql_values import Row

_RUN = '"#run", "#now"'


@cache
def connection() -> duckdb.DuckDBPyConnection:
    """The one of the session."""
    made = duckdb.connect(config={"threads": 1})
    prepare(made)
    return made


def executed(tree: ast.EsqlQuery, told: list[tuple[datetime, list[Row], Lookups]]) -> list[list[Row]]:
    """What each run of a tree finds.

    :param told: each run's clock, documents and lookup indices.
    :raises Unknown: a part of ES|QL that is not known here.
    """
    documents = {id(one): one for _, seen, _ in told for one in seen}
    if not documents:
        return [[] for _ in told]
    lowering = Lowering(kinds(next(iter(documents.values()))))
    lowering.table("documents", lowering.columns, _numbered(documents))
    lowering.given("seen", {"#run": "BIGINT", "#now": "TIMESTAMP", "row": ["VARCHAR"]},
                   [{"#run": turn, "#now": _time(now), "row": [str(id(one)) for one in seen]}
                    for turn, (now, seen, _) in enumerate(told)])  # fmt: skip
    for name, (types, _) in told[0][2].items():
        lowering.lookups[name] = {column: KINDS[kind] for column, kind in types.items()}
        rows = [({"#run": turn}, row) for turn, (_, _, lookups) in enumerate(told) for row in lookups[name][1]]
        lowering.table(name, lowering.lookups[name], rows, {"#run": "BIGINT"})
    found: list[list[Row]] = [[] for _ in told]
    for turn, *cells in connection().execute(lowering.lowered(tree), lowering.constants).fetchall():
        found[turn].append({name: _read(part, kind) for part, (name, kind) in zip(cells, lowering.columns.items())})
    return found


def kinds(document: Row) -> dict[str, str]:
    """The kinds of a document's columns."""
    types = {name: kind for dataset in datasets() for name, kind in schema(dataset).items()} | METADATA
    return {name: KINDS[types[name]] for name in document}


def _numbered(documents: dict[int, Row]) -> list[tuple[Row, Row]]:
    return [({"#row": str(number)}, one) for number, one in documents.items()]


# --- values, in and out -----------------------------------------------------------------------------------------------


def _time(value: datetime) -> str:
    """As Elasticsearch keeps a date: to the millisecond."""
    return value.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="milliseconds")


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return _time(value)
    return packed(value) if isinstance(value, (IPv4Address, IPv6Address)) else value


def _cell(value: Any) -> list[Any] | None:
    if value is None:
        return None
    return [_written(one) for one in (value if isinstance(value, list) else [value])]


def _read(found: list[Any] | None, kind: str) -> Any:
    """A cell of the result, as the other engine gives it; a list in order, since it has none."""
    if found is None:
        return None
    read = {"date": lambda one: one.replace(tzinfo=timezone.utc), "ip": unpacked}.get(kind, lambda one: one)
    values = [read(one) for one in sorted(found)]
    return values if len(values) > 1 else values[0]


# --- commands ---------------------------------------------------------------------------------------------------------


class Lowering:
    """One query as one statement.

    :param columns: the documents' columns and their kinds.
    """

    def __init__(self, columns: dict[str, str]) -> None:
        self.columns = dict(columns)
        self.lookups: dict[str, dict[str, str]] = {}
        self.constants: dict[str, Any] = {}
        self.steps: list[str] = []

    def given(self, name: str, shape: dict[str, Any], rows: Iterable[Row]) -> None:
        """A table of rows that are known already."""
        data, form = f"d{len(self.constants)}", f"s{len(self.constants)}"
        self.constants |= {data: json.dumps(list(rows)), form: json.dumps([shape])}
        source = f"SELECT unnest(from_json_strict(CAST(${data} AS JSON), ${form})) AS r"
        self.steps.append(f"{quoted(name)} AS (SELECT unnest(r) FROM ({source}))")

    def table(
        self, name: str, columns: dict[str, str], rows: Iterable[tuple[Row, Row]], own: dict[str, str] | None = None
    ) -> None:
        """The same with columns of ES|QL."""
        shape = {**(own or {"#row": "VARCHAR"}), **{column: [TYPES[kind]] for column, kind in columns.items()}}
        self.given(name, shape, ({**ours, **{key: _cell(row[key]) for key in columns}} for ours, row in rows))

    def lowered(self, tree: ast.EsqlQuery) -> str:
        """:raises Unknown: a command that is not known here."""
        for command in tree.commands:
            name = "_" + type(command).__name__.removesuffix("Command").lower()
            if not hasattr(self, name):
                raise Unknown(name)
            getattr(self, name)(command)
        return f'WITH {", ".join(self.steps)} SELECT "#run", {self._all()} FROM {self._last} ORDER BY 1'

    @property
    def _last(self) -> str:
        return quoted(f"step {len(self.steps)}")

    def _all(self) -> str:
        return ", ".join(quoted(name) for name in self.columns)

    def _step(self, text: str) -> None:
        self.steps.append(f"{quoted(f'step {len(self.steps) + 1}')} AS ({text})")

    def _expressions(self) -> Expressions:
        return Expressions(self.columns, self.constants)

    def _from(self, command: ast.FromCommand) -> None:
        expressions = self._expressions()
        if not all(isinstance(one, str) and re.fullmatch(r"\w[\w.*-]*", one) for one in command.sources):
            raise Unknown("FROM other than patterns of indices")
        asked = [expressions.constant(one, "keyword").text for one in command.index_patterns]
        tests = " OR ".join(f'one("_index") GLOB {pattern}' for pattern in asked)
        self._step(
            f"SELECT {_RUN}, {self._all()} FROM documents JOIN "
            f'(SELECT {_RUN}, unnest("row") AS "#row" FROM seen) USING ("#row") WHERE {tests}'
        )

    def _where(self, command: ast.WhereCommand) -> None:
        test = self._expressions().of(command.predicate).one
        self._step(f"SELECT {_RUN}, {self._all()} FROM {self._last} WHERE {test}")

    def _eval(self, command: ast.EvalCommand) -> None:
        """As few selections as there are assignments that read one before them."""
        made: dict[str, Sql] = {}
        for assignment in command.assignments:
            read = {plain(part.name) for part in assignment if isinstance(part, ast.ColumnRef)}
            if made.keys() & {*read, plain(assignment.name)}:
                self._assigned(made)
                made = {}
            made[plain(assignment.name)] = self._expressions().of(assignment.expr)
        self._assigned(made)

    def _assigned(self, made: dict[str, Sql]) -> None:
        kept = {name: quoted(name) for name in self.columns if name not in made}
        shown = {**kept, **{name: one.list for name, one in made.items()}}
        self._selected(shown, f"FROM {self._last}")
        self.columns = {**{name: self.columns[name] for name in kept}, **{name: one.kind for name, one in made.items()}}

    def _selected(self, shown: dict[str, str], rest: str, run: str = _RUN) -> None:
        self._step(f"SELECT {run}, {', '.join(f'{text} AS {quoted(name)}' for name, text in shown.items())} {rest}")

    def _keep(self, command: ast.KeepCommand) -> None:
        if command.wildcards:
            raise Unknown("KEEP with wildcards")
        self.columns = {plain(name): self.columns[plain(name)] for name in command.columns}
        self._selected({name: quoted(name) for name in self.columns}, f"FROM {self._last}")

    def _drop(self, command: ast.DropCommand) -> None:
        if command.wildcards:
            raise Unknown("DROP with wildcards")
        gone = set(map(plain, command.columns))
        self.columns = {name: kind for name, kind in self.columns.items() if name not in gone}
        self._selected({name: quoted(name) for name in self.columns}, f"FROM {self._last}")

    def _rename(self, command: ast.RenameCommand) -> None:
        new = {plain(old): plain(name) for old, name in command.renames}
        kept = {name: new.get(name, name) for name in self.columns if name in new or name not in new.values()}
        self._selected({name: quoted(old) for old, name in kept.items()}, f"FROM {self._last}")
        self.columns = {name: self.columns[old] for old, name in kept.items()}

    def _limit(self, command: ast.LimitCommand) -> None:
        if command.by or not isinstance(command.count, int):
            raise Unknown("LIMIT of other than a number")
        most = f'row_number() OVER (PARTITION BY "#run") <= {command.count}'
        self._step(f"SELECT {_RUN}, {self._all()} FROM {self._last} QUALIFY {most}")

    def _mvexpand(self, command: ast.MvExpandCommand) -> None:
        name = plain(command.field or "")
        apart = f'SELECT *, unnest(coalesce({quoted(name)}, [NULL])) AS "#one" FROM {self._last}'
        shown = {one: quoted(one) for one in self.columns} | {name: 'cell(["#one"])'}
        self._selected(shown, f"FROM ({apart})")

    def _join(self, command: ast.JoinCommand) -> None:
        """A key of several values matches nothing, and nothing a key that is null.

        https://www.elastic.co/docs/reference/query-languages/esql/esql-lookup-join
        """
        if command.kind != "lookup" or len(command.on_fields) != 1 or command.on_lookup_fields != command.on_fields:
            raise Unknown("a JOIN other than LOOKUP JOIN on one field")
        (key,) = command.on_fields
        added = {name: kind for name, kind in self.lookups[command.target or ""].items() if name != key}
        shown = {name: f"mine.{quoted(name)}" for name in self.columns}
        shown |= {name: f"theirs.{quoted(name)}" for name in added}
        on = f'mine."#run" = theirs."#run" AND one(mine.{quoted(key)}) = one(theirs.{quoted(key)})'
        rest = f"FROM {self._last} AS mine LEFT JOIN {quoted(command.target or '')} AS theirs ON {on}"
        self._selected(shown, rest, run='mine."#run", mine."#now"')
        self.columns |= added

    def _stats(self, command: ast.StatsCommand) -> None:
        """A row of several values of a group's column belongs once to the group of each, one of none to that of null.

        https://github.com/elastic/elasticsearch/issues/134792
        """
        parts: list[Any] = [*command.grouping_refs, *command.grouping_aliases]
        groups = {plain(one.name): one for one in parts}
        if command.inline or not groups:
            raise Unknown("INLINE STATS, and STATS without BY")
        expressions, source = self._expressions(), self._last
        by = {name: expressions.of(node) for name, node in groups.items()}
        for turn, one in enumerate(by.values()):
            each = f"unnest(coalesce(list_distinct({one.list}), [NULL]))" if one.many else one.text
            source = f'(SELECT *, {each} AS "#key {turn}" FROM {source})'
        shown, filters = {}, _filters(command)
        for aggregate in command.aggregates:
            test = filters.get(aggregate.name)
            expressions.only = self._expressions().of(test).one if test is not None else "TRUE"
            shown[plain(aggregate.name)] = expressions.of(aggregate.expr)
        keys = {name: f'cell(["#key {turn}"])' for turn, name in enumerate(by)}
        grouped = ", ".join(["", *[f'"#key {turn}"' for turn in range(len(by))]])
        texts = {**{name: one.list for name, one in shown.items()}, **keys}
        self._selected(texts, f"FROM {source} GROUP BY {_RUN}{grouped}")
        self.columns = {name: one.kind for name, one in [*shown.items(), *by.items()]}


def _filters(command: ast.StatsCommand) -> dict[str, Any]:
    """Aggregate → its filter: the one that stands between it and the next."""
    places = sorted(((one.line or 0, one.column or 0), one.name) for one in command.aggregates)
    found = {}
    for test in command.aggregate_filters:
        begins = min((part.line, part.column or 0) for part in test if part.line)
        found[[name for place, name in places if place < begins][-1]] = test
    return found
