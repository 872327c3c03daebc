r"""The `entra.*` fields, computed in a search where events come in the azure:monitor:aad shape.

Name and value of a modified property belong together in one element. The lists of all names and of all values do not
line up, since a null leaves no value; so each element is taken whole, as JSON text, and read by itself.
`normalize/derived.py` says what the fields mean; one that is not computed alike is not here (a policy's exclusions),
and a rule that needs it is refused for this shape.

https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/Spath (a path that ends in `{}` gives each element),
https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/MultivalueEvalFunctions (mvmap),
https://help.splunk.com/splunk-enterprise/spl-search-reference/9.4/evaluation-functions/json-functions (json_valid)
"""

from __future__ import annotations

from dataclasses import dataclass

from entrawatch.dialects.spl_text import Spl, assignable, pattern, string, variable, word

_ROOT = "properties"
_APPS = ("Application", "ServicePrincipal")


@dataclass(frozen=True)
class Derived:
    """How a field is computed.

    :param lines: commands, without their pipes.
    :param needs: what is computed before.
    """

    lines: tuple[Spl, ...]
    needs: tuple[str, ...] = ()


def called(name: str) -> str:
    """How a search calls a computed field: eval assigns to plain names only."""
    return word(name)


def _given(value: Spl) -> Spl:
    """A value, or null where it is a JSON null or empty."""
    return Spl(f'nullif(nullif({value}, "null"), "")')


def _raw(path: str) -> Spl:
    return _given(variable(f"{_ROOT}.{path}"))


def _eval(**values: Spl) -> Spl:
    return Spl("eval " + ",\n    ".join(f"{assignable(name)}={value}" for name, value in values.items()))


def _part(element: str, key: str) -> Spl:
    """A value inside one element, null where it is absent."""
    return _given(Spl(f"spath({element}, {string(key)})"))


def _marked(value: Spl) -> Spl:
    """A value with a mark before it, so that an element without one keeps its place."""
    return Spl(f'"=" . coalesce({value}, "")')


def _unmarked(values: Spl) -> Spl:
    """The first of marked values."""
    return Spl(f'nullif(substr(mvindex({values}, 0), 2), "")')


def _is(element: str, key: str, wanted: tuple[str, ...]) -> Spl:
    """Whether an element's value is one of these, as written."""
    return Spl(f'in(coalesce(spath({element}, {string(key)}), ""), {", ".join(map(string, wanted))})')


def _target(kinds: tuple[str, ...], value: Spl) -> Spl:
    """The value out of the first target that is of one of these kinds."""
    return _unmarked(Spl(f"mvmap(targets, if({_is('targets', 'type', kinds)}, {_marked(value)}, null()))"))


def _changes(names: tuple[str, ...], value: Spl) -> Spl:
    """A value of each change that has one of these names."""
    return Spl(f"mvmap(changes, if({_is('changes', 'displayName', names)}, {value}, null()))")


def _unquoted(value: Spl) -> Spl:
    """A text without one pair of JSON's quotes, where it has them: JSON itself reads it."""
    document = f'"{{\\"v\\":" . {value} . "}}"'
    return Spl(f'if(match({value}, {pattern(chr(94) + chr(34))}), coalesce(spath({document}, "v"), {value}), {value})')


def _bare(name: str, value: Spl) -> tuple[Spl, Spl]:
    """Two commands: values of changes, then the same without their quotes, of which there may be two pairs."""
    once = Spl(f"mvmap({name}, {_unquoted(Spl(name))})")
    return _eval(**{name: value}), Spl(f"{_eval(**{name: once})},\n    {name}={once}")


def _derived(name: str, value: Spl, *needs: str) -> tuple[str, Derived]:
    return name, Derived((_eval(**{called(name): value}),), needs)


def _spath(output: str, path: str) -> tuple[str, Derived]:
    return output, Derived((Spl(f"spath output={output} path={_ROOT}.{path}"),))


_UPN, _USER = _raw("initiatedBy.user.userPrincipalName"), _raw("initiatedBy.user.id")
_APP = Spl(f"coalesce({_raw('initiatedBy.app.displayName')}, {_raw('initiatedBy.app.servicePrincipalName')})")
_ID, _NAME, _PERSON = (_part("targets", key) for key in ("id", "displayName", "userPrincipalName"))
_FIRST = (
    ("entra.target.id", _ID),
    ("entra.target.name", Spl(f"coalesce({_NAME}, {_PERSON})")),
    ("entra.target.type", _part("targets", "type")),
)
_BY_KIND = (
    ("entra.target.user.id", ("User",), _ID),
    ("entra.target.user.name", ("User",), Spl(f"coalesce({_PERSON}, {_NAME})")),
    ("entra.target.app.id", _APPS, _ID),
    ("entra.target.app.name", _APPS, _NAME),
    ("entra.target.group.id", ("Group",), _ID),
    ("entra.target.group.name", ("Group",), _NAME),
)
_FLAGS = (
    ("entra.consent.is_admin", "ConsentContext.IsAdminConsent"),
    ("entra.consent.is_app_only", "ConsentContext.IsAppOnly"),
    ("entra.consent.on_behalf_of_all", "ConsentContext.OnBehalfOfAll"),
)


def _flag(name: str, change: str) -> tuple[str, Derived]:
    """The last value of a flag that is true or false, whatever quotes are around it."""
    bare = Spl(f"lower(trim({_part('changes', 'newValue')}, {string(chr(34) + chr(92) + ' ')}))")
    last = Spl('mvindex(mvfilter(match(flags, "^(?:true|false)$")), -1)')
    return name, Derived((_eval(flags=_changes((change,), bare)), _eval(**{called(name): last})), ("changes",))


