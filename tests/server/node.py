"""An Elasticsearch server on loopback, put together from what Maven Central has of it.

The server itself, its HTTP layer and x-pack-core are published and are what runs here. The modules that are not
(data-streams' own paths, ILM's executor, ingest, painless) are missing; data streams themselves, their templates,
rollover and the bulk API are part of the server. LifecycleStandIn.java says what stands for ILM, TransformStandIn.java
for transforms; painless.py runs the scripts on the last version that has them.
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Optional
from urllib.error import URLError
from urllib.request import urlopen

HERE = Path(__file__).parent
CACHE = HERE.parent.parent / ".cache" / "search-server"
TOOLS = ("mvn", "java", "javac", "jar")
NEEDS = (
    "the search server needs Maven and a JDK of version 17 to 24: {fault}; "
    "on Debian or Ubuntu: apt-get install maven openjdk-17-jdk-headless (or openjdk-21-jdk-headless)"
)
#: what Elasticsearch 8.19 is supported on; on 25 it starts, and then hangs
JAVA = range(17, 25)
#: module → which of the jars are its own, its plugin class, the modules it extends
MODULES = {
    "transport-netty4": ("netty-|transport-netty4", "org.elasticsearch.transport.netty4.Netty4Plugin", ""),
    "x-pack-core": (
        "x-pack|unboundid|http|commons-|elasticsearch-ssl-config", "org.elasticsearch.xpack.core.XPackPlugin", "",
    ),
    "lifecycle-stand-in": ("lifecycle-stand-in", "entrawatch.LifecycleStandIn", "x-pack-core"),
}  # fmt: skip
DESCRIPTOR = """\
name={name}
description={name}
version={version}
classname={plugin}
java.version=17
elasticsearch.version={version}
extended.plugins={extends}
has.native.controller=false
"""


def unmet() -> str:
    """What is missing on this machine, in words with what to do; "" where nothing is."""
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return NEEDS.format(fault=f"{', '.join(absent)} missing")
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    found = re.search(r'version "(\d+)', told)
    return "" if found and int(found[1]) in JAVA else NEEDS.format(fault=f"java is {told.splitlines()[0]}")


def run(*command: object, cwd: Optional[Path] = None) -> None:
    """Run a tool.

    :raises RuntimeError: it failed; the text is the end of what it said.
    """
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def version(pom: Path) -> str:
    """The version of Elasticsearch that a list of jars names."""
    found = re.search("<elasticsearch.version>(.*)</", pom.read_text(encoding="utf-8"))
    assert found
    return found[1]


def resolve(jars: Path, pom: Path) -> None:
    """Let Maven fetch the jars; they stay until the version in the list changes."""
    if jars.is_dir():
        return
    jars.parent.mkdir(parents=True, exist_ok=True)
    partial = jars.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    run("mvn", "-B", "-q", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={partial}")
    partial.rename(jars)


def _compile(home: Path, jars: Path) -> None:
    """Our classes: the main one beside the server, the stand-ins as a jar among the others."""
    run("javac", "-cp", f"{jars}/*", "-d", home / "main", HERE / "java" / "SearchServer.java")
    sources = [HERE / "java" / f"{name}.java" for name in ("LifecycleStandIn", "TransformStandIn")]
    run("javac", "-cp", f"{jars}/*", "-d", home / "stand-in", *sources)
    run("jar", "-c", "-f", home / "lifecycle-stand-in.jar", "-C", home / "stand-in", ".")


def _lay_out(home: Path, jars: Path, number: str) -> None:
    """A server's folders: lib, config, and one below modules for each module, with its descriptor and its jars."""
    (home / "config").mkdir(parents=True)
    (home / "lib").mkdir()
    _compile(home, jars)
    for name, (_, plugin, extends) in MODULES.items():
        (home / "modules" / name).mkdir(parents=True)
        text = DESCRIPTOR.format(name=name, version=number, plugin=plugin, extends=extends)
        (home / "modules" / name / "plugin-descriptor.properties").write_text(text, encoding="utf-8")
    for jar in [*jars.glob("*.jar"), home / "lifecycle-stand-in.jar"]:
        module = next((name for name, (own, _, _) in MODULES.items() if re.match(own, jar.name)), None)
        shutil.copy(jar, home / "modules" / module if module else home / "lib")


def install(home: Path) -> None:
    """Put a server into a folder that does not exist yet."""
    number = version(HERE / "pom.xml")
    resolve(CACHE / number, HERE / "pom.xml")
    _lay_out(home, CACHE / number, number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class SearchServer:
    """One node; `start`, `kill` (as a power cut does) and `start` again keep its port and its data."""

    def __init__(self, home: Path, data: Path) -> None:
        self._home, self._data, self._port = home, data, _free_port()
        self._process: Optional[subprocess.Popen[bytes]] = None
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self, seconds: float = 90) -> None:
        """Return when it answers.

        :raises RuntimeError: it ended or does not answer in time; the text is the end of its log.
        """
        self._data.mkdir(parents=True, exist_ok=True)
        log = self._data / "out.log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(self._command(), stdin=subprocess.PIPE, stdout=out, stderr=out)
        until = time.monotonic() + seconds
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise RuntimeError(f"the search server does not start:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.1)

    def _command(self) -> list[str]:
        modules = ["--module-path", str(self._home / "lib"), "--add-modules", "org.elasticsearch.server,jdk.net"]
        memory = ["-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        main = ["-cp", str(self._home / "main"), "SearchServer"]
        return ["java", *memory, *modules, *main, str(self._home), str(self._data), str(self._port)]

    def _answers(self) -> bool:
        with suppress(URLError, OSError), urlopen(f"{self.url}/_cluster/health", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it at once, without a word."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            assert self._process.stdin
            self._process.stdin.close()
            self._process = None
