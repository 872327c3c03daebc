"""Carries out the faults that were ordered: chooses them for a request and alters what is answered."""

from __future__ import annotations

import fnmatch
import threading
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Optional

from entrawatch.emulator.answers import Answer, RefusedError, unlicensed
from entrawatch.emulator.reports import position_after
from entrawatch.emulator.throttle import throttled
from entrawatch.emulator.tokens import expired
from entrawatch.schema.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from entrawatch.emulator.answers import Request
    from entrawatch.emulator.faults import Fault
    from entrawatch.emulator.reports import Page, Reports

# The shape of an answer of the gateway before Graph, which is no JSON (graph2otel, graph-api-gotchas).
_GATEWAY = (
    b"<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>\r\n<center><h1>403 Forbidden</h1></center>\r\n"
    b"<hr><center>Microsoft-Azure-Application-Gateway/v2</center>\r\n</body>\r\n</html>\r\n"
)
# The service's serialiser gives up in the middle and writes its error there (microsoft-graph-docs issue 3648).
_HALFWAY = (
    b'{"error":{"code":"InternalServerError","message":"A null value was found for the property named '
    b"'category', which has the expected type 'Edm.String[Nullable=False]'. The expected type does not allow null "
    b'values."}}'
)
_TEXTS = {
    400: ("BadRequest", "Invalid request"),
    401: ("InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."),
    403: ("Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
    404: ("ResourceNotFound", "Resource could not be discovered."),
    429: ("TooManyRequests", "This request is throttled. Please try again later."),
    500: ("InternalServerError", "An internal server error occurred. The operation will be retried."),
    502: ("BadGateway", "Bad gateway"),
    503: ("serviceNotAvailable", "The service is unavailable."),
    504: ("UnknownError", "The gateway did not receive a timely response."),
}


def _is_for(stream: str, request: Request) -> bool:
    entry, asked = STREAMS[stream], request.query.get("$filter", "").lower()
    if request.path.lower() != f"/{entry.version}{entry.path}".lower():
        return False
    if entry.version == "beta" and entry.sign_in_type:
        return f"'{entry.sign_in_type.lower()}'" in asked
    return True


def _matches(fault: Fault, request: Request) -> bool:
    if fault.path:
        chosen = fnmatch.fnmatchcase(request.path.lower(), fault.path.lower())
    else:
        chosen = request.path.lower().startswith(("/v1.0/", "/beta/"))
    is_next = "$skiptoken" in request.query
    page = fault.page == "any" or (fault.page == "next") == is_next
    return chosen and page and (not fault.stream or _is_for(fault.stream, request))


class _Counted:
    """One fault with its count of matching requests and of its own strikes."""

    def __init__(self, fault: Fault, random: Random) -> None:
        self.fault, self.random = fault, random
        self._seen = self._struck = 0

    def strikes(self) -> bool:
        """Count one more matching request; whether the fault befalls it."""
        fault = self.fault
        self._seen += 1
        if (fault.nth and self._seen not in fault.nth) or (fault.every and self._seen % fault.every):
            return False
        if (fault.times and self._struck >= fault.times) or self.random.random() >= fault.probability:
            return False
        self._struck += 1
        return True


class Mischief:
    """The faults of one emulator.

    :param seed: of every probability.
    :param pause: waits that many seconds, or until the emulator stops.
    """

    def __init__(self, faults: Sequence[Fault], seed: int, pause: Callable[[float], None]) -> None:
        self._faults = [_Counted(fault, Random(f"{seed} {number}")) for number, fault in enumerate(faults)]  # noqa: S311 - a replay needs a seed
        self._pause, self._random = pause, Random(seed)  # noqa: S311 - the same
        self._lock = threading.Lock()

    def chosen(self, request: Request) -> list[Fault]:
        """The faults that befall a request."""
        with self._lock:
            return [item.fault for item in self._faults if _matches(item.fault, request) and item.strikes()]

    def before(self, faults: Sequence[Fault], request: Request, reporting: bool) -> Optional[Answer]:
        """What is answered in place of the request, if anything.

        :raises RefusedError: where the fault is one of Graph's own refusals.
        """
        for fault in faults:
            if fault.action == "sleep":
                self._pause(fault.seconds)
            elif fault.action in _INSTEAD:
                return _INSTEAD[fault.action](fault, request, reporting)
        return None

    def page(self, faults: Sequence[Fault], page: Page, reports: Reports) -> Page:
        """The page as the faults leave it."""
        for fault in faults:
            if fault.action in _IN_PAGE:
                page = _IN_PAGE[fault.action](fault, page, reports)
            elif fault.action in {"omit", "shuffle"}:
                page = self._disordered(fault, page)
        return page

    def _disordered(self, fault: Fault, page: Page) -> Page:
        rows = list(page.rows)
        with self._lock:
            if fault.action == "shuffle":
                self._random.shuffle(rows)
            for _ in range(min(fault.count, len(rows)) if fault.action == "omit" else 0):
                rows.pop(self._random.randrange(len(rows)))
        return replace(page, rows=rows)

    def after(self, faults: Sequence[Fault], answer: Answer) -> Answer:
        """The answer's bytes as the faults leave them."""
        for fault in faults:
            if fault.action == "truncate":
                answer = replace(answer, share=0.5)
            elif fault.action == "wrong_length":
                answer = replace(answer, excess=fault.count)
            elif fault.action == "malformed":
                answer = replace(answer, body=answer.body[: len(answer.body) // 2] + _HALFWAY)
        return answer


def _status(fault: Fault, _: Request, __: bool) -> Answer:
    code, message = _TEXTS.get(fault.status, ("UnknownError", "An error has occurred."))
    headers = {} if fault.retry_after is None else {"Retry_After": str(fault.retry_after)}
    raise RefusedError(fault.status, fault.code or code, fault.message or message, **headers)


def _throttle(fault: Fault, _: Request, __: bool) -> Answer:
    raise throttled("" if fault.retry_after is None else str(fault.retry_after))


def _licence(_: Fault, __: Request, reporting: bool) -> Answer:
    raise unlicensed(reporting)


def _unauthorized(_: Fault, __: Request, ___: bool) -> Answer:
    raise RefusedError(401, *_TEXTS[401])


def _gateway(fault: Fault, _: Request, __: bool) -> Answer:
    return Answer(fault.status or 403, _GATEWAY, "text/html")


def _expired(fault: Fault, _: Request, __: bool) -> Answer:
    token = expired()
    raise RefusedError(400, fault.code or token.code, fault.message or token.message)


def _redirect(fault: Fault, request: Request, _: bool) -> Answer:
    query = f"?{request.raw_query}" if request.raw_query else ""
    return Answer(302, b"", "text/html", {"Location": f"https://{fault.host}{request.path}{query}"})


def _drop(_: Fault, __: Request, ___: bool) -> Answer:
    return Answer(0, share=0.0)


_INSTEAD: dict[str, Callable[[Fault, Request, bool], Answer]] = {
    "status": _status, "throttle": _throttle, "licence": _licence, "unauthorized": _unauthorized,
    "gateway": _gateway, "expired_token": _expired, "redirect": _redirect, "drop": _drop,
}  # fmt: skip


def _repeat_link(_: Fault, page: Page, reports: Reports) -> Page:
    return replace(page, link=reports.own_link(page))


def _foreign_link(fault: Fault, page: Page, reports: Reports) -> Page:
    own = reports.link(page, page.next or page.start)
    return replace(page, link=f"https://{fault.host}/" + own.split("/", 3)[3])


def _empty_token_link(_: Fault, page: Page, reports: Reports) -> Page:
    return replace(page, link=reports.link(page, page.start, token=""))


def _empty_page(_: Fault, page: Page, __: Reports) -> Page:
    return replace(page, rows=(), next=replace(page.start, page=page.start.page + 1))


def _duplicate(fault: Fault, page: Page, _: Reports) -> Page:
    # Only where the walk goes on: the last page has no link by which a record could come again.
    if page.next is None:
        return page
    kept = page.rows[: -fault.count]
    again = position_after(page.start, kept) if kept else replace(page.start, page=page.start.page + 1)
    return replace(page, next=again)


def _duplicate_key(_: Fault, page: Page, __: Reports) -> Page:
    rows = [replace(row, body='{"id":"",' + row.body[1:]) if row.body != "{}" else row for row in page.rows]
    return replace(page, rows=rows)


_IN_PAGE: dict[str, Callable[[Fault, Page, Reports], Page]] = {
    "repeat_link": _repeat_link, "foreign_link": _foreign_link, "empty_token_link": _empty_token_link,
    "empty_page": _empty_page, "duplicate": _duplicate, "duplicate_key": _duplicate_key,
}  # fmt: skip
