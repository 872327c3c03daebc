"""The built app collects, on the interpreters Splunk ships: from an emulated tenant over HTTPS into splunkd's pipe."""

from __future__ import annotations

import re
import signal
from collections import Counter
from datetime import datetime, timedelta, timezone
from time import sleep
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from entrawatch.emulator.records import Emitted
from entrawatch.emulator.server import Emulator
from entrawatch.ingest.store import Store

from .running import NAME, Splunk, events
from .splunkd import KEY, Splunkd

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("splunk-input")
#: the loop's batch: what a kill may send twice
BATCH = 1000
#: where the interpreter makes no difference
once = pytest.mark.parametrize("python", ["3.13"], indirect=True)


def audits(count: int, first: int = 0, minutes: float = 180, ago: float = 10) -> list[Emitted]:
    """Directory audits over some minutes that ended so many minutes ago."""
    end = datetime.now(timezone.utc) - timedelta(minutes=ago)
    made = []
    for number in range(first, first + count):
        moment = end - timedelta(minutes=minutes * (number - first) / count)
        time = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        record = {
            "id": f"audit-{number:05}", "activityDateTime": time, "activityDisplayName": "Update user",
            "category": "UserManagement", "result": "success",
            "initiatedBy": {"user": {"userPrincipalName": "zoë@contoso.example"}},
        }  # fmt: skip
        made.append(Emitted("directory_audits", record, moment))
    return made


def read_until(process: subprocess.Popen[bytes], splunk: Splunk, count: int) -> bytes:
    """What a run has written when it has sent so many events; it goes on."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(splunk.definition())
    process.stdin.close()
    out = b""
    while out.count(b"</event>") < count:
        out += process.stdout.read1(65536)
    return out


def ids(found: list[Any]) -> Counter[str]:
    return Counter(event["data"]["event"]["id"] for event in found)


@pytest.fixture
def splunkd() -> Iterator[Splunkd]:
    with Splunkd() as running:
        yield running


@pytest.fixture
def splunk(python: str, app: Path, tmp_path: Path, splunkd: Splunkd) -> Splunk:
    inputs = {"account": "main", "streams": "directory_audits", "interval": "300", "index": "entra",
              "format": "normalized", "start_time": "6h"}  # fmt: skip
    return Splunk(python, app, tmp_path, splunkd, inputs)


def connect(splunk: Splunk, emulator: Emulator, **changed: str) -> None:
    """Save an account for the emulated tenant through the account page's own handler."""
    values = {
        "tenant_id": emulator.tenant_id, "client_id": emulator.client_id, "client_secret": emulator.client_secret,
        "cloud": "global", "graph_url": emulator.url, "login_url": emulator.login_url,
        "ca_bundle": str(emulator.ca_file),
    }  # fmt: skip
    done = splunk.handler("entrawatch_rh_account.py", "create", "main", **{**values, **changed})
    assert done.returncode == 0, done.stderr


def test_the_scheme_names_every_argument(splunk: Splunk) -> None:
    done = splunk.run("--scheme")
    scheme = ET.fromstring(done.out)
    assert (done.code, done.err) == (0, "")
    assert (scheme.findtext("streaming_mode"), scheme.findtext("use_external_validation")) == ("xml", "true")
    assert {argument.get("name") for argument in scheme.iter("arg")} == {
        "name", "account", "streams", "format", "start_time",  # interval and index are Splunk's own
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, ""),
        (
            {
                "start_time": "2026-11-01T00:00:00+01:00",
                "interval": "*/5 * * * *",
                "streams": "provisioning,interactive",
            },
            "",
        ),
        ({"start_time": "yesterday"}, "input contoso: Start time: 'yesterday' is no time; write 2026-11-01T00:00:00Z"),
        (
            {"interval": "5", "streams": "signins"},
            "input contoso: Streams: 'signins' is no stream; there are: .*; input contoso: Interval: '5' is not 60 to",
        ),
        ({"account": ""}, "input contoso: Account: is missing; choose one"),
    ],
)
def test_what_an_admin_saves_is_checked(splunk: Splunk, values: dict[str, str], message: str) -> None:
    items = ET.Element("items")
    for tag, text in (("server_uri", "http://127.0.0.1:9"), ("session_key", KEY), ("checkpoint_dir", "/nowhere")):
        ET.SubElement(items, tag).text = text
    item = ET.SubElement(items, "item", name=NAME)
    for name, text in {**splunk.inputs, **values}.items():
        ET.SubElement(item, "param", name=name).text = text
    done = splunk.run("--validate-arguments", stdin=ET.tostring(items))
    assert (done.code, done.err) == (1 if message else 0, "")
    if message:
        assert re.match(message, ET.fromstring(done.out).findtext("message") or "")


