"""What the tenant generator gives and the emulator serves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from datetime import datetime

    from entrawatch.interfaces import Record


@dataclass(frozen=True)
class Label:
    """What a record is evidence of.

    :param scenario: slug of the rule, e.g. "password-spray".
    :param case: "match", or the near miss's name, e.g. "one-user-short".
    :param group: records of one story share it.
    :param keys: for a match, the finding's keys in the rule's order; empty for a near miss.
    """

    scenario: str
    case: str
    group: str
    keys: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Emitted:
    """One record of the synthetic tenant as Graph's beta version shows it.

    A later one of the same stream and id replaces it from its `arrives` on: that is how records change after the
    fact.

    :param stream: name in the stream table.
    :param record: the Graph resource.
    :param arrives: from when on Graph shows it, never before the record's own time.
    """

    stream: str
    record: Record
    arrives: datetime
    label: Optional[Label] = None
