"""What a deployment would change: the catalogue's objects beside those that stand in the product.

Pure: what a product holds is read elsewhere, what is decided here is done elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional, Union

from entrawatch.deploy.mark import made_for, mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NEW, CHANGED, REMOVED, DRIFTED, UNCHANGED = "new", "changed", "removed", "drifted", "unchanged"
#: in the order in which a plan tells them
KINDS_OF_DIFFERENCE = (NEW, CHANGED, DRIFTED, REMOVED)
CREATE, UPDATE, DELETE = "create", "update", "delete"
#: what is said of an object with a name of ours and without our mark
NOT_OURS = "it was not put there by deploy"
#: the field that is told where nothing differs but the mark of the last deployment
MARK = "mark"


@dataclass(frozen=True)
class Wanted:
    """One object as the catalogue has it.

    :param key: what identifies it in the product: its name there, or an id that never changes.
    :param name: what people call it.
    :param kind: the product's word: rule, saved search, hunting query …
    :param slug: the rule it comes from, "" where it is no rule's.
    :param fields: what of it is ours, in the form in which `Standing.fields` can be compared.
    :param body: the object as the product's API takes it.
    """

    key: str
    name: str
    kind: str
    slug: str
    fields: Mapping[str, Any] = field(hash=False)
    body: Any = field(default=None, hash=False, repr=False)


@dataclass(frozen=True)
class Standing:
    """One object as it stands in the product.

    :param mark: the mark it carries, "" for none.
    :param marked: the fields that the mark was made of, where those are not `fields`.
    :param fixed: why the product will not let it be deleted, "" where it will.
    :param body: the object as the product gave it, with what is needed to change just this state of it.
    """

    key: str
    name: str
    kind: str
    fields: Mapping[str, Any] = field(hash=False)
    mark: str = ""
    fixed: str = ""
    body: Any = field(default=None, hash=False, repr=False)
    marked: Optional[Mapping[str, Any]] = field(default=None, hash=False)

    @property
    def by_hand(self) -> bool:
        """Whether it is not what deploy last put there."""
        return self.mark != mark(self.key, self.fields if self.marked is None else self.marked)

    @property
    def kept(self) -> str:
        """Why it is never deleted, whatever is asked for, "" where it may be.

        A name of ours alone does not make an object ours: without the mark it may be anybody's.
        """
        return self.fixed or ("" if made_for(self.mark, self.key) else NOT_OURS)


@dataclass(frozen=True)
class Difference:
    """One object and how it differs.

    :param what: new, changed, removed, drifted or unchanged.
    :param fields: which of its fields are others than the catalogue's, sorted.
    :param note: what the person should know of it, "" for nothing.
    """

    what: str
    wanted: Optional[Wanted] = None
    standing: Optional[Standing] = None
    fields: tuple[str, ...] = ()
    note: str = ""

    @property
    def key(self) -> str:
        """What identifies the object."""
        return self._one.key

    @property
    def name(self) -> str:
        """What people call it: the catalogue's name before the product's."""
        return self._one.name

    @property
    def kind(self) -> str:
        """The product's word for it."""
        return self._one.kind

    @property
    def slug(self) -> str:
        """The rule it comes from, "" where it is no rule's or no longer in the catalogue."""
        return self.wanted.slug if self.wanted else ""

    @property
    def _one(self) -> Union[Wanted, Standing]:
        one = self.wanted or self.standing
        if one is None:
            raise ValueError("a difference is between something and something")
        return one


@dataclass(frozen=True)
class Step:
    """Something to do to the product.

    :param action: create, update or delete.
    """

    action: str
    difference: Difference

    @property
    def wanted(self) -> Wanted:
        """What is put there, by a creation or an update.

        :raises ValueError: nothing is wanted there.
        """
        if self.difference.wanted is None:
            raise ValueError("nothing is wanted there")
        return self.difference.wanted

    def overtaken(self, now: Optional[Standing]) -> bool:
        """Whether the object is no longer as the plan showed it."""
        planned = self.difference.standing
        return planned is None or now is None or (now.fields, now.mark) != (planned.fields, planned.mark)


