"""Whatever is sent, the answer is a clear one: never a traceback, never a hung or dead server."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.emulator.conftest import AUDITS, RISKS, SIGN_INS, Client, MovedClock, audit, sign_in

from entrawatch.emulator.odata import compile_filter
from entrawatch.emulator.resources import RESOURCES
from entrawatch.emulator.server import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    records = [audit(number, number) for number in range(30)] + [sign_in("interactive", 1, 1)]
    with Emulator(records, clock=MovedClock(), throttle=False) as emulator:
        client = Client(emulator)
        with client.session:
            yield client
        assert not emulator.failures


def raw(client: Client, sent: bytes) -> bytes:
    """What comes back for bytes on a fresh TLS connection."""
    context = ssl.create_default_context(cafile=str(client.emulator.ca_file))
    port = int(client.emulator.url.rpartition(":")[2])
    plain = socket.create_connection(("127.0.0.1", port), timeout=5)
    with context.wrap_socket(plain, server_hostname="localhost") as connection:
        connection.sendall(sent)
        found = b""
        while piece := connection.recv(65536):
            found += piece
        return found


HEAD = b"Host: localhost\r\nConnection: close\r\n"
REQUESTS = [
    (b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n", 404),
    (b"GET //// HTTP/1.1\r\n" + HEAD + b"\r\n", 404),
    (b"GET http://[ HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    (b"GET /v1.0/auditLogs/signIns?%FF%FE=%00 HTTP/1.1\r\n" + HEAD + b"\r\n", 401),
    (b"GET /v1.0/auditLogs/signIns?" + b"a=1&" * 100 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", 414),
    (b"GET /v1.0/a b c HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    (b"nonsense\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(200)) + b"\r\n", 431),
    (b"POST /t/oauth2/v2.0/token HTTP/1.1\r\n" + HEAD + b"Content-Length: -5\r\n\r\n", 411),
    (b"POST /t/oauth2/v2.0/token HTTP/1.1\r\n" + HEAD + b"Content-Length: x\r\n\r\n", 411),
    (b"POST /t/oauth2/v2.0/token HTTP/1.1\r\n" + HEAD + b"Content-Length: 9999999999999\r\n\r\n", 413),
    (b"POST /t/oauth2/v2.0/token HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
    (b"POST /t/oauth2/v2.0/token HTTP/1.1\r\n" + HEAD + b"Content-Length: 4\r\n\r\n\xff\xfe=&", 400),
    (b"POST /../../etc/passwd HTTP/1.1\r\n" + HEAD + b"Content-Length: 0\r\n\r\n", 404),
    (b"BREW /v1.0 HTTP/1.1\r\n" + HEAD + b"\r\n", 501),
    (b"HEAD /v1.0/auditLogs/signIns HTTP/1.1\r\n" + HEAD + b"\r\n", 401),
    (b"GET /v1.0/auditLogs/signIns HTTP/1.1\r\n" + HEAD + b"Authorization: Bearer \xff\xfe\r\n\r\n", 401),
]


@pytest.mark.parametrize(("sent", "status"), REQUESTS, ids=[repr(row[0][:50]) for row in REQUESTS])
def test_odd_requests(client: Client, sent: bytes, status: int) -> None:
    answer = raw(client, sent)
    # A request line without a version is answered as HTTP/0.9, without a status line.
    assert answer.startswith(b"HTTP/1.1 %d " % status) or (sent.startswith(b"nonsense") and b"400" in answer)
    assert b"Traceback" not in answer
    assert client.get(AUDITS, top="1").status_code == 200


@pytest.mark.parametrize("sent", [b"", b"\x00\xff" * 100, b"GET / HTTP/1.1\r\n\r\n"])
def test_no_tls(client: Client, sent: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    port = int(client.emulator.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        found = b""
        with contextlib.suppress(OSError):  # a reset is as good an answer as an alert
            plain.sendall(sent)
            plain.shutdown(socket.SHUT_WR)
            found = plain.recv(100)
        assert b"200" not in found
    assert client.get(AUDITS, top="1").status_code == 200
    assert capfd.readouterr() == ("", "")


def test_a_connection_that_says_nothing_does_not_hold_up_the_stop() -> None:
    before = set(threading.enumerate())
    with Emulator([], throttle=False) as emulator:
        port = int(emulator.url.rpartition(":")[2])
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        with Client(emulator).session:
            pass
    for connection in silent:
        connection.close()
    assert set(threading.enumerate()) <= before


def test_connections_that_ended_are_forgotten(client: Client) -> None:
    for _ in range(5):
        raw(client, b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
    deadline = time.monotonic() + 5
    while len(client.emulator._server._open) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(client.emulator._server._open) <= 1


def test_only_loopback_listens(client: Client) -> None:
    address = client.emulator._server.server_address
    assert address[0] == "127.0.0.1"


def test_the_certificate_is_for_loopback_and_of_its_own_authority(client: Client) -> None:
    port = int(client.emulator.url.rpartition(":")[2])
    context = ssl.create_default_context(cafile=str(client.emulator.ca_file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("localhost", "127.0.0.1", "::1"):
        with socket.create_connection(("127.0.0.1", port)) as plain:
            context.wrap_socket(plain, server_hostname=name).close()
    for trusted, name in ((context, "graph.microsoft.com"), (ssl.create_default_context(), "localhost")):
        with socket.create_connection(("127.0.0.1", port)) as plain, pytest.raises(ssl.SSLCertVerificationError):
            trusted.wrap_socket(plain, server_hostname=name)


ODD_FILTERS = [
    "'" * 7, "(" * 5000, "()" * 100, "id eq '" + "x" * 7000 + "'", "id eq '" + "x" * 9000 + "'", "a/b/c eq 1",
    "id eq 'x' --", "id eq 'x'; DROP TABLE records", "id eq '''' or 1 eq 1", "json_extract(body,'$') eq 'x'",
    "createdDateTime ge 9999-12-31T23:59:59.9999999Z", "createdDateTime ge 0000-00-00", "\x00", "\u2028", "any(t:t)",
    "createdDateTime ge 0001-01-01T00:00:00+23:59", "createdDateTime ge 9999-12-31T23:59:59-23:59",
    "signInEventTypes/any()", "signInEventTypes/any(t:)", "status/errorCode eq 99999999999999999999999999", "eq eq eq",
    "startswith(id)", "startswith(userPrincipalName,'%_')", "contains(id,'x')", "not (id eq 'x')", "id in ('x')",
    " or ".join(["id eq 'x'"] * 400),
]  # fmt: skip


@pytest.mark.parametrize("path", [SIGN_INS, AUDITS, RISKS])
@pytest.mark.parametrize("text", ODD_FILTERS, ids=[repr(text)[:40] for text in ODD_FILTERS])
def test_odd_filters(client: Client, path: str, text: str) -> None:
    answer = client.get(path, filter=text)
    assert answer.status_code in {200, 400}
    assert "Traceback" not in answer.text
    if answer.status_code == 200:
        assert answer.json()["value"] == []


_PIECES = (
    "( ) and or eq ge le gt lt any : , / id createdDateTime startswith contains signInEventTypes/any t 'x' 2026-03-10"
    " 2026-03-10T00:00:00Z 5 userPrincipalName status/errorCode -1 '' not"
)
_WORDS = st.sampled_from(_PIECES.split())


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(max_size=60), st.lists(_WORDS, max_size=14).map(" ".join)), st.sampled_from(sorted(RESOURCES)))
def test_any_filter_compiles_or_is_refused(text: str, path: str) -> None:
    from entrawatch.emulator.answers import RefusedError

    try:
        clause = compile_filter(text, RESOURCES[path], beta=True)
    except RefusedError:
        return
    assert clause.sql.count("?") == len(clause.params)
    assert "'x'" not in clause.sql


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["filter", "top", "orderby", "select", "skiptoken", "skip", "x"]),
        st.text(max_size=20),
        max_size=4,
    )
)
def test_any_options_are_answered(client: Client, options: dict[str, str]) -> None:
    answer = client.get(SIGN_INS, **{name: text.encode("utf-8", "replace").decode() for name, text in options.items()})
    assert answer.status_code in {200, 400}


def test_a_fault_of_the_emulator_itself_is_a_plain_500() -> None:
    with Emulator([audit(1, 1)], throttle=False) as emulator:
        client = Client(emulator)
        with client.session:
            emulator._keep.close()
            answer = client.get(AUDITS)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "UnknownError")
    assert len(emulator.failures) == 1


def test_many_clients_at_once(client: Client) -> None:
    clients = [Client(client.emulator) for _ in range(8)]
    found: list[int] = []

    def read(other: Client) -> None:
        found.append(len(other.ids(AUDITS, top="7")))

    threads = [threading.Thread(target=read, args=(other,)) for other in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in clients:
        other.session.close()
    assert found == [30] * 8
