"""What the configuration file may say, and the one line each mistake gets."""

from __future__ import annotations

import os
import pickle
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from entrawatch.config.load import load
from entrawatch.config.model import AuthConfig, CollectConfig, GraphConfig, Secret, ShardConfig, SinkConfig
from entrawatch.errors import ConfigError

from .conftest import TABLES

if TYPE_CHECKING:
    from .conftest import Loader

APP = "11111111-2222-3333-4444-555555555555"
SHORT = f"""\
tenant_id: contoso.onmicrosoft.com
client_id: {APP}
auth: {{secret_env: APP_SECRET}}
state_dir: state
sinks:
  - type: files
    folder: out
"""
UTC = timezone.utc


def test_the_short_form_is_one_tenant_with_the_defaults(loader: Loader, tmp_path: Path) -> None:
    config = loader(SHORT)
    (tenant,) = config.tenants
    assert (tenant.name, tenant.tenant_id, tenant.client_id) == ("contoso.onmicrosoft.com",) * 2 + (APP,)
    assert tenant.auth == AuthConfig(secret=Secret("s3cr3t-value"))
    assert (tenant.graph, tenant.collect, tenant.streams) == (GraphConfig(), CollectConfig(), ())
    assert config.sinks == (SinkConfig("files", "files", {"folder": tmp_path / "out"}),)
    assert config.state_dir == tmp_path / "state"
    assert (config.shard, config.metrics_listen, config.log_format) == (ShardConfig(), "", "text")


def test_tenants_override_the_top_key_by_key_but_auth_as_a_whole(loader: Loader) -> None:
    config = loader(f"""\
client_id: {APP}
auth: {{secret_env: APP_SECRET}}
graph: {{cloud: usgov, timeout: 30}}
collect: {{interval: 90s, batch: 10}}
streams: [interactive]
tenants:
  - tenant_id: a.example
    collect: {{batch: 20}}
  - name: b
    tenant_id: b.example
    auth: {{method: managed_identity}}
    graph: {{cloud: china}}
    streams: [directory_audits, provisioning]
    preserve_original: true
state_dir: /var/lib/entrawatch
sinks: [{{type: files, folder: /srv}}]
""")
    a, b = config.tenants
    assert a.collect == CollectConfig(interval=timedelta(seconds=90), batch=20)
    assert b.collect == CollectConfig(interval=timedelta(seconds=90), batch=10)
    assert (a.graph, b.graph) == (GraphConfig(cloud="usgov", timeout=30), GraphConfig(cloud="china", timeout=30))
    assert (a.name, b.name, a.auth.secret, b.auth.secret) == ("a.example", "b", Secret("s3cr3t-value"), None)
    assert (a.streams, b.streams) == (("interactive",), ("directory_audits", "provisioning"))
    assert (a.preserve_original, b.preserve_original) == (False, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("interval: 15m", {"interval": timedelta(minutes=15)}),
        ("window: 1h30m", {"window": timedelta(minutes=90)}),
        ("sweeps: [90s, 24h, 7d]", {"sweeps": (timedelta(seconds=90), timedelta(days=1), timedelta(weeks=1))}),
        ("start: 7d", {"start": timedelta(days=7)}),
        ("start: 2026-11-01T00:00:00Z", {"start": datetime(2026, 11, 1, tzinfo=UTC)}),
        ("start: '2026-11-01T01:00:00+01:00'", {"start": datetime(2026, 11, 1, tzinfo=UTC)}),
        (
            "backfill: {from: 2026-10-01T00:00:00Z, to: 2026-10-02T00:00:00Z}",
            {"backfill": (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 2, tzinfo=UTC))},
        ),
        ("parallel: 4", {"parallel": 4}),
    ],
)
def test_durations_and_times(loader: Loader, text: str, expected: dict[str, object]) -> None:
    assert loader(SHORT + f"collect:\n  {text}\n").tenants[0].collect == CollectConfig(**expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ("{method: certificate, certificate: /c.pem, certificate_password_env: HEC}",
         AuthConfig("certificate", certificate=Path("/c.pem"), certificate_password=Secret("hec-token-value"))),
        (f"{{method: managed_identity, identity_client_id: {APP}}}",
         AuthConfig("managed_identity", identity_client_id=APP)),
        ("{method: workload_identity, token_file: /t}", AuthConfig("workload_identity", token_file=Path("/t"))),
    ],
)  # fmt: skip
def test_every_way_to_sign_in(loader: Loader, auth: str, expected: AuthConfig) -> None:
    assert loader(SHORT.replace("{secret_env: APP_SECRET}", auth)).tenants[0].auth == expected


