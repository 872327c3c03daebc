"""What deploy asks of a product, and the steps of a plan carried out one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Protocol

from entrawatch.deploy.plan import CREATE, DELETE, UPDATE, compare
from entrawatch.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from entrawatch.deploy.plan import Plan, Standing, Step, Wanted

#: what is said of an object that is no longer as the plan showed it
MEANWHILE = "somebody changed it meanwhile; look at a new plan"
#: action → what is said of it once it is done
DONE = {CREATE: "created", UPDATE: "updated", DELETE: "deleted"}


@dataclass(frozen=True)
class Outcome:
    """What became of a step.

    :param error: why it was not done, "" where it was.
    :param note: what the person should know of a step that was done, "" for nothing.
    """

    step: Step
    error: str = ""
    note: str = ""


class Target(Protocol):
    """A product that objects of one kind are deployed to."""

    def standing(self) -> Sequence[Standing]:
        """Everything of the kind in the product; only reads.

        :raises TargetError: the product does not answer, or refuses us.
        """
        ...

    def apply(self, steps: Sequence[Step]) -> Iterator[Outcome]:
        """Carry the steps out: an outcome each, in their order, whatever became of those before.

        :raises TargetError: the product refuses us altogether.
        """
        ...


@dataclass(frozen=True)
class Content:
    """What a catalogue has for one target.

    :param released: keys that any catalogue had.
    :param whole: whether `wanted` is everything the catalogue has, so that what is missing there is gone.
    """

    wanted: tuple[Wanted, ...]
    released: frozenset[str] = frozenset()
    whole: bool = True


def plan(target: Target, content: Content) -> Plan:
    """What a deployment would change.

    :raises TargetError: the product does not answer, or refuses us.
    """
    return compare(content.wanted, target.standing(), content.released, whole=content.whole)


def one_by_one(steps: Sequence[Step], doing: Mapping[str, Callable[[Step], str]]) -> Iterator[Outcome]:
    """Each step by the function for its action, which gives a note; a refusal is that step's own, others go on.

    :raises TargetError: the credential is refused: the others' answers would be the same.
    """
    for step in steps:
        try:
            yield Outcome(step, note=doing[step.action](step))
        except TargetError as error:
            yield Outcome(step, str(error))
            if error.status == 401:
                raise
