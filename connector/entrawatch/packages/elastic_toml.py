"""A rule in the layout of elastic/detection-rules, for teams that keep their rules as files and load them with that
repository's tools (`custom-rules`): https://dac-reference.readthedocs.io

What those tools work out by themselves, or keep elsewhere, is left out: related integrations and required fields,
actions and exceptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit

from entrawatch.packages.elastic_threat import tactic_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tomlkit.items import AoT, Array, Item, String, Table

    from entrawatch.rules.rule import Rule

#: what the repository's tools refuse in a file or add to it
_LEFT_OUT = {"related_integrations", "required_fields", "actions", "exceptions_list"}
#: the oldest stack that the queries are written for
_OLDEST = "8.19.0"


def path(rule: Rule) -> str:
    """Where the file stands: its first tactic begins its name; building blocks have a folder of their own."""
    tactic = "_".join(tactic_names(rule)[0].lower().split())
    name = f"{tactic}_entra_id_{rule.slug.replace('-', '_')}.toml"
    return f"rules_building_block/{name}" if rule.level == "informational" else f"rules/integrations/azure/{name}"


def document(rule: Rule, made: Mapping[str, Any]) -> bytes:
    """The file.

    :param made: the rule as Kibana's import takes it.
    """
    date = rule.date.replace("-", "/")
    metadata = {
        "creation_date": date, "updated_date": date, "integration": ["azure"], "maturity": "production",
        "min_stack_version": _OLDEST, "min_stack_comments": "The oldest stack that Entrawatch writes queries for.",
    }  # fmt: skip
    kept = {name: value for name, value in made.items() if name not in _LEFT_OUT}
    return tomlkit.dumps({"metadata": _table(metadata), "rule": _table(kept)}).encode()


def _table(values: Mapping[str, Any]) -> Table:
    """A table; what is a table below it stands behind its plain values."""
    table = tomlkit.table()
    nested = {name: value for name, value in values.items() if _is_nested(value)}
    for name, value in {**{name: value for name, value in values.items() if name not in nested}, **nested}.items():
        table.add(name, _item(value))
    return table


def _is_nested(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value))


def _item(value: Any) -> Item:
    if isinstance(value, dict):
        return _table(value)
    if isinstance(value, list):
        return _tables(value) if _is_nested(value) else _array(value)
    return _string(value) if isinstance(value, str) else tomlkit.item(value)


def _tables(values: list[dict[str, Any]]) -> AoT:
    tables = tomlkit.aot()
    for value in values:
        tables.append(_table(value))
    return tables


def _array(values: list[Any]) -> Array:
    array = tomlkit.array()
    for value in values:
        array.append(_item(value))
    return array.multiline(len(values) > 1)


def _string(text: str) -> String:
    """Text of several lines as it stands, where TOML has a form for that; else on one line, escaped."""
    broad = "\n" in text and _stands_for_itself(text)
    return tomlkit.string(text, multiline=broad, literal=broad)


def _stands_for_itself(text: str) -> bool:
    """Whether a literal string can hold it."""
    printable = all(char.isprintable() or char in "\n\t" for char in text)
    return printable and "'''" not in text and not text.endswith("'")
