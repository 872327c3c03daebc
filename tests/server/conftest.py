"""The search server and clients for it; every test below is marked `server`."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

from entrawatch.config.model import SinkConfig
from entrawatch.sinks import build

from . import painless
from .node import SearchServer, install, unmet

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchServer]:
    fault = unmet()
    if fault:
        pytest.exit(fault, returncode=2)
    folder = tmp_path_factory.mktemp("search-server")
    install(folder / "home")
    node = SearchServer(folder / "home", folder / "data")
    node.start()
    yield node
    node.kill()


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[painless.PainlessServer]:
    """The server that runs Painless."""
    fault = unmet()
    if fault:
        pytest.exit(fault, returncode=2)
    folder = tmp_path_factory.mktemp("painless-server")
    painless.install(folder / "home")
    node = painless.PainlessServer(folder / "home", folder / "data")
    node.start()
    yield node
    node.kill()


@pytest.fixture
def client(server: SearchServer) -> Iterator[Any]:
    from elasticsearch import Elasticsearch

    with Elasticsearch(server.url, request_timeout=60) as made:
        yield made


@pytest.fixture
def config(server: SearchServer) -> SinkConfig:
    """A sink with a namespace, and so with data streams, of its own."""
    return SinkConfig("es", "elasticsearch", {"hosts": server.url, "namespace": f"test{next(_NUMBERS)}"})


@pytest.fixture
def make(config: SinkConfig) -> Iterator[Callable[..., Any]]:
    made: list[Any] = []

    def make(**options: Any) -> Any:
        given = SinkConfig(config.name, config.type, {**config.options, **options})
        made.append(build(given, state_dir=Path("unused")))
        return made[-1]

    yield make
    for sink in made:
        sink.close()
