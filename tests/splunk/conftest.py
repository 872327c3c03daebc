"""The app as `make splunk-app` builds it, once for all workers, and the interpreters that Splunk ships."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGING, CACHE = ROOT / "packaging" / "splunk", ROOT / ".cache" / "splunk-app"
STUB = Path(__file__).parent / "stub"
sys.path.insert(0, str(PACKAGING))  # its scripts are files, not a package: that would shadow PyPI's own `packaging`


def _digest() -> str:
    """Of all that the app is made of."""
    from runtime import files

    content = (path for folder in (PACKAGING, ROOT / "content/splunk") for path in folder.rglob("*") if path.is_file())
    sources = sorted({*content, *files(ROOT / "connector").values(), ROOT / "LICENSE"})
    sources = [path for path in sources if "__pycache__" not in path.parts]
    return hashlib.sha256(b"\0".join(str(p.relative_to(ROOT)).encode() + p.read_bytes() for p in sources)).hexdigest()


@pytest.fixture(scope="session")
def archive() -> Path:
    """The built archive; beside it the app's folder, below etc/apps as its REST handlers expect."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([PACKAGING / "install.sh", sys.executable], check=True)
        home = CACHE / f"built-{_digest()[:16]}"
        if not (home / "done").exists():
            for old in CACHE.glob("built-*"):
                if (
                    old.stat().st_mtime < time.time() - 3600
                ):  # a younger one may be in use: by a worker that began earlier
                    shutil.rmtree(old)
            command = [sys.executable, PACKAGING / "build.py", "--out", home / "etc/apps"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            (home / "done").touch()
    return next((home / "etc/apps").glob("*.spl"))


@pytest.fixture(scope="session")
def app(archive: Path) -> Path:
    """The app's folder."""
    return archive.parent / "entrawatch"


@pytest.fixture(params=["3.9", "3.13"])
def python(request: pytest.FixtureRequest) -> str:
    """An interpreter that Splunk ships; found as tests/on_python.sh finds it."""
    return interpreter(request.param)


def interpreter(version: str) -> str:
    """The path of a Python of that version."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [
        os.environ.get(f"PY{version.replace('.', '')}"),
        shutil.which(f"python{version}"),
        *sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/python"))),
    ]
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-c", ""], check=False, capture_output=True).returncode == 0:
            return candidate
    if os.environ.get("CI"):
        pytest.fail(f"no Python {version}")
    pytest.skip(f"no Python {version}; set PY{version.replace('.', '')}")
