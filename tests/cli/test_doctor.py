"""`doctor` as the person sees it who waits for it; what it finds is in test_collect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from entrawatch.cli import doctor
from entrawatch.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize(("format_", "shown"), [("table", "state\nok    folder"), ("json", "")])
def test_each_thing_is_told_as_soon_as_it_was_looked_at(
    config: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, format_: str, shown: str
) -> None:
    seen: list[Any] = []

    def checks(_: object) -> Iterator[doctor.Line]:
        seen.append(capfd.readouterr())
        yield doctor.Line("state", "folder", doctor.OK, "can be written")
        seen.append(capfd.readouterr())
        yield doctor.Line("state", "dead letter", doctor.WARN, "holds [something]", "look at it")

    monkeypatch.setattr(doctor, "checks", checks)
    assert main(["doctor", "--config", str(config), "--format", format_]) == 0
    before, between = seen
    assert (before.out, "up to a minute" in before.err) == ("", True)
    assert between.out.startswith(shown)
    assert (between.out == "") == (format_ == "json")  # a document is whole or none
    assert "holds [something]" in capfd.readouterr().out
