"""What several commands do with the rules a person asks for, those of their own among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from entrawatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from entrawatch.dialects.base import Compiled, Refusal
    from entrawatch.rules.asked import Asked
    from entrawatch.rules.rule import Baseline, Rule

    Answer = Union[Compiled, Refusal]


def asked(words: Sequence[str], where: str) -> Asked:
    """The rules of these names, files and folders; what is left out of a folder is said on standard error.

    :raises ConfigError: see entrawatch.rules.asked.
    """
    from entrawatch.cli.console import say
    from entrawatch.redaction import clean
    from entrawatch.rules.asked import asked as read

    found = read(words, where)
    for line in found.left_out:
        say(f"entrawatch: left out: {clean(line)}")
    return found


def asked_to_hunt(words: Sequence[str], where: str = "--rules") -> Asked:
    """The same, where SQL can say each rule: before hours of reading, not after.

    :raises ConfigError: it cannot, or see entrawatch.rules.asked.
    """
    from entrawatch.dialects import dialect

    found = asked(words, where)
    sql = dialect("sql", found.catalogue.baselines)
    refused = refusals(sql.compile(found.catalogue.rules[slug]) for slug in found.files)
    if refused:
        raise ConfigError(refused)
    return found


def covered(rules: Iterable[Rule], baselines: Mapping[str, Baseline]) -> list[Mapping[str, Answer]]:
    """What each language answers to each rule; two rules may have one name."""
    from entrawatch.dialects import coverage

    return [coverage([rule], baselines)[rule.slug] for rule in rules]


def refusals(answers: Iterable[Answer]) -> list[str]:
    """A line for each that is a refusal."""
    from entrawatch.dialects.base import Refusal

    return [
        f"{one.rule}: {one.dialect} cannot say it exactly: {one.why} ({one.node})"
        for one in answers
        if isinstance(one, Refusal)
    ]
