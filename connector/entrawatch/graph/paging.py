"""The walk through a window's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from entrawatch.errors import DegradedError, ReadAgainError, WindowTooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrawatch.graph.client import GraphClient
    from entrawatch.graph.policy import Ask

#: pages of one walk; at the reporting budget 500 take a quarter of an hour, half a million records
MOST_PAGES = 500


def walk(client: GraphClient, url: str, ask: Ask, most: int = MOST_PAGES) -> Iterator[list[Any]]:
    """The `value` of each page, empty ones too, until a page has no nextLink.

    The whole nextLink is followed as it came (relative ones from the page they stand on).

    :raises WindowTooLargeError: there are more than `most` pages.
    :raises ReadAgainError: a link came twice: the walk would never end.
    :raises DegradedError: a link leads to another host, where the token is not sent.
    :raises SourceError: as the policy's table says.
    """
    seen: set[str] = set()
    for _ in range(most):
        seen.add(url)
        page = client.page(url, ask)
        yield page["value"]
        link = page.get("@odata.nextLink")
        if not link:
            return
        url = urljoin(url, str(link))
        _check(client, url, ask, seen)
    raise WindowTooLargeError(f"{ask.what}: more than {most} pages; a smaller window is read")


def _check(client: GraphClient, url: str, ask: Ask, seen: set[str]) -> None:
    if not client.same_host(url):
        raise DegradedError(
            f"{ask.what}: a nextLink leads to another host, the token is not sent there; check graph.url"
        )
    if url in seen:
        raise ReadAgainError(f"{ask.what}: the same nextLink came twice; the window is read again")