def test_the_pod_says_where_its_federated_token_is(loader: Loader) -> None:
    loader.environ["AZURE_FEDERATED_TOKEN_FILE"] = "/var/run/token"
    text = SHORT.replace("{secret_env: APP_SECRET}", "{method: workload_identity}")
    assert loader(text).tenants[0].auth.token_file == Path("/var/run/token")


def test_a_managed_identity_needs_no_client_id(loader: Loader) -> None:
    text = SHORT.replace("{secret_env: APP_SECRET}", "{method: managed_identity}").replace(f"client_id: {APP}\n", "")
    assert loader(text).tenants[0].client_id == ""


def test_a_sinks_secret_is_a_secret(loader: Loader) -> None:
    sink = loader(SHORT + "  - {type: splunk_hec, name: hec, url: 'https://s:8088', token_env: HEC}\n").sinks[1]
    assert sink == SinkConfig("hec", "splunk_hec", {"url": "https://s:8088", "token": Secret("hec-token-value")})
    assert "hec-token-value" not in repr(sink)
    with pytest.raises(TypeError):
        pickle.dumps(sink)


def test_a_secret_file_that_only_its_owner_reads(loader: Loader, secret_file: Callable[[int], Path]) -> None:
    secret_file(0o600)
    config = loader(SHORT.replace("secret_env: APP_SECRET", "secret_file: secret.txt"))
    assert config.tenants[0].auth.secret == Secret("from-a-file")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_secret_file_that_others_read_is_refused(
    loader: Loader, secret_file: Callable[[int], Path], mode: int
) -> None:
    path = secret_file(mode)
    (fault,) = loader.faults(SHORT.replace("secret_env: APP_SECRET", f"secret_file: {path}"))
    assert fault.startswith("c.yml:3: auth.secret_file: secret.txt can be read by others")
    assert "chmod 600" in fault


