r"""How Splunk reads our events: props.conf, eventtypes.conf, tags.conf, and the baselines' lookups.

Sourcetypes are `entrawatch:` and the stream's family. The modular input and HEC give each event's time and bounds
themselves; what stands here of both serves files of ours that Splunk monitors. Fields come out of the JSON when a
search runs (KV_MODE): an index-time extraction would store each field twice, and HEC's event endpoint knows none.

Nothing is said of azure:monitor:aad: Splunk's Add-on for Microsoft Cloud Services maps that sourcetype, and of two
mappings of one field the one whose app comes first wins.

Automatic extraction stops at limits.conf's [spath] extraction_cutoff (5,000 bytes) and [kv] maxchars (10,240
characters), and an app must not ship limits.conf (AppInspect, check_limits_conf): `limits_example` is what an
administrator puts into local/. The connector writes what most searches ask for into an event's beginning.

https://docs.splunk.com/Documentation/Splunk/latest/Admin/Propsconf, …/Eventtypesconf, …/Tagsconf, …/Collectionsconf,
…/Transformsconf, …/Limitsconf
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entrawatch.dialects.spl_baseline import lookup_name
from entrawatch.dialects.spl_text import name, string
from entrawatch.packages.splunk_cim import calculated
from entrawatch.packages.splunk_conf import Stanza, conf
from entrawatch.schema.fields import ROOTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from entrawatch.packages.splunk_conf import Value
    from entrawatch.rules.rule import Baseline

#: clients of protocols that ask for a user name and a password and know no second factor
#: https://learn.microsoft.com/entra/identity/conditional-access/policy-block-legacy-authentication
LEGACY_CLIENTS = (
    "Authenticated SMTP", "Autodiscover", "Exchange ActiveSync", "Exchange Online PowerShell", "Exchange Web Services",
    "IMAP4", "MAPI Over HTTP", "Offline Address Book", "Other clients", "Outlook Anywhere (RPC over HTTP)", "POP3",
    "Reporting Web Services", "SMTP",
)  # fmt: skip
_CLIENT = "azure.signinlogs.properties.client_app_used"
#: characters of an event and fields of a search, above what a sign-in with many policies has
_LIMITS: dict[str, Value] = {"limit": 1000, "maxchars": 262144}
_SPATH: dict[str, Value] = {"extraction_cutoff": 262144}


def sourcetype(family: str) -> str:
    """The sourcetype of a family's events."""
    return f"entrawatch:{family}"


def props() -> list[Stanza]:
    """One stanza a sourcetype."""
    return [Stanza(sourcetype(family), {**_read(family), **_calculated(family)}) for family in ROOTS]


def _read(family: str) -> dict[str, Value]:
    return {
        "category": "Application",
        "description": f"Microsoft Entra ID, {family.replace('_', ' ')} events as Entrawatch sends them",
        "pulldown_type": True,
        "SHOULD_LINEMERGE": False,
        "LINE_BREAKER": r"([\r\n]+)",
        "TRUNCATE": 0,
        "TIME_PREFIX": r'"@timestamp":\s*"',
        "TIME_FORMAT": "%Y-%m-%dT%H:%M:%S.%3NZ",
        "MAX_TIMESTAMP_LOOKAHEAD": 32,
        "TZ": "UTC",
        "KV_MODE": "json",
    }


def _calculated(family: str) -> dict[str, Value]:
    return {f"EVAL-{field}": str(expression) for field, expression in calculated(family).items()}


def _types() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Event type → its search and its tags."""
    signin, audit = (f"sourcetype={string(sourcetype(family))}" for family in ("signin", "audit"))
    clients = ", ".join(map(string, LEGACY_CLIENTS))
    # what tells of a hole in the data is no sign-in and no change
    signin, audit = (f'{of_family} NOT event.kind="pipeline_error"' for of_family in (signin, audit))
    category = name("azure.auditlogs.properties.category")
    return {
        "entrawatch_signin": (signin, ("authentication", "cloud")),
        "entrawatch_signin_legacy": (f"{signin} {name(_CLIENT)} IN ({clients})", ("insecure",)),
        "entrawatch_audit": (audit, ("change", "cloud")),
        "entrawatch_audit_account": (f'{audit} {category}="UserManagement"', ("account",)),
    }


def eventtypes() -> list[Stanza]:
    """What counts as authentication and as change."""
    return [Stanza(kind, {"search": search}) for kind, (search, _) in _types().items()]


def tags() -> list[Stanza]:
    """The tags by which the data models find the events."""
    return [Stanza(f"eventtype={kind}", dict.fromkeys(tagged, "enabled")) for kind, (_, tagged) in _types().items()]


def collections(baselines: Mapping[str, Baseline]) -> list[Stanza]:
    """The baselines' collections: unlike a file in lookups/, they survive an upgrade of the app."""
    return [
        Stanza(
            lookup_name(baseline),
            {
                "field.address": "string",
                "field.country": "string",
                "enforceTypes": True,
                # the lookup runs beside the data, on the indexers
                "replicate": True,
                "replication_dump_strategy": "auto",
            },
        )
        for baseline in baselines.values()
    ]


def transforms(baselines: Mapping[str, Baseline]) -> list[Stanza]:
    """The baselines' lookups, which compare as they are written: both sides are in lower case."""
    return [
        Stanza(
            lookup_name(baseline),
            {
                "external_type": "kvstore",
                "collection": lookup_name(baseline),
                "fields_list": "_key, address, country",
                "case_sensitive_match": True,
                "max_matches": 1,
            },
        )
        for baseline in baselines.values()
    ]


def limits_example() -> bytes:
    """README/limits.conf.example."""
    comment = (
        "Splunk takes fields out of the first 5,000 bytes (JSON) or 10,240 characters of an event only, and at most",
        "100 of them. A sign-in that many policies were weighed for, or an audit of a long policy, is longer, and",
        "what stands behind is not found. Copy this to local/limits.conf on the search heads and the indexers; on",
        "Splunk Cloud ask Support for it.",
    )
    stanzas = [Stanza("kv", _LIMITS, comment), Stanza("spath", _SPATH)]
    return conf(stanzas, head="An example: Splunk does not read this file here.")
