"""The catalogue that the product ships."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from entrawatch.rules.catalogue import Catalogue, load_catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

from entrawatch.errors import ConfigError

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
    unknown = [slug for slug in slugs if slug not in whole.rules]
    if unknown:
        raise ConfigError([f"{where}: there is no rule {slug!r}; {_near(slug, list(whole.rules))}" for slug in unknown])
    return Catalogue({slug: whole.rules[slug] for slug in slugs or whole.rules}, whole.baselines)


def _near(word: str, known: list[str]) -> str:
    if "," in word:
        return f"put blanks between names: {' '.join(word.replace(',', ' ').split())}"
    close = get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
