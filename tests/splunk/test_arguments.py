"""What an admin typed in → what is read, and every fault in the words of the pages."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from entrawatch import redaction
from entrawatch.config.model import GraphConfig, Secret
from entrawatch.errors import ConfigError
from entrawatch.splunk import logs
from entrawatch.splunk.arguments import read_input, read_tenant

if TYPE_CHECKING:
    from pathlib import Path

TENANT, CLIENT = "5A3E0C4E-7f0b-4d8e-9a51-0c0ffee0e7a1", "3d2c1b0a-6f5e-4c8d-8b9a-e17a0a7c4001"
ACCOUNT = {"tenant_id": TENANT, "client_id": CLIENT, "client_secret": " s3cret~value "}
GIVEN = read_input("contoso", {"account": "main"})


def test_what_is_left_empty_has_its_default() -> None:
    given = read_input("contoso", {"account": "main", "index": None, "start_time": "", "disabled": "0"})
    assert (given.index, given.shape, given.start, given.streams, given.interval) == (
        "", "event", timedelta(days=1), (), None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("format", "azure:monitor:aad", "shape", "envelope"),
        ("start_time", " 7d ", "start", timedelta(days=7)),
        ("start_time", "2026-11-01T01:00:00+01:00", "start", datetime(2026, 11, 1, tzinfo=timezone.utc)),
        ("streams", "provisioning, interactive,provisioning,", "streams", ("provisioning", "interactive")),
        ("interval", "60", "interval", 60),
        ("interval", "86400", "interval", 86400),
        ("interval", "*/5 * * * *", "interval", None),
    ],
)
def test_values_are_read(name: str, text: str, field: str, value: Any) -> None:
    assert getattr(read_input("contoso", {"account": "main", name: text}), field) == value


@pytest.mark.parametrize(
    ("name", "values", "faults"),
    [
        ("9lives", {}, ["input 9lives: Name: begin with a letter"]),
        ("a/../b", {}, ["input a/../b: Name: "]),
        ("x" * 101, {}, [f"input {'x' * 101}: Name: "]),
        ("a", {"account": " "}, ["input a: Account: is missing"]),
        ("a", {"format": "cef"}, ["input a: Output format: 'cef' is not known; there are: normalized,"]),
        ("a", {"interval": "59"}, ["input a: Interval: '59' is not 60 to 86400 seconds"]),
        ("a", {"interval": "86401"}, ["input a: Interval: "]),
        ("a", {"interval": "-1"}, ["input a: Interval: "]),
        ("a", {"start_time": "2026-11-01T00:00:00"}, ["input a: Start time: '2026-11-01T00:00:00' says no time zone"]),
        ("a", {"streams": "provisionin", "interval": "x"}, [
            "input a: Streams: 'provisionin' is no stream; did you mean provisioning?", "input a: Interval: ",
        ]),
    ],
)  # fmt: skip
def test_all_faults_are_told_at_once(name: str, values: dict[str, str], faults: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        read_input(name, {"account": "main", **values})
    assert len(error.value.faults) == len(faults)
    assert all(told.startswith(fault) for told, fault in zip(error.value.faults, faults))


def test_an_account_becomes_a_tenant_named_by_its_id() -> None:
    tenant = read_tenant(GIVEN, {**ACCOUNT, "cloud": "usgov"}, {})
    assert (tenant.name, tenant.tenant_id, tenant.client_id) == (TENANT.lower(), TENANT.lower(), CLIENT)
    assert tenant.auth.secret == Secret("s3cret~value")
    assert tenant.graph == GraphConfig(cloud="usgov")
    assert tenant.collect.start == timedelta(days=1)


PROXY = {"proxy_url": "proxy.example", "proxy_port": "3128", "proxy_username": "u", "proxy_password": "p4ss"}


@pytest.mark.parametrize(
    ("proxy", "url", "password"),
    [
        ({}, "", None),
        ({"proxy_enabled": "0", **PROXY}, "", None),
        ({"proxy_enabled": None, **PROXY}, "", None),
        ({"proxy_enabled": "1", **PROXY}, "http://u@proxy.example:3128", Secret("p4ss")),
        (
            {"proxy_enabled": "1", **PROXY, "proxy_username": "CORP\\svc@x"},
            "http://CORP%5Csvc%40x@proxy.example:3128",
            Secret("p4ss"),
        ),
        ({"proxy_enabled": "true", "proxy_type": "https", "proxy_url": "10.0.0.1"}, "https://10.0.0.1", None),
    ],
)
def test_the_proxy_counts_where_it_is_enabled(proxy: dict[str, Any], url: str, password: Any) -> None:
    graph = read_tenant(GIVEN, ACCOUNT, proxy).graph
    assert (graph.proxy, graph.proxy_password) == (url, password)


@pytest.mark.parametrize(
    ("account", "proxy", "fault"),
    [
        ({"tenant_id": "contoso"}, {}, "account main: Tenant ID: 'contoso' is no GUID"),
        ({"client_secret": ""}, {}, "account main: Client secret: is missing"),
        ({"cloud": "mars"}, {}, "account main: Cloud: 'mars' is not known"),
        ({"graph_url": "http://graph.example"}, {}, "account main: Graph URL: http://graph.example is not plain https"),
        ({"login_url": "https://u@host"}, {}, "account main: Login URL: "),
        ({"ca_bundle": "ca.pem"}, {}, "account main: CA bundle: 'ca.pem' is no whole path"),
        ({}, {**PROXY, "proxy_enabled": "1", "proxy_type": "socks5"}, "account main: Proxy: socks5: is no kind"),
        ({}, {**PROXY, "proxy_enabled": "1", "proxy_url": ""}, "account main: Proxy: is no URL"),
    ],
)  # fmt: skip
def test_a_fault_of_an_account_is_named_without_its_secret(account: Any, proxy: Any, fault: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_tenant(GIVEN, {**ACCOUNT, **account}, proxy)
    (told,) = error.value.faults
    assert told.startswith(fault)
    assert "s3cret" not in told
    assert "p4ss" not in told


@pytest.fixture
def logging_restored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """SPLUNK_HOME; afterwards logging is as pytest had it."""
    root = logging.getLogger()
    before, level, known = root.handlers[:], root.level, set(redaction._known)
    root.handlers[:] = []  # setup closes the handlers it replaces: not pytest's
    monkeypatch.setenv("SPLUNK_HOME", str(tmp_path))
    yield tmp_path / "var/log/splunk"
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = before
    root.setLevel(level)
    redaction._known.clear()
    redaction._known.update(known)


def test_the_file_has_every_line_and_splunkd_the_outcome_alone(
    logging_restored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logging_restored.mkdir(parents=True)
    redaction.hide(["s3cret~value"])
    logs.setup("../a b", "debug")
    logging.getLogger("entrawatch.ingest").error("one of\nten s3cret~value")
    logging.getLogger("entrawatch.splunk.script").warning("all of\nthem")
    logging.getLogger("entrawatch.splunk.script").info("well")
    logging.getLogger("urllib3").info("https://…")
    logging.getLogger("entrawatch.splunk.script").critical("odd", exc_info=KeyError("s3cret~value"))
    assert capsys.readouterr().err == "WARN all of them\nFATAL odd\n"
    (file,) = logging_restored.iterdir()
    assert file.name == "entrawatch____a_b.log"
    text = file.read_text(encoding="utf-8")
    assert "log_level=ERROR" in text
    assert "| one of\nten [hidden]\n" in text
    assert "KeyError: '[hidden]'" in text
    assert "https://…" not in text


def test_without_a_folder_for_logs_splunkd_gets_them_all(
    logging_restored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not logging_restored.exists()
    logs.setup("a", "nonsense")
    logging.getLogger("entrawatch.ingest").info("well")
    logging.getLogger("entrawatch.ingest").debug("quiet")
    assert capsys.readouterr().err == "INFO well\n"
