"""A configuration written, loaded, and what was wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

import pytest

from entrawatch.config.keys import SinkTables
from entrawatch.config.load import load
from entrawatch.errors import ConfigError
from entrawatch.sinks.options import Option, faults

if TYPE_CHECKING:
    from pathlib import Path

    from entrawatch.config.model import Config

TABLES = SinkTables(
    {
        "files": {"folder": Option("path", "Folder.", required=True), "batch_bytes": Option("int", "Bytes.", least=1)},
        "splunk_hec": {
            "url": Option("url", "The collector.", required=True),
            "token": Option("secret", "HEC token.", required=True),
            "mode": Option("choice", "Shape.", choices=("event", "envelope")),
        },
    },
    faults,
)


@dataclass(frozen=True)
class Loader:
    """Writes a file and loads it."""

    folder: Path
    environ: dict[str, str]

    def __call__(self, text: str) -> Config:
        path = self.folder / "c.yml"
        path.write_text(text, encoding="utf-8")
        return load(path, TABLES, self.environ)

    def faults(self, text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self(text)
        return [fault.replace(f"{self.folder}/", "") for fault in caught.value.faults]


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    return Loader(tmp_path, {"APP_SECRET": "s3cr3t-value", "HEC": "hec-token-value"})


@pytest.fixture
def secret_file(tmp_path: Path) -> Callable[[int], Path]:
    def make(mode: int) -> Path:
        path = tmp_path / "secret.txt"
        path.write_text("from-a-file\n", encoding="utf-8")
        path.chmod(mode)
        return path

    return make
