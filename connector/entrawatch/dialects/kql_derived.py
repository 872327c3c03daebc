r"""The derived fields of audit events, computed from Microsoft's own columns: a workspace has no `entra.*`.

What is derived is a function of `TargetResources` alone, so it is computed once for each different value of that
column (`Targets` is its hash) and joined back, with an outer join: an event without targets stays. The arrays are
taken apart element by element, so a name and a value that pass together stand in one and the same element. Values are
JSON text, with one pair of quotes, two (`"\"False\""`) or none; `bare` takes off up to two.

What normalize.derived says of each field is what is computed here.
"""

from __future__ import annotations

from dataclasses import dataclass

from entrawatch.dialects.kql_text import Let, Pipe, Step, spelled, step, where


@dataclass(frozen=True)
class Part:
    """A table of the query, and what it is made from.

    :param needs: names of the parts that stand before it.
    """

    let: Let
    needs: tuple[str, ...] = ()


def _taken(name: str, of: str, test: str, which: str, *columns: str) -> Let:
    """The first (arg_min) or last (arg_max) element that passes, of each event."""
    names = [column.partition(" = ")[0] for column in columns]
    made = [column for column in columns if " = " in column]
    steps = where(test) + ([step("extend", *made)] if made else [])
    chosen = step("summarize", f"{which}(Place, {', '.join(names)})", end="by Targets")
    return Let(name, Pipe(of, (*steps, chosen)))


def _target(name: str, kinds: str, *names: str) -> Let:
    """Identifier and name of the first target of a kind."""
    field = f"entra.target.{name}"
    shown = [f"tostring(Target.{key})" for key in names]
    value = shown[0] if len(shown) == 1 else f"iff(isnotempty({shown[0]}), {shown[0]}, {shown[1]})"
    columns = [f"{spelled(field + '.id')} = tostring(Target.id)", f"{spelled(field + '.name')} = {value}"]
    return _taken(f"target_{name}s", "targets", f"tostring(Target.type) in ({kinds})", "arg_min", *columns)


def _flag(name: str, what: str) -> Let:
    """The last value that says true or false."""
    column = spelled(f"entra.consent.{what}")
    steps = (
        *where(f'Name == "{name}"'),
        step("extend", f"{column} = tolower(trim(@'[\"\\\\\\s]+', New))"),
        *where(f'{column} in ("true", "false")'),
        step("summarize", f"arg_max(Place, {column})", end="by Targets"),
        step("extend", f'{column} = {column} == "true"'),
    )
    return Let(f"consent_{what}", Pipe("changes", steps))


#: text without one pair of JSON quotes
_BARE = Let(
    "bare",
    "(value: string) { iff(value matches regex @'(?s)^\".*\"$', replace_string(replace_string("
    "substring(value, 1, strlen(value) - 2), '\\\\\"', '\"'), '\\\\\\\\', '\\\\'), value) }",
)
_TARGETS = Pipe(
    "audits",
    (
        step("summarize", "TargetResources = take_any(TargetResources)", end="by Targets"),
        step("mv-expand", "with_itemindex=Place Target = TargetResources"),
    ),
)
_CHANGES = Pipe(
    "targets",
    (
        step("mv-expand", "with_itemindex=Within Property = Target.modifiedProperties"),
        step(
            "project",
            "Targets",
            "Place = Place * 100000 + Within",
            "Name = tostring(Property.displayName)",
            "New = tostring(Property.newValue)",
            "Old = tostring(Property.oldValue)",
        ),
        step("extend", "NewText = bare(New)", "OldText = bare(Old)"),
        step("extend", "NewText = bare(NewText)", "OldText = bare(OldText)"),
    ),
)
#: what stands behind the arrow was not granted before
_GRANTED = "Granted = iff(Granted contains '=>', substring(Granted, indexof(Granted, '=>') + 2), Granted)"
_CONSENTS = Pipe(
    "changes",
    (*where('Name == "ConsentAction.Permissions"'), step("extend", "Granted = NewText"), step("extend", _GRANTED)),
)
_CONSENT_TYPE = Pipe(
    "consents",
    (
        step(
            "extend", "EntraConsentType = trim(@'\\s+', extract(@'ConsentType:\\s*([^,\\]\\s][^,\\]]*)', 1, Granted))"
        ),
        *where("isnotempty(EntraConsentType)"),
        step("summarize", "arg_max(Place, EntraConsentType)", end="by Targets"),
    ),
)
_SCOPES_NAMED = '"DelegatedPermissionGrant.Scope", "AppRole.Value"'
_SCOPES = Pipe(
    "union (consents | project Targets, Scope = extract_all(@'Scope:([^,\\]]*)', Granted), Before = dynamic([])), "
    f"(changes | where Name in ({_SCOPES_NAMED}) | project Targets, Scope = pack_array(NewText), "
    "Before = extract_all(@'(\\S+)', OldText))",
    (
        step("mv-expand", "Scope to typeof(string)"),
        step("mv-expand", "Item = extract_all(@'(\\S+)', Scope) to typeof(string)"),
        *where("isnotempty(Item) and not(coalesce(set_has_element(Before, Item), false))"),
        step("project", "Targets", "Item"),
    ),
)


