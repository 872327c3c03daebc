"""In what steps a window moves, where a Sigma rule cannot say it."""

from __future__ import annotations

from datetime import timedelta

_MINUTE = timedelta(minutes=1)


def step_of(length: timedelta) -> timedelta:
    """W/12 in whole minutes, at least five, and a whole part of W.

    :param length: W, in whole minutes, at least five.
    """
    minutes = length // _MINUTE
    return next(step for step in range(max(5, minutes // 12), minutes + 1) if minutes % step == 0) * _MINUTE
