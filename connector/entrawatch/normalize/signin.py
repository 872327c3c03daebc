"""Sign-ins of all four kinds.

https://learn.microsoft.com/graph/api/resources/signin?view=graph-rest-beta
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from entrawatch.normalize import common
from entrawatch.normalize.containers import free, repeated
from entrawatch.normalize.convert import compiled
from entrawatch.normalize.values import UNFIT, as_double, parsed
from entrawatch.schema.fields import of_family

if TYPE_CHECKING:
    from entrawatch.interfaces import Event
    from entrawatch.normalize.shapes import Opened
    from entrawatch.schema.outcomes import Outcomes

OPERATION = "Sign-in activity"


def _audiences(value: Any, unfit: dict[str, str]) -> Any:
    """Documented as texts, seen as objects: always objects, so that a rule has one place to look."""
    value = parsed(value)
    items = value if type(value) is list else [value]
    if any(type(item) not in (str, dict) for item in items):
        return UNFIT
    return [free(item, unfit) if type(item) is dict else {"application_id": item} for item in items if item]


#: what differs from one sign-in to the next; all else repeats
_OWN = frozenset({
    "id", "createdDateTime", "correlationId", "originalRequestId", "uniqueTokenIdentifier", "sessionId",
    "processingTimeInMilliseconds", "userId", "userPrincipalName", "userDisplayName", "signInIdentifier",
    "authenticationDetails", "deviceDetail", "autonomousSystemNumber", "ipAddress", "location", "userAgent",
})  # fmt: skip
_ROWS = [field for field in of_family("signin") if not field.name.startswith("location")]
#: lists whose objects repeat in sign-in after sign-in; those of authenticationDetails have a time
_REPEATED = ("appliedConditionalAccessPolicies", "networkLocationDetails", "authenticationRequirementPolicies",
             "sessionLifetimePolicies", "authenticationAppPolicyEvaluationDetails")  # fmt: skip
_CONVERT = compiled(
    _ROWS,
    {"conditionalAccessAudiences": _audiences, **{key: repeated() for key in _REPEATED}},
    own=_OWN,
    elsewhere=("location",),
)


class _Base(NamedTuple):
    """What follows from the shared values alone: copied for each sign-in."""

    outcomes: Outcomes
    event: Event
    azure: dict[str, Any]
    head: dict[str, Any]
    inner: dict[str, Any]
    ours: dict[str, Any]


def build(opened: Opened, tenant_id: str, outcomes: Outcomes) -> Event:
    """The event of a sign-in."""
    _, stream, record, meta = opened
    unfit: dict[str, str] = {}
    props = _CONVERT(record, unfit)  # type: ignore[arg-type]
    get = props.get
    _, event, azure, head, inner, ours = _base_of(opened, tenant_id, outcomes, props, unfit)
    event, azure, head, inner = event.copy(), azure.copy(), head.copy(), inner.copy()
    head["properties"] = props
    azure[_ROOT] = head
    event["azure"], event["entra"], event["event"] = azure, ours.copy(), inner
    if "sign_in_event_types" not in props:
        props["sign_in_event_types"] = [stream.sign_in_type]  # v1.0 and exports do not say it
    related: dict[str, Any] = {}
    _place_source(event, related, props, record, meta)
    common.place_user(event, related, get("user_principal_name"), get("user_id"), get("user_display_name"))
    _place_device(event, get("device_detail"), record.get("userAgent"))
    if related:
        event["related"] = related
    if meta:
        common.place_meta(event, head, meta, level_as_text=True)
    elif 0 <= get("processing_time_ms", -1) < 2**40:
        inner["duration"] = int(props["processing_time_ms"] * 1_000_000)
    if get("correlation_id"):
        azure.setdefault("correlation_id", props["correlation_id"])
    return common.finish(event, record, unfit, get("id"), get("created_at"), meta.get("time"))


def _base_of(opened: Opened, tenant_id: str, outcomes: Outcomes, props: dict[str, Any], unfit: dict[str, str]) -> _Base:
    """What the sign-in shares with others that say the same; made anew where a record stands in an envelope."""
    if opened.meta:
        return _base(opened, tenant_id, outcomes, props, unfit)
    get = props.get
    status = get("status") or _NO_STATUS
    key = (
        opened.stream.name, tenant_id, status.get("error_code"), status.get("failure_reason"),
        status.get("additional_details"), get("service_principal_name"), get("service_principal_id"),
        get("resource_tenant_id"), get("home_tenant_id"),
    )  # fmt: skip
    base = _BASES.get(key)
    if base is None or base.outcomes is not outcomes:
        if len(_BASES) >= _MOST_BASES:
            _BASES.clear()
        base = _BASES[key] = _base(opened, tenant_id, outcomes, props, unfit)
    return base


_BASES: dict[tuple[Optional[str], ...], _Base] = {}
_MOST_BASES = 4096


def _base(opened: Opened, tenant_id: str, outcomes: Outcomes, props: dict[str, Any], unfit: dict[str, str]) -> _Base:
    get, meta = props.get, opened.meta
    tenant = tenant_id or common.tenant_of(meta.get("tenantId"), get("resource_tenant_id"), get("home_tenant_id"))
    head = common.head_of(opened, {}, unfit, OPERATION)
    event, inner, ours = common.frame(opened.stream, tenant, head)
    inner["action"] = head.get("operation_name", OPERATION)
    inner["category"] = ["authentication"]
    inner["type"] = ["info"]
    _place_result(event, head, get("status"), outcomes)
    name, identifier = get("service_principal_name"), get("service_principal_id")
    if name or identifier:
        event["service"] = {key: value for key, value in (("name", name), ("id", identifier)) if value}
    if get("resource_tenant_id"):
        event["cloud"] = {"provider": "azure", "account": {"id": props["resource_tenant_id"]}}
    return _Base(outcomes, event, event["azure"], head, inner, ours)


def _place_result(event: Event, head: dict[str, Any], status: Any, outcomes: Outcomes) -> None:
    status = status or _NO_STATUS
    inner = event["event"]
    code = status.get("error_code")
    failure, more = status.get("failure_reason"), status.get("additional_details")
    if code is None:
        inner["outcome"] = "unknown"
    else:
        inner["outcome"] = outcomes.of(code)
        inner["code"] = head.setdefault("result_type", str(code))
        if event["entra"]["stream"] in _WITH_PASSWORD:
            event["entra"]["password_verified"] = code in outcomes.verified
        if failure and code:
            inner["reason"] = failure  # on success it is "Other.", which is no reason
    if failure or more:
        event["message"] = f"{failure} ({more})" if failure and more else failure or more


#: streams whose sign-ins can have a password
_WITH_PASSWORD = frozenset({"interactive", "interactive_v1", "non_interactive"})
_NO_STATUS: dict[str, Any] = {}


def _place_source(event: Event, related: dict[str, Any], props: dict[str, Any], record: Any, meta: Any) -> None:
    """Where the client is: its address, network and place."""
    address, number = record.get("ipAddress") or meta.get("callerIpAddress"), props.get("autonomous_system_number")
    location = record.get("location")
    if type(location) is not dict:
        location = parsed(location)
        location = location if type(location) is dict else _NO_STATUS
    at = location.get("geoCoordinates")
    at = at if type(at) is dict else _NO_STATUS
    get = location.get
    where = (
        address, number, get("city"), get("state"), get("countryOrRegion") or meta.get("location"),
        at.get("latitude"), at.get("longitude"),
    )  # fmt: skip
    try:
        source, client, addresses, geo = _source(*where)
    except TypeError:  # a list or an object where a name belongs
        source, client, addresses, geo = _source.__wrapped__(*where)
    if source:
        event["source"] = source
    if client:
        event["client"] = client
        related["ip"] = addresses
    if geo:
        event["geo"] = geo
    if at.get("altitude") or len(location) > 4:
        _place_rest(props, location)


def _place_rest(props: dict[str, Any], location: dict[str, Any]) -> None:
    """What of the location has no place of its own in the event."""
    rest = {key: value for key, value in location.items() if key not in _LOCATION and value is not None}
    out = free(rest, {})
    at = location.get("geoCoordinates")
    altitude = as_double(at.get("altitude")) if type(at) is dict and at.get("altitude") else None
    if altitude is not None and altitude is not UNFIT:
        out["geo_coordinates"] = {"altitude": altitude}
    if out:
        props["location"] = out


_LOCATION = frozenset({"city", "state", "countryOrRegion", "geoCoordinates"})


@lru_cache(maxsize=16384, typed=True)
def _source(
    address: Any, number: Any, city: Any, state: Any, country: Any, latitude: Any, longitude: Any
) -> tuple[dict[str, Any], dict[str, Any], list[str], dict[str, Any]]:
    """source, client, related.ip and geo; shared by all sign-ins from there."""
    event: Event = {}
    source, related = common.place_address(event, address)
    geo: dict[str, Any] = {
        name: value
        for name, value in (("city_name", city), ("region_name", state), ("country_iso_code", country))
        if value and type(value) is str
    }
    point = _point(latitude, longitude)
    if point:
        geo["location"] = point
    if geo:
        source["geo"] = geo
    if number:
        source["as"] = {"number": number}
    return source, event.get("client", {}), related.get("ip", []), geo


def _point(latitude: Any, longitude: Any) -> Any:
    """A place on earth; 0,0 is how the service writes that it does not know."""
    lat, lon = as_double(latitude), as_double(longitude)
    if lat is UNFIT or lon is UNFIT or lat is None or lon is None or (lat == 0 and lon == 0):
        return None
    return {"lat": lat, "lon": lon} if -90 <= lat <= 90 and -180 <= lon <= 180 else None


def _place_device(event: Event, device: Any, user_agent: Any) -> None:
    if type(user_agent) is not str:
        user_agent = ""
    if device:
        get = device.get
        identifier, name = get("device_id"), get("display_name")
        if identifier:
            event["device"] = {"id": identifier}
        if name:
            event["host"] = {"name": name}
        agent = _agent(user_agent, get("browser"), get("operating_system"))
    else:
        agent = _agent(user_agent, None, None)
    if agent:
        event["user_agent"] = agent


@lru_cache(maxsize=4096)
def _agent(original: str, browser: Optional[str], system: Optional[str]) -> dict[str, Any]:
    """The user agent's text, and what Entra ID itself read out of it."""
    agent: dict[str, Any] = {}
    if original:
        agent["original"] = original
    if browser:
        name, _, version = browser.rpartition(" ")
        if name and version[:1].isdigit():
            agent["name"], agent["version"] = name, version
        else:
            agent["name"] = browser
    if system:
        agent["os"] = {"full": system}
    return agent


_ROOT = "signinlogs"
