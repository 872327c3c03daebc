"""The rules that a person asks for: names of the catalogue's, and files and folders of rules of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from entrawatch.errors import ConfigError
from entrawatch.rules.catalogue import Catalogue
from entrawatch.rules.community import load
from entrawatch.rules.shipped import check_known, shipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from entrawatch.rules.community import Own
    from entrawatch.rules.rule import Rule


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    :param catalogue: the rules by slug, with all baselines.
    :param files: slug → file of those that are of one's own.
    :param left_out: a line for each rule in a folder that is not understood.
    """

    catalogue: Catalogue
    files: dict[str, Path]
    left_out: tuple[str, ...] = ()


def is_path(word: str) -> bool:
    """Whether it is no name of the catalogue's but a file or a folder, be it there or not."""
    if word in shipped().rules:
        return False
    return there(word) or "/" in word or Path(word).suffix in {".yml", ".yaml"}


def there(word: str) -> bool:
    """Whether a file or folder is called so; none is where the word, a list of rules, is longer than a name can be."""
    try:
        return Path(word).exists()
    except OSError:
        return False


def asked(words: Sequence[str], where: str = "--rules") -> Asked:
    """The rules of these names, files and folders; the whole catalogue where there is none.

    A file that a person names is understood, or nothing is done; of a folder the rules that are understood are taken.

    :param where: where the words were given, for what is said of a wrong one.
    :raises ConfigError: a word is neither, a file has faults, a rule in it is called as another, or none is left.
    """
    whole = shipped()
    paths = [Path(word) for word in words if is_path(word)]
    slugs = [word for word in words if not is_path(word)]
    check_known(slugs, whole, where)
    found, faults = load(paths)
    taken = [own for own in found if not own.counted]
    named = set(paths)
    left_out = [fault.line for fault in faults]
    told = [fault.line for fault in faults if fault.path in named] or ([] if taken or not paths else left_out)
    rules = {slug: whole.rules[slug] for slug in slugs or (() if paths else whole.rules)}
    twins = _twins(sorted(taken, key=lambda own: own.path not in named), rules)
    told += [line for own, line in twins if own.path in named]
    left_out += [line for own, line in twins if own.path not in named]
    taken = [own for own in taken if all(own is not twin for twin, _ in twins)]
    if told:
        raise ConfigError(told)
    rules |= {own.rule.slug: own.rule for own in taken}
    return Asked(Catalogue(rules, whole.baselines), {own.rule.slug: own.path for own in taken}, tuple(left_out))


def _twins(taken: Sequence[Own], rules: Mapping[str, Rule]) -> list[tuple[Own, str]]:
    """Each rule that is called as one before it, and a line that says so."""
    homes = dict.fromkeys(rules, "the catalogue")
    found = []
    for own in taken:
        home = homes.setdefault(own.rule.slug, "")
        if home:
            line = f"{own.path}: {own.rule.slug} is a rule's name in {home}, too; rename it, or leave one out"
            found.append((own, line))
        homes[own.rule.slug] = home or str(own.path)
    return found
