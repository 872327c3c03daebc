"""Who asks for https where plain http is spoken is told so at every door, and is sent after no CA."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests
from tests.sinks.fakes import FakeClock

from entrawatch import tls
from entrawatch.config.model import AuthConfig, GraphConfig, Secret, SinkConfig, TenantConfig
from entrawatch.deploy.rest import Connection, Rest
from entrawatch.errors import ConfigError, EntrawatchError, SinkUnavailableError
from entrawatch.graph.auth import TokenSource
from entrawatch.graph.transport import meaning
from entrawatch.sinks import build

if TYPE_CHECKING:
    from collections.abc import Iterator

GUID = "00000000-0000-0000-0000-000000000000"
PLAIN, SILENT = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b""


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A server that reads what comes, gives one answer and hangs up."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(request.param)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def token(url: str) -> None:
    graph = GraphConfig(url=url, login_url=url)
    TokenSource(TenantConfig("t", GUID, GUID, AuthConfig(secret=Secret("a-secret")), graph)).token()


def rest(url: str) -> None:
    Rest(Connection(url, dict, {}), FakeClock()).get("/x")


def sink(kind: str, **options: Any) -> Callable[[str], None]:
    def check(url: str) -> None:
        place = {"hosts": url} if kind == "elasticsearch" else {"url": url}
        build(SinkConfig("siem", kind, {**place, **options}), state_dir=Path("unused"), clock=FakeClock()).check()

    return check


DOORS = {
    "graph": token, "deploy": rest, "hec": sink("splunk_hec", token=Secret("a-token")),
    "elasticsearch": sink("elasticsearch", api_key=Secret("an-id:a-key")),
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("port", "says"), [(PLAIN, "seems to speak plain http"), (SILENT, "may speak plain http")], indirect=["port"]
)
def test_a_server_that_speaks_no_tls_is_told_as_one(port: int, says: str, door: str) -> None:
    with pytest.raises(EntrawatchError) as caught:
        DOORS[door](f"https://localhost:{port}")
    message = str(caught.value)
    assert says in message
    assert "check the port" in message
    assert (f"the server at localhost:{port} " in message) == (door != "elasticsearch")  # its client has several
    assert "CA" not in message
    assert not isinstance(caught.value, SinkUnavailableError) or message.startswith("sink")


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("door", [name for name in DOORS if name != "elasticsearch"])  # its client does not ask them
def test_a_bundle_of_the_environment_that_is_not_there_is_told_with_the_variable(
    variable: str, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "/nowhere/ca.pem")
    with pytest.raises(ConfigError, match=f"^{variable}: cannot read /nowhere/ca.pem; .* unset {variable}$"):
        DOORS[door]("https://localhost:1")


def failed(reason: str, kind: type = ssl.SSLError) -> Exception:
    inner = kind(1, f"[SSL: {reason}] in words (_ssl.c:1000)")
    inner.reason = reason
    return ConnectionError("outside", inner)


def test_what_other_versions_of_openssl_say_is_known() -> None:
    for reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
        assert "seems to speak plain http" in tls.plain(failed(reason), "https://h.example"), reason
    assert "the server at h.example:443 " in tls.plain(failed("HTTP_REQUEST"), "https://u:pw@h.example/x?y=z")
    assert "may speak plain http" in tls.plain(failed("UNEXPECTED_EOF_WHILE_READING", ssl.SSLEOFError))


@pytest.mark.parametrize("error", [failed("CERTIFICATE_VERIFY_FAILED"), failed("TLSV1_ALERT"), OSError(111, "refused")])
def test_other_troubles_are_none_of_it(error: Exception) -> None:
    assert tls.plain(error, "https://h.example") == ""


def test_a_proxy_that_speaks_no_tls_is_not_taken_for_the_server() -> None:
    said = meaning(requests.exceptions.ProxyError(failed("WRONG_VERSION_NUMBER")), "https://h.example", "proxy.example")
    assert said.startswith("h.example: the proxy proxy.example does not let us through")


def test_an_error_that_is_its_own_cause_has_an_end() -> None:
    error = ValueError("odd")
    error.__cause__ = TypeError(error)
    assert len(list(tls.chain(error))) == 2
