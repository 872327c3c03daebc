"""The synthetic company: its offices, people, machines and networks, each found again by number, none of them stored.

Every address is from a range that belongs to nobody on the Internet, so that no record points at a real network:
offices 198.18.0.0/16 and mobile carriers 198.19.0.0/16 (benchmarking, RFC 2544), homes 100.64.0.0/10 (carrier NAT,
RFC 6598), programs 192.0.2.0/24, attackers and partners 198.51.100.0/24 and 203.0.113.0/24 (documentation, RFC 5737),
IPv6 2001:db8::/32 (RFC 3849). Autonomous systems are the documentation and private numbers (RFC 5398, RFC 6996).
Domains end in `.example` (RFC 2606).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from entrawatch.emulator.tenant_apps import Client, client
from entrawatch.emulator.tenant_dice import fixed_guid, mix

if TYPE_CHECKING:
    from entrawatch.emulator.tenant_apps import App
    from entrawatch.interfaces import Record

#: people behind one office address at most
NAT = 40
_DOMAIN = "northwind.example"
_FIRST = (
    "Anna", "Ben", "Carla", "David", "Elif", "Finn", "Grace", "Hugo", "Ines", "Jonas", "Katrin", "Liam", "Mei", "Nora",
    "Omar", "Petra", "Quentin", "Rosa", "Samir", "Tara", "Uwe", "Vera", "Wei", "Xenia", "Yusuf", "Zoe", "Aaron",
    "Bianca", "Chen", "Daria", "Emil", "Farah",
)  # fmt: skip
_LAST = (
    "Abel", "Brandt", "Castro", "Dupont", "Eriksen", "Fischer", "Garcia", "Huber", "Ito", "Jansen", "Keller", "Lopez",
    "Meyer", "Nguyen", "Okafor", "Patel", "Quinn", "Rossi", "Schmidt", "Tanaka", "Ueda", "Vogel", "Weber", "Xu",
    "Yilmaz", "Zimmer", "Almeida", "Becker", "Chaudhry", "Dietrich", "Evans", "Fontaine",
)  # fmt: skip


class Place(NamedTuple):
    """Where a request comes from."""

    address: str
    location: Record
    system_number: int
    kind: str  # office, home, mobile, travel, partner, attacker


class Office(NamedTuple):
    """A city, and the hours its clocks are before UTC (daylight saving is left out)."""

    city: str
    state: str
    country: str
    latitude: float
    longitude: float
    offset: int


_OFFICES = (
    Office("Muenchen", "Bayern", "DE", 48.1374, 11.5755, 1),
    Office("London", "England", "GB", 51.5085, -0.1257, 0),
    Office("Chicago", "Illinois", "US", 41.8500, -87.6501, -6),
    Office("Singapore", "Central Singapore", "SG", 1.2897, 103.8501, 8),
    Office("Toronto", "Ontario", "CA", 43.7001, -79.4163, -5),
)
#: where people travel to and attackers come from; none of them has an office
_ABROAD = (
    Office("Sao Paulo", "Sao Paulo", "BR", -23.5475, -46.6361, -3),
    Office("Osaka", "Osaka", "JP", 34.6937, 135.5022, 9),
    Office("Warszawa", "Mazowieckie", "PL", 52.2298, 21.0118, 1),
    Office("Cape Town", "Western Cape", "ZA", -33.9258, 18.4232, 2),
    Office("Madrid", "Madrid", "ES", 40.4165, -3.7026, 1),
    Office("Istanbul", "Istanbul", "TR", 41.0138, 28.9497, 3),
)


def _location(town: Office) -> Record:
    return {
        "city": town.city,
        "state": town.state,
        "countryOrRegion": town.country,
        "geoCoordinates": {"altitude": None, "latitude": town.latitude, "longitude": town.longitude},
    }


#: location objects are made once and shared by all records: a record is never changed after it was made
LOCATIONS = {town.country: _location(town) for town in (*_OFFICES, *_ABROAD)}
ABROAD = tuple(town.country for town in _ABROAD)
NOWHERE: Record = {"city": None, "state": None, "countryOrRegion": None, "geoCoordinates": None}


class User(NamedTuple):
    """A person with an account: what stays the same for all days."""

    number: int
    id: str
    name: str
    upn: str
    office: int
    seat: int  # place among those behind the same office address
    egress: str
    client: Client
    device: Record
    factor: str  # the second factor
    home_tenant: str
    guest: bool = False


class World:
    """The company of a seed.

    :param seed: any whole number.
    :param users: employees; guests and the stories' extra people come on top.
    """

    def __init__(self, seed: int, users: int) -> None:
        self.seed, self.users = seed, users
        self.tenant_id = fixed_guid(seed, 11)
        self.domain = _DOMAIN
        self.office_count = next(
            count for count, below in ((1, 20), (2, 100), (3, 1000), (5, 1 << 62)) if users < below
        )
        self.offices = _OFFICES[: self.office_count]
        self.guests = max(2, users // 20)
        self.principals = max(4, min(users // 25, 5000))
        self.identities = max(3, min(users // 50, 2000))
        #: sign-in fields of each application, filled by the record builder
        self.app_fields: dict[App, Record] = {}
        self.user = lru_cache(maxsize=16384)(self._user)
        self._day_place = lru_cache(maxsize=32768)(self._where)

    def headcount(self, office: int) -> int:
        """Employees of an office."""
        return (self.users - office + self.office_count - 1) // self.office_count

    def guid(self, *parts: int) -> str:
        """The GUID of something of this company."""
        return fixed_guid(self.seed, *parts)

    def _user(self, index: int) -> User:
        """An employee; numbers from `users` on are the stories' people, who are not part of the daily round."""
        office, rank = index % self.office_count, index // self.office_count
        addresses = -(-self.headcount(office) // NAT)
        traits = mix(self.seed, index, 3)
        first, last = _FIRST[traits % 32], _LAST[(traits >> 8) % 32]
        box = client((traits >> 16) % 100, (traits >> 24) % 5)
        return User(
            index, self.guid(index, 4), f"{first} {last}", f"{first}.{last}{index}@{self.domain}".lower(), office,
            rank // addresses, self._office_address(office, rank % addresses), box, self._device(index, box),
            ("Mobile app notification", "Text message", "OATH verification code")[(traits >> 32) % 3], self.tenant_id,
        )  # fmt: skip

    def guest(self, number: int) -> User:
        """A person of a partner company, invited to ours."""
        traits = mix(self.seed, number, 5)
        first, last = _FIRST[traits % 32], _LAST[(traits >> 8) % 32]
        partner = ("fabrikam", "tailspin", "wingtip")[number % 3]
        box = client((traits >> 16) % 100, (traits >> 24) % 5)
        upn = f"{first}.{last}{number}@{partner}.example".lower()
        return User(
            -1 - number, self.guid(number, 6), f"{first} {last}", upn, number % self.office_count, number,
            "", box, self.bare_device(box), "Mobile app notification", self.guid(number % 3, 7), True,
        )  # fmt: skip

    def _device(self, index: int, box: Client) -> Record:
        device = self.bare_device(box)
        if box.trust:
            name = f"{'NB' if box.system != 'MacOs' else 'MB'}-{index:06d}"
            managed = box.trust != "Azure AD registered"
            device.update(deviceId=self.guid(index, 8), displayName=name, trustType=box.trust)
            device.update(isCompliant=managed, isManaged=managed)
        return device

    @staticmethod
    def bare_device(box: Client) -> Record:
        """What is known of a machine that is not registered."""
        return {
            "deviceId": "", "displayName": "", "operatingSystem": box.system, "browser": box.browser, "browserId": None,
            "isCompliant": False, "isManaged": False, "trustType": "",
        }  # fmt: skip

    @staticmethod
    def _office_address(office: int, number: int) -> str:
        # offices take turns in the /16, so that any of them may grow
        slot = number * len(_OFFICES) + office + 1
        return f"198.18.{(slot >> 8) & 255}.{slot & 255}"

    def office(self, user: User) -> Place:
        """The user's desk."""
        return Place(user.egress, LOCATIONS[self.offices[user.office].country], 64496 + user.office, "office")

    def home(self, user: User, day: int) -> Place:
        """The user's home: an IPv4 address that stays, or IPv6 whose lower half changes every day."""
        number = user.number & 0x3FFFFF
        address = f"100.{64 + (number >> 16)}.{(number >> 8) & 255}.{number & 255}"
        if number % 3 == 0:
            low = mix(self.seed, number, day)
            network = f"2001:db8:{0x1000 + (number >> 16):x}:{number & 0xFFFF:x}"
            address = f"{network}:1{low & 0xFFF:03x}::{(low >> 12 & 0xFFF) + 1:x}"
        return Place(address, LOCATIONS[self.offices[user.office].country], 64520 + user.office, "home")

    def mobile(self, user: User, day: int) -> Place:
        """The user's telephone, behind one of its carrier's addresses; each country has its own sixteenth of them."""
        slot = (user.office << 12) | (mix(self.seed, user.number, day, 9) & 0xFFF)
        address = f"198.19.{slot >> 8}.{slot & 255}"
        return Place(address, LOCATIONS[self.offices[user.office].country], 64530 + user.office, "mobile")

    def hotel(self, user: User, week: int) -> Place:
        """An address abroad that nobody else ever has."""
        country = ABROAD[mix(self.seed, user.number, week, 10) % len(ABROAD)]
        address = f"2001:db8:{0x2000 + (user.number >> 16 & 0xFFF):x}:{user.number & 0xFFFF:x}::{week & 0xFFFF:x}"
        return Place(address, LOCATIONS[country], 65536 + ABROAD.index(country), "travel")

    def partner(self, guest: User) -> Place:
        """A guest's own network: one a guest, so that a partner's office does not pass for one of ours."""
        country = ("DE", "GB", "US")[guest.seat % 3]
        return Place(f"2001:db8:3000:{guest.seat:x}::10", LOCATIONS[country], 65542 + guest.seat % 3, "partner")

    def where(self, user: User, day: int) -> Place:
        """Where a user is on a day (days since the epoch).

        The first two behind each address are in their office every weekday: with them the organisation's networks
        show in any seven days, at any size.
        """
        return self.partner(user) if user.guest else self._day_place(user.number, day)

    def _where(self, number: int, day: int) -> Place:
        user = self.user(number)
        weekday, week = (day + 3) % 7, (day + 3) // 7
        if weekday < 5 and user.seat < 2:
            return self.office(user)
        if mix(self.seed, user.number, week, 12) % 100 < 3:
            return self.hotel(user, week)
        roll = mix(self.seed, user.number, day, 13) % 100
        if roll < 65 and weekday < 5:
            return self.office(user)
        return self.home(user, day) if roll < 90 else self.mobile(user, day)


def attacker(number: int, country: str = "TR") -> Place:
    """One of the stories' addresses; every story has its own."""
    block = "198.51.100" if number < 200 else "203.0.113"
    return Place(f"{block}.{number % 200 + 10}", LOCATIONS[country], 65545, "attacker")


def key_value(**pairs: Any) -> list[Record]:
    """Graph's list of key and value."""
    return [{"key": key, "value": value} for key, value in pairs.items()]