#: what stands in the file (in place of a line of SHORT, or behind it) → the one line it gets
ONE_FAULT = [
    ("client_id", "client_idd: x\nclient_id: " + APP, "client_idd: is not known here; did you mean client_id?"),
    ("client_id", "client_id: abc", "c.yml:2: client_id: 'abc' is no GUID; write 00000000-"),
    ("client_id", "client_id:", "c.yml:2: client_id: has nothing behind it; write a value or leave the key out"),
    ("client_id", "client_id: [a]", "c.yml:2: client_id: is a list; write one value"),
    ("client_id", f"client_id: {APP}\nclient_id: {APP}", "c.yml:3: client_id: is given twice (first on line 2)"),
    ("client_id", None, "c.yml:1: client_id is missing: The application (client) id."),
    ("tenant_id", "tenant_id: not a tenant", "c.yml:1: tenant_id: 'not a tenant' is no tenant; write its GUID"),
    ("tenant_id", None, "c.yml:1: tenant_id is missing: "),
    ("auth", None, "c.yml:1: auth: client_secret needs secret_env or secret_file: "),
    ("auth", "auth: {secret: hunter2}", "c.yml:3: auth.secret: a secret does not stand in this file; write secret_env"),
    ("auth", "auth: {secret_env: NOT_SET}",
     "c.yml:3: auth.secret_env: the environment variable NOT_SET is not set; export it first"),
    ("auth", "auth: {secret_env: }", "c.yml:3: auth.secret_env: has nothing behind it; write the name"),
    ("auth", "auth: {secret_file: nowhere}", "nowhere cannot be read (No such file or directory)"),
    ("auth", "auth: {secret_env: APP_SECRET, secret_file: x}",
     "c.yml:3: auth.secret_file: secret_env and secret_file are both given; keep one"),
    ("auth", "auth: {method: certficate}", "auth.method: 'certficate' is not known; did you mean certificate?"),
    ("auth", "auth: {method: certificate}", "c.yml:3: auth: certificate needs certificate: PEM file"),
    ("auth", "auth: {method: workload_identity}", "c.yml:3: auth: workload_identity needs token_file: "),
    ("auth", "auth: {method: managed_identity, secret_env: APP_SECRET}",
     "c.yml:3: auth: secret_env or secret_file means nothing with method managed_identity"),
    ("auth", "auth: nothing", "c.yml:3: auth: is no mapping; write `key: value` lines under it"),
    ("state_dir", None, "c.yml:1: state_dir is missing: Folder for checkpoints"),
    ("state_dir", "state_dir: ''", "c.yml:4: state_dir: is empty; write a path"),
    ("state_dir", 'state_dir: "a\\0b"', "c.yml:4: state_dir: has a control character in it"),
    ("state_dir", "state_dir: ~nobody-here/x", "c.yml:4: state_dir: '~nobody-here/x' begins with a user"),
    ("", "metrics_listen: '127.0.0.1:²'", "c.yml:8: metrics_listen: '127.0.0.1:²' is no host:port"),
    ("", 'metrics_listen: "a\\0b:1"', "is no host:port"),
    ("", "collect: {sweeps: [2m, 99999d]}", "is longer than a hundred years"),
    ("", "graph: {url: 'http://graph.example'}", "c.yml:8: graph.url: http://graph.example is not plain https; write"),
    ("", "graph: {url: 'https://u:p@graph.example'}", "c.yml:8: graph.url: has a password in it; give it apart"),
    ("", "graph: {url: 'https://graph.example:x'}", "c.yml:8: graph.url: is no URL; write scheme, host"),
    ("", "graph: {url: 'https://other.example\\@graph.example'}", "c.yml:8: graph.url: is no URL; write scheme, host"),
    ("", "graph: {cloud: usgv}", "c.yml:8: graph.cloud: 'usgv' is not known; did you mean usgov?"),
    ("", "graph: {proxy: 'socks5://p:1'}", "c.yml:8: graph.proxy: socks5: is no kind of proxy known here"),
    ("", "graph: {timeout: soon}", "c.yml:8: graph.timeout: 'soon' is no number"),
    ("", "graph: {timeout: .nan}", "c.yml:8: graph.timeout: '.nan' is no number"),
    ("", "graph: {timeout: nan}", "c.yml:8: graph.timeout: is below 1, the least"),
    ("", "graph: {timeout: 0}", "c.yml:8: graph.timeout: is below 1, the least"),
    ("", "graph:", "c.yml:8: graph: has nothing in it; fill it or leave the key out"),
    ("", "collect: {interval: 15}", "c.yml:8: collect.interval: '15' is no duration; write 30s, 15m, 24h or 7d"),
    ("", "collect: {interval: 1s}", "c.yml:8: collect.interval: is below 5s, the least"),
    ("", "collect: {interval: 99999999999999d}", "c.yml:8: collect.interval: '99999999999999d' is longer than a"),
    ("", "collect: {window: 30d}", "c.yml:8: collect.window: is above 7d, the most"),
    ("", "collect: {sweeps: [15m, 2m]}", "c.yml:8: collect.sweeps: sweeps go from the shortest to the longest"),
    ("", "collect: {sweeps: []}", "c.yml:8: collect.sweeps: is no list, or an empty one"),
    ("", "collect: {sweeps: [{a: 1}, 2m]}", "c.yml:8: collect.sweeps[0]: is no single word"),
    ("", "collect: {start: 2026-11-01T00:00:00}",
     "c.yml:8: collect.start: '2026-11-01T00:00:00' says no time zone; for UTC write 2026-11-01T00:00:00Z"),
    ("", "collect: {start: 2026-11-01}", "says no time zone; for UTC write 2026-11-01T00:00:00Z"),
    ("", "collect: {start: yesterday}", "c.yml:8: collect.start: 'yesterday' is no time; write 2026-11-01T00:00:00Z"),
    ("", "collect: {backfill: 7d}", "c.yml:8: collect.backfill: is no range; write {from"),
    ("", "collect: {backfill: {from: 2026-10-02T00:00:00Z, to: 2026-10-01T00:00:00Z}}",
     "c.yml:8: collect.backfill: ends before it begins; swap from and to"),
    ("", "collect: {parallel: 99}", "c.yml:8: collect.parallel: is above 16, the most"),
    ("", "collect: {batch: many}", "c.yml:8: collect.batch: 'many' is no whole number"),
    ("", "streams: [interactiv]", "c.yml:8: streams[0]: 'interactiv' is no stream; did you mean interactive?"),
    ("", "streams: [interactive, interactive]", "c.yml:8: streams[1]: interactive is given twice; keep one"),
    ("", "preserve_original: perhaps", "c.yml:8: preserve_original: 'perhaps' is neither true nor false"),
    ("", "shard: {index: 2, count: 2}", "c.yml:8: shard: index 2 is not below count 2; hosts count from 0"),
    ("", "shard: {index: 0}", "c.yml:8: shard: count is missing: How many hosts share the streams."),
    ("", "metrics_listen: 9464", "c.yml:8: metrics_listen: '9464' is no host:port; write 127.0.0.1:9464"),
    ("", "log_level: loud", "c.yml:8: log_level: 'loud' is not known; there are: debug, info, warning, error"),
    ("", "name: 'a b'", "c.yml:8: name: 'a b' is no name; use letters"),
    ("", "  - {type: flies, folder: x}", "c.yml:8: sinks[1].type: 'flies' is no sink; did you mean files?"),
    ("", "  - {folder: x}", "c.yml:8: sinks[1]: type is missing: which kind of sink"),
    ("", "  - text", "c.yml:8: sinks[1]: type is missing: which kind of sink"),
    ("", "  - {type: files, folder: x}", "c.yml:5: sinks: 'files' is the name of more than one; give each its own"),
    ("", "  - {type: files, name: b}", "c.yml:8: sinks[1]: folder is missing: Folder."),
    ("", "  - {type: files, name: b, foldr: y, folder: x}", "sinks[1].foldr: is not known here; did you mean folder?"),
    ("", "  - {type: files, name: b, folder: x, batch_bytes: 0}", "c.yml:8: sinks[1].batch_bytes: is below 1"),
    ("", "  - {type: splunk_hec, url: 'http://s:8088', token_env: HEC}",
     "c.yml:8: sinks[1].url: is plain http to s; write https"),
    ("", "  - {type: splunk_hec, url: 'https://s:8088'}", "c.yml:8: sinks[1]: token_env or token_file is missing: HEC"),
    ("", "  - {type: splunk_hec, url: 'https://s:8088', token: abc}", "sinks[1].token: a secret does not stand in"),
    ("", "  - {type: splunk_hec, url: 'https://s:8088', token_env: HEC, mode: evnt}",
     "c.yml:8: sinks[1].mode: is none of event, envelope"),
    ("", "tenants: [{tenant_id: a.example, client_id: " + APP + "}]",
     "c.yml:1: tenant_id: stands beside `tenants`; write it in one of the tenants"),
]  # fmt: skip