def test_everything_is_collected_and_then_only_what_is_new(splunk: Splunk) -> None:
    with Emulator(audits(30), throttle=False) as emulator:
        connect(splunk, emulator)
        first = splunk.collect()
        assert (first.code, first.err) == (0, ""), splunk.log()
        assert ids(first.events()) == {f"audit-{number:05}": 1 for number in range(30)}
        event = first.events()[0]
        assert {name: event[name] for name in ("stanza", "index", "sourcetype", "unbroken")} == {
            "stanza": f"entrawatch://{NAME}", "index": "entra", "sourcetype": "entrawatch:audit", "unbroken": "1",
        }  # fmt: skip
        assert "zoë@contoso.example" in str(event["data"])
        emulator.add(audits(3, first=30, minutes=0, ago=2))
        sleep(2)  # the loop reads to two minutes before the present, in whole seconds
        second = splunk.collect()
        assert (second.code, second.err) == (0, "")
        assert ids(second.events()) == {f"audit-{number:05}": 1 for number in range(30, 33)}
        splunk.inputs.update(index="other", format="azure:monitor:aad", start_time="12h")
        assert splunk.collect().events() == []  # the checkpoint is the input's, however it is set
        secret = emulator.client_secret
    assert "stream=directory_audits events_new=30 events_revised=0" in splunk.log()
    assert secret not in splunk.log() + first.err + second.err
    assert all(secret.encode() not in path.read_bytes() for path in splunk.home.rglob("*") if path.is_file())


def test_a_kill_in_the_middle_loses_nothing_and_doubles_a_batch_at_most(splunk: Splunk) -> None:
    with Emulator(audits(2700), latency=0.4, throttle=False) as emulator:
        connect(splunk, emulator)
        with splunk.start() as process:
            out = read_until(process, splunk, 1500)
            process.kill()
            assert process.stdout is not None
            out += process.stdout.read()
        before = ids(events(out))
        assert 1500 <= sum(before.values()) < 2700
        after = ids(splunk.collect().events())
    both = before + after
    assert set(both) == {f"audit-{number:05}" for number in range(2700)}
    assert sum(both.values()) - len(both) <= BATCH
    assert max(both.values()) <= 2


@once
def test_a_stop_ends_the_stream_whole_and_the_next_run_goes_on(splunk: Splunk) -> None:
    with Emulator(audits(2700), latency=0.4, throttle=False) as emulator:
        connect(splunk, emulator)
        with splunk.start() as process:
            out = read_until(process, splunk, 1000)
            process.send_signal(signal.SIGTERM)
            assert process.stdout is not None
            out += process.stdout.read()
        assert process.returncode == 0
        first = ids(events(out))
        assert len(list(ET.fromstring(out))) == sum(first.values()) < 2700
        both = first + ids(splunk.collect().events())
    assert both == {f"audit-{number:05}": 1 for number in range(2700)}


@once
def test_the_envelope_has_the_vendor_s_sourcetype(splunk: Splunk) -> None:
    splunk.inputs["format"] = "azure:monitor:aad"
    with Emulator(audits(2)) as emulator:
        connect(splunk, emulator)
        found = splunk.collect().events()
    assert {event["sourcetype"] for event in found} == {"azure:monitor:aad"}
    assert {event["data"]["category"] for event in found} == {"AuditLogs"}


def test_a_wrong_secret_is_one_line(splunk: Splunk) -> None:
    splunk.inputs["streams"] = ""
    with Emulator(audits(2)) as emulator:
        connect(splunk, emulator, client_secret="wrong~but~secret")
        done = splunk.collect()
        tenant = emulator.tenant_id
    assert done.code == 0
    assert done.events() == []
    (line,) = done.err.splitlines()
    assert re.fullmatch(
        rf"ERROR input {NAME}: .*: tenant {tenant}: Entra ID refused the sign-in \(AADSTS7000215\): "
        r"the client secret is wrong; use the secret's value .*", line,
    )  # fmt: skip
    assert "Traceback" not in splunk.log()
    assert "wrong~but~secret" not in splunk.log() + done.err


@once
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tenant_id": "contoso"}, "Not matching the pattern"),
        ({"graph_url": "http://graph.example"}, "Not matching the pattern"),
        ({"client_secret": ""}, "(?i)required|length"),
    ],
)
def test_the_account_page_refuses_what_cannot_be(splunk: Splunk, changed: dict[str, str], message: str) -> None:
    guid = "00000000-0000-4000-8000-000000000000"
    values = {"tenant_id": guid, "client_id": guid, "client_secret": "s3cret~value", "cloud": "global", **changed}
    done = splunk.handler("entrawatch_rh_account.py", "create", "main", **values)
    assert done.returncode != 0
    assert re.search(message, done.stderr), done.stderr
    assert splunk.splunkd.passwords == {}


