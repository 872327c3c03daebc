"""The sixteen rules in plain Python, for small data: what a finding is, said once and independently of everything.

It knows Graph records and nothing of the generator, the normaliser or a query language. Times are seconds since the
epoch. A window [kH - W, kH) hops by H; where a field that a finding is keyed by is missing, there is no finding.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Record = dict[str, Any]
#: slug of the rule, values of the finding's keys in the rule's order
Finding = tuple[str, tuple[str, ...]]
#: day since the epoch → user → first and last success of that day
Days = dict[int, dict[str, tuple[float, float]]]

MINUTE, HOUR, DAY = 60, 3600, 86_400
_BY_ADDRESS = ("ipAddress", "appDisplayName", "userAgent")
_BY_USER = ("userPrincipalName", *_BY_ADDRESS)


@lru_cache(maxsize=200_000)
def seconds(text: str) -> float:
    """A Graph time as seconds since the epoch."""
    whole, _, rest = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + (float("0." + rest) if rest else 0.0)


class Judge:
    """All rules over one set of rows; rows of one id may come several times."""

    def __init__(self, rows: Iterable[tuple[str, Record]]) -> None:
        self.signins: list[tuple[float, Record]] = []
        self.audits: list[tuple[float, Record]] = []
        for stream, record in rows:
            if stream in {"interactive", "non_interactive"}:
                self.signins.append((seconds(record["createdDateTime"]), record))
            elif stream == "directory_audits":
                self.audits.append((seconds(record["activityDateTime"]), record))
        self.begin = min((time for time, _ in self.signins), default=0.0)
        self.baseline = Baseline(self.signins, self.begin)

    def findings(self) -> set[Finding]:
        """Every finding of every rule."""
        found: set[Finding] = set()
        for slug, count, least in (("brute-force", "id", 5), ("mfa-failures", "id", 2)):
            code = 50126 if slug == "brute-force" else 500121
            found |= {(slug, keys) for keys, _ in self.bursts(code, _BY_USER, count, least, 5 * MINUTE)}
        for slug, code, least, hop in (
            ("password-spray", 50126, 5, 5), ("multiple-lockouts", 50053, 5, 5), ("disabled-user-signin", 50057, 1, 15),
        ):  # fmt: skip
            hits = self.bursts(code, _BY_ADDRESS, "userPrincipalName", least, hop * MINUTE)
            found |= {(slug, keys) for keys, _ in hits}
        found |= {("password-spray-success", keys) for keys in self.sprays_that_got_in()}
        found |= {("account-hijacking", keys) for keys in self.hijacked()}
        found |= {("third-party-changes", (name,)) for name in self.third_party()}
        for _, record in self.audits:
            found |= {(slug, (record["id"],)) for slug, holds in AUDIT_RULES.items() if holds(record)}
        for time, record in self.signins:
            if self.new_network(time, record):
                found.add(("single-factor-from-new-network", (record["id"],)))
            if sync_abuse(record):
                found.add(("sync-account-abuse", (record["id"],)))
        return found

    def bursts(
        self, code: int, by: tuple[str, ...], count: str, least: int, hop: int
    ) -> Iterator[tuple[tuple[str, ...], list[tuple[float, str]]]]:  # fmt: skip
        """Groups with at least so many distinct values in one hour, and the rows of all such windows."""
        groups: dict[tuple[str, ...], list[tuple[float, str]]] = defaultdict(list)
        for time, record in self.signins:
            keys = tuple(record.get(name) or "" for name in by)
            if record["status"]["errorCode"] == code and all(keys):
                groups[keys].append((time, record[count].lower()))
        for keys, events in groups.items():
            held = {
                event
                for window in windows(events, HOUR, hop)
                if len({v for _, v in window}) >= least
                for event in window
            }
            if held:
                yield keys, sorted(held)

    def sprays_that_got_in(self) -> Iterator[tuple[str, str]]:
        """Address and user of each success after a spray."""
        for keys, tried in self.bursts(50126, _BY_ADDRESS, "userPrincipalName", 5, 5 * MINUTE):
            last, victims = tried[-1][0], {user for _, user in tried}
            for time, record in self.signins:
                user = record["userPrincipalName"]
                good = record["status"]["errorCode"] == 0 and record["ipAddress"] == keys[0]
                if good and last < time <= last + DAY and user.lower() in victims:
                    yield keys[0], user

    def hijacked(self) -> Iterator[tuple[str, str]]:
        """User and address with all five activities in seven days."""
        groups: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
        for time, record in self.audits:
            user = record["initiatedBy"].get("user") or {}
            keys = (user.get("userPrincipalName") or "", user.get("ipAddress") or "")
            name = record["activityDisplayName"].strip().lower()
            if name in _HIJACK and record["result"] == "success" and all(keys):
                groups[keys].append((time, name))
        for keys, events in groups.items():
            for end in ends(events, 7 * DAY, HOUR):
                inside = {name for time, name in events if end - 7 * DAY <= time < end}
                if inside == _HIJACK and not self.baseline.network(keys[1], end):
                    yield keys
                    break

    def third_party(self) -> Iterator[str]:
        """Ids of changes whose correlation is a foreign sign-in's, both in one window of a day."""
        foreign: dict[str, list[float]] = defaultdict(list)
        for time, record in self.signins:
            home, resource = record.get("homeTenantId") or "", record.get("resourceTenantId") or ""
            if home and home.lower() != resource.lower():
                foreign[record["correlationId"]].append(time)
        for time, record in self.audits:
            for other in foreign.get(record["correlationId"], ()):
                end = (max(time, other) // (15 * MINUTE) + 1) * 15 * MINUTE
                if record["result"] == "success" and min(time, other) >= end - DAY:
                    yield record["id"]

    def new_network(self, time: float, record: Record) -> bool:
        """One factor, in, interactive, address and country both new."""
        return bool(
            record["authenticationRequirement"] == "singleFactorAuthentication"
            and record["status"]["errorCode"] == 0
            and record["isInteractive"]
            and not self.baseline.network(record["ipAddress"], time)
            and country(record) not in self.baseline.countries(time)
        )


def ends(events: list[tuple[float, str]], width: int, hop: int) -> Iterator[float]:
    """The ends of all windows that hold one of the events."""
    seen = set()
    for time, _ in events:
        first = (time // hop + 1) * hop
        seen.update(first + step * hop for step in range(width // hop))
    yield from sorted(seen)


def windows(events: list[tuple[float, str]], width: int, hop: int) -> Iterator[list[tuple[float, str]]]:
    """What each window holds."""
    for end in ends(events, width, hop):
        yield [event for event in events if end - width <= event[0] < end]


class Baseline:
    """Addresses with more than one successful user on one day, on more than one day of the seven before."""

    def __init__(self, signins: list[tuple[float, Record]], begin: float) -> None:
        self.first_end = begin + 7 * DAY
        self.addresses: dict[str, Days] = defaultdict(lambda: defaultdict(dict))
        self.pairs: dict[tuple[str, str], Days] = defaultdict(lambda: defaultdict(dict))
        for time, record in signins:
            address, user = record["ipAddress"], record["userPrincipalName"]
            if record["status"]["errorCode"] == 0 and address and user:
                for days in (self.addresses[address], self.pairs[address, country(record)]):
                    first, last = days[int(time // DAY)].get(user.lower(), (time, time))
                    days[int(time // DAY)][user.lower()] = (min(first, time), max(last, time))

    def shared(self, days: Days, end: float) -> bool:
        """More than one user on one day, on more than one day; a day at the window's edge counts as far as it is in."""
        end = max(end, self.first_end)
        begin = end - 7 * DAY
        held = 0
        for day in range(int(begin // DAY), int(end // DAY) + 1):
            users = days.get(day, {}).values()
            held += sum(last >= begin and first < end for first, last in users) > 1
        return held > 1

    def network(self, address: str, end: float) -> bool:
        """Whether the address is the organisation's."""
        return address in self.addresses and self.shared(self.addresses[address], end)

    def countries(self, end: float) -> set[str]:
        """The organisation's countries."""
        return {land for (_, land), days in self.pairs.items() if land and self.shared(days, end)}


def country(record: Record) -> str:
    """The sign-in's country."""
    return str((record.get("location") or {}).get("countryOrRegion") or "")


def sync_abuse(record: Record) -> bool:
    """The synchronisation's account in another app."""
    app = (record.get("appDisplayName") or "").lower()
    return record["userPrincipalName"].lower().startswith("sync_") and app not in {
        "",
        "microsoft azure active directory connect",
    }


def plain(value: Any) -> str:
    """A modified property's value without its layers of JSON quotation marks."""
    text = str(value or "")
    while len(text) > 1 and text[0] == text[-1] == '"':
        text = str(json.loads(text))
    return text


def properties(record: Record) -> Iterator[Record]:
    """All modified properties of all targets."""
    for resource in record["targetResources"]:
        yield from resource["modifiedProperties"]


def named(record: Record, *names: str) -> bool:
    """The activity, without case and blanks at its ends."""
    return record["activityDisplayName"].strip().lower() in names


def _user_consent(record: Record) -> bool:
    flag = "consentcontext.isadminconsent"
    return named(record, "consent to application") and any(
        p["displayName"].lower() == flag and plain(p["newValue"]).lower() == "false" for p in properties(record)
    )


def _credentials(record: Record) -> bool:
    activity = record["activityDisplayName"].lower()
    managed = activity.startswith("update application") and "certificates and secrets management" in activity
    if not managed and not named(record, "add service principal credentials"):
        return False
    for p in properties(record):
        old, new = (json.loads(p[name] or "[]") for name in ("oldValue", "newValue"))
        if p["displayName"] == "KeyDescription" and 0 < len(old) < len(new):
            return True
    return False


def _admin_role(record: Record) -> bool:
    if (record["category"].lower(), record["operationType"].lower()) != ("rolemanagement", "assign"):
        return False
    roles = [plain(p["newValue"]).lower() for p in properties(record) if p["displayName"] == "Role.DisplayName"]
    app = (record["initiatedBy"].get("app") or {}).get("displayName") or ""
    by_user = bool((record["initiatedBy"].get("user") or {}).get("userPrincipalName"))
    return any("admin" in role for role in roles) and (by_user or app.lower() != "ms-pim")


_HIJACK = {
    "reset password (self-service)", "self-service password reset flow activity progress", "user deleted security info",
    "user registered security info", "user started security info registration",
}  # fmt: skip
AUDIT_RULES = {
    "user-consent-to-application": _user_consent,
    "credentials-added": _credentials,
    "admin-role-outside-pim": _admin_role,
    "application-added": lambda record: named(record, "add application"),
    "guest-invited": lambda record: named(record, "invite external user"),
    "conditional-access-policy-changed": lambda record: named(record, "update conditional access policy"),
}
