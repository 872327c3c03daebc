"""Networks and addresses in them and around them: told by hand, and random ones in all spellings of RFC 4291."""

from __future__ import annotations

import ipaddress
import random
from itertools import combinations
from typing import TYPE_CHECKING, Any, Union

from entrawatch.rules import ir

if TYPE_CHECKING:
    from collections.abc import Iterable

ADDRESS = ir.FieldRef("ipAddress", "address")
#: network → addresses that lie in it, and others
EDGES: dict[str, tuple[str, str]] = {
    "10.0.0.0/8": (
        """10.0.0.0 10.255.255.255 10.9.8.7 ::ffff:10.0.0.1 ::FFFF:10.0.0.1 0:0:0:0:0:ffff:a00:1 ::ffff:aff:ffff
        0000:0000:0000:0000:0000:ffff:0a00:0000 0:0:0:0:0:ffff:a00::""",
        """9.255.255.255 11.0.0.0 100.0.0.0 1.0.0.0 110.0.0.0 ::10.0.0.1 ::a00:1 ::ffff:0:10.0.0.1 ::ffff:9ff:ffff
        ::ffff:b00:0 1::ffff:10.0.0.1 64:ff9b::10.0.0.1 a00:: ::1""",
    ),
    "10.0.0.0/9": (
        "10.0.0.0 10.127.255.255 10.99.0.1 10.100.0.1 10.9.0.1 ::ffff:a7f:ffff",
        "9.255.255.255 10.128.0.0 10.200.0.1 10.255.255.255 ::ffff:a80:0",
    ),
    "172.16.0.0/12": ("172.16.0.0 172.20.1.1 172.31.255.255", "172.15.255.255 172.32.0.0 172.160.0.0 17.216.0.0"),
    "192.0.2.128/25": ("192.0.2.128 192.0.2.255 ::ffff:c000:280", "192.0.2.127 192.0.3.128 192.0.2.0 192.0.3.0"),
    "192.0.2.6/31": ("192.0.2.6 192.0.2.7", "192.0.2.5 192.0.2.8 192.0.2.60 192.0.2.66"),
    "192.0.2.7/32": ("192.0.2.7 ::ffff:192.0.2.7 ::ffff:c000:207", "192.0.2.6 192.0.2.8 192.0.2.70 92.0.2.7"),
    "128.0.0.0/1": ("128.0.0.0 255.255.255.255 199.0.0.1", "127.255.255.255 0.0.0.0 12.8.0.0"),
    "0.0.0.0/0": (
        "0.0.0.0 255.255.255.255 198.51.100.7 ::ffff:0.0.0.0 ::ffff:0:0 0:0:0:0:0:ffff:: 0:0:0:0:0:ffff::1",
        ":: ::1 ::0.0.0.1 2001:db8::1 ::fffe:ffff:ffff ::1:0:0:0 ::ffff",
    ),
    "0.0.0.0/8": ("0.0.0.0 0.255.255.255 ::ffff:ff:ffff 0:0:0:0:0:ffff::5", "1.0.0.0 :: ::ffff:100:0 ::ffff"),
    "2001:db8::/32": (
        "2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff 2001:DB8::1 2001:0DB8::1 2001:db8::198.51.100.7",
        "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff 2001:db9:: 2001::db8 201:db8::1 ::2001:db8 198.51.100.7",
    ),
    "2001:db8::/64": (
        """2001:db8:: 2001:db8:0:0:ffff:ffff:ffff:ffff 2001:db8:0:0::1 2001:db8::1:2:3:4 2001:db8:0::1
        2001:db8::0:1:2:3:4 2001:0db8:0000:0000:0000:0000:0000:0001 2001:db8::1:2:10.0.0.1""",
        "2001:db8:0:1:: 2001:db8:1:: 2001:db7:ffff:ffff:ffff:ffff:ffff:ffff 2001:db8::1:0:0:0:1 2001:db8::1:1:2:3:4",
    ),
    "2001:db8:1:2::/64": ("2001:db8:1:2:: 2001:db8:1:2:3:4:5:6", "2001:db8:1:3:: 2001:db8::1:2 2001:db8:1:20::"),
    "2001:db8::7/128": ("2001:db8::7 2001:db8:0:0::0:7 2001:DB8::0.0.0.7", "2001:db8::6 2001:db8::8 2001:db8::7:0"),
    "2001:db8:0:1::1/128": ("2001:db8:0:1::1 2001:db8::1:0:0:0:1", "2001:db8::1:1 2001:db8:1::1 2001:db8:0:0:1::1"),
    "::1/128": ("::1 0:0:0:0:0:0:0:1 0::1 ::0001 ::0:1 ::0.0.0.1", ":: ::2 1:: ::1:0 1::1 ::11 0.0.0.1 ::ffff:0.0.0.1"),
    "::/128": (":: 0:0:0:0:0:0:0:0 0:: ::0.0.0.0", "::1 0.0.0.0 ::ffff:0:0 1::"),
    "fe80::/10": (
        "fe80:: FE80::1 febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff fec0:: fe8:: ::fe80 fe80::1%eth0",
    ),
    "fc00::/7": ("fc00:: fdff:ffff::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff fe00:: fc::"),
}  # fmt: skip
#: no addresses, or none that all languages read alike
STRANGE = (
    None, "", "no address", "10.0.0.0/8", "10.0.0", "10.0.0.1.2", "10.0.0.256", "010.0.0.1", "10.0.0.01", "10",
    "0xa000001", "167772161", "10.0.0.", "{ipAddress}", "2001:db8::/32", "2001:db8", "2001:db8:1", "2001:db8::1::2",
    "2001:db8::12345", "2001:db8:1:2:3:4:5:6:7", "2001:db8::g", "fe80::1%eth0", "2001:db8::1%", "0:1", ":", ":::", "1:",
    ":::1", "::ffff:10.0.0.256", "::ffff:10.0.0.01", "::ffff:10.0.0", "1::ffff:10.0.0.1.2",
)  # fmt: skip
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
_MAPPED = ipaddress.ip_network("::ffff:0:0/96")
_GROUPS = (0, 0, 0, 1, 0xFFFF, 0x2001, 0xDB8, 0xA00)


