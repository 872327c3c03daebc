"""Networks where a language has no exact test of its own: regular expressions over the texts of their addresses.

SQL engines have no address type in common. The expressions use what DuckDB and PostgreSQL read alike: sets, groups,
counts, and `[.]` for a dot, never a backslash. They tell addresses from each other, and not from other texts: a column
of addresses is empty where the record has none (`normalize.values.address`). IPv6 may be written with zeros in front,
with `::` and with an IPv4 tail, and `::ffff:10.0.0.1` is 10.0.0.1 (RFC 4291, sections 2.2 and 2.5.5.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from ipaddress import IPv6Network

_BYTE = "[0-9]{1,3}"
_GROUP = "[0-9a-f]{1,4}"
_ZERO = "0{1,4}"
#: an IPv4 tail whose numbers do not matter
_TAIL = "[0-9.]+[.][0-9]+"
_HEX = "0123456789abcdef"
_AGAIN = re.compile(r"(?:\[0-9a-f]){2,}(?!\?)")
#: bits of an IPv6 network; beyond, what `::` leaves out is too much to write in a readable text
LONGEST = 64


def patterns(cidr: str) -> list[str]:
    """Regular expressions of which one matches an address, in lower case, if it lies in the network.

    :raises ValueError: it is no network, or one of IPv6 with more than LONGEST bits that is no single address.
    """
    network = ip_network(cidr)
    ways = _ipv4(network) if isinstance(network, IPv4Network) else _ipv6(network)
    return [f"^{way}" for way in ways]


def both(cidr: str) -> list[str]:
    """The network and, of one of IPv4, the same as IPv6 has it.

    :raises ValueError: it is no network.
    """
    network = ip_network(cidr)
    first = int(network.network_address)
    mapped = [f"::ffff:{first >> 16:x}:{first & 0xFFFF:x}/{96 + network.prefixlen}"] if network.version == 4 else []
    return [cidr, *mapped]


# --- IPv4 -------------------------------------------------------------------------------------------------------------


def _ipv4(network: IPv4Network) -> Iterator[str]:
    """Dotted, alone or as the tail of an IPv6 address, or there as two groups."""
    value, bits = int(network.network_address), network.prefixlen
    first, second = _group(value >> 16, bits), _group(value & 0xFFFF, bits - 16)
    yield f"([0:]*:ffff:)?{_dotted(network)}$"
    # what is zero at the end may be left out, too, where nothing is in front
    left_out = [f"{first.text}::"] * second.zero + [f":{second.text}"] * first.zero + [":"] * (first.zero & second.zero)
    rarely = f"|^({_ZERO}:){{5}}ffff:({'|'.join(left_out)})$" if left_out else ""
    yield f"[0:]*:ffff:{first.text}:{second.text}${rarely}"


def _dotted(network: IPv4Network) -> str:
    """The addresses of a network in dots."""
    told = [_numbers(*ends) for ends in zip(network.network_address.packed, network.broadcast_address.packed)]
    fixed = [text for text in told if text != _BYTE]
    free = 4 - len(fixed)
    if free < 2:
        return "[.]".join([*fixed, _BYTE][:4])
    return "[.]".join(fixed or [_BYTE]) + f"([.]{_BYTE}){{{min(free, 3)}}}"


def _numbers(low: int, high: int) -> str:
    """The numbers from one to the other in decimal: `(1[6-9]|2[0-9]|3[0-1])`."""
    if (low, high) == (0, 255):
        return _BYTE
    tens = [(ten, max(low - ten * 10, 0), min(high - ten * 10, 9)) for ten in range(low // 10, high // 10 + 1)]
    parts = []
    for (hundreds, _, first, last), group in groupby(tens, lambda one: (one[0] // 10, one[0] == 0, *one[1:])):
        front = [ten % 10 for ten, *_ in group]
        shown = _digit(front[0], front[-1]) if hundreds or front[0] else ""
        parts.append(f"{hundreds or ''}{shown}{_digit(first, last)}")
    return parts[0] if len(parts) == 1 else f"({'|'.join(parts)})"


def _digit(low: int, high: int) -> str:
    """The digits, hexadecimal or decimal, from one to the other."""
    if low == high:
        return _HEX[low]
    if high < 10 or low > 9:
        return f"[{_HEX[low]}-{_HEX[high]}]"
    return f"[{_HEX[low]}-9a-{_HEX[high]}]"


# --- IPv6 -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Group:
    """Four hexadecimal digits of an address.

    :param zero: whether they may all be zeros, and so be a part of what `::` stands for.
    """

    text: str
    zero: bool


def _group(value: int, bits: int) -> _Group:
    """The groups that begin with the value's first bits; the zeros in front may be left out."""
    span = 0xFFFF >> max(0, min(bits, 16))
    if span == 0xFFFF:
        return _Group(_GROUP, zero=True)
    low, high = value & ~span, value | span
    if high == 0:
        return _Group(_ZERO, zero=True)
    text, leading = "", True
    for shift in (12, 8, 4, 0):
        leading = leading and low >> shift == 0 and shift > 0
        text += _digit(low >> shift & 15, high >> shift & 15) + ("?" if leading else "")
    return _Group(_AGAIN.sub(lambda found: f"[0-9a-f]{{{len(found[0]) // 8}}}", text), zero=low == 0)


def _ipv6(network: IPv6Network) -> Iterator[str]:
    """An address by itself, or all that begin with the network's groups, of which zeros may be left out."""
    value, bits = int(network.network_address), network.prefixlen
    groups = [_group(value >> 112 - 16 * place & 0xFFFF, bits - 16 * place) for place in range(8)]
    if bits == 128:
        yield from _alone(groups)
        yield from _alone([*groups[:6], _Group(_dotted(IPv4Network(value & 0xFFFFFFFF)), zero=False)])
    elif bits > LONGEST:
        raise ValueError(f"{network} is longer than /{LONGEST}: write the /{LONGEST} around it, or its addresses")
    else:
        told = max(1, -(-bits // 16))
        yield ":".join(group.text for group in groups[:told]) + ":"
        yield from _shortened(groups[:told])


def _alone(groups: Sequence[_Group]) -> Iterator[str]:
    """An address with one of its runs of zeros written in any way: where the rest is fixed, so is the run's length."""
    texts = [group.text for group in groups]
    if not any(group.zero for group in groups):
        yield ":".join(texts) + "$"
    for zero, run in groupby(range(len(groups)), lambda place: groups[place].zero):
        places = list(run)
        if zero:
            front, back = texts[: places[0]], texts[places[-1] + 1 :]
            yield ":".join([*front, "[0:]*" if front or back else "[0:]+", *back]) + "$"


def _shortened(told: Sequence[_Group]) -> Iterator[str]:
    """The ways to write an address with `::` among or right behind these groups; behind them come any."""
    free = 8 - len(told)
    for left in range(len(told)):
        begin = ":".join(group.text for group in told[:left]) + "::"
        if all(group.zero for group in told[left:]):
            most = f"({_GROUP}:){{0,{free - 1}}}({_GROUP})?|({_GROUP}:){{0,{free - 2}}}{_TAIL}"
            yield begin if left + 1 == len(told) else f"{begin}({most})$"
        for right in range(left + 1, len(told)):
            if all(group.zero for group in told[left:right]):
                end = "".join(f"{group.text}:" for group in told[right:])
                yield f"{begin}{end}({_GROUP}:){{{free - 2}}}({_GROUP}:{_GROUP}|{_TAIL})$"
