"""The catalogue's sixteen scenarios as stories: one that matches and its near misses, each record labelled.

A story is a function from a stage to rows; its span is how much time it needs.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Union

from entrawatch.emulator.scenarios import accounts, consents, crossing, directory, passwords
from entrawatch.emulator.scenarios.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from entrawatch.emulator.tenant_records import Row
    from entrawatch.emulator.tenant_world import World

#: slug → (the story, the time it needs)
SCENARIOS: dict[str, tuple[Callable[[Stage], Iterator[Row]], timedelta]] = {
    "brute-force": (passwords.brute_force, timedelta(hours=20)),
    "password-spray": (passwords.password_spray, timedelta(hours=20)),
    "password-spray-success": (passwords.password_spray_success, timedelta(hours=40)),
    "multiple-lockouts": (passwords.multiple_lockouts, timedelta(hours=20)),
    "mfa-failures": (accounts.mfa_failures, timedelta(hours=20)),
    "disabled-user-signin": (accounts.disabled_user_signin, timedelta(hours=20)),
    "user-consent-to-application": (consents.user_consent, timedelta(hours=20)),
    "credentials-added": (consents.credentials_added, timedelta(hours=20)),
    "admin-role-outside-pim": (directory.admin_role_outside_pim, timedelta(hours=20)),
    "account-hijacking": (crossing.account_hijacking, timedelta(days=9)),
    "third-party-changes": (crossing.third_party_changes, timedelta(hours=40)),
    "single-factor-from-new-network": (accounts.single_factor_from_new_network, timedelta(days=7)),
    "sync-account-abuse": (accounts.sync_account_abuse, timedelta(hours=20)),
    "application-added": (directory.application_added, timedelta(hours=20)),
    "guest-invited": (directory.guest_invited, timedelta(hours=20)),
    "conditional-access-policy-changed": (directory.policy_changed, timedelta(hours=20)),
}


def chosen(names: Union[str, tuple[str, ...]], span: timedelta) -> tuple[str, ...]:
    """The slugs that are meant.

    :param names: "all" that fit into the span, "none", or slugs.
    :raises ValueError: an unknown slug, or a named scenario that needs more time than the span.
    """
    if names == "none":
        return ()
    if names == "all":
        return tuple(slug for slug, (_, needs) in SCENARIOS.items() if needs <= span)
    wanted = (names,) if isinstance(names, str) else names
    for slug in wanted:
        if slug not in SCENARIOS:
            raise ValueError(f"scenarios: {slug!r} is none of them; choose from {', '.join(SCENARIOS)}, all, none")
        if SCENARIOS[slug][1] > span:
            raise ValueError(f"scenarios: {slug} needs {SCENARIOS[slug][1]}, the range has {span}; make it longer")
    return tuple(wanted)


def play(world: World, names: Union[str, tuple[str, ...]], start: datetime, end: datetime) -> Iterator[Row]:
    """The rows of the stories, each placed somewhere in the range where it fits."""
    order = list(SCENARIOS)
    for slug in chosen(names, end - start):
        story, needs = SCENARIOS[slug]
        yield from story(Stage(world, slug, order.index(slug), start, end, needs))
