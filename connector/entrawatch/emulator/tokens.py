"""Skip tokens: opaque names of a position in a walk through the pages, which expire."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

from entrawatch.emulator.answers import RefusedError

if TYPE_CHECKING:
    from entrawatch.interfaces import Clock

#: walks that are remembered; the oldest is forgotten, as an expired one is
_MOST = 100_000


@dataclass(frozen=True)
class Position:
    """Where a walk goes on.

    :param seen: the moment (ticks) whose state the walk shows, so that late arrivals do not shift its pages.
    :param after: time and place of the last row given, None at the start.
    :param skip: rows given so far: what a walk counts that does let arrivals shift its pages.
    :param page: number of the page, from 0.
    """

    seen: int
    after: Optional[tuple[int, int]] = None
    skip: int = 0
    page: int = 0


def expired() -> RefusedError:
    """What an old token is answered with (msgraph-sdk-powershell issue 451)."""
    return RefusedError(400, "BadRequest", "Token not found: token is either invalid or expired")


def null_token() -> RefusedError:
    """What an empty token is answered with (msgraph-sdk-powershell issue 1388)."""
    return RefusedError(400, "UnknownError", "Invalid Skip Token, skip token is null")


class SkipTokens:
    """The tokens in use.

    :param lifetime: seconds a token is good for; None for ever.
    :param uses: times it may be used; None for any number.
    """

    def __init__(self, clock: Clock, lifetime: Optional[float], uses: Optional[int]) -> None:
        self._clock, self._lifetime, self._uses = clock, lifetime, uses
        self._known: dict[str, tuple[Position, float, int]] = {}
        self._lock = threading.Lock()

    def issue(self, position: Position) -> str:
        """A new token; its look is Graph's: 32 hexadecimal digits and the page's number."""
        token = f"{secrets.token_hex(16)}_{position.page}"
        with self._lock:
            self._known[token] = (position, self._clock.monotonic(), 0)
            if len(self._known) > _MOST:
                self._known.pop(next(iter(self._known)))
        return token

    def redeem(self, token: str) -> Position:
        """The position a token names.

        :raises RefusedError: it is empty, unknown, too old or used up.
        """
        if not token:
            raise null_token()
        with self._lock:
            position, issued, used = self._known.get(token, (None, 0.0, 0))
            if position is None or self._is_over(issued, used):
                raise expired()
            self._known[token] = (position, issued, used + 1)
        return position

    def _is_over(self, issued: float, used: int) -> bool:
        too_old = self._lifetime is not None and self._clock.monotonic() - issued > self._lifetime
        return too_old or (self._uses is not None and used >= self._uses)
