"""Chance that can be repeated: the same seed gives the same draws on every Python.

`random.Random` keeps `random()` and `getrandbits()` the same from version to version and changes the rest (`shuffle`,
`randrange`, `choice`) now and then, so only those two are used.
"""

from __future__ import annotations

import random
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")
_MASK = (1 << 64) - 1


def mix(*parts: int) -> int:
    """A 64-bit number that depends on all parts and looks like none of them: what is fixed for a user or a day.

    The multipliers are SplitMix64's (https://prng.di.unimi.it/splitmix64.c).
    """
    state = 0x9E3779B97F4A7C15
    for part in parts:
        state = (state ^ part) * 0xBF58476D1CE4E5B9 & _MASK
        state ^= state >> 29
    state = state * 0x94D049BB133111EB & _MASK
    return state ^ state >> 32


def guid_of(number: int) -> str:
    """A version 4 GUID made from 128 bits."""
    text = f"{number & ((1 << 128) - 1):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def fixed_guid(*parts: int) -> str:
    """The GUID that belongs to these numbers."""
    first = mix(*parts)
    return guid_of(first << 64 | mix(first))


class Dice:
    """Draws from one named place (a seed, a stream, a time slice), independent of all other places."""

    def __init__(self, *place: object) -> None:
        self._random = random.Random("/".join(str(part) for part in place))  # noqa: S311 - play, not secrets
        self.random = self._random.random
        self.bits = self._random.getrandbits

    def below(self, end: int) -> int:
        """A whole number of [0, end)."""
        return int(self.random() * end)

    def between(self, low: float, high: float) -> float:
        """A number of [low, high)."""
        return low + self.random() * (high - low)

    def chance(self, share: float) -> bool:
        """True in `share` of all draws."""
        return self.random() < share

    def pick(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[int(self.random() * len(choices))]

    def count(self, expected: float) -> int:
        """A whole number whose mean is `expected`, spread by a quarter."""
        return int(expected * (0.75 + 0.5 * self.random()) + self.random())

    def guid(self) -> str:
        """A new GUID."""
        return guid_of(self.bits(128))

    def token(self) -> str:
        """A new token identifier: 22 letters and digits."""
        return urlsafe_b64encode(self.bits(128).to_bytes(16, "big"))[:22].decode()
