"""The search server and clients for it; everything below is marked `server`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .node import NEEDS, SearchServer, install, missing_tool

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchServer]:
    missing = missing_tool()
    if missing:
        pytest.exit(NEEDS.format(missing=missing), returncode=2)
    folder = tmp_path_factory.mktemp("search-server")
    install(folder / "home")
    node = SearchServer(folder / "home", folder / "data")
    node.start()
    yield node
    node.kill()
