"""Builds the Splunk app: python packaging/splunk/build.py [--out DIR] → DIR/entrawatch-VERSION.spl.

UCC makes the pages, their REST handlers and the input's script from globalConfig.json; content/splunk lies over what is
in package/, our own modules and the locked libraries go to lib/. Needs the environments that install.sh makes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SOURCE, CONTENT = ROOT / "connector", ROOT / "content" / "splunk"
CACHE = ROOT / ".cache" / "splunk-app"
PYTHON = CACHE / "tools" / "bin" / "python"
APP = "entrawatch"
PIP = "26.2"
#: pure Python for the oldest interpreter that is served, and nothing else
_WHEELS = "--no-deps --only-binary=:all: --platform any --implementation py --abi none --python-version 3.9.18"
#: the zip format's first day: the files' time where SOURCE_DATE_EPOCH says no other
_EPOCH = 315532800
#: what no app may carry
_COMPILED = {".so", ".pyd", ".dll", ".dylib", ".pyc", ".exe"}
#: pip's notes for itself, which name no file of ours
_NOTES = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
#: libraries that run outside Splunk, or not at all
_UNUSED = ("lib/bin", "lib/requirements.txt", "lib/certifi/tests")

sys.path[:0] = [str(HERE), str(SOURCE)]
from archive import pack  # noqa: E402
from runtime import files  # noqa: E402

from entrawatch import __version__  # noqa: E402


class BuildError(Exception):
    """The app cannot be built; the text says why."""


def build(out: Path) -> Path:
    """Build the app; the archive, beside which its folder lies.

    :raises BuildError: a tool failed, or made something that must not be shipped.
    """
    work = out / "work"
    _say("libraries: locked pure-Python wheels")
    libraries = wheels()
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(out / APP, ignore_errors=True)
    _prepare(work / "source", libraries)
    _say("pages, handlers and libraries: ucc-gen, up to half a minute")
    _generate(work)
    _say("our own modules, checks, archive")
    app = (work / "out" / APP).rename(out / APP)
    shutil.rmtree(work)
    _finish(app)
    archive = out / f"{APP}-{__version__}.spl"
    pack(app, archive, int(os.environ.get("SOURCE_DATE_EPOCH", _EPOCH)))
    return archive


def wheels() -> Path:
    """The folder of locked libraries, fetched when it is missing; every file's hash was checked."""
    locks = [HERE / "requirements.txt", HERE / "requirements-source.txt"]
    digest = hashlib.sha256(b"\0".join(lock.read_bytes() for lock in (*locks, HERE / "tools.txt"))).hexdigest()
    folder = CACHE / f"wheels-{digest[:16]}"
    if not folder.exists():
        fresh = folder.with_suffix(f".{os.getpid()}")
        _pip("download", *_WHEELS.split(), "--require-hashes", "-d", str(fresh), "-r", str(locks[0]))
        _pip("wheel", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--require-hashes",
             "-w", str(fresh), "-r", str(locks[1]))  # fmt: skip
        fresh.rename(folder)
    return folder


def _prepare(source: Path, libraries: Path) -> None:
    """What UCC builds from, in a folder of its own: it writes into its source."""
    package = source / "package"
    shutil.copytree(HERE / "package", package)
    shutil.copy(HERE / "globalConfig.json", source)
    if CONTENT.exists():
        _overlay(CONTENT, package)
    views = package / "default/data/ui/views"
    _write(package / "default/data/ui/nav/default.xml", _nav(sorted(view.stem for view in views.glob("*.xml"))))
    _write(package / "LICENSES/Apache-2.0.txt", (ROOT / "LICENSE").read_text(encoding="utf-8"))
    pins = sorted("==".join(wheel.name.split("-")[:2]) for wheel in libraries.glob("*.whl"))
    lines = ["--no-index", f"--find-links {shlex.quote(str(libraries))}", *pins]
    _write(package / "lib/requirements.txt", "\n".join(lines) + "\n")


