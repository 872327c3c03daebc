"""`run`, `fetch`, `doctor`, `emulate`, `simulate`, `demo`: the line from end to end, on the emulator."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.request
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Callable

import pytest
import yaml

from entrawatch.emulator.records import Emitted
from entrawatch.emulator.server import Emulator

from .conftest import start

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Done


def events(folder: Path) -> list[dict[str, Any]]:
    lines = (line for file in sorted(folder.rglob("*.jsonl")) if ".entrawatch" not in file.parts
             for line in file.read_text(encoding="utf-8").splitlines())  # fmt: skip
    return [json.loads(line) for line in lines]


def ids(folder: Path) -> list[str]:
    return sorted(event["event"]["id"] for event in events(folder))


def test_run_once_reads_to_the_present_and_again_adds_nothing(
    call: Callable[..., Done], config: Path, tmp_path: Path
) -> None:
    done = call("run", "--config", config, "--once")
    assert done.code == 0, done.err
    first = ids(tmp_path / "emulated/events")
    assert first
    assert len(first) == len(set(first))
    assert {event["entra"]["stream"] for event in events(tmp_path / "emulated/events")} <= {
        "interactive", "directory_audits",
    }  # fmt: skip
    assert f"files: {len(first):,} events new, 0 revised, 0 put aside\n" in done.err
    assert done.err.endswith("reached the present\n")
    assert call("run", "--config", config, "--once").code == 0
    assert ids(tmp_path / "emulated/events") == first
    assert (tmp_path / "emulated/state").stat().st_mode & 0o077 == 0


def test_one_wrong_secret_is_one_line_for_all_streams(
    call: Callable[..., Done], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG", "not-the-secret")
    text = config.read_text(encoding="utf-8")
    config.write_text(re.sub("secret_file: .*", "secret_env: WRONG", text), encoding="utf-8")
    done = call("run", "--config", config, "--once")
    assert done.code == 3
    (line,) = (line for line in done.err.splitlines() if line.startswith("entrawatch: "))
    assert re.match(r"entrawatch: \S+/interactive, \S+/directory_audits: given up: .*AADSTS7000215", line)
    assert "reached the present" not in done.err


def test_doctor_beside_a_running_connector_has_nothing_to_mend(
    call: Callable[..., Done], config: Path, tmp_path: Path
) -> None:
    told_by = yaml.safe_load(config.read_text(encoding="utf-8"))
    told_by["sinks"].append({"type": "duckdb", "path": "entra.duckdb"})
    config.write_text(yaml.safe_dump(told_by), encoding="utf-8")
    process = start("run", "--config", config)
    for _ in range(200):
        if list((tmp_path / "emulated/events").glob("*.part")) and (tmp_path / "entra.duckdb").exists():
            break
        time.sleep(0.1)
    done = call("doctor", "--config", config, "--format", "json")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert done.out, done.err
    told = {(line["part"], line["check"]): line["status"] for line in json.loads(done.out)}
    assert done.code == 0, done.out
    assert told["state", "running"] == told["sink duckdb", "reach"] == "warn"
    assert told["sink files", "reach"] == "ok"
    after = call("doctor", "--config", config, "--format", "json")
    assert {line["status"] for line in json.loads(after.out)} == {"ok"}


def test_run_stops_on_sigterm_and_serves_health_meanwhile(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text(encoding="utf-8") + "metrics_listen: 127.0.0.1:0\nlog_format: json\n")
    process = start("run", "--config", config)
    assert process.stderr is not None
    lines = (json.loads(line)["message"] for line in process.stderr)
    url = next(line for line in lines if line.startswith("metrics on")).split()[2].rstrip(",")
    with urllib.request.urlopen(url.replace("/metrics", "/healthz"), timeout=10) as answer:
        assert json.load(answer)["ok"]
    process.send_signal(signal.SIGTERM)
    assert "stopped" in list(lines)[-1]
    assert process.wait(30) == 0
    process.communicate()


def test_a_table_of_codes_of_ones_own_decides_what_a_failure_is(
    call: Callable[..., Done], config: Path, emulator: Emulator, tmp_path: Path
) -> None:
    own = tmp_path / "codes.tsv"
    config.write_text(config.read_text(encoding="utf-8") + f"outcomes: {own}\n", encoding="utf-8")
    assert "copy the built-in table" in call("run", "--config", config, "--once").line
    own.write_text("code\n", encoding="utf-8")
    assert f"{own}:1: the first line is not" in call("run", "--config", config, "--once").line
    own.write_text("code\tkind\tpassword\tmeaning\n50126\tinterrupt\tyes\tours\n", encoding="utf-8")
    time = datetime.now(timezone.utc) - timedelta(hours=1)
    asked = {"id": "asked", "createdDateTime": f"{time:%Y-%m-%dT%H:%M:%SZ}", "status": {"errorCode": 50074}}
    wrong = {**asked, "id": "wrong", "status": {"errorCode": 50126}, "signInEventTypes": ["interactiveUser"]}
    emulator.add(Emitted("interactive", {**wrong, **one}, time) for one in (asked, {}))
    done = call("run", "--config", config, "--once")
    assert done.code == 0, done.err
    outcomes = {event["event"]["id"]: event["event"]["outcome"] for event in events(tmp_path / "emulated/events")}
    assert (outcomes["asked"], outcomes["wrong"]) == ("failure", "unknown")


def test_a_wrong_secret_is_one_line_and_code_3(call: Callable[..., Done], config: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not-the-secret-at-all", encoding="utf-8")
    wrong.chmod(0o600)
    text = yaml.safe_load(config.read_text(encoding="utf-8"))
    text["auth"]["secret_file"] = str(wrong)
    config.write_text(yaml.safe_dump(text), encoding="utf-8")
    done = call("fetch", "--config", config, "--out", tmp_path / "out", "--since", "1h", "--streams", "interactive")
    assert done.code == 3
    assert "AADSTS7000215" in done.err
    assert "not-the-secret" not in done.err + done.out
    assert "Traceback" not in done.err


def test_fetch_exports_a_range_and_goes_on(call: Callable[..., Done], config: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--config", config, "--out", out, "--since", "2h", "--streams", "interactive,directory_audits"]
    done = call("fetch", *options)
    assert done.code == 0, done.err
    assert f"files in {out}" in done.out
    first = ids(out)
    assert first
    assert call("fetch", *options).code == 0
    assert ids(out) == first
    assert call("fetch", *options, "--format", "csv").code == 0
    assert [file for file in out.iterdir() if file.suffix == ".csv"]
    normalised = call("normalize", out)  # our own output is one of the known shapes, and the state is not read
    assert normalised.code == 0
    assert normalised.out.count("\n") >= len(first)


def test_fetch_without_a_configuration_says_what_is_missing(
    call: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CLIENT_SECRET", "TENANT_ID", "CLIENT_ID"):
        monkeypatch.delenv(f"ENTRAWATCH_{name}", raising=False)
    done = call("fetch", "--out", tmp_path, "--client-id", "x")
    assert done.code == 2
    assert done.err.splitlines() == [
        "entrawatch: --tenant-id is missing; give it, or --config",
        "entrawatch: --client-id: 'x' is no GUID; write 00000000-0000-0000-0000-000000000000's form",
        "entrawatch: the environment variable ENTRAWATCH_CLIENT_SECRET is not set; export it, or give --config",
    ]


def test_doctor_is_content_with_what_is_well(call: Callable[..., Done], config: Path) -> None:
    done = call("doctor", "--config", config)
    assert done.code == 0, done.out
    assert "ready" in done.out
    assert done.out.endswith(f"next: entrawatch run --config {config}\n")
    assert "sink files" in done.out


def test_doctor_says_what_to_mend(call: Callable[..., Done], config: Path, tmp_path: Path) -> None:
    (tmp_path / "emulated").mkdir()
    (tmp_path / "emulated/events").write_text("a file where a folder should be", encoding="utf-8")
    (tmp_path / "emulated/state").mkdir()
    (tmp_path / "emulated/state/state.sqlite").write_bytes(b"no database" * 100)
    with Emulator(roles=frozenset(), throttle=False) as bare:
        text = yaml.safe_load(config.read_text(encoding="utf-8"))
        secret = tmp_path / "secret"
        secret.write_text(bare.client_secret, encoding="utf-8")
        secret.chmod(0o600)
        text["auth"]["secret_file"] = str(secret)
        text["graph"] = {"url": bare.url, "login_url": bare.login_url, "ca_bundle": str(bare.ca_file)}
        config.write_text(yaml.safe_dump(text), encoding="utf-8")
        done = call("doctor", "--config", config, "--format", "json")
    assert done.code == 3
    failed = {(line["part"], line["check"]): line for line in json.loads(done.out) if line["status"] == "fail"}
    assert ("state", "folder") in failed
    assert ("sink files", "reach") in failed
    permission = [line for (part, _), line in failed.items() if part.startswith("tenant")]
    assert any("AuditLog.Read.All" in line["message"] + line["advice"] for line in permission)
    assert all(line["advice"] for line in failed.values())


def test_emulate_serves_what_its_configuration_says(tmp_path: Path) -> None:
    path = tmp_path / "emu.yml"
    options = ["--tenant-size", "3", "--days", "1", "--no-throttle", "--write-config", path]
    process = start("emulate", *options, cwd=tmp_path)
    assert process.stderr is not None
    assert any(line.startswith("serving https://localhost:") for line in iter(process.stderr.readline, ""))
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert os.stat(config["auth"]["secret_file"]).st_mode & 0o077 == 0
    fetch = start("fetch", "--config", path, "--out", tmp_path / "out", "--streams", "interactive", "--since", "20h")
    out, err = fetch.communicate(timeout=90)
    assert (fetch.returncode, err) == (0, "")
    assert ids(tmp_path / "out")
    process.send_signal(signal.SIGTERM)
    printed, said = process.communicate(timeout=30)
    assert yaml.safe_load(printed) == config
    assert process.returncode == 0
    assert "answered" in said
    assert config["auth"]["secret_file"] not in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_emulator_that_still_makes_its_tenant_ends_at_once(tmp_path: Path, number: signal.Signals) -> None:
    process = start("emulate", "--tenant-size", "20000", "--days", "365", env={"TMPDIR": str(tmp_path)})
    assert process.stderr is not None
    assert process.stderr.readline() == "making the tenant …\n"
    while not any(tmp_path.glob("*/records.sqlite")):
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(30) == 130
    assert process.stderr.read() == "entrawatch: interrupted\n"
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_for_an_emulator_that_keeps_its_keys_outlives_it(tmp_path: Path) -> None:
    written = []
    for _ in range(2):
        path = tmp_path / "emu.yml"
        options = ["--tenant-size", "2", "--days", "1", "--keep", "keys", "--write-config", path]
        process = start("emulate", *options, cwd=tmp_path)
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(4)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        secret, bundle = config["auth"]["secret_file"], config["graph"]["ca_bundle"]
        assert any(secret in line and bundle in line for line in said)
        written.append([secret, (tmp_path / "keys/client-secret").read_text(encoding="utf-8"), bundle])
    assert written[0] == written[1]
    assert written[0][0] == str(tmp_path / "keys/client-secret")


def test_simulate_writes_a_company(call: Callable[..., Done], tmp_path: Path) -> None:
    options = [
        "--users",
        "3",
        "--since",
        "2026-11-02T00:00:00Z",
        "--until",
        "2026-11-03T00:00:00Z",
        "--scenarios",
        "none",
    ]
    done = call("simulate", "--out", tmp_path / "a", *options)
    assert done.code == 0
    lines = (tmp_path / "a/interactive.jsonl").read_text(encoding="utf-8").splitlines()
    assert f"{len(lines):>12,}  interactive" in done.out
    assert call("simulate", "--out", tmp_path / "b", *options).code == 0
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_register_app_makes_what_the_tenant_then_lets_in(call: Callable[..., Done], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    with Emulator(device_interval=1, device_polls=1, throttle=False) as emulator:
        done = call(
            "register-app", "--tenant-id", emulator.tenant_id, "--graph-url", emulator.url, "--login-url",
            emulator.login_url, "--ca-bundle", emulator.ca_file, "--secret-file", secret, "--grant", "--name", "Mine",
        )  # fmt: skip
        assert done.code == 0, done.err
        config = tmp_path / "c.yml"
        more = (
            f"state_dir: {tmp_path}/state\nsinks: [{{type: files, path: {tmp_path}/e}}]\nstreams: [directory_audits]\n"
        )
        config.write_text(done.out + more, encoding="utf-8")
        checked = call("doctor", "--config", config)
    assert checked.code == 0, checked.out
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.read_text(encoding="utf-8") not in done.out + done.err
    assert "made the application Mine" in done.err


def test_register_app_makes_a_certificate_that_signs_in(call: Callable[..., Done], tmp_path: Path) -> None:
    pem = tmp_path / "app.pem"
    with Emulator(device_interval=1, device_polls=1, throttle=False) as emulator:
        register = [
            "register-app", "--tenant-id", emulator.tenant_id, "--graph-url", emulator.url, "--login-url",
            emulator.login_url, "--ca-bundle", emulator.ca_file, "--new-certificate", pem, "--grant",
        ]  # fmt: skip
        done = call(*register)
        assert done.code == 0, done.err
        more = (
            f"state_dir: {tmp_path}/state\nsinks: [{{type: files, path: {tmp_path}/e}}]\nstreams: [directory_audits]\n"
        )
        (tmp_path / "c.yml").write_text(done.out + more, encoding="utf-8")
        checked = call("doctor", "--config", tmp_path / "c.yml")
        again = call(*register)
    assert checked.code == 0, checked.out
    assert pem.stat().st_mode & 0o777 == 0o600
    assert again.code == 3
    assert "exists and is not written over" in again.err


def test_register_app_prints_the_az_commands_alone(call: Callable[..., Done]) -> None:
    done = call("register-app", "--tenant-id", "contoso.onmicrosoft.com", "--az", "--risk")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("az login --tenant contoso.onmicrosoft.com")
    end = re.search(r"--end-date (\S+) .* > entrawatch-client-secret\)", done.out)
    assert end is not None
    left = datetime.fromisoformat(end[1].replace("Z", "+00:00")) - datetime.now(timezone.utc)
    assert timedelta(days=179) < left <= timedelta(days=180)


def test_setup_elasticsearch_shows_its_requests(
    call: Callable[..., Done], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("setup", "elasticsearch", "--config", config).line.endswith("there is no elasticsearch sink; add one")
    monkeypatch.setenv("ES_KEY", "api-key-of-the-cluster")
    text = yaml.safe_load(config.read_text(encoding="utf-8"))
    text["sinks"].append({"type": "elasticsearch", "hosts": "https://es.example:9200", "api_key_env": "ES_KEY"})
    config.write_text(yaml.safe_dump(text), encoding="utf-8")
    done = call("setup", "elasticsearch", "--config", config, "--dry-run")
    assert done.code == 0, done.err
    assert "PUT _index_template/" in done.out
    assert "api-key-of-the-cluster" not in done.out


@pytest.mark.slow
def test_the_demo_works_twice_and_loses_nothing(call: Callable[..., Done], tmp_path: Path) -> None:
    for _ in range(2):
        done = call("demo", "--out", tmp_path / "d", "--users", "20")
        assert done.code == 0, done.err
        assert "nothing lost" in done.out
        assert not re.search(r"late +0 ", done.out)
        assert "came to Graph after their time had been read" in " ".join(done.out.split())
        assert "entrawatch register-app" in done.out
