"""The app's dashboards: is the data there, what do people sign in from and to, and what did the rules find.

All read both shapes of events. What needs counting by name is read under CIM's names, which our props.conf gives our
events and Splunk's Add-on for Microsoft Cloud Services the others.
"""

from __future__ import annotations

from entrawatch.dialects.spl_fields import ENVELOPE, NORMALIZED
from entrawatch.dialects.spl_macros import source_name
from entrawatch.dialects.spl_text import macro, string
from entrawatch.packages.splunk_events import LEGACY_CLIENTS
from entrawatch.packages.splunk_macros import ALERTS, EVENTS, FINDINGS, LOG
from entrawatch.packages.splunk_studio import Dashboard, Panel

_EVENTS, _LOG, _FINDINGS, _ALERTS = (str(macro(name)) for name in (EVENTS, LOG, FINDINGS, ALERTS))
#: the events that tell of a hole in the data, in both shapes
_GAP = '(event.kind="pipeline_error" OR operationName="gap")'
_BOTH = " OR ".join(f"({macro(source_name('signin', profile))})" for profile in (NORMALIZED, ENVELOPE))
_SIGNINS = f"({_BOTH}) NOT {_GAP}"
_STREAM = "eval stream=coalesce('entra.stream', category, \"other\")"
_FAILED = 'eval failed=if(action="failure", 1, 0)'
_FACTORS = (
    "eval factors=coalesce('azure.signinlogs.properties.authentication_requirement', "
    "'properties.authenticationRequirement')"
)
#: characters of an event that automatic extraction reads, unless limits.conf says more
_EXTRACTED = 5_000
_SECOND = {"unit": "s", "unitPosition": "after"}


def _time(name: str) -> str:
    return f'eval {name}=strftime({name}, "%Y-%m-%d %H:%M:%S")'


HEALTH = Dashboard(
    "entrawatch_health",
    "Ingestion health",
    "Whether events of every stream arrive, how late, and what could not be taken.",
    (
        Panel("events", "Events", "singlevalue", (_EVENTS, "stats count AS events"), 3, 130),
        Panel(
            "lag", "Time from event to index, 95 of 100", "singlevalue",
            (_EVENTS, "eval lag=_indextime-_time", "stats perc95(lag) AS lag", "eval lag=round(lag)"), 3, 130,
            options=_SECOND,
        ),
        Panel(
            "aside", "Events put aside", "singlevalue",
            (_LOG, "stats count AS lines sum(events_put_aside) AS aside", "fillnull value=0 aside", "table aside"),
            3, 130, "Records that could not be stored: they stand in dead-letter.jsonl beside the input's state.",
        ),
        Panel(
            "holes", "Gaps", "singlevalue", (f"{_EVENTS} {_GAP}", "stats count AS gaps"), 3, 130,
            "Ranges of time that could not be read, and that Microsoft may no longer have.",
        ),
        Panel(
            "minutes", "Events a minute by stream", "area",
            (_EVENTS, _STREAM, "timechart span=1m limit=0 count BY stream"), 12, 320, options={"stackMode": "stacked"},
        ),
        Panel(
            "late", "Seconds from event to index", "table",
            (
                _EVENTS, _STREAM, "eval lag=_indextime-_time",
                "stats count AS events median(lag) AS median perc95(lag) AS perc95 max(lag) AS longest BY stream",
            ), 6, 320,
        ),
        Panel(
            "last", "Last event of each stream", "table",
            (
                _EVENTS, _STREAM, "stats max(_time) AS last max(_indextime) AS arrived count AS events BY stream",
                "eval minutes_ago=round((now()-arrived)/60)", _time("last"), _time("arrived"),
                "table stream, last, arrived, minutes_ago, events",
            ), 6, 320,
        ),
        Panel(
            "gaps", "Gaps and why", "table",
            (
                f"{_EVENTS} {_GAP}", _STREAM, "eval from_time=coalesce('event.start', 'properties.start')",
                "eval to_time=coalesce('event.end', 'properties.end')",
                "eval reason=coalesce('event.reason', 'properties.reason')",
                "table stream, from_time, to_time, reason",
            ), 12, 240,
        ),
        Panel(
            "silent", "Ten minutes without an event", "table",
            (
                _EVENTS, "timechart span=10m limit=0 count AS events", "where events=0", "eval start=_time",
                _time("start"), "table start",
            ), 4, 320,
        ),
        Panel(
            "long", "Events longer than extraction reads", "table",
            (
                _EVENTS, _STREAM, f"eval long=if(len(_raw)>{_EXTRACTED}, 1, 0)",
                "stats count AS events sum(long) AS beyond BY stream", "where beyond>0",
            ), 4, 320, "What stands behind is not found: see README/limits.conf.example.",
        ),
        Panel(
            "faults", "What the inputs complained of", "table",
            (f"{_LOG} log_level IN (WARNING, ERROR, CRITICAL)", "eval time=_time", _time("time"), "sort 0 -time",
             "head 50", "table time, log_level, _raw"), 4, 320,
        ),
    ),
)  # fmt: skip