def _overlay(content: Path, package: Path) -> None:
    for path in sorted(path for path in content.rglob("*") if path.is_file()):
        target = package / path.relative_to(content)
        if target.exists():
            raise BuildError(f"{target.relative_to(package)} is in content/splunk and in packaging/splunk; keep one")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _nav(views: list[str]) -> str:
    """The menu: the app's dashboards, then UCC's two pages. The app opens with the first."""
    from xml.etree import ElementTree as ET

    nav = ET.Element("nav")
    for number, name in enumerate([*views, "inputs", "configuration", "search"]):
        ET.SubElement(nav, "view", {"name": name, **({"default": "true"} if not number else {})})
    ET.indent(nav)
    return ET.tostring(nav, encoding="unicode") + "\n"


def _generate(work: Path) -> None:
    _run(
        str(PYTHON.with_name("ucc-gen")), "build", "--source", str(work / "source/package"),
        "--ta-version", __version__, "-o", str(work / "out"), "--overwrite", "--python-binary-name", str(PYTHON),
        "--pip-version", PIP, "--pip-custom-flag", f"--no-compile {_WHEELS}",
    )  # fmt: skip
    made = work / "out" / APP
    needed = ("app.manifest", "default/restmap.conf", "default/app.conf", f"bin/{APP}.py", "lib/solnlib/__init__.py",
              "appserver/static/openapi.json")  # fmt: skip
    missing = [name for name in needed if not (made / name).is_file()]
    if missing:
        raise BuildError(f"ucc-gen made no {', '.join(missing)}; run it by hand to see why")


def _finish(app: Path) -> None:
    for name in _UNUSED:
        path = app / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in app.glob("lib/*.dist-info/*"):
        if path.name in _NOTES:
            path.unlink()
    for name, path in files(SOURCE).items():
        target = app / "lib" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    _unstamp(app)
    _check(app)


def _unstamp(app: Path) -> None:
    """UCC writes the time of the build into two files; a number that follows the version does as well there."""
    number = str(_number(__version__))
    conf, page = app / "default/app.conf", app / "appserver/templates/base.html"
    text = conf.read_text(encoding="utf-8")
    found = re.search(r"^build *= *(\d+)$", text, re.MULTILINE)
    if found is None:
        raise BuildError("default/app.conf has no build number where UCC used to write it")
    for path in (conf, page):
        path.write_text(path.read_text(encoding="utf-8").replace(found[1], number), encoding="utf-8")


def _number(version: str) -> int:
    parts = [int(part) for part in re.findall(r"\d+", version)[:3]]
    return sum(part * 1000**place for place, part in enumerate(reversed(parts)))


def _check(app: Path) -> None:
    """What UCC and pip may have let in, and must not be shipped."""
    compiled = [str(path.relative_to(app)) for path in app.rglob("*") if path.suffix in _COMPILED]
    if compiled or list(app.rglob("__pycache__")):
        raise BuildError(f"compiled files in the app: {', '.join(compiled) or '__pycache__'}")
    manifest = json.loads((app / "app.manifest").read_text(encoding="utf-8"))
    if manifest["info"]["id"]["version"] != __version__:
        raise BuildError("app.manifest has another version than the package")
    here = [str(path.relative_to(app)) for path in app.rglob("*") if path.is_file() and _names_a_folder(path)]
    if here:
        raise BuildError(f"files name a folder of this machine: {', '.join(here)}")


def _names_a_folder(path: Path) -> bool:
    return os.fsencode(ROOT) in path.read_bytes()


def _say(step: str) -> None:
    print(f"splunk app: {step} …", file=sys.stderr, flush=True)


def _pip(*arguments: str) -> None:
    _run(str(PYTHON), "-m", "pip", arguments[0], "--quiet", "--disable-pip-version-check", *arguments[1:])


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise BuildError(f"{error.filename} is missing; run packaging/splunk/install.sh first") from None
    said = done.stdout + done.stderr
    at = said.find("ERROR")
    if done.returncode or at >= 0:  # ucc-gen exits 0 on its own crash
        raise BuildError(f"{shlex.join(command[:4])} … failed:\n{said[max(at, 0) :]}")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the archive (default dist)")
    arguments = parser.parse_args()
    try:
        archive = build(arguments.out.resolve())
    except BuildError as error:
        print(f"splunk app: {error}", file=sys.stderr)
        return 1
    print(archive)
    return 0


if __name__ == "__main__":
    sys.exit(main())
