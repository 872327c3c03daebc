"""The log endpoints: a request becomes a page of records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Optional
from urllib.parse import quote, urlencode

from entrawatch.emulator.answers import JSON, Answer, RefusedError, bad_filter
from entrawatch.emulator.odata import compile_filter
from entrawatch.emulator.resources import RESOURCES
from entrawatch.emulator.times import ticks_of
from entrawatch.emulator.tokens import Position
from entrawatch.jsontext import dumps, loads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from entrawatch.emulator.answers import Request
    from entrawatch.emulator.keep import Keep, Row
    from entrawatch.emulator.resources import Resource
    from entrawatch.emulator.tokens import SkipTokens
    from entrawatch.interfaces import Clock

_KNOWN_OPTIONS = frozenset({"$filter", "$top", "$select", "$skiptoken"})
# Without one of these roles the policies are left out in silence (reference, signIn: "Viewing applied conditional
# access policies").
_POLICY_ROLES = frozenset({"Policy.Read.All", "Policy.Read.ConditionalAccess", "Policy.ReadWrite.ConditionalAccess"})
_UNSHOWN = frozenset({"appliedConditionalAccessPolicies"})
_TIP = (
    "Use $select to choose only the properties your app needs, as this can lead to performance improvements. "
    "For example: GET auditLogs/signIns?$select=appDisplayName,appId"
)


@dataclass(frozen=True)
class Page:
    """One page before it is written, in the form that faults can alter.

    :param rows: its records.
    :param start: the position it was read from.
    :param next: where the walk goes on, None at its end.
    :param link: the nextLink to write instead of the one for `next`.
    :param drop: top-level fields that this caller is not shown.
    :param select: the fields asked for; empty for all.
    :param hides_new_values: whether values newer than the enumeration's sentinel are shown as unknownFutureValue.
    """

    resource: Resource
    version: str
    request: Request
    rows: Sequence[Row]
    start: Position
    next: Optional[Position] = None
    link: Optional[str] = None
    drop: frozenset[str] = frozenset()
    select: frozenset[str] = frozenset()
    hides_new_values: bool = False

    def bodies(self) -> list[str]:
        """The records' texts as this caller sees them; text is only taken apart where something is not shown."""
        if self.drop - self.resource.beta_only or self.select:
            return [self._shown(row) for row in self.rows]
        return [self._shown(row) if self._is_altered(row) else row.body for row in self.rows]

    def _is_altered(self, row: Row) -> bool:
        return (bool(self.drop) and row.beta_only) or (self.hides_new_values and row.new_values)

    def _shown(self, row: Row) -> str:
        record = {name: value for name, value in loads(row.body).items() if name not in self.drop}
        if self.select:
            record = {name: value for name, value in record.items() if name in self.select}
        if self.hides_new_values:
            record = {name: self.resource.old_value(name, value) for name, value in record.items()}
        return dumps(record).decode()


