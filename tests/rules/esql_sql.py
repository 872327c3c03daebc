"""Expressions of ES|QL as expressions of DuckDB, from Elastic's own syntax tree.

A column is a list of at least one value, or null; what gives one value at most is a plain value. A function of single
values gives null for a list (https://www.elastic.co/docs/reference/query-languages/esql/esql-multivalued-fields). An
address is the text of its sixteen bytes, as Lucene orders and ranges them. Every constant is a bound parameter.
Whatever is not known here fails. It shares nothing with `esql_values`, whose judge it is.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Callable

from esql import ast

from .esql_macros import packed
from .esql_terms import NUMBERS, TYPES, Sql, Unknown, plain, quoted, same_kind, string, two

AGGREGATES = {"count", "count_distinct", "values", "min", "max"}
NOW = '"#now"'
_COMPARISONS = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_AS_TEXT = "%Y-%m-%dT%H:%M:%S.%gZ"


class Expressions:
    """Turns nodes into SQL over the columns that there are at this place.

    :param columns: name → kind.
    """

    def __init__(self, columns: dict[str, str], constants: dict[str, Any]) -> None:
        self.columns, self.constants = columns, constants
        #: within STATS: the condition under which a row counts
        self.only: str | None = None

    def constant(self, value: Any, kind: str) -> Sql:
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return Sql(f"CAST(${name} AS {TYPES[kind]})", kind)

    def of(self, node: Any) -> Sql:
        """:raises Unknown: a node that is not known here."""
        if isinstance(node, ast.Alias):
            return self.of(node.expr)
        if isinstance(node, ast.ColumnRef):
            name = plain(node.name)
            return Sql(quoted(name), self.columns[name], many=True)
        if isinstance(node, ast.Literal):
            return self._literal(node)
        if isinstance(node, ast.BinaryExpr):
            return self._binary(node)
        if isinstance(node, ast.FunctionCall):
            return self._call(node)
        raise Unknown(type(node).__name__)

    # --- constants and operators --------------------------------------------------------------------------------------

    def _literal(self, node: ast.Literal) -> Sql:
        value = node.value
        if isinstance(value, list):
            if not all(type(one) is int for one in value):
                raise Unknown(f"a list of other than whole numbers: {value}")
            return Sql(f"[{', '.join(self.constant(one, 'long').text for one in value)}]", "long", many=True)
        if node.kind in {"time_duration", "date_period"}:
            if not re.fullmatch(r"\d+ *(?:second|minute|hour|day)s?", str(value)):
                raise Unknown(f"a span of {value}")
            return self.constant(value, "span")
        if isinstance(value, str):
            return self.constant(string(node), "keyword")
        kinds = {bool: "boolean", int: "long", float: "double"}
        if type(value) not in kinds:
            raise Unknown(f"literal {value!r}")
        return self.constant(value, kinds[type(value)])

    def _binary(self, node: ast.BinaryExpr) -> Sql:
        left = self.of(node.left)
        if node.op == "in":
            tests = [self._compared("==", left, item) for item in node.right.args]  # type: ignore[attr-defined]
            return Sql(f"({' OR '.join(tests)})", "boolean")
        if node.op in _COMPARISONS:
            return Sql(self._compared(node.op, left, node.right), "boolean")
        right = self.of(node.right)
        if node.op in {"and", "or"}:
            return Sql(f"({left.one} {node.op} {right.one})", "boolean")
        if node.op in {"+", "-", "*", "/"}:
            return self._arithmetic(node.op, left, right)
        raise Unknown(f"operator {node.op}")

    def _compared(self, op: str, left: Sql, node: Any) -> str:
        if left.kind == "ip" and isinstance(node, ast.Literal):
            right = self.constant(packed(ipaddress.ip_address(string(node))), "ip")
        else:
            right = self.of(node)
        if left.kind != right.kind and not {left.kind, right.kind} <= NUMBERS:
            raise Unknown(f"{left.kind} {op} {right.kind}")
        return f"({left.one} {_COMPARISONS[op]} {right.one})"

    def _arithmetic(self, op: str, left: Sql, right: Sql) -> Sql:
        kinds = {left.kind, right.kind}
        if (left.kind, right.kind) == ("date", "span") and op in {"+", "-"}:
            return Sql(f"({left.one} {op} {right.one})", "date")
        if not kinds <= NUMBERS:
            raise Unknown(f"{left.kind} {op} {right.kind}")
        whole = kinds == {"long"}
        return Sql(f"({left.one} {'//' if op == '/' and whole else op} {right.one})", "long" if whole else "double")

    # --- functions ----------------------------------------------------------------------------------------------------

    def _call(self, node: ast.FunctionCall) -> Sql:
        name = node.name.lower()
        if name in AGGREGATES:
            return self._aggregate(name, node.args)
        if name == "now":
            return Sql(NOW, "date")
        own: Callable[[list[Any]], Sql] | None = getattr(self, f"_{name}", None)
        if own:
            return own(node.args)
        parts = [self.of(part) for part in node.args]
        for table, form in ((SINGLE, "one"), (LISTS, "list")):
            if name in table:
                kind, many, text = table[name]
                if text.count("{}") != len(parts):
                    raise Unknown(f"{name} of {len(parts)}")
                return Sql(text.format(*[getattr(part, form) for part in parts]), kind or parts[0].kind, many)
        raise Unknown(f"function {name}")

    def _aggregate(self, name: str, args: list[Any]) -> Sql:
        if self.only is None:
            raise Unknown(f"{name} outside STATS")
        only = f"FILTER (WHERE {self.only})"
        if name == "count" and (not args or isinstance(args[0], ast.Wildcard)):
            return Sql(f"count(*) {only}", "long")
        value = self.of(args[0])
        if name == "count":
            return Sql(f"CAST(coalesce(sum(len({value.list})) {only}, 0) AS BIGINT)", "long")
        if name in {"values", "count_distinct"}:
            gathered = f"list({value.list}) FILTER (WHERE {self.only} AND {value.text} IS NOT NULL)"
            distinct = f"cell(list_distinct(flatten({gathered})))"
            return Sql(distinct, value.kind, many=True) if name == "values" else self._counted(distinct, args[1:])
        return Sql(f"{name}(list_{name}({value.list})) {only}", value.kind)

    def _counted(self, distinct: str, precision: list[Any]) -> Sql:
        """Above its precision the count is an estimate that nobody else can give, so it fails."""
        most = min(int(getattr(precision[0], "value", None) or 0), 40_000) if precision else 3_000
        count = f"coalesce(len({distinct}), 0)"
        return Sql(f"(CASE WHEN {count} > {most} THEN error('COUNT_DISTINCT above {most}') ELSE {count} END)", "long")

    def _each(self, args: list[Any], text: Callable[[str, str], str], kind: str) -> Sql:
        """A function of every value, those that it cannot change left out."""
        (value,) = [self.of(part) for part in args]
        if not value.many:
            return Sql(text(value.text, value.kind), kind)
        return Sql(f"cell(list_transform({value.text}, lambda v: {text('v', value.kind)}))", kind, many=True)

    def _to_lower(self, args: list[Any]) -> Sql:
        return self._each(args, lambda value, _: f"folded({value})", "keyword")

    def _to_ip(self, args: list[Any]) -> Sql:
        return self._each(args, lambda value, _: f"to_ip({value})", "ip")

    def _to_string(self, args: list[Any]) -> Sql:
        texts = {"date": f"strftime({{}}, '{_AS_TEXT}')", "ip": "ip_text({})", "keyword": "{}",
                 "boolean": "CAST({} AS VARCHAR)", "long": "CAST({} AS VARCHAR)"}  # fmt: skip
        return self._each(args, lambda value, kind: _known(texts, kind).format(value), "keyword")

    def _to_long(self, args: list[Any]) -> Sql:
        return self._each(args, lambda value, kind: _known({"date": "epoch_ms({})"}, kind).format(value), "long")

    def _to_datetime(self, args: list[Any]) -> Sql:
        texts = {"long": "make_timestamp_ms({})",
                 "keyword": f"try_strptime({{}}, ['{_AS_TEXT}', '%Y-%m-%dT%H:%M:%SZ'])"}  # fmt: skip
        return self._each(args, lambda value, kind: _known(texts, kind).format(value), "date")

    def _case(self, args: list[Any]) -> Sql:
        parts = [self.of(part) for part in args]
        tests, results = parts[0 : len(parts) - 1 : 2], parts[1::2] + parts[-1:] * (len(parts) % 2)
        form = _form(results)
        turns = " ".join(f"WHEN {test.one} THEN {form(result)}" for test, result in zip(tests, results))
        other = f"ELSE {form(results[-1])} " if len(parts) % 2 else ""
        return Sql(f"(CASE {turns} {other}END)", same_kind(results), any(one.many for one in results))

    def _coalesce(self, args: list[Any]) -> Sql:
        parts = [self.of(part) for part in args]
        text = ", ".join(map(_form(parts), parts))
        return Sql(f"coalesce({text})", same_kind(parts), any(one.many for one in parts))

    def _concat(self, args: list[Any]) -> Sql:
        parts = [self.of(part) for part in args]
        if {part.kind for part in parts} != {"keyword"}:
            raise Unknown("CONCAT of what is no text")
        return Sql(f"({' || '.join(part.one for part in parts)})", "keyword")

    def _like(self, args: list[Any]) -> Sql:
        value, pattern = two(args)
        parts = re.findall(r"\\.|.", string(pattern), re.DOTALL)
        wild = {"*": "%", "?": "_"}
        text = "".join(wild.get(part) or re.sub(r"[%_!]", r"!\g<0>", part[-1]) for part in parts)
        return Sql(f"({self.of(value).one} LIKE {self.constant(text, 'keyword').text} ESCAPE '!')", "boolean")

    def _rlike(self, args: list[Any]) -> Sql:
        value, pattern = two(args)
        text = string(pattern)
        if re.search(r'(?<!\\)(?:\\\\)*[@&~<>#"$]|(?<![\\\[])\^|\\[A-Za-z]|\(\?', text):
            raise Unknown(f"what Lucene and RE2 read differently: {text}")
        return Sql(f"regexp_full_match({self.of(value).one}, {self.constant(text, 'keyword').text}, 's')", "boolean")

    def _substring(self, args: list[Any]) -> Sql:
        if not all(isinstance(part, ast.Literal) and part.value > 0 for part in args[1:]):
            raise Unknown("SUBSTRING by other than positive numbers")
        return Sql(f"substr({', '.join(self.of(part).one for part in args)})", "keyword")

    def _mv_slice(self, args: list[Any]) -> Sql:
        value = self.of(args[0])
        places: list[Any] = [getattr(part, "value", None) for part in args[1:]]
        if [type(place) for place in places] != [int, int] or not 0 <= places[0] <= places[1]:
            raise Unknown(f"MV_SLICE at {places}")
        return Sql(f"nullif(({value.list})[{places[0] + 1}:{places[1] + 1}], [])", value.kind, many=True)

    def _mv_append(self, args: list[Any]) -> Sql:
        one, other = map(self.of, args)
        return Sql(f"({one.list} || {other.list})", same_kind([one, other]), many=True)

    def _cidr_match(self, args: list[Any]) -> Sql:
        address = self.of(args[0])
        if address.kind != "ip":
            raise Unknown("CIDR_MATCH of what is no address")
        ranges = [ipaddress.ip_network(string(part)) for part in args[1:]]
        ends = [[self.constant(packed(end), "ip").text for end in (one[0], one[-1])] for one in ranges]
        return Sql(f"({' OR '.join(f'{address.one} BETWEEN {low} AND {high}' for low, high in ends)})", "boolean")


#: function of single values → its kind ("" for the argument's own), whether it gives a list, how it is written
SINGLE = {
    "not": ("boolean", False, "(NOT {})"),
    "length": ("long", False, "length({})"),
    "locate": ("long", False, "instr({}, {})"),
    "starts_with": ("boolean", False, "starts_with({}, {})"),
    "ends_with": ("boolean", False, "suffix({}, {})"),
    "date_trunc": ("date", False, "time_bucket({}, {}, TIMESTAMP '1970-01-01')"),
    "-": ("", False, "(- {})"),
}
#: the same of lists
LISTS = {
    "is_null": ("boolean", False, "({} IS NULL)"),
    "is_not_null": ("boolean", False, "({} IS NOT NULL)"),
    "mv_count": ("long", False, "len({})"),
    "mv_concat": ("keyword", False, "array_to_string({}, one({}))"),
    "mv_dedupe": ("", True, "list_distinct({})"),
    "mv_sort": ("", True, "list_sort({})"),
}


def _known(texts: dict[str, str], kind: str) -> str:
    if kind not in texts:
        raise Unknown(f"a conversion of {kind}")
    return texts[kind]


def _form(parts: list[Sql]) -> Callable[[Sql], str]:
    many = any(part.many for part in parts)
    return lambda part: part.list if many else part.text
