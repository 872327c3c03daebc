"""The catalogue's package for one product, and what of it is to be deployed."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Optional

from entrawatch.deploy.target import Content
from entrawatch.errors import ConfigError
from entrawatch.packages.content import TARGETS, prepared
from entrawatch.packages.versions import LOCK, load_lock
from entrawatch.rules.catalogue import load_catalogue
from entrawatch.rules.shipped import ROOT, check_known, shipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from entrawatch.deploy.plan import Wanted
    from entrawatch.packages.content import Release
    from entrawatch.packages.versions import Lock
    from entrawatch.rules.catalogue import Catalogue


@dataclass(frozen=True)
class Package:
    """What the product's module makes of the catalogue.

    :param files: path below content/<product>/ → bytes.
    :param chosen: the slugs that are to be deployed; empty for all.
    """

    release: Release
    lock: Lock
    files: Mapping[str, bytes] = field(hash=False)
    chosen: frozenset[str] = frozenset()

    def slugs(self, form: str) -> dict[str, str]:
        """What a rule is called in a form (splunk, elastic, sentinel …) → its slug."""
        return {
            name.splunk if form == "splunk" else name.uuids[form]: slug for slug, name in self.release.names.items()
        }

    def released(self, form: str) -> frozenset[str]:
        """What every rule that was ever released is called in a form."""
        return frozenset(entry["names"][form] for entry in self.lock.entries.values())

    def content(self, wanted: Iterable[Wanted], released: frozenset[str] = frozenset()) -> Content:
        """What is to be deployed of these.

        :param released: the keys that any catalogue had.
        """
        kept = tuple(one for one in wanted if not self.chosen or one.slug in self.chosen)
        return Content(kept, released, whole=not self.chosen)


def package(product: str, folder: Optional[Path] = None, slugs: Sequence[str] = ()) -> Package:
    """The package of a product.

    :param folder: a checkout's content folder; the catalogue that is installed with us where it is None.
    :param slugs: only these rules.
    :raises ConfigError: faults of the catalogue or the lock; an unknown slug.
    """
    catalogue, lock = _shipped() if folder is None else _of(folder)
    check_known(slugs, catalogue)
    release = prepared(catalogue, lock, product)
    return Package(release, lock, import_module(TARGETS[product]).tree(release), frozenset(slugs))


def _shipped() -> tuple[Catalogue, Lock]:
    return shipped(), load_lock(ROOT.resolve().parent / LOCK)


def _of(folder: Path) -> tuple[Catalogue, Lock]:
    if not (folder / "catalogue").is_dir():
        raise ConfigError([f"--content: {folder} has no catalogue in it; name a checkout's content folder"])
    return load_catalogue(folder / "catalogue"), load_lock(folder / LOCK)