def _top(request: Request, resource: Resource) -> int:
    text = request.query.get("$top", str(resource.default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= resource.maximum:
        # Read live by graph2otel (docs/graph-api-gotchas.md).
        message = f"Invalid page size specified: '{text[:20]}'. Must be between 1 and {resource.maximum} inclusive."
        raise RefusedError(400, "BadRequest", message)
    return int(text)


def _descending(request: Request, resource: Resource) -> bool:
    words = request.query.get("$orderby", f"{resource.time_field} desc").split()
    if words[:1] != [resource.time_field] or words[1:] not in ([], ["asc"], ["desc"]):
        raise RefusedError(400, "BadRequest", "Invalid orderby clause")
    return words[1:] == ["desc"]


def _check_options(request: Request, resource: Resource) -> None:
    for name in request.query:
        if name.startswith("$") and name not in _KNOWN_OPTIONS | resource.options:
            option = name[1:].capitalize()
            advice = "set the 'AllowedQueryOptions' property on EnableQueryAttribute or QueryValidationSettings."
            raise RefusedError(400, "BadRequest", f"Query option '{option}' is not allowed. To allow it, {advice}")


class Reports:
    """The pages of the log endpoints.

    :param base: URL the nextLinks start with.
    :param retention: how far back the reporting paths answer; an older bound is a bad filter.
    :param shifting: whether records that arrive during a walk move its pages.
    """

    def __init__(
        self, keep: Keep, tokens: SkipTokens, clock: Clock, base: str, retention: timedelta, shifting: bool
    ) -> None:
        self._keep, self._tokens, self._clock, self._base = keep, tokens, clock, base
        self._retention, self._shifting = retention, shifting

    def page(self, version: str, path: str, request: Request, roles: frozenset[str]) -> Page:
        """The page a request asks for.

        :param roles: the application permissions in the caller's token.
        :raises RefusedError: as Graph refuses it.
        """
        resource = RESOURCES[path.lower()]
        _check_options(request, resource)
        top = _top(request, resource)
        start = self._start(request)
        rows = self._rows(request, resource, version == "beta", start, top + 1)
        following = position_after(start, rows[:top]) if len(rows) > top else None
        hides = "include-unknown-enum-members" not in request.headers.get("prefer", "").lower()
        drop = _UNSHOWN if roles.isdisjoint(_POLICY_ROLES) else frozenset()
        if version != "beta":
            drop |= resource.beta_only
        return Page(
            resource,
            version,
            request,
            rows[:top],
            start,
            following,
            drop=drop,
            select=_select(request),
            hides_new_values=hides,
        )

    def _start(self, request: Request) -> Position:
        now = ticks_of(self._clock.now())
        if "$skiptoken" not in request.query:
            return Position(now)
        position = self._tokens.redeem(request.query["$skiptoken"])
        return replace(position, seen=now) if self._shifting else position

    def _rows(self, request: Request, resource: Resource, beta: bool, start: Position, limit: int) -> list[Row]:
        clause = compile_filter(request.query.get("$filter", ""), resource, beta)
        where, params = [clause.sql, "arrives <= ?", "replaced > ?"], [*clause.params, start.seen, start.seen]
        if resource.reporting:
            oldest = ticks_of(self._clock.now() - self._retention)
            if any(moment < oldest for moment in clause.times):
                # "it does not allow you to query 90 days past the current date": microsoft-graph-docs issue 5676.
                raise bad_filter()
            where.append("time >= ?")
            params.append(oldest)
        word, sign = ("DESC", "<") if _descending(request, resource) else ("ASC", ">")
        if start.after is not None and not self._shifting:
            where.append(f"(time, pos) {sign} (?, ?)")
            params += start.after
        skip = start.skip if self._shifting else 0
        return self._keep.select(" AND ".join(where), params, f"time {word}, pos {word}", limit, skip)

    def write(self, page: Page) -> Answer:
        """The page as Graph writes it: the records' texts are joined, not taken apart."""
        head = {"@odata.context": f"{self._base}/{page.version}/$metadata#{page.resource.path[1:]}"}
        if not page.select:
            head["@microsoft.graph.tips"] = _TIP
        link = page.link if page.link is not None else self.link(page, page.next)
        if link:
            head["@odata.nextLink"] = link
        text = dumps(head)[:-1].decode() + ',"value":[' + ",".join(page.bodies()) + "]}"
        return Answer(200, text.encode("utf-8", "replace"), JSON)

    def own_link(self, page: Page) -> str:
        """The URL the page was asked by."""
        return f"{self._base}{page.request.path}?{page.request.raw_query}"

    def link(self, page: Page, position: Optional[Position], token: Optional[str] = None) -> str:
        """The nextLink to a position: the request's own query with a skip token; "" for no position."""
        if position is None:
            return ""
        query = {name: value for name, value in page.request.query.items() if name != "$skiptoken"}
        query["$skiptoken"] = self._tokens.issue(position) if token is None else token
        return f"{self._base}/{page.version}{page.resource.path}?{urlencode(query, safe='$', quote_via=quote)}"


def _select(request: Request) -> frozenset[str]:
    return frozenset(filter(None, request.query.get("$select", "").replace(" ", "").split(",")))


def position_after(start: Position, rows: Sequence[Row]) -> Position:
    """Where a walk goes on that has given these rows; at least one."""
    last = rows[-1]
    return replace(start, after=(last.time, last.pos), skip=start.skip + len(rows), page=start.page + 1)
