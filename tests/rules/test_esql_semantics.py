"""ES|QL in both engines as Elastic documents it: nulls, lists, patterns, groups, joins. What is not known fails.

https://www.elastic.co/docs/reference/query-languages/esql/esql-functions-operators
https://www.elastic.co/docs/reference/query-languages/esql/esql-multivalued-fields
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import duckdb
import esql as vendor
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from . import esql_duckdb
from .esql_macros import packed
from .esql_runs import Moment, lookup_types
from .test_esql_duckdb import both, lowered, same

if TYPE_CHECKING:
    from .esql_values import Row

NOW = datetime(2026, 1, 7, 9, 7, 30, tzinfo=timezone.utc)
#: what the expressions here call the columns
_SHORT = {
    "TEXT": "user_agent.original", "IP": "source.ip", "CODE": "azure.signinlogs.properties.status.error_code",
    "LIST": "azure.signinlogs.properties.authentication_methods_used",
    "NONE": "azure.signinlogs.properties.app_display_name", "TIME": "@timestamp",
    "KNOWN": "entrawatch-organisation-networks",
}  # fmt: skip


def _row(**cells: Any) -> Row:
    return {"_index": "logs-azure.signinlogs-x", **{_SHORT[name]: value for name, value in cells.items()}}


_CELLS: Row = {
    "TEXT": "AbC\n*", "IP": ipaddress.ip_address("198.51.100.7"), "CODE": 7, "LIST": ["b", "A", "b"], "NONE": None,
    "TIME": datetime(2026, 1, 7, 9, 0, 0, 123000, tzinfo=timezone.utc),
}  # fmt: skip
DOCUMENT = _row(**_CELLS)
DOCUMENTS = [DOCUMENT, _row(**{**_CELLS, "LIST": None}), _row(**{**_CELLS, "LIST": None, "CODE": None, "TEXT": None})]


def told(*documents: Row) -> list[Moment]:
    """One run over them."""
    network = {"address": _CELLS["IP"], "network_seen": NOW}
    known: dict[str, tuple[dict[str, str], list[Row]]] = {name: (dict(types), []) for name, types in lookup_types()}
    known[_SHORT["KNOWN"]][1].extend({**network, "network_days": days} for days in (1, 2))
    return [(NOW, list(documents), known)]


def text_of(commands: str) -> str:
    """The query."""
    return "FROM logs-azure.signinlogs-*\n" + re.sub(r"\b[A-Z]+\b", lambda word: _SHORT.get(word[0], word[0]), commands)


#: spellings with the longest run of zeros at either end, in the middle, and more than one
_EDGES = (
    "::",
    "::1",
    "1::",
    "1:0:0:2::",
    "1::2:0:0:3:4",
    "0:0:1:0:0:1:0:0",
    "1:2:3:4:5:6:7:8",
    "255.255.255.255",
    "::1:0:0",
)

#: expression → its value
DOCUMENTED: dict[str, Any] = {
    'NONE == "x"': None, 'NOT (NONE == "x")': None, 'NONE == "x" OR true': True, 'NONE == "x" AND false': False,
    'NONE == "x" OR false': None, 'NONE == "x" AND true': None,
    'NONE IN ("x")': None, "NONE IS NULL": True, "NONE IS NOT NULL": False, 'CONCAT(TEXT, NONE)': None,
    'NOT COALESCE(NONE == "x", false)': True, 'NONE LIKE "*"': None, 'TEXT IN ("x", NONE)': None,
    # a list where one value is asked for
    'LIST == "b"': None, 'LIST != "b"': None, 'LIST IN ("b")': None, 'LIST LIKE "*"': None, 'LIST RLIKE ".*"': None,
    'STARTS_WITH(LIST, "b")': None, 'CONCAT(LIST, "b")': None, 'LENGTH(LIST)': None, 'NOT (LIST == "b")': None,
    'CASE(LIST == "b", 1, 2)': 2, "CASE(CODE == 7, 1)": 1, "CASE(CODE == 8, 1)": None, "COALESCE(NONE, TEXT)": "AbC\n*",
    "TO_LOWER(TEXT)": "abc\n*", "TO_LOWER(LIST)": ["a", "b", "b"], "LENGTH(TEXT)": 5,
    "COALESCE(NONE, LIST) IS NULL": False,    'TO_LOWER(CONCAT(TEXT, "ΑΣ İÜ"))': "abc\n*ας i̇ü",
    # patterns
    'TEXT LIKE "abc*"': False, 'TEXT LIKE "AbC*"': True, 'TEXT LIKE "AbC??"': True, 'TEXT LIKE "AbC?"': False,
    r'TEXT LIKE "*\\*"': True, 'TEXT LIKE "A%"': False, 'TEXT LIKE "A__??"': False, 'TEXT LIKE "bC*"': False,
    'CONCAT(TEXT, "_%") LIKE "A*_%"': True,
    'TEXT RLIKE "A[a-z]C.*"': True, 'TEXT RLIKE "bC"': False, 'TEXT RLIKE "abc.*"': False,
    'LOCATE(TEXT, "C")': 3, 'LOCATE(TEXT, "x")': 0, "SUBSTRING(TEXT, 2, 2)": "bC", "SUBSTRING(TEXT, 9)": "",
    'ENDS_WITH(TEXT, "*")': True, 'STARTS_WITH(TEXT, "a")': False,
    # lists
    "MV_COUNT(LIST)": 3, "MV_COUNT(NONE)": None, "MV_DEDUPE(LIST)": ["A", "b"],
    'MV_APPEND(LIST, "c")': ["A", "b", "b", "c"],
    "MV_APPEND(LIST, NONE)": None, "MV_SLICE(MV_SORT(LIST), 0, 1)": ["A", "b"], "MV_SLICE(LIST, 7, 9)": None,
    'MV_CONCAT(MV_SORT(LIST), "-")': "A-b-b", 'MV_CONCAT(NONE, "-")': None,
    # addresses
    'CIDR_MATCH(IP, "10.0.0.0/8", "198.51.100.0/24")': True, 'CIDR_MATCH(IP, "198.51.100.8/29")': False,
    'CIDR_MATCH(IP, "198.51.100.0/30")': False, 'IP == "198.51.100.7"': True, 'TO_IP("198.51.100.7") == IP': True,
    'TO_IP("nowhere")': None, "TO_STRING(IP)": "198.51.100.7", 'TO_IP("::ffff:198.51.100.7") == IP': True,
    'TO_STRING(TO_IP("2001:DB8:0:0:1::0"))': "2001:db8:0:0:1::",
    # times and numbers
    "DATE_TRUNC(15 minutes, TIME)": NOW.replace(minute=0, second=0), "NOW() - 1 day": NOW.replace(day=6),
    "DATE_TRUNC(1 day, NOW())": NOW.replace(hour=0, minute=0, second=0),
    "TO_STRING(TIME)": "2026-01-07T09:00:00.123Z", "TO_LONG(TIME)": 1767776400123,
    "TO_DATETIME(TO_LONG(TIME)) == TIME": True, 'TO_DATETIME("never")': None, "TO_STRING(true)": "true",
    '(CODE == 7 OR CODE == 8) AND TEXT == "x"': False,
    "CODE / 2": 3, "(0 - CODE) / 2": -3, "CODE - 9 * 2": -11, "-CODE": -7, "CODE / 2 == 3.0": True,
}  # fmt: skip
#: where the interpreter of the tree knows less
_ONLY_LOWERED = {'CIDR_MATCH(IP, "::/1")': True}

#: commands → the rows
COMMANDS: dict[str, list[Row]] = {
    "| STATS n = COUNT(*), v = COUNT(LIST), all = VALUES(LIST) BY CODE": [
        {"n": 2, "v": 3, "all": ["A", "b"], "CODE": 7}, {"n": 1, "v": 0, "all": None, "CODE": None}
    ],
    "| STATS n = COUNT(*) WHERE NONE IS NULL, m = MAX(CODE) WHERE CODE > 7, low = MIN(LIST) BY CODE": [
        {"n": 2, "m": None, "low": "A", "CODE": 7}, {"n": 1, "m": None, "low": None, "CODE": None}
    ],
    "| STATS n = MV_COUNT(VALUES(TEXT)) WHERE CODE > 0 BY x = 1": [{"n": 1, "x": 1}],
    "| MV_EXPAND LIST | KEEP LIST, CODE": [
        *[{"LIST": one, "CODE": 7} for one in "bAb"], {"LIST": None, "CODE": 7}, {"LIST": None, "CODE": None},
    ],
    "| WHERE NOT (CODE == 8) | KEEP CODE": [{"CODE": 7}] * 2,
    "| LIMIT 2 | EVAL a = 1, a = a + 1, b = a | KEEP b, a": [{"b": 2, "a": 2}] * 2,
    "| LIMIT 1 | EVAL address = IP | LOOKUP JOIN KNOWN ON address | KEEP network_days, network_seen": [
        {"network_days": 1, "network_seen": NOW}, {"network_days": 2, "network_seen": NOW}
    ],
    '| LIMIT 1 | EVAL address = TO_IP("::1") | LOOKUP JOIN KNOWN ON address | KEEP network_seen': [
        {"network_seen": None}
    ],
    '| LIMIT 1 | EVAL address = TO_IP(NONE) | LOOKUP JOIN KNOWN ON address | KEEP network_seen': [
        {"network_seen": None}
    ],
    '| LIMIT 1 | EVAL address = MV_APPEND(IP, TO_IP("::1")) | LOOKUP JOIN KNOWN ON address | KEEP network_seen': [
        {"network_seen": None}
    ],
}  # fmt: skip
#: the same where the interpreter knows less
ONLY_LOWERED: dict[str, list[Row]] = {
    # a row is once in a group, whatever else it holds
    "| EVAL g = LIST | STATS n = COUNT(*) BY g": [{"n": 1, "g": "b"}, {"n": 1, "g": "A"}, {"n": 2, "g": None}],
    "| KEEP CODE, TEXT | RENAME TEXT AS t | DROP CODE | LIMIT 1": [{"t": "AbC\n*"}],
    "| STATS n = COUNT_DISTINCT(LIST), m = COUNT_DISTINCT(CODE) BY x = 1": [{"n": 2, "m": 1, "x": 1}],
}


def _expected(asked: str) -> tuple[str, list[Moment], list[Row]]:
    """The query, over what, and the rows."""
    expressions, commands = {**DOCUMENTED, **_ONLY_LOWERED}, {**COMMANDS, **ONLY_LOWERED}
    if asked in expressions:
        return text_of(f"| EVAL found = {asked} | KEEP found"), told(DOCUMENT), [{"found": expressions[asked]}]
    expected = [{_SHORT.get(name, name): value for name, value in row.items()} for row in commands[asked]]
    return text_of(asked), told(*DOCUMENTS), expected


def by_the_lowering(text: str, given_: list[Moment]) -> list[Row]:
    """What it finds, of what our own checks refuse too."""
    (found,) = esql_duckdb.executed(vendor.parse_query(text), given_)
    return found


def _differs(found: list[Row], expected: list[Row]) -> bool:
    return Counter(map(same, found)) != Counter(map(same, expected))


@pytest.mark.parametrize("asked", [*DOCUMENTED, *COMMANDS])
def test_both_give_what_the_documentation_says(asked: str) -> None:
    text, given_, expected = _expected(asked)
    (found,) = both(text, given_)
    assert not _differs(found, expected), found


@pytest.mark.parametrize("asked", [*_ONLY_LOWERED, *ONLY_LOWERED])
def test_the_lowering_gives_what_the_documentation_says_where_the_interpreter_knows_less(asked: str) -> None:
    text, given_, expected = _expected(asked)
    assert not _differs(by_the_lowering(text, given_), expected)


def test_each_run_sees_its_own_documents_by_its_own_clock() -> None:
    later = NOW.replace(hour=11)
    query = text_of("| STATS n = COUNT(*) BY now = NOW()")
    runs: list[Moment] = [(NOW, DOCUMENTS, {}), (later, DOCUMENTS[:1], {}), (later, [], {})]
    assert both(query, runs) == [[{"n": 3, "now": NOW}], [{"n": 1, "now": later}], []]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.ip_addresses() | st.sampled_from(_EDGES).map(ipaddress.ip_address), min_size=1, max_size=30))
def test_an_address_is_read_and_written_as_python_does(addresses: list[Any]) -> None:
    asked = [text for one in addresses for text in (str(one), one.exploded, one.exploded.upper())]
    found = esql_duckdb.connection().execute(
        "SELECT to_ip(t), ip_text(to_ip(t)), to_ip('x' || t), to_ip(t || ':') FROM (SELECT unnest($1) AS t)", [asked]
    )
    assert found.fetchall() == [(packed(one), str(one), None, None) for one in addresses for _ in range(3)]


# --- what is not known, and faults of the lowering itself -------------------------------------------------------------


@pytest.mark.parametrize(
    "commands",
    [
        "| SORT CODE DESC", '| DISSECT TEXT "%{a}"', '| GROK TEXT "%{WORD:a}"', "| ENRICH policy ON TEXT",
        "| CHANGE_POINT CODE ON TIME", "| FORK (WHERE CODE == 1) (WHERE CODE == 2)", "| SAMPLE 0.5",
        "| LIMIT 3 BY CODE", "| INLINE STATS n = COUNT(*) BY CODE", "| STATS n = COUNT(*)",
        "| STATS n = AVG(CODE) BY TEXT", "| KEEP user_agent.*", "| DROP user_agent.*",
        "| LOOKUP JOIN known ON CODE == other",
        "| EVAL a = MD5(TEXT)", "| EVAL a = TO_UPPER(TEXT)", "| EVAL a = DATE_DIFF(\"day\", TIME, NOW())",
        "| EVAL a = DATE_TRUNC(1 week, TIME)", "| EVAL a = NOW() - 1 month", "| EVAL a = CODE::keyword",
        "| EVAL a = CODE % 2", "| EVAL a = MV_SLICE(LIST, -1)", '| EVAL a = MV_SORT(LIST, "DESC")',
        '| EVAL a = LOCATE(TEXT, "C", 2)', "| EVAL a = SUBSTRING(TEXT, -1)", '| EVAL a = CASE(CODE == 1, "x", 2)',
        "| EVAL a = TO_STRING(1.5)", "| EVAL a = CONCAT(TEXT, CODE)", "| EVAL a = COUNT(*)", "| EVAL a = null",
        '| WHERE TEXT RLIKE "a~b"', '| WHERE TEXT LIKE ("a*", "b*")', '| WHERE TEXT : "a"', '| WHERE MATCH(TEXT, "a")',
        '| WHERE CODE == "7"', '| WHERE TIME >= "2026-01-07T00:00:00Z"', '| WHERE CIDR_MATCH(TEXT, "::/0")',
    ],
)  # fmt: skip
def test_what_the_lowering_does_not_know_fails(commands: str) -> None:
    with pytest.raises(NotImplementedError):
        by_the_lowering(text_of(commands), told(DOCUMENT))


@pytest.mark.parametrize("source", ["FROM logs-*,-logs-azure.signinlogs-*", "FROM other:logs-*", "ROW a = 1"])
def test_what_does_not_read_plain_indices_fails(source: str) -> None:
    with pytest.raises(NotImplementedError):
        by_the_lowering(source, told(DOCUMENT))


def test_distinct_values_above_the_precision_are_no_number_of_ours() -> None:
    with pytest.raises(duckdb.InvalidInputException, match="COUNT_DISTINCT above 1"):
        by_the_lowering(text_of("| STATS n = COUNT_DISTINCT(LIST, 1) BY CODE"), told(DOCUMENT))


_BY_CODE, _FILTERED, _, _EXPANDED = list(COMMANDS)[:4]
#: what is replaced in the lowered text, and what must tell of it
FAULTS: dict[str, tuple[str, str, str]] = {
    "the first of several": (r"\bone\(", "list_first(", 'LIST == "b"'),
    "LIKE without case": (" LIKE ", " ILIKE ", 'TEXT LIKE "abc*"'),
    "wildcards of SQL": (
        r"LIKE (CAST\(\S+ AS VARCHAR\)) ESCAPE '!'", r"LIKE replace(\1, '!', '')", 'TEXT LIKE "A__??"',
    ),
    "RLIKE of a part": ("regexp_full_match", "regexp_matches", 'TEXT RLIKE "bC"'),
    "two values of truth": (r"\(NOT ", "(NOT TRUE IS NOT DISTINCT FROM ", 'NOT (NONE == "x")'),
    "no COALESCE": (r"coalesce\(", "nullif(", 'NOT COALESCE(NONE == "x", false)'),
    "null is equal to null": (r"\) = ", ") IS NOT DISTINCT FROM ", 'NONE == "x"'),
    "brackets dropped": (
        r"\(\(\((.*?)\) or \((.*?)\)\) and", r"((\1) or (\2) and", '(CODE == 7 OR CODE == 8) AND TEXT == "x"',
    ),
    "no filter of an aggregate": (r"FILTER \(WHERE \(", "FILTER (WHERE (TRUE OR ", _FILTERED),
    "halves of whole numbers": ("//", "/", "CODE / 2"),
    "longer steps of time": (r"time_bucket\(", "time_bucket(10 * ", "DATE_TRUNC(15 minutes, TIME)"),
    "VALUES twice": (r"list_distinct\(", "list_sort(", "MV_DEDUPE(LIST)"),
    "no row for an empty list": (r"unnest\(coalesce\((.*?), \[NULL\]\)\)", r"unnest(\1)", _EXPANDED),
    "rows for values": (r"sum\(len\(", "count((", _BY_CODE),
    "networks without an end": (
        r"BETWEEN (CAST\(\S+ AS VARCHAR\)) AND (CAST\(\S+ AS VARCHAR\))", r">= \1 AND \2 IS NOT NULL",
        'CIDR_MATCH(IP, "198.51.100.0/30")',
    ),
    "upper case": (r"\bfolded\(", "upper(", "TO_LOWER(TEXT)"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_the_documentation_tells_of_a_fault_of_the_lowering(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pattern, planted, told_by = FAULTS[fault]
    text, given_, expected = _expected(told_by)
    sound = esql_duckdb.Lowering.lowered
    monkeypatch.setattr(esql_duckdb.Lowering, "lowered", lambda self, tree: re.sub(pattern, planted, sound(self, tree)))
    (found,) = lowered(text, given_)
    assert _differs(found, expected)
