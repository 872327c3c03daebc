"""The field table: every field of the common event, read once from the TSV files beside this module and checked.

A row says how Graph calls the field, its type, which Graph version has it, where it stands in the event and in the
diagnostic settings shape, its Splunk CIM name, its Log Analytics column, and under which other names rules know it.
In the files a cell that is empty takes the default given at `_row`; a cell that cannot be right stops the import.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from entrawatch.schema.names import camel, pascal, snake

if TYPE_CHECKING:
    from collections.abc import Iterator

#: what a field's value can be; "object" has rows for its parts, "flattened" takes any inner keys
TYPES = frozenset(
    {"keyword", "text", "long", "double", "boolean", "date", "ip", "geo_point", "object", "flattened"},
)  # fmt: skip
#: family → where its Graph properties stand in the event (as in Elastic's azure integration)
ROOTS = {
    "signin": "azure.signinlogs",
    "audit": "azure.auditlogs",
    "provisioning": "azure.provisioning",
    "risk_detection": "azure.identityprotection",
    "risky_object": "azure.identityprotection",
}
_HEADER = ["name", "type", "in", "event", "cim", "column", "aliases", "description"]


@dataclass(frozen=True)
class Field:
    """One field.

    :param name: path of Graph properties, dots between them; for fields Graph does not have, the event's path.
    :param type: one of TYPES.
    :param family: the normaliser's family, or "common" for what every event can have.
    :param v1: whether Graph v1.0 has it.
    :param beta: whether Graph beta has it.
    :param envelope: its place in the diagnostic settings record, "" for none.
    :param ecs: its path in the event; `*` stands for the keys 0, 1, … of an indexed list.
    :param cim: its Splunk CIM name (or Splunk's usual one), "" for none.
    :param column: its Log Analytics column, dotted below a dynamic one, "" for none.
    :param aliases: other names under which community rules ask for it.
    :param many: whether it holds a list.
    :param opaque: whether it lies below a flattened field or a geo_point: a store has no field of its own for it.
    """

    name: str
    type: str
    family: str
    description: str
    v1: bool
    beta: bool
    envelope: str
    ecs: str
    cim: str
    column: str
    aliases: tuple[str, ...]
    many: bool = False
    opaque: bool = False

    @property
    def derived(self) -> bool:
        """Whether we make it, rather than Microsoft."""
        return not (self.envelope or self.family == "common")


def _lines(file: str) -> Iterator[list[str]]:
    path = Path(__file__).with_name(f"fields_{file}.tsv")
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    if rows[0] != _HEADER:
        raise ValueError(f"{path.name}: the header is not {_HEADER}")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(_HEADER) or row[1].replace("[]", "") not in TYPES or set(row[2]) - set("vb"):
            raise ValueError(f"{path.name}:{number}: {row}")
        yield row


def _event(name: str, given: str, parent: Optional[Field], root: str) -> str:
    """The event path: `=x` is x itself, `~x` is x below the parent, nothing is the snake case below the parent."""
    if given.startswith("="):
        return given[1:]
    above = parent.ecs if parent else root
    return f"{above}.{given[1:] if given else snake(name.rpartition('.')[2])}"


def _column(name: str, given: str, parent: Optional[Field]) -> str:
    """The column: `-` is none, nothing is the name in Pascal case or, below an object, its place in that column."""
    if given or parent is None:
        return "" if given == "-" else given or pascal(name)
    return f"{parent.column}.{name.rpartition('.')[2]}" if parent.column else ""


def _row(row: list[str], family: str, parent: Optional[Field]) -> Field:
    name, kind, versions, event, cim, column, aliases, description = row
    derived = event.startswith("=") and not versions
    return Field(
        name=name,
        type=kind.replace("[]", ""),
        family=family,
        description=description,
        v1="v" in versions,
        beta="b" in versions,
        envelope="" if derived else f"properties.{name}",
        ecs=_event(name, event, parent, ROOTS[family] + ".properties"),
        cim=cim,
        column=_column(name, column, parent),
        aliases=tuple(aliases.split(",")) if aliases else (),
        many=kind.endswith("[]"),
        opaque=parent is not None and (parent.opaque or parent.type in ("flattened", "geo_point")),
    )


def _family(family: str) -> Iterator[Field]:
    seen: dict[str, Field] = {}
    for row in _lines(family):
        name = row[0]
        if name in seen:
            raise ValueError(f"fields_{family}.tsv: {name} stands twice")
        seen[name] = _row(row, family, seen.get(name.rpartition(".")[0]))
        yield seen[name]


def _envelope(family: str) -> Iterator[Field]:
    """What the diagnostic settings record has around its properties; named `envelope.x`, so that it is not mistaken
    for the property of the same name."""
    for name, kind, _, _, _, column, _, description in _lines("envelope"):
        yield Field(
            f"envelope.{name}", kind, family, description, v1=False, beta=False, envelope=name,
            ecs=f"{ROOTS[family]}.{snake(name)}", cim="", column=column, aliases=(),
        )  # fmt: skip


def _common() -> Iterator[Field]:
    for name, kind, _, _, _, _, _, description in _lines("common"):
        yield Field(
            name, kind.replace("[]", ""), "common", description, v1=False, beta=False, envelope="", ecs=name,
            cim="", column="", aliases=(), many=kind.endswith("[]"),
        )  # fmt: skip


def _load() -> tuple[Field, ...]:
    fields = list(_common())
    for family in ROOTS:
        fields += [*_family(family), *_envelope(family)]
    return tuple(fields)


FIELDS: tuple[Field, ...] = _load()


def of_family(family: str) -> tuple[Field, ...]:
    """The fields of one family, without the common ones."""
    return tuple(field for field in FIELDS if field.family == family)


def _spellings(field: Field) -> Iterator[str]:
    yield field.name
    yield field.envelope
    yield field.column
    yield field.ecs
    yield camel(field.column)
    yield from field.aliases


def _names() -> dict[tuple[str, str], Field]:
    """Every spelling; the Graph name wins over all others, then the first row does."""
    names = {(field.family, field.name.lower()): field for field in FIELDS}
    for field in FIELDS:
        for spelling in filter(None, _spellings(field)):
            names.setdefault((field.family, spelling.lower()), field)
    return names


_NAMES = _names()


def resolve(name: str, family: str) -> Optional[Field]:
    """The field that a rule means by a name, whatever its case and whichever of the known spellings it uses.

    :returns: None where the table has no such field: the caller says so, it does not guess.
    """
    key = name.lower()
    return _NAMES.get((family, key)) or _NAMES.get(("common", key))
