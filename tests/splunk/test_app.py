"""The archive an admin installs: what is in it, that it is made alike each time, and what Splunk's validators say."""

from __future__ import annotations

import ast
import configparser
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from entrawatch import __version__
from entrawatch.graph.permissions import needed
from entrawatch.schema.streams import STREAMS, default_streams

from .conftest import CACHE, PACKAGING, ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("splunk-app")
#: what Splunk has of the package; nothing of the rule line, the emulator or the command line
ROOMS = {
    "__init__", "bodies", "clock", "config", "errors", "graph", "ingest", "interfaces", "jsontext", "normalize",
    "redaction", "schema", "sinks", "splunk", "tls", "words",
}  # fmt: skip


def conf(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=True, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(path.read_text(encoding="utf-8"))
    return parser


def test_every_file_is_plain_and_belongs_to_nobody(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
    assert {(member.isdir(), oct(member.mode)) for member in members} == {(True, "0o755"), (False, "0o644")}
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", 315532800)}
    assert {member.name.split("/")[0] for member in members} == {"entrawatch"}
    assert archive.name == f"entrawatch-{__version__}.spl"
    assert archive.stat().st_size < 3_000_000


def test_nothing_is_in_it_that_does_not_run_in_splunk(app: Path) -> None:
    files = [path.relative_to(app) for path in app.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} & {".so", ".pyd", ".dll", ".pyc", ".exe", ".sh", ".whl"} == set()
    folders = {part for path in files for part in path.parts[:-1]}
    assert folders & {"__pycache__", "tests", "test", "local", ".git", "emulator"} == set()
    assert {path.parts[2].removesuffix(".py") for path in files if path.parts[:2] == ("lib", "entrawatch")} == ROOMS
    assert not any("Dashboard" in path.name for path in files if path.suffix == ".js")
    assert sum((app / path).stat().st_size for path in files) < 12_000_000


def test_every_module_of_ours_is_there_that_the_input_can_import(app: Path) -> None:
    """Read from the built files themselves, whatever the build thinks it needs."""
    lib = app / "lib"
    for path in (lib / "entrawatch").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        checked = [
            node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        ]
        unseen = {inner for node in checked for inner in ast.walk(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("entrawatch") and node not in unseen:
                module = lib.joinpath(*str(node.module).split("."))
                assert module.with_suffix(".py").exists() or (module / "__init__.py").exists(), (path, node.module)


def test_the_version_stands_in_one_place_and_is_everywhere(app: Path) -> None:
    settings = conf(app / "default/app.conf")
    manifest = json.loads((app / "app.manifest").read_text(encoding="utf-8"))
    found = {settings["launcher"]["version"], settings["id"]["version"], manifest["info"]["id"]["version"]}
    found.update((app / "VERSION").read_text(encoding="utf-8").split())
    assert found == {__version__}
    for path in PACKAGING.rglob("*"):
        assert path.suffix == ".txt" or not path.is_file() or __version__.encode() not in path.read_bytes(), path


def test_splunkbase_is_asked_for_no_updates_while_no_app_of_that_id_there_is_ours(app: Path) -> None:
    assert conf(app / "default/app.conf")["package"]["check_for_updates"] == "false"


def test_scripts_say_which_python_they_need(app: Path) -> None:
    for name in ("inputs", "restmap"):
        parser = conf(app / f"default/{name}.conf")
        scripts = [section for section in parser.sections() if "python.version" in parser[section] or name == "inputs"]
        assert scripts
        for section in scripts:
            assert parser[section]["python.version"] == "python3"
            assert parser[section]["python.required"] == "3.13, 3.9"


def test_the_pages_offer_every_stream_and_cloud_and_no_other() -> None:
    from entrawatch.graph.clouds import CLOUDS
    from entrawatch.splunk.arguments import SHAPES

    config = json.loads((PACKAGING / "globalConfig.json").read_text(encoding="utf-8"))
    account = {field["field"]: field for field in config["pages"]["configuration"]["tabs"][0]["entity"]}
    fields = {field["field"]: field for field in config["pages"]["inputs"]["services"][0]["entity"]}
    assert [item["value"] for item in fields["streams"]["options"]["items"]] == list(STREAMS)
    assert [item["value"] for item in account["cloud"]["options"]["autoCompleteFields"]] == list(CLOUDS)
    assert [item["value"] for item in fields["format"]["options"]["autoCompleteFields"]] == list(SHAPES)
    assert account["client_secret"]["encrypted"] is True


def test_the_menu_has_every_view_and_no_other(app: Path) -> None:
    menu = ET.parse(app / "default/data/ui/nav/default.xml").getroot()
    named = [view.get("name") for view in menu.iter("view")]
    assert sorted(map(str, named)) == sorted([*(v.stem for v in app.glob("default/data/ui/views/*.xml")), "search"])
    assert [view.get("name") for view in menu.iter("view") if view.get("default") == "true"] == named[:1]


def project(folder: Path) -> Path:
    """A copy of all that the app is made of, elsewhere; its build script."""
    for name in ("packaging/splunk", "content/splunk", "connector"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "LICENSE", folder)
    (folder / ".cache").symlink_to(ROOT / ".cache")
    return folder / "packaging/splunk/build.py"


def build(script: Path, out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), "--out", str(out)]
    umask = 0o077 if environment else -1
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}, umask=umask
    )


def test_two_builds_are_the_same_bytes_wherever_and_whenever_they_are_made(app: Path, tmp_path: Path) -> None:
    assert app.exists()  # the tools are there
    script = project(tmp_path / "elsewhere")
    assert build(script, tmp_path / "one").returncode == 0
    assert build(script, tmp_path / "other/place", TZ="Asia/Tokyo", PYTHONHASHSEED="7").returncode == 0
    (one,), (other,) = (tmp_path / "one").glob("*.spl"), (tmp_path / "other/place").glob("*.spl")
    assert one.read_bytes() == other.read_bytes()


def test_a_build_that_fails_says_so(app: Path, tmp_path: Path) -> None:
    """ucc-gen ends with 0 on its own crash; ours does not."""
    assert app.exists()
    script = project(tmp_path / "project")
    script.with_name("globalConfig.json").write_text('{"pages": {}, "meta": {}}')
    done = build(script, tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith("splunk app: ")
    assert not list((tmp_path / "out").glob("*.spl"))


@pytest.fixture(scope="module")
def reports(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """AppInspect's reports on the app as it is, and on a copy whose lib/ has our package alone; both at once."""
    folder = tmp_path_factory.mktemp("appinspect")
    own = folder / "own.spl"
    without_libraries(archive, own)
    running = {which: inspect(path, folder / f"{which}.json") for which, path in (("whole", archive), ("own", own))}
    for process in running.values():
        _, err = process.communicate(timeout=500)
        assert process.returncode == 0, err
    return {which: json.loads((folder / f"{which}.json").read_text(encoding="utf-8")) for which in running}


def without_libraries(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as whole, tarfile.open(target, "w:gz") as own:
        for member in whole:
            parts = member.name.split("/")
            if parts[1:2] != ["lib"] or parts[2:3] in ([], ["entrawatch"]):
                own.addfile(member, whole.extractfile(member) or io.BytesIO())


def inspect(package: Path, report: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            CACHE / "appinspect/bin/splunk-appinspect", "inspect", package, "--mode", "precert",
            "--skip-trusted-libraries-update", "--max-messages", "all", "--data-format", "json",
            "--output-file", report,
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.timeout(600)
def test_appinspect_finds_nothing_but_what_we_know(reports: dict[str, Any]) -> None:
    from gate import faults

    assert faults("whole", reports["whole"]) + faults("own", reports["own"]) == []
    assert reports["whole"]["reports"][0]["summary"]["success"] > 100


def report(**checks: tuple[str, str]) -> Any:
    made = [{"name": n, "result": r, "messages": [{"message": m}] if m else []} for n, (r, m) in checks.items()]
    return {"reports": [{"groups": [{"checks": made}], "summary": {"skipped": 0}}]}


@pytest.mark.parametrize(
    ("name", "result", "message", "fault"),
    [
        ("check_new", "warning", "a new one", "warning check_new: a new one"),
        ("check_for_splunk_js", "failure", "worse", "failure check_for_splunk_js: worse"),
        ("check_new", "future_failure", "later", "future_failure check_new: later"),
        ("check_new", "error", "broke", "error check_new: broke"),
        ("check_for_splunk_js", "success", "", "check_for_splunk_js is not reported any more"),
        ("check_for_possible_threading", "warning", "again File: bin/other.py", "again File: bin/other.py"),
        ("check_for_possible_threading", "warning", "File: lib/msal/a.py File: bin/b.py", "File: bin/b.py"),
        ("check_python_sdk_version", "warning", "mine", "warning check_python_sdk_version: mine"),
    ],
)
def test_the_gate_fails_on_whatever_is_new_worse_or_gone(name: str, result: str, message: str, fault: str) -> None:
    from gate import ALLOWED, faults

    known = {check: ("warning", "") for check, allowed in ALLOWED.items() if "own" in allowed.where}
    assert faults("own", report(**known)) == []
    (line,) = faults("own", report(**{**known, name: (result, message)}))
    assert fault in line


def test_the_gate_tells_all_there_is() -> None:
    from gate import ALLOWED, faults

    told = faults("whole", report(check_new=("failure", "one"), check_newer=("error", "two")))
    assert len(told) == 2 + sum("whole" in allowed.where for allowed in ALLOWED.values())
    malformed = report()
    malformed["reports"][0]["summary"]["skipped"] = 240
    assert "240 checks were skipped" in faults("own", malformed)[-1]


@pytest.mark.parametrize("page", [PACKAGING / "package/README.txt", ROOT / "docs/splunk.md"], ids=lambda p: p.name)
def test_the_permissions_that_are_asked_for_are_those_of_the_streams(page: Path) -> None:
    named = re.findall(r"\b[A-Z]\w+\.Read(?:Write)?\.\w+", page.read_text(encoding="utf-8"))
    assert set(named) == set(needed(default_streams()))


def test_ksconf_reads_every_conf(app: Path) -> None:
    files = sorted(app.glob("default/*.conf"))
    done = subprocess.run([CACHE / "tools/bin/ksconf", "check", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(files) >= 6