def records(addresses: Iterable[Any]) -> list[tuple[str, dict[str, Any]]]:
    """Sign-ins from there, called r0, r1, ..."""
    time = "2026-01-07T09:00:00Z"
    return [
        ("interactive", {"id": f"r{n}", "createdDateTime": time, "ipAddress": one}) for n, one in enumerate(addresses)
    ]


def all_addresses() -> list[Any]:
    """Those of the table, and what is none."""
    return [*dict.fromkeys(one for cell in EDGES.values() for told in cell for one in told.split()), *STRANGE]


def all_predicates() -> list[ir.Predicate]:
    """Each network of the table, none of it, two of them."""
    one = [ir.InNetwork(ADDRESS, (network,)) for network in EDGES]
    two = [ir.InNetwork(ADDRESS, networks) for networks in combinations(list(EDGES)[::4], 2)]
    return [*one, *map(ir.Not, one), *two, ir.InNetwork(ADDRESS, ("::1/128", "::/128")), ir.InNetwork(ADDRESS, ())]


def random_networks(seed: int, count: int) -> tuple[list[ir.Predicate], list[str]]:
    """Networks, of IPv6 those that SQL and KQL can say, and addresses in them, at their ends and beside them."""
    chance, predicates, addresses = random.Random(seed), list[ir.Predicate](), list[str]()
    while len(predicates) < count:
        network = _network(chance)
        if not network.overlaps(_MAPPED):
            predicates.append(ir.InNetwork(ADDRESS, (str(network),)))
            addresses += [spelled(_near(network, chance), chance) for _ in range(4)]
    return predicates, addresses


def _network(chance: random.Random) -> Network:
    if chance.random() < 0.5:
        value = chance.choice(
            [0, 0x0A000000, 0xAC100000, 0xFFFFFFFF, chance.getrandbits(32), chance.getrandbits(8) << 16]
        )
        return ipaddress.IPv4Network((value, chance.randint(0, 32)), strict=False)
    value = sum(chance.choice([*_GROUPS, chance.getrandbits(16)]) << 16 * place for place in range(8))
    return ipaddress.IPv6Network((value, chance.choice([128, chance.randint(0, 64)])), strict=False)


def _near(network: Network, chance: random.Random) -> int:
    """An address as 128 bits."""
    first, last = int(network[0]), int(network[-1])
    zeros = chance.randint(first, last) >> chance.randrange(network.max_prefixlen)
    value: int = chance.choice([first, last, first - 1, last + 1, chance.randint(first, last), first | zeros])
    return value % 2**network.max_prefixlen + (0xFFFF << 32 if network.version == 4 else 0)


def spelled(value: int, chance: random.Random) -> str:
    """One of the ways to write an address of 128 bits; those of IPv4 are mostly dotted."""
    if value >> 32 == 0xFFFF and chance.random() < 0.6:
        return str(ipaddress.IPv4Address(value & 0xFFFFFFFF))
    groups = [f"{value >> 16 * place & 0xFFFF:x}".zfill(chance.choice([1, 1, 2, 3, 4])) for place in reversed(range(8))]
    if chance.random() < 0.3:
        groups[6:] = [str(ipaddress.IPv4Address(value & 0xFFFFFFFF))]
    zeros = [
        (left, right)
        for left, right in combinations(range(len(groups) + 1), 2)
        if not "".join(groups[left:right]).strip("0")
    ]
    text = ":".join(groups)
    if zeros and chance.random() < 0.8:
        left, right = chance.choice(zeros)
        text = f"{':'.join(groups[:left])}::{':'.join(groups[right:])}"
    return text.upper() if chance.random() < 0.3 else text
