"""What Splunk calls a field, in the two shapes in which events come there.

JSON is extracted at search time (KV_MODE=json): dots between the names, `{}` behind a list, its values a multivalue
field, `true`, `false` and numbers as text. A JSON null is the text "null" there
(https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/Spath); our own events have none, the envelope's
records do, so that in the envelope the text "null" counts as absent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from entrawatch.dialects.base import Unsupported
from entrawatch.dialects.spl_changes import DERIVED
from entrawatch.dialects.spl_derived import called
from entrawatch.dialects.spl_text import Spl, name, variable
from entrawatch.rules import ir
from entrawatch.schema.fields import FIELDS, Field, resolve

NORMALIZED, ENVELOPE = "normalized", "azure:monitor:aad"
#: source → what tells its events from the other's, in each profile: field and value
MARKS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    NORMALIZED: {
        "signin": ("data_stream.dataset", ("azure.signinlogs",)),
        "audit": ("data_stream.dataset", ("azure.auditlogs",)),
    },
    ENVELOPE: {
        "signin": (
            "category",
            (
                "SignInLogs",
                "NonInteractiveUserSignInLogs",
                "ServicePrincipalSignInLogs",
                "ManagedIdentitySignInLogs",
            ),
        ),
        "audit": ("category", ("AuditLogs",)),
    },
}
_COMMON_IN_ENVELOPE = {"event.id": "properties.id"}


@dataclass
class Names:
    """The fields of one source in one profile, and which of them a search has asked for that must be computed.

    :param computed: names in `DERIVED`, in the order they are needed.
    """

    source: str
    profile: str
    computed: list[str] = field(default_factory=list)

    def path(self, ref: ir.FieldRef) -> str:
        """The name in Splunk.

        :raises Unsupported: the events have no field of that name and none can be computed.
        """
        known = resolve(ref.name, self.source)
        if known is None:
            raise Unsupported(ref, f"the {self.source} source has no field {ref.name}")
        return _normalized(ref, known) if self.profile == NORMALIZED else self._envelope(ref, known)

    def name(self, ref: ir.FieldRef) -> Spl:
        """The field for search and stats."""
        return name(self.path(ref))

    def value(self, ref: ir.FieldRef) -> Spl:
        """The field in an expression; null where it is absent or empty in name only ("null")."""
        found = variable(self.path(ref))
        return found if self.profile == NORMALIZED else Spl(f'nullif({found}, "null")')

    def searchable(self, ref: ir.FieldRef) -> bool:
        """Whether the field exists before anything is computed."""
        return self.profile == NORMALIZED or self._derived(ref) is None

    @property
    def id(self) -> ir.FieldRef:
        """What tells two attempts apart."""
        return ir.FieldRef("event.id" if self.profile == NORMALIZED else "id")

    def _derived(self, ref: ir.FieldRef) -> Optional[str]:
        known = resolve(ref.name, self.source)
        derived = known is not None and known.derived and known.family != "common"
        return ref.name if derived else None

    def _envelope(self, ref: ir.FieldRef, known: Field) -> str:
        if known.family == "common":
            if known.name not in _COMMON_IN_ENVELOPE:
                raise Unsupported(ref, f"the {ENVELOPE} shape has no {known.name}")
            return _COMMON_IN_ENVELOPE[known.name]
        if self._derived(ref):
            return self._compute(ref, known.name)
        return ".".join(_marked(known.envelope.split("."), known, skip=1))

    def _compute(self, ref: ir.FieldRef, wanted: str) -> str:
        if wanted not in DERIVED:
            raise Unsupported(ref, f"{wanted} is not computed from an {ENVELOPE} event: send normalized events")
        self._need(wanted)
        return called(wanted)

    def _need(self, wanted: str) -> None:
        for needed in DERIVED[wanted].needs:
            self._need(needed)
        if wanted not in self.computed:
            self.computed.append(wanted)


def _normalized(ref: ir.FieldRef, known: Field) -> str:
    if known.name == "@timestamp":
        return "_time"
    if "*" in known.ecs:
        raise Unsupported(ref, "its objects are keyed 0, 1, … in the event; the entra fields say what they hold")
    if known.opaque:
        raise Unsupported(ref, "it lies inside an object that the event keeps as it came")
    return ".".join(_marked(known.ecs.split("."), known)) if _inside_list(known) else _ended(known)


def _ended(known: Field) -> str:
    return known.ecs + ("{}" if known.many else "")


def _lists(family: str) -> frozenset[str]:
    return frozenset(known.name for known in FIELDS if known.family == family and known.many)


def _inside_list(known: Field) -> bool:
    parts = known.name.split(".")
    lists = _lists(known.family)
    return any(".".join(parts[:length]) in lists for length in range(1, len(parts)))


def _marked(parts: list[str], known: Field, skip: int = 0) -> list[str]:
    """The path with `{}` behind each of its lists.

    :param skip: how many parts stand before the Graph path.
    """
    lists = _lists(known.family)
    names = known.name.split(".")
    skip = skip or len(parts) - len(names)
    return [
        part + ("{}" if place >= skip and ".".join(names[: place - skip + 1]) in lists else "")
        for place, part in enumerate(parts)
    ]
