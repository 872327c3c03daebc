"""`ipv6_is_match` for duckdb-kql, which lacks it: an address against a network, as Microsoft's documentation has it.

That library has measured of `parse_ipv6` on Kusto's emulator that spaces around, a zone and zeros in front of a number
do no harm, and that a prefix behind dots counts the bits of IPv4. The documentation's rows with `::192.168.1.1/30` then
hold where that is an IPv4 address. Texts are read here and not in SQL, which would take minutes.

https://learn.microsoft.com/kusto/query/ipv6-is-match-function
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Optional

import pyarrow as pa
from duckdb_kql import translate

from entrawatch.normalize.values import address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: the table of the texts that are addresses, and of the first and last address there, in 32 hexadecimal digits
READ = "kusto_addresses"


def is_match(one: str, other: str) -> Optional[bool]:
    """Whether two addresses, IPv4 or IPv6, are the same in the bits that the prefixes behind them leave; null where
    one is no address."""
    ends = [_read(text) for text in (one, other)]
    if None in ends:
        return None
    (low, high), (first, last) = ends  # type: ignore[misc]
    return low <= last and first <= high


def _read(text: str) -> Optional[tuple[int, int]]:
    """The ends of a network, as numbers of 128 bits; IPv4 is `::ffff:` of IPv6."""
    host, _, prefix = text.strip().partition("/")
    front, colon, last = host.partition("%")[0].rpartition(":")
    dotted = "." in last
    if dotted:
        last = ".".join(str(int(number)) if number.isdigit() else number for number in last.split("."))
    try:
        value = int(ipaddress.ip_address(front + colon + last))
        bits = int(prefix or (32 if dotted else 128)) + 96 * dotted
    except ValueError:
        return None
    value += 0xFFFF << 32 if dotted and value >> 32 == 0 else 0
    others = (1 << 128 - bits) - 1
    return value & ~others, value | others


def teach() -> None:
    """Let the translator know the function: a look into the table `READ`."""
    translate._SPECIAL_FORMS["ipv6_is_match"] = _call


def _call(node: Any) -> str:
    given, network = node.args
    first, last = map(_digits, _read(network.value) or ())
    found = f"low <= '{last}' AND '{first}' <= high"
    return f"(SELECT {found} FROM {READ} WHERE text = {translate.render_expr(given)})"


def _digits(value: int) -> str:
    return f"{value:032x}"


def table(records: Iterable[Any]) -> pa.Table:
    """The rows of `READ` for the texts of these records, and for what is left of them without a port."""
    texts = {part for text in _texts(list(records)) for part in (text, text.strip(), address(text)[0] or "")}
    read = {text: ends for text in sorted(texts) if (ends := _read(text))}
    named = {"low": [_digits(low) for low, _ in read.values()], "high": [_digits(high) for _, high in read.values()]}
    return pa.table({"text": list(read), **named}, pa.schema([(name, pa.string()) for name in ("text", "low", "high")]))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
