"""Scalars out of the modified properties of an audit event, so that a rule can test them in every language.

Name and value of a property belong together in one element; a rule that tests an array of names and an array of
values would match across elements. So the elements are read here, once.

https://learn.microsoft.com/entra/identity/monitoring-health/reference-audit-activities
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from entrawatch.jsontext import dumps
from entrawatch.normalize.values import UNFIT, as_boolean, parsed
from entrawatch.schema.derived import APPS, EXCLUSIONS, FLAGS, ROLE_IDS, SCOPES

if TYPE_CHECKING:
    from collections.abc import Iterator

#: one modified property: its name, its new value and its old value, as they came
Change = tuple[str, str, str]


def bare(value: str) -> str:
    r"""A value without its JSON quotes, of which there may be two pairs: `"\"False\""`, `"False"` and `False`."""
    for _ in range(2):
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return value


def changes_of(targets: list[dict[str, Any]]) -> list[Change]:
    """The modified properties of all targets, in order."""
    return [
        (str(item.get("display_name", "")), item.get("new_value", ""), item.get("old_value", ""))
        for target in targets
        for item in (target.get("modified_properties") or {}).values()
    ]


def derive(ours: dict[str, Any], targets: list[dict[str, Any]]) -> None:
    """Write what the targets and their changes say below `entra`."""
    if not targets:
        return
    _targets(ours, targets)
    changes = changes_of(targets)
    if changes:
        ours["modified"] = {
            "names": list(dict.fromkeys(name for name, _, _ in changes if name)),
            "changes": [f"{name}={bare(new)} ({bare(old)})" for name, new, old in changes],
        }
    for key, value in (
        ("consent", _consent(changes)),
        ("role", _role(changes, targets)),
        ("credentials", _credentials(changes)),
        ("policy", _policy(changes, targets)),
    ):
        if value:
            ours[key] = value


def _targets(ours: dict[str, Any], targets: list[dict[str, Any]]) -> None:
    out: dict[str, Any] = _named(targets[0], "display_name", "user_principal_name")
    if targets[0].get("type"):
        out["type"] = targets[0]["type"]
    for key, kinds, names in (
        ("user", ("User",), ("user_principal_name", "display_name")),
        ("app", APPS, ("display_name",)),
        ("group", ("Group",), ("display_name",)),
    ):
        found = next((target for target in targets if target.get("type") in kinds), None)
        if found and _named(found, *names):
            out[key] = _named(found, *names)
    if out:
        ours["target"] = out


def _named(target: dict[str, Any], *names: str) -> dict[str, Any]:
    name = next((target[key] for key in names if target.get(key)), None)
    return {key: value for key, value in (("id", target.get("id")), ("name", name)) if value}


# --- consent ----------------------------------------------------------------------------------------------------------


def _consent(changes: list[Change]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    scopes: dict[str, None] = {}
    for name, new, old in changes:
        if name in FLAGS:
            flag = as_boolean(new)
            if flag is not None and flag is not UNFIT:
                out[FLAGS[name]] = flag
        elif name == "ConsentAction.Permissions":
            granted, consent_type = _permissions(bare(new))
            scopes.update(dict.fromkeys(granted))
            if consent_type:
                out["type"] = consent_type
        elif name in SCOPES:
            scopes.update(dict.fromkeys(_added(bare(new), bare(old))))
    if scopes:
        out["scopes"] = list(scopes)
    return out


def _added(new: str, old: str) -> list[str]:
    before = set(old.split())
    return [scope for scope in new.split() if scope not in before]


def _permissions(text: str) -> tuple[list[str], str]:
    """Scopes and consent type of `[] => [[Id: …, ConsentType: Principal, Scope: User.Read Mail.Read, …]]; `.

    What stands before the arrow was granted already.
    """
    _, arrow, after = text.partition("=>")
    after = after if arrow else text
    scopes = [scope for part in _valued(after, "Scope:") for scope in part.split()]
    return list(dict.fromkeys(scopes)), next(_valued(after, "ConsentType:"), "")


def _valued(text: str, label: str) -> Iterator[str]:
    for piece in text.split(label)[1:]:
        value = piece.split(",", 1)[0].split("]", 1)[0].strip()
        if value:
            yield value


# --- roles ------------------------------------------------------------------------------------------------------------


def _role(changes: list[Change], targets: list[dict[str, Any]]) -> dict[str, Any]:
    """Assigned roles stand in the new value, removed ones in the old one, PIM's in a target of type Role."""
    names: dict[str, None] = {}
    ids: dict[str, None] = {}
    for name, new, old in changes:
        value = bare(new) or bare(old)
        if value and name == "Role.DisplayName":
            names[value] = None
        elif value and name in ROLE_IDS:
            ids[value] = None
    for target in targets:
        if target.get("type") == "Role":
            names.update({target["display_name"]: None} if target.get("display_name") else {})
            ids.update({target["id"]: None} if target.get("id") else {})
    return {key: list(value) for key, value in (("name", names), ("id", ids)) if value}


