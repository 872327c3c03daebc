"""What an emulator that is started again keeps: a configuration for it stays good."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.conftest import Client
from tests.graph import certificates

from entrawatch.emulator import certificate
from entrawatch.emulator.server import Emulator
from entrawatch.emulator.tenant import TenantOptions, generate
from entrawatch.errors import ConfigError

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


@pytest.mark.parametrize("spoilt", ["old", "broken", "without its CA", "with an empty CA", "of two"])
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
    if spoilt == "with an empty CA":
        (tmp_path / "ca.pem").write_bytes(b"")
    if spoilt == "of two":  # cut off between its two files
        started(tmp_path / "another")
        (tmp_path / "another/server.pem").replace(tmp_path / "server.pem")
    after = started(tmp_path)
    assert after[0] != before[0]
    assert after[1] == before[1]


OTHERS = {
    "ca.pem": "somebody's",
    "server.pem": "somebody's",
    "client-secret": "two\nlines",
}


@pytest.mark.parametrize("name", OTHERS)
def test_somebodys_own_files_are_neither_used_nor_written_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(OTHERS[name], encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"{name}.* not the emulator's.*; give another folder"):
        started(tmp_path)
    assert (tmp_path / name).read_text(encoding="utf-8") == OTHERS[name]
    assert [file.name for file in tmp_path.iterdir()] == [name], "nothing is put beside it"


@pytest.mark.parametrize("authority", ["theirs", "ours"])
def test_somebodys_own_certificate_is_not_served_nor_written_over(tmp_path: Path, authority: str) -> None:
    started(tmp_path)
    pem = certificates.make(tmp_path / "server.pem")
    before = pem.read_bytes()
    if authority == "theirs":
        (tmp_path / "ca.pem").write_bytes(before)
    with pytest.raises(ConfigError, match="give another folder"):
        started(tmp_path)
    assert pem.read_bytes() == before


def test_a_secret_that_others_could_read_is_the_owners_alone(tmp_path: Path) -> None:
    started(tmp_path)
    (tmp_path / "client-secret").chmod(0o644)
    started(tmp_path)


def test_a_full_disk_is_told_with_the_file_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", full)
        with pytest.raises(OSError, match="No space left on device") as caught:
            started(tmp_path)
    assert caught.value.filename == str(tmp_path / "server.pem")
    assert list(tmp_path.iterdir()) == []
    started(tmp_path)


def test_a_disk_that_is_full_of_records_is_told_with_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def small(*given: Any, **more: Any) -> Any:
        database = connect(*given, **more)
        database.execute("PRAGMA max_page_count = 20")
        return database

    monkeypatch.setattr("sqlite3.connect", small)
    with pytest.raises(OSError, match="full") as caught, Emulator(generate(TenantOptions(users=20))):
        pass
    assert str(caught.value.filename).endswith("records.sqlite")
