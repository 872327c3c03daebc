"""Runs the app's scripts as splunkd does: its own interpreter, an environment of its own, XML in and out."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from .conftest import STUB
from .splunkd import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from .splunkd import Splunkd

NAME = "contoso"


@dataclass
class Splunk:
    """One installation.

    :param python: its interpreter.
    :param app: the app's folder.
    :param home: SPLUNK_HOME.
    """

    python: str
    app: Path
    home: Path
    splunkd: Splunkd
    inputs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        self.splunkd.confs.setdefault("entrawatch_account", {})
        self.splunkd.confs.setdefault(
            "entrawatch_settings", {"proxy": {"proxy_enabled": ""}, "logging": {"loglevel": "DEBUG"}}
        )

    @property
    def logs(self) -> Path:
        """Where Splunk's log files are."""
        return self.home / "var/log/splunk"

    @property
    def checkpoints(self) -> Path:
        """The kind's checkpoint folder."""
        return self.home / "var/lib/splunk/modinputs/entrawatch"

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/bin:/bin", "SPLUNK_HOME": str(self.home), "PYTHONPATH": str(STUB),
            "SPLUNKD_URI": self.splunkd.uri, "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """The input's script, its standard input still open."""
        return subprocess.Popen(
            [self.python, str(self.app / "bin/entrawatch.py"), *arguments], env=self._environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str, stdin: bytes = b"") -> Ran:
        """The input's script from beginning to end."""
        with self.start(*arguments) as process:
            out, err = process.communicate(stdin, timeout=60)
        return Ran(process.returncode, out, err.decode())

    def collect(self) -> Ran:
        """One collection with the present definition."""
        return self.run(stdin=self.definition())

    def definition(self) -> bytes:
        """What splunkd writes to the script's standard input."""
        root = ET.Element("input")
        given = {
            "server_host": "host", "server_uri": self.splunkd.uri, "session_key": KEY,
            "checkpoint_dir": str(self.checkpoints),
        }  # fmt: skip
        for tag, text in given.items():
            ET.SubElement(root, tag).text = text
        stanza = ET.SubElement(ET.SubElement(root, "configuration"), "stanza", name=f"entrawatch://{NAME}")
        for name, text in self.inputs.items():
            ET.SubElement(stanza, "param", name=name).text = text
        return ET.tostring(root)

    def handler(self, script: str, action: str, name: str, **values: str) -> subprocess.CompletedProcess[str]:
        """One request to one of UCC's REST handlers, in splunkd's stead."""
        request = {"action": action, "name": name, "values": values, "session_key": KEY}
        return subprocess.run(
            [self.python, str(self.app / "bin" / script)], input=json.dumps(request), env=self._environment(),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def log(self) -> str:
        """The input's own log file."""
        return "".join(path.read_text(encoding="utf-8") for path in sorted(self.logs.glob("entrawatch_*.log*")))


@dataclass(frozen=True)
class Ran:
    """How the script ended."""

    code: int
    out: bytes
    err: str

    def events(self) -> list[Any]:
        """Every event that was written whole, as tags with their texts; `data` read as JSON."""
        return events(self.out)


def events(out: bytes) -> list[Any]:
    """The whole events of a stream that may end anywhere."""
    parser = ET.XMLPullParser(["end"])
    parser.feed(out)
    found = [element for _, element in parser.read_events() if element.tag == "event"]
    made = [{**element.attrib, **{child.tag: child.text for child in element}} for element in found]
    return [{**event, "data": json.loads(event["data"])} for event in made]
