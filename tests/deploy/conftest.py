"""A catalogue of three rules that can be changed, and the command as a person gives it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import pytest
from tests.commands import Done, call, forget_secrets  # noqa: F401 - two fixtures, and what a command gives
from tests.deploy.kibana import Kibana

from entrawatch.deploy import content as deploy_content
from entrawatch.packages.content import released
from entrawatch.packages.versions import LOCK, load_lock
from entrawatch.rules.catalogue import load_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CATALOGUE = Path(__file__).parents[2] / "content/catalogue"
ANOTHER = "Another description, as long as one has to be to say something."
_MADE: dict[Any, Any] = {}
SLUGS = ("guest-invited", "password-spray", "single-factor-from-new-network")


class Content:
    """A content folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(CATALOGUE / "baselines", folder / "catalogue/baselines")
        for slug in SLUGS:
            self.restore(slug)

    def path(self, slug: str) -> Path:
        found = next(CATALOGUE.glob(f"*/{slug}.yml"))
        return self.folder / "catalogue" / found.parent.name / found.name

    def restore(self, slug: str) -> None:
        self.path(slug).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(next(CATALOGUE.glob(f"*/{slug}.yml")), self.path(slug))

    def replace(self, slug: str, old: str, new: str) -> None:
        text = self.path(slug).read_text(encoding="utf-8")
        assert old in text
        self.path(slug).write_text(text.replace(old, new), encoding="utf-8")

    def describe(self, slug: str, text: str) -> None:
        """Another description: a change that every product sees."""
        lines = self.path(slug).read_text(encoding="utf-8").splitlines()
        at = next(place for place, line in enumerate(lines) if line.startswith("description:"))
        end = next(place for place in range(at + 1, len(lines)) if not lines[place].startswith(" "))
        self.path(slug).write_text("\n".join([*lines[:at], f"description: {text}", *lines[end:]]) + "\n", "utf-8")

    def remove(self, slug: str) -> None:
        self.path(slug).unlink()

    def release(self) -> None:
        """As `entrawatch build --release`."""
        path = self.folder / LOCK
        lock = load_lock(path)
        path.write_bytes(released(load_catalogue(self.folder / "catalogue"), lock).dump())


@pytest.fixture(autouse=True)
def _remember_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same catalogue makes the same package (tests/packages), and most tests here deploy the same one."""
    make = deploy_content.package

    def remembered(product: str, folder: Optional[Path], slugs: Sequence[str] = ()) -> Any:
        paths = sorted(folder.rglob("*")) if folder else []
        files = tuple((path.name, path.read_bytes()) for path in paths if path.is_file())
        key = (product, files, tuple(slugs))
        if not files or key not in _MADE:
            _MADE[key] = make(product, folder, slugs)
        return _MADE[key]

    monkeypatch.setattr(deploy_content, "package", remembered)


@pytest.fixture
def content(tmp_path: Path) -> Content:
    return Content(tmp_path / "content")


@pytest.fixture
def kibana(tmp_path: Path) -> Iterator[Kibana]:
    (tmp_path / "kibana").mkdir()
    with Kibana(tmp_path / "kibana") as server:
        yield server
