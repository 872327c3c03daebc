"""How patient the loop is: every number of times and seconds that decides when it tries again or gives up."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Optional

_CHANCE = Random()  # noqa: S311 - jitter, not a secret


@dataclass(frozen=True)
class Policy:
    """Patience; times in seconds.

    :param pause: first pause after a failure; it doubles with each further one.
    :param pause_limit: longest pause between two tries of a read.
    :param read_tries: times a window is tried before it is bisected.
    :param half_tries: the same for the parts of a bisected window: the fault has shown itself already.
    :param least: windows this short are not bisected.
    :param least_tries: times such a window is tried before its neighbourhood is asked whether the source works at all.
    :param outage_limit: longest pause of a stream whose source answers nothing.
    :param degraded_pause: first pause of a stream without permission or licence; doubles up to `degraded_limit`.
    :param auth_pause: pause of a tenant without a token; doubles up to `degraded_limit`.
    :param sink_tries: times a batch is tried in place when other sinks wait for this one.
    :param sink_limit: longest pause between two tries of a batch.
    :param asked_limit: longest pause that is kept because a sink or the source asked for it.
    :param once_failures: failures in a row of a stream or a sink that end it in a run with `once`.
    :param margin: how long past its last read an entry is remembered.
    """

    pause: float = 1.0
    pause_limit: float = 60.0
    read_tries: int = 5
    half_tries: int = 2
    least: int = 1
    least_tries: int = 4
    outage_limit: float = 300.0
    degraded_pause: float = 60.0
    degraded_limit: float = 3600.0
    auth_pause: float = 60.0
    sink_tries: int = 3
    sink_limit: float = 120.0
    asked_limit: float = 3600.0
    once_failures: int = 4
    margin: int = 3600

    def wait(self, failures: int, limit: float, first: float = 0.0, asked: Optional[float] = None) -> float:
        """Seconds to wait after so many failures in a row: doubled, jittered by half, not less than asked for."""
        doubled = min(limit, (first or self.pause) * 2.0 ** min(failures - 1, 30))
        return max(doubled * _CHANCE.uniform(0.5, 1.0), min(asked or 0.0, self.asked_limit))
