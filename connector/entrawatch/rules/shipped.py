"""The catalogue that the product ships."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from entrawatch.errors import ConfigError
from entrawatch.rules.catalogue import Catalogue, load_catalogue
from entrawatch.words import near

if TYPE_CHECKING:
    from collections.abc import Sequence

#: a link to content/catalogue in a checkout, a copy of it in an installed package
ROOT = Path(__file__).parent.parent / "catalogue"


@cache
def shipped() -> Catalogue:
    """Every rule and baseline, read and checked once.

    :raises ConfigError: the files were changed and have faults.
    """
    return load_catalogue(ROOT)


def chosen(slugs: Sequence[str], where: str = "--rules") -> Catalogue:
    """The rules of these names with all baselines; all of them where none is named.

    :param where: where the names were given, for what is said of a wrong one.
    :raises ConfigError: a name is none of the catalogue's.
    """
    whole = shipped()
    check_known(slugs, whole, where)
    return Catalogue({slug: whole.rules[slug] for slug in slugs or whole.rules}, whole.baselines)


def check_known(slugs: Sequence[str], catalogue: Catalogue, where: str = "--rules") -> None:
    """Nothing where all of them are rules of the catalogue.

    :raises ConfigError: with every one that is not.
    """
    unknown = [slug for slug in slugs if slug not in catalogue.rules]
    if unknown:
        raise ConfigError([f"{where}: there is no rule {slug!r}; {_near(slug, catalogue)}" for slug in unknown])


def _near(word: str, catalogue: Catalogue) -> str:
    if "," in word:
        return f"put blanks between names: {' '.join(word.replace(',', ' ').split())}"
    return near(word, catalogue.rules)
