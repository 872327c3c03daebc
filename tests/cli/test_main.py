"""What holds for every command: help, version, exit codes, one line a fault, quiet ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Callable

import pytest

from entrawatch import __version__
from entrawatch.cli import main as main_module
from entrawatch.cli import normalize
from entrawatch.errors import AuthError, ConfigError, SinkRefusedError, StateError

from .conftest import start

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Done

NAMES = ["demo", "fetch", "run", "normalize", "hunt", "rules", "build", "deploy", "doctor"]
NAMES += ["register-app", "setup", "emulate", "simulate"]


def test_a_port_that_is_taken_is_said_before_the_tenant_is_made(call: Callable[..., Done]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = call("emulate", "--port", port)
    assert done.code == 2
    assert done.line == f"entrawatch: --port: {port} cannot be had (Address already in use); 0 takes a free one"


def test_the_version(call: Callable[..., Done]) -> None:
    done = call("--version")
    assert (done.code, done.out) == (0, f"entrawatch {__version__}\n")


def test_help_names_every_command(call: Callable[..., Done]) -> None:
    done = call("--help")
    assert done.code == 0
    assert [name for name in NAMES if not re.search(rf"^    {name}\s", done.out, re.MULTILINE)] == []


def test_the_exit_codes_in_the_help_name_every_option_that_asks_to_fail(call: Callable[..., Done]) -> None:
    told = call("--help").out.partition("exit codes:\n")[2]
    codes = dict(re.findall(r"^  (\d+)(?:, \d+)? +((?:.+\n?)(?: {3,}.+\n?)*)", told, re.MULTILINE))
    assert [*codes] == ["0", "1", "2", "3", "130"]
    asking = {
        f"{name} {option}"
        for name in (*NAMES, "deploy splunk")
        for option in re.findall(
            r"^  (--\w+)\b(?:(?!\n  -)[\s\S])*?\bexit\s+1\b",
            call(*name.split(), "--help").out.partition("examples:")[0],
            re.MULTILINE,
        )
    }
    assert asking == {"hunt --fail", "normalize --strict", "build --check", "deploy splunk --check"}
    assert [one for one in asking if one.replace(" splunk", "") not in " ".join(codes["1"].split())] == []


@pytest.mark.parametrize("name", NAMES)
def test_each_command_has_help_with_examples(call: Callable[..., Done], name: str) -> None:
    done = call(name, "--help")
    assert done.code == 0
    assert f"entrawatch {name}" in done.out.split("examples:")[1]


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        ([], "entrawatch: the following arguments are required: COMMAND; see entrawatch --help"),
        (["nonsense"], "entrawatch: argument COMMAND: invalid choice: 'nonsense'"),
        (["run"], "entrawatch run: the following arguments are required: --config; see entrawatch run --help"),
        (["run", "--config", "none.yml"], "entrawatch: none.yml: cannot be read (No such file or directory); give a"),
        (["fetch", "--out", "x", "--format", "xml"], "entrawatch fetch: argument --format: invalid choice: 'xml'"),
        (["fetch", "--out", "x", "--since", "soon", "--config", "c"], "entrawatch: --since: 'soon' is no time; write"),
        (["fetch", "--out", "x", "--since", "7", "--config", "c"], "write 2026-11-01T00:00:00Z, the day alone, or"),
        (["fetch", "--out", __file__, "--config", "c"], f"entrawatch: --out: {__file__} is a file; give a folder"),
        (["fetch", "--out", "x", "--since", "1h", "--until", "2h"], "entrawatch: --since: 1h is not before --until 2h"),
        (["fetch", "--out", "x", "--streams", "interactiv"], "'interactiv' is no stream; did you mean interactive?"),
        (["normalize", "none.json"], "none.json: cannot be read (No such file or directory)"),
        (["normalize", "--stream", "signins", "x"], "entrawatch: --streams: 'signins' is no stream"),
        (["simulate", "--out", "x", "--users", "1"], "entrawatch: users: 1 are too few for a company"),
        (["simulate", "--out", "x", "--scenarios", "heist"], "heist"),
        (["demo", "--users", "1"], "entrawatch: --users: users: 1 are too few for a company"),
        (["emulate", "--port", "70000"], "entrawatch: --port: 70000 is no port; 0 takes a free one"),
        (["emulate", "--faults", "none.yml"], "entrawatch: none.yml: cannot be read"),
        (["emulate", "--keep", __file__], f"entrawatch: --keep: {__file__} cannot be written (File exists)"),
        (["register-app", "--tenant-id", "a b"], "entrawatch: --tenant-id: 'a b' is no tenant"),
        (["register-app", "--tenant-id", "a.example", "--days", "0"], "entrawatch: --days: 0 is not between 1 and 730"),
        (["register-app", "--tenant-id", "a.example", "--graph-url", "http://x"], "entrawatch: --graph-url: http://x"),
        (
            ["register-app", "--tenant-id", "a.example", "--secret-file", "/nowhere/x"],
            "--secret-file: /nowhere/x cannot",
        ),
        (["setup", "splunk", "--config", "c"], "entrawatch setup: argument kind: invalid choice: 'splunk'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_each_usage_fault_is_one_line_and_code_2(
    call: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = call(*argv)
    assert done.code == 2
    said = [one for one in done.err.splitlines() if one != "making the tenant …"]
    assert len(said) == 1, said
    assert line in said[0]


def test_an_old_python_is_no_missing_package(call: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: Any) -> int:
        monkeypatch.setattr(main_module.sys, "version_info", (3, 9, 18))
        raise ModuleNotFoundError("x", name="sigma.rule")

    monkeypatch.setattr(normalize, "run", lacking)
    assert call("normalize", "x").line == "entrawatch: hunt and rules need Python 3.11 or newer, this is 3.9"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ConfigError(["a: b"]), 2, "entrawatch: a: b"),
        (StateError("state"), 3, "entrawatch: state"),
        (AuthError("no token"), 3, "entrawatch: no token"),
        (SinkRefusedError("two\nlines\x1b[2J"), 3, "entrawatch: two"),
        (OSError(28, "No space left on device", "out.jsonl"), 3, "entrawatch: out.jsonl: No space left on device"),
        (ZeroDivisionError("odd"), 3, "entrawatch: internal error (ZeroDivisionError: odd); run it again with --debug"),
        (
            ModuleNotFoundError("x", name="duckdb"),
            2,
            "entrawatch: needs the package duckdb, which is not installed; pip",
        ),
        (KeyboardInterrupt(), 130, "entrawatch: interrupted"),
        (ValueError("Bearer abcdefghijklmnop"), 3, "entrawatch: internal error (ValueError: Bearer [hidden])"),
    ],
)
def test_how_an_error_ends(
    call: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, words: str
) -> None:
    def fail(_: Any) -> int:
        raise error

    monkeypatch.setattr(normalize, "run", fail)
    done = call("normalize", "x")
    assert done.code == code
    assert done.err.startswith(words)
    assert "Traceback" not in done.err
    assert "\x1b" not in done.err


def test_debug_shows_the_traceback_and_no_secret(call: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    """A library's exception may hold a whole request."""

    def fail(_: Any) -> int:
        raise ZeroDivisionError("POST /token client_secret=s3cr3t-value \x1b[2J")

    monkeypatch.setattr(normalize, "run", fail)
    done = call("normalize", "--debug", "x")
    assert done.code == 3
    assert "Traceback" in done.err
    assert "ZeroDivisionError" in done.err
    assert "s3cr3t" not in done.err
    assert "\x1b" not in done.err


def test_a_reader_that_goes_away_is_no_drama(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text('{"id": "a", "createdDateTime": "2026-11-24T10:00:00Z", "appId": "x"}\n' * 20_000, encoding="utf-8")
    process = start("normalize", "--stream", "interactive", path)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("{")
    process.stdout.close()
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait(30)) == ("", main_module.BROKEN_PIPE)
    process.stderr.close()


def test_ctrl_c_ends_with_130_and_a_line(tmp_path: Path) -> None:
    process = start("normalize", "-", stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write('{"id": "a", "activityDateTime": "2026-11-24T10:00:00Z", "activityDisplayName": "x"}\n' * 40)
    process.stdin.flush()
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "entrawatch: interrupted\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize(("argv", "code"), [("--version", 0), ("rules list", 0), ("nonsense", 2)])
def test_a_stream_that_is_closed_is_no_fault(closed: str, argv: str, code: int) -> None:
    command = f"{sys.executable} -m entrawatch {argv} {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code
    assert "internal error" not in done.stdout + done.stderr