def _changed(key: str, text: str | None) -> str:
    if not key:
        return f"{SHORT}{text}\n"
    lines = (line if not line.startswith(f"{key}:") else text for line in SHORT.splitlines())
    return "\n".join(line for line in lines if line is not None) + "\n"


@pytest.mark.parametrize(("key", "text", "fault"), ONE_FAULT, ids=[str(case[1]) for case in ONE_FAULT])
def test_each_mistake_gets_one_line(loader: Loader, key: str, text: str | None, fault: str) -> None:
    found = loader.faults(_changed(key, text))
    assert len(found) == 1, found
    assert fault in found[0]
    assert found[0].startswith("c.yml:")
    assert "hunter2" not in found[0]
    assert "\n" not in found[0]


def test_all_faults_come_at_once_by_line(loader: Loader) -> None:
    faults = loader.faults(
        "tenant_id: ?x\nclient_id: no\nauth: {secret: hunter2}\ngraph: {cloud: mars}\nstreams: [nope]\n"
        "collect: {window: soon}\nlog_level: loud\nsinks: [{type: nothing}]\nstate: x\n"
    )
    assert [fault.split(":")[1] for fault in faults] == ["1", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
    assert "hunter2" not in "\n".join(faults)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "c.yml: is empty; start from docs/config.example.yml"),
        (b"a: [1\nb: 2\n", "c.yml:2: is no YAML here"),
        (b"a: \xff\xfe", "c.yml: is not UTF-8 text; save it as UTF-8"),
        (b"a: \x07", "c.yml: "),
        (b"- a\n", "c.yml:1: is no mapping"),
        (b"a: *nowhere\n", "c.yml:1: is no YAML here"),
        (b"[" * 100_000, "c.yml: is nested too deeply"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, data: bytes, fault: str) -> None:
    path = tmp_path / "c.yml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load(path, TABLES, {})
    assert caught.value.faults[0].replace(f"{tmp_path}/", "").startswith(fault)
    assert "\n" not in caught.value.faults[0]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yml: cannot be read \(No such file"):
        load(tmp_path / "none.yml", TABLES, {})


def test_a_byte_order_mark_is_no_fault(loader: Loader) -> None:
    assert loader("\ufeff" + SHORT).tenants[0].client_id == APP


def test_the_home_folder_is_known(loader: Loader) -> None:
    assert loader(SHORT.replace("state_dir: state", "state_dir: ~/s")).state_dir == Path(os.path.expanduser("~/s"))


@pytest.mark.parametrize("key", ["proxy", "url", "login_url"])
@pytest.mark.parametrize(
    "url",
    [
        "http://user:hunter2@proxy:99999", "http://user:hunter2@[proxy:80", "http://user:hunter2/x@proxy:80",
        "http://user:hun#hunter2@proxy:80", "http://user:hunter2?@proxy:80", "user:hunter2@proxy:80",
        "https://user:hunter2@graph.example", "https://graph.example?key=hunter2", "https://hunter2@graph.example:x",
    ],
)  # fmt: skip
def test_a_password_in_a_url_is_not_shown_however_wrong_it_is(loader: Loader, key: str, url: str) -> None:
    found = loader.faults(_changed("", f"graph: {{{key}: '{url}'}}"))
    assert "hunter2" not in "".join(found)