@dataclass(frozen=True)
class Plan:
    """Every object that is ours, and how it differs."""

    differences: tuple[Difference, ...]

    @property
    def changes(self) -> tuple[Difference, ...]:
        """Those that differ, in the order in which they are told."""
        told = [d for d in self.differences if d.what != UNCHANGED]
        return tuple(sorted(told, key=lambda d: (KINDS_OF_DIFFERENCE.index(d.what), d.kind, d.name, d.key)))

    def count(self, what: str) -> int:
        """How many objects are so."""
        return sum(d.what == what for d in self.differences)

    def steps(self, *, prune: bool, overwrite_drift: bool) -> tuple[Step, ...]:
        """What to do, new objects first.

        :param prune: delete what is no longer in the catalogue.
        :param overwrite_drift: change, or with `prune` delete, what was changed by hand as well; what does not carry
            our mark is never deleted.
        """
        return tuple(
            Step(action, difference)
            for difference in self.changes
            if (action := _action(difference, prune=prune, overwrite_drift=overwrite_drift))
        )


def _action(difference: Difference, *, prune: bool, overwrite_drift: bool) -> str:
    standing = difference.standing
    if difference.what == NEW:
        return CREATE
    if difference.what == CHANGED or (difference.what == DRIFTED and overwrite_drift):
        return UPDATE
    if difference.what == REMOVED and standing is not None and prune and not standing.kept:
        return DELETE if overwrite_drift or not standing.by_hand else ""
    return ""


def compare(wanted: Iterable[Wanted], standing: Iterable[Standing], released: Iterable[str], *, whole: bool) -> Plan:
    """How the catalogue's objects differ from those in the product. What is not ours is in neither part of the plan.

    :param standing: what the product holds, others' objects among them.
    :param released: keys that any catalogue had.
    :param whole: whether `wanted` is all of the catalogue: only then is anything told as removed.
    """
    there = {one.key: one for one in standing}
    asked = {one.key: one for one in wanted}
    found = [_difference(one, there.get(key)) for key, one in asked.items()]
    if whole:
        ever = set(released)
        found += [
            _removed(one)
            for key, one in there.items()
            if key not in asked and (key in ever or made_for(one.mark, one.key))
        ]
    return Plan(tuple(found))


def _difference(wanted: Wanted, standing: Optional[Standing]) -> Difference:
    if standing is None:
        return Difference(NEW, wanted)
    fields = differing(wanted.fields, standing.fields)
    ours = mark(wanted.key, wanted.fields)
    if not fields:
        same = standing.mark == ours
        return Difference(UNCHANGED if same else CHANGED, wanted, standing, () if same else (MARK,))
    if not standing.by_hand:
        return Difference(CHANGED, wanted, standing, fields)
    return Difference(DRIFTED, wanted, standing, fields, _why(standing, ours))


def _why(standing: Standing, ours: str) -> str:
    if not made_for(standing.mark, standing.key):
        return NOT_OURS
    return "changed by hand" if standing.mark == ours else "changed by hand, and in the catalogue since"


def _removed(standing: Standing) -> Difference:
    note = f"kept, {standing.kept}" if standing.kept else "changed by hand" if standing.by_hand else ""
    return Difference(REMOVED, None, standing, (), note)


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the fields that are not the same in both, sorted."""
    return tuple(sorted(name for name in {*one, *other} if one.get(name) != other.get(name)))


def tidy(value: Any) -> Any:
    """A value without what says nothing (null, empty text, list or mapping), at any depth; None for nothing at all.

    Products give back what they were not given: empty lists, nulls. Nothing of ours differs in that alone.
    """
    if isinstance(value, dict):
        kept = {name: made for name, one in value.items() if (made := tidy(one)) is not None}
        return kept or None
    if isinstance(value, (list, tuple)):
        return [made for one in value if (made := tidy(one)) is not None] or None
    return None if value == "" else value
