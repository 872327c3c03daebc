"""What ES|QL's expressions need beside DuckDB's own functions, as macros: lists, case, and addresses.

An address is the 32 hexadecimal digits of its sixteen bytes, an IPv4 one mapped, as Lucene keeps it: so they order and
so they fall into networks. https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/ip
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_QUAD = rf"{_BYTE}(?:\.{_BYTE}){{3}}"
_HALF = "(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)?"
_MAPPED = "00000000000000000000ffff"
#: what case does not tell apart: letters, and what may stand between them and a sigma
_LETTERS, _BETWEEN = r"\p{Lu}\p{Ll}\p{Lt}", r"\x27.:\x{b7}\x{2019}\p{M}\p{Lm}\p{Sk}\p{Cf}"

#: name and parameters → body; each may use those before it
_MACROS = {
    # a cell of several values is no single value
    "one(x)": "CASE WHEN len(x) = 1 THEN x[1] END",
    "cell(x)": "nullif(list_filter(x, lambda y: y IS NOT NULL), [])",
    # Java's lower case; DuckDB's, letter by letter, misses the sigma at a word's end and the letter that becomes two
    "folded(x)": "CASE WHEN strlen(x) = length(x) THEN lower(x) ELSE "
    rf"lower(replace(regexp_replace(x, '([{_LETTERS}][{_BETWEEN}]*)Σ([{_BETWEEN}]*(?:$|[^{_LETTERS}{_BETWEEN}]))', "
    r"'\1ς\2', 'g'), 'İ', 'i̇')) END",
    "joined(x, y)": "coalesce(list_aggregate(x, 'string_agg', y), '')",
    "quad_digits(t)": f"CASE WHEN regexp_full_match(t, '{_QUAD}') THEN "
    "joined(list_transform(string_split(t, '.'), lambda b: printf('%02x', CAST(b AS INTEGER))), '') END",
    # an IPv6 address may end in an IPv4 one; `list_transform([x], …)[1]` names x, which would be written out each time
    "without_quad(t)": f"list_transform([quad_digits(regexp_extract(t, ':({_QUAD})$', 1))], lambda q: "
    "CASE WHEN q IS NULL THEN t ELSE regexp_extract(t, '^.*:') || q[1:4] || ':' || q[5:8] END)[1]",
    "padded(t)": "joined(list_transform(string_split(t, ':'), "
    "lambda g: CASE g WHEN '' THEN '' ELSE lpad(g, 4, '0') END), '')",
    "filled(t)": "list_transform([list_transform(string_split(t, '::'), lambda h: padded(h))], lambda p: "
    "CASE WHEN len(p) = 1 AND strlen(p[1]) = 32 THEN p[1] WHEN len(p) = 2 AND strlen(p[1]) + strlen(p[2]) < 32 "
    "THEN rpad(p[1], 32 - CAST(strlen(p[2]) AS INTEGER), '0') || p[2] END)[1]",
    "six_digits(t)": "list_transform([without_quad(lower(t))], lambda s: "
    f"CASE WHEN regexp_full_match(s, '{_HALF}|{_HALF}::{_HALF}') THEN filled(s) END)[1]",
    "to_ip(t)": f"coalesce('{_MAPPED}' || quad_digits(t), six_digits(t))",
    # runs of groups that are zero, the longest first: how many, where it begins, how long as text
    "zeros(t)": "list_sort(list_transform(regexp_extract_all(t, '(?:^|:)0(?::0)+(?::|$)'), "
    "lambda z: [-strlen(replace(z, ':', '')), instr(t, z), -strlen(z)]))",
    # the longest is left out, of equal ones the first (RFC 5952)
    "short(t)": "list_transform([zeros(t)[1]], lambda z: "
    "CASE WHEN z IS NULL THEN t ELSE left(t, z[2] - 1) || '::' || substr(t, z[2] - z[3]) END)[1]",
    "six_text(x)": "list_transform([joined(list_transform(range(1, 32, 4), "
    "lambda i: coalesce(nullif(ltrim(substr(x, i, 4), '0'), ''), '0')), ':')], lambda t: short(t))[1]",
    "quad_text(x)": "joined(list_transform(range(25, 32, 2), "
    "lambda i: CAST(CAST('0x' || substr(x, i, 2) AS INTEGER) AS VARCHAR)), '.')",
    "ip_text(x)": "CASE WHEN x IS NULL THEN NULL "
    f"WHEN starts_with(x, '{_MAPPED}') THEN quad_text(x) ELSE six_text(x) END",
}


def packed(address: Any) -> str:
    """An address as the lowering holds it."""
    return (_MAPPED if address.version == 4 else "") + str(address.packed.hex())


def unpacked(digits: str) -> Any:
    """The address."""
    address = ipaddress.IPv6Address(bytes.fromhex(digits))
    return address.ipv4_mapped or address


def prepare(connection: DuckDBPyConnection) -> None:
    """The helpers that the expressions call."""
    for head, body in _MACROS.items():
        connection.execute(f"CREATE MACRO {head} AS {body}")