SIGNINS = Dashboard(
    "entrawatch_signins",
    "Sign-ins",
    "Who signs in, from where, to what, and what comes of it.",
    (
        Panel("count", "Sign-ins", "singlevalue", (_SIGNINS, "stats count AS signins"), 3, 130),
        Panel("users", "Accounts", "singlevalue", (_SIGNINS, "stats dc(user) AS users"), 3, 130),
        Panel(
            "share", "Failed, of 100", "singlevalue",
            (_SIGNINS, _FAILED, "stats avg(failed) AS share", "eval share=round(100*share, 1)"), 3, 130,
        ),
        Panel("countries", "Countries", "singlevalue", (_SIGNINS, "stats dc(src_country) AS countries"), 3, 130),
        Panel(
            "outcomes", "What came of them", "column",
            (_SIGNINS, "timechart span=1h limit=0 count BY action"), 8, 320, options={"stackMode": "stacked"},
        ),
        Panel(
            "factors", "Factors asked for", "pie",
            (
                _SIGNINS,
                _FACTORS,
                "stats count AS signins BY factors", "sort 0 -signins",
            ), 4, 320,
        ),
        Panel(
            "codes", "Error codes", "table",
            (
                f"{_SIGNINS} NOT action=success",
                "stats count AS signins dc(user) AS users values(signature) AS meaning BY signature_id",
                "sort 0 -signins", "head 15",
            ), 6, 360,
            leads_to=f'{_SIGNINS} signature_id=$row.signature_id.value|s$',
        ),
        Panel(
            "failing", "Accounts that fail most", "table",
            (
                f"{_SIGNINS} action=failure",
                "stats count AS failures dc(src) AS sources values(src_country) AS countries BY user",
                "sort 0 -failures", "head 15",
            ), 6, 360,
            leads_to=f'{_SIGNINS} user=$row.user.value|s$',
        ),
        Panel(
            "places", "Countries", "table",
            (
                _SIGNINS, _FAILED,
                "stats count AS signins dc(user) AS users sum(failed) AS failed BY src_country", "sort 0 -signins",
                "head 30",
            ), 4, 360,
            leads_to=f'{_SIGNINS} src_country=$row.src_country.value|s$',
        ),
        Panel(
            "apps", "Applications", "bar", (_SIGNINS, "stats count AS signins BY app", "sort 0 -signins", "head 15"),
            4, 360,
        ),
        Panel(
            "legacy", "Clients without a second factor", "table",
            (
                _SIGNINS, "eval client=coalesce(authentication_service, 'properties.clientAppUsed')",
                f"search client IN ({', '.join(map(string, LEGACY_CLIENTS))})", _FAILED,
                "stats count AS signins dc(user) AS users sum(failed) AS failed BY client", "sort 0 -signins",
            ), 4, 360,
        ),
    ),
)  # fmt: skip

FINDINGS_VIEW = Dashboard(
    "entrawatch_findings",
    "Findings",
    "What the rules found: notables of Enterprise Security, and the alerts that fired.",
    (
        Panel(
            "timeline", "Findings by severity", "column",
            (_FINDINGS, "timechart span=1h limit=0 count BY severity"), 8, 320, options={"stackMode": "stacked"},
        ),
        Panel(
            "severities", "Findings", "pie", (_FINDINGS, "stats count AS findings BY severity"), 4, 320,
        ),
        Panel(
            "rules", "By rule", "table",
            (
                _FINDINGS, "stats count AS findings max(_time) AS last values(severity) AS severity BY search_name",
                "sort 0 -findings", _time("last"),
            ), 6, 360,
            leads_to=f'{_FINDINGS} search_name=$row.search_name.value|s$',
        ),
        Panel(
            "entities", "By account, address or object", "table",
            (
                _FINDINGS, "eval entity=mvappend(user, src_user, src, object)",
                "stats count AS findings dc(search_name) AS rules values(search_name) AS names BY entity",
                "sort 0 -rules, -findings", "head 30",
            ), 6, 360,
            leads_to=f'{_FINDINGS} $row.entity.value|s$',
        ),
        Panel(
            "latest", "Latest", "table",
            (
                _FINDINGS, "sort 0 -_time", "head 50", "eval time=_time", _time("time"),
                "table time, severity, search_name, user, src_user, src, object, app, events",
            ), 12, 400,
        ),
        Panel(
            "alerts", "Alerts that fired", "table",
            (
                _ALERTS, "stats count AS alerts max(_time) AS last BY ss_name", "sort 0 -alerts", _time("last"),
            ), 12, 300, "Also without Enterprise Security.",
        ),
    ),
    span=("-7d@d", "now"),
)  # fmt: skip

DASHBOARDS = (FINDINGS_VIEW, HEALTH, SIGNINS)
