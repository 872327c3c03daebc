"""Networks in KQL: `ipv6_is_match` knows IPv4, too, also as `::ffff:10.0.0.1`, and is null for what is no address.

https://learn.microsoft.com/kusto/query/ipv6-is-match-function
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from entrawatch.dialects.base import Unsupported
from entrawatch.dialects.kql_text import pattern, quoted
from entrawatch.dialects.networks import patterns

if TYPE_CHECKING:
    from entrawatch.rules import ir

#: what all languages take for an address; `ipv6_is_match` takes a prefix, a scope, spaces and zeros in front, too
_ADDRESS = "(?i)^(([0-9a-f:]*[1-9a-f][0-9a-f:]*:)?(0|[1-9][0-9]*)([.](0|[1-9][0-9]*)){3}|[0-9a-f:]*:[0-9a-f:]*)$"
#: where `::10.0.0.1` lies, which the documentation calls now an IPv4 address and now one of IPv6
_UNTOLD = ip_network("::/96")


def tests(node: ir.InNetwork, item: str) -> list[list[str]]:
    """Groups of tests of a text, of which one group must hold in all its tests.

    :raises Unsupported: a network's meaning is told nowhere.
    """
    untold = [one for one in node.networks if ip_network(one).overlaps(_UNTOLD)]
    if wide := next((one for one in untold if ip_network(one).num_addresses > 1), None):
        raise Unsupported(node, f"what KQL makes of ::10.0.0.1, in {wide}, is told nowhere: write single addresses")
    told = [f"coalesce(ipv6_is_match({item}, {quoted(one)}), false)" for one in node.networks if one not in untold]
    shaped = f"{item} matches regex {pattern(_ADDRESS)}"
    found = [[shaped, told[0] if len(told) == 1 else f"({' or '.join(told)})"]] if told else []
    return found + [_spelt(item, one) for one in untold]


def _spelt(item: str, address: str) -> list[str]:
    """One address by its spellings, which are those of others, too, in what is no address."""
    spellings = pattern(f"(?i){'|'.join(patterns(address))}")
    return [f"isnotempty(parse_ipv6({item}))", f'not({item} contains ":::")', f"{item} matches regex {spellings}"]
