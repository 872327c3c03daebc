"""What an emulator that is started again keeps: a configuration for it stays good."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.emulator.conftest import Client

from entrawatch.emulator import certificate
from entrawatch.emulator.server import Emulator

if TYPE_CHECKING:
    from pathlib import Path


def started(keep: Path | None) -> tuple[bytes, str, Path]:
    """Its CA, its secret, and the file of that."""
    with Emulator(keep=keep) as emulator:
        assert emulator.secret_file.read_text(encoding="utf-8") == emulator.client_secret
        assert emulator.secret_file.stat().st_mode & 0o777 == 0o600
        assert Client(emulator).token().status_code == 200
        return emulator.ca_file.read_bytes(), emulator.client_secret, emulator.secret_file


def test_the_same_folder_gives_the_same_certificates_and_secret(tmp_path: Path) -> None:
    first, second = started(tmp_path / "new/keys"), started(tmp_path / "new/keys")
    assert first == second
    assert first[2].parent.stat().st_mode & 0o777 == 0o700
    assert (first[2].parent / "server.pem").stat().st_mode & 0o777 == 0o600


def test_without_a_folder_nothing_is_the_same_and_nothing_stays() -> None:
    first, second = started(None), started(None)
    assert first[0] != second[0]
    assert first[1] != second[1]
    assert not first[2].exists()


@pytest.mark.parametrize("spoilt", ["old", "broken", "without its CA"])
def test_certificates_that_are_no_longer_good_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    with monkeypatch.context() as patched:
        if spoilt == "old":
            patched.setattr(certificate, "_LIFETIME", timedelta(hours=20))
        before = started(tmp_path)
    if spoilt == "broken":
        (tmp_path / "server.pem").write_text("no certificate", encoding="utf-8")
    if spoilt == "without its CA":
        (tmp_path / "ca.pem").unlink()
    after = started(tmp_path)
    assert after[0] != before[0]
    assert after[1] == before[1]