def _address() -> tuple[str, Derived]:
    """The address without its port, where it is one: see `normalize.values.address`."""
    host = Spl(
        'case(substr(caller, 1, 1)="[", mvindex(split(substr(caller, 2), "]"), 0), '
        'match(caller, "^[^:]*:[^:]*$"), mvindex(split(caller, ":"), 0), true(), caller)'
    )
    valid = Spl('if(cidrmatch("0.0.0.0/0", caller), caller, if(cidrmatch("::/0", caller), caller, null()))')
    given = Spl(f"trim(coalesce({_raw('initiatedBy.user.ipAddress')}, {_given(variable('callerIpAddress'))}))")
    return "ipAddress", Derived((_eval(caller=given), _eval(caller=host), _eval(ipAddress=valid)))


def _roles() -> tuple[str, Derived]:
    """Names of roles: assigned ones stand in the new value, removed ones in the old one, PIM's in a target."""
    new, old = _part("changes", "newValue"), _part("changes", "oldValue")
    empty = f'in(coalesce({new}, ""), "", {string(chr(34) * 2)})'
    lines = _bare("role_names", _changes(("Role.DisplayName",), Spl(f"if({empty}, {old}, {new})")))
    named = Spl(f"mvmap(targets, if({_is('targets', 'type', ('Role',))}, {_NAME}, null()))")
    together = Spl(f"mvdedup(mvappend(role_names, {named}))")
    return "entra.role.name", Derived((*lines, _eval(**{called("entra.role.name"): together})), ("targets", "changes"))


def _credentials() -> list[tuple[str, Derived]]:
    """How many credentials the first KeyDescription has, before and after; null where it cannot be read."""
    first = Spl(f"mvindex({_changes(('KeyDescription',), Spl('changes'))}, 0)")
    found = [("key_change", Derived((_eval(key_change=first),), ("changes",)))]
    for which, key in (("new", "newValue"), ("old", "oldValue")):
        text = f"{which}_keys"
        lines = (
            _eval(**{text: Spl(f'trim(coalesce({_part("key_change", key)}, ""))')}),
            _eval(**{text: Spl(f"trim({_unquoted(Spl(text))})")}),
        )
        held = Spl(f'spath({text}, "{{}}")')
        listed = _eval(**{f"{which}_key": held}), _eval(**{f"{which}_key": _kept(f"{which}_key")})
        count = Spl(
            f'case(isnull(key_change), null(), {text}="", 0, json_valid({text}) AND substr({text}, 1, 1)="[", '
            f"coalesce(mvcount({which}_key), 0))"
        )
        name = f"entra.credentials.{which}"
        found.append((name, Derived((*lines, *listed, _eval(**{called(name): count})), ("key_change",))))
    both = ("entra.credentials.new", "entra.credentials.old")
    growth = Spl(f"{called(both[0])}-{called(both[1])}")
    needs = ("key_change", *both)
    found.append(_derived("entra.credentials.growth", growth, "changes", *needs))
    return [*found, ("entra.credentials.added", Derived(_added(), needs))]


def _added() -> tuple[Spl, ...]:
    """Identifiers of the credentials after that were not there before; split finds a text in another as it stands."""
    lines = []
    for which in ("new", "old"):
        key, part = f"{which}_key", f"{which}_part"
        parts = Spl(f'mvmap({key}, split(trim({key}, "[] "), ","))')
        named = Spl(f'mvfilter(match({part}, "^KeyIdentifier=."))')
        lines += [_eval(**{part: parts}), _eval(**{part: named})]
        lines.append(_eval(**{f"{which}_ids": Spl(f"mvmap({part}, substr({part}, {len('KeyIdentifier=') + 1}))")}))
    lines.append(_eval(before=Spl('"," . coalesce(mvjoin(old_ids, ",,"), "") . ","')))
    fresh = Spl('mvmap(new_ids, if(mvcount(split(before, "," . new_ids . ","))>1, null(), new_ids))')
    return (*lines, _eval(**{called("entra.credentials.added"): fresh}))


def _kept(field: str) -> Spl:
    """The values that are there: the array's own nulls and empty texts are no credentials."""
    return Spl(f'mvfilter(NOT in({field}, "", "null"))')


def _table() -> dict[str, Derived]:
    person = called("entra.target.user.name")
    initiator = Spl(f"case(isnotnull({_UPN}), {_UPN}, isnotnull({_USER}), null(), true(), {_APP})")
    found = [
        _spath("targets", "targetResources{}"),
        _spath("changes", "targetResources{}.modifiedProperties{}"),
        _derived("entra.initiator.name", initiator),
        *[_derived(name, _unmarked(Spl(f"mvmap(targets, {_marked(value)})")), "targets") for name, value in _FIRST],
        *[_derived(name, _target(kinds, value), "targets") for name, kinds, value in _BY_KIND],
        _derived("userPrincipalName", Spl(f"coalesce({_UPN}, {person})"), "targets", "entra.target.user.name"),
        *[_flag(name, change) for name, change in _FLAGS],
        _address(),
        _roles(),
        *_credentials(),
    ]
    return dict(found)


DERIVED: dict[str, Derived] = _table()


def commands(names: list[str]) -> list[Spl]:
    """The commands that compute these fields, in this order."""
    return [line for name in names for line in DERIVED[name].lines]
