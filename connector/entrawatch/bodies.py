"""An HTTP answer's body, read within a bound of bytes and of time, whatever the server does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional

import requests
from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError, ReadTimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 64 * 1024


def read(response: requests.Response, largest: int, seconds: float, monotonic: Callable[[], float]) -> Optional[bytes]:
    """The body, None when it is longer than `largest` bytes.

    :param response: one asked for with `stream=True`.
    :param seconds: what the whole body may take. A socket's own time-out begins anew with each byte that trickles in.
    :raises requests.RequestException: it took longer, or broke off.
    """
    until = monotonic() + seconds
    parts, length = [], 0
    try:
        for part in _pieces(response):
            length += len(part)
            if length > largest:
                return None
            if monotonic() > until:
                raise requests.Timeout
            parts.append(part)
    except ReadTimeoutError:
        raise requests.Timeout from None
    except HTTPError as error:
        raise requests.ConnectionError(error) from error
    return b"".join(parts)


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """What has arrived, piece by piece; `iter_content` would wait until a whole piece has.

    urllib3 before version 2 can only do that: there a trickle is noticed once in a kilobyte.
    """
    raw = response.raw
    if not (isinstance(raw, HTTPResponse) and hasattr(raw, "read1")):
        yield from response.iter_content(1024)
        return
    while part := raw.read1(_CHUNK, decode_content=True):
        yield part
