"""Saved searches as Splunk's REST API has them: other names than in savedsearches.conf, and every value a text.

Source: docs.splunk.com/Documentation/Splunk/latest/RESTREF/RESTsearch (saved/searches) and, for the .conf file's names,
Admin/Savedsearchesconf. The endpoint refuses arguments it does not know, but for families of them: `action.*`,
`args.*`, `dispatch.*`. `args.*` are what a search with `$name$` in it is given: that is where the mark stands, with the
names of the keys it was made of, for Splunk gives back hundreds of others that it fills in itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entrawatch.deploy.mark import mark
from entrawatch.deploy.plan import Standing, Wanted, tidy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KIND = "saved search"
APP = "entrawatch"
MARK = "args.entrawatch"
#: name in savedsearches.conf → name in the API
_NAMES = {
    "enableSched": "is_scheduled", "counttype": "alert_type", "relation": "alert_comparator",
    "quantity": "alert_threshold",
}  # fmt: skip
#: whether it runs is the administrator's
THEIRS = ("disabled",)
_WORDS = {"true": "1", "false": "0"}


def wanted(name: str, settings: Mapping[str, Any], slug: str) -> Wanted:
    """A stanza of the package."""
    said = {_NAMES.get(key, key): text(value) for key, value in settings.items()}
    fields = {key: value for key, value in said.items() if key not in THEIRS and value}
    return Wanted(name, name, KIND, slug, fields, fields)


def standing(entry: Mapping[str, Any], one: Any) -> Standing:
    """An entry as Splunk gave it.

    :param one: what is wanted there, if anything: its keys are what is compared.
    """
    content = entry.get("content") if isinstance(entry.get("content"), dict) else {}
    name, said = str(entry.get("name")), {key: text(value) for key, value in (content or {}).items()}
    found, _, names = said.get(MARK, "").partition(" ")
    marked = _chosen(said, filter(None, names.split(",")))
    fields = {**marked, **_chosen(said, one.fields if one else ())}
    return Standing(
        name, name, KIND, fields, found, "" if _removable(entry) else _FIXED, body=dict(entry), marked=marked
    )  # fmt: skip


_FIXED = "part of the installed app; it goes with the app's next version"


def _removable(entry: Mapping[str, Any]) -> bool:
    acl = entry.get("acl")
    return not isinstance(acl, dict) or acl.get("removable") is not False


def _chosen(said: Mapping[str, str], names: Iterable[str]) -> dict[str, Any]:
    return tidy({name: said.get(name) for name in names}) or {}


def arguments(one: Wanted, dropped: Iterable[str] = ()) -> dict[str, str]:
    """What is posted.

    :param dropped: keys that an earlier catalogue had put there.
    """
    stamp = f"{mark(one.key, one.fields)} {','.join(sorted(one.fields))}"
    return {**dict.fromkeys(dropped, ""), **one.fields, MARK: stamp}


def text(value: Any) -> str:
    """A value as a text, the same whether it was written or read: Splunk gives numbers and booleans back as such."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ",".join(map(text, value))
    if isinstance(value, bool):
        return "1" if value else "0"
    said = str(value).replace("\r\n", "\n").strip()
    return _WORDS.get(said, said)