def _roles(names: str, key: str) -> Pipe:
    """The new value, else the old one; and the targets that are roles."""
    changed = (
        f"(changes | where Name in ({names}) | project Targets, Item = iff(isnotempty(NewText), NewText, OldText))"
    )
    target = f'(targets | where tostring(Target.type) == "Role" | project Targets, Item = tostring(Target.{key}))'
    return Pipe(f"union {changed}, {target}", tuple(where("isnotempty(Item)")))


def _json_list(side: str) -> str:
    """The list that a value holds as JSON text, quoted once more or not; of no text, an empty one."""
    parsed = f"iff(gettype(parse_json({side})) == 'array', parse_json({side}), parse_json({side}Text))"
    return f"{side} = iff(isempty(trim(@'\\s+', {side}Text)), dynamic([]), {parsed})"


def _either(side: str) -> str:
    """What the value holds as JSON text, or what it holds when it is unquoted."""
    name = f"{side}Policy"
    return f"{name} = iff(gettype({name}) in ('array', 'dictionary'), {name}, parse_json({side}Text))"


def _first(side: str) -> str:
    name = f"{side}Policy"
    return f"{name} = iff(gettype({name}) == 'array', {name}[0], {name})"


_CREDENTIALS = Pipe(
    "changes",
    (
        *where('Name == "KeyDescription"'),
        step("summarize", "arg_min(Place, New, Old, NewText, OldText)", end="by Targets"),
        step("extend", _json_list("New"), _json_list("Old")),
        # one more element, so that an empty list leaves a row
        step("mv-expand", 'Key = array_concat(New, dynamic([""])) to typeof(string)'),
        step(
            "summarize",
            "New = take_any(New)",
            "Old = take_any(Old)",
            "EntraCredentialsNew = countif(isnotempty(Key))",
            end="by Targets",
        ),
        step("mv-expand", 'Key = array_concat(Old, dynamic([""])) to typeof(string)'),
        step(
            "summarize",
            "New = take_any(New)",
            "Old = take_any(Old)",
            "EntraCredentialsNew = take_any(EntraCredentialsNew)",
            "EntraCredentialsOld = countif(isnotempty(Key))",
            end="by Targets",
        ),
        step(
            "extend",
            "EntraCredentialsNew = iff(gettype(New) == 'array', EntraCredentialsNew, long(null))",
            "EntraCredentialsOld = iff(gettype(Old) == 'array', EntraCredentialsOld, long(null))",
        ),
        step("extend", "EntraCredentialsGrowth = EntraCredentialsNew - EntraCredentialsOld"),
    ),
)
_KEY_ID = "extract(@'(?:^|,)KeyIdentifier=([^,]*)', 1, trim(@'[\\[\\] ]+', Key))"


def _key_ids(side: str) -> tuple[Step, ...]:
    return (
        step("mv-expand", f'Key = array_concat({side}, dynamic([""])) to typeof(string)'),
        step("extend", f"Item = {_KEY_ID}"),
    )


