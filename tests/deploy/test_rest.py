"""What a refusal's message holds, whoever shows it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
from tests.deploy.stub import Asked, Reply, Stub

from entrawatch.deploy.rest import Connection, Rest
from entrawatch.errors import TargetError
from entrawatch.redaction import hide

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "a-credential-of-the-test"


class Echo(Stub):
    said: Any = None

    def answer(self, asked: Asked) -> Reply:
        return Reply(400, self.said)


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Echo]:
    with Echo(tmp_path) as server:
        yield server


WORDS = [
    ({"message": f"no {SECRET}\x1b[2J\nforged: line"}, "no [hidden]\ufffd[2J forged: line"),
    ({"error": {"message": "of Azure"}}, "of Azure"),
    ({"error": {"reason": "of Elasticsearch"}}, "of Elasticsearch"),
    ({"error": "of somebody"}, "of somebody"),
    ({"messages": [{"text": "one"}, {"text": "two"}, 3]}, "one; two"),
    ({"message": "long " * 1000}, "long"),
    (b"<html>", "answered 400"),
    ([1], "answered 400"),
    ({"error": None, "messages": {}}, "answered 400"),
]


@pytest.mark.parametrize(("said", "told"), WORDS)
def test_a_products_own_words_are_one_short_line_without_our_secret(said: Any, told: str, echo: Echo) -> None:
    hide([SECRET])
    echo.said = said
    rest = Rest(Connection(echo.url, dict, {400: "do this"}, echo.ca_file, 10.0))
    with pytest.raises(TargetError) as caught:
        rest.get("/x")
    message = str(caught.value)
    assert told in message
    assert message.endswith("; do this")
    assert len(message) < 500
    assert message.isprintable()
    assert SECRET not in message
    assert caught.value.status == 400


def test_plain_http_to_this_machine_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would read the credential, and ask itself for "localhost"."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.setenv("NO_PROXY", "")
        rest = Rest(Connection("http://localhost:1", lambda: {"Authorization": SECRET}, {}, None, 5.0))
        with pytest.raises(TargetError, match="no connection"):
            rest.ask("POST", "/x")
        proxy.settimeout(0.1)
        with pytest.raises(TimeoutError):
            proxy.accept()


def test_plain_http_to_a_server_that_speaks_tls_is_told(echo: Echo) -> None:
    rest = Rest(Connection(echo.url.replace("https:", "http:"), dict, {}, echo.ca_file, 5.0))
    with pytest.raises(TargetError, match="hangs up on plain http and may speak TLS; write https://"):
        rest.ask("POST", "/x")
