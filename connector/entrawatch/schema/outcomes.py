"""What a sign-in's result code means: success, failure, or an interrupt, which is neither.

An interrupt is a step of a sign-in that goes on (a second factor is asked, consent is asked, "keep me signed in?").
Counting it as a failure makes every normal day a brute force. The table is data beside this module and a person can
give one of their own: the codes' list is Microsoft's workbook of sign-in errors, with 50076, 50079, 50097, 50158, 50203
and 70043 by analogy; the codes after a right password are those of Microsoft's password spray rule
(https://github.com/Azure/Azure-Sentinel/blob/master/Solutions/Microsoft%20Entra%20ID/Analytic%20Rules/SigninPasswordSpray.yaml).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from entrawatch.errors import ConfigError

_HEADER = "code\tkind\tpassword\tmeaning"


@dataclass(frozen=True)
class Outcomes:
    """The table.

    :param interrupts: codes that are neither success nor failure.
    :param verified: codes that are only given when the password was right.
    """

    interrupts: frozenset[int]
    verified: frozenset[int]

    def of(self, code: int) -> str:
        """ECS event.outcome of a code."""
        if code == 0:
            return "success"
        return "unknown" if code in self.interrupts else "failure"


def read_outcomes(text: str, name: str = "outcomes.tsv") -> Outcomes:
    """The table of a text: tabs between code, success, failure or interrupt, yes or nothing, and a meaning.

    :raises ConfigError: with every line that is not so.
    """
    lines = text.splitlines()
    faults = [] if lines[:1] == [_HEADER] else [f"{name}:1: the first line is not {_HEADER!r}; copy the built-in table"]
    interrupts, verified = set(), set()
    for number, line in enumerate(lines[1:], 2):
        code, kind, password, *_ = [*line.split("\t"), "", "", ""]
        if not code.isdecimal() or kind not in ("success", "failure", "interrupt") or password not in ("", "yes"):
            faults.append(f"{name}:{number}: not a code, success/failure/interrupt and yes or nothing: {line!r}")
            continue
        interrupts.update([int(code)] if kind == "interrupt" else [])
        verified.update([int(code)] if password else [])
    if faults:
        raise ConfigError(faults)
    return Outcomes(frozenset(interrupts), frozenset(verified))


OUTCOMES = read_outcomes(Path(__file__).with_name("outcomes.tsv").read_text(encoding="utf-8"))