# --- credentials ------------------------------------------------------------------------------------------------------


def _credentials(changes: list[Change]) -> dict[str, Any]:
    """KeyDescription holds a JSON array of texts, one a credential, before and after."""
    found = [(new, old) for name, new, old in changes if name == "KeyDescription"]
    if not found:
        return {}
    new, old = (_keys(text) for text in found[0])
    out: dict[str, Any] = {}
    if old is not None:
        out["old"] = len(old)
    if new is not None:
        out["new"] = len(new)
        before = {_key_id(text) for text in old or ()}
        added = [key for key in map(_key_id, new) if key and key not in before]
        out.update({"added": added} if added else {})
    if new is not None and old is not None:
        out["growth"] = len(new) - len(old)
    return out


def _keys(text: str) -> Optional[list[str]]:
    """The credentials of a value; None where it cannot be read, none where it is empty."""
    for candidate in (text, bare(text)):
        keys = parsed(candidate.strip())
        if type(keys) is list:
            return [key if type(key) is str else dumps(key).decode() for key in keys if key]
    return [] if not bare(text).strip() else None


def _key_id(text: str) -> str:
    return next((p.split("=", 1)[1] for p in text.strip("[] ").split(",") if p.startswith("KeyIdentifier=")), "")


# --- conditional access policies --------------------------------------------------------------------------------------


def _policy(changes: list[Change], targets: list[dict[str, Any]]) -> dict[str, Any]:
    found = [(new, old) for name, new, old in changes if name.strip() == "ConditionalAccessPolicy"]
    if not found:
        return {}
    new, old = (_object(text) for text in found[0])
    name = next((t["display_name"] for t in targets if t.get("type") == "Policy" and t.get("display_name")), "")
    out = {
        "name": name or new.get("displayName") or old.get("displayName"),
        "old_state": old.get("state"),
        "new_state": new.get("state"),
    }
    out = {key: value for key, value in out.items() if value and type(value) is str}
    for key, policy in (("old_conditions", old), ("new_conditions", new)):
        if policy.get("conditions"):
            out[key] = dumps(policy["conditions"]).decode()
    before = set(_excluded(old))
    added = [what for what in _excluded(new) if what not in before]
    return {**out, "exclusions_added": added} if added else out


def _object(text: str) -> dict[str, Any]:
    for candidate in (text, bare(text)):
        value = parsed(candidate.strip())
        value = value[0] if type(value) is list and value else value
        if type(value) is dict:
            return value
    return {}


def _excluded(policy: dict[str, Any]) -> list[str]:
    conditions = policy.get("conditions")
    conditions = conditions if type(conditions) is dict else {}
    out: dict[str, None] = {}
    for (part, key), kind in EXCLUSIONS.items():
        inner = conditions.get(part)
        items = inner.get(key) if type(inner) is dict else None
        for item in items if type(items) is list else ():
            if type(item) is str and item:
                out[f"{kind}:{item}"] = None
    return list(out)
