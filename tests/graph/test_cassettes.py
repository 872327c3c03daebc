"""Conversations with the hosts' real names, made by hand from the documented answers, through msal and the client.

Secrets are scrubbed from what is kept (headers and posted parameters), and nothing is ever recorded here: a request
that no cassette holds fails.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import vcr
from tests.graph.server import SECRET
from tests.graph.test_source import WINDOW

from entrawatch.config.model import AuthConfig, Secret, TenantConfig
from entrawatch.errors import AuthError, DegradedError, ReadAgainError
from entrawatch.graph.budget import Budgets
from entrawatch.graph.source import GraphSource
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

CASSETTES = Path(__file__).parent / "cassettes"
TENANT = TenantConfig(
    "contoso", "aaaabbbb-0000-cccc-1111-dddd2222eeee", "00001111-aaaa-2222-bbbb-3333cccc4444",
    AuthConfig(secret=Secret(SECRET)),
)  # fmt: skip


@contextmanager
def replayed(name: str) -> Iterator[Any]:
    player = vcr.VCR(
        record_mode="none",
        match_on=["method", "scheme", "host", "port", "path", "query"],
        filter_headers=["authorization"],
        filter_post_data_parameters=["client_secret", "client_assertion"],
    )
    with player.use_cassette(str(CASSETTES / f"{name}.yaml")) as cassette:
        yield cassette
        assert cassette.all_played


@pytest.fixture
def source(clock: Any, notes: Any, monkeypatch: Any) -> Iterator[GraphSource]:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    source = GraphSource(TENANT, clock=clock, observer=notes, budgets=Budgets(clock, notes))
    yield source
    source.close()


def read(source: GraphSource) -> list[str]:
    return [record["id"][-2:] for page in source.read(STREAMS["non_interactive"], WINDOW) for record in page]


def test_a_token_and_two_pages(source: GraphSource) -> None:
    with replayed("two_pages"):
        assert read(source) == ["01", "02", "03"]


def test_a_throttled_request_waits_as_told(source: GraphSource, clock: Any) -> None:
    with replayed("throttled"):
        assert read(source) == ["01"]
    assert clock.passed == pytest.approx(2.128)


def test_an_expired_token_is_replaced(source: GraphSource) -> None:
    with replayed("expired_token"):
        assert read(source) == ["01"]


def test_a_wrong_secret(source: GraphSource) -> None:
    with replayed("wrong_secret"), pytest.raises(AuthError, match="AADSTS7000215"):
        read(source)


def test_a_tenant_without_licence(source: GraphSource) -> None:
    with replayed("no_licence"), pytest.raises(DegradedError, match="Entra ID P1"):
        read(source)


def test_a_skip_token_that_expired(source: GraphSource) -> None:
    with replayed("expired_skip_token"):
        pages = source.read(STREAMS["non_interactive"], WINDOW)
        assert len(next(pages)) == 1
        with pytest.raises(ReadAgainError):
            next(pages)


@pytest.mark.parametrize("path", sorted(CASSETTES.glob("*.yaml")), ids=lambda path: path.stem)
def test_no_cassette_holds_a_credential(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for sign in ("client_secret=", "client_assertion=", "Bearer ey", SECRET, '"access_token": "ey'):
        assert sign not in text