def test_a_secret_is_in_storage_passwords_and_nowhere_else(splunk: Splunk) -> None:
    guid = "00000000-0000-4000-8000-000000000000"
    values = {"tenant_id": guid, "client_id": guid, "client_secret": "s3cret~value", "cloud": "china"}
    made = splunk.handler("entrawatch_rh_account.py", "create", "main", **values)
    shown = splunk.handler("entrawatch_rh_account.py", "list", "main")
    assert (made.returncode, shown.returncode) == (0, 0), made.stderr + shown.stderr
    assert splunk.splunkd.confs["entrawatch_account"]["main"]["cloud"] == "china"
    assert any("s3cret~value" in text for text in splunk.splunkd.passwords.values())
    assert "s3cret" not in str(splunk.splunkd.confs) + made.stdout + shown.stdout
    assert all("s3cret" not in path for _, path in splunk.splunkd.asked)
    gone = splunk.handler("entrawatch_rh_account.py", "remove", "main")
    assert (gone.returncode, splunk.splunkd.passwords) == (0, {})


@once
@pytest.mark.parametrize(
    ("stanza", "values", "message"),
    [
        ("entrawatch_account", {}, "account main: there is none of that name; add it on the Configuration page"),
        ("entrawatch_account", {"main": {"tenant_id": "x"}}, "account main: Client ID: is missing; edit the account"),
        (
            "entrawatch_settings",
            {"proxy": {"proxy_enabled": "1", "proxy_url": "127.0.0.1", "proxy_port": "9", "proxy_type": "http"}},
            "the proxy 127.0.0.1 does not let us through",
        ),
    ],
)
def test_what_is_missing_or_shut_is_named(
    splunk: Splunk, stanza: str, values: dict[str, dict[str, str]], message: str
) -> None:
    with Emulator(()) as emulator:
        connect(splunk, emulator)
        splunk.splunkd.confs[stanza] = values
        done = splunk.collect()
    assert (done.code, done.out) == (0, b"")
    assert message in done.err
    assert all(line.startswith("ERROR ") for line in done.err.splitlines())


@once
def test_damaged_state_stops_the_input_and_is_left_as_it_is(splunk: Splunk) -> None:
    state = splunk.checkpoints / NAME / "state.sqlite"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"not a database, 25 bytes.")
    with Emulator(audits(2)) as emulator:
        connect(splunk, emulator)
        done = splunk.collect()
    assert (done.code, done.out) == (0, b"")
    assert re.fullmatch(r"ERROR input contoso: .*state\.sqlite: the state cannot be used .*\n", done.err)
    assert state.read_bytes() == b"not a database, 25 bytes."


@once
def test_what_nobody_expected_is_one_line_and_its_traceback_is_in_the_log(splunk: Splunk) -> None:
    definition = re.sub(rb"<checkpoint_dir>.*</checkpoint_dir>", b"", splunk.definition())
    with Emulator(()) as emulator:
        connect(splunk, emulator)
        done = splunk.run(stdin=definition)
    assert (done.code, done.out) == (0, b"")
    assert done.err == f"FATAL input {NAME}: unexpected KeyError; the traceback is in the input's log\n"
    assert "Traceback (most recent call last)" in splunk.log()
    assert emulator.client_secret not in splunk.log()


@once
def test_one_that_is_still_running_is_left_alone(splunk: Splunk) -> None:
    splunk.checkpoints.joinpath(NAME).mkdir(parents=True)
    held = Store(splunk.checkpoints / NAME / "state.sqlite")
    with Emulator(()) as emulator:
        connect(splunk, emulator)
        done = splunk.collect()
    held.close()
    assert re.fullmatch(r"ERROR input contoso: .*: another process holds the state; .*\n", done.err)


@once
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (KEY, "an-old-session-key", r"splunkd does not give entrawatch_settings \(\w+\); see splunkd\.log"),
        (r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:9", r"splunkd does not give entrawatch_settings \(\w+\); .*"),
    ],
)
def test_a_splunkd_that_does_not_answer_is_one_line(splunk: Splunk, old: str, new: str, message: str) -> None:
    done = splunk.run(stdin=re.sub(old, new, splunk.definition().decode()).encode())
    assert (done.code, done.out) == (0, b"")
    assert re.fullmatch(f"ERROR input {NAME}: {message}\n", done.err), done.err
    assert "an-old-session-key" not in splunk.log() + done.err


@once
def test_before_any_account_was_made_the_input_says_so(splunk: Splunk) -> None:
    del splunk.splunkd.confs["entrawatch_account"]
    done = splunk.collect()
    assert done.err == "ERROR account main: there is none of that name; add it on the Configuration page\n"
