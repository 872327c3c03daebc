r"""Credentials, consents and policies out of the modified properties of an azure:monitor:aad event: see `spl_derived`.

Texts are taken apart by `split`, which looks for a text as it stands; what must stay together on the way has a tab or a
line's end between its parts, which none of these values has.
"""

from __future__ import annotations

from entrawatch.dialects.spl_derived import (
    Derived,
    bare,
    called,
    derived,
    evaluated,
    is_one_of,
    of_changes,
    part,
    table,
    unquoted,
)
from entrawatch.dialects.spl_text import Spl, string

_TAB, _LINE = string("\t"), string("\n")
_GRANTS = ("DelegatedPermissionGrant.Scope", "AppRole.Value")


def _credentials() -> list[tuple[str, Derived]]:
    """How many credentials the first KeyDescription has, before and after; null where it cannot be read."""
    first = Spl(f"mvindex({of_changes(('KeyDescription',), Spl('changes'))}, 0)")
    found = [("key_change", Derived((evaluated(key_change=first),), ("changes",)))]
    for which, key in (("new", "newValue"), ("old", "oldValue")):
        text = f"{which}_keys"
        once = evaluated(**{text: Spl(f"trim({unquoted(Spl(text))})")})
        lines = (evaluated(**{text: Spl(f'trim(coalesce({part("key_change", key)}, ""))')}), once, once)
        held = Spl(f'spath({text}, "{{}}")')
        listed = evaluated(**{f"{which}_key": held}), evaluated(**{f"{which}_key": _kept(f"{which}_key")})
        count = Spl(
            f'case(isnull(key_change), null(), {text}="", 0, json_valid({text}) AND substr({text}, 1, 1)="[", '
            f"coalesce(mvcount({which}_key), 0))"
        )
        name = f"entra.credentials.{which}"
        found.append((name, Derived((*lines, *listed, evaluated(**{called(name): count})), ("key_change",))))
    both = ("entra.credentials.new", "entra.credentials.old")
    growth = Spl(f"{called(both[0])}-{called(both[1])}")
    needs = ("key_change", *both)
    found.append(derived("entra.credentials.growth", growth, "changes", *needs))
    return [*found, ("entra.credentials.added", Derived(_added(), needs))]


def _added() -> tuple[Spl, ...]:
    """Identifiers of the credentials after that were not there before; split finds a text in another as it stands."""
    lines = []
    for which in ("new", "old"):
        key, part = f"{which}_key", f"{which}_part"
        parts = Spl(f'split(mvjoin(mvmap({key}, trim({key}, "[] ")), ","), ",")')
        named = Spl(f'mvfilter(match({part}, "^KeyIdentifier=."))')
        lines += [evaluated(**{part: parts}), evaluated(**{part: named})]
        lines.append(evaluated(**{f"{which}_ids": Spl(f"mvmap({part}, substr({part}, {len('KeyIdentifier=') + 1}))")}))
    lines.append(evaluated(before=Spl('"," . coalesce(mvjoin(old_ids, ",,"), "") . ","')))
    fresh = Spl('mvmap(new_ids, if(mvcount(split(before, "," . new_ids . ","))>1, null(), new_ids))')
    return (*lines, evaluated(**{called("entra.credentials.added"): fresh}))


def _kept(field: str) -> Spl:
    """The values that are there: the array's own nulls and empty texts are no credentials."""
    return Spl(f'mvfilter(NOT in({field}, "", "null"))')


def _inside(text: str, label: str) -> Spl:
    """What stands behind a label up to the next comma or bracket."""
    behind = f"mvindex(split({text}, {string(label)}), 1)" if label else text
    return Spl(f'trim(mvindex(split(mvindex(split({behind}, ","), 0), "]"), 0))')


def _granted() -> tuple[str, Derived]:
    """What ConsentAction.Permissions says behind its arrow; what stands before was granted already."""
    lines = bare("granted", of_changes(("ConsentAction.Permissions",), part("changes", "newValue")))
    behind = Spl('if(mvcount(split(granted, "=>"))>1, mvjoin(mvindex(split(granted, "=>"), 1, -1), "=>"), granted)')
    return "granted", Derived((*lines, evaluated(granted=Spl(f"mvmap(granted, {behind})"))), ("changes",))


def _scopes() -> tuple[str, Derived]:
    """Scopes that were granted: named in the consent, or new in a grant."""
    name = called("entra.consent.scopes")
    pieces = Spl(f'mvmap(granted, mvjoin(mvindex(split(granted, "Scope:"), 1, -1), {_LINE}))')
    lines = [
        evaluated(scope=pieces),
        evaluated(scope=Spl(f"split(mvjoin(scope, {_LINE}), {_LINE})")),
        evaluated(scope=Spl(f"mvmap(scope, {_inside('scope', '')})")),
        evaluated(scope=Spl('split(mvjoin(scope, " "), " ")')),
        *_grants(),
        evaluated(**{name: Spl("mvappend(scope, fresh)")}),
        evaluated(**{name: Spl(f'mvdedup(mvfilter({name}!=""))')}),
    ]
    return "entra.consent.scopes", Derived(tuple(lines), ("changes", "granted"))