_KEYS_BEFORE = Pipe("credentials", (*_key_ids("Old"), *where("isnotempty(Item)"), step("distinct", "Targets", "Item")))
_KEYS_ADDED = Pipe(
    "credentials",
    (
        *_key_ids("New"),
        *where("isnotempty(Item)"),
        step("join kind=leftanti keys_before on Targets, Item"),
        step("project", "Targets", "Item"),
    ),
)


_POLICIES = Pipe(
    "changes",
    (
        *where("trim(@'\\s+', Name) == \"ConditionalAccessPolicy\""),
        step("summarize", "arg_min(Place, New, Old, NewText, OldText)", end="by Targets"),
        step("extend", "NewPolicy = parse_json(New)", "OldPolicy = parse_json(Old)"),
        step("extend", _either("New"), _either("Old")),
        step("extend", _first("New"), _first("Old")),
        step("lookup kind=leftouter policy_names on Targets"),
        step(
            "project",
            "Targets",
            "NewPolicy",
            "OldPolicy",
            "EntraPolicyName = case(isnotempty(PolicyName), PolicyName, "
            "isnotempty(tostring(NewPolicy.displayName)), tostring(NewPolicy.displayName), "
            "tostring(OldPolicy.displayName))",
            "EntraPolicyOldState = tostring(OldPolicy.state)",
            "EntraPolicyNewState = tostring(NewPolicy.state)",
            "EntraPolicyOldConditions = tostring(OldPolicy.conditions)",
            "EntraPolicyNewConditions = tostring(NewPolicy.conditions)",
        ),
    ),
)
_EXCLUDED = (
    ("user", "users.excludeUsers"),
    ("group", "users.excludeGroups"),
    ("role", "users.excludeRoles"),
    ("app", "applications.excludeApplications"),
    ("location", "locations.excludeLocations"),
)
_SIDES = [
    f'bag_pack("what", "{what}", "new", NewPolicy.conditions.{path}, "old", OldPolicy.conditions.{path})'
    for what, path in _EXCLUDED
]
_EXCLUSIONS = Pipe(
    "policies",
    (
        step("mv-expand", f"Side = pack_array({', '.join(_SIDES)})"),
        step("mv-expand", "Excluded = Side.new to typeof(string)"),
        *where("isnotempty(Excluded) and not(coalesce(set_has_element(Side.old, Excluded), false))"),
        step("project", "Targets", 'Item = strcat(tostring(Side.what), ":", Excluded)'),
    ),
)

PARTS = {
    part.let.name: part
    for part in (
        Part(_BARE),
        Part(Let("targets", _TARGETS)),
        Part(Let("changes", _CHANGES), ("bare", "targets")),
        Part(_target("user", '"User"', "userPrincipalName", "displayName"), ("targets",)),
        Part(_target("app", '"Application", "ServicePrincipal"', "displayName"), ("targets",)),
        Part(_target("group", '"Group"', "displayName"), ("targets",)),
        Part(_flag("ConsentContext.IsAdminConsent", "is_admin"), ("changes",)),
        Part(_flag("ConsentContext.IsAppOnly", "is_app_only"), ("changes",)),
        Part(_flag("ConsentContext.OnBehalfOfAll", "on_behalf_of_all"), ("changes",)),
        Part(Let("consents", _CONSENTS), ("changes",)),
        Part(Let("consent_types", _CONSENT_TYPE), ("consents",)),
        Part(Let("consent_scopes", _SCOPES), ("consents",)),
        Part(Let("role_names", _roles('"Role.DisplayName"', "displayName")), ("changes",)),
        Part(Let("role_ids", _roles('"Role.ObjectID", "Role.TemplateId"', "id")), ("changes",)),
        Part(Let("credentials", _CREDENTIALS), ("changes",)),
        Part(Let("keys_before", _KEYS_BEFORE), ("credentials",)),
        Part(Let("keys_added", _KEYS_ADDED), ("keys_before",)),
        Part(
            _taken(
                "policy_names",
                "targets",
                'tostring(Target.type) == "Policy" and isnotempty(tostring(Target.displayName))',
                "arg_min",
                "PolicyName = tostring(Target.displayName)",
            ),
            ("targets",),
        ),
        Part(Let("policies", _POLICIES), ("changes", "policy_names")),
        Part(Let("exclusions_added", _EXCLUSIONS), ("policies",)),
    )
}
