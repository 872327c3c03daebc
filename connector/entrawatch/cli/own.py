"""What several commands do with the rules a person asks for, those of their own among them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Union

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from entrawatch.dialects.base import Compiled, Dialect, Refusal
    from entrawatch.rules.asked import Asked
    from entrawatch.rules.rule import Baseline, Rule

    Answer = Union[Compiled, Refusal]


def asked(words: Sequence[str], where: str) -> Asked:
    """The rules of these names, files and folders; what is left out of a folder is said on standard error.

    :raises ConfigError: see entrawatch.rules.asked.
    """
    from entrawatch.rules.asked import asked as read

    found = read(words, where)
    _say_left_out(found.left_out)
    return found


def asked_to_hunt(words: Sequence[str], where: str = "--rules") -> Asked:
    """The same, where SQL can say each rule: before hours of reading, not after.

    :raises ConfigError: it cannot say one that was asked for by its name or file, or none of them, or see
        entrawatch.rules.asked.
    """
    from entrawatch.dialects import dialect

    found = asked(words, where)
    if not found.files:
        return found  # the catalogue's rules all hunt
    hunted, _ = said(found, dialect("sql", found.catalogue.baselines), words, found.files)
    return hunted


def said(
    found: Asked, language: Dialect, words: Sequence[str], slugs: Iterable[str]
) -> tuple[Asked, dict[str, Compiled]]:
    """What was asked for without those of these rules that the language cannot say, and the texts of the others.

    A rule that lies in a folder is left out, and that is said on standard error.

    :param words: what was asked for: names, files and folders.
    :raises ConfigError: the language cannot say a rule that was asked for by its name or file, or none is left.
    """
    from entrawatch.dialects.base import Compiled, Refusal

    rules = found.catalogue.rules
    answers = {slug: language.compile(rules[slug]) for slug in slugs}
    refused = {slug: _refusal(found, answer) for slug, answer in answers.items() if isinstance(answer, Refusal)}
    named = set(map(Path, words))
    wrong = [line for slug, line in refused.items() if found.files.get(slug, Path(slug)) in named]
    kept = {slug: rule for slug, rule in rules.items() if slug not in refused}
    if wrong or not kept:
        raise ConfigError(wrong or list(refused.values()))
    _say_left_out(refused.values())
    left = replace(
        found,
        catalogue=replace(found.catalogue, rules=kept),
        files={slug: path for slug, path in found.files.items() if slug in kept},
        left_out=(*found.left_out, *refused.values()),
    )
    return left, {slug: answer for slug, answer in answers.items() if isinstance(answer, Compiled)}


def _refusal(found: Asked, refusal: Refusal) -> str:
    path = found.files.get(refusal.rule)
    (line,) = refusals([refusal])
    return f"{path}: {line}; entrawatch rules validate {path} says which can" if path else line


def _say_left_out(lines: Iterable[str]) -> None:
    from entrawatch.cli.console import say
    from entrawatch.redaction import clean

    for line in lines:
        say(f"entrawatch: left out: {clean(line)}")


def covered(rules: Iterable[Rule], baselines: Mapping[str, Baseline]) -> list[Mapping[str, Answer]]:
    """What each language answers to each rule; two rules may have one name."""
    from entrawatch.dialects import coverage

    return [coverage([rule], baselines)[rule.slug] for rule in rules]


def refusals(answers: Iterable[Answer]) -> list[str]:
    """A line for each that is a refusal."""
    from entrawatch.dialects.base import Refusal

    return [
        f"{one.rule}: {one.dialect} cannot say it exactly: {one.why}" for one in answers if isinstance(one, Refusal)
    ]
