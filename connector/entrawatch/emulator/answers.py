"""A request as the emulator reads it, an answer as it sends it, and refusals in Graph's own words."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.jsontext import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

#: the content type of Graph's answers
JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"


@dataclass(frozen=True)
class Request:
    """One request.

    :param path: without the query, percent-decoded.
    :param query: decoded parameters; of equal names the last one counts.
    :param raw_query: the query as it came.
    :param headers: names in lower case.
    """

    method: str
    path: str
    query: Mapping[str, str]
    raw_query: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """One answer.

    :param share: the part of the body that is sent before the connection is closed; 0 sends nothing at all.
    :param excess: bytes that Content-Length claims beyond the true length.
    """

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    share: float = 1.0
    excess: int = 0


class RefusedError(Exception):
    """The request is refused; the server writes it in Graph's error shape.

    :param code: Graph's error code.
    """

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        self.status, self.code, self.message = status, code, message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        super().__init__(message)


def json_answer(value: Any, status: int = 200, headers: Optional[Mapping[str, str]] = None) -> Answer:
    """A JSON answer as Graph types it."""
    return Answer(status, dumps(value), JSON, headers or {})


def request_ids(request: Request) -> tuple[str, str]:
    """A new request id, and the client's own one where it sent one (Graph repeats it), else the same."""
    own = str(uuid.uuid4())
    return own, request.headers.get("client-request-id", own)


def refused(refusal: RefusedError, request: Request, now: datetime) -> Answer:
    """The refusal in Graph's error shape (https://learn.microsoft.com/graph/errors)."""
    request_id, client_id = request_ids(request)
    inner = {"date": now.strftime("%Y-%m-%dT%H:%M:%S"), "request-id": request_id, "client-request-id": client_id}
    error = {"error": {"code": refusal.code, "message": refusal.message, "innerError": inner}}
    return json_answer(error, refusal.status, {**refusal.headers, "request-id": request_id})


def bad_filter(detail: str = "") -> RefusedError:
    """400 as the reporting endpoints give it for every filter they do not take.

    Source: microsoft-graph-docs issues 5676 and 14173; with a property's name, MSIdentityTools issue 29.
    """
    return RefusedError(400, "BadRequest", "Invalid filter clause" + (f": {detail}" if detail else ""))


def unlicensed(reporting: bool) -> RefusedError:
    """403 of a tenant without the licence (microsoft-graph-docs issue 14118)."""
    if reporting:
        code = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
        return RefusedError(403, code, "Neither tenant is B2C or tenant doesn't have premium license")
    return RefusedError(403, "Forbidden", "Your tenant is not licensed for this feature.")
