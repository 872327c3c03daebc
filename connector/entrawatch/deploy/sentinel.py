"""Analytics rules and hunting queries into Sentinel, through Azure Resource Manager.

Each object is its own resource with a GUID of ours for its name; the state that was looked at is named (etag) when it
is changed, so that nobody's edit in between is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from entrawatch.deploy import azure, sentinel_rule
from entrawatch.deploy.plan import CREATE, DELETE, UPDATE
from entrawatch.deploy.target import MEANWHILE, one_by_one
from entrawatch.errors import TargetError
from entrawatch.packages.sentinel_files import RULES_VERSION, SEARCHES_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from entrawatch.deploy.azure import Workspace
    from entrawatch.deploy.plan import Standing, Step, Wanted
    from entrawatch.deploy.rest import Answer, Rest
    from entrawatch.deploy.target import Outcome


class _Resources:
    """The resources of one type below a workspace.

    :param path: the type's, in Resource Manager.
    :param version: the API's.
    """

    def __init__(self, rest: Rest, path: str, version: str) -> None:
        self._rest, self._path, self._version = rest, path, version

    def standing(self) -> list[Standing]:
        """Every resource of the type."""
        return [self._read(one) for one in azure.pages(self._rest, self._path, self._version)]

    def apply(self, steps: Sequence[Step]) -> Iterator[Outcome]:
        """One by one."""
        return one_by_one(steps, {CREATE: self._put, UPDATE: self._put, DELETE: self._delete})

    def _read(self, one: Mapping[str, Any]) -> Standing:
        raise NotImplementedError

    def _body(self, one: Wanted, now: Optional[Mapping[str, Any]]) -> Mapping[str, Any]:
        raise NotImplementedError

    def _put(self, step: Step) -> str:
        one, there = step.wanted, step.difference.standing
        # the state that is written over stands in the body (its etag); without one, there must be none
        headers = {} if there else {"If-None-Match": "*"}
        self._ask("PUT", one.key, json=self._body(one, there.body if there else None), headers=headers)
        return ""

    def _delete(self, step: Step) -> str:
        there = step.difference.standing
        if there is None:
            return ""
        # not every service heeds If-Match when it deletes
        name = str(there.body["name"])
        answer = self._ask("GET", name, accept={404})
        if answer.status == 404:
            return ""
        now = answer.value if isinstance(answer.value, dict) else {}
        if now.get("etag") != there.body.get("etag") or step.overtaken(self._read(now)):
            raise TargetError(MEANWHILE)
        self._ask("DELETE", name, headers={"If-Match": str(now["etag"])} if now.get("etag") else {})
        return ""

    def _ask(self, method: str, key: str, **more: Any) -> Answer:
        return self._rest.ask(method, f"{self._path}/{key}", params={"api-version": self._version}, **more)


class AlertRules(_Resources):
    """The analytics rules of a workspace, of every kind.

    :param enable: whether a new rule begins to run at once.
    """

    def __init__(self, rest: Rest, workspace: Workspace, *, enable: bool = False) -> None:
        super().__init__(rest, f"{workspace.path}/providers/Microsoft.SecurityInsights/alertRules", RULES_VERSION)
        self._enable = enable

    def _read(self, one: Mapping[str, Any]) -> Standing:
        return sentinel_rule.standing_rule(one)

    def _body(self, one: Wanted, now: Optional[Mapping[str, Any]]) -> Mapping[str, Any]:
        return sentinel_rule.rule_body(one, now, enabled=self._enable)


class HuntingQueries(_Resources):
    """The hunting queries of a workspace: its saved searches of that category."""

    def __init__(self, rest: Rest, workspace: Workspace) -> None:
        super().__init__(rest, f"{workspace.path}/savedSearches", SEARCHES_VERSION)

    def _read(self, one: Mapping[str, Any]) -> Standing:
        return sentinel_rule.standing_hunt(one)

    def _body(self, one: Wanted, now: Optional[Mapping[str, Any]]) -> Mapping[str, Any]:
        return sentinel_rule.hunt_body(one, now)
