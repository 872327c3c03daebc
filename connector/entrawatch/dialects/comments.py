"""What stands in the comments of a query, in every language: what the rule's author wrote, which is anybody's text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from entrawatch.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from entrawatch.rules import ir
    from entrawatch.rules.rule import Rule

#: what ends a comment, opens one or is a macro in one of the languages, and what stands for it
_ENDS = (("`", "'"), ("*/", "* /"), ("/*", "/ *"))


def commented(text: str) -> str:
    """A text that stands in a comment of any language and cannot leave it, nor show other text than there is.

    It is one line; what is not printed (control characters, those that turn the direction of what follows) is marked.
    """
    line = clean(" ".join(text.split()))
    for end, instead in _ENDS:
        line = line.replace(end, instead)
    return line


def about(rule: Rule, notes: Iterable[str], called: Callable[[ir.Parameter], str] = lambda one: one.name) -> list[str]:
    """The comments of a rule's query, one a line: which rule it is, what each parameter means, how to read the query.

    :param notes: what `dialects.notes` says of it.
    :param called: what a parameter is called in the query.
    """
    told = [f"{rule.id} {rule.slug}: {rule.title}"]
    told += [f"{called(one)}: {one.description}" for one in rule.parameters]
    return list(map(commented, [*told, *notes]))
