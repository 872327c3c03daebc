"""Saved searches and macros into a Splunk that has the app, over its management port.

The app brings the data's shape (props, lookups, eventtypes) and must be there; what is deployed stands in its
`local/`, in front of what it was installed with. Source: docs.splunk.com, RESTREF: saved/searches, configs/conf-{file},
apps/local.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import quote

from entrawatch import __version__
from entrawatch.deploy import splunk_search
from entrawatch.deploy.mark import mark
from entrawatch.deploy.plan import CREATE, DELETE, UPDATE, Standing, Wanted
from entrawatch.deploy.rest import line, rows
from entrawatch.deploy.splunk_search import APP
from entrawatch.deploy.target import MEANWHILE, one_by_one
from entrawatch.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from entrawatch.deploy.plan import Step
    from entrawatch.deploy.rest import Rest
    from entrawatch.deploy.target import Outcome

_SEARCHES = f"/servicesNS/nobody/{APP}/saved/searches"
_MACROS = f"/servicesNS/nobody/{APP}/configs/conf-macros"
_PAGE = 200
MACRO = "macro"
ADVICE = {
    401: "check the token: it may be expired or revoked, or token authentication may be off",
    402: "the licence of this Splunk does not allow it",
    403: "give the token's user write access to the app entrawatch and the capability schedule_search (docs/deploy.md)",
    404: "is the address the management port's, 8089 as a rule?",
    409: "somebody made it meanwhile; look at a new plan",
}


def app_version(rest: Rest) -> str:
    """The version of the installed app.

    :raises TargetError: it is not installed.
    """
    answer = rest.get(f"/services/apps/local/{APP}", params={"output_mode": "json"}, accept={404})
    entries = rows(answer.value, "entry")
    if answer.status == 404 or not entries:
        raise TargetError(
            f"{rest.host}: the app {APP} is not installed there; install its package first (docs/deploy.md)", 404
        )
    content = entries[0].get("content")
    return line(content.get("version", "")) if isinstance(content, dict) else ""


def version_note(version: str) -> str:
    """What is said of an app of another version than ours, "" where it is ours."""
    if version == __version__:
        return ""
    return f"; the app is version {version or 'unknown'}, this is {__version__}: let both be the same"


def entries(rest: Rest, path: str) -> Iterator[dict[str, Any]]:
    """What of a collection belongs to the app itself: no user's private objects, and no other app's shared ones.

    :raises TargetError: the product does not answer as Splunk does.
    """
    offset, total = 0, 1
    while offset < total:
        asked = {"output_mode": "json", "count": _PAGE, "offset": offset, "sort_key": "name"}
        value = rest.get(path, params=asked).value
        paging = value.get("paging") if isinstance(value, dict) else None
        if not isinstance(paging, dict) or not isinstance(paging.get("total"), int):
            raise TargetError(f"{rest.host}: {path} gave no list; is it Splunk's management port?")
        found, total = rows(value, "entry"), paging["total"]
        if not found and offset < total:
            raise TargetError(f"{rest.host}: {path} changed while it was read; run it again")
        yield from filter(_ours, found)
        offset += len(found)


def _ours(entry: Mapping[str, Any]) -> bool:
    acl = entry.get("acl")
    return isinstance(acl, dict) and acl.get("app") == APP and acl.get("sharing") in {"app", "global"}


class SavedSearches:
    """The app's saved searches.

    :param wanted: what is to stand there: Splunk gives back more keys than anyone put there, these are compared.
    :param enable: whether a new search runs at once.
    """

    def __init__(self, rest: Rest, wanted: Sequence[Wanted], *, enable: bool = False) -> None:
        self._rest = rest
        self._wanted = {one.key: one for one in wanted}
        self._enable = enable

    def standing(self) -> list[Standing]:
        """Every search that the app's users share."""
        return [
            splunk_search.standing(entry, self._wanted.get(str(entry.get("name"))))
            for entry in entries(self._rest, _SEARCHES)
        ]

    def apply(self, steps: Sequence[Step]) -> Iterator[Outcome]:
        """One by one."""
        return one_by_one(steps, {CREATE: self._create, UPDATE: self._update, DELETE: self._delete})

    def _create(self, step: Step) -> str:
        one = step.wanted
        said = {"name": one.key, "disabled": "0" if self._enable else "1", **splunk_search.arguments(one)}
        _post(self._rest, _SEARCHES, said)
        return ""

    def _update(self, step: Step) -> str:
        one = step.wanted
        now = self._now(one.key)
        if now is None or step.overtaken(now):
            raise TargetError(MEANWHILE)
        # only what differs: each key that is posted stands in local/ from then on, in front of the app's own
        said = splunk_search.arguments(one, dropped=set(now.fields) - set(one.fields))
        changed = {key: value for key, value in said.items() if now.fields.get(key, "") != value}
        # Splunk refuses an edit that does not repeat the search
        _post(self._rest, _one(_SEARCHES, one.key), {"search": one.fields["search"], **changed})
        return ""

    def _now(self, key: str) -> Optional[Standing]:
        answer = self._rest.get(_one(_SEARCHES, key), params={"output_mode": "json"}, accept={404})
        found = list(filter(_ours, rows(answer.value, "entry")))
        return splunk_search.standing(found[0], self._wanted.get(key)) if found else None

    def _delete(self, step: Step) -> str:
        key = step.difference.key
        now = self._now(key)
        if now is not None and step.overtaken(now):
            raise TargetError(MEANWHILE)
        if now is not None:
            self._rest.ask("DELETE", _one(_SEARCHES, key), params={"output_mode": "json"}, accept={404})
        return ""


class Macros:
    """The app's macros: those that are missing are made; one that is there is the administrator's, whatever it says."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def standing(self) -> list[Standing]:
        """Every macro that the app's users share."""
        names = (str(entry.get("name")) for entry in entries(self._rest, _MACROS))
        return [Standing(name, name, MACRO, {}, mark(name, {}), fixed=_KEPT) for name in names]

    def apply(self, steps: Sequence[Step]) -> Iterator[Outcome]:
        """One by one."""
        return one_by_one(steps, {CREATE: self._create})

    def _create(self, step: Step) -> str:
        one = step.wanted
        _post(self._rest, _MACROS, {"name": one.key, **one.body})
        return ""


_KEPT = "macros are the administrator's"


def wanted_macro(name: str, settings: Mapping[str, Any], slug: str) -> Wanted:
    """A macro of the package."""
    return Wanted(name, name, MACRO, slug, {}, {key: splunk_search.text(value) for key, value in settings.items()})


def _one(path: str, name: str) -> str:
    return f"{path}/{quote(name, safe='')}"


def _post(rest: Rest, path: str, said: Mapping[str, str]) -> None:
    rest.ask("POST", path, params={"output_mode": "json"}, data=dict(said))
