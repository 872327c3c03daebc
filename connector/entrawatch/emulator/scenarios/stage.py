"""What every story is told with: its time, its people, its addresses, its labels."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from entrawatch.emulator.records import Label
from entrawatch.emulator.tenant_apps import FIREFOX, OFFICE_HOME, App
from entrawatch.emulator.tenant_dice import Dice
from entrawatch.emulator.tenant_records import Row, status, user_signin
from entrawatch.emulator.tenant_world import attacker

if TYPE_CHECKING:
    from datetime import datetime

    from entrawatch.emulator.tenant_world import Place, User, World

#: people and addresses that each story may use without meeting another story's
_SHARE = 12


class Stage:
    """One scenario's part of the range.

    :param number: the scenario's place in the catalogue: its people and addresses follow from it.
    """

    def __init__(self, world: World, slug: str, number: int, start: datetime, end: datetime, needs: timedelta) -> None:
        self.world, self.slug, self.number = world, slug, number
        self.dice = Dice(world.seed, "story", slug)
        slack = int((end - start - needs).total_seconds())
        # whole minutes, so that a story's distances from window edges do not depend on where it starts
        self.begin = start + timedelta(minutes=self.dice.below(slack // 60 + 1))

    def at(self, hours: float, minutes: float = 0) -> datetime:
        """So long after the story's beginning."""
        return self.begin + timedelta(hours=hours, minutes=minutes)

    def cast(self, number: int) -> User:
        """One of the story's people: an account that has no part in the company's daily round."""
        return self.world.user(self.world.users + self.number * _SHARE + number)

    def lair(self, number: int, country: str = "") -> Place:
        """One of the story's addresses; in a country of the company's offices unless told."""
        return attacker(self.number * _SHARE + number, country or self.world.offices[0].country)

    def match(self, group: str, **keys: Any) -> Label:
        """The label of a record that takes part in a finding.

        :param keys: the finding's keys, in the rule's order.
        """
        return Label(self.slug, "match", f"{self.slug}/{group}", keys)

    def miss(self, case: str) -> Label:
        """The label of a record that almost matches."""
        return Label(self.slug, case, f"{self.slug}/{case}")

    def attempt(
        self, when: datetime, user: User, place: Place, code: int, label: Label, app: App = OFFICE_HOME, **changes: Any
    ) -> Row:  # fmt: skip
        """An interactive sign-in with a tool's user agent from a machine nobody knows."""
        values = {
            "status": status(code), "userAgent": FIREFOX, "deviceDetail": self.world.bare_device(user.client),
            **changes,
        }  # fmt: skip
        record = user_signin(self.world, self.dice, when, user, place, app, **values)
        stream = "interactive" if record["isInteractive"] else "non_interactive"
        return Row(when, stream, record, label)
