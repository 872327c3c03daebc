"""Analytics rules and hunting queries into Sentinel, through Azure Resource Manager.

Each object is its own resource with a GUID of ours for its name; the state that was looked at is named (etag) when it
is changed, so that nobody's edit in between is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from entrawatch.deploy import azure, sentinel_rule
from entrawatch.deploy.plan import CREATE, DELETE, UPDATE
from entrawatch.deploy.target import one_by_one

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from entrawatch.deploy.azure import Workspace
    from entrawatch.deploy.plan import Standing, Step, Wanted
    from entrawatch.deploy.rest import Rest
    from entrawatch.deploy.target import Outcome

#: the stable API (2025-09-01) has neither NRT rules nor sub-techniques
RULES_VERSION = "2023-12-01-preview"
SEARCHES_VERSION = "2020-08-01"


class _Resources:
    """The resources of one type below a workspace."""

    def __init__(self, rest: Rest, path: str, version: str) -> None:
        self._rest, self._path, self._version = rest, path, version

    def all(self) -> Iterator[dict[str, Any]]:
        yield from azure.pages(self._rest, self._path, self._version)

    def put(self, key: str, body: Mapping[str, Any], now: Optional[Mapping[str, Any]]) -> str:
        # the state that is written over stands in the body (its etag); without one, there must be none
        self._ask("PUT", key, json=body, headers={"If-None-Match": "*"} if now is None else {})
        return ""

    def delete(self, standing: Optional[Standing]) -> str:
        if standing is not None:
            etag = standing.body.get("etag")
            self._ask("DELETE", str(standing.body["name"]), headers={"If-Match": str(etag)} if etag else {})
        return ""

    def _ask(self, method: str, key: str, **more: Any) -> None:
        self._rest.ask(method, f"{self._path}/{key}", params={"api-version": self._version}, **more)


class AlertRules:
    """The analytics rules of a workspace.

    :param enable: whether a new rule begins to run at once.
    """

    def __init__(self, rest: Rest, workspace: Workspace, *, enable: bool = False) -> None:
        path = f"{workspace.path}/providers/Microsoft.SecurityInsights/alertRules"
        self._resources = _Resources(rest, path, RULES_VERSION)
        self._enable = enable

    def standing(self) -> list[Standing]:
        """Every rule of every kind."""
        return [sentinel_rule.standing_rule(one) for one in self._resources.all()]

    def apply(self, steps: Sequence[Step]) -> Iterator[Outcome]:
        """One by one."""
        deed = {CREATE: self._put, UPDATE: self._put, DELETE: self._delete}
        return one_by_one(steps, deed)

    def _put(self, step: Step) -> str:
        one, now = _both(step)
        return self._resources.put(one.key, sentinel_rule.rule_body(one, now, enabled=self._enable), now)

    def _delete(self, step: Step) -> str:
        return self._resources.delete(step.difference.standing)


class HuntingQueries:
    """The hunting queries of a workspace: its saved searches of that category."""

    def __init__(self, rest: Rest, workspace: Workspace) -> None:
        self._resources = _Resources(rest, f"{workspace.path}/savedSearches", SEARCHES_VERSION)

    def standing(self) -> list[Standing]:
        """Every saved search of the workspace."""
        return [sentinel_rule.standing_hunt(one) for one in self._resources.all()]

    def apply(self, steps: Sequence[Step]) -> Iterator[Outcome]:
        """One by one."""
        return one_by_one(steps, {CREATE: self._put, UPDATE: self._put, DELETE: self._delete})

    def _put(self, step: Step) -> str:
        one, now = _both(step)
        return self._resources.put(one.key, sentinel_rule.hunt_body(one, now), now)

    def _delete(self, step: Step) -> str:
        return self._resources.delete(step.difference.standing)


def _both(step: Step) -> tuple[Wanted, Optional[Mapping[str, Any]]]:
    """What is wanted, and what stands there, if anything."""
    difference = step.difference
    if difference.wanted is None:
        raise ValueError("nothing is wanted there")
    return difference.wanted, difference.standing.body if difference.standing else None
