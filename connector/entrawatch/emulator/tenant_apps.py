"""What people and programs of the synthetic tenant use: applications, clients, devices, sign-in texts.

Application ids and names are those of Microsoft's own applications, as Microsoft publishes them
(https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in). Versions of
browsers and systems are invented.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

#: the tenant that owns Microsoft's own applications
MICROSOFT_SERVICES = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"


class App(NamedTuple):
    """An application that people sign in to, and the resource its tokens are for."""

    id: str
    name: str
    resource_id: str
    resource: str
    client: str = "Browser"


_GRAPH = ("00000003-0000-0000-c000-000000000000", "Microsoft Graph")
_EXCHANGE = ("00000002-0000-0ff1-ce00-000000000000", "Office 365 Exchange Online")
_SHAREPOINT = ("00000003-0000-0ff1-ce00-000000000000", "Office 365 SharePoint Online")
_TEAMS = ("cc15fd57-2c6c-4117-a88c-83b1d56b4bbe", "Microsoft Teams Services")
_DIRECTORY = ("00000002-0000-0000-c000-000000000000", "Windows Azure Active Directory")
_ARM = ("797f4846-ba00-4fd7-ba43-dac1f8f63013", "Windows Azure Service Management API")
_DESKTOP = "Mobile Apps and Desktop clients"

PORTAL = App("c44b4083-3bb0-49c1-b47d-974e53cbdf3c", "Azure Portal", *_ARM)
OFFICE_HOME = App("4765445b-32c6-49b0-83e6-1d93765276ca", "OfficeHome", *_GRAPH)
OUTLOOK_WEB = App("9199bf20-a13f-4107-85dc-02114787ef48", "One Outlook Web", *_EXCHANGE)
OFFICE = App("d3590ed6-52b3-4102-aeff-aad2292ab01c", "Microsoft Office", *_GRAPH, _DESKTOP)
AZURE_CLI = App("04b07795-8ddb-461a-bbee-02f9e1bf7b46", "Microsoft Azure CLI", *_ARM, _DESKTOP)
EXCHANGE = App(_EXCHANGE[0], _EXCHANGE[1], *_EXCHANGE)
SYNC = App("cb1056e2-e479-49de-ae31-7812af012ed8", "Microsoft Azure Active Directory Connect", *_DIRECTORY, _DESKTOP)
#: what people open in the morning
INTERACTIVE = (
    OFFICE_HOME,
    OUTLOOK_WEB,
    App("5e3ce6c0-2b1f-4285-8d4b-75ee78787346", "Microsoft Teams Web Client", *_TEAMS),
    OFFICE,
    PORTAL,
    App("2793995e-0a7d-40d7-bd35-6968ba142197", "My Apps", *_DIRECTORY),
)
#: what asks for new tokens all day long
BACKGROUND = (
    OFFICE,
    App("d3590ed6-52b3-4102-aeff-aad2292ab01c", "Microsoft Office", *_EXCHANGE, _DESKTOP),
    App("d3590ed6-52b3-4102-aeff-aad2292ab01c", "Microsoft Office", *_SHAREPOINT, _DESKTOP),
    App("1fec8e78-bce4-4aaf-ab1b-5451cc387264", "Microsoft Teams", *_TEAMS, _DESKTOP),
    App("1fec8e78-bce4-4aaf-ab1b-5451cc387264", "Microsoft Teams", *_GRAPH, _DESKTOP),
    App("ab9b8c07-8f02-4f72-87fa-80105867a763", "OneDrive SyncEngine", *_SHAREPOINT, _DESKTOP),
    App("27922004-5251-4030-b22d-91ecd9a37ea4", "Outlook Mobile", *_EXCHANGE, _DESKTOP),
    OUTLOOK_WEB,
    App("29d9ed98-a469-4536-ade2-f981bc1d605e", "Microsoft Authentication Broker", *_DIRECTORY, _DESKTOP),
)
#: resources that programs ask tokens for
WORKLOAD_RESOURCES = tuple(
    App("", "", *resource)
    for resource in (
        _GRAPH,
        _ARM,
        ("cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "Azure Key Vault"),
        ("e406a681-f3d4-42a8-90b6-c2b029497af1", "Azure Storage"),
    )
)

_CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{0}.0.0.0 Safari/537.36"
)
_EDGE = _CHROME + " Edg/{0}.0.0.0"
_MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.{0} Safari/605.1.15"
)
_PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_{0} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.{0} Mobile/15E148 Safari/604.1"
)
#: the user agents of the password-guessing tools in the stories
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
LEGACY = "BAV2ROPC"
REQUESTS = "python-requests/2.32.3"


class Client(NamedTuple):
    """A kind of machine: what its browser says of itself, and what the directory knows of it."""

    agent: str
    browser: str
    system: str
    trust: str


@lru_cache(maxsize=512)
def client(kind: int, version: int) -> Client:
    """One of the kinds of machine.

    :param kind: 0 to 99, the kinds have their shares in it.
    :param version: 0 to 4, steps of the browser's version.
    """
    if kind < 45:
        return Client(_EDGE.format(138 + version), f"Edge {138 + version}.0.0", "Windows 10", "Azure AD joined")
    if kind < 65:
        return Client(
            _CHROME.format(138 + version), f"Chrome {138 + version}.0.0", "Windows 10", "Hybrid Azure AD joined"
        )
    if kind < 85:
        return Client(_MAC.format(version), f"Safari 18.{version}", "MacOs", "Azure AD registered")
    return Client(_PHONE.format(version), f"Mobile Safari 18.{version}", "Ios 18", "")


#: how the code reads in `status.failureReason`, in our words
REASONS = {
    0: "Other.",
    7000215: "Invalid client secret is provided.",
    7000222: "The provided client secret keys are expired.",
    50034: "The user account does not exist in the directory.",
    50053: "The account is locked: too many attempts with a wrong password or from an address with malicious activity.",
    50055: "The password is expired and must be changed.",
    50057: "The user account is disabled.",
    50058: "Session information is not sufficient for single sign-on.",
    50074: "Strong authentication is required and was not yet done.",
    50076: "Multifactor authentication is required because of a policy or a new location.",
    50126: "Invalid username or password.",
    50140: "Interrupt: the user was asked whether to stay signed in.",
    50158: "An external security challenge was not satisfied.",
    50173: "The refresh token is older than the last password change.",
    53003: "Access was blocked by conditional access.",
    65001: "The user or an administrator has not consented to the application.",
    70044: "The session has expired because of the sign-in frequency policy.",
    500121: "Authentication failed during the strong authentication request.",
}