def _grants() -> list[Spl]:
    """The words of each grant's new value that its old value has not; a mark keeps new and old side by side."""
    lines = []
    for which, key in (("grant_new", "newValue"), ("grant_old", "oldValue")):
        marked = Spl(f'"=" . coalesce({part("changes", key)}, "")')
        plain = Spl(f"mvmap({which}, {_marked_unquoted(which)})")
        once = evaluated(**{which: plain})
        lines += [evaluated(**{which: of_changes(_GRANTS, marked)}), once, once]
    old = f'{_TAB} . " " . substr(mvindex(split(grant, {_TAB}), 1), 2) . " "'
    words = f'split(substr(mvindex(split(grant, {_TAB}), 0), 2), " ")'
    word = f"mvindex(split(fresh, {_TAB}), 0)"
    before = f'split(mvindex(split(fresh, {_TAB}), 1), " " . {word} . " ")'
    return [
        *lines,
        evaluated(grant=Spl(f"mvzip(grant_new, grant_old, {_TAB})")),
        evaluated(fresh=Spl(f"mvmap(grant, mvjoin({words}, {old} . {_LINE}) . {old})")),
        evaluated(fresh=Spl(f"split(mvjoin(fresh, {_LINE}), {_LINE})")),
        evaluated(fresh=Spl(f"mvmap(fresh, if(mvcount({before})>1, null(), {word}))")),
    ]


def _marked_unquoted(name: str) -> Spl:
    return Spl(f'"=" . {unquoted(Spl(f"substr({name}, 2)"))}')


def _type() -> tuple[str, Derived]:
    name = called("entra.consent.type")
    kinds = evaluated(kind=Spl(f"mvmap(granted, {_inside('granted', 'ConsentType:')})"))
    last = evaluated(**{name: Spl('mvindex(mvfilter(kind!=""), -1)')})
    return "entra.consent.type", Derived((kinds, last), ("changes", "granted"))


# --- conditional access policies --------------------------------------------------------------------------------------

#: list in a policy's conditions → what it excludes
_EXCLUSIONS = {
    "users.excludeUsers": "user",
    "users.excludeGroups": "group",
    "users.excludeRoles": "role",
    "applications.excludeApplications": "app",
    "locations.excludeLocations": "location",
}


def _policies() -> list[tuple[str, Derived]]:
    """The first changed policy, before and after; it may stand in a list of one."""
    named = 'trim(coalesce(spath(changes, "displayName"), ""))="ConditionalAccessPolicy"'
    chosen = f"mvmap(changes, if({named}, changes, null()))"
    lines = [evaluated(policy_change=Spl(f"mvindex({chosen}, 0)"))]
    for which, key in (("new_policy", "newValue"), ("old_policy", "oldValue")):
        once = evaluated(**{which: Spl(f"trim({unquoted(Spl(which))})")})
        first = Spl(f'if(substr({which}, 1, 1)="[", coalesce(spath({which}, "{{0}}"), ""), {which})')
        lines += [evaluated(**{which: Spl(f'coalesce({part("policy_change", key)}, "")')}), once, once]
        lines.append(evaluated(**{which: first}))
    found = [("policy_change", Derived(tuple(lines), ("changes",)))]
    needs = ("changes", "policy_change")
    for which in ("old", "new"):
        for what in ("state", "conditions"):
            held = Spl(f'nullif({part(f"{which}_policy", what)}, "{{}}")')
            found.append(derived(f"entra.policy.{which}_{what}", held, *needs))
    return [*found, _policy_name(), _exclusions()]


def _policy_name() -> tuple[str, Derived]:
    of_kind, shown = is_one_of("targets", "type", ("Policy",)), part("targets", "displayName")
    target = f"mvmap(targets, if({of_kind}, {shown}, null()))"
    said = f"coalesce({part('new_policy', 'displayName')}, {part('old_policy', 'displayName')})"
    value = Spl(f"if(isnull(policy_change), null(), coalesce(mvindex({target}, 0), {said}))")
    return derived("entra.policy.name", value, "targets", "changes", "policy_change")


def _exclusions() -> tuple[str, Derived]:
    """What the policy excludes now and did not before."""
    lines = []
    for which in ("new", "old"):
        held = []
        for path, kind in _EXCLUSIONS.items():
            field = f"{which}_{kind}"
            lines.append(evaluated(**{field: Spl(f"spath({which}_policy, {string(f'conditions.{path}{{}}')})")}))
            held.append(f'mvmap({field}, if(in({field}, "", "null"), null(), {string(f"{kind}:")} . {field}))')
        lines.append(evaluated(**{f"{which}_excluded": Spl(f"mvdedup(mvappend({', '.join(held)}))")}))
    lines.append(evaluated(before=Spl(f'{_LINE} . coalesce(mvjoin(old_excluded, {_LINE} . {_LINE}), "") . {_LINE}')))
    fresh = f"if(mvcount(split(before, {_LINE} . new_excluded . {_LINE}))>1, null(), new_excluded)"
    name = "entra.policy.exclusions_added"
    lines.append(evaluated(**{called(name): Spl(f"mvmap(new_excluded, {fresh})")}))
    return name, Derived(tuple(lines), ("changes", "policy_change"))


DERIVED: dict[str, Derived] = {
    **table(),
    **dict([*_credentials(), _granted(), _scopes(), _type(), *_policies()]),
}


def commands(names: list[str]) -> list[Spl]:
    """The commands that compute these fields, in this order."""
    return [line for name in names for line in DERIVED[name].lines]
