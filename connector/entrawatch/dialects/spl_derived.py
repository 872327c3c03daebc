r"""The `entra.*` fields, computed in a search where events come in the azure:monitor:aad shape.

Name and value of a modified property belong together in one element. The lists of all names and of all values do not
line up, since a null leaves no value; so each element is taken whole, as JSON text, and read by itself.
`normalize/derived.py` says what the fields mean; one that is not computed alike is not here, and a rule that needs it
is refused for this shape.

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


def given(value: Spl) -> Spl:
    """A value, or null where it is a JSON null or empty."""
    return Spl(f'nullif(nullif({value}, "null"), "")')


def _raw(path: str) -> Spl:
    return given(variable(f"{_ROOT}.{path}"))


def evaluated(**values: Spl) -> Spl:
    """Fields computed in one command."""
    return Spl("eval " + ",\n    ".join(f"{assignable(name)}={value}" for name, value in values.items()))


def part(element: str, key: str) -> Spl:
    """A value inside one element, null where it is absent."""
    return given(Spl(f"spath({element}, {string(key)})"))


def _marked(value: Spl) -> Spl:
    """A value with a mark before it, so that an element without one keeps its place."""
    return Spl(f'"=" . coalesce({value}, "")')


def _unmarked(values: Spl) -> Spl:
    """The first of marked values."""
    return Spl(f'nullif(substr(mvindex({values}, 0), 2), "")')


def is_one_of(element: str, key: str, wanted: tuple[str, ...]) -> Spl:
    """Whether an element's value is one of these, as written."""
    return Spl(f'in(coalesce(spath({element}, {string(key)}), ""), {", ".join(map(string, wanted))})')


def _target(kinds: tuple[str, ...], value: Spl) -> Spl:
    """The value out of the first target that is of one of these kinds."""
    return _unmarked(Spl(f"mvmap(targets, if({is_one_of('targets', 'type', kinds)}, {_marked(value)}, null()))"))


def of_changes(names: tuple[str, ...], value: Spl) -> Spl:
    """A value of each change that has one of these names."""
    return Spl(f"mvmap(changes, if({is_one_of('changes', 'displayName', names)}, {value}, null()))")


def unquoted(value: Spl) -> Spl:
    """A text without one pair of JSON's quotes, where it has them: JSON itself reads it."""
    document = f'"{{\\"v\\":" . {value} . "}}"'
    quoted = pattern('^"')
    return Spl(f'if(match({value}, {quoted}), coalesce(spath({document}, "v"), {value}), {value})')


def bare(name: str, value: Spl) -> tuple[Spl, ...]:
    """Values of changes, and then without their quotes, of which there may be two pairs."""
    once = evaluated(**{name: Spl(f"mvmap({name}, {unquoted(Spl(name))})")})
    return evaluated(**{name: value}), once, once


def derived(name: str, value: Spl, *needs: str) -> tuple[str, Derived]:
    """A field that one expression computes."""
    return name, Derived((evaluated(**{called(name): value}),), needs)


def _spath(output: str, path: str) -> tuple[str, Derived]:
    return output, Derived((Spl(f"spath output={output} path={_ROOT}.{path}"),))


_UPN, _USER = _raw("initiatedBy.user.userPrincipalName"), _raw("initiatedBy.user.id")
_APP = Spl(f"coalesce({_raw('initiatedBy.app.displayName')}, {_raw('initiatedBy.app.servicePrincipalName')})")
_ID, _NAME, _PERSON = (part("targets", key) for key in ("id", "displayName", "userPrincipalName"))
_FIRST = (
    ("entra.target.id", _ID),
    ("entra.target.name", Spl(f"coalesce({_NAME}, {_PERSON})")),
    ("entra.target.type", part("targets", "type")),
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
    flag = Spl(f"lower(trim({part('changes', 'newValue')}, {string(chr(34) + chr(92) + ' ')}))")
    last = Spl('mvindex(mvfilter(in(flags, "true", "false")), -1)')
    lines = evaluated(flags=of_changes((change,), flag)), evaluated(**{called(name): last})
    return name, Derived(lines, ("changes",))


def _address() -> tuple[str, Derived]:
    """The address without its port, where it is one: see `normalize.values.address`."""
    host = Spl(
        'case(substr(caller, 1, 1)="[", mvindex(split(substr(caller, 2), "]"), 0), '
        'mvcount(split(caller, ":"))=2, mvindex(split(caller, ":"), 0), true(), caller)'
    )
    valid = Spl(
        'case(match(caller, "[%/]"), null(), cidrmatch("0.0.0.0/0", caller), caller, cidrmatch("::/0", caller), caller)'
    )
    user, caller = _raw("initiatedBy.user.ipAddress"), given(variable("callerIpAddress"))
    told = Spl(f"trim(coalesce({user}, {caller}))")
    return "ipAddress", Derived((evaluated(caller=told), evaluated(caller=host), evaluated(ipAddress=valid)))


def _roles() -> tuple[str, Derived]:
    """Names of roles: assigned ones stand in the new value, removed ones in the old one, PIM's in a target."""
    new, old = part("changes", "newValue"), part("changes", "oldValue")
    empty = f'in(coalesce({new}, ""), "", {string(chr(34) * 2)})'
    lines = bare("role_names", of_changes(("Role.DisplayName",), Spl(f"if({empty}, {old}, {new})")))
    named = Spl(f"mvmap(targets, if({is_one_of('targets', 'type', ('Role',))}, {_NAME}, null()))")
    together = Spl(f"mvdedup(mvappend(role_names, {named}))")
    name = "entra.role.name"
    return name, Derived((*lines, evaluated(**{called(name): together})), ("targets", "changes"))


def table() -> dict[str, Derived]:
    """Field → how it is computed, for all but consents and credentials (`spl_changes`)."""
    person = called("entra.target.user.name")
    initiator = Spl(f"case(isnotnull({_UPN}), {_UPN}, isnotnull({_USER}), null(), true(), {_APP})")
    found = [
        _spath("targets", "targetResources{}"),
        _spath("changes", "targetResources{}.modifiedProperties{}"),
        derived("entra.initiator.name", initiator),
        *[derived(name, _unmarked(Spl(f"mvmap(targets, {_marked(value)})")), "targets") for name, value in _FIRST],
        *[derived(name, _target(kinds, value), "targets") for name, kinds, value in _BY_KIND],
        derived("userPrincipalName", Spl(f"coalesce({_UPN}, {person})"), "targets", "entra.target.user.name"),
        *[_flag(name, change) for name, change in _FLAGS],
        _address(),
        _roles(),
    ]
    return dict(found)
