"""The macros that searches name: what an analyst or a package may set without touching a search.

A source's macro ends up as search terms, a parameter's as a value in an expression, a filter's as a command: they are
written so that they can stand where the searches have them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from entrawatch.dialects.spl_fields import ENVELOPE, MARKS, NORMALIZED
from entrawatch.dialects.spl_predicates import alternatives
from entrawatch.dialects.spl_text import macro, name, string, word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from entrawatch.rules import ir
    from entrawatch.rules.rule import Rule

#: the macro of the indexes that hold the events, and its definition until an administrator names them
INDEX, ANY_INDEX = "entrawatch_index", "index=*"
_COMMENT = re.compile("```.*?```", re.DOTALL)
_MACRO = re.compile("`([A-Za-z0-9_]+)`")


def source_name(source: str, profile: str) -> str:
    """The macro of a source's events; each profile has its own, so that an app can hold both."""
    return f"entrawatch_{source}" if profile == NORMALIZED else f"entrawatch_{source}_{word(profile)}"


def filter_name(rule: Rule) -> str:
    """The macro that ends a rule's search: where false positives are filtered out."""
    return f"entrawatch_{word(rule.slug)}_filter"


def parameter_name(rule: Rule, parameter: ir.Parameter) -> str:
    """The macro of a rule's parameter."""
    return f"entrawatch_{word(rule.slug)}_{word(parameter.name)}"


def macros(rules: Iterable[Rule], profile: str) -> dict[str, str]:
    """Name → definition, for these rules' searches and all sources."""
    found = {INDEX: ANY_INDEX}
    found.update({source_name(source, profile): _source(source, profile) for source in MARKS[profile]})
    for rule in rules:
        for parameter in rule.parameters:
            found[parameter_name(rule, parameter)] = _definition(parameter)
        found[filter_name(rule)] = "search *"
    return found


def named(text: str) -> list[str]:
    """The macros that searches name, each once; what stands in their comments is none."""
    return list(dict.fromkeys(_MACRO.findall(_COMMENT.sub(" ", text))))


def _source(source: str, profile: str) -> str:
    if profile == NORMALIZED:
        return f'{macro(INDEX)} sourcetype="entrawatch:{source}"'
    field, values = MARKS[profile][source]
    return f'{macro(INDEX)} sourcetype="{ENVELOPE}" {name(field)} IN ({", ".join(values)})'


def _definition(parameter: ir.Parameter) -> str:
    """A number, a text in quotes, or a list as the regular expression that finds one of its texts."""
    value = parameter.default
    if isinstance(value, tuple):
        return alternatives(value)
    if isinstance(value, bool):
        return string("true" if value else "false")
    return str(value) if isinstance(value, (int, float)) else string(value)
