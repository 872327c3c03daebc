"""What `rules show` says of a rule: in words, and what a query needs beside its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.errors import ConfigError
from entrawatch.redaction import clean

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from entrawatch.rules.asked import Asked
    from entrawatch.rules.rule import Baseline, Rule


def words(rule: Rule, baselines: Mapping[str, Baseline]) -> str:
    """The rule in words: what it looks for, how it is tuned, and what to do."""
    from entrawatch.dialects.words import explained

    head = [rule.title, ", ".join(filter(None, (rule.slug, rule.level, " ".join(rule.techniques)))) + "\n"]
    parts = [
        "\n".join([*head, f"{rule.description}\n"] if rule.description else head),
        *[f"{title}\n" + "".join(f"  {line}\n" for line in lines) for title, lines in explained(rule, baselines)],
        "parameters\n" + "".join(f"  {p.name} = {p.default}: {p.description}\n" for p in rule.parameters),
        "what to do\n" + "".join(f"  {place}. {step}\n" for place, step in enumerate(rule.triage, 1)),
        "may be harmless when\n" + "".join(f"  - {case}\n" for case in rule.false_positives),
        "read on\n" + "".join(f"  {reference}\n" for reference in rule.references),
    ]
    told = "\n".join(part for part in parts if "\n  " in part or part is parts[0])
    return "\n".join(map(clean, told.split("\n")))


def profile_of(arguments: argparse.Namespace) -> str:
    """The profile of the language that is asked for.

    :raises ConfigError: an option is given that says nothing of that language, or of the rule in words.
    """
    given = {"--profile": arguments.profile, "--sql-dialect": arguments.sql_dialect}
    takes = "--sql-dialect" if arguments.dialect == "sql" else "--profile"
    if not arguments.dialect and any(given.values()):
        (option, *_) = [name for name, value in given.items() if value]
        with_ = "--dialect sql" if option == "--sql-dialect" else "--dialect"
        raise ConfigError([f"rules show: {option} goes with {with_}: without it, the rule is shown in words"])
    for option, value in given.items():
        if value and option != takes:
            raise ConfigError([f"rules show: {option} says nothing of {arguments.dialect}; {_instead(option)}"])
    return str(given[takes])


def _instead(option: str) -> str:
    return "it goes with --dialect sql" if option == "--sql-dialect" else "its engine is chosen by --sql-dialect"


def say_needs(found: Asked, language: str, text: str, profile: str) -> None:
    """What the queries need that their texts only name, on standard error."""
    if language == "spl":
        _say_macros(found, text, profile)
    if language in _BASELINES:
        _say_baselines(found, language)


def _say_macros(found: Asked, text: str, profile: str) -> None:
    """What the searches name: what the app defines, and what it does not, with definitions to begin with."""
    from entrawatch.cli.console import say
    from entrawatch.dialects.spl_fields import NORMALIZED
    from entrawatch.dialects.spl_macros import INDEX, macros, named
    from entrawatch.rules.shipped import shipped

    known = macros(shipped().rules.values(), profile or NORMALIZED)
    own = macros((found.catalogue.rules[slug] for slug in found.files), profile or NORMALIZED)
    theirs = [name for name in dict.fromkeys([*named(text), INDEX]) if name in known]
    say(f"entrawatch: needs the macros {', '.join(theirs)}, which the Splunk app defines (docs/splunk.md)")
    for name, definition in own.items():
        if name not in known:
            say(f"entrawatch: make the macro {name} in Splunk, as: {clean(definition)}")


def _spl_lookups(rule: Rule, baseline: Baseline) -> list[str]:
    from entrawatch.dialects.spl_baseline import lookup_name

    del rule
    return [lookup_name(baseline)]


def _esql_lookups(rule: Rule, baseline: Baseline) -> list[str]:
    from entrawatch.dialects.notes import lookups

    return list(lookups(rule, baseline).values())


#: language → the lookups of a rule's baseline; what they are called there, and who makes them
_BASELINES = {
    "spl": (_spl_lookups, "lookup", "lookups", "which the Splunk app defines and fills (docs/splunk.md)"),
    "esql": (
        _esql_lookups, "lookup index", "lookup indices",
        "and the transforms that fill them, from content/elastic/assets (docs/elasticsearch.md)",
    ),
}  # fmt: skip


def _say_baselines(found: Asked, language: str) -> None:
    from entrawatch.cli.console import say
    from entrawatch.dialects.notes import asked

    names_of, one, several, made = _BASELINES[language]
    catalogue = found.catalogue
    pairs = [(rule, asked(rule, catalogue.baselines)) for rule in catalogue.rules.values()]
    names = list(dict.fromkeys(name for rule, known in pairs if known for name in names_of(rule, known)))
    if names:
        say(f"entrawatch: needs the {one if len(names) == 1 else several} {', '.join(names)}, {made}")
