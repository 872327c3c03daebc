"""Sign-ins of all four kinds.

https://learn.microsoft.com/graph/api/resources/signin?view=graph-rest-beta
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from entrawatch.normalize import common
from entrawatch.normalize.convert import FREE, compiled
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
    return [FREE(item, unfit) if type(item) is dict else {"application_id": item} for item in items if item]


_CONVERT = compiled(of_family("signin"), {"conditionalAccessAudiences": _audiences})
_RELATED = (
    "app_id", "resource_id", "service_principal_id", "service_principal_credential_key_id", "user_id",
)  # fmt: skip


def build(opened: Opened, tenant_id: str, outcomes: Outcomes) -> Event:
    """The event of a sign-in."""
    record, meta = opened.props, opened.meta
    unfit: dict[str, str] = {}
    props = _CONVERT(record, unfit)  # type: ignore[arg-type]
    if "sign_in_event_types" not in props and opened.stream.sign_in_type:
        props["sign_in_event_types"] = [opened.stream.sign_in_type]  # v1.0 and exports do not say it
    get = props.get
    tenant = common.tenant_of(tenant_id, meta.get("tenantId"), get("resource_tenant_id"), get("home_tenant_id"))
    frame = common.Frame(opened, tenant, common.head_of(opened, props, unfit, OPERATION), unfit)
    event, inner = frame.event, frame.inner
    inner["action"] = frame.head.get("operation_name", OPERATION)
    inner["category"] = ["authentication"]
    inner["type"] = ["info"]
    if get("id"):
        inner["id"] = props["id"]
    _place_result(frame, get("status"), outcomes)
    common.place_address(event, record.get("ipAddress") or meta.get("callerIpAddress"))
    common.place_user(event, get("user_principal_name"), get("user_id"), get("user_display_name"))
    _place_location(event, props, record.get("location"))
    _place_device(event, props, record.get("userAgent"))
    _place_rest(event, props)
    if meta:
        common.place_meta(frame, meta, level_as_text=True)
    elif get("processing_time_ms") is not None:
        inner["duration"] = (
            int(props["processing_time_ms"] * 1_000_000) if 0 <= props["processing_time_ms"] < 2**40 else 0
        )
    correlation = get("correlation_id")
    if correlation:
        event["azure"].setdefault("correlation_id", correlation)
    return frame.finish(record, get("created_at"), meta.get("time"))


def _place_result(frame: common.Frame, status: Any, outcomes: Outcomes) -> None:
    status = status or {}
    code = status.get("error_code")
    failure, more = status.get("failure_reason"), status.get("additional_details")
    if code is None:
        frame.inner["outcome"] = "unknown"
    else:
        frame.inner["outcome"] = outcomes.of(code)
        frame.inner["code"] = frame.head.setdefault("result_type", str(code))
        frame.ours["password_verified"] = code in outcomes.verified
        if failure and code:
            frame.inner["reason"] = failure  # on success it is "Other.", which is no reason
    if failure or more:
        frame.event["message"] = f"{failure} {more}" if failure and more else failure or more


def _place_location(event: Event, props: dict[str, Any], location: Any) -> None:
    location = parsed(location)
    if type(location) is not dict:
        return
    geo: dict[str, Any] = {}
    city, state, country = location.get("city"), location.get("state"), location.get("countryOrRegion")
    if city and type(city) is str:
        geo["city_name"] = city
    if state and type(state) is str:
        geo["region_name"] = state
    if country and type(country) is str:
        geo["country_iso_code"] = country
    coordinates = location.get("geoCoordinates")
    if type(coordinates) is dict and coordinates:
        point = _point(coordinates.get("latitude"), coordinates.get("longitude"))
        if point:
            geo["location"] = point
        altitude = coordinates.get("altitude")
        if altitude and as_double(altitude) is not UNFIT:
            props.setdefault("location", {})["geo_coordinates"] = {"altitude": as_double(altitude)}
    if geo:
        event["geo"] = geo
        event.setdefault("source", {})["geo"] = geo.copy()


def _point(latitude: Any, longitude: Any) -> Any:
    """A place on earth; 0,0 is how the service writes that it does not know."""
    lat, lon = as_double(latitude), as_double(longitude)
    if lat is UNFIT or lon is UNFIT or lat is None or lon is None or (lat == 0 and lon == 0):
        return None
    return {"lat": lat, "lon": lon} if -90 <= lat <= 90 and -180 <= lon <= 180 else None


@lru_cache(maxsize=4096)
def _browser(text: str) -> tuple[str, str]:
    name, _, version = text.rpartition(" ")
    return (name, version) if name and version[:1].isdigit() else (text, "")


def _place_device(event: Event, props: dict[str, Any], user_agent: Any) -> None:
    agent: dict[str, Any] = {}
    if user_agent and type(user_agent) is str:
        agent["original"] = user_agent
    device = props.get("device_detail")
    if device:
        if device.get("browser"):
            agent["name"], version = _browser(device["browser"])
            if version:
                agent["version"] = version
        if device.get("operating_system"):
            agent["os"] = {"full": device["operating_system"]}
        if device.get("device_id"):
            event["device"] = {"id": device["device_id"]}
        if device.get("display_name"):
            event["host"] = {"name": device["display_name"]}
    if agent:
        event["user_agent"] = agent


def _place_rest(event: Event, props: dict[str, Any]) -> None:
    get = props.get
    number = get("autonomous_system_number")
    if number:
        event.setdefault("source", {})["as"] = {"number": number}
    name, principal = get("service_principal_name"), get("service_principal_id")
    if name or principal:
        event["service"] = {key: value for key, value in (("name", name), ("id", principal)) if value}
    entity = [value for value in map(get, _RELATED) if value]
    if entity:
        event.setdefault("related", {})["entity"] = list(dict.fromkeys(entity))
    if get("resource_tenant_id"):
        event["cloud"]["account"] = {"id": props["resource_tenant_id"]}
