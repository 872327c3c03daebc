"""BACK ENDS: a typed rule to the text of one language, exact or refused."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from entrawatch.dialects.base import Compiled, Dialect, Refusal
    from entrawatch.rules.rule import Baseline, Rule

#: name → module and class; a dialect is loaded when it is asked for
DIALECTS = {
    "sql": ("entrawatch.dialects.sql", "Sql"),
    "spl": ("entrawatch.dialects.spl", "SplDialect"),
    "esql": ("entrawatch.dialects.esql", "Esql"),
    "eql": ("entrawatch.dialects.eql", "Eql"),
    "kql": ("entrawatch.dialects.kql", "Kql"),
}
NAMES = tuple(DIALECTS)


def dialect(name: str, baselines: Mapping[str, Baseline], profile: str = "") -> Dialect:
    """The dialect of that name.

    :raises ConfigError: it has no such profile.
    """
    from entrawatch.errors import ConfigError

    module, kind = DIALECTS[name]
    try:
        made: Dialect = getattr(import_module(module), kind)(baselines, profile)
    except ValueError as error:
        raise ConfigError([str(error)]) from error
    return made


def coverage(
    rules: Iterable[Rule], baselines: Mapping[str, Baseline]
) -> dict[str, dict[str, Union[Compiled, Refusal]]]:
    """Every rule in every language: its text, or why not."""
    made = {name: dialect(name, baselines) for name in NAMES}
    return {rule.slug: {name: one.compile(rule) for name, one in made.items()} for rule in rules}
