"""Every error the product raises; the class says what the caller does next.

::

    EntrawatchError
    ├── ConfigError            exit 2: the person changes the configuration or the command line
    ├── StateError             exit 3: the state on disk cannot be read; stop, never start anew
    ├── RecordError            the record goes to the dead letter; the run goes on
    ├── SourceError            exit 3 when it ends a run
    │   ├── TransientError     read the same window again after a pause
    │   │   └── ThrottledError the same, after `retry_after` seconds, for every stream of the app and tenant
    │   ├── ReadAgainError     the position inside the window is lost (skip token): read the window from its start
    │   ├── WindowTooLargeError  the window cannot be read whole: bisect it
    │   ├── UnreachableRangeError  the source no longer holds the range: record a gap, go on behind it
    │   ├── DegradedError      this stream cannot be read now (licence, permission): others go on, try again later
    │   └── AuthError          no stream of this tenant can be read until the person mends the credential
    ├── SinkError              exit 3 when it ends a run
    │   ├── SinkUnavailableError  the batch was not stored, the same batch may be sent again
    │   └── SinkRefusedError   the sink refuses us altogether (credential, index): the person mends it
    └── TargetError            exit 3: a product that rules are deployed to refuses, or does not answer

Messages are one line: where, what, what to do next. No message carries a secret, a token or a request body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class EntrawatchError(Exception):
    """The root: catch it at the command line and nowhere else."""

    exit_code = 3


class ConfigError(EntrawatchError):
    """All faults of a configuration at once, each "where: what; what to do".

    :param faults: one line a fault; at least one.
    """

    exit_code = 2

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class StateError(EntrawatchError):
    """State on disk that cannot be read or written. It is never taken for empty."""


class StateHeldError(StateError):
    """Another process, a running connector as a rule, has the state open."""


class RecordError(EntrawatchError):
    """One record that cannot become an event.

    :param reason: what is wrong with it, in words.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class SourceError(EntrawatchError):
    """Something on the way from Graph."""


class TransientError(SourceError):
    """It may go well next time: network, time-out, 5xx."""


class ThrottledError(TransientError):
    """The source asks for a pause.

    :param retry_after: seconds to wait; None where the source did not say.
    """

    def __init__(self, message: str, retry_after: Optional[float] = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class ReadAgainError(SourceError):
    """The walk through the pages broke; the window must be read again from its start."""


class WindowTooLargeError(SourceError):
    """The window times out or has no end of pages; a smaller one may do."""


class UnreachableRangeError(SourceError):
    """The source no longer holds this range.

    :param oldest: the earliest time the source still answers for, where it is known.
    """

    def __init__(self, message: str, oldest: Optional[datetime] = None) -> None:
        self.oldest = oldest
        super().__init__(message)


class DegradedError(SourceError):
    """One stream cannot be read now; the message says which permission, role or licence is missing."""


class AuthError(SourceError):
    """No token for this tenant."""


class SinkError(EntrawatchError):
    """Something on the way to a sink."""


class SinkUnavailableError(SinkError):
    """Nothing of the batch counts as stored; send it again later.

    :param retry_after: seconds the sink asked for, if it did.
    """

    def __init__(self, message: str, retry_after: Optional[float] = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class SinkRefusedError(SinkError):
    """The sink refuses the connector itself: sending again will not help."""


class TargetError(EntrawatchError):
    """A product that rules are deployed to refuses us or one object, or does not answer.

    :param status: the HTTP status it answered with; 0 where it did not.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)
