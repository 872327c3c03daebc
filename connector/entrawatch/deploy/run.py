"""A deployment: several kinds of objects into one product, planned together and then put there in their order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from entrawatch.deploy import target as targets
from entrawatch.deploy.plan import UNCHANGED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from entrawatch.deploy.plan import Difference, Plan, Step
    from entrawatch.deploy.target import Content, Outcome, Target


@dataclass(frozen=True)
class Part:
    """One kind of objects of a deployment."""

    target: Target
    content: Content


def emptied(parts: Sequence[Part]) -> list[Part]:
    """The same parts with nothing wanted in them: all of ours goes, but for parts that are never whole (macros)."""
    return [Part(part.target, replace(part.content, wanted=())) for part in parts]


@dataclass(frozen=True)
class Choice:
    """What a deployment may do beside creating and updating.

    :param prune: delete what is no longer in the catalogue.
    :param overwrite_drift: overwrite what was changed by hand.
    """

    prune: bool = False
    overwrite_drift: bool = False


class Deployment:
    """What is to be deployed where, and how it differs; made once, it asks the product once.

    :param parts: in the order in which they are put there.
    :raises TargetError: the product does not answer, or refuses us.
    """

    def __init__(self, parts: Sequence[Part], choice: Choice) -> None:
        self._parts = tuple(parts)
        self.plans: tuple[Plan, ...] = tuple(targets.plan(part.target, part.content) for part in parts)
        self._steps = tuple(
            plan.steps(prune=choice.prune, overwrite_drift=choice.overwrite_drift) for plan in self.plans
        )

    @property
    def steps(self) -> tuple[Step, ...]:
        """Everything that `apply` does."""
        return tuple(step for steps in self._steps for step in steps)

    @property
    def left(self) -> tuple[Difference, ...]:
        """The differences that `apply` does not touch."""
        touched = {id(step.difference) for step in self.steps}
        return tuple(one for plan in self.plans for one in plan.changes if id(one) not in touched)

    @property
    def differs(self) -> bool:
        """Whether anything in the product is not as the catalogue has it."""
        return any(one.what != UNCHANGED for plan in self.plans for one in plan.differences)

    def apply(self) -> Iterator[Outcome]:
        """Carry the steps out, an outcome each.

        :raises TargetError: the product refuses us altogether.
        """
        for part, steps in zip(self._parts, self._steps):
            if steps:
                yield from part.target.apply(steps)
